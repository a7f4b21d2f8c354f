"""Training: it learns, counts every sample, leaves alone what is not its own, and says what is wrong."""

import pytest
import torch

import ship
from ship.data import Batches, LengthBuckets, SpikeDataset, collate
from ship.train import Max, Mean, RateBounds, Trainer, cross_entropy
from training_task import batches, build, equal, parameters, toy

CLASSES, STEPS = 4, 12


def test_learns_a_separable_task():
    net = build()
    trainer = Trainer(net, lr=2e-2, readout=Mean(tail=4))
    test = batches(seed=1)
    assert trainer.evaluate(test).accuracy < 0.6
    history = trainer.fit(batches(), epochs=12, validation=test, progress=False)
    assert trainer.evaluate(test).accuracy > 0.95
    assert history.validation_accuracy[-1] == trainer.evaluate(test).accuracy
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert len(history) == len(history.accuracy) == len(history.rate) == 12


def test_plain_loop_learns_too():
    net, data = build(), batches()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    losses = []
    for epoch in range(10):
        data.set_epoch(epoch)
        for x, labels in data:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(20 * net(x).mean(-2), labels)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_noise_differs_between_batches_of_training():
    net = build(sigma=0.5)
    trainer, x = Trainer(net, lr=0.0), toy()[0]
    one = trainer.scores(x)
    assert torch.equal(one, trainer.scores(x))
    trainer.fit([toy()], epochs=1, progress=False)
    assert not torch.equal(one, trainer.scores(x))


def test_clip_bounds_the_step():
    """Plain SGD with lr 1 moves the parameters by the gradient: its norm is the clip."""
    moved = {}
    for clip in (None, 1e-3):
        net = build()
        before = parameters(net)
        Trainer(net, optimizer=torch.optim.SGD(net.parameters(), lr=1.0), clip=clip).fit([toy()], epochs=1, progress=False)
        moved[clip] = float(torch.cat([(p.detach() - before[name]).flatten() for name, p in net.named_parameters()]).norm())
    assert moved[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert moved[None] > 2e-3


def rate(net):
    net.monitor("hid", "output")
    with torch.no_grad():
        net.run(toy()[0])
    return float(net.records["hid"].output.mean() / 1e-3)


@pytest.mark.parametrize(("low", "high"), [(0.0, 20.0), (400.0, 1e9)])
def test_rate_bounds_move_the_rates(low, high):
    before = rate(build())
    assert 100 < before < 200
    net = build()
    bounds = RateBounds("hid", low=low, high=high, weight=1e-2)
    Trainer(net, lr=2e-2, regularisers=[bounds]).fit(batches(), epochs=8, progress=False)
    after = rate(net)
    assert after < 0.6 * before if low == 0 else after > 1.4 * before


def test_requests_of_the_user_stay():
    net = build()
    net.monitor("hid", "output", events=True)
    net.monitor("out", "v", every=3)
    before = list(net._requests)
    trainer = Trainer(net, regularisers=[RateBounds("hid", high=10.0)])
    trainer.fit([toy()], epochs=1, progress=False)
    assert net._requests == before
    trainer.evaluate([toy()])
    assert net._requests == before
    with pytest.raises(ship.RunError):
        trainer.evaluate([(torch.zeros(2, 5, 3), torch.zeros(2).long())])
    assert net._requests == before
    with torch.no_grad():
        net.run(toy()[0])
    assert net.records["out"].v.shape == (48, 4, CLASSES)


def test_evaluate_changes_nothing():
    net = build()
    trainer = Trainer(net)
    before = parameters(net)
    net.eval()
    trainer.evaluate([toy()])
    assert not net.training
    assert equal(parameters(net), before)
    assert (trainer.epoch, trainer.trial, len(trainer.history)) == (0, 0, 0)
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("chips", [None, 2])
def test_confusion_counts_every_sample(chips):
    """Equal pairs inside a batch and a last batch of 3 (pitfalls 40 and 46)."""
    x, labels = toy(43)
    trainer = Trainer(build(chips=chips))
    matrix = trainer.evaluate(Batches(x, labels, 10))
    assert matrix.total == 43 * (chips or 1)
    assert matrix.counts.sum(1).tolist() == [(chips or 1) * int((labels == c).sum()) for c in range(CLASSES)]
    whole = trainer.evaluate([(x, labels)])
    assert matrix.total == whole.total
    guess = trainer.scores(x).argmax(-1).expand(chips or 1, 43)
    for true in range(CLASSES):
        for predicted in range(CLASSES):
            assert whole.counts[true, predicted] == int(((labels == true) & (guess == predicted)).sum())


def test_loss_and_rate_are_honoured():
    """Pitfall 41: the loss that is given is used, and so is lr without an optimiser."""
    calls = []

    def doubled(scores, labels):
        calls.append(scores.shape)
        return 2 * cross_entropy(scores, labels)

    history = {}
    for loss in (cross_entropy, doubled):
        history[loss] = Trainer(build(), lr=0.0, loss=loss).fit([toy()], epochs=1, progress=False)
    assert calls == [(48, CLASSES)]
    assert history[doubled].loss[0] == pytest.approx(2 * history[cross_entropy].loss[0], rel=1e-6)
    steps = {}
    for lr in (1e-3, 4e-3):
        net = build()
        before = parameters(net)
        trainer = Trainer(net, lr=lr)
        assert trainer.fit([toy()], epochs=1, progress=False).rate == [lr]
        steps[lr] = float((net["hid>out"].weight.detach() - before["groups.hid>out.weight"]).abs().max())
    assert steps[1e-3] == pytest.approx(1e-3, rel=1e-2)  # the first step of Adam is lr
    assert steps[4e-3] == pytest.approx(4e-3, rel=1e-2)


def test_loss_that_is_not_finite():
    net = build()
    before = parameters(net)
    trainer = Trainer(net, loss=lambda scores, labels: scores.sum() * float("nan"))
    with pytest.raises(ship.RunError, match="the loss is not finite; got nan"):
        trainer.fit(batches(), epochs=1, progress=False)
    assert equal(parameters(net), before)


def test_time_constants_and_thresholds_are_trained():
    net = build(trainable=["tau", "v_th"], tau=torch.full((16,), 20e-3), v_th=1.0)
    for synapse in ("in>hid", "hid>hid", "hid>out"):
        net[synapse].weight.requires_grad_(False)
    before = parameters(net)
    trained = [name for name, p in net.named_parameters() if p.requires_grad]
    assert trained == ["groups.hid.tau", "groups.hid.v_th"]
    optimizer = torch.optim.Adam([{"params": [net["hid"].tau], "lr": 1e-3}, {"params": [net["hid"].v_th], "lr": 2e-2}])
    history = Trainer(net, optimizer=optimizer).fit(batches(), epochs=8, progress=False)
    assert history.loss[-1] < 0.98 * history.loss[0]
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(trained)
    assert bool((net["hid"].tau > 0).all())


def test_chips_are_trained_together():
    """One set of nominal weights, two dies with a spread of their own; the loss is the mean over both."""
    net = build(chips=2, tau=ship.Varied(20e-3, d2d=0.2))
    trainer = Trainer(net, lr=2e-2, readout=Mean(tail=4))
    assert trainer.scores(toy()[0]).shape == (2, 48, CLASSES)
    history = trainer.fit(batches(), epochs=12, progress=False)
    assert net["in>hid"].weight.shape == (8, 16)
    assert trainer.evaluate(batches(seed=1)).accuracy > 0.95
    assert history.loss[-1] < history.loss[0]


def ragged():
    x, labels = toy()
    lengths = [6 + i % 7 for i in range(len(x))]
    return SpikeDataset([s[:n] for s, n in zip(x, lengths, strict=True)], labels), lengths


def test_data_loader_with_ragged_samples():
    data, lengths = ragged()
    loader = torch.utils.data.DataLoader(data, batch_size=10, collate_fn=collate)
    net = build(sigma=0.0)
    trainer = Trainer(net, lr=2e-2, readout=Mean(tail=2))
    trainer.fit(loader, epochs=10, progress=False)
    assert trainer.evaluate(loader).accuracy > 0.9
    # A score does not depend on the batch: alone, in a padded batch, and in a list are the same.
    x, _, n = collate([data[i] for i in range(8)])
    assert n.tolist() == lengths[:8]
    padded = trainer.scores(x, n)
    for i in range(8):
        assert torch.allclose(trainer.scores(data[i][0][None])[0], padded[i], rtol=1e-5, atol=1e-6)
    assert torch.allclose(trainer.scores([data[i][0] for i in range(8)]), padded, rtol=1e-5, atol=1e-6)


def test_epoch_reaches_data_set_and_sampler():
    """Pitfall 46: another order in each epoch, also through a DataLoader."""
    data, lengths = ragged()
    buckets = LengthBuckets(lengths, 10, buckets=1)
    loader = torch.utils.data.DataLoader(data, batch_sampler=buckets, collate_fn=collate)
    seen = []

    class Watched:
        dataset, batch_sampler = loader.dataset, loader.batch_sampler

        def __iter__(self):
            for batch in loader:
                seen.append(batch[1].tolist())
                yield batch

    Trainer(build(), lr=0.0).fit(Watched(), epochs=2, progress=False)
    assert (data.epoch, buckets.epoch) == (1, 1)
    assert len(seen) == 10
    assert seen[:5] != seen[5:]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: t.fit([], epochs=1, progress=False), "got no batches"),
        (lambda t: t.fit([toy()[0]], epochs=1, progress=False), r"batches must be \(x, labels\)"),
        (lambda t: t.fit([toy()], epochs=1, patience=1), "needs validation batches"),
        (lambda t: t.fit([(toy()[0], toy()[1] + 9)], epochs=1, progress=False), "must be from 0 to 3; got 9"),
        (lambda t: t.fit([(toy()[0], toy()[1][:5])], epochs=1, progress=False), r"must be \[batch\]"),
    ],
)
def test_wrong_calls(call, text):
    with pytest.raises(ship.ShipError, match=text):
        call(Trainer(build()))


def test_wrong_networks():
    net = build()
    net.set("out", output=False)
    net.init()
    with pytest.raises(ship.GraphError, match="needs a network with one output; got 0"):
        Trainer(net)
    bare = ship.Network()
    bare.add(ship.LeakyIntegrator, "out", n=1, output=True)
    with pytest.raises(ship.GraphError, match="nothing to train"):
        Trainer(bare)


def test_scheduler_that_looks_at_the_loss():
    net = build()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=1e9)  # nothing is ever good enough
    history = Trainer(net, optimizer=optimizer, schedule=schedule).fit([toy()], epochs=3, progress=False)
    assert history.rate[-1] < history.rate[0] == 0.5


def test_parameters_are_inside_their_limits_after_the_last_step():
    net = build(trainable=["tau"])
    optimizer = torch.optim.SGD([net["hid"].tau], lr=1.0)
    with torch.no_grad():
        net["hid"].tau.fill_(1e-3)

    def downwards(scores, labels):
        return 0 * scores.sum() + net["hid"].tau.sum()  # one step leads to -0.999 s

    Trainer(net, optimizer=optimizer, loss=downwards).fit([toy()], epochs=1, progress=False)
    assert 0 < float(net["hid"].tau.detach()) < 1e-3


def test_numpy_input_gets_its_tail():
    net = build(sigma=0.0)
    trainer = Trainer(net, readout=Max(tail=5))
    x, _ = toy()
    assert torch.equal(trainer.scores(x.numpy()), trainer.scores(x))
