"""Rules of memristive circuits: overlapping waveforms against a quadrature, pulse-number laws against their formulas."""

import math

import pytest
import torch

import ship
from rules_by_hand import change, train, weights
from ship.base.parameters.bag import Bag
from ship.models.rules.cnr import depressed, potentiated

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("lag", [5, 15, 25, 40])
def test_waveform_window(lag):
    """``t_head gain (exp((v_head + v_tail exp(-(T + t_head / 2) / tau) - v_th) / v_0) - 1)``, 0 beyond ``tau ln(v_tail / (v_th -
    v_head)) - t_head / 2`` = 27.2 ms.
    """
    rule = ship.WaveformSTDP(gain_minus=5.0, w_min=-10.0, w_max=10.0)
    over = max((0.8 + 0.8 * math.exp(-(lag + 0.5) / 20) - 1) / 0.5, 0)
    wanted = 1e-3 * (math.exp(over) - 1)
    assert change(rule, [20], [20 + lag]) == pytest.approx(10 * wanted, rel=1e-12)
    assert change(rule, [20 + lag], [20]) == pytest.approx(-5 * wanted, rel=1e-12)
    assert (wanted > 0) == (lag < 27.2)


@pytest.mark.parametrize("lag", [3, 10, 20])
@pytest.mark.parametrize("t_head", [1e-3, 0.25e-3])
def test_waveforms_by_quadrature(lag, t_head):
    """The whole waveforms on the device: head and tail of both sides, their difference through the law with its threshold, summed
    in steps of a microsecond. The head's middle is off by ``(t_head / tau)^2 / 24`` and less.
    """
    rule = ship.WaveformSTDP(t_head=t_head, w_min=-10.0, w_max=10.0)
    t = torch.arange(0, 120e-3, 1e-6, dtype=D) + 0.5e-6

    def wave(t):
        head = (t >= 0) & (t < t_head)
        return torch.where(head, 0.8, torch.where(t >= t_head, -0.8 * torch.exp(-t / 20e-3), 0.0))

    v = wave(t - 10e-3 - lag * 1e-3) - wave(t - 10e-3)  # post less pre
    law = torch.sign(v) * torch.where(v.abs() > 1.0, torch.expm1((v.abs() - 1) / 0.5), 0.0)
    wanted = 10.0 * float(law.sum()) * 1e-6
    assert wanted > 0
    assert change(rule, [20], [20 + lag]) == pytest.approx(wanted, rel=2e-3)


def test_waveforms_alone_change_nothing():
    assert change(ship.WaveformSTDP(), [10, 12, 14, 50], []) == 0.0
    rule = ship.WaveformSTDP(v_head=1.2)
    with pytest.raises(ship.ParameterError, match=r"v_head: must be at most v_th, so that no spike alone changes the device"):
        change(rule, [10], [20])
    with pytest.raises(ship.ParameterError, match=r"v_0: must be at least \(v_head \+ v_tail - v_th\) / 50"):
        change(ship.WaveformSTDP(v_0=1e-3), [10], [20])


CNR = Bag({k: torch.tensor(v, dtype=D) for k, v in {
    "r0_d": 3234.0, "alpha_d": 502.0, "r0_p": 6031.56, "alpha_p": 3350.0, "beta": 0.612}.items()})  # fmt: skip
DEPRESSED = {2: 3582, 10: 4390, 100: 5546}  # science C3
POTENTIATED = {2: 4873, 10: 3500, 100: 2882}


def test_pulse_number_laws():
    """From the state alone: n pulses give ``r0_d + alpha_d ln n`` and ``r0_p + alpha_p (n^-beta - 1)``, a straight line in ln
    n.
    """
    down, up = torch.tensor(3234.0, dtype=D), torch.tensor(6031.56, dtype=D)
    for n in range(2, 101):
        down, up = depressed(down, CNR), potentiated(up, CNR)
        assert float(down) == pytest.approx(3234 + 502 * math.log(n), rel=1e-12)
        assert float(up) == pytest.approx(6031.56 + 3350 * (n**-0.612 - 1), rel=1e-12)
        if n in DEPRESSED:
            assert float(down) == pytest.approx(DEPRESSED[n], abs=1)
            assert float(up) == pytest.approx(POTENTIATED[n], abs=1)


def test_laws_far_from_their_start():
    """Below r0_d a pulse lifts the resistance at once towards it; far above r0_p one pulse brings it below r0_p; no overflow."""
    far = torch.tensor([1.0, 1e3, 1e9], dtype=torch.float32)
    p = Bag({k: v.float() for k, v in vars(CNR).items()})
    assert bool(torch.isfinite(depressed(far, p)).all())
    assert float(depressed(far, p)[0]) == pytest.approx(3234, abs=60)
    assert float(potentiated(far, p)[2]) == pytest.approx(6031.56, rel=1e-2)


def test_overlap_sends_one_pulse():
    """``w = w_max r_min / R``: post after pre within the window potentiates by one pulse, pre after post depresses, else
    nothing.
    """
    rule = ship.CNRSTDP()
    r = torch.tensor(5000.0, dtype=D)
    w = 3000 / 5000
    after = {"up": 3000 / float(potentiated(r, CNR)), "down": 3000 / float(depressed(r, CNR))}
    assert change(rule, [20], [60], w=w) == pytest.approx(after["up"] - w, rel=1e-12)
    assert change(rule, [60], [20], w=w) == pytest.approx(after["down"] - w, rel=1e-12)
    assert after["up"] > w > after["down"]
    assert change(rule, [20], [70], w=w) == 0.0  # the window is 50 ms
    assert change(rule, [20], [69], w=w) != 0.0
    assert change(rule, [20], [20], w=w) == 0.0


def test_repeated_pairs_follow_the_laws():
    """Pairs 400 ms apart: after n potentiating pairs from r0_p the weight is that of pulse n + 1, up to w_max at r_min."""
    steps = 4000
    pre, post = train(range(0, steps, 400), steps), train(range(10, steps, 400), steps)
    found = weights(ship.CNRSTDP(), pre, post, w=3000 / 6031.56)
    wanted = [3000 / max(6031.56 + 3350 * ((n + 1) ** -0.612 - 1), 3000) for n in range(1, 11)]
    assert [float(found[400 * n]) for n in range(1, 11)] == pytest.approx(wanted, rel=1e-12)
