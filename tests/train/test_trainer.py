"""Training: it learns, resumes bit for bit, stops early, counts every sample, and says what is wrong."""

import copy

import pytest
import torch

import ship
from ship.data import Batches, LengthBuckets, SpikeDataset, collate
from ship.train import Max, Mean, RateBounds, Trainer, cross_entropy

CLASSES, STEPS = 4, 12


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(seed=0, chips=None, sigma=0.05, **hidden):
    """8 inputs, 16 noisy LIF neurons, 4 leaky readouts."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(ship.NoisyLIF, "hid", n=16, sigma=sigma, **hidden)
    net.add(ship.LeakyIntegrator, "out", n=CLASSES, output=True)
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", weight=ship.Normal(0.3, 0.3))
    net.add(ship.ExpSynapse, "hid>hid", source="hid", target="hid", weight=ship.Normal(0.0, 0.05), delay=1e-3)
    net.add(ship.ExpSynapse, "hid>out", source="hid", target="out", weight=ship.Normal(0.0, 0.3))
    net.init(dt=1e-3, seed=seed, chips=chips)
    return net


def toy(n=48, seed=0, steps=STEPS):
    """Two of eight inputs are active, which two is the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    p = torch.full((n, steps, 8), 0.02)
    for i, label in enumerate(labels):
        p[i, :, 2 * label : 2 * label + 2] = 0.6
    return (torch.rand(p.shape, generator=generator) < p).float(), labels


def batches(size=10, **more):
    x, labels = toy(**more)
    return Batches(x, labels, size, shuffle=True, seed=3)


def parameters(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


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


def test_noise_differs_between_batches_of_training():
    net = build(sigma=0.5)
    trainer, x = Trainer(net, lr=0.0), toy()[0]
    one = trainer.scores(x)
    assert torch.equal(one, trainer.scores(x))
    trainer.fit([toy()], epochs=1, progress=False)
    assert not torch.equal(one, trainer.scores(x))


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
