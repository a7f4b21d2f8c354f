"""Gradient descent by pulses: the gradient at what acts, its pulses, chips, keeping, and digits learnt on devices."""

import copy

import pytest
import torch

import ship
from ship import data
from ship.devices.update.bounded import Bounded
from ship.train import Max, Mean, PulseOptimizer, Trainer

F64 = torch.float64
FINE = ship.Device(update=Bounded(alpha_p=1e-4, alpha_d=1e-4))
VARIED = ship.Device(
    update=Bounded(alpha_p=ship.Varied(0.01, d2d=0.2, c2c=0.3), alpha_d=ship.Varied(0.01, d2d=0.2, c2c=0.3), noise=1e-3)
)


def made(device=FINE, *, chips=None, seed=1, tau=False, dtype=F64, learning=None, engine="auto"):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    net.add(
        ship.ExpSynapse,
        "syn",
        source="in",
        target="out",
        weight=ship.Uniform(-0.5, 0.5),
        device=device,
        mapping=ship.Offset(w_max=1.0),
        learning=learning,
        tau=5e-3,
        trainable=("weight", "tau") if tau else None,
    )
    net.init(dt=1e-3, seed=seed, chips=chips, dtype=dtype, engine=engine)
    net.program()
    return net


def batch():
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(6, 15, 4, generator=generator) < 0.3).to(F64), torch.arange(6) % 3


def acting(net):
    with torch.no_grad():
        return net["syn"].value("weight").clone()


def loss(net):
    x, labels = batch()
    return ship.train.cross_entropy(Mean()(net.run(x)), labels)


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_gradient_is_that_at_the_acting_weight(engine):
    """Against the gradient of a network whose weights are what the devices act as."""
    net = made(engine=engine)
    optimizer = PulseOptimizer(net, 0.1)
    loss(net).backward()
    twin = made(engine=engine)
    twin.use_weights()
    with torch.no_grad():
        twin["syn"].weight.copy_(acting(net)[0, 0])
    loss(twin).backward()
    probe = net["syn"].hardware.probe
    # The same sums in the same order; writing and reading conductances may cost a rounding of the weight.
    assert torch.allclose(probe.grad[0, 0], twin["syn"].weight.grad, rtol=1e-12, atol=1e-15)
    assert float(probe.grad.abs().max()) > 1e-3
    optimizer.zero_grad()
    assert probe.grad is None


def test_one_step_on_fine_devices_is_a_step_of_gradient_descent():
    net = made()
    optimizer = PulseOptimizer(net, 0.05)
    before = acting(net)
    loss(net).backward()
    grad = net["syn"].hardware.probe.grad.clone()
    optimizer.step()
    step = 2e-4  # V, of one pulse: 1e-4 of a window of 2 V
    moved = acting(net) - before
    assert ((moved + 0.05 * grad).abs() < step).all()  # rounding: less than one pulse
    n = moved / step
    assert torch.allclose(n, n.round(), atol=1e-6)  # whole pulses, to the cancellation in moved / step
    assert float(n.abs().max()) > 20
    assert torch.equal(net["syn"].weight, made()["syn"].weight)  # the model weights stay


def test_most_limits_a_step():
    net = made(learning=ship.Pulsing(most=3))
    optimizer = PulseOptimizer(net, 0.5)
    loss(net).backward()
    before = acting(net)
    optimizer.step()
    assert float((acting(net) - before).abs().max()) == pytest.approx(6e-4, rel=1e-6)


def test_chips_learn_as_they_would_alone():
    def learnt(chips):
        net = made(VARIED, chips=chips)
        trainer = Trainer(net, optimizer=PulseOptimizer(net, 0.5), readout=Mean())
        trainer.fit([batch()], epochs=4, progress=False)
        assert len(trainer.history) == 4
        return acting(net)

    both = learnt([2, 5])
    assert not torch.equal(both[0], both[1])
    for i, die in enumerate((2, 5)):
        # The mean over two chips halves gradients and the factor of two doubles them again: exact.
        assert torch.equal(both[i], learnt([die])[0])


def test_other_parameters_learn_with_the_inner_optimiser():
    net = made(tau=True)
    inner = torch.optim.SGD([net["syn"].tau], 1e-3)
    optimizer = PulseOptimizer(net, 0.5, inner=inner)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    before = net["syn"].tau.detach().clone()
    loss(net).backward()
    grad = net["syn"].tau.grad.clone()
    optimizer.step()
    assert torch.allclose(net["syn"].tau.detach(), before - 1e-3 * grad, rtol=1e-15)  # to the rounding of one sum
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 5e-4]
    assert inner.param_groups[0]["lr"] == 5e-4
    stored = copy.deepcopy(optimizer.state_dict())
    other_net = made(tau=True)
    other = PulseOptimizer(other_net, 0.7, inner=torch.optim.SGD([other_net["syn"].tau], 0.3))
    other.load_state_dict(stored)
    assert [group["lr"] for group in other.param_groups] == [0.25, 5e-4]
    with pytest.raises(ValueError, match="another inner optimiser"):
        PulseOptimizer(made(), 0.1).load_state_dict(stored)


def test_training_resumes_bit_for_bit(tmp_path):
    def trainer():
        net = made(VARIED, chips=2, tau=True)
        inner = torch.optim.Adam([net["syn"].tau], 1e-4)
        return Trainer(net, optimizer=PulseOptimizer(net, 0.5, inner=inner), readout=Mean())

    whole, first, second = trainer(), trainer(), trainer()
    whole.fit([batch()], epochs=4, progress=False)
    first.fit([batch()], epochs=2, progress=False, checkpoint=tmp_path / "c")
    second.resume(tmp_path / "c")
    second.fit([batch()], epochs=4, progress=False)
    assert torch.equal(acting(second.net), acting(whole.net))
    assert second.history.loss == whole.history.loss
    assert torch.equal(second.net["syn"].tau, whole.net["syn"].tau)


def test_errors():
    net = made()
    for lr in (0.0, -1.0, float("nan"), "fast"):
        with pytest.raises(ship.ParameterError, match=r"lr: must be a number"):
            PulseOptimizer(net, lr)
    with pytest.raises(ship.ParameterError, match="over_chips: must be 'mean' or 'sum'"):
        PulseOptimizer(net, 0.1, over_chips="max")
    with pytest.raises(ship.GraphError, match="no group named 'sin'"):
        PulseOptimizer(net, 0.1, tags=["sin"])
    optimizer = PulseOptimizer(net, 0.1)
    loss(net).backward()
    net["syn"].hardware.probe.grad[0, 0, 0, 0] = torch.nan
    with pytest.raises(ship.RunError, match="must be finite"):
        optimizer.step()
    net.use_weights()
    with pytest.raises(ship.RunError, match=r"must run with its devices.*net\.program\('syn'\)"):
        optimizer.step()
    with pytest.raises(ship.RunError, match="must run with its devices"):
        PulseOptimizer(net, 0.1)
    net.set("syn", trainable=False)
    net.init()
    net.program()
    with pytest.raises(ship.GraphError, match="no group on devices has a trainable weight"):
        PulseOptimizer(net, 0.1)
    with pytest.raises(ship.GraphError, match="has no trainable weight"):
        PulseOptimizer(net, 0.1, tags=["syn"])


def digits_learnt(digits, device=None):
    """Held-out accuracy of one layer after three epochs."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=64)
    net.add(ship.LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    hardware = {} if device is None else {"device": device, "mapping": ship.Offset(w_max=2.0)}
    net.add(ship.ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=ship.Normal(0.0, 0.05), **hardware)
    net.init(dt=1e-3, seed=0)
    if device is None:
        optimizer = torch.optim.SGD(net.parameters(), 3.0)
    else:
        net.program()
        optimizer = PulseOptimizer(net, 3.0)
    trainer = Trainer(net, optimizer=optimizer, readout=Mean(tail=8))

    def encode(x, _=None):
        return data.latency(x, steps=20, dt=1e-3, tau=8e-3, threshold=0.05)

    trainer.fit(data.Batches(digits.x, digits.labels, 64, encode=encode, shuffle=True, seed=0), epochs=3, progress=False)
    return trainer.evaluate(data.Batches(digits.x_test, digits.labels_test, 360, encode=encode)).accuracy


def test_digits_learn_on_linear_devices_as_in_software_and_worse_on_nonlinear_ones():
    digits = data.digits(seed=0)
    software = digits_learnt(digits)
    linear = digits_learnt(digits, ship.Device(update=Bounded(alpha_p=1e-3, alpha_d=1e-3)))
    # 50 steps up, 5 down, all shrinking towards the bound.
    bad = digits_learnt(digits, ship.Device(update=Bounded(alpha_p=0.02, alpha_d=0.2, gamma_p=1.0, gamma_d=1.0)))
    assert software > 0.85
    # 360 digits: a standard error of 1.5 %; two of them.
    assert abs(linear - software) < 0.03
    assert bad < linear - 0.03


def test_max_readout_and_chips_in_the_trainer():
    net = made(VARIED, chips=3)
    trainer = Trainer(net, optimizer=PulseOptimizer(net, 0.5), readout=Max(tail=1))
    trainer.fit([batch()], epochs=1, validation=[batch()], patience=1, progress=False)
    assert trainer.evaluate([batch()]).counts.sum() == 18  # each of 6 samples on 3 chips
