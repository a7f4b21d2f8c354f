"""LIF: closed forms of rate, response, refractory time; order of convergence."""

import itertools
import math

import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def constant(level, steps, n=1, **kw):
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=n)
    net.add(ship.LIF, "lif", n=n, output=True, **kw)
    net.add(ship.Link, "link", source="i", target="lif")
    return net, torch.full((1, steps, n), level, dtype=D)


def test_rate_of_a_constant_current():
    """f = 1 / (t_ref + tau ln(v0 / (v0 - theta))), tau 10 ms, t_ref 5 ms, theta 10 mV."""
    dt, tau = 1e-5, 10e-3
    v0 = torch.tensor([11e-3, 15e-3, 20e-3], dtype=D)
    net, x = constant(0.0, 50_000, n=3, tau=tau, v_th=10e-3, t_ref=5e-3)
    net.init(dt=dt, dtype=D)
    out = net.run(x + v0 / tau)[0]
    for j, rate in enumerate((34.508, 62.554, 83.812)):
        spikes = out[:, j].nonzero().flatten()
        measured = (len(spikes) - 1) / (float(spikes[-1] - spikes[0]) * dt)
        exact = 1 / (5e-3 + tau * math.log(v0[j] / (v0[j] - 10e-3)))
        assert exact == pytest.approx(rate, abs=1e-3)
        # The crossing is seen at the next slot: each interval is late by less than one slot.
        assert 0 <= 1 / measured - 1 / exact < dt
        assert len(spikes) > 15


def psp(t, tau_m, tau_s, w):
    """Response to one event: v(t) = w / (tau_m - tau_s) * tau_m * (e^(-t/tau_m) - e^(-t/tau_s)) ... current w/tau_s
    e^(-t/tau_s).
    """
    return w * tau_m / (tau_m - tau_s) * (torch.exp(-t / tau_m) - torch.exp(-t / tau_s))


def response(dt, drive, tau_m=20e-3, tau_s=5e-3, side="post"):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "lif", n=1, tau=tau_m, v_th=10.0)
    net.add(ship.ExpSynapse, "s", source="in", target="lif", tau=tau_s, weight=1.0, drive=drive, side=side)
    net.init(dt=dt, dtype=D)
    net.monitor("lif", "v")
    steps = round(0.1 / dt)
    x = torch.zeros(1, steps, 1)
    x[0, 0] = 1
    net.run(x)
    return net.timeline(), net.records["lif"].v[0, :, 0].detach()


def test_default_response_error_and_order():
    """At dt 1 ms at most 0.1 % of the peak over the whole response; order 2 in dt."""
    errors = []
    for dt in (1e-3, 0.5e-3, 0.25e-3):
        t, v = response(dt, "charge")
        exact = psp(t, 20e-3, 5e-3, 1.0)
        errors.append(float((v - exact).abs().max() / exact.max()))
    assert errors[0] < 1e-3
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("taus", [(20e-3, 5e-3), (10e-3, 10e-3), (20e-3, 10e-3), (10e-3, 0.5e-3)])
@pytest.mark.parametrize("side", ["post", "pre", "connection"])
def test_exact_drive_does_not_depend_on_dt(taus, side):
    """Events on the grid: equal to the closed form to 1e-12 at any dt, also at equal time constants (science D2, D3)."""
    tau_m, tau_s = taus
    for dt in (1e-3, 0.1e-3):
        t, v = response(dt, "exact", tau_m, tau_s, side)
        exact = t / tau_s * torch.exp(-t / tau_m) if tau_m == tau_s else psp(t, tau_m, tau_s, 1.0)
        assert float((v - exact).abs().max()) < 1e-12


@pytest.mark.parametrize(
    ("tau_m", "tau_s", "peak_time", "peak"), [(20e-3, 5e-3, 9.24196e-3, 3.149803e-3), (20e-3, 10e-3, 13.86294e-3, 5.0e-3)]
)
def test_peak_of_the_response(tau_m, tau_s, peak_time, peak):
    """Science D3: peak per I / C in seconds; the current is w / tau_s, so v = I * peak."""
    t, v = response(1e-5, "exact", tau_m, tau_s)
    k = int(v.argmax())
    assert float(t[k]) == pytest.approx(peak_time, abs=1e-5)
    assert float(v[k]) * tau_s == pytest.approx(peak, rel=1e-5)


@pytest.mark.parametrize("dt", [1e-4, 1e-3])
@pytest.mark.parametrize("slots", [0, 1, 2, 5, 50])
def test_refractory_slots_are_exact(dt, slots):
    """Driven far above threshold, it spikes every slots + 1 slots: dead up to and including t_spike + t_ref."""
    net, x = constant(1e7, 300, t_ref=slots * dt)
    net.init(dt=dt)
    k = net.run(x)[0, :, 0].nonzero().flatten()
    assert len(k) > 4
    assert set(torch.diff(k).tolist()) == {slots + 1}


def test_refractory_half_slot_rounds_up():
    net, x = constant(1e7, 100, t_ref=2.5e-3)
    net.init(dt=1e-3)
    assert set(torch.diff(net.run(x)[0, :, 0].nonzero().flatten()).tolist()) == {4}


def test_refractory_per_unit_and_per_sample():
    net, x = constant(1e7, 60, n=3, t_ref=torch.tensor([0.0, 2e-3, 5e-3]))
    net.init(dt=1e-3)
    out = net.run(x)[0]
    assert [set(torch.diff(out[:, j].nonzero().flatten()).tolist()) for j in range(3)] == [{1}, {3}, {6}]
    net, x = constant(1e7, 60, t_ref=ship.per_sample([0.0, 2e-3]))
    net.init(dt=1e-3)
    out = net.run(x)
    assert [set(torch.diff(out[b, :, 0].nonzero().flatten()).tolist()) for b in range(2)] == [{1}, {3}]


@pytest.mark.parametrize("emit", ["before", "after"])
def test_impulse_while_refractory_is_lost(emit):
    """Also at the very end of the dead time; one slot later it acts."""
    later = emit == "after"  # the spike is then at the slot's end, one slot later
    for lag, acts in ((1, False), (3 + later, False), (4 + later, True)):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "lif", n=1, t_ref=3e-3, tau=float("inf"), emit_order=emit, output=True)
        net.add(ship.ImpulseSynapse, "s", source="in", target="lif", weight=1.5)
        net.init(dt=1e-3)
        x = torch.zeros(1, 12, 1)
        x[0, 2] = x[0, 2 + lag] = 1
        assert int(net.run(x).sum()) == (2 if acts else 1), (emit, lag)


def test_negative_potentials():
    """Rest -65 mV, threshold -50 mV: at rest without input (pitfall 27), resets to where it says, may go below rest."""
    net, x = constant(0.0, 50, v_rest=-65e-3, v_reset=-70e-3, v_th=-50e-3)
    net.init(dt=1e-3, dtype=D)
    net.monitor("lif", "v")
    assert int(net.run(x).sum()) == 0
    assert torch.equal(net.records["lif"].v, torch.full((1, 50, 1), -65e-3, dtype=D))
    net.run(x - 5.0)
    assert float(net.records["lif"].v.min()) < -100e-3
    assert int(net.run(x + 5.0).sum()) > 3
    assert float(net.records["lif"].v.max()) < -50e-3  # recorded after the reset, never above threshold (pitfall 26)


def test_perfect_integrator():
    """tau = inf: each unit of charge stays; v counts the impulses."""
    net, x = constant(10.0, 250, tau=float("inf"), v_th=1.0)
    net.init(dt=1e-3, dtype=D)
    assert net.run(x)[0, :, 0].nonzero().flatten().tolist()[:2] == [100, 200]


def test_emit_after_contains_the_input_of_its_slot():
    for emit, slot in (("before", 4), ("after", 3)):
        net, x = constant(0.0, 8, emit_order=emit)
        x[0, 3] = 1e6
        net.init(dt=1e-3)
        assert net.run(x)[0, :, 0].nonzero().flatten().tolist() == [slot]
        ends = net.timeline("lif")[slot]
        assert float(ends) == pytest.approx(4e-3)  # both say the same time: seen at t_4


def test_spike_times_converge_with_order_one():
    """A threshold crossing is seen at the next slot start: the mean lateness over many phases falls with dt (order 1)."""
    lateness = []
    for dt in (1e-3, 0.5e-3, 0.25e-3):
        levels = torch.linspace(60, 120, 97, dtype=D)
        net = ship.Network()
        net.add(ship.CurrentInput, "i", n=97)
        net.add(ship.LIF, "lif", n=97, output=True)
        net.add(ship.Link, "link", source="i", target="lif")
        net.init(dt=dt, dtype=D)
        steps = round(0.05 / dt)
        first = net.run(levels.expand(1, steps, 97))[0].argmax(0) * dt
        exact = -20e-3 * torch.log(1 - 1 / (levels * 20e-3))
        late = first - exact
        assert float(late.min()) > -1e-12
        assert float(late.max()) <= dt * (1 + 1e-9)
        lateness.append(float(late.mean()))
    for coarse, fine in itertools.pairwise(lateness):
        assert math.log2(coarse / fine) == pytest.approx(1, abs=0.2)
