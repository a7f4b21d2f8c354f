"""Losses and regularisers: closed forms, gradients, chips, error texts."""

import math

import pytest
import torch

from ship.base.errors import ParameterError, RunError
from ship.train.losses import L2, RateBounds, cross_entropy, mse_count

D = torch.float64


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=D)


# -- cross-entropy --


def test_cross_entropy_of_equal_scores_is_the_logarithm_of_the_classes():
    assert float(cross_entropy(torch.zeros(4, 10, dtype=D), torch.arange(4))) == pytest.approx(math.log(10))


def test_cross_entropy_by_hand():
    """Scores 0 and ln 3: probabilities 1/4 and 3/4; labels 0 and 1 cost ln 4 and ln 4/3."""
    scores = torch.tensor([[0.0, math.log(3)]] * 2, dtype=D)
    assert float(cross_entropy(scores, torch.tensor([0, 1]))) == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_cross_entropy_equals_torch_and_averages_chips():
    scores, labels = random(3, 5, 4), torch.tensor([0, 3, 1, 1, 2])
    each = torch.stack([torch.nn.functional.cross_entropy(s, labels) for s in scores])
    assert float(cross_entropy(scores, labels)) == pytest.approx(float(each.mean()), abs=1e-14)
    assert torch.autograd.gradcheck(lambda s: cross_entropy(s, labels), (scores.requires_grad_(),))


def test_cross_entropy_stays_finite():
    scores = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = cross_entropy(scores, torch.tensor([1]))
    loss.backward()
    assert float(loss.detach()) == 2e4
    assert scores.grad.tolist() == [[1, -1]]


# -- counts --


def test_mse_count_by_hand():
    """Wanted 10 for the label and 1 elsewhere: counts 10, 1, 4 cost 0, 0, 9."""
    assert float(mse_count(torch.tensor([[10.0, 1.0, 4.0]]), torch.tensor([0]))) == 3
    assert float(mse_count(torch.tensor([[5.0, 0.0]]), torch.tensor([0]), right=5.0, wrong=0.0)) == 0
    counts, labels = random(2, 3, 4).requires_grad_(), torch.tensor([0, 3, 1])
    assert torch.autograd.gradcheck(lambda c: mse_count(c, labels), (counts,))


@pytest.mark.parametrize("loss", [cross_entropy, mse_count])
@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 3], "{}: labels: must be from 0 to 2; got 3."),
        ([-1, 0], "{}: labels: must be from 0 to 2; got -1."),
        ([0], "{}: labels: must be [batch] for scores [..., batch, class]; got shapes [1] and [2, 3]."),
        ([0.0, 1.0], "{}: labels: must be whole numbers; got torch.float32. Use labels.long()."),
    ],
)
def test_label_errors(loss, labels, text):
    with pytest.raises(RunError) as error:
        loss(torch.zeros(2, 3), torch.tensor(labels))
    assert str(error.value) == text.format(loss.__name__)


# -- rate bounds --


def trains(rates, steps=1000, batch=2):
    """Regular trains of whole rates in Hz over 1 s at 1 ms, ``[batch, time, unit]``."""
    spikes = torch.zeros(batch, steps, len(rates), dtype=D)
    for i, rate in enumerate(rates):
        spikes[:, :rate, i] = 1
    return spikes


def test_rate_bounds_by_hand():
    """Bounds 5 to 50 Hz; rates 0, 10, 60 Hz: (5^2 + 0 + 10^2) / 3."""
    assert float(RateBounds("hid", 5.0, 50.0, 0.1)(trains([0, 10, 60]), 1e-3)) == pytest.approx(0.1 * 125 / 3)
    assert float(RateBounds("hid", 5.0, 50.0, 0.1)(trains([5, 10, 50]), 1e-3)) == pytest.approx(0, abs=1e-20)
    # At twice the dt the same counts are half the rates: 0, 5, 30 Hz.
    assert float(RateBounds("hid", 5.0, 50.0, 0.1)(trains([0, 10, 60]), 2e-3)) == pytest.approx(0.1 * 25 / 3)


def test_rate_bounds_look_at_a_unit_over_the_batch_but_at_chips_apart():
    silent, loud = trains([0], batch=1), trains([20], batch=1)
    bounds = RateBounds("hid", 10.0, 10.0, 1.0)
    assert float(bounds(torch.cat([silent, loud]), 1e-3)) == pytest.approx(0, abs=1e-20)
    assert float(bounds(torch.stack([silent, loud]), 1e-3)) == pytest.approx(100)


def test_rate_bounds_gradient():
    """d/ds of w (low - r)^2 is -2 w (low - r) / (batch time dt) for the silent unit; nothing inside the bounds."""
    spikes = trains([0, 20]).requires_grad_()
    RateBounds("hid", 5.0, weight=0.5)(spikes, 1e-3).backward()
    expected = -2 * 0.5 * 5 / (2 * 1000 * 1e-3) / 2  # the last 2: mean over two units
    assert torch.allclose(spikes.grad[..., 0], torch.tensor(expected, dtype=D))
    assert bool((spikes.grad[..., 1] == 0).all())


@pytest.mark.parametrize(
    "settings", [{"low": -1.0}, {"low": 5.0, "high": 1.0}, {"weight": -1.0}, {"low": math.nan}, {"weight": math.nan}]
)
def test_rate_bounds_settings(settings):
    with pytest.raises(ParameterError, match="RateBounds: needs 0 <= low <= high and weight >= 0; got low="):
        RateBounds("hid", **settings)


def test_rate_bounds_errors():
    with pytest.raises(RunError, match=r"RateBounds: spikes: must be \[..., batch, time, unit\]; got shape \[5, 2\]"):
        RateBounds("hid")(torch.zeros(5, 2), 1e-3)
    with pytest.raises(RunError, match="RateBounds: dt: must be above 0 s; got 0"):
        RateBounds("hid")(torch.zeros(1, 5, 2), 0.0)


# -- L2 --


def test_l2_by_hand():
    """The penalty is 0.1 (1 + 4 + 9), its gradient 2 weight w."""
    tensors = [torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([[3.0]], requires_grad=True)]
    loss = L2(0.1)(tensors)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1.4)
    assert torch.allclose(tensors[0].grad, torch.tensor([0.2, -0.4]))
    assert torch.allclose(tensors[1].grad, torch.tensor([[0.6]]))


def test_l2_takes_a_generator_and_tells_when_it_is_used_up():
    parameters = iter([torch.full((2,), 2.0), torch.full((1, 1), 2.0)])
    assert float(L2(0.5)(parameters)) == 6
    with pytest.raises(RunError, match=r"L2: needs at least one tensor\. Give net\.parameters\(\) anew"):
        L2(0.5)(parameters)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_l2_weight(weight):
    with pytest.raises(ParameterError, match=r"L2.weight: must be at least 0"):
        L2(weight)
