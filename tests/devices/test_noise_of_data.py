"""The noise of a measurement from the data alone, and models of different size judged by it."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from ship.devices.fitting import report
from ship.devices.fitting.noise import decisive, estimate_noise, given_noise, lack_of_fit


def curve(n, additive, relative, seed, law=lambda x: np.exp(-3 * x)):
    rng, x = np.random.default_rng(seed), np.linspace(0, 1, n)
    return x, law(x), law(x) + np.hypot(additive, relative * law(x)) * rng.standard_normal(n)


@pytest.mark.parametrize(
    ("additive", "relative", "kind"), [(0.01, 0.0, "additive"), (0.0, 0.05, "relative"), (0.01, 0.05, "both")]
)
def test_size_and_kind(additive, relative, kind):
    """Over a factor of 20 in y, 200 points tell the kind in at least 36 of 40 curves, and the variance within 10 % on average."""
    found = [estimate_noise(x, y) for seed in range(40) for x, _, y in [curve(200, additive, relative, seed)]]
    assert sum(f.kind == kind for f in found) >= 36
    truth = curve(200, additive, relative, 0)[1]
    square = np.mean([(f.sigma(truth) ** 2 / (additive**2 + (relative * truth) ** 2)).mean() for f in found])
    assert square == pytest.approx(1.0, abs=0.1)
    assert found[0].df == pytest.approx(200 * 18 / 35, rel=0.02)  # Gasser, Sroka & Jennen-Steinmetz: 35/18 of the variance


def test_repeated_points_count_alone():
    """Values at one x have the scatter of a sample, whatever the curve does in between."""
    rng, x = np.random.default_rng(1), np.repeat([0.0, 1.0, 2.0, 3.0], 6)
    y = np.where(x % 2, 5.0, 1.0) + 0.1 * rng.standard_normal(24)
    found = estimate_noise(x, y)
    groups = y.reshape(4, 6)
    assert found.df == 20
    assert found.additive == pytest.approx(math.sqrt(groups.var(axis=1, ddof=1).mean()), rel=0.03)  # wild values are cut
    assert "repeated points" in found.words("V")
    assert found.words("V").startswith(f"noise of a point: {found.additive:.3g} V (")


def test_curves_are_apart():
    """Two branches with a jump between them have no difference across it."""
    x, _, y = curve(60, 0.01, 0.0, 2)
    found = estimate_noise(np.tile(x, 2), np.concatenate([y, y + 100]), np.repeat(["a", "b"], 60))
    assert found.sigma(1.0) == pytest.approx(0.01, rel=0.4)


def test_wild_values_do_not_make_the_noise():
    x, _, y = curve(200, 0.01, 0.0, 3)
    y[[20, 90, 150]] += 3.0
    assert estimate_noise(x, y).sigma(1.0) == pytest.approx(0.01, rel=0.45)  # nine of 198 differences count as three sigma


def test_rounding_is_noise():
    """Values in steps of 0.1 that repeat have at least the scatter of rounding, 0.1 / sqrt(12)."""
    x = np.linspace(0, 1, 100)
    found = estimate_noise(x, np.round(x, 1))
    assert found.additive >= 0.1 / math.sqrt(12) * 0.99


@pytest.mark.parametrize("y", [[], [1.0], [1.0, 2.0], [1.0, 2.0, 3.0]])
def test_too_few_points_say_nothing(y):
    assert estimate_noise(None, np.array(y)) is None


def test_data_without_noise_are_no_division_by_zero():
    x = np.linspace(0, 1, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for y in (np.ones(50), np.zeros(50), x, 1e-12 * np.exp(-80 * x), -x):
            found = estimate_noise(x, y)
            assert np.isfinite(found.sigma(y)).all()
            assert found.sigma(np.abs(y).max() + 1e-300) > 0


LAWS = {"constant": 0, "line": 1, "parabola": 2, "cubic": 3}


def judged(x, y, noise):
    """Polynomials of degree 0 to 3, judged by one noise."""
    made = []
    for name, degree in LAWS.items():
        left = y - np.polyval(np.polyfit(x, y, degree), x)
        chi2 = float((left**2).sum()) / noise.additive**2
        k = degree + 1
        fits = lack_of_fit(chi2, len(x), k, noise.df) > 0.01
        made.append(report.Fitted(name, {}, float(np.sqrt(np.mean(left**2))), given_noise(chi2, k, noise.df), k, fits=fits))
    return report.rank(made, decisive=decisive(noise.df))


@pytest.mark.parametrize("sigma", [0.003, 0.03, 0.1])
@pytest.mark.parametrize("n", [15, 60])
def test_the_true_law_stays_and_a_wrong_one_goes(sigma, n):
    """Of a parabola with noise of 0.3 to 10 % the true law is refused in at most 4 of 100; the line, which misses by 7.5 %, in at
    least 90 of 100 where the noise is below that (3 %)."""
    true, wrong = 0, 0
    for seed in range(100):
        rng, x = np.random.default_rng(seed), np.linspace(0, 1, n)
        y = x**2 + sigma * rng.standard_normal(n)
        order = judged(x, y, estimate_noise(x, y))
        fits = {f.name: f.fits for f in order}
        true += not fits["parabola"]
        wrong += not fits["line"]
    assert true <= 4
    if sigma <= 0.03:
        assert wrong >= 90


def test_a_worse_law_does_not_widen_its_own_allowance():
    """The allowance of a law is one number for all: adding a law that misses by far changes no other verdict."""
    x = np.linspace(0, 1, 40)
    y = x**2 + 0.02 * np.random.default_rng(0).standard_normal(40)
    order = judged(x, y, estimate_noise(x, y))
    gaps = {f.name: f.criterion - order[0].criterion for f in order}
    assert order[0].name == "parabola"
    assert gaps["constant"] > gaps["line"] > 10
    assert not any(f.fits for f in order if f.name in ("constant", "line"))


def test_decisive_by_the_degrees_of_freedom():
    """Where the noise is known exactly 10 is decisive; of few degrees of freedom, a difference that chance gives as rarely."""
    assert decisive() == 10
    for df in (4, 20, 1000):
        chi2 = (decisive(df) + 2) / (1 - 2 / df)
        assert stats.f.sf(chi2, 1, df) == pytest.approx(stats.chi2.sf(12, 1), rel=1e-6)
    assert given_noise(30.0, 3, 10) == pytest.approx(30)
    assert lack_of_fit(50.0, 55, 5) == pytest.approx(stats.chi2.sf(50, 50))
