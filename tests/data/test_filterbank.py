"""The filter bank: frequencies on the ERB scale, gammatone filters against their closed form, the way to numbers in [0, 1]."""

import math

import numpy as np
import pytest
import torch

import ship
from ship.data import cochleagram, erb_spaced, gammatone_bank


def tone(frequency, seconds=0.5, rate=8000):
    return torch.sin(2 * math.pi * frequency * torch.arange(round(seconds * rate)).double() / rate)


def test_frequencies_are_equally_spaced_on_the_scale_of_bandwidths():
    """The ERB rate is the integral of 1 / (24.7 + f / 9.26449): equal steps of ``log(1 + f / 228.8)``."""
    f = erb_spaced(100.0, 3500.0, 50).numpy()
    assert f[0] == pytest.approx(100.0)
    assert f[-1] == pytest.approx(3500.0)
    steps = np.diff(np.log(1 + f / (24.7 * 9.26449)))
    assert np.allclose(steps, steps[0], rtol=1e-9)


def test_a_tone_at_the_centre_passes_with_gain_one_and_others_with_the_gain_of_the_filter():
    """Of order n and bandwidth b the gain at f is ``|1 + i (f - f_c) / b|^-n``, where f_c is many bandwidths above 0."""
    centre = 1000.0
    b = 1.019 * (24.7 + centre / 9.26449)
    for away in (0.0, 50.0, 120.0):
        heard = gammatone_bank(tone(centre + away), rate=8000, channels=2, low=centre, high=3000.0)[2000:, 0]
        gain = float(heard.square().mean().sqrt() * math.sqrt(2))
        assert gain == pytest.approx((1 + (away / b) ** 2) ** -2, rel=0.02)


def test_recordings_do_not_depend_on_what_they_are_filtered_with():
    made = [tone(f, s) for f, s in ((300.0, 0.1), (900.0, 0.33), (2000.0, 0.21))]
    together = cochleagram(made, rate=8000, dt=1e-3, steps=400)
    for i, one in enumerate(made):
        assert torch.allclose(cochleagram([one], rate=8000, dt=1e-3, steps=400)[0], together[i], atol=1e-5)


def test_a_tone_is_loudest_in_its_channel_and_levels_are_from_0_to_1():
    levels = cochleagram([tone(500.0), tone(2000.0)], rate=8000, dt=1e-3, steps=600)
    centres = erb_spaced(100.0, 3500.0, 50)
    assert float(levels.min()) >= 0
    assert torch.equal(levels.amax((1, 2)), torch.ones(2))
    for sample, frequency in ((0, 500.0), (1, 2000.0)):
        loudest = centres[levels[sample, 100:400].mean(0).argmax()]
        assert abs(float(loudest) - frequency) < 0.1 * frequency
    assert float(levels[:, 550:].max()) == 0.0  # silence behind a recording of half a second


def test_compression_and_contrast_are_the_stated_formulas():
    """A recording of 60 dB less has the same levels; half the envelope has ``log(1 + r / 2) / log(1 + r)``."""
    sound = torch.cat([tone(1000.0, 0.2), 0.5 * tone(1000.0, 0.3)])
    options = {"rate": 8000, "dt": 1e-2, "steps": 50, "channels": 2, "low": 1000.0, "high": 3000.0}
    levels = cochleagram([sound, 1e-3 * sound], depth=40.0, **options)
    assert torch.allclose(levels[0], levels[1], atol=1e-5)
    assert float(levels[0, 45, 0]) == pytest.approx(math.log(1 + 50) / math.log(1 + 100), abs=0.01)
    sharp = cochleagram([sound], depth=40.0, contrast=0.5, **options)[0]
    taken = (levels[0] - 0.5 * levels[0].mean(-1, keepdim=True)).clamp(min=0)
    assert torch.allclose(sharp, taken / taken.max(), atol=1e-5)


def test_silence_and_nothing():
    assert not cochleagram([torch.zeros(800)], rate=8000, dt=1e-3, steps=100).any()
    assert cochleagram([], rate=8000, dt=1e-3, steps=100).shape == (0, 100, 50)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: cochleagram([tone(500.0)], rate=8000, dt=3e-4, steps=10), r"whole number of samples; got 2.4 samples"),
        (lambda: cochleagram([tone(500.0)[None]], rate=8000, dt=1e-3, steps=10), r"must be \[time\] each"),
        (
            lambda: cochleagram([tone(500.0)], rate=8000, dt=1e-3, steps=10, contrast=1.0),
            r"contrast: must be at least 0 and below 1",
        ),
        (lambda: gammatone_bank(tone(500.0), rate=4000, high=3500.0), r"below rate / 2 = 2000 Hz; got 3500"),
        (lambda: gammatone_bank(torch.zeros(0), rate=8000), r"must be \[..., time\]"),
        (lambda: erb_spaced(100.0, 50.0, 5), r"high: must be above low"),
    ],
)
def test_errors(call, match):
    with pytest.raises(ship.ParameterError, match=match):
        call()
