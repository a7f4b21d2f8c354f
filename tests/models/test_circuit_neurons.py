"""Neurons of circuits against their closed forms: DPI, linear leak, threshold switch, phase change."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import ndtr

import ship
from circuits import D, assert_invariant, assert_same_on_both_engines, driven, intervals

no_grad = pytest.mark.usefixtures("no_grad")
TAU = 1.5e-12 * 25e-3 / (0.705 * 8e-12)  # s, of the DPI neuron with its defaults: 6.65 ms (science C8)
I_TH, I_0, I_TAU = 0.9e-12, 0.5e-12, 8e-12
PLAIN = {"i_gain": 0.0, "i_ca": 0.0}  # without feedback and adaptation


# -- DPI -----------------------------------------------------------------------------------------------------------------------


def dpi_interval(i_in, i_spike, i_reset=0.6e-12, t_ref=1e-3, tau=TAU, i_tau=I_TAU, i_th=I_TH):
    """``tau (1 + I_th / (I + I_0)) dI/dt = S - I`` from I_r to I_s: ``tau (ln q + I_th / (S + I_0) (ln((I_s + I_0) /
    (I_r + I_0)) + ln q))``, q = (S - I_r) / (S - I_s), S = I_th (I_in / I_tau - 1).
    """
    s = i_th * (i_in / i_tau - 1)
    q = math.log((s - i_reset) / (s - i_spike))
    return t_ref + tau * (q + i_th / (s + I_0) * (math.log((i_spike + I_0) / (i_reset + I_0)) + q))


@no_grad
@pytest.mark.parametrize("i_in", [0.3e-9, 0.5e-9, 2e-9])
def test_dpi_rate_is_the_closed_form(i_in):
    """Feedback and adaptation off, the interval is that of `dpi_interval`, late by less than a slot."""
    assert pytest.approx(6.65e-3, rel=1e-3) == TAU
    _, out = driven(ship.DPINeuron, i_in, dt=1e-5, port="current", steps=40_000, i_spike=20e-12, **PLAIN)
    found = intervals(out, 1e-5)
    assert len(found) > 10
    assert 0 <= float(found.mean()) - dpi_interval(i_in, 20e-12) < 1e-5


@no_grad
def test_dpi_rate_far_above_the_gain_current():
    """Science D18: where I is far above I_th the interval is ``t_ref + tau ln((I_inf - I_r) / (I_inf - I_thr))``."""
    own = {"i_th": 0.02e-12, "i_reset": 20e-12, "i_spike": 100e-12}
    _, out = driven(ship.DPINeuron, 100e-9, dt=1e-6, port="current", steps=100_000, **own, **PLAIN)
    i_inf = 0.02e-12 * (100e-9 / I_TAU - 1)
    plain = 1e-3 + TAU * math.log((i_inf - 20e-12) / (i_inf - 100e-12))
    assert float(intervals(out, 1e-6).mean()) == pytest.approx(plain, rel=1e-3)


def dpi_slope(i, i_in, i_ahp=0.0, shunt=0.0):
    """The right-hand side (A/s) with the default constants, written from the equation."""
    i_a = 50e-12 / (1 + math.exp(-(i - 0.5e-9) / 10e-12))
    top = I_TH / I_TAU * (i_in + i_a - shunt - i_ahp) - I_TH - (1 + (shunt + i_ahp - i_a) / I_TAU) * i
    return top / (TAU * (I_TH / (i + I_0) + 1))


@no_grad
def test_dpi_converges_with_order_2_below_threshold_and_meets_an_ode_solver():
    """Through the onset of the positive feedback, against SciPy's DOP853 at 1e-12; the spike follows within a slot."""
    i_in, end = 5e-9, 11.2e-3
    exact = solve_ivp(lambda t, y: [dpi_slope(y[0], i_in)], (0, end), [50e-12], "DOP853", rtol=1e-12, atol=1e-24)
    errors = []
    for dt in (4e-5, 2e-5, 1e-5, 5e-6):  # the feedback makes a time constant of 85 us
        own = {"steps": round(end / dt) + 1, "initial": {"i": 50e-12}, "i_spike": 1.0}
        net, _ = driven(ship.DPINeuron, i_in, dt=dt, port="current", watch=("i",), **own)
        errors.append(abs(float(net.records["a"].i[0, -1, 0]) - exact.y[0, -1]) / exact.y[0, -1])
    assert exact.y[0, -1] > 0.47e-9  # well into the feedback
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(2, abs=0.25)
    crossing = solve_ivp(
        lambda t, y: [dpi_slope(y[0], i_in)], (0, 0.1), [0.6e-12], "DOP853", rtol=1e-11, atol=1e-24,
        events=type("At", (), {"terminal": True, "__call__": lambda self, t, y: y[0] - 1e-9})(),
    )  # fmt: skip
    _, out = driven(ship.DPINeuron, i_in, dt=1e-5, port="current", steps=6000)
    first = int(out[0, :, 0].nonzero()[0]) * 1e-5
    assert 0 <= first - float(crossing.t_events[0][0]) < 2e-5


@no_grad
def test_dpi_steady_state_at_any_dt():
    """Below threshold I settles at A / B, whatever the slot: here with a shunt, ``(g (I_in - sh) - I_th) / (1 + sh / I_tau)``."""
    for dt in (1e-5, 1e-3, 1.0, 1e3):
        net = ship.Network()
        net.add(ship.CurrentInput, "i", n=2)
        net.add(ship.DPINeuron, "a", n=1, i_gain=0.0)
        net.add(ship.WeightedSum, "in", source="i", target="a", port="current", weight=[[1.0], [0.0]])
        net.add(ship.WeightedSum, "sh", source="i", target="a", port="shunt", weight=[[0.0], [1.0]])
        net.init(dt=dt, dtype=D)
        net.monitor("a", "i")
        net.run(torch.tensor([0.4e-9, 2e-12], dtype=D).expand(1, 20_000 if dt < 1e-4 else 400, 2))
        wanted = (I_TH / I_TAU * (0.4e-9 - 2e-12) - I_TH) / (1 + 2e-12 / I_TAU)
        assert float(net.records["a"].i[0, -1, 0]) == pytest.approx(wanted, rel=1e-8)


@no_grad
def test_dpi_adaptation():
    """A spike adds I_th_ahp I_ca / I_tau_ahp = 2 pA, which decays exactly with C_ahp U_T / (kappa I_tau_ahp) = 35.46 ms."""
    net, out = driven(ship.DPINeuron, 8e-9, dt=1e-4, port="current", steps=3000, watch=("i_ahp",), i_ca=5e-12)
    tau = 1e-12 * 25e-3 / (0.705 * 1e-12)
    assert tau == pytest.approx(35.46e-3, rel=1e-3)
    wanted, level = [], 0.0
    for spike in out[0, :, 0].tolist():
        level += 5e-12 * spike
        wanted.append(level)
        level *= math.exp(-1e-4 / tau)
    assert torch.allclose(net.records["a"].i_ahp[0, :, 0], torch.tensor(wanted, dtype=D), rtol=1e-9, atol=0)
    gaps = intervals(out, 1e-4)
    assert len(gaps) > 4
    assert float(gaps[-1]) > 1.2 * float(gaps[0])


@no_grad
def test_dpi_mismatch_of_20_per_cent():
    """Each chip fires at the rate that the closed form gives for its own leak current (CV 20 %, as teili takes it)."""
    dt = 1e-5
    net, out = driven(
        ship.DPINeuron, 1e-9, dt=dt, port="current", steps=20_000, chips=12, seed=2, i_spike=20e-12,
        i_tau=ship.Varied(I_TAU, d2d=0.2), **PLAIN,
    )  # fmt: skip
    drawn = net["a"].value("i_tau").flatten()
    assert 0.08 < float(drawn.std() / drawn.mean()) < 0.35
    for chip, i_tau in enumerate(drawn.tolist()):
        wanted = dpi_interval(1e-9, 20e-12, tau=TAU * I_TAU / i_tau, i_tau=i_tau)
        assert 0 <= float(intervals(out[chip], dt).mean()) - wanted < dt


# -- linear leak ---------------------------------------------------------------------------------------------------------------


@no_grad
@pytest.mark.parametrize("dt", [1e-3, 1e-4])
def test_linear_leak_rate(dt):
    """``f = 1 / (t_ref + (v_th - v_reset) / (i - leak))``; silent at the leak and below it."""
    levels = torch.tensor([5.0, 10.0, 14.0, 26.0, 60.0], dtype=D)
    _, out = driven(ship.LinearLeakLIF, levels, dt=dt, port="charge", steps=round(1 / dt), n=5, t_ref=2e-3, v_reset=0.2)
    assert out[0, :, :2].sum() == 0
    for unit in (2, 3, 4):
        wanted = 2e-3 + 0.8 / (float(levels[unit]) - 10)
        assert 0 <= float(intervals(out, dt, unit).max()) - wanted < dt * (1 + 1e-9)


@no_grad
def test_linear_leak_stops_at_the_floor():
    """From 0.5 V under the leak alone v falls by 10 V/s down to the floor, -0.1 V, and stays; inhibition does not pass it."""
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=1)
    net.add(ship.LinearLeakLIF, "a", n=1, v_floor=-0.1, initial={"v": 0.5})
    net.add(ship.ImpulseSynapse, "s", source="x", target="a", weight=-0.3)
    net.init(dt=1e-3, dtype=D)
    net.monitor("a", "v")
    x = torch.zeros(1, 100, 1)
    x[0, 80] = 1
    net.run(x)
    wanted = torch.maximum(0.5 - 0.01 * torch.arange(100, dtype=D), torch.tensor(-0.1, dtype=D))
    assert torch.allclose(net.records["a"].v[0, :, 0], wanted, rtol=0, atol=1e-12)


@no_grad
def test_linear_leak_under_poisson_input():
    """Fusi & Mattia 1999: the mean interval under white noise, ``theta / mu - s^2 / (2 mu^2) (1 - exp(-2 mu theta / s^2))``.

    Poisson jumps j at a rate r make mu = j r - leak and s^2 = j^2 r. They overshoot the threshold by about half a jump, and a
    slot delays a spike: with j = 0.02 and 0.01 V the deviations are 4 and 2 per cent.
    """
    for jump, rate, tolerance in ((0.02, 600.0, 0.06), (0.02, 1000.0, 0.06), (0.01, 1400.0, 0.03)):
        net = ship.Network()
        net.add(ship.PoissonSource, "x", n=400, rate=rate)
        net.add(ship.LinearLeakLIF, "a", n=400, leak=10.0, v_th=0.4, output=True)
        net.add(ship.Link, "s", source="x", target="a", gain=jump)
        net.init(dt=1e-4, seed=3)
        found = 400 * 1.0 / float(net.run(duration=1.2)[:, 2000:].sum())
        mu, var = jump * rate - 10.0, jump**2 * rate
        wanted = 0.4 / mu - var / (2 * mu**2) * (1 - math.exp(-2 * mu * 0.4 / var))
        assert found == pytest.approx(wanted, rel=tolerance)


def test_linear_leak_refuses_a_floor_above_its_threshold():
    net = ship.Network()
    net.add(ship.LinearLeakLIF, "a", n=1, v_floor=2.0)
    with pytest.raises(ship.ParameterError, match=r"v_floor: must be below v_th.* got 2 V with v_th = 1 V"):
        net.init(dt=1e-3)


# -- threshold switch ----------------------------------------------------------------------------------------------------------

R_OFF, R_ON, C_M = 100e3, 1e3, 100e-12


def switching_period(current=0.0, supply=0.0, r_load=math.inf, v_th=1.0, v_hold=0.5):
    """``tau_off ln((v_off - v_hold) / (v_off - v_th)) + tau_on ln((v_th - v_on) / (v_hold - v_on))``, from the two circuits."""
    i, r = current + supply / r_load, [1 / (1 / x + 1 / r_load) for x in (R_OFF, R_ON)]
    v_off, v_on = i * r[0], i * r[1]
    charging = r[0] * C_M * math.log((v_off - v_hold) / (v_off - v_th))
    return charging + r[1] * C_M * math.log((v_th - v_on) / (v_hold - v_on))


@no_grad
@pytest.mark.parametrize("dt", [3e-8, 3e-7, 1e-6, 2.5e-6])
def test_switch_oscillates_with_its_period_at_any_dt(dt):
    """Also where a slot is thirty times a discharge (70 ns): the mean interval is the period, each is whole slots around it."""
    wanted = switching_period(current=20e-6)
    assert wanted == pytest.approx(4.126e-6, rel=1e-3)
    net, out = driven(ship.RelaxationOscillator, 20e-6, dt=dt, port="current", steps=round(4e-3 / dt), watch=("v",))
    gaps = intervals(out, dt)
    assert float((gaps - wanted).abs().max()) < dt
    assert float(gaps.mean()) == pytest.approx(wanted, abs=1.01 * dt / len(gaps))
    v = net.records["a"].v
    assert float(v.max()) <= 1.0 + 1e-12
    assert float(v[:, round(1e-4 / dt) :].min()) >= 0.5 - 1e-12


@no_grad
def test_switch_behind_a_load_resistor():
    """A supply of 3 V behind 50 kohm; beside it loads with which it is silent (v_off < v_th) or latches (v_on > v_hold)."""
    loads = torch.tensor([50e3, 500e3, 1e3])
    net, out = driven(ship.RelaxationOscillator, 3.0, dt=1e-7, port="supply", steps=20_000, n=3, r_load=loads, watch=("v", "on"))
    gaps = intervals(out, 1e-7)
    assert float(gaps.mean()) == pytest.approx(switching_period(supply=3.0, r_load=50e3), abs=1.01e-7 / len(gaps))
    assert out[0, :, 1:].sum(0).tolist() == [0, 1]
    assert float(net.records["a"].v[0, -1, 1]) == pytest.approx(3 * 100 / 600, rel=1e-6)
    assert float(net.records["a"].v[0, -1, 2]) == pytest.approx(1.5, rel=1e-6)
    assert net.records["a"].on[0, -1].tolist()[1:] == [0, 1]


@no_grad
def test_switch_orbit_does_not_depend_on_dt():
    """v at common times from slots of 1 us and of 10 ns: to rounding."""
    fine, _ = driven(ship.RelaxationOscillator, 30e-6, dt=1e-8, port="current", steps=5000, watch=("v",))
    coarse, _ = driven(ship.RelaxationOscillator, 30e-6, dt=1e-6, port="current", steps=50, watch=("v",))
    assert torch.allclose(fine.records["a"].v[:, ::100], coarse.records["a"].v, rtol=0, atol=1e-9)


def test_switch_refuses_thresholds_and_resistances_in_the_wrong_order():
    for given, words in (({"v_hold": 1.5}, "v_hold: must be below v_th; got 1.5"), ({"r_on": 1e6}, "r_on: must be below r_off")):
        net = ship.Network()
        net.add(ship.RelaxationOscillator, "a", n=1, **given)
        with pytest.raises(ship.ParameterError, match=words):
            net.init(dt=1e-6)


# -- phase change --------------------------------------------------------------------------------------------------------------


def pulsed(steps, *, n, seed=1, width=20e-9, engine="auto", **options):
    """Phase-change neurons that get one pulse in each slot."""
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=n)
    net.add(ship.PhaseChangeNeuron, "a", n=n, output=True, **options)
    net.add(ship.Link, "l", source="x", target="a", gain=width)
    net.init(dt=1e-3, dtype=D, seed=seed, engine=engine)
    return net.run(torch.ones(1, steps, n))


@no_grad
def test_phase_change_counts_pulses():
    """Without noise: ceil((30 - 10 nm) / (0.1 m/s 24 ns)) = 9 pulses from spike to spike."""
    found = intervals(pulsed(200, n=1, sigma=0.0, width=24e-9), 1)
    assert found.tolist() == [9] * len(found)
    assert len(found) > 15


@no_grad
@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_phase_change_interval_distribution(engine):
    """P(n <= m) = Phi((m speed w + u_fire - u_reset) / sigma): every m within four standard errors (seeded)."""
    out = pulsed(400, n=400, engine=engine)[0]
    gaps = np.concatenate([np.diff(np.flatnonzero(out[:, unit].numpy()))[1:] for unit in range(400)])
    assert len(gaps) > 10_000
    for m in range(5, 17):
        p = float(ndtr((m * 0.1 * 20e-9 + 10e-9 - 30e-9) / 3e-9))
        assert abs((gaps <= m).mean() - p) < 4 * math.sqrt(p * (1 - p) / len(gaps)) + 1e-9
    assert gaps.std() / gaps.mean() == pytest.approx(1.5 / 10.5, rel=0.05)  # sigma / (speed w), and half a pulse is rounded up


# -- both engines, invariances -------------------------------------------------------------------------------------------------


def network(model, port, scale, **options):
    """Two synapses into three units of a model, one of them recurrent, on a scale that makes it spike."""

    def build():
        net = ship.Network()
        net.add(ship.SpikeInput, "x", n=4)
        net.add(model, "a", n=3, output=True, trainable=True, **options)
        weight = torch.linspace(0.5, 1.5, 12, dtype=D).reshape(4, 3) * scale
        if port == "impulse":
            net.add(ship.ImpulseSynapse, "s", source="x", target="a", weight=weight, trainable=True)
        else:
            net.add(ship.ExpSynapse, "s", source="x", target="a", port=port, weight=weight, trainable=True)
            net.add(ship.ExpSynapse, "r", source="a", target="a", port=port, weight=0.1 * scale, delay=2e-3, trainable=True)
        return net, {"dt": 1e-3}

    return build


def trains(batch=2, steps=60, n=4):
    return {"x": (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(5)) < 0.4).double()}


CASES = {
    "DPINeuron": (network(ship.DPINeuron, "current", 8e-12, i_tau=ship.Varied(8e-12, d2d=0.2)), ["i", "i_ahp", "margin"]),
    "LinearLeakLIF": (network(ship.LinearLeakLIF, "charge", 0.2, t_ref=2e-3, leak=ship.Varied(10.0, d2d=0.2)), ["v", "margin"]),
    "RelaxationOscillator": (
        network(ship.RelaxationOscillator, "current", 20e-9, c_m=ship.Varied(100e-9, d2d=0.2)),
        ["v", "peak", "margin"],
    ),
    "PhaseChangeNeuron": (network(ship.PhaseChangeNeuron, "impulse", 20e-9, speed=ship.Varied(0.1, d2d=0.2)), ["u", "margin"]),
}


@pytest.mark.parametrize("name", CASES)
def test_both_engines_agree(name):
    build, names = CASES[name]
    assert_same_on_both_engines(build, trains(), {"a": names}, spikes=8)


@no_grad
@pytest.mark.parametrize("name", CASES)
def test_batches_pieces_and_chips(name):
    build, _ = CASES[name]
    if name == "PhaseChangeNeuron":  # the noise of a sample is its own
        build = network(ship.PhaseChangeNeuron, "impulse", 20e-9, speed=ship.Varied(0.1, d2d=0.2), sigma=0.0)
    assert_invariant(build, trains())


@pytest.mark.parametrize("name", CASES)
def test_runs_as_a_kernel(name):
    net, settings = CASES[name][0]()
    net.init(**settings)
    assert "a: kernel" in net.explain()
