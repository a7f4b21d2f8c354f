"""Adaptive thresholds and adaptation currents: steady intervals, exact propagators, what persists."""

import math

import mpmath
import pytest
import torch
from scipy.linalg import expm
from scipy.optimize import brentq

import ship
from neurons import driven, times
from ship.models.second_order import propagator

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("dt", [4e-4, 2e-4])
def test_steady_interval_of_an_adaptive_threshold(dt):
    """theta after a spike is step / (1 - e^(-T / tau_theta)), and v_inf (1 - e^(-T / tau)) = v_th + theta e^(-T / tau_theta)."""
    v_inf, step, tau, tau_theta = 3.0, 0.1, 20e-3, 0.2
    after = lambda t: step / (1 - math.exp(-t / tau_theta))  # noqa: E731
    exact = brentq(lambda t: v_inf * (1 - math.exp(-t / tau)) - 1 - after(t) * math.exp(-t / tau_theta), 1e-3, 0.2)
    spikes, record = driven(ship.AdaptiveLIF, v_inf / tau, 1.2, dt=dt, watch=("theta",))
    at = times(spikes, dt)
    interval = float(at[-1] - at[-11]) / 10
    assert len(at) > 40
    assert 0 <= interval - exact < dt  # seen at the next slot
    assert float(at[1] - at[0]) < 0.8 * exact
    assert float(record.theta[0, round(float(at[-1]) / dt), 0]) == pytest.approx(after(exact), rel=2 * dt / exact)


def test_a_threshold_that_does_not_fall_back():
    """A perfect integrator with 1/128 V a slot: spike n needs 1 + n / 8 V, so 128 + 16 n slots."""
    spikes, _ = driven(ship.AdaptiveLIF, 2**-7 / 1e-3, 1.2, dt=1e-3, tau=math.inf, tau_theta=math.inf, theta_step=0.125)
    assert torch.diff(spikes[:, 0].nonzero().flatten()).tolist() == [144, 160, 176, 192, 208]


def homeostatic(chips=None, **keywords):
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=2)
    net.add(ship.HomeostaticLIF, "h", n=2, output=True, tau=math.inf, theta_step=0.125, **keywords)
    net.add(ship.Link, "l", source="i", target="h")
    net.init(dt=1e-3, chips=chips, dtype=D)
    return net, torch.tensor([2**-5, 2**-4]) / 1e-3 * torch.ones(3, 200, 2)


def test_a_homeostatic_threshold_persists():
    """Each spike adds theta_step for good: the sum over the samples is stored, and the next run has fewer spikes."""
    net, x = homeostatic(tau_theta=math.inf, chips=2)
    first = net.run(x)
    stored = net["h"].get_buffer("persistent/theta")
    assert torch.equal(stored[:, 0], 0.125 * first.sum((1, 2)))
    assert first.sum() > 40
    second = net.run(x)
    assert second.sum() < first.sum()
    net.run(x, reset_persistent=True)
    assert torch.equal(net["h"].get_buffer("persistent/theta"), stored)
    assert "persistent, sum over the batch" in ship.describe(ship.HomeostaticLIF)


def test_a_homeostatic_threshold_falls_back_slowly():
    """Without spikes theta falls by e^(-T / tau_theta) over a run; the default is 10^4 s, that of Diehl & Cook (2015)."""
    net, x = homeostatic(tau_theta=1.0)
    before = net.run(x[:1]).sum((0, 1)) > 0
    assert before.all()
    stored = net["h"].get_buffer("persistent/theta").clone()
    net.run(0 * x[:1])
    torch.testing.assert_close(net["h"].get_buffer("persistent/theta"), stored * math.exp(-0.2), rtol=1e-12, atol=0)
    assert ship.HomeostaticLIF().tau_theta == 1e4


@pytest.mark.parametrize("a", [-0.9, 0.0, 1e-6, 0.3, 5.0, 1e3])
@pytest.mark.parametrize("slots", [(1e-9, 1e-7), (1e-4, 3e-4), (5e-3, 1e-3), (0.3, 0.3), (2.0, 0.1), (30.0, 800.0)])
def test_the_propagator_against_forty_digits(a, slots):
    """The exponential of [[z, z], [-a z_w, z_w]], and its integral over the slot, to 1e-11 of each entry."""
    z, z_w = slots
    with mpmath.workdps(60):
        k = mpmath.matrix([[z, z, -1], [-mpmath.mpf(a) * z_w, z_w, 0], [0, 0, 0]])
        e = mpmath.expm(-k, method="taylor")
        want = [1 - e[0, 0], -e[0, 1], 1 - e[1, 1], e[1, 0], e[0, 2], e[1, 2]]
        want = [float(x) for x in want]
    t = [torch.tensor(x, dtype=D) for x in (z, z_w, z, a * z_w)]
    for got, exact in zip(propagator(*t), want, strict=True):
        assert float(got) == pytest.approx(exact, rel=1e-11, abs=1e-15 * max(1e-300, abs(exact)))


@pytest.mark.parametrize("a", [0.0, -0.5, 0.5, 8.0])
@pytest.mark.parametrize("dt", [1e-3, 7e-3])
def test_subthreshold_response_is_exact(a, dt):
    """v and w under a constant current follow exp(M t), M = [[-1/tau, -1/tau], [a/tau_w, -1/tau_w]], at any dt."""
    tau, tau_w, level = 20e-3, 0.1, 10.0
    _, record = driven(ship.CurrentAdaptiveLIF, level, 0.35, dt=dt, watch=("v", "w"), a=a, tau=tau, tau_w=tau_w)
    whole = torch.tensor([[-1 / tau, -1 / tau, level], [a / tau_w, -1 / tau_w, 0], [0, 0, 0]], dtype=D).numpy()
    for k in (1, 7, len(record.v[0]) - 1):
        v, w, _ = expm(whole * k * dt)[:, 2]
        assert float(record.v[0, k, 0]) == pytest.approx(v, abs=1e-13)
        assert float(record.w[0, k, 0]) == pytest.approx(w, abs=1e-13)
    assert float(record.v[0, -1, 0]) == pytest.approx(tau * level / (1 + a), rel=0.2)


@pytest.mark.parametrize("dt", [4e-4, 2e-4])
def test_steady_interval_of_an_adaptation_current(dt):
    """From v = 0 and w = w_0 the solution must reach v_th after T with w(T) + b = w_0; a = 0.4, b = 0.15 V."""
    tau, tau_w, a, b, level = 20e-3, 0.1, 0.4, 0.15, 150.0

    def end(t, w0):
        m = [[-1 / tau, -1 / tau, level], [a / tau_w, -1 / tau_w, 0], [0, 0, 0]]
        e = expm(torch.tensor(m, dtype=D).numpy() * t)
        return e[0, 1] * w0 + e[0, 2], e[1, 1] * w0 + e[1, 2]

    def raised(t):  # w_0 that comes back to itself after t
        p, q = end(t, 1.0)[1] - end(t, 0.0)[1], end(t, 0.0)[1]
        return (q + b) / (1 - p)

    exact = brentq(lambda t: end(t, raised(t))[0] - 1.0, 5e-3, 0.1)
    spikes, _ = driven(ship.CurrentAdaptiveLIF, level, 0.8, dt=dt, a=a, b=b, tau=tau, tau_w=tau_w)
    at = times(spikes, dt)
    assert len(at) > 20
    assert 0 <= float(at[-1] - at[-11]) / 10 - exact < dt


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_the_current_follows_the_held_voltage_while_refractory(engine):
    """With v held at v_reset w relaxes to a (v_reset - v_rest): w = w_inf + (w_0 - w_inf) e^(-t / tau_w), here w_0 = b."""
    dt, slots = 1e-3, 50
    options = {"a": 2.0, "b": 0.5, "v_reset": -0.25, "t_ref": slots * dt, "initial": {"v": 2.0}}
    spikes, record = driven(ship.CurrentAdaptiveLIF, 0.0, 0.06, dt=dt, watch=("w", "v"), engine=engine, **options)
    assert spikes[0, 0] == 1
    t = torch.arange(slots, dtype=D) * dt
    torch.testing.assert_close(record.w[0, :slots, 0], -0.5 + 1.0 * torch.exp(-t / 0.1), rtol=1e-12, atol=1e-14)
    assert (record.v[0, : slots + 1, 0] == -0.25).all()


def test_a_gain_that_takes_the_resting_voltage_away_is_refused():
    net = ship.Network()
    net.add(ship.CurrentAdaptiveLIF, "c", n=1, a=-1.5)
    with pytest.raises(ship.ParameterError, match="a: must be above -1"):
        net.init()
