"""HfO2 resistive memory: the fit's reference numbers, populations, gradients, limits, writing and differential pairs."""

import math

import pytest
import torch

from ship.errors import ParameterError
from ship.models.devices import hfo2

D = torch.float64
SMOOTH = hfo2.HfO2(continuous=True)


def s(*micro):
    """Siemens from microsiemens."""
    return torch.tensor(micro, dtype=D) * 1e-6


def cv(g0, t, **options):
    return hfo2.drift_std(g0, t, **options) / hfo2.drift_mean(g0, t, **options)


@pytest.mark.parametrize(
    ("g0", "early", "late"), [(50, 48.82, 37.63), (60, 60.67, 56.38), (70, 69.59, 68.35), (120, 119.59, 118.35)]
)
def test_reference_means(g0, early, late):
    """mu in uS at 10 s and 1e4 s; the reference has two decimals."""
    assert float(hfo2.drift_mean(s(g0), 10.0)) * 1e6 == pytest.approx(early, abs=0.005)
    assert float(hfo2.drift_mean(s(g0), 1e4)) * 1e6 == pytest.approx(late, abs=0.0051)


@pytest.mark.parametrize(("g0", "early", "late"), [(50, 0.0826, 0.318), (120, 0.0153, 0.0456)])
def test_reference_spreads(g0, early, late):
    """std / mean at 10 s and 1e4 s; the reference has three digits."""
    assert float(cv(s(g0), 10.0)) == pytest.approx(early, abs=5e-5)
    assert float(cv(s(g0), 1e4)) == pytest.approx(late, rel=2e-3)


def test_reference_defects():
    """The jump at 64.41 uS, mu(1 s) of 50 uS above what was written, and the negative spread below 0.886 s."""
    jump = hfo2.drift_mean(s(64.41 - 1e-9), 10.0) - hfo2.drift_mean(s(64.41), 10.0)
    # 0.9546 w + 4.82 - w = 1.896 from the levels, 0.2302 w - 15.24 + 0.4129 = 8e-5 from the slopes, at w = 64.41
    assert float(jump) * 1e6 == pytest.approx(1.8958, abs=1e-3)
    assert float(hfo2.drift_mean(s(50), 1.0, extrapolate=True)) * 1e6 == pytest.approx(52.55, abs=1e-3)
    t = torch.tensor([0.84, 0.88, 0.885, 0.887, 0.9], dtype=D)
    std = hfo2.drift_std(s(50), t, extrapolate=True)
    assert (std >= 0).all()
    assert (std > 0).tolist() == [False, False, False, True, True]


def test_as_written():
    """t = 0, and extrapolated times up to 0.83 s: exactly g0, without spread."""
    g0, xi = s(50, 64, 120), torch.tensor([-2.0, 1.0, 3.0], dtype=D)
    for t, extrapolate in ((0.0, False), (0.5, True), (0.83, True)):
        # 1e-15: g0 goes to uS and back
        torch.testing.assert_close(hfo2.drifted(g0, t, xi, extrapolate=extrapolate), g0, rtol=1e-15, atol=0)
        assert torch.equal(hfo2.drift_std(g0, t, extrapolate=extrapolate), torch.zeros(3, dtype=D))


@pytest.mark.parametrize("g0", [50.0, 60.0, 70.0, 120.0])
@pytest.mark.parametrize("t", [10.0, 1e4])
def test_population(g0, t):
    """1e5 devices: mean within 3 sigma / sqrt(n), standard deviation within 3 sigma / sqrt(2 n)."""
    n = 100_000
    xi = torch.randn(n, dtype=D, generator=torch.Generator().manual_seed(1))
    g = hfo2.drifted(s(g0).expand(n), t, xi)
    mean, std = float(hfo2.drift_mean(s(g0), t)), float(hfo2.drift_std(s(g0), t))
    assert float(g.mean()) == pytest.approx(mean, abs=3 * std / math.sqrt(n))
    assert float(g.std()) == pytest.approx(std, abs=3 * std / math.sqrt(2 * n))
    assert float(g.min()) >= 0


def test_a_device_keeps_its_quantile():
    """One xi a device: the order of devices is the same at every t, and (g - mean) / std gives xi back."""
    xi = torch.randn(1000, dtype=D, generator=torch.Generator().manual_seed(2)).clamp(-3, 3)
    t = torch.logspace(1, 4, 7, dtype=D)[:, None]
    g = hfo2.drifted(s(55), t, xi)
    assert g.shape == (7, 1000)
    torch.testing.assert_close(
        (g - hfo2.drift_mean(s(55), t)) / hfo2.drift_std(s(55), t), xi.expand(7, 1000), rtol=1e-10, atol=1e-10
    )
    assert torch.equal(g.argsort(-1), xi.argsort().expand(7, 1000))


def test_never_below_zero():
    """At 50 uS and 1e4 s, 1 + 0.318 xi is negative from xi = -3.14 on."""
    g = hfo2.drifted(s(50), 1e4, torch.tensor([-3.0, -3.2, -6.0], dtype=D))
    assert (g > 0).tolist() == [True, False, False]
    assert (g[1:] == 0).all()


@pytest.mark.parametrize("t", [10.0, 100.0, 1e4])
def test_continuous_law(t):
    """No step over all levels; the published law from 64.41 uS on and below 54 uS; at most 1.9 uS lower between."""
    fine = torch.linspace(45, 125, 80_001, dtype=D) * 1e-6
    mean = hfo2.drift_mean(fine, t, device=SMOOTH)
    published = hfo2.drift_mean(fine, t)
    # The steepest branch has the slope 0.9546 + 0.2302 L <= 1.876: a step of 0.001 uS changes the mean by less than 0.002 uS.
    assert float(mean.diff().abs().max()) < 2e-9
    assert float(published.diff().abs().max()) > 1.8e-6
    same = (fine < 54e-6) | (fine >= 64.41e-6)
    assert torch.equal(mean[same], published[same])
    assert float((published - mean).max()) < 1.9e-6
    assert (mean <= published).all()


@pytest.mark.parametrize("device", [hfo2.DEVICE, SMOOTH])
def test_gradients(device):
    """gradcheck away from the kinks, in uS so that its step is small against the values; t = 0 gives no NaN."""
    w = torch.tensor([50.0, 58.0, 70.0, 119.0], dtype=D, requires_grad=True)
    xi = torch.tensor([0.3, -1.0, 2.0, -0.5], dtype=D, requires_grad=True)
    t = torch.tensor([[20.0], [3000.0]], dtype=D, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, t, xi: hfo2.drifted(w * 1e-6, t, xi, device=device) * 1e6, (w, t, xi))
    mixed = torch.tensor([[0.0], [100.0]], dtype=D, requires_grad=True)
    grads = torch.autograd.grad(hfo2.drifted(w * 1e-6, mixed, xi).sum(), (w, mixed, xi))
    assert all(torch.isfinite(g).all() for g in grads)
    fresh = torch.autograd.grad(hfo2.drifted(w * 1e-6, 0.0, xi).sum() * 1e6, w)[0]
    torch.testing.assert_close(fresh, torch.ones(4, dtype=D))


def test_float32_on_the_limits():
    """Times and levels that float32 rounds just over a limit are accepted."""
    g0 = torch.tensor([45e-6, 125e-6])
    assert hfo2.drift_mean(g0, torch.logspace(1, 4, 10)[:, None]).shape == (10, 2)
    assert hfo2.drift_mean(g0, 10.0).dtype == torch.float32


@pytest.mark.parametrize(
    ("g0", "t", "extrapolate", "text"),
    [
        (
            60.0,
            5.0,
            False,
            r"HfO2 drift: t: must be 0 s \(as written\) or from 10 to 10000 s; got 5. extrapolate=True accepts it.",
        ),
        (60.0, 2e4, False, "got 20000"),
        (60.0, float("nan"), False, "got nan"),
        (60.0, -1.0, True, "HfO2 drift: t: must be at least 0 s and finite; got -1."),
        (44.0, 10.0, False, "HfO2 drift: g0: must be from 4.5e-05 to 0.000125 S; got 4.4e-05. extrapolate=True accepts it."),
        (38.0, 10.0, True, "HfO2 drift: g0: must be above 3.872e-05 S, where the fit has a pole; got 3.8e-05."),
        (float("nan"), 0.0, True, "HfO2 drift: g0"),
    ],
)
def test_errors_of_drift(g0, t, extrapolate, text):
    for call in (hfo2.drift_mean, hfo2.drift_std, lambda *a, **k: hfo2.drifted(*a, torch.zeros(1), **k)):
        with pytest.raises(ParameterError, match=text):
            call(s(60.0, g0), t, extrapolate=extrapolate)


def test_errors_of_constants():
    with pytest.raises(
        ParameterError, match=r"HfO2: g_min - margin must be above the pole, and g_min not above g_max; got g_min=4e-05"
    ):
        hfo2.HfO2(g_min=40e-6)
    with pytest.raises(ParameterError, match="HfO2: times must be 0 < t_start <= t_low < t_high"):
        hfo2.HfO2(t_low=1e5)
    with pytest.raises(ParameterError, match=r"HfO2.sigmas: must be above 0; got 0"):
        hfo2.HfO2(sigmas=0)


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 16, 64])
def test_quantise(levels):
    """Values of linspace(-max, max, levels), none farther than half a step, all levels reached, ends kept."""
    w = torch.linspace(-0.7, 0.9, 10_001, dtype=D)
    q = hfo2.quantise(w, levels)
    grid = torch.linspace(-0.9, 0.9, levels, dtype=D)
    distance = (q[:, None] - grid).abs().min(-1).values
    assert float(distance.max()) < 1e-15
    assert float((q - w).abs().max()) <= 0.9 / (levels - 1) + 1e-12
    reached = grid[grid >= -0.7 - 0.9 / (levels - 1)]
    assert len(set(q.tolist())) == len(reached)
    assert float(q.max()) == pytest.approx(0.9, abs=1e-15)


def test_quantise_ties_range_gradient():
    w = torch.tensor([0.0, -1.0, 1.0, 2.0, -3.0], dtype=D, requires_grad=True)
    q = hfo2.quantise(w, 2, w_max=1.0)
    assert q.tolist() == [1.0, -1.0, 1.0, 1.0, -1.0]  # 0 lies between the levels: the upper one
    q.sum().backward()
    assert w.grad[0] == 1
    assert w.grad[3:].tolist() == [0.0, 0.0]
    assert torch.equal(hfo2.quantise(torch.zeros(3), 4), torch.zeros(3))
    for levels in (1, 2.5):
        with pytest.raises(ParameterError, match=f"quantise: levels: must be a whole number, at least 2; got {levels}"):
            hfo2.quantise(w, levels)
    with pytest.raises(ParameterError, match="quantise: w_max: must be above 0 and finite; got 0"):
        hfo2.quantise(w, 4, w_max=0.0)
    with pytest.raises(ParameterError, match="quantise: w: must be finite; got nan"):
        hfo2.quantise(torch.tensor([float("nan")]), 4)


@pytest.mark.parametrize("levels", [2, 8, 64])
def test_programmed_population(levels):
    """Around each level the scatter is (g_max - g_min) / levels / 6, within 3 sigma of 1e5 writes; the drift accepts it from 7 levels on."""
    n, sigma = 100_000, 70e-6 / levels / 6
    xi = torch.randn(n, dtype=D, generator=torch.Generator().manual_seed(3))
    target = s(50.0)  # on the first level
    error = hfo2.programmed(target.expand(n), xi, levels) - 50e-6
    assert float(error.mean()) == pytest.approx(0, abs=3 * sigma / math.sqrt(n))
    assert float(error.std()) == pytest.approx(sigma, abs=3 * sigma / math.sqrt(2 * n))
    if levels >= 7:
        written = hfo2.programmed(s(50.0, 87.0, 120.0), torch.full((3,), -3.0, dtype=D), levels)
        assert torch.isfinite(hfo2.drifted(written, 100.0, torch.zeros(3, dtype=D))).all()


def test_programmed_levels_and_errors():
    zero = torch.zeros(3, dtype=D)
    g = hfo2.programmed(s(50, 70, 119), zero, 3)
    torch.testing.assert_close(g, s(50, 85, 120))
    torch.testing.assert_close(hfo2.programmed(s(0, 4, 10), zero, 2, 0.0, 10e-6), s(0, 0, 10))
    assert (hfo2.programmed(s(0.0), -torch.ones(1), 2, 0.0, 10e-6) == 0).all()
    target = s(55, 80, 100).requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(hfo2.programmed(target, zero, 8).sum(), target)[0], torch.ones(3, dtype=D))
    with pytest.raises(ParameterError, match=r"programmed: target: must be from 5e-05 to 0.00012 S; got 4e-05."):
        hfo2.programmed(s(40), zero, 4)
    with pytest.raises(ParameterError, match=r"programmed: g_min, g_max: must be 0 <= g_min < g_max; got 0.0002, 0.00012."):
        hfo2.programmed(s(60), zero, 4, 200e-6)
    with pytest.raises(ParameterError, match="programmed: levels"):
        hfo2.programmed(s(60), zero, 0)


def test_pair_and_back():
    """from_pair(to_pair(w)) = w to rounding; the partner of a weight stays at g_min; slope 1 everywhere, 0 included."""
    w = torch.linspace(-2, 2, 41, dtype=D, requires_grad=True)
    plus, minus = hfo2.to_pair(w, 2.0)
    assert float(plus.max()) == pytest.approx(120e-6)
    assert float(minus.max()) == pytest.approx(120e-6)
    assert (torch.minimum(plus, minus) == 50e-6).all()
    back = hfo2.from_pair(plus, minus, 2.0)
    torch.testing.assert_close(back, w, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(back.sum(), w)[0], torch.ones(41, dtype=D))
    per_column = torch.tensor([1.0, 4.0], dtype=D)
    torch.testing.assert_close(hfo2.to_pair(per_column, per_column)[0], s(120, 120))


def test_errors_of_the_pair():
    w = torch.tensor([0.5, -1.5])
    with pytest.raises(
        ParameterError, match=r"to_pair: w: must be from -w_max to w_max; got -1.5. Clip the weights, or raise w_max."
    ):
        hfo2.to_pair(w, 1.0)
    with pytest.raises(ParameterError, match="to_pair: w: .* got nan"):
        hfo2.to_pair(torch.tensor([float("nan")]), 1.0)
    with pytest.raises(ParameterError, match="from_pair: w_max: must be above 0 and finite; got -1"):
        hfo2.from_pair(w, w, -1.0)
    with pytest.raises(ParameterError, match="to_pair: g_min, g_max"):
        hfo2.to_pair(w, 2.0, 1e-4, 1e-5)
