"""Levels of devices and the weights that a mapping makes of them: closed forms, sparse weights, both float types."""

import pytest
import torch

import ship
from ship.devices import LevelProgramming
from ship.devices.weights.mapping import nearest_step, quantised

LOW, HIGH, W_MAX = 2e-6, 50e-6, 0.4
MAPPINGS = {
    "pair": lambda n: ship.Differential(levels=n, w_max=W_MAX),
    "three pairs": lambda n: ship.Differential(pairs=3, levels=n, w_max=W_MAX),
    "offset": lambda n: ship.Offset(levels=n, w_max=W_MAX),
}
COUNTS = {"pair": lambda n: 2 * n - 1, "three pairs": lambda n: 2 * n - 1, "offset": lambda n: 2 * ((n - 1) // 2) + 1}


def network(mapping, weight, dtype=torch.float64, programming=None):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=weight.shape[0])
    net.add(ship.LeakyIntegrator, "out", n=weight.shape[1], output=True)
    device = ship.Device(g_min=LOW, g_max=HIGH, programming=programming)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=weight, device=device, mapping=mapping)
    net.init(dtype=dtype)
    net.program()
    return net


def acts(net):
    return net["s"].value("weight").detach().squeeze()


def sparse(zeros=0.7):
    """Weights as of a pruned network: 70 % are zero, the rest lie anywhere in the range."""
    generator = torch.Generator().manual_seed(0)
    weight = W_MAX * (2 * torch.rand(64, 30, generator=generator) - 1)
    return torch.where(torch.rand(64, 30, generator=generator) < zeros, 0.0, weight)


@pytest.mark.parametrize("n", [3, 4, 8, 9, 16])
@pytest.mark.parametrize("name", MAPPINGS)
def test_values_are_whole_steps_with_a_zero_among_them(name, n):
    """A fine ramp of weights takes the values ``k w_max / steps``, |k| up to steps, each of them; nothing is off by more than
    half a step, and every device is on one of n levels.
    """
    ramp = torch.linspace(-W_MAX, W_MAX, 4001, dtype=torch.float64).reshape(1, -1)
    net = network(MAPPINGS[name](n), ramp)
    count = COUNTS[name](n)
    steps = (count - 1) // 2
    k = acts(net) / W_MAX * steps
    assert torch.allclose(k, k.round(), atol=1e-9)  # rounding of float64 on numbers up to 16
    assert sorted(set(k.round().int().tolist())) == list(range(-steps, steps + 1))
    assert float((acts(net) - ramp.squeeze()).abs().max()) <= 0.5 * W_MAX / steps * (1 + 1e-6)
    level = (net.read("s") - LOW) / (HIGH - LOW) * (n - 1)
    assert torch.allclose(level, level.round(), atol=1e-9)
    assert float(level.min()) > -0.5
    assert float(level.max()) < n - 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [3, 4, 8, 16])
@pytest.mark.parametrize("name", MAPPINGS)
def test_zero_stays_zero(name, n, dtype):
    """Weights of 0 act as 0, so that a sparse network stays one; no weight changes its sign. Exactly with pairs; against a
    reference but for the rounding of a read, two or three units in the last place of the reference.
    """
    weight = sparse()
    made = acts(network(MAPPINGS[name](n), weight, dtype))
    slack = 0.0 if name != "offset" else 4 * torch.finfo(dtype).eps * W_MAX
    assert 0.6 < float((weight == 0).float().mean()) < 0.8
    assert float(made[weight == 0].abs().max()) <= slack
    assert bool(((made * weight >= 0) | (made.abs() <= slack)).all())
    assert float(made.abs().max()) == pytest.approx(W_MAX, rel=1e-5)


@pytest.mark.parametrize("name", [*MAPPINGS, "sliced"])
@pytest.mark.parametrize("n", [3, 8, 11, 16])
def test_both_float_types_take_the_same_level(name, n):
    """Also weights that lie half-way between two values: decimal fractions are rounded differently in the two types."""
    mapping = ship.BitSliced(slices=2, base=n, w_max=W_MAX) if name == "sliced" else MAPPINGS[name](n)
    top = n**2 - 1 if name == "sliced" else (COUNTS[name](n) - 1) // 2
    half = (torch.arange(-2 * top, 2 * top + 1).double() / (2 * top) * W_MAX).reshape(1, -1)  # every value, and every middle
    weight = torch.cat([half, (sparse().double().reshape(-1)[: half.numel()]).reshape(1, -1)])
    made = [acts(network(mapping, weight.to(dtype), dtype)).double() / W_MAX * top for dtype in (torch.float32, torch.float64)]
    assert torch.equal(made[0].round(), made[1].round())
    assert torch.equal(made[0].round().sign(), made[1].round().sign())
    size = (half.squeeze() / W_MAX * top).abs()
    towards_zero = torch.ceil(size - 0.5 - 1e-6) * half.squeeze().sign()
    assert torch.equal(made[1][0].round(), towards_zero)


def test_offset_on_a_device_that_has_so_many_levels():
    """A device that can only be on one of 16 levels: the reference is one of them, so a zero is written without an error of its
    own; against the middle of the window it would be half a level off, 1/15 of the largest weight.
    """
    weight = torch.tensor([[0.0, W_MAX, -W_MAX]], dtype=torch.float64)
    exact = LevelProgramming(levels=16.0)
    made = network(ship.Offset(levels=16, w_max=W_MAX), weight, programming=exact)
    level = (made["s"].hardware.goal(weight).squeeze() - LOW) / (HIGH - LOW) * 15
    assert torch.allclose(level, torch.tensor([7.0, 14.0, 0.0], dtype=torch.float64), atol=1e-9)


def test_the_gain_of_an_offset_counts_its_share_of_the_window():
    """7 of 15 steps of the window stand for w_max: ``w_max = (7 / 15) span v_read t_read / c_mem``."""
    net = network(ship.Offset(levels=16, c_mem=1e-12), torch.zeros(1, 1, dtype=torch.float64))
    made = net["s"].hardware.calibration(torch.zeros(1, 1))
    assert made.w_max == pytest.approx(7 / 15 * (HIGH - LOW) * made.v_read * made.t_read / 1e-12, rel=1e-12)


def test_rounding_by_hand():
    u = torch.tensor([0.0, 0.49 / 3, 0.5 / 3, 0.51 / 3, -0.51 / 3, -1.0, 1.0], dtype=torch.float64, requires_grad=True)
    made = quantised(u, 3)
    assert torch.allclose(made, torch.tensor([0, 0, 0, 1, -1, -3, 3], dtype=torch.float64) / 3)
    made.sum().backward()
    assert torch.equal(u.grad, torch.ones_like(u))  # straight through
    assert float(nearest_step(torch.tensor(1.0, dtype=torch.float64), 2**30)) == 2**30


def test_an_offset_of_two_levels_has_no_weight_but_zero():
    with pytest.raises(ship.ParameterError, match=r"Offset\.levels: must be at least 3: the reference is one .*got 2\. Use"):
        ship.Offset(levels=2)
