"""Variance components, correlations and questions of relevance: closed forms, and intervals counted on known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from ship.base.statistics import wilson
from ship.devices.fitting.components import components, shrunk
from ship.devices.fitting.correlated import correlated, possible
from ship.devices.fitting.relevance import close_to, no_trend
from ship.devices.fitting.sentences import told


def measured(k, n, between, within, seed, equal=True):
    """Values of k devices with n cycles (or 1 to 2 n - 1), and the device of each."""
    rng = np.random.default_rng(seed)
    size = np.full(k, n) if equal else rng.integers(1, 2 * n, k)
    y = np.repeat(between * rng.standard_normal(k), size) + within * rng.standard_normal(size.sum())
    return y, np.repeat(np.arange(k), size).astype(str)


def test_equal_groups_have_the_closed_form():
    """Of equal groups: c2c^2 = MSW, d2d^2 = (MSB - MSW) / n, the mean +- t sqrt(MSB / n k), and chi-square limits for c2c."""
    y, label = measured(6, 5, 1.0, 0.5, 8)
    table = y.reshape(6, 5)
    within = table.var(axis=1, ddof=1).mean()
    between = 5 * table.mean(axis=1).var(ddof=1)
    found = components(y, label, unit="V")
    assert found.c2c.value == pytest.approx(math.sqrt(within), rel=1e-9)
    assert found.d2d.value == pytest.approx(math.sqrt((between - within) / 5), rel=1e-6)
    half = stats.t.ppf(0.975, 5) * math.sqrt(between / 30)
    assert found.centre[:] == pytest.approx((y.mean(), y.mean() - half, y.mean() + half), abs=0.05 * half)  # of 4000 draws
    ends = np.sqrt(24 * within / stats.chi2.ppf([0.975, 0.025], 24))
    assert (found.c2c.low, found.c2c.high) == pytest.approx(tuple(ends), rel=0.03)
    assert (found.centre.unit, found.devices, found.whole) == ("V", 6, False)


def test_logarithms_and_signs():
    """In logarithmic scale the centre is a median in the unit of the values; values below 0 keep their sign."""
    y, label = measured(8, 4, 0.5, 0.3, 4)
    plain, found = components(y, label), components(-1e-6 * np.exp(y), label, log=True, unit="V")
    assert found.centre.value == pytest.approx(-1e-6 * math.exp(plain.centre.value), rel=1e-9)
    assert found.centre.low < found.centre.value < found.centre.high < 0
    assert found.d2d.value == pytest.approx(plain.d2d.value, rel=1e-6)
    assert found.d2d.unit == ""


def test_what_was_not_measured_is_none():
    y, label = measured(2, 10, 1.0, 0.5, 5)
    found = components(y, label)
    assert found.d2d is None
    assert found.c2c is not None
    assert components(y, None).d2d is None
    one_each = components(*measured(10, 1, 1.0, 0.5, 5))
    assert one_each.c2c is None
    assert one_each.whole  # d2d has c2c in it


def test_no_spread_is_at_most_something():
    """Devices that are alike: d2d is 0, and its text says how large it may be."""
    found = next(c for seed in range(20) if (c := components(*measured(5, 4, 0.0, 1.0, seed))).d2d.value == 0)
    assert told(found.d2d).startswith("at most ")
    assert 0.3 < found.d2d.high < 3  # of a scatter of a mean of 0.5
    assert told(found.c2c) == str(found.c2c)


CASES = [(3, 3, 1.0, True), (10, 3, 0.2, True), (10, 3, 1.0, False), (30, 1, 1.0, True)]


@pytest.mark.parametrize(("k", "n", "between", "equal"), CASES)
def test_intervals_hold_the_truth(k, n, between, equal):
    """Of 150 measurements, 93 to 97 % within the error of the count."""
    hits, counts = {}, {}
    for seed in range(150):
        found = components(*measured(k, n, between, 0.5, seed, equal), seed=seed)
        for name, estimate in (("centre", found.centre), ("d2d", found.d2d), ("c2c", found.c2c)):
            if estimate is None:
                continue
            assert estimate.low <= estimate.value <= estimate.high
            truth = {"centre": 0.0, "d2d": between if n > 1 else math.hypot(between, 0.5), "c2c": 0.5}[name]
            hits[name] = hits.get(name, 0) + (estimate.low <= truth <= estimate.high)
            counts[name] = counts.get(name, 0) + 1
    assert set(counts) == ({"centre", "d2d", "c2c"} if n > 1 else {"centre", "d2d"})
    for name, hit in hits.items():
        share = wilson(hit, counts[name], 0.999)
        assert share.low <= 0.97, name
        assert share.high >= 0.93, name


def test_robust_leaves_wild_values_out():
    """One value of 60 at 40 standard deviations: it does not count, and is counted."""
    y, label = measured(12, 5, 1.0, 0.5, 7)
    y[17] += 20.0
    plain, found = components(y, label), components(y, label, robust=True)
    assert plain.c2c.value > 2
    assert found.c2c.value == pytest.approx(0.5, rel=0.3)
    assert (plain.wild, found.wild) == (0, 1)


def test_shrunken_devices_are_closer_to_the_truth():
    """A device with few cycles is drawn to the mean of all: the error over devices falls, and intervals hold 95 %."""
    raw, drawn, hit, count = 0.0, 0.0, 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = 0.3 * rng.standard_normal(8)
        y = (truth[:, None] + rng.standard_normal((8, 3))).ravel()
        found = shrunk(y, np.repeat(np.arange(8), 3).astype(str), seed=seed)
        assert list(found) == [str(k) for k in range(8)]
        raw += float(((y.reshape(8, 3).mean(1) - truth) ** 2).sum())
        drawn += float(((np.array([e.value for e in found.values()]) - truth) ** 2).sum())
        hit += sum(e.low <= t <= e.high for e, t in zip(found.values(), truth, strict=True))
        count += 8
    assert drawn < 0.6 * raw
    assert wilson(hit, count, 0.999).high >= 0.93


def test_correlations_between_and_within():
    """Opposite correlations between devices and within them are told apart; their intervals hold 95 %."""
    hit = np.zeros(2)
    for seed in range(150):
        rng = np.random.default_rng(seed)
        d = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 10)
        c = 0.5 * rng.multivariate_normal([0, 0], [[1, -0.4], [-0.4, 1]], (10, 5))
        y, label = (d[:, None] + c).reshape(-1, 2), np.repeat(np.arange(10), 5).astype(str)
        found = correlated({"a": np.exp(y[:, 0]), "b": y[:, 1]}, label, log=("a",), seed=seed)
        pair = found.between["a", "b"], found.within["a", "b"]
        hit += [e.low <= t <= e.high for e, t in zip(pair, (0.7, -0.4), strict=True)]
    for h in hit:
        assert wilson(int(h), 150, 0.999).high >= 0.93
    assert found.between_matrix[0, 1] == found.between["a", "b"].value
    assert correlated({"a": y[:, 0], "b": y[:, 1]}, None).between is None


def test_correlations_are_possible_together():
    """0.9, 0.9 and -0.9 cannot be: the closest matrix without negative eigenvalues has 0.5, 0.5, -0.5."""
    found = possible(np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]))
    assert np.linalg.eigvalsh(found).min() > 0
    assert found == pytest.approx(np.array([[1, 0.5, -0.5], [0.5, 1, 0.5], [-0.5, 0.5, 1]]), abs=1e-5)


def test_trends_are_asked_for_by_relevance():
    """2 % a decade with 1 % scatter: no trend within 5 %; 10 % is one; of few wild points it is open."""
    rng, x = np.random.default_rng(0), np.geomspace(1, 1e6, 200)
    noise = 0.05 * rng.standard_normal(200)
    slow = no_trend(x, np.exp(0.02 * np.log10(x) + noise), 0.05)
    assert slow.holds
    assert slow.text.startswith("no trend within 5% a decade: +")
    assert slow.estimate.low < math.expm1(0.02) < slow.estimate.high
    fast = no_trend(x, np.exp(-0.1 * np.log10(x) + noise), 0.05)
    assert (fast.answer, fast.text[:9]) == ("outside", "trend of ")
    few = no_trend(x[::40], np.exp(10 * noise[::40]), 0.05)
    assert few.answer == "open"
    devices = np.repeat(["a", "b", "c"], 70)[:200]
    assert no_trend(x, np.exp(noise), 0.5, devices).holds


def test_distributions_are_close_by_relevance():
    """At 10^4 values a distance of 0.01 is no reason to refuse; at 30 nothing is sure."""
    rng = np.random.default_rng(0)
    many = stats.t(8).rvs(10_000, random_state=rng)  # no normal sample: p of a test is below 0.05
    assert stats.kstest(many, stats.norm(0, 1.09).cdf).pvalue < 0.05
    assert close_to(stats.norm(0, 1.09), many).holds
    assert close_to(stats.norm(0.4, 1), many).answer == "outside"
    assert close_to(stats.norm(0, 1).cdf, many[:30]).answer == "open"


def test_the_error_of_the_values_is_no_scatter():
    """Values that are estimates with a standard error of 0.4: the scatter within devices is 0.3, not 0.5."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(30), 10).astype(str)
    y = np.repeat(rng.standard_normal(30), 10) + np.hypot(0.3, 0.4) * rng.standard_normal(300)
    whole, part = components(y, label), components(y, label, error=0.16)
    assert whole.c2c.value == pytest.approx(0.5, rel=0.1)
    assert part.c2c.low < 0.3 < part.c2c.high
    assert part.c2c.value == pytest.approx(np.sqrt(whole.c2c.value**2 - 0.16))
    assert (part.d2d, part.centre) == (whole.d2d, whole.centre)
    single = components(y[::10], label[::10], error=0.16)  # one value a device: d2d has all of it
    assert single.d2d.value == pytest.approx(np.sqrt(components(y[::10], label[::10]).d2d.value ** 2 - 0.16))


def test_two_cycles_of_ten_devices_tell_both_parts():
    rng = np.random.default_rng(0)
    y = np.repeat(rng.standard_normal(10), 2) + 0.2 * rng.standard_normal(20)
    found = components(y, np.repeat(np.arange(10), 2).astype(str))
    assert found.c2c.low < 0.2 < found.c2c.high
