"""Metrics: every sample counts; intervals against closed forms, published values and their coverage."""

import math

import numpy as np
import pytest
import torch

from ship.base.errors import ParameterError, RunError
from ship.base.statistics import bootstrap_interval, mean_interval, wilson
from ship.train.metrics import ConfusionMatrix, accuracy, macro_f1

# -- confusion matrix --


def filled():
    matrix = ConfusionMatrix(3)
    matrix.add(torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 1]))
    matrix.add(torch.tensor([0]), torch.tensor([2]))
    return matrix


def test_duplicates_in_a_batch_count():
    matrix = filled()
    assert matrix.counts.tolist() == [[2, 1, 1], [0, 2, 0], [0, 0, 0]]
    assert (matrix.total, matrix.correct, matrix.accuracy) == (6, 4, 4 / 6)


def test_counts_equal_a_loop():
    generator = torch.Generator().manual_seed(0)
    labels, predicted = (torch.randint(0, 7, (4, 250), generator=generator) for _ in range(2))
    matrix, expected = ConfusionMatrix(7), np.zeros((7, 7), int)
    for chip in range(4):
        matrix.add(labels[chip], predicted[chip])
    for true, guess in zip(labels.flatten().tolist(), predicted.flatten().tolist(), strict=True):
        expected[true, guess] += 1
    assert matrix.counts.tolist() == expected.tolist()
    assert matrix.total == 1000


def test_normalised_along_each_axis():
    """Rows are true classes: 'true' sums to 1 over predictions, 'predicted' over true classes."""
    matrix = filled()
    assert matrix.normalised()[:2].tolist() == [[0.5, 0.25, 0.25], [0, 1, 0]]
    assert bool(matrix.normalised()[2].isnan().all())
    predicted = matrix.normalised("predicted")
    assert predicted[:, 0].tolist() == [1, 0, 0]
    assert predicted.sum(0).tolist() == pytest.approx([1, 1, 1])
    assert float(matrix.normalised("all").sum()) == pytest.approx(1)
    assert matrix.per_class[:2].tolist() == [0.5, 1]
    assert math.isnan(float(matrix.per_class[2]))
    assert math.isnan(ConfusionMatrix(2).accuracy)


def test_macro_f1():
    """F1 is 2 TP / (2 TP + FP + FN): 4 / 6 of class 0 and 4 / 6 of class 1 in one, 1 of class 1 alone in the other."""
    counts = torch.tensor([[[2, 1, 0], [1, 2, 0], [0, 0, 0]], [[0, 0, 0], [0, 5, 0], [0, 0, 0]]])
    assert macro_f1(counts).tolist() == pytest.approx([2 / 3, 1.0])
    assert filled().macro_f1 == pytest.approx((4 / 6 + 4 / 5 + 0) / 3)
    assert math.isnan(ConfusionMatrix(2).macro_f1)
    with pytest.raises(RunError, match=r"macro_f1: counts: must be \[..., true, predicted\]; got shape \[2, 3\]"):
        macro_f1(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda m: m.add(torch.tensor([0]), torch.tensor([0, 1])),
            "ConfusionMatrix.add: needs one prediction for each label; got 2 and 1.",
        ),
        (lambda m: m.add(torch.tensor([3]), torch.tensor([0])), "ConfusionMatrix.add: classes must be from 0 to 2; got 0 to 3."),
        (
            lambda m: m.add(torch.tensor([-1]), torch.tensor([0])),
            "ConfusionMatrix.add: classes must be from 0 to 2; got -1 to 0.",
        ),
        (
            lambda m: m.add(torch.tensor([0]), torch.tensor([0.7])),
            "ConfusionMatrix.add: predicted: must be whole numbers; got torch.float32. Use scores.argmax(-1).",
        ),
        (lambda m: m.normalised("rows"), "ConfusionMatrix.normalised: axis: must be 'true', 'predicted' or 'all'; got 'rows'."),
        (lambda m: ConfusionMatrix(0), "ConfusionMatrix.n_classes: must be a whole number, at least 1; got 0."),
    ],
)
def test_confusion_errors(call, text):
    with pytest.raises((RunError, ParameterError)) as error:
        call(filled())
    assert str(error.value) == text
    assert filled().total == 6


# -- accuracy --


def test_accuracy_of_each_chip():
    scores = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0]] * 4])
    labels = torch.tensor([0, 1, 1, 1])
    assert accuracy(scores, labels).tolist() == [0.75, 0.25]
    assert float(accuracy(scores[0], labels)) == 0.75
    with pytest.raises(RunError, match=r"got shapes \[2, 4, 2\] and \[3\]"):
        accuracy(scores, labels[:3])


# -- intervals --


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_published(correct, total, low, high):
    """The four examples of Newcombe, Stat. Med. 17:857 (1998), table I, method 3."""
    found = wilson(correct, total)
    assert found.value == correct / total
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_wilson_solves_its_equation_and_is_symmetric():
    """Both ends p satisfy (p^ - p)^2 = z^2 p (1 - p) / n, z = 1.959964 for 95 %."""
    found, z = wilson(61, 96), 1.959963985
    for p in found[1:]:
        assert (found.value - p) ** 2 == pytest.approx(z**2 * p * (1 - p) / 96, rel=1e-8)
    mirror = wilson(35, 96)
    assert (1 - mirror.high, 1 - mirror.low) == pytest.approx(found[1:])
    assert (wilson(20, 20).high, wilson(0, 20).low) == (1.0, 0.0)


def test_wilson_widens_with_the_level():
    narrow, wide = wilson(50, 100, 0.9), wilson(50, 100, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_mean_interval_by_hand():
    """1 to 5: mean 3, standard error sqrt(2.5 / 5), t(0.975, 4) = 2.776445."""
    found = mean_interval(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    half = 2.776445 * math.sqrt(0.5)
    assert found == pytest.approx((3, 3 - half, 3 + half), abs=1e-6)
    assert mean_interval([1, 2, 3, 4, 5]) == found
    assert mean_interval([2.0, 2.0]) == (2, 2, 2)


@pytest.mark.parametrize("kind", [mean_interval, lambda v: bootstrap_interval(v, resamples=400)])
def test_intervals_cover_the_truth(kind):
    """200 experiments of 20 normal values: 95 % nominal; a binomial of 200 lies above 0.87 and below 1 but for 1e-4."""
    values = np.random.default_rng(0).normal(7.0, 2.0, (200, 20))
    intervals = [kind(v) for v in values]
    covered = np.mean([i.low <= 7.0 <= i.high for i in intervals])
    assert 0.87 < covered < 1


def test_bootstrap_follows_the_seed_and_leaves_global_generators():
    values = np.random.default_rng(0).exponential(1.0, 30)
    state, torch_state = np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    first, same, other = (bootstrap_interval(values, np.std, seed=s) for s in (0, 0, 1))
    assert first == same
    assert first != other
    assert first.value == np.std(values)
    assert first.low < first.value < first.high
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_bootstrap_of_equal_values():
    assert bootstrap_interval([0.9, 0.9, 0.9]) == (0.9, 0.9, 0.9)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: wilson(5, 0), "wilson: needs 0 <= correct <= total, total above 0; got 5 of 0."),
        (lambda: wilson(5, 4), "wilson: needs 0 <= correct <= total, total above 0; got 5 of 4."),
        (lambda: wilson(1, 4, 95), "wilson: level: must lie between 0 and 1; got 95. E.g. 0.95."),
        (lambda: mean_interval([1.0]), "mean_interval: needs at least two values; got 1."),
        (lambda: mean_interval([1.0, math.nan]), "mean_interval: needs finite values; got NaN or infinity."),
        (lambda: mean_interval([1.0, 2.0], 1.0), "mean_interval: level: must lie between 0 and 1; got 1. E.g. 0.95."),
        (lambda: bootstrap_interval([]), "bootstrap_interval: needs at least two values; got 0."),
        (lambda: bootstrap_interval([1, 2], resamples=0), "bootstrap_interval: resamples: must be at least 1; got 0."),
        (
            lambda: bootstrap_interval([1.0, 2.0, 3.0], lambda v: 0.0, resamples=50),
            "bootstrap_interval: is not defined for this statistic of these values. Give more values or a smoother statistic.",
        ),
    ],
)
def test_interval_errors(call, text):
    with pytest.raises((RunError, ParameterError)) as error:
        call()
    assert str(error.value) == text
