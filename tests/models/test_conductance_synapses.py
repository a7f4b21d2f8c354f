"""Conductance synapses against closed forms and against the differential equation, solved by scipy; the magnesium block."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import ship
from ship.models.synapses.nmda import unblocked

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
PASSIVE = {"c_m": 200e-12, "g_leak": 10e-9, "e_leak": -70e-3, "v_t": 1.0, "a": 0.0, "b": 0.0, "v_reset": -70e-3}
KERNELS = {
    ship.ConductanceExp: {"tau": 5e-3},
    ship.ConductanceAlpha: {"tau": 3e-3},
    ship.ConductanceDoubleExp: {"tau": 8e-3, "tau_rise": 2e-3},
}


def shape(model, t, o):
    """The conductance of one event, with a peak of 1."""
    if model is ship.ConductanceExp:
        return math.exp(-t / o["tau"])
    if model is ship.ConductanceAlpha:
        return t / o["tau"] * math.exp(1 - t / o["tau"])
    tau, rise = o["tau"], o["tau_rise"]
    peak = tau * rise / (tau - rise) * math.log(tau / rise)
    return (math.exp(-t / tau) - math.exp(-t / rise)) / (math.exp(-peak / tau) - math.exp(-peak / rise))


def response(model, dt, *, weight=8e-9, at=5e-3, length=40e-3, neuron=ship.AdEx, **options):
    """The conductance that is given in each slot, and v of a passive membrane, for an event at ``at``."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    plain = {k: PASSIVE[k] for k in ("c_m", "g_leak", "e_leak")} | {"v_th": 1.0}
    net.add(neuron, "t", n=1, **(PASSIVE if neuron is ship.AdEx else plain))
    net.add(model, "s", source="in", target="t", port="exc", weight=weight, **options)
    net.init(dt=dt, dtype=D)
    x = torch.zeros(1, round(length / dt), 1)
    x[0, round(at / dt)] = 1.0
    net.monitor("s", "output")
    net.monitor("t", "v")
    net.run(x)
    return net.records["s"].output[0, :, 0], net.records["t"].v[0, :, 0]


@pytest.mark.parametrize("dt", [1e-3, 1e-4])
@pytest.mark.parametrize("model", KERNELS)
def test_the_conductance_of_a_slot_is_the_exact_mean_and_its_peak_the_weight(model, dt):
    """Integrals over slots of e^(-t/tau), (t/tau) e^(1 - t/tau), and (e^(-t/tau) - e^(-t/r)) over its own maximum."""
    o = KERNELS[model]
    got, _ = response(model, dt, weight=2e-9, at=0.0, **o)
    edge = torch.arange(len(got) + 1, dtype=D) * dt
    if model is ship.ConductanceExp:
        integral = -o["tau"] * torch.exp(-edge / o["tau"])
    elif model is ship.ConductanceAlpha:
        integral = -math.e * (edge + o["tau"]) * torch.exp(-edge / o["tau"])
    else:
        tau, rise = o["tau"], o["tau_rise"]
        top = tau * rise / (tau - rise) * math.log(tau / rise)
        scale = math.exp(-top / tau) - math.exp(-top / rise)
        integral = -(tau * torch.exp(-edge / tau) - rise * torch.exp(-edge / rise)) / scale
    assert float((got - 2e-9 * torch.diff(integral) / dt).abs().max()) < 1e-12 * 2e-9
    if dt == 1e-4:
        assert float(got.max()) == pytest.approx(2e-9, rel=2e-4 if model is not ship.ConductanceExp else 1.1e-2)


def test_a_double_exponential_of_equal_times_is_the_alpha_conductance():
    equal = response(ship.ConductanceDoubleExp, 1e-3, tau=3e-3, tau_rise=3e-3)
    alpha = response(ship.ConductanceAlpha, 1e-3, tau=3e-3)
    near = response(ship.ConductanceDoubleExp, 1e-3, tau=3e-3, tau_rise=3e-3 * (1 + 1e-9))
    for a, b, c in zip(equal, alpha, near, strict=True):
        assert torch.equal(a, b)
        assert torch.allclose(c, b, rtol=1e-8, atol=0)


def solved(g_of, at, length, p, block=None):
    """v at times t of ``C dv/dt = g_L (E_L - v) + g(t) B(v) (0 - v)``, by scipy."""

    def slope(t, v):
        gate = 1.0 if block is None else 1 / (1 + block / 3.57 * np.exp(-62 * v))
        return (p["g_leak"] * (p["e_leak"] - v) - g_of(t - at) * gate * v) / p["c_m"]

    return solve_ivp(slope, (at, length), [p["e_leak"]], method="DOP853", rtol=1e-12, atol=1e-15, dense_output=True).sol


@pytest.mark.parametrize("neuron", [ship.AdEx, ship.ConductanceLIF])
@pytest.mark.parametrize("model", KERNELS)
def test_voltage_against_scipy_and_order_two(model, neuron):
    """With the mean conductance of each slot the error falls fourfold with half the slot: order 2 within 0.2."""
    o, at, length = KERNELS[model], 5e-3, 40e-3
    exact = solved(lambda t: 8e-9 * shape(model, t, o), at, length, PASSIVE)
    errors = []
    for dt in (1e-3, 5e-4, 2.5e-4):
        _, v = response(model, dt, neuron=neuron, **o)
        t = np.arange(len(v)) * dt
        late = t > at
        errors.append(np.abs(exact(t[late])[0] - v.numpy()[late]).max())
    assert v.max() - v.min() > 5e-3
    orders = np.diff(-np.log2(errors))
    assert np.all(np.abs(orders - 2) < 0.2), (errors, orders)
    assert errors[-1] < 2e-3 * float(v.max() - v.min())


def test_magnesium_block_numbers():
    """Jahr & Stevens 1990, B = 1 / (1 + [Mg]/3.57 exp(-0.062 v/mV)): at 1 mM and -70, -40, 0, 40 mV."""
    for mv, mg in ((-70.0, 1.0), (-40.0, 1.0), (0.0, 1.0), (40.0, 1.0), (-60.0, 2.0), (0.0, 3.57)):
        got = float(unblocked(torch.tensor(mv * 1e-3, dtype=D), torch.log(torch.tensor(mg / 3.57, dtype=D))))
        assert got == pytest.approx(1 / (1 + mg / 3.57 * math.exp(-0.062 * mv)), rel=1e-12)
    at = [float(unblocked(torch.tensor(v, dtype=D), torch.log(torch.tensor(1 / 3.57, dtype=D)))) for v in (-70e-3, 0.0, 40e-3)]
    assert at == pytest.approx([0.0444707, 0.7811816, 0.9770802], abs=1e-7)


@pytest.mark.parametrize("mg", [0.0, 1.0])
def test_nmda_response_against_scipy(mg):
    """Order 1 in dt with the block, whose v is that of the slot's start; order 2 without magnesium, as the conductance itself."""
    o = {"tau": 100e-3, "tau_rise": 2e-3}
    at, length, weight = 4e-3, 60e-3, 20e-9
    exact = solved(lambda t: weight * shape(ship.ConductanceDoubleExp, t, o), at, length, PASSIVE, mg)
    errors = []
    for dt in (4e-4, 2e-4, 1e-4):
        _, v = response(ship.NMDASynapse, dt, weight=weight, at=at, length=length, mg=mg)
        t = np.arange(len(v)) * dt
        late = t > at
        errors.append(np.abs(exact(t[late])[0] - v.numpy()[late]).max())
    orders = np.diff(-np.log2(errors))
    assert np.all(np.abs(orders - (1 if mg else 2)) < 0.2), (errors, orders)
    assert errors[-1] < 0.02 * float(v.max() - v.min())


def test_nmda_opens_with_depolarisation():
    """The same event gives more conductance to a membrane that a current holds near 0 V, by the ratio of the two blocks."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    rest = torch.tensor([-70e-3, -20e-3])
    net.add(ship.AdEx, "t", n=2, **PASSIVE | {"g_leak": 1e-6, "e_leak": rest})
    net.add(ship.NMDASynapse, "s", source="in", target="t", port="exc", weight=1e-12)
    net.init(dt=1e-4, dtype=D)
    net.monitor("s", "output")
    net.run(torch.ones(1, 100, 1))
    g = net.records["s"].output[0, -1]
    block = lambda v: 1 / (1 + math.exp(-62 * v) / 3.57)  # noqa: E731
    assert float(g[1] / g[0]) == pytest.approx(block(-20e-3) / block(-70e-3), rel=1e-3)


def reversal(dt, *, weight=0.5, e=2.0, tau=5e-3, tau_m=20e-3, at=5e-3, length=40e-3, v_th=1e6):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "t", n=1, tau=tau_m, v_th=v_th, output=True)
    net.add(ship.ReversalSynapse, "s", source="in", target="t", weight=weight, e=e, tau=tau)
    net.init(dt=dt, dtype=D)
    x = torch.zeros(1, round(length / dt), 1)
    x[0, round(at / dt)] = 1.0
    net.monitor("t", "v")
    net.run(x)
    return net.records["t"].v[0, :, 0]


@pytest.mark.parametrize("dt", [1e-3, 1e-4])
@pytest.mark.parametrize("weight", [0.1, 3.0, 200.0])
def test_an_event_moves_a_membrane_without_leak_by_its_fraction_of_the_way(weight, dt):
    """v = e (1 - exp(-weight (1 - exp(-t / tau)))): exact for any dt, and never past e."""
    v = reversal(dt, weight=weight, tau_m=math.inf)
    t = torch.arange(len(v), dtype=D) * dt - 5e-3
    exact = torch.where(t > 0, 2.0 * -torch.expm1(weight * torch.expm1(-t.clamp(min=0.0) / 5e-3)), 0.0)
    assert float((v - exact).abs().max()) < 1e-12
    assert float(v.max()) <= 2.0


def test_reversal_synapse_on_a_leaky_membrane_against_scipy():
    """``dv/dt = -v / tau_m + w / tau e^(-t/tau) (e - v)``: order 1 in dt."""

    def slope(t, v):
        return -v / 20e-3 + 0.5 / 5e-3 * np.exp(-t / 5e-3) * (2.0 - v)

    sol = solve_ivp(slope, (0, 36e-3), [0.0], method="DOP853", rtol=1e-12, atol=1e-14, dense_output=True).sol
    errors = []
    for dt in (4e-4, 2e-4, 1e-4):
        v = reversal(dt, at=4e-3).numpy()
        t = np.arange(len(v)) * dt - 4e-3
        errors.append(np.abs(sol(t[t > 0])[0] - v[t > 0]).max())
    orders = np.diff(-np.log2(errors))
    assert np.all(np.abs(orders - 1) < 0.2), (errors, orders)
    assert errors[-1] < 5e-3 * v.max()


def test_shunting_inhibition_pulls_towards_rest_and_no_further():
    """With e at rest a conductance moves nothing at rest, and takes a depolarised membrane no further than to rest."""
    assert float(reversal(1e-3, weight=50.0, e=0.0).abs().max()) == 0.0
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "t", n=1, tau=math.inf, v_th=5.0, initial={"v": 0.8})
    net.add(ship.ReversalSynapse, "s", source="in", target="t", weight=50.0, e=0.0)
    net.init(dt=1e-3, dtype=D)
    net.monitor("t", "v")
    net.run(torch.ones(1, 30, 1))
    v = net.records["t"].v[0, :, 0]
    assert v[0] == 0.8
    assert bool((torch.diff(v) <= 0).all())
    assert 0 <= float(v[-1]) < 1e-3


def test_a_conductance_goes_into_a_port_for_conductances_only():
    lif = r"'s'.target: must be a port in S; got ports impulse .* of LIF 'lif'. Use a neuron with one, e.g. ConductanceLIF"
    current = r"'s'.port: must be a port in S; .* Name one of exc, inh."
    for bad, rule in (({"target": "lif"}, lif), ({"target": "t", "port": "current"}, current)):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.AdEx, "t", n=2)
        net.add(ship.LIF, "lif", n=2)
        net.add(ship.ConductanceExp, "s", source="in", **bad)
        with pytest.raises(ship.GraphError, match=rule):
            net.init(dt=1e-3)


def test_a_charge_in_volt_goes_into_a_port_in_volt_only():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.AdEx, "t", n=2)
    net.add(ship.ReversalSynapse, "s", source="in", target="t")
    with pytest.raises(
        ship.GraphError, match=r"ReversalSynapse 's'.target: must be a port in V; .* Use a neuron with one, e.g. LIF."
    ):
        net.init(dt=1e-3)
