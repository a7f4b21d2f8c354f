"""Noise sources: variances, spectra and occupancies in closed form, at any dt and across a change of it, and in a membrane."""

import math

import numpy as np
import pytest
import torch

import ship
from ship.base.parameters.bag import Bag
from ship.base.temperature import BOLTZMANN
from ship.models.sources.ornstein_uhlenbeck import relaxation
from ship.models.sources.pink_noise import _distance, corners

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
MODELS = (ship.WhiteNoise, ship.OrnsteinUhlenbeck, ship.PinkNoise, ship.TelegraphNoise, ship.JohnsonNoise)


def noise(model, n=400, dt=1e-3, seed=1, run=None, **options):
    """Levels ``[time, unit]`` of one sample, and the network."""
    net = ship.Network()
    net.add(model, "s", n=n, output=True, **options)
    net.init(dt=dt, seed=seed, dtype=D)
    if net["s"].model.states:
        net.monitor("s", *net["s"].model.states._fields)
    return net.run(**(run or {"steps": 1000}))[0], net


def spectrum(x, dt):
    """The one-sided power spectral density (per Hz) of signals ``[time, unit]``, the mean over units; frequencies (Hz)."""
    f = np.fft.rfftfreq(len(x), dt)
    power = np.abs(np.fft.rfft(x.numpy() - x.numpy().mean(0), axis=0)) ** 2
    return f[1:], 2 * dt / len(x) * power.mean(1)[1:]


def membrane(model, dt, tau=20e-3, n=400, seed=3, span=1.0, **options):
    """Voltages of leaky membranes that noise flows into, samples ``[time, unit]`` every 20 ms after the first 100 ms."""
    net = ship.Network()
    net.add(model, "s", n=n, **options)
    net.add(ship.LeakyIntegrator, "m", n=n, tau=tau)
    net.add(ship.Link, "l", source="s", target="m")
    net.init(dt=dt, seed=seed, dtype=D)
    net.monitor("m", "v", every=round(20e-3 / dt))
    net.run(duration=span)
    return net.records["m"].v[0, 5:]


# -- white ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("programme", [[(1e-3, 100)], [(1e-4, 1000)], [(2e-2, 5)], [(1e-3, 50), (1e-4, 200), (1e-2, 3)]])
def test_the_integral_of_white_noise_does_not_depend_on_slots(programme):
    """Over T = 0.1 s: mean m T, variance ``sigma^2 T``, however it is cut; 5 standard errors of 4000 units."""
    level, _net = noise(ship.WhiteNoise, n=4000, mean=2.0, sigma=0.5, run={"dt": programme})
    dt = torch.cat([torch.full((n,), d, dtype=D) for d, n in programme])
    total = (level * dt.unsqueeze(1)).sum(0)
    assert float(total.mean()) == pytest.approx(0.2, abs=5 * 0.5 * math.sqrt(0.1 / 4000))
    assert float(total.var()) == pytest.approx(0.025, rel=5 * math.sqrt(2 / 4000))


def test_white_noise_is_white():
    """One-sided density ``2 sigma^2`` at all frequencies, and no correlation from slot to slot; 5 standard errors."""
    level, _ = noise(ship.WhiteNoise, n=200, sigma=0.5, run={"steps": 2000})
    _, density = spectrum(level, 1e-3)
    thirds = [float(part.mean()) for part in np.array_split(density, 3)]
    assert thirds == pytest.approx([0.5] * 3, rel=5 / math.sqrt(200 * 333))
    assert abs(float((level[1:] * level[:-1]).mean() / level.var())) < 5 / math.sqrt(400_000)


@pytest.mark.parametrize("dt", [1e-3, 1e-4])
def test_white_noise_in_a_membrane(dt):
    """Standard deviation ``sigma sqrt(tau / 2)``; in slots of z time constants times ``sqrt(tanh(z / 2) / (z / 2))``."""
    v = membrane(ship.WhiteNoise, dt, sigma=1.0)
    z = dt / 20e-3
    want = math.sqrt(20e-3 / 2 * math.tanh(z / 2) / (z / 2))
    assert float(v.std()) == pytest.approx(want, rel=5 / math.sqrt(2 * v.numel() * 0.76))  # e^-1 from sample to sample


def test_a_resistor_and_a_capacitor():
    """Johnson noise of R = 1 Gohm on C = 1 pF, tau = 1 ms: the voltage has the variance ``k T / C``, at 300 and at 400 K."""
    c, r = 1e-12, 1e9
    for kelvin in (300.0, 400.0):
        net = ship.Network()
        net.add(ship.JohnsonNoise, "s", n=2000, resistance=r)
        net.add(ship.LeakyIntegrator, "m", n=2000, tau=r * c)
        net.add(ship.Link, "l", source="s", target="m", gain=1 / c)
        net.init(dt=2e-5, dtype=D, temperature=kelvin)
        net.monitor("m", "v", every=150)
        net.run(steps=900)
        v = net.records["m"].v[0, 2:]
        assert float(v.var()) == pytest.approx(BOLTZMANN * kelvin / c, rel=5 * math.sqrt(2 / v.numel()) + 1e-4)
    assert math.sqrt(BOLTZMANN * 300 / c) == pytest.approx(64.4e-6, rel=1e-3)  # V


# -- Ornstein-Uhlenbeck --------------------------------------------------------------------------------------------------------


def test_coefficients_of_a_slot():
    """Variance and covariance of the process and its mean over a slot, from the covariance ``exp(-|s - t| / tau)``:

    ``var(mean) = 2 (z - 1 + e^-z) / z^2``, ``cov(x after, mean) = spread(z) e^-z + ...``: with x before normal of variance 1 the
    covariance of mean and x after is ``spread(z)``, by symmetry in time.
    """
    for z in (1e-9, 1e-4, 0.01, 0.19, 0.21, 1.0, 10.0, 1e3):
        c = relaxation(torch.tensor(z, dtype=D))
        variance = float(c.spread**2 + c.with_kick**2 + c.bridge**2)
        exact = 1 - z / 3 + z * z / 12 if z < 1e-3 else 2 * (z + math.expm1(-z)) / z**2
        assert variance == pytest.approx(exact, rel=1e-10)
        assert float(c.spread * (1 - c.lost) + c.with_kick * c.kick) == pytest.approx(float(c.spread), rel=1e-12)
        assert float((1 - c.lost) ** 2 + c.kick**2) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("dt", [1e-2, 1e-3, 2e-4])
def test_autocovariance_of_an_ornstein_uhlenbeck_process(dt):
    """The state: ``sigma^2 exp(-|s| / tau)`` at any dt, also with slots of 2 tau, from the first slot on; 5 standard errors."""
    sigma, tau = 3.0, 5e-3
    _, net = noise(ship.OrnsteinUhlenbeck, n=4000, dt=dt, mean=1.0, sigma=sigma, tau=tau, run={"duration": 0.02})
    x = net.records["s"].x[0] - 1.0
    error = 5 / math.sqrt(4000)
    assert float(x[0].var() / sigma**2) == pytest.approx(1, abs=error * math.sqrt(2))
    assert float(x[-1].var() / sigma**2) == pytest.approx(1, abs=error * math.sqrt(2))
    for lag in {1, round(10e-3 / dt)}:
        found = float((x[0] * x[lag]).mean() / sigma**2)
        assert found == pytest.approx(math.exp(-lag * dt / tau), abs=error * math.sqrt(2))


@pytest.mark.parametrize("programme", [[(2.5e-2, 4)], [(1e-3, 100)], [(1e-3, 40), (1e-4, 100), (1e-2, 5)]])
def test_the_integral_of_an_ornstein_uhlenbeck_process(programme):
    """Over T = 0.1 s the level has the integral of the process: variance ``2 sigma^2 tau^2 (T / tau - 1 + e^(-T / tau))``."""
    level, _ = noise(ship.OrnsteinUhlenbeck, n=4000, sigma=3.0, tau=8e-3, run={"dt": programme})
    dt = torch.cat([torch.full((n,), d, dtype=D) for d, n in programme])
    total = (level * dt.unsqueeze(1)).sum(0)
    z = 0.1 / 8e-3
    want = 2 * 9.0 * 8e-3**2 * (z + math.expm1(-z))
    assert float(total.var()) == pytest.approx(want, rel=5 * math.sqrt(2 / 4000))
    assert float(total.mean()) == pytest.approx(0, abs=5 * math.sqrt(want / 4000))


@pytest.mark.parametrize("dt", [2e-3, 2e-4])
def test_an_ornstein_uhlenbeck_process_in_a_membrane(dt):
    """A current of time constant t in a membrane of tau: variance ``sigma^2 tau^2 t / (t + tau)``."""
    net = ship.Network()
    net.add(ship.OrnsteinUhlenbeck, "s", n=1500, sigma=10.0, tau=5e-3)
    net.add(ship.LeakyIntegrator, "m", n=1500, tau=20e-3)
    net.add(ship.WeightedSum, "l", source="s", target="m", weight=torch.eye(1500))
    net.init(dt=dt, seed=3, dtype=D)
    net.monitor("m", "v", every=round(40e-3 / dt))
    net.run(duration=0.3)
    v = net.records["m"].v[0, 4:]
    want = 100.0 * 20e-3**2 * 5e-3 / 25e-3
    assert float(v.var()) == pytest.approx(want, rel=5 * math.sqrt(2 / v.numel()) * 1.2)


def test_an_ornstein_uhlenbeck_process_can_start_anywhere():
    net = ship.Network()
    net.add(ship.OrnsteinUhlenbeck, "s", n=2000, sigma=1.0, tau=10e-3, initial={"x": 5.0})
    net.init(dt=1e-3, dtype=D)
    net.monitor("s", "x")
    net.run(steps=10)
    assert float(net.records["s"].x[0, 9].mean()) == pytest.approx(5 * math.exp(-1), abs=5 / math.sqrt(2000))


# -- 1/f -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1.05, 10.0, 1e4, 1e8])
def test_the_spectrum_of_pink_noise_by_its_processes(ratio):
    """The sum of the Lorentzians is ``sigma^2 / (f ln(f_max / f_min))`` within 0.34 dB in the band."""
    p = Bag({"f_min": torch.tensor(0.2, dtype=D), "f_max": torch.tensor(0.2 * ratio, dtype=D)})
    f = 0.2 * torch.logspace(0, math.log10(ratio), 3001, dtype=D)
    # A process of variance s^2 and corner f_k: 2 s^2 / (pi f_k) / (1 + (f / f_k)^2), s^2 = D / ln(ratio)
    each = _distance(p) / math.log(ratio)
    density = sum(2 * each / (math.pi * k) / (1 + (f / k) ** 2) for k in corners(p))
    decibel = 10 * torch.log10(density * f * math.log(ratio))
    assert float(decibel.abs().max()) < 0.34


@pytest.mark.parametrize("dt", [2e-3, 1e-3])
def test_the_spectrum_of_pink_noise(dt):
    """Measured: the density within 0.34 dB and five standard errors in bins of the band, and its slope -1."""
    f_min, f_max, sigma = 2.0, 100.0, 10.0
    level, _ = noise(ship.PinkNoise, n=150, dt=dt, f_min=f_min, f_max=f_max, sigma=sigma, run={"duration": 2.0})
    f, density = spectrum(level, dt)
    inside = (f > 3) & (f < 60)
    f, density = f[inside], density[inside]
    # What is emitted is the mean over slots: times sinc^2(f dt), and above 1 / (2 dt) little is left to fold.
    shaped = density * f * math.log(f_max / f_min) / sigma**2 / np.sinc(f * dt) ** 2
    for part in np.array_split(shaped, 6):
        assert abs(10 * math.log10(part.mean())) < 0.34 + 4.34 * 5 / math.sqrt(150 * len(part))
    slope = np.polyfit(np.log(f), np.log(density / np.sinc(f * dt) ** 2), 1)[0]
    assert slope == pytest.approx(-1, abs=0.08)


def test_pink_noise_has_its_variance_at_once_and_at_any_dt():
    """All processes together: ``sigma^2 (1 + 6 / ln(f_max / f_min))``; the states have variance 1 from the first slot on."""
    for programme in ([(1e-3, 20)], [(1e-3, 5), (1e-5, 5), (1.0, 5)]):
        _, net = noise(ship.PinkNoise, n=3000, run={"dt": programme})
        for name in ("x0", "x5", "x9"):
            x = net.records["s"][name][0]
            assert float((x.var(1) - 1).abs().max()) < 5 * math.sqrt(2 / 3000)


def test_bands_of_pink_noise_that_are_none():
    for f_max, words in ((0.05, "got a factor of 0.5"), (1e8, "got a factor of 1e\\+09")):
        with pytest.raises(ship.ParameterError, match="must be above f_min, by a factor of at most 1e\\+08.*" + words):
            noise(ship.PinkNoise, f_max=f_max)


# -- random telegraph noise ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [5e-2, 2e-3, 5e-4])
def test_telegraph_noise(dt):
    """Occupancy ``tau_high / (tau_low + tau_high)`` from the first slot on, autocovariance ``a^2 P (1 - P) e^(-s / tau)``."""
    n, low, high = 6000, 30e-3, 10e-3
    level, _ = noise(ship.TelegraphNoise, n=n, dt=dt, mean=-1.0, amplitude=4.0, tau_low=low, tau_high=high, run={"duration": 0.1})
    x, occupancy, tau = (level + 1) / 4, 0.25, 7.5e-3
    assert set(x.unique().tolist()) == {0.0, 1.0}
    error = math.sqrt(occupancy * (1 - occupancy) / n)
    for k in (0, 1, -1):
        assert float(x[k].mean()) == pytest.approx(occupancy, abs=5 * error)
    lag = max(1, round(5e-3 / dt))
    found = float(((x[0] - 0.25) * (x[lag] - 0.25)).mean())
    assert found == pytest.approx(0.1875 * math.exp(-lag * dt / tau), abs=5 * 0.3 / math.sqrt(n))


def test_times_at_a_level_are_exponential():
    """Mean times ``tau_low`` and ``tau_high``, in slots of a hundredth of them: longer by what slots do not resolve."""
    level, _ = noise(ship.TelegraphNoise, n=100, dt=1e-4, tau_low=20e-3, tau_high=5e-3, run={"steps": 6000})
    ends = torch.diff(level > 0, dim=0)
    up = (ends & (level[1:] > 0)).sum()
    time_low, time_high = float((level == 0).sum()) * 1e-4, float((level > 0).sum()) * 1e-4
    assert time_low / float(up) == pytest.approx(20e-3, rel=5 / math.sqrt(float(up)) + 0.02)
    assert time_high / float(up) == pytest.approx(5e-3, rel=5 / math.sqrt(float(up)) + 0.02)


def test_the_spectrum_of_telegraph_noise():
    """The Lorentzian ``4 a^2 P (1 - P) tau / (1 + (2 pi f tau)^2)``, in bins below and above its corner (8 Hz)."""
    level, _ = noise(ship.TelegraphNoise, n=300, dt=1e-3, amplitude=2.0, tau_low=40e-3, tau_high=40e-3, run={"steps": 2500})
    f, density = spectrum(level, 1e-3)
    want = 4 * 4.0 * 0.25 * 20e-3 / (1 + (2 * math.pi * f * 20e-3) ** 2)
    for low, high in ((1, 4), (6, 10), (20, 40)):
        part = (f > low) & (f < high)
        # Samples every z = dt / tau = 0.05 fold the tail back: 1 % at 40 Hz.
        assert (density[part] / want[part]).mean() == pytest.approx(1, abs=5 / math.sqrt(300 * part.sum()) + 0.02)


def test_a_change_of_dt_in_telegraph_noise():
    level, _ = noise(ship.TelegraphNoise, n=6000, tau_low=30e-3, tau_high=10e-3, run={"dt": [(1e-3, 20), (1e-4, 50), (2e-2, 4)]})
    occupancy = (level / 10).mean(1)
    assert float((occupancy - 0.25).abs().max()) < 5 * math.sqrt(0.1875 / 6000)


def test_telegraph_noise_is_thermally_activated():
    """0.3 eV, 300 to 330 K: both rates are ``exp(0.3 / k (1 / 300 - 1 / 330)) = 2.87`` times as fast; the occupancy stays."""
    factor = math.exp(0.3 / 8.617333262e-5 * (1 / 300 - 1 / 330))
    assert factor == pytest.approx(2.87, rel=2e-3)
    net = ship.Network()
    net.add(ship.TelegraphNoise, "s", n=6000, tau_low=30e-3, tau_high=30e-3, e_a=0.3, output=True)
    for kelvin, tau in ((300.0, 15e-3), (330.0, 15e-3 / factor)):
        net.init(dt=5e-3, dtype=D, temperature=kelvin)
        x = net.run(steps=2)[0] / 10 - 0.5
        assert float((x[0] * x[1]).mean() / 0.25) == pytest.approx(math.exp(-5e-3 / tau), abs=5 / math.sqrt(6000))


# -- all of them ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_noise_is_a_function_of_seed_tag_chip_and_sample(model):
    """A batch is its samples, chips are their own, a run is its pieces, a snapshot goes on bit for bit; and the options."""
    net = ship.Network()
    net.add(model, "s", n=5, output=True)
    net.init(dt=1e-3, chips=[4, 7])
    whole = net.run(steps=80, batch=3)
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole[0, 0], whole[0, 1])
    assert torch.equal(net.run(steps=80, batch=1, first_sample=2), whole[:, 2:])
    first = net.run(steps=30, batch=3)
    kept = net.snapshot()
    rest = net.run(steps=50, batch=3, reset=False)
    assert torch.equal(torch.cat([first, rest], 2), whole)
    net.restore(kept)
    assert torch.equal(net.run(steps=50, batch=3, reset=False), rest)
    net.init(dt=1e-3, chips=[7])
    assert torch.equal(net.run(steps=80, batch=3)[0], whole[1])
    net.set("s", per_chip=False, shared=True)
    net.init(dt=1e-3, chips=2)
    same = net.run(steps=80, batch=3)
    assert torch.equal(same[0, 0], same[1, 2])
