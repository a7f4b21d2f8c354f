"""Readouts: exact values, ragged samples, gradients, error texts."""

import itertools
import math

import pytest
import torch

from ship.base.errors import ParameterError, RunError
from ship.network.readout import FirstSpike, Last, Max, Mean, SpikeCount, first_spike_time

D = torch.float64
ALL = [Max, Mean, Last, SpikeCount, FirstSpike]


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=D)


def spikes(*shape):
    return (random(*shape) < 0.3).to(D)


def test_values_by_hand():
    output = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [2.0, -1.0]]])
    assert Max()(output).tolist() == [[3, 0]]
    assert Mean()(output).tolist() == [[2, pytest.approx(-1 / 3)]]
    assert Last()(output).tolist() == [[2, -1]]
    assert SpikeCount()(output).tolist() == [[6, -1]]


def test_first_spike_by_hand():
    """5 slots: first spikes in slots 0, 2, 4 and none score 5, 3, 1, 0; later spikes and counts above 1 change nothing."""
    output = torch.zeros(1, 5, 4)
    output[0, 0, 0] = output[0, 2, 1] = output[0, 4, 2] = 1
    output[0, 3, 0] = 1
    assert FirstSpike()(output).tolist() == [[5, 3, 1, 0]]
    assert FirstSpike()(2 * output).tolist() == [[5, 3, 1, 0]]


@pytest.mark.parametrize("kind", ALL)
def test_lengths_equal_the_sample_alone(kind):
    """A padded sample is read as if it were cut at its own end and tail, whatever lies behind (here NaN)."""
    tail, lengths = 2, torch.tensor([3, 8, 1])
    output = spikes(4, 3, 10, 5)
    alone = torch.stack([kind(tail)(output[:, b : b + 1, : n + tail])[:, 0] for b, n in enumerate(lengths.tolist())], 1)
    padded = output.clone()
    for b, n in enumerate(lengths.tolist()):
        padded[:, b, n + tail :] = math.nan
    assert torch.equal(kind(tail)(padded, lengths), alone)
    assert alone.shape == (4, 3, 5)


@pytest.mark.parametrize("kind", ALL)
def test_chips_and_samples_are_read_alone(kind):
    output = spikes(2, 3, 10, 5)
    whole = kind()(output)
    for chip, sample in itertools.product(range(2), range(3)):
        assert torch.equal(kind()(output[chip, sample]), whole[chip, sample])


@pytest.mark.parametrize("kind", ALL)
def test_gradients(kind):
    output = random(2, 6, 3) * 0.9 + 0.05  # inside (0, 1), all different: smooth for every readout
    output.requires_grad_()
    lengths = torch.tensor([2, 5])
    assert torch.autograd.gradcheck(lambda x: kind(1)(x, lengths), (output,))


def test_max_shares_its_gradient_among_equals():
    output = torch.tensor([[[1.0], [0.0], [1.0]]], requires_grad=True)
    Max()(output).sum().backward()
    assert output.grad.flatten().tolist() == [0.5, 0, 0.5]


def test_first_spike_score_is_the_mean_over_random_spikes():
    """The formula read with probabilities is the mean score of independent spikes: sum over all 2^4 trains."""
    p = torch.tensor([0.2, 0.7, 0.1, 0.6], dtype=D)
    expected = 0.0
    for train in itertools.product((0.0, 1.0), repeat=4):
        s = torch.tensor(train, dtype=D)
        expected += float((p * s + (1 - p) * (1 - s)).prod() * FirstSpike()(s[None, :, None]))
    assert float(FirstSpike()(p[None, :, None])) == pytest.approx(expected, abs=1e-12)


def test_first_spike_gradient_is_what_a_spike_would_change():
    """Spikes in slots 2 and 4 of 6, scores 4 and 2: a spike in slot 0 or 1 gains 2 or 1, losing the first costs 2.

    Spikes after the first change nothing. A silent unit gains the full score T - k.
    """
    output = torch.zeros(1, 6, 2, dtype=D)
    output[0, 2, 0] = output[0, 4, 0] = 1
    output.requires_grad_()
    FirstSpike()(output).sum().backward()
    assert output.grad[0, :, 0].tolist() == [2, 1, 2, 0, 0, 0]
    assert output.grad[0, :, 1].tolist() == [6, 5, 4, 3, 2, 1]


def test_first_spike_time_in_seconds():
    output = torch.zeros(2, 5, 2, dtype=D)
    output[0, 3, 0] = output[0, 4, 0] = 1
    output[1, 0, 1] = 2
    assert first_spike_time(output, 1e-3).tolist() == [[3e-3, math.inf], [math.inf, 0]]
    with pytest.raises(ParameterError, match="first_spike_time: dt: must be above 0 s; got -1"):
        first_spike_time(output, -1.0)


@pytest.mark.parametrize("tail", [-1, 1.5, True])
def test_tail(tail):
    with pytest.raises(ParameterError) as error:
        Last(tail)
    rule = "a whole number of slots, at least 0" if tail == -1 else "a whole number"  # a range, or a type
    assert str(error.value) == f"Last.tail: must be {rule}; got {tail!r}."


@pytest.mark.parametrize(
    ("shape", "lengths", "text"),
    [
        ((2, 0, 3), None, "Max: needs an output [..., batch, time, unit] with at least one slot; got shape [2, 0, 3]."),
        ((2, 5, 3), [1, 2, 3], "Max: lengths: must be one number for each of 2 samples; got shape [3]."),
        ((2, 5, 3), [0, 2], "Max: lengths: must be from 1 to the output's 5 slots; got 0."),
        ((2, 5, 3), [1, 6], "Max: lengths: must be from 1 to the output's 5 slots; got 6."),
    ],
)
def test_error_texts(shape, lengths, text):
    with pytest.raises(RunError) as error:
        Max()(torch.zeros(shape), None if lengths is None else torch.tensor(lengths))
    assert str(error.value) == text
