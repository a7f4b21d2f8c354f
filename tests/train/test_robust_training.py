"""Noise on parameters in training, devices drawn afresh, training at the worst parameters."""

import math

import pytest
import torch

import ship
from imperfect import Gaussian
from ship.base import random
from ship.data import Batches
from ship.train import Max, Mean, Perturb, Trainer, WorstCase, overlaid
from ship.train.robust import Attack

CLASSES, STEPS = 4, 12


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(chips=None, engine="auto", dtype=torch.float64, hidden=None, **synapse):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(ship.LIF, "hid", n=16, **(hidden or {}))
    net.add(ship.LeakyIntegrator, "out", n=CLASSES, output=True)
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", weight=ship.Normal(0.3, 0.3), **synapse)
    net.add(ship.ExpSynapse, "hid>hid", source="hid", target="hid", weight=ship.Normal(0.0, 0.05), delay=1e-3)
    net.add(ship.ExpSynapse, "hid>out", source="hid", target="out", weight=ship.Normal(0.0, 0.3))
    net.init(dt=1e-3, seed=0, chips=chips, dtype=dtype, engine=engine)
    return net


def toy(n=48, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    p = torch.full((n, STEPS, 8), 0.02)
    for i, label in enumerate(labels):
        p[i, :, 2 * label : 2 * label + 2] = 0.6
    return (torch.rand(p.shape, generator=generator) < p).double(), labels


def batches(size=16):
    x, labels = toy()
    return Batches(x, labels, size, shuffle=True, seed=3)


# -- noise -----------------------------------------------------------------------------------------------------------------


def test_noise_is_multiplicative_and_keyed_by_trial():
    """Value (1 + noise xi), xi from (seed, tag, name, die, trial) alone."""
    net, noise = network(), 0.1
    plain = net["hid"].value("tau")
    with overlaid(net, Perturb(role="time constant", tags="hid", noise=noise)):
        seen = []
        for trial in (0, 1, 0):
            net["hid"].trial = trial
            seen.append(net["hid"].value("tau"))
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])
    zero = torch.zeros(1, dtype=torch.int64)
    key = random.key(0, "hid", "perturb", "tau")
    xi = random.normal(key, chip=zero, sample=zero, slot=zero, trial=1, n=16).flatten()
    assert torch.allclose(seen[1], plain * (1 + noise * xi), rtol=1e-12)
    assert torch.equal(net["hid"].value("tau"), plain)  # taken off again
    assert torch.equal(net["out"].value("tau"), net["out"].value("tau"))


def test_noise_of_the_largest_and_its_gradient():
    """w + noise max|w| xi: a zero weight is perturbed, too, and the gradient to w is that of the perturbed weights."""
    net = network()
    with torch.no_grad():
        net["in>hid"].get_parameter("weight")[0] = 0.0
    own = net["in>hid"].get_parameter("weight")
    with overlaid(net, Perturb(tags="in>hid", noise=0.05, of="largest")):
        value = net["in>hid"].value("weight")
    change = (value - own).detach()
    sigma = 0.05 * float(own.detach().abs().max())
    assert float(change.square().mean().sqrt()) == pytest.approx(sigma, rel=3 / math.sqrt(2 * own.numel()))
    assert float(change[0].abs().min()) > 0
    assert torch.equal(torch.autograd.grad(value.sum(), own)[0], torch.ones_like(own))


def test_limits_are_kept():
    """A time constant that would fall to 0 s or below keeps its own value."""
    net = network()
    with overlaid(net, Perturb(role="time constant", tags="hid", noise=2.0)):
        value = net["hid"].value("tau")
    assert bool((value > 0).all())
    assert bool((value == 20e-3).any())


def test_chips_have_noise_of_their_own_and_die_alone_is_die_in_a_set():
    values = []
    for chips in (3, [2]):
        net = network(chips=chips)
        with overlaid(net, Perturb(noise=0.1)):
            values.append(net["in>hid"].value("weight").detach().expand(len(net["in>hid"].die_ids), 1, 8, 16))
    assert not torch.equal(values[0][0], values[0][1])
    assert torch.equal(values[0][2], values[1][0])


def test_engines_agree_under_noise():
    x, _ = toy(8)
    outs, grads = [], []
    for engine in ("reference", "fused"):
        net = network(engine=engine)
        changes = Perturb(role="time constant", noise=0.1), Perturb(role="threshold", noise=0.1), Perturb(noise=0.1)
        with overlaid(net, *changes):
            out = net.run(x, trial=3)
            outs.append(out.detach())
            grads.append(torch.autograd.grad(out.square().sum(), net["in>hid"].get_parameter("weight"))[0])
        with torch.no_grad():
            assert not torch.allclose(net.run(x, trial=3), outs[-1])
    assert torch.allclose(outs[0], outs[1], rtol=1e-9, atol=1e-12)
    assert torch.allclose(grads[0], grads[1], rtol=1e-7, atol=1e-9)


def test_evaluation_has_no_noise():
    net = network()
    trainer = Trainer(net, readout=Max(tail=2), perturb=Perturb(noise=0.5, of="largest"))
    before = trainer.evaluate(batches()).counts
    trainer.fit(batches(), epochs=1, progress=False)
    net_loss = trainer.history.loss[0]
    plain = network()
    assert torch.equal(Trainer(plain, readout=Max(tail=2)).evaluate(batches()).counts, before)
    other = Trainer(plain, readout=Max(tail=2))
    other.fit(batches(), epochs=1, progress=False)
    assert other.history.loss[0] != net_loss
    with overlaid(net, Perturb(noise=0.5)):
        net.eval()
        assert torch.equal(net["in>hid"].value("weight"), net["in>hid"].get_parameter("weight"))


def test_each_batch_sees_new_devices():
    """Sampled devices and noise follow the trial, which the trainer advances with each batch."""
    net = network(device=ship.Device(g_min=1e-6, g_max=50e-6, programming=Gaussian(sigma=0.1)))
    net.sample_devices()
    seen, group = [], net["in>hid"]
    inner = group.hardware._sampled

    def watch(model):
        seen.append((group.hardware.trial, inner(model).detach()))
        return inner(model)

    group.hardware._sampled = watch
    trainer = Trainer(net, readout=Max(tail=2))
    trainer.fit(batches(size=16), epochs=2, progress=False)
    trials = [trial for trial, _ in seen]
    assert sorted(set(trials)) == list(range(6))
    net.use_weights()
    net.sample_devices()
    group.hardware.trial = 4
    assert torch.equal(group.value("weight"), inner(group.model_weight()))


# -- worst case ------------------------------------------------------------------------------------------------------------


def attack(net, settings, loss):
    made = Attack(settings)
    with overlaid(net, made):
        found = made.backward(net, loss)
    return made, found


def test_one_step_is_the_closed_form():
    """loss = sum(c w): dloss/dd = size c w, so that d = sign(c w), and the worst loss is ``sum(c w) + size sum(|c w|)``."""
    net, size = network(), 0.1
    weight = net["in>hid"].get_parameter("weight")
    c = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    losses = []

    def forward():
        loss = (c * net["in>hid"].value("weight")).sum()
        losses.append(float(loss.detach()))
        return loss, loss

    made, (clean, _) = attack(net, WorstCase(tags="in>hid", size=size), forward)
    product = (c * weight).detach()
    assert torch.equal(made.moves["in>hid", "weight"], product.sign())
    assert clean == pytest.approx(float(product.sum()))
    assert losses[-1] == pytest.approx(float(product.sum() + size * product.abs().sum()))
    assert torch.allclose(weight.grad, c * (1 + size * product.sign()))  # at the worst parameters


@pytest.mark.parametrize("steps", [1, 4])
def test_steps_stay_within_the_size(steps):
    net = network()
    weight = net["in>hid"].get_parameter("weight")
    settings = WorstCase(tags="in>hid", size=0.2, steps=steps)
    made, _ = attack(net, settings, lambda: 2 * (net["in>hid"].value("weight").sin().sum(),))
    assert float(made.moves["in>hid", "weight"].abs().max()) <= 1.0
    assert weight.grad is not None


def test_share_mixes_both_gradients():
    """loss = sum(w^2): 2 w at home and 2 w (1 + size)^2 at the worst (d = 1 everywhere but at w = 0)."""
    net, size, share = network(), 0.1, 0.3
    weight = net["in>hid"].get_parameter("weight")
    attack(net, WorstCase(tags="in>hid", size=size, share=share), lambda: 2 * (net["in>hid"].value("weight").square().sum(),))
    expected = 2 * weight.detach() * ((1 - share) + share * (1 + size) ** 2)
    assert torch.allclose(weight.grad, expected)


def test_the_attack_raises_the_loss_of_a_network():
    net = network()
    x, labels = toy()
    trainer = Trainer(net, readout=Max(tail=2))
    trainer.fit(batches(), epochs=3, progress=False)
    losses = []

    def forward():
        loss = torch.nn.functional.cross_entropy(Max(tail=2)(net.run(x, steps=STEPS + 2, trial=0)), labels)
        losses.append(float(loss.detach()))
        return loss, loss

    attack(net, WorstCase(size=0.1, steps=3), forward)
    noise = []
    for trial in range(5):
        with overlaid(net, Perturb(noise=0.1)), torch.no_grad():
            out = net.run(x, steps=STEPS + 2, trial=trial)
            noise.append(float(torch.nn.functional.cross_entropy(Max(tail=2)(out), labels)))
    assert losses[-1] > losses[0]
    assert losses[-1] > max(noise)  # worse than noise of the same size, each time


def test_neuron_parameters_can_be_attacked():
    net = network()
    trainer = Trainer(net, readout=Max(tail=2), robust=WorstCase(role="time constant", size=0.2))
    trainer.fit(batches(), epochs=1, progress=False)
    moved = trainer._attack.moves
    assert ("hid", "tau") in moved
    assert moved["hid", "tau"].shape == (16,)
    assert float(moved["hid", "tau"].abs().max()) == 1.0
    assert torch.equal(net["hid"].value("tau"), torch.tensor(20e-3, dtype=torch.float64))


def test_trainer_with_robust_learns_and_repeats():
    states = []
    for _ in range(2):
        net = network()
        trainer = Trainer(
            net, lr=2e-2, readout=Mean(tail=4), robust=WorstCase(size=0.05), perturb=Perturb(role="threshold", noise=0.05)
        )
        trainer.fit(batches(), epochs=12, progress=False)
        states.append(net["in>hid"].get_parameter("weight").detach().clone())
    assert torch.equal(*states)
    assert trainer.evaluate(batches()).accuracy > 0.9


def test_size_zero_is_plain_training():
    states = []
    for robust in (None, WorstCase(size=0.0)):
        net = network()
        Trainer(net, readout=Max(tail=2), robust=robust).fit(batches(), epochs=1, progress=False)
        states.append(net["in>hid"].get_parameter("weight").detach().clone())
    assert torch.equal(*states)


def test_errors():
    net = network()
    with pytest.raises(ship.ParameterError, match=r"Perturb.noise: must be a fraction, at least 0; got -1"):
        Perturb(noise=-1.0)
    with pytest.raises(ship.ParameterError, match=r"Perturb.of: must be 'value' or 'largest'; got 'all'"):
        Perturb(of="all")
    with pytest.raises(ship.ParameterError, match=r"WorstCase.steps: must be a whole number, at least 1; got 0"):
        WorstCase(steps=0)
    with pytest.raises(ship.ParameterError, match=r"WorstCase.share: must lie between 0 and 1; got 0"):
        WorstCase(share=0)
    with pytest.raises(ship.ParameterError, match=r"Perturb: selects no parameter; got role='colour'.*Roles: .*'time constant'"):
        Trainer(net, perturb=Perturb(role="colour"))
    with pytest.raises(ship.ParameterError, match=r"WorstCase: selects no parameter that has a gradient"):
        Trainer(net, robust=WorstCase(names="t_ref"))
    with pytest.raises(ship.GraphError, match=r"no group named 'x'"):
        Trainer(net, perturb=Perturb(tags="x"))
    with pytest.raises(ship.RunError, match=r"two changes of one parameter"):
        Trainer(net, perturb=Perturb(), robust=WorstCase())
    with pytest.raises(ship.RunError, match=r"Trainer.robust: needs whole runs; got truncate=5"):
        Trainer(net, truncate=5, robust=WorstCase())
