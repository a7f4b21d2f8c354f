"""Sources of spike trains: renewal, inhomogeneous, correlated and given trains, at any dt and across a change of it."""

import itertools
import math

import pytest
import torch
from scipy import stats

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
DTS = (1e-2, 1e-3, 2e-4)


def trains(model, n=100, dt=1e-3, seed=1, run=None, initial=None, **options):
    """Counts ``[time, unit]`` of one sample."""
    net = ship.Network()
    net.add(model, "s", n=n, output=True, initial=initial, **options)
    net.init(dt=dt, seed=seed, dtype=D)
    return net.run(**(run or {"duration": 2.0}))[0]


def intervals(counts, dt):
    """The intervals (s) between events that lie in slots of their own, of all units."""
    return torch.cat([torch.diff(counts[:, j].nonzero().flatten()) * dt for j in range(counts.shape[1])])


# -- renewal -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [1, 2, 5, 20])
def test_gamma_intervals(shape):
    """Intervals of shape k and rate r have the distribution Gamma(k, mean 1 / r), so that CV = 1 / sqrt(k).

    Kolmogorov-Smirnov against it, each event put anywhere in its slot of 0.5 ms; 5 standard errors for the mean and the CV.
    """
    rate, dt = 25.0, 5e-4
    found = intervals(trains(ship.GammaSource, n=120, dt=dt, rate=rate, shape=shape, run={"duration": 2.0}), dt)
    jitter = torch.rand(2, len(found), dtype=D, generator=torch.Generator().manual_seed(0))
    found = (found + dt * (jitter[0] - jitter[1])).abs()
    # Of intervals that are cut off at 2 s the long ones are missing: at most 1 / (r T) of the mean.
    assert len(found) > 4000
    cv = 1 / math.sqrt(shape)
    assert float(found.mean()) == pytest.approx(1 / rate, rel=5 * cv / math.sqrt(len(found)) + cv / (rate * 2.0))
    assert float(found.std() / found.mean()) == pytest.approx(cv, rel=5 / math.sqrt(2 * len(found)) + 0.03)
    distance = stats.kstest(found.numpy(), stats.gamma(shape, scale=1 / (rate * shape)).cdf).statistic
    assert distance < 1.95 / math.sqrt(len(found)) + 0.02  # the 0.1 % point, and the cut


def test_gamma_of_shape_one_is_a_poisson_process():
    counts = trains(ship.GammaSource, n=200, dt=1e-2, rate=300.0, shape=1)
    mean = 3.0
    assert float(counts.mean()) == pytest.approx(mean, abs=5 * math.sqrt(mean / counts.numel()))
    assert float(counts.var() / counts.mean()) == pytest.approx(1, abs=5 * math.sqrt(2.4 / counts.numel()))


@pytest.mark.parametrize("dt", DTS)
@pytest.mark.parametrize("shape", [3, 10])
def test_counts_of_a_renewal_process_do_not_depend_on_dt(dt, shape):
    """Stationary: the mean count over T is r T from the start, its variance that of an equilibrium renewal process: for large T
    ``r T / k + (1 - 1 / k^2) / 6`` (Cox, Renewal Theory, for a gamma of shape k). Within 5 standard errors.
    """
    rate, span, n = 40.0, 0.5, 2000
    counts = trains(ship.GammaSource, n=n, dt=dt, rate=rate, shape=shape, run={"duration": span}).sum(0)
    variance = rate * span / shape + (1 - 1 / shape**2) / 6
    assert float(counts.mean()) == pytest.approx(rate * span, abs=5 * math.sqrt(variance / n))
    assert float(counts.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / n))


def test_a_renewal_process_begins_stationary():
    """The rate is r in the first milliseconds, too: a process that began with an event would have none there."""
    counts = trains(ship.GammaSource, n=20_000, dt=1e-3, rate=50.0, shape=10, run={"duration": 0.01}).sum()
    assert float(counts) == pytest.approx(20_000 * 0.5, abs=5 * math.sqrt(20_000 * 0.5))


@pytest.mark.parametrize("dt", [3e-2, 1e-3, 1e-4])
def test_regular_trains(dt):
    """T seconds at a rate r hold floor(r T) or one more events, r T on average; intervals are 1 / r to a slot."""
    rate = 37.0
    counts = trains(ship.RegularSource, n=1000, dt=dt, rate=rate, run={"duration": 0.9})
    total = counts.sum(0)
    assert set(total.tolist()) <= {33.0, 34.0}
    assert float(total.mean()) == pytest.approx(33.3, abs=5 * math.sqrt(0.21 / 1000))
    if dt < 1e-2:
        assert float((intervals(counts, dt) - 1 / rate).abs().max()) <= dt


def test_regular_trains_that_start_together():
    counts = trains(ship.RegularSource, n=3, dt=1e-3, rate=100.0, run={"duration": 0.1}, initial={"phase": 0.0})
    assert torch.equal(counts.sum(0), torch.full((3,), 10.0, dtype=D))
    assert (counts.sum(1) > 0).nonzero().flatten().diff().tolist() == [10] * 9


def test_a_regular_train_of_tiny_steps_keeps_its_rate():
    """2e-8 intervals a slot are below half a unit in the last place of a float32 phase of 1: what rounding leaves is kept."""
    net = ship.Network()
    net.add(ship.RegularSource, "s", n=1, rate=20.0, initial={"phase": 0.9999})
    net.init(dt=1e-9, dtype=torch.float32)
    net.monitor("s", "phase")
    net.run(steps=2000)
    moved = net.records["s"].phase[0, -1, 0] - 0.9999
    assert float(moved) == pytest.approx(2000 * 2e-8, abs=6e-8)


def test_a_renewal_process_across_a_change_of_dt():
    """Counts of 0.3 s, in slots of 1, 0.1 and 5 ms: mean r T and the variance of an equilibrium renewal process."""
    n, shape = 4000, 4
    counts = trains(ship.GammaSource, n=n, rate=50.0, shape=shape, run={"dt": [(1e-3, 100), (1e-4, 1000), (5e-3, 20)]}).sum(0)
    variance = 15.0 / shape + (1 - 1 / shape**2) / 6
    assert float(counts.mean()) == pytest.approx(15.0, abs=5 * math.sqrt(variance / n))
    assert float(counts.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / n))


def test_shapes_are_whole():
    with pytest.raises(ship.ParameterError, match=r"GammaSource 's'.shape: must be whole: events are counted; got 2.5"):
        trains(ship.GammaSource, shape=2.5)


# -- inhomogeneous -------------------------------------------------------------------------------------------------------------

RAMP = [(0.1, 0.5), (0.2, 2.0), (0.25, 0.0), (0.3, 1.0)]


def ramp(t, points=RAMP, steps=False):
    """The profile, written again: linear between points, or held."""
    if t <= points[0][0]:
        return points[0][1]
    for (a, x), (b, y) in itertools.pairwise(points):
        if t <= b:
            return x if steps and t < b else (y if steps else x + (y - x) * (t - a) / (b - a))
    return points[-1][1]


@pytest.mark.parametrize(("between", "repeat"), [("linear", False), ("steps", False), ("linear", True), ("steps", True)])
def test_integrals_of_a_table(between, repeat):
    """The integral over a slot, against a sum over 4,000 midpoints: the jumps of a table are met to 1 / 4,000 of the slot."""
    points = [(0.0, 1.0), *RAMP] if repeat else RAMP
    model = ship.InhomogeneousPoisson(profile=points, between=between, repeat=repeat)
    for start, stop in ((0.0, 0.05), (0.07, 0.13), (0.09, 0.28), (0.2, 0.21), (0.28, 0.5), (0.31, 0.95)):
        middles = start + (stop - start) * (torch.arange(4000, dtype=D) + 0.5) / 4000
        wanted = sum(ramp(float(t) % 0.3 if repeat else float(t), points, between == "steps") for t in middles) / 4000
        made = model.integral(torch.tensor([start], dtype=D), torch.tensor([stop], dtype=D))
        assert float(made) == pytest.approx(wanted * (stop - start), abs=3e-3 * (stop - start))


def test_integrals_of_a_table_add_up_exactly():
    model = ship.InhomogeneousPoisson(profile=RAMP)
    edges = torch.linspace(0, 0.5, 101, dtype=D)
    parts = model.integral(edges[:-1], edges[1:])
    # 0.1 x 0.5, then trapezoids of 0.1 x 1.25, 0.05 x 1, 0.05 x 0.5, then 0.2 x 1
    assert float(parts.sum()) == pytest.approx(0.05 + 0.125 + 0.05 + 0.025 + 0.2, rel=1e-12)


@pytest.mark.parametrize("profile", [RAMP, lambda t: 1 + torch.sin(2 * math.pi * 10 * t)])
@pytest.mark.parametrize("dt", [2e-2, 1e-3])
def test_counts_of_an_inhomogeneous_process(profile, dt):
    """In every 20 ms counts have mean and variance ``rate * integral``, at any dt; 5 standard errors of 4000 trains."""
    n, rate = 4000, 200.0
    counts = trains(ship.InhomogeneousPoisson, n=n, dt=dt, rate=rate, profile=profile, run={"duration": 0.4})
    binned = counts.reshape(20, -1, n).sum(1)
    model, edges = ship.InhomogeneousPoisson(profile=profile), torch.linspace(0, 0.4, 21, dtype=D)
    mean = rate * model.integral(edges[:-1], edges[1:])
    assert float(((binned.mean(1) - mean) / (mean / n + 1e-30).sqrt()).abs().max()) < 5
    assert float(((binned.var(1) - mean) / ((mean + 2 * mean**2) / n + 1e-30).sqrt()).abs().max()) < 5


def test_time_rescaled_intervals_are_exponential():
    """With the integral of the rate as its clock a Poisson process has intervals of mean 1 and an exponential distribution
    (Brown et al., Neural Comput. 14:325 (2002)); Kolmogorov-Smirnov at the 0.1 % point.
    """
    rate, dt = 400.0, 1e-5
    counts = trains(ship.InhomogeneousPoisson, n=20, dt=dt, rate=rate, profile=[(0.0, 0.2), (0.2, 1.0)], run={"duration": 0.25})
    model, found = ship.InhomogeneousPoisson(profile=[(0.0, 0.2), (0.2, 1.0)]), []
    for j in range(20):
        t = counts[:, j].nonzero().flatten() * dt
        found.append(rate * torch.diff(model.integral(torch.zeros_like(t), t)))
    found = torch.cat(found)
    assert len(found) > 1000
    assert stats.kstest(found.numpy(), "expon").statistic < 1.95 / math.sqrt(len(found)) + 0.01


def test_a_constant_profile_is_a_poisson_source():
    """The same tag and seed give the same trains, bit for bit."""
    assert torch.equal(trains(ship.InhomogeneousPoisson, rate=80.0), trains(ship.PoissonSource, rate=80.0))


def test_an_inhomogeneous_process_across_a_change_of_dt_and_in_pieces():
    n = 4000
    programme = {"dt": [(1e-3, 100), (1e-4, 1000), (5e-3, 20)]}
    counts = trains(ship.InhomogeneousPoisson, n=n, rate=100.0, profile=RAMP, run=programme).sum(0)
    assert float(counts.mean()) == pytest.approx(25.0, abs=5 * math.sqrt(25 / n))  # 100 times the integral up to 0.3 s
    net = ship.Network()
    net.add(ship.InhomogeneousPoisson, "s", n=5, rate=100.0, profile=RAMP, output=True)
    net.init(dt=1e-3)
    whole = net.run(steps=300)
    assert torch.equal(torch.cat([net.run(steps=120), net.run(steps=180, reset=False)], 1), whole)


def test_profiles_that_are_none():
    for profile, words in (
        ([(0.0, 1.0, 2.0)], "must be points"),
        ([(0.0, -1.0)], "values of at least 0"),
        ([(0.1, 1.0), (0.1, 2.0)], "times must rise"),
        (lambda t: -t, "must give finite numbers of at least 0"),
    ):
        with pytest.raises(ship.ParameterError, match=words):
            trains(ship.InhomogeneousPoisson, profile=profile)
    with pytest.raises(ship.ParameterError, match="repeats must begin at 0 s"):
        trains(ship.InhomogeneousPoisson, profile=[(0.1, 1.0), (0.2, 1.0)], repeat=True)


# -- lists ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [1e-3, 1e-4, 7e-3])
def test_a_spike_list_is_what_events_are(dt):
    """A source with its own spikes and an input of the same events give the same counts."""
    generator = torch.Generator().manual_seed(0)
    time = torch.rand(300, dtype=D, generator=generator) * 0.09
    unit = torch.randint(7, (300,), generator=generator)
    time[:20] = torch.arange(20) * dt / 2  # also half-way between slots, and twice in one
    given = ship.Network()
    given.add(ship.SpikeInput, "s", n=7, output=True)
    given.init(dt=dt, dtype=D)
    steps = round(0.1 / dt)
    wanted = given.run(ship.Events(time, unit), steps=steps)
    assert float(wanted.sum()) == 300
    made = trains(ship.SpikeListSource, n=7, dt=dt, time=time, unit=unit, run={"steps": steps})
    assert torch.equal(made, wanted[0])


def test_a_spike_list_across_a_change_of_dt_loses_none():
    """Every event lies in the slot whose start is nearest, also around the moment at which dt changes, and in pieces."""
    time = torch.arange(1, 59, dtype=D) * 0.5e-3 + 0.1e-3
    net = ship.Network()
    net.add(ship.SpikeListSource, "s", n=1, time=time, unit=torch.zeros(58, dtype=torch.int64), output=True)
    net.init(dt=1e-3, dtype=D)
    for programme in ([(1e-3, 10), (4e-3, 5)], [(4e-3, 5), (1e-3, 10)]):
        counts = net.run(dt=programme)[0, :, 0]
        starts = net.timeline()
        edges = torch.cat([starts, torch.tensor([30e-3], dtype=D)])  # what is nearer to the end belongs to the slot after it
        nearest = torch.bincount((time[:, None] - edges).abs().argmin(1), minlength=16).to(D)[:15]
        assert torch.equal(counts, nearest)
        pieces = torch.cat([net.run(dt=programme[:1]), net.run(dt=programme[1:], reset=False)], 1)
        assert torch.equal(pieces[0, :, 0], counts)


def test_spike_lists_that_are_none():
    for given, words in (
        ({"time": [0.1, 0.2], "unit": [0]}, "lists of one length"),
        ({"time": [-0.1], "unit": [0]}, "must be seconds from the last reset on; got -0.1"),
        ({"time": [0.1], "unit": [3]}, r"must be numbers of its 3 units; got 3. Units count from 0"),
    ):
        with pytest.raises(ship.ParameterError, match=words):
            trains(ship.SpikeListSource, n=3, **given)


def test_a_spike_list_is_saved(tmp_path):
    net = ship.Network()
    net.add(ship.SpikeListSource, "s", n=2, time=[0.01, 0.02], unit=torch.tensor([0, 1]), output=True)
    net.add(ship.InhomogeneousPoisson, "i", n=2, profile=RAMP, rate=500.0, output=True)
    net.init()
    ship.save(net, tmp_path / "n.ship")
    want, got = net.run(steps=100), ship.load(tmp_path / "n.ship").run(steps=100)
    assert all(torch.equal(got[tag], want[tag]) for tag in want)
    assert float(want["i"].sum()) > 10


# -- correlated ----------------------------------------------------------------------------------------------------------------


def pairwise(counts):
    """The mean correlation coefficient of all pairs, and its standard error over ten blocks of time."""
    blocks = [torch.corrcoef(block.T) for block in counts.chunk(10)]
    off = ~torch.eye(counts.shape[1], dtype=torch.bool)
    means = torch.stack([block[off].mean() for block in blocks])
    return float(means.mean()), float(means.std()) / math.sqrt(10)


@pytest.mark.parametrize("kind", ["single", "multiple"])
@pytest.mark.parametrize(("dt", "c"), [(1e-3, 0.1), (2e-2, 0.1), (5e-3, 0.5), (5e-3, 0.0)])
def test_pairwise_correlation(kind, dt, c):
    """Counts of any two units have the correlation coefficient c, mean and variance r dt: within 5 standard errors."""
    counts = trains(ship.CorrelatedPoisson, n=20, dt=dt, rate=30.0, correlation=c, kind=kind, run={"steps": 20_000})
    found, error = pairwise(counts)
    assert error < 0.02
    assert found == pytest.approx(c, abs=5 * error)
    mean, rows = 30.0 * dt, 20_000
    common = math.sqrt((1 + 19 * c) / 20)  # the mean over units of correlated numbers varies more
    assert float(counts.mean()) == pytest.approx(mean, abs=5 * math.sqrt(mean / rows) * common)
    assert float(counts.var(0).mean() / mean) == pytest.approx(1, abs=5 * math.sqrt((2 + 1 / mean) / rows))


def test_how_many_fire_together():
    """n units, c = 0.3: a shared event takes all of them ("single"), or each with the probability c ("multiple", n c on
    average): so the sum over units has the variance ``n r dt (1 + (n - 1) c)`` in both, and another third moment.
    """
    n, c, rate, dt = 50, 0.3, 5.0, 1e-3
    sums = {}
    for kind in ("single", "multiple"):
        total = trains(ship.CorrelatedPoisson, n=n, dt=dt, rate=rate, correlation=c, kind=kind, run={"steps": 60_000}).sum(1)
        sums[kind] = total
        variance = n * rate * dt * (1 + (n - 1) * c)
        size = n if kind == "single" else n * c
        fourth = (
            rate * dt * (c * n**4 if kind == "single" else (n * c) ** 4 / c * 1.5)
        )  # of the sum, for the error of its variance
        assert float(total.var()) == pytest.approx(variance, abs=5 * math.sqrt(fourth / 60_000))
        together = total[total > 8]
        assert float(together.mean()) == pytest.approx(size, rel=0.05)
    assert float(sums["single"].max()) >= n > 0.8 * float(sums["multiple"].max())


def test_units_of_different_rates():
    """Rates of 20 and 40 Hz, c = 0.3 and 0.2: the coefficient is ``sqrt(c_i c_j)`` at any dt."""
    rate, c = torch.tensor([20.0, 40.0]).repeat(10), torch.tensor([0.3, 0.2]).repeat(10)
    for kind in ("single", "multiple"):
        counts = trains(ship.CorrelatedPoisson, n=20, dt=5e-3, rate=rate, correlation=c, kind=kind, run={"steps": 20_000})
        for i, j, want in ((0, 0, 0.3), (1, 1, 0.2), (0, 1, math.sqrt(0.06))):
            a, b = counts[:, i::2], counts[:, j::2]
            found = torch.stack(
                [(torch.corrcoef(torch.cat([x, y], 1).T)[:10, 10:]).mean() for x, y in zip(a.chunk(10), b.chunk(10), strict=True)]
            )
            found = (10 * found - 1) / 9 if i == j else found  # without the ten of a unit with itself
            assert float(found.mean()) == pytest.approx(want, abs=5 * float(found.std()) / math.sqrt(10))


def test_rates_too_different_to_be_correlated():
    with pytest.raises(ship.ParameterError, match=r"cannot be so alike: .*got 180 Hz and 11.1\d* Hz"):
        trains(ship.CorrelatedPoisson, n=2, rate=torch.tensor([10.0, 200.0]), correlation=0.9)


@pytest.mark.parametrize("model", [ship.GammaSource, ship.RegularSource, ship.CorrelatedPoisson, ship.InhomogeneousPoisson])
def test_trains_are_functions_of_seed_tag_and_sample(model):
    """A batch is its samples, whatever runs beside it; chips see the same trains; ``shared=True`` gives all samples the same."""
    net = ship.Network()
    net.add(model, "s", n=6, rate=200.0, output=True)
    net.init(dt=1e-3, chips=2)
    whole = net.run(steps=60, batch=3)
    assert torch.equal(whole[0], whole[1])
    assert not torch.equal(whole[0, 0], whole[0, 1])
    assert torch.equal(net.run(steps=60, batch=2, first_sample=1), whole[:, 1:])
    assert not torch.equal(net.run(steps=60, batch=3, trial=1), whole)
    net.set("s", shared=True)
    net.init(dt=1e-3)
    same = net.run(steps=60, batch=3)
    assert torch.equal(same[0], same[2])
