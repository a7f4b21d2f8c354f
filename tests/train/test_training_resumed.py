"""Training that is interrupted, stopped early or begun again: it resumes bit for bit, and damaged checkpoints are refused."""

import copy

import pytest
import torch

import ship
from ship.train import Trainer
from training_task import batches, build, equal, parameters, toy


def scheduled(seed=0, **more):
    net = build(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    return net, Trainer(net, optimizer=optimizer, schedule=schedule, clip=1.0, **more)


def test_resume_continues_bit_for_bit(tmp_path):
    data, check, path = batches(), batches(seed=1), tmp_path / "c.ship"
    straight, trainer = scheduled()
    history = trainer.fit(data, epochs=4, validation=check, progress=False)

    _, first = scheduled()
    first.fit(batches(), epochs=2, validation=check, checkpoint=path, progress=False)
    resumed, second = scheduled()
    with torch.no_grad():
        for p in resumed.parameters():
            p.mul_(2.0)  # everything comes from the file
    second.resume(path)
    assert second.epoch == 2
    second.fit(batches(), epochs=4, validation=check, progress=False)

    assert equal(parameters(straight), parameters(resumed))
    assert vars(history) == vars(second.history)
    assert history.rate[3] < history.rate[1] < history.rate[0]
    assert second.trial == trainer.trial == 4 * len(data)
    with pytest.raises(ship.FileError, match=r"network.seed: 0, not 9"):
        scheduled(seed=9)[1].resume(path)  # its noise would be another


def test_order_and_noise_take_part():
    """The guard of the test above: what it must restore does matter."""
    made = []
    for sigma, offset in ((0.05, 0), (0.5, 0), (0.05, 1)):
        net = build(sigma=sigma)
        trainer = Trainer(net)
        trainer.trial = offset
        trainer.fit(batches(), epochs=1, progress=False)
        made.append(net["hid>out"].weight.detach())
    assert not torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_calls_of_fit_add_up():
    once, trainer = scheduled()
    trainer.fit(batches(), epochs=3, progress=False)
    pieces, again = scheduled()
    for epochs in (1, 3, 3):
        again.fit(batches(), epochs=epochs, progress=False)
    assert equal(parameters(once), parameters(pieces))
    assert len(again.history) == 3


class Scripted(Trainer):
    """Validation accuracies as given; keeps the parameters of each epoch."""

    def __init__(self, net, accuracies):
        super().__init__(net, lr=1e-2)
        self.accuracies, self.kept = list(accuracies), []

    def evaluate(self, batches):
        self.kept.append(parameters(self.net))
        matrix = super().evaluate(batches)
        matrix.counts.zero_()
        right = int(100 * self.accuracies[len(self.kept) - 1])
        matrix.counts[0, 0], matrix.counts[0, 1] = right, 100 - right
        return matrix


@pytest.mark.parametrize(("patience", "stop"), [(1, 3), (2, 6), (3, 8)])
def test_early_stopping_restores_the_best(patience, stop):
    """Better at epochs 2 and 4: patience 1 stops after 3, patience 2 after 6; epoch 7 lets patience 3 go on to the end at 8."""
    accuracies = [0.3, 0.5, 0.4, 0.6, 0.6, 0.5, 0.9 if patience == 3 else 0.1, 0.2]
    net = build()
    trainer = Scripted(net, accuracies)
    data = batches()
    history = trainer.fit(data, epochs=8, validation=data, patience=patience, progress=False)
    assert len(history) == stop
    best = max(range(stop), key=lambda i: accuracies[i])
    assert equal(parameters(net), trainer.kept[best])
    assert not equal(parameters(net), trainer.kept[-1])


def test_patience_survives_a_checkpoint(tmp_path):
    data, path = batches(), tmp_path / "c.ship"
    first = Scripted(build(), [0.6, 0.5])
    first.fit(data, epochs=2, validation=data, checkpoint=path, progress=False)
    net = build()
    second = Scripted(net, [0.4, 0.9])
    second.resume(path)
    second.fit(data, epochs=9, validation=data, patience=2, progress=False)
    assert second.epoch == 3
    assert equal(parameters(net), first.kept[0])


def test_init_after_the_trainer_was_made():
    """Pitfall 42: stale tensors are never trained in silence."""
    net = build()
    trainer = Trainer(net)
    optimizer = torch.optim.Adam(net.parameters())
    net.init(dt=1e-3)
    with pytest.raises(ship.RunError, match=r"holds parameters that the network has no more.*new Trainer"):
        trainer.fit([toy()], epochs=1, progress=False)
    with pytest.raises(ship.GraphError, match="holds no parameter of this network"):
        Trainer(net, optimizer=optimizer)
    Trainer(net).fit([toy()], epochs=1, progress=False)


def test_damaged_and_foreign_checkpoints(tmp_path):
    path = tmp_path / "c.ship"
    _, trainer = scheduled()
    trainer.fit([toy()], epochs=1, checkpoint=path, progress=False)
    whole = path.read_bytes()
    for cut in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ship.FileError, match=r"c\.ship"):
            scheduled()[1].resume(path)
    with pytest.raises(ship.FileError, match="no such file"):
        trainer.resume(tmp_path / "none.ship")
    path.write_bytes(whole)
    scheduled()[1].resume(path)
    smaller = build()
    smaller.set("hid", n=5)
    smaller.init(dt=1e-3)
    with pytest.raises(ship.FileError, match="is no checkpoint of this trainer"):
        Trainer(smaller).resume(path)
    ship.save(build(), path)
    with pytest.raises(ship.FileError, match="is no checkpoint of this trainer"):
        trainer.resume(path)
    Trainer(build()).save(path)  # without a scheduler
    with pytest.raises(ship.FileError, match="is no checkpoint of this trainer"):
        scheduled()[1].resume(path)


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path):
    path = tmp_path / "c.ship"
    Trainer(build()).save(path)
    net, trainer = scheduled()
    with torch.no_grad():
        net["hid>out"].weight.add_(1.0)
    before, optimizer = parameters(net), copy.deepcopy(trainer.optimizer.state_dict())
    with pytest.raises(ship.FileError):
        trainer.resume(path)
    assert equal(parameters(net), before)
    assert trainer.optimizer.state_dict() == optimizer
