"""The quadratic neuron against its closed forms, Izhikevich's against the published program and an adaptive integration."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import ship
from neurons import driven, last_rate, mean_rate, times

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def test_rate_of_the_canonical_neuron():
    """tau dv/dt = v^2 + tau i between -100 and 100 V: T = (2 tau / r) atan(100 / r), r = sqrt(tau i); nearly r / (pi tau)."""
    dt, tau = 2e-4, 20e-3
    drive = torch.tensor([0.25, 1.0, 4.0], dtype=D)
    options = {"tau": tau, "v_rest": 0.0, "v_crit": 0.0, "v_peak": 100.0, "v_reset": -100.0}
    spikes, _ = driven(ship.QIF, drive / tau, 0.8, dt=dt, **options)
    for j, level in enumerate(drive.tolist()):
        r = math.sqrt(level)
        exact = 2 * tau / r * math.atan(100 / r)
        assert 0 <= 1 / mean_rate(spikes, dt, j) - exact < dt
        assert 1 / exact == pytest.approx(r / (math.pi * tau), rel=0.02)
        assert spikes[:, j].sum() > 5


def test_onset():
    """It is silent below (v_crit - v_rest)^2 / (4 v_scale tau) = 12.5 V/s, and rests at the root of the parabola."""
    spikes, record = driven(ship.QIF, [12.0, 13.0], 1.5, dt=1e-3, watch=("v",))
    assert spikes.sum(0).tolist()[0] == 0
    assert spikes.sum(0).tolist()[1] >= 2
    assert float(record.v[0, -1, 0]) == pytest.approx(0.5 - math.sqrt(0.25 - 0.02 * 12.0), abs=1e-6)


@pytest.mark.parametrize("level", [-200.0, 5.0, 12.5, 100.0])
def test_a_constant_current_is_solved_exactly(level):
    """With r^2 = |kappa|, kappa = tau i - 1/4: v - 1/2 = r tan(...) or -r tanh(...), or -1 / (h + 2) at kappa = 0; for any dt."""
    tau, kappa = 20e-3, 20e-3 * level - 0.25
    for dt in (1e-5, 1e-3, 10e-3):
        _, record = driven(ship.QIF, level, 3 * dt, dt=dt, watch=("v",), v_peak=1e9)
        r, h = math.sqrt(abs(kappa)), 2 * dt / tau
        if kappa > 0 and r * h + math.atan(-0.5 / r) > math.pi / 2:
            continue
        v = {
            1: lambda r=r, h=h: r * math.tan(r * h + math.atan(-0.5 / r)),
            0: lambda h=h: -1 / (h + 2),
            -1: lambda r=r, h=h: -r * (0.5 + r * math.tanh(r * h)) / (r + 0.5 * math.tanh(r * h)),
        }[(kappa > 1e-12) - (kappa < -1e-12)]()
        # The state rounds where it starts, at 0 V, and the sum with 1/2 V.
        assert float(record.v[0, 2, 0]) == pytest.approx(v + 0.5, abs=3e-13)


def test_a_spike_at_infinity_within_a_slot_is_seen():
    """Slots that are far longer than the interval: a spike in each; an impulse above v_peak, too."""
    spikes, record = driven(ship.QIF, [1e3, 1e9], 1.0, dt=0.1, watch=("v",))
    assert spikes[1:].min() == 1
    assert torch.isfinite(record.v).all()


# -- Izhikevich ----------------------------------------------------------------------------------------------------------------


def published_program(a, b, c, d, current, steps):
    """The update of the published program for one unit, in ms and mV: v and u before the reset, and the slots of its spikes."""
    v, u, fired = -65.0, -13.0, []
    for k in range(steps):
        if v >= 30:
            fired.append(k)
            v, u = c, u + d
        v += 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        v += 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u += a * (b * v - u)
    return fired


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("RS", (0.02, 0.2, -65.0, 8.0)),
        ("IB", (0.02, 0.2, -55.0, 4.0)),
        ("CH", (0.02, 0.2, -50.0, 2.0)),
        ("FS", (0.1, 0.2, -65.0, 2.0)),
        ("LTS", (0.02, 0.25, -65.0, 2.0)),
    ],
)
def test_the_published_update_spike_for_spike(kind, numbers):
    """Ten spikes. In slots of 1 ms the published program is chaotic: a current that is larger by 1e-14 moves its 13th spike."""
    spikes, _ = driven(ship.Izhikevich, 10.0, 0.6, dt=1e-3, method="published", **ship.Izhikevich.published(kind))
    fired = published_program(*numbers, 10.0, 600)
    assert len(fired) >= 10
    assert spikes[:, 0].nonzero().flatten().tolist()[:10] == fired[:10]
    other = published_program(*numbers, 10.0 + 1e-14, 600)
    assert kind != "FS" or other != fired


def right_side(t, y, current, a=20.0, b=200.0):
    v, u = y
    return [4e4 * v * v + 5e3 * v + 140 - u + current, a * (b * v - u)]


def test_the_exact_update_has_order_two_and_finds_spikes():
    """Against an integration to 1e-11, below threshold (-5 V/s); spikes of 10 V/s are found in the next slot."""
    truth = solve_ivp(right_side, (0, 0.04), [-70e-3, -14.0], args=(-5.0,), rtol=1e-12, atol=1e-14, method="DOP853").y[0, -1]
    errors = []
    for dt in (1e-3, 0.5e-3, 0.25e-3):
        _, record = driven(ship.Izhikevich, -5.0, 0.04 + dt, dt=dt, watch=("v",), initial={"v": -70e-3, "u": -14.0})
        errors.append(abs(float(record.v[0, -1, 0]) - truth))
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(2, abs=0.2)
    peak = lambda t, y, *args: y[0] - 30e-3  # noqa: E731
    peak.terminal = True
    y, t, exact = [-65e-3, -13.0], 0.0, []
    while len(exact) < 5:
        run = solve_ivp(right_side, (t, 1.0), y, args=(10.0,), rtol=1e-10, atol=1e-12, events=peak)
        t, y = run.t[-1], [-65e-3, run.y[1, -1] + 8.0]
        exact.append(t)
    dt = 5e-5
    at = times(driven(ship.Izhikevich, 10.0, exact[-1] + 1e-3, dt=dt)[0], dt)[:5]
    for k, (found, right) in enumerate(zip(at.tolist(), exact, strict=True)):
        assert abs(found - right) < 3 * dt * (k + 1)


@pytest.mark.parametrize(("b", "node", "hopf"), [(200.0, 4.0, 3.7975), (250.0, 1.0156, 0.685)])
def test_where_rest_ends(b, node, hopf):
    """Equilibria vanish at I = (5 - b)^2 / 0.16 - 140 (b in 1/ms; 4.0 and 1.0156 V/s). Rest is lost a little earlier, by a Hopf
    bifurcation, where 0.08 v + 5 = a: v = -62.25 mV, I = b v - 0.04 v^2 - 5 v - 140.
    """
    assert (5 - b / 1e3) ** 2 / 0.16 - 140 == pytest.approx(node, abs=1e-4)
    v = (0.02 - 5) / 0.08
    assert b / 1e3 * v - 0.04 * v**2 - 5 * v - 140 == pytest.approx(hopf, abs=1e-9)
    level = torch.tensor([hopf - 0.02, hopf + 0.02], dtype=D)
    slope = 5 - b / 1e3
    rest = 1e-3 * (-slope - torch.sqrt(slope**2 - 0.16 * (140 + level))) / 0.08
    options = {"b": b, "initial": {"v": rest + 1e-5, "u": b * rest}}
    spikes, record = driven(ship.Izhikevich, level, 2.0, dt=5e-4, watch=("v",), engine="fused", **options)
    assert (spikes.sum(0) > 0).tolist() == [False, True]
    assert float(record.v[0, -1, 0]) == pytest.approx(float(rest[0]), abs=2e-6)


def test_rest_and_threshold_of_the_regular_spiking_neuron():
    """Without input: at rest at -70 mV; from the saddle (-50 mV, u = b v) 0.1 mV up it spikes, 0.1 mV down it does not."""
    start = {"v": torch.tensor([-70e-3, -50.1e-3, -49.9e-3]), "u": torch.tensor([-14.0, -10.0, -10.0])}
    spikes, record = driven(ship.Izhikevich, torch.zeros(3), 0.2, dt=1e-4, watch=("v",), initial=start)
    assert spikes.sum(0).tolist() == [0, 0, 1]
    assert float((record.v[0, :, 0] + 70e-3).abs().max()) < 1e-8


def test_published_kinds_fire_as_their_names_say():
    """10 V/s: RS slows down, FS is fast and regular, IB and CH burst, in the words of Figure 2 of the publication."""
    kinds, dt = ("RS", "FS", "IB", "CH"), 2e-4
    sets = [ship.Izhikevich.published(kind) for kind in kinds]
    spikes, _ = driven(ship.Izhikevich, [10.0] * 4, 0.5, dt=dt, **{k: torch.tensor([s[k] for s in sets]) for k in "abcd"})
    gaps = {kind: np.diff(times(spikes, dt, j).numpy()) for j, kind in enumerate(kinds)}
    assert gaps["RS"][-1] > 1.5 * gaps["RS"][0]
    assert gaps["FS"][-1] < 0.5 * gaps["RS"][-1]
    assert np.ptp(gaps["FS"][5:]) < 0.2 * gaps["FS"][-1]
    assert gaps["IB"][0] < 0.5 * gaps["IB"][-1]  # a burst, then single spikes
    assert gaps["IB"][-3:].min() > 10e-3
    assert (gaps["CH"] < 8e-3).mean() > 0.5  # bursts all along
    assert (gaps["CH"][5:] > 20e-3).sum() >= 3


def test_what_is_refused():
    with pytest.raises(ship.ParameterError, match=r"must be one of 'RS'.*got 'XY'"):
        ship.Izhikevich.published("XY")
    with pytest.raises(ship.ParameterError, match=r"needs slots of at most 0.002 s; got dt = 0.01 s. Use dt=1e-3"):
        driven(ship.Izhikevich, 10.0, 0.1, dt=1e-2, method="published")
    spikes, _ = driven(ship.Izhikevich, [0.0, 1e5], 100.0, dt=10.0)  # ten seconds a slot
    assert spikes.sum(0).tolist() == [0, 9]


def test_last_rate_of_a_silent_unit_is_zero():
    assert last_rate(torch.zeros(5, 1), 1e-3) == 0.0
