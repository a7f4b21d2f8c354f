"""Truncated training: the gradient is cut, the run is not."""

import pytest
import torch

import ship
from ship.train import Mean, Trainer
from training_task import batches, build, equal, parameters, toy

CLASSES, STEPS = 4, 12


@pytest.mark.parametrize("truncate", [STEPS, 100])
def test_truncation_beyond_the_end_changes_nothing(truncate):
    plain, cut = build(), build()
    Trainer(plain).fit(batches(), epochs=2, progress=False)
    Trainer(cut, truncate=truncate).fit(batches(), epochs=2, progress=False)
    assert equal(parameters(plain), parameters(cut))


def test_truncated_training_learns():
    net = build()
    trainer = Trainer(net, lr=2e-2, truncate=5, readout=Mean(tail=2))
    history = trainer.fit(batches(steps=24), epochs=10, progress=False)
    assert history.accuracy[-1] > 0.9
    plain = build()
    Trainer(plain, lr=2e-2, readout=Mean(tail=2)).fit(batches(steps=24), epochs=1, progress=False)
    assert not torch.equal(plain["in>hid"].weight, net["in>hid"].weight)


def test_truncation_cuts_the_gradient_not_the_run():
    """Pieces carry the state over: together they give the scores of the whole run, noise included."""
    trainer = Trainer(build(), truncate=5, readout=Mean(tail=2))
    x, labels = toy()
    whole = trainer.scores(x).detach()
    assert torch.allclose(trainer._truncated(x, labels, None)[1], whole, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(trainer.scores(x[:, 10:]), whole, rtol=1e-2, atol=1e-2)


def test_truncation_needs_samples_of_one_length():
    x, labels = toy()
    trainer = Trainer(build(), truncate=5)
    trainer.fit([(x, labels, torch.full((48,), STEPS))], epochs=1, progress=False)
    lengths = torch.full((48,), STEPS)
    lengths[3] = 2
    with pytest.raises(ship.RunError, match="needs samples of one length; got 2 to 12 slots"):
        trainer.fit([(x, labels, lengths)], epochs=2, progress=False)
    with pytest.raises(ship.ParameterError, match="truncate: must be a whole number, at least 1; got 0"):
        Trainer(build(), truncate=0)
