"""Encoders: exact spike slots, statistics of the random ones, inverses, error texts, no global random state."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ship import data
from ship.base.errors import ParameterError

D = torch.float64


@pytest.fixture(autouse=True)
def global_generator_untouched():
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state())


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def slots(events):
    """Slots of the events of a single unit ``[time]``, each as often as it counts."""
    return [k for k, n in enumerate(events.tolist()) for _ in range(int(n))]


# -- latency --


def test_latency_is_minus_tau_ln_x():
    """An input of ``x = e^(-t / tau)`` fires once, in slot t / dt."""
    times = torch.tensor([0.0, 1e-3, 5e-3, 17e-3])
    x = torch.exp(-times / 20e-3)[None]
    spikes = data.latency(x, steps=20, dt=1e-3, tau=20e-3)
    assert spikes.shape == (1, 20, 4)
    assert spikes.dtype == x.dtype
    assert [slots(spikes[0, :, i]) for i in range(4)] == [[0], [1], [5], [17]]


def test_latency_silent_below_threshold_at_zero_and_behind_the_end():
    spikes = data.latency(
        torch.tensor([[0.0, 0.2, 0.200001, math.exp(-2)]], dtype=D), steps=40, dt=1e-3, tau=20e-3, threshold=0.2
    )
    assert spikes.sum(1).tolist() == [[0, 0, 1, 0]]
    # tau ln(1 / x) = 40 ms is slot 40, the first behind the end; the slot before it is inside.
    assert data.latency(torch.tensor([math.exp(-2)]), steps=40, dt=1e-3).sum() == 0
    assert data.latency(torch.tensor([math.exp(-2)]), steps=41, dt=1e-3).sum() == 1


def test_latency_rounds_half_up():
    """A latency of 2.5 slots becomes 3, one of 2.49 becomes 2."""
    x = torch.exp(-torch.tensor([2.5, 2.49], dtype=D))
    spikes = data.latency(x, steps=10, dt=1.0, tau=1.0)
    assert [slots(spikes[:, i]) for i in range(2)] == [[3], [2]]


def test_latency_jitter_has_its_standard_deviation_and_its_generator():
    x = torch.full((1, 4000), math.exp(-1), dtype=D)  # 0.1 s
    first, same, other = (data.latency(x, steps=200, dt=1e-3, tau=0.1, jitter=5e-3, generator=seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    time = first[0].argmax(0).double() * 1e-3
    assert first.sum() == 4000
    # Standard errors: 5 ms / sqrt(4000) = 0.08 ms of the mean, 5 ms / sqrt(8000) = 0.06 ms of the deviation; five of each.
    assert float(time.mean()) == pytest.approx(0.1, abs=0.4e-3)
    assert float(time.std()) == pytest.approx(5e-3, abs=0.3e-3)


# -- rates --


@pytest.mark.parametrize("max_rate", [50.0, 3000.0])
def test_rate_is_poisson(max_rate):
    """Mean and variance of a count are x max_rate dt; 0 or 1 has probability 1 - exp(-mean)."""
    x = torch.full((400, 50), 0.5)
    mean, n = 0.5 * max_rate * 1e-3, 400 * 50 * 20
    counts = data.rate(x, steps=20, dt=1e-3, max_rate=max_rate, generator=seeded()).double()
    assert counts.shape == (400, 20, 50)
    assert float(counts.mean()) == pytest.approx(mean, abs=5 * math.sqrt(mean / n))
    # Variance of a sample variance of a Poisson count: (mean + 2 mean^2) / n.
    assert float(counts.var()) == pytest.approx(mean, abs=5 * math.sqrt((mean + 2 * mean**2) / n))
    binary = data.rate(x, steps=20, dt=1e-3, max_rate=max_rate, counts=False, generator=seeded()).double()
    p = 1 - math.exp(-mean)
    assert set(binary.unique().tolist()) == {0.0, 1.0}
    assert float(binary.mean()) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))


def test_rate_threshold_and_seed_zero():
    x = torch.tensor([[0.2, 0.9]])
    run = [data.rate(x, steps=500, dt=1e-3, max_rate=500, threshold=0.2, generator=seeded(s)) for s in (0, 0, 1)]
    assert torch.equal(run[0], run[1])
    assert not torch.equal(run[0], run[2])
    assert run[0][..., 0].sum() == 0
    assert run[0][..., 1].sum() > 100


def test_regular_rate_is_the_floor_of_the_integral():
    """250 Hz at 1 ms: an event in every fourth slot; 0.7 x 100 Hz for 0.1 s: 7 events, also in float32."""
    assert slots(data.regular_rate(torch.tensor([0.5]), steps=16, dt=1e-3, max_rate=500)[:, 0]) == [3, 7, 11, 15]
    assert data.regular_rate(torch.tensor([0.7]), steps=100, dt=1e-3, max_rate=100).sum() == 7
    changing = torch.tensor([[[1.0], [1.0], [0.0], [0.0], [1.0], [1.0]]])
    assert slots(data.regular_rate(changing, dt=1e-3, max_rate=500)[0, :, 0]) == [1, 5]


def test_regular_rate_above_one_event_a_slot():
    assert data.regular_rate(torch.tensor([1.0]), steps=4, dt=1e-3, max_rate=2500)[:, 0].tolist() == [2, 3, 2, 3]


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.integers(1, 400))
def test_regular_rate_never_strays_by_an_event(x, steps):
    events = data.regular_rate(torch.tensor([x], dtype=D), steps=steps, dt=1e-3, max_rate=700.0)
    exact = x * 0.7 * torch.arange(1, steps + 1)
    gap = exact - events[:, 0].cumsum(0)
    assert bool(((gap > -1e-4) & (gap < 1)).all())


# -- intervals and bursts --


def test_interval_is_linear_or_logarithmic():
    """x = 0, 1/2, 1 between 2 and 8 ms: linear 8, 5, 2 ms; logarithmic 8, 4, 2 ms."""
    x = torch.tensor([0.0, 0.5, 1.0])
    for scale, middle in (("linear", 5), ("log", 4)):
        # x = 0 is silent by default, so the longest interval is read just above it.
        spikes = data.interspike_interval(x.clamp(min=1e-7), steps=41, dt=1e-3, t_min=2e-3, t_max=8e-3, scale=scale)
        assert [slots(spikes[:, i]) for i in range(3)] == [list(range(step, 41, step)) for step in (8, middle, 2)]
    assert data.interspike_interval(x, steps=41, dt=1e-3)[:, 0].sum() == 0


def test_interval_that_is_no_whole_number_of_slots_keeps_its_mean():
    """Event m lies in slot floor(2.5 m + 1/2): 3, 5, 8, 10."""
    spikes = data.interspike_interval(torch.tensor([1.0]), steps=101, dt=1e-3, t_min=2.5e-3, t_max=50e-3)
    assert slots(spikes[:, 0]) == [math.floor(2.5 * m + 0.5) for m in range(1, 41)]


def test_interval_below_dt_counts():
    assert data.interspike_interval(torch.tensor([1.0]), steps=100, dt=1e-3, t_min=0.25e-3, t_max=1e-3).sum() == pytest.approx(
        400, abs=4
    )


def test_burst_number_and_interval():
    """Guo et al.: ceil(5 x) spikes, 10 - 8 x ms apart: x = 1 gives 5, 2 ms apart; 0.5 gives 3, 6 ms apart; 0.2 gives one."""
    spikes = data.burst(
        torch.tensor([[1.0, 0.5, 0.2, 0.201, 0.0, 1e-9]]), steps=40, dt=1e-3, max_spikes=5, t_min=2e-3, t_max=10e-3
    )[0]
    # 0.201 gives two spikes, 10 - 8 * 0.201 = 8.39 ms apart.
    assert [slots(spikes[:, i]) for i in range(6)] == [[0, 2, 4, 6, 8], [0, 6, 12], [0], [0, 8], [], [0]]


def test_burst_loses_what_lies_behind_the_end_and_respects_threshold():
    spikes = data.burst(torch.tensor([1.0, 0.5]), steps=5, dt=1e-3, threshold=0.5)
    assert [slots(spikes[:, i]) for i in range(2)] == [[0, 2, 4], []]


# -- level crossing --


def test_level_crossing_by_hand():
    """delta 1, one bit: the reference starts at the first value and follows one level a slot."""
    signal = torch.tensor([0.0, 0.5, 1.2, 3.4, 3.4, 3.4, 1.9]).unsqueeze(-1)
    before = signal.clone()
    events = data.level_crossing(signal, delta=1.0)
    assert torch.equal(signal, before)
    assert events.shape == (7, 2)
    assert events[:, 0].tolist() == [0, 0, 1, 1, 1, 0, 0]  # up
    assert events[:, 1].tolist() == [0, 0, 0, 0, 0, 0, 1]  # down


def test_level_crossing_codes_binary_lowest_bit_first():
    """Steps of +5, -3 and +9 levels with three bits: 101, 110 and, clipped to 7, 111; the rest of 2 follows."""
    signal = torch.tensor([0.0, 5.0, 2.0, 11.0, 11.0]).unsqueeze(-1) * 0.01
    events = data.level_crossing(signal, delta=0.01, bits=3)
    assert events.shape == (5, 6)
    assert events[:, :3].tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]
    assert events[:, 3:].tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_level_crossing_has_two_times_bits_channels(bits):
    signal = torch.rand(2, 30, 3, generator=seeded())
    assert data.level_crossing(signal, delta=0.1, bits=bits).shape == (2, 30, 2 * bits * 3)


def test_level_crossing_treats_channels_and_samples_alone():
    signal = torch.rand(2, 30, 3, generator=seeded())
    whole = data.level_crossing(signal, delta=0.1, bits=2)
    for b in range(2):
        for c in range(3):
            assert torch.equal(data.level_crossing(signal[b, :, c : c + 1], delta=0.1, bits=2), whole[b, :, 4 * c : 4 * c + 4])


def test_float32_levels_are_not_missed():
    """A staircase of exactly one level a slot, near 1, in float32: every step is seen."""
    signal = (1 + 0.01 * torch.arange(50)).unsqueeze(-1)
    assert data.level_crossing(signal, delta=0.01)[:, 0].tolist() == [0] + [1] * 49


@pytest.mark.parametrize(("bits", "slope"), [(1, 1), (3, 7)])
def test_decoding_stays_within_a_level(bits, slope):
    """A sine whose steepest step is just below what the bits can say."""
    delta, n = 0.01, 2000
    k = torch.arange(n, dtype=D)
    speed = 0.99 * slope * delta  # amplitude 1: the largest step is sin's slope, 2 pi f
    signal = torch.stack([torch.sin(speed * k), 3 + torch.cos(speed * k)], -1)[None]
    events = data.level_crossing(signal, delta=delta, bits=bits)
    back = data.level_crossing_decode(events, delta=delta, bits=bits, start=signal[:, 0])
    assert back.shape == signal.shape
    assert float((back - signal).abs().max()) < delta
    assert events.sum() > 500


# -- shapes and guards --

CALLS = {
    "latency": lambda x, **kw: data.latency(x, **{"steps": 10, "dt": 1e-3, **kw}),
    "rate": lambda x, **kw: data.rate(x, **{"steps": 10, "dt": 1e-3, "generator": seeded(), **kw}),
    "regular_rate": lambda x, **kw: data.regular_rate(x, **{"steps": 10, "dt": 1e-3, **kw}),
    "interspike_interval": lambda x, **kw: data.interspike_interval(x, **{"steps": 10, "dt": 1e-3, **kw}),
    "burst": lambda x, **kw: data.burst(x, **{"steps": 10, "dt": 1e-3, **kw}),
}


@pytest.mark.parametrize("name", CALLS)
def test_shapes_dtypes_and_inputs_kept(name):
    for shape in ((3,), (2, 3), (4, 2, 3)):
        x = torch.rand(shape, generator=seeded(), dtype=D)
        before = x.clone()
        events = CALLS[name](x)
        assert events.shape == (*shape[:-1], 10, 3)
        assert events.dtype == D
        assert torch.equal(x, before)
        assert bool(((events >= 0) & (events == events.round())).all())
    assert CALLS[name](torch.tensor([0, 1])).dtype == torch.float32


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("x", "kw", "text"),
    [
        (torch.tensor([0.5, math.nan]), {}, "{}: x: must lie in [0, 1]; got nan. Scale the data first."),
        (torch.tensor([0.5, 1.5]), {}, "{}: x: must lie in [0, 1]; got 1.5. Scale the data first."),
        (torch.tensor([-0.25]), {}, "{}: x: must lie in [0, 1]; got -0.25. Scale the data first."),
        ([0.5], {}, "data.{}: x: must be a dense Tensor of real numbers; got [0.5]."),
        (torch.tensor(0.5), {}, "{}: x: must have at least 1 axes; got shape []."),
        (torch.tensor([0.5 + 1j]), {}, "data.{}: x: must be a dense Tensor of real numbers; got tensor([0.5000+1.j])."),
        (torch.tensor([0.5]), {"dt": -1e-3}, "{}: dt: must be above 0 s; got -0.001."),
        (torch.tensor([0.5]), {"dt": math.nan}, "{}: dt: must be a finite number; got nan."),
        (torch.tensor([0.5]), {"steps": 0}, "{}: steps: must be a whole number, at least 1; got 0."),
    ],
)
def test_error_texts_of_all(name, x, kw, text):
    with pytest.raises(ParameterError) as error:
        CALLS[name](x, **kw)
    assert str(error.value) == text.format(name)


@pytest.mark.parametrize("name", CALLS)
def test_steps_are_whole(name):
    with pytest.raises(ParameterError, match=rf"data\.{name}: steps: must be a whole number.*; got 2\.5\."):
        CALLS[name](torch.tensor([0.5]), steps=2.5)


@pytest.mark.parametrize(
    ("name", "kw", "text"),
    [
        ("latency", {"tau": 0.0}, "latency: tau: must be above 0 s; got 0."),
        ("latency", {"threshold": 1.0}, "latency: threshold: must be at least 0 and below 1; got 1."),
        ("latency", {"jitter": -1.0}, "latency: jitter: must be at least 0 s; got -1."),
        (
            "latency",
            {"jitter": 1e-3},
            "latency: generator: must be a torch.Generator; got none. E.g. torch.Generator().manual_seed(0).",
        ),
        (
            "rate",
            {"generator": None},
            "rate: generator: must be a torch.Generator; got none. E.g. torch.Generator().manual_seed(0).",
        ),
        ("rate", {"generator": 0}, "data.rate: generator: must be Generator or None; got 0."),
        ("rate", {"max_rate": -1}, "rate: max_rate: must be above 0 Hz; got -1."),
        ("interspike_interval", {"t_min": 1.0}, "interspike_interval: t_min: must not exceed t_max = 0.05 s; got 1."),
        ("interspike_interval", {"scale": "sqrt"}, "data.interspike_interval: scale: must be 'linear' or 'log'; got 'sqrt'."),
        ("burst", {"max_spikes": 0}, "burst: max_spikes: must be a whole number, at least 1; got 0."),
        ("burst", {"t_max": 0.0}, "burst: t_max: must be above 0 s; got 0."),
    ],
)
def test_error_texts_of_one(name, kw, text):
    with pytest.raises(ParameterError) as error:
        CALLS[name](torch.tensor([0.5]), **kw)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: data.level_crossing(torch.zeros(5, 1), delta=-0.1), "level_crossing: delta: must be above 0; got -0.1."),
        (
            lambda: data.level_crossing(torch.zeros(5, 1), delta=0.1, bits=0),
            "level_crossing: bits: must be a whole number, at least 1; got 0.",
        ),
        (lambda: data.level_crossing(torch.zeros(5, 1), delta=0.1, bits=17), "level_crossing: bits: must be at most 16; got 17."),
        (
            lambda: data.level_crossing(torch.zeros(5), delta=0.1),
            "level_crossing: signal: must have at least 2 axes; got shape [5].",
        ),
        (
            lambda: data.level_crossing(torch.zeros(0, 1), delta=0.1),
            "level_crossing: signal: must have at least one slot; got shape [0, 1].",
        ),
        (
            lambda: data.level_crossing(torch.full((5, 1), math.inf), delta=0.1),
            "level_crossing: signal: must be finite; got NaN or infinity.",
        ),
        (
            lambda: data.level_crossing_decode(torch.zeros(5, 3), delta=0.1),
            "level_crossing_decode: events: must have a multiple of 2 channels; got 3. Check bits.",
        ),
    ],
)
def test_error_texts_of_level_crossing(call, text):
    with pytest.raises(ParameterError) as error:
        call()
    assert str(error.value) == text


def test_decoding_refuses_a_start_of_another_shape():
    events = torch.zeros(2, 5, 2)
    with pytest.raises(ParameterError, match=r"start: must be a number or \[2, 1\]; got shape \[2, 1, 1\]"):
        data.level_crossing_decode(events, delta=0.1, start=torch.zeros(2, 1, 1))
