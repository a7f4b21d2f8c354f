"""Learning by pulses within runs: the physics, bias schemes, wear, and what the result must not depend on."""

from dataclasses import dataclass, replace

import pytest
import torch

import ship
from learning_devices import HARD, NOISY, SOFT, Fading, Push, array, everything, made, spikes
from ship.base.parameters import Value, param
from ship.devices.contract import Endurance
from ship.devices.update.bounded import Bounded
from ship.devices.weights.pulsing import half_selected

pytestmark = pytest.mark.usefixtures("no_grad")
F64 = torch.float64
SPAN = 99e-6  # S, the default window, from 1e-6 to 100e-6


@dataclass(frozen=True)
class Worn(Endurance):
    """The window closes at its bottom after ``most`` writes."""

    most: Value = param(5.0, above=0.0)

    def window(self, low, high, cycles, p):
        return low, torch.where(cycles >= p.most, low, high)


def depth(net):
    """Return where each device of the first chip stands in its window, from 0 to 1, as ``[device, ...]``."""
    return (array(net).conductance()[0] - 1e-6) / SPAN


def test_pulses_are_counted_exactly():
    """dw = 0.04, -0.06, 0 at a step of 0.02 (0.01 up and 0.01 down): 2, -3 and 0 counts for each of 5 spikes."""
    amount = torch.tensor([[0.04, -0.06, 0.0]] * 2)
    net = made(rule=Push(amount=amount, w_min=-1.0), weight=torch.tensor([[0.5, 0.5, 0.5], [-0.5, -0.5, -0.5]]))
    net.program()
    x = torch.zeros(1, 8, 2, dtype=F64)
    x[0, :5, 0] = 1
    net.run(x)
    assert (array(net).cycles[0, 0] - 1).tolist() == [
        # The pairs of 0.5: plus up 10, minus at the bottom is not moved by pulses down but by those up.
        [[10, 15, 0], [0, 0, 0]],
        [[0, 15, 0], [0, 0, 0]],
    ]
    moved = torch.tensor([[0.1, -0.3, 0.0], [0, 0, 0]], dtype=F64)
    expected = torch.tensor([[0.5] * 3, [-0.5] * 3], dtype=F64) + moved
    # Devices at an end of the window stay there: 10 up on plus alone, 15 down on plus and up on minus.
    assert torch.allclose(net["syn"].plastic_weight[0, 0], expected, atol=1e-12)  # sums of 15 steps


@pytest.mark.parametrize(("sign", "alpha"), [(1, 0.1), (-1, 0.2)])
def test_soft_bounds_in_a_network_follow_their_closed_form(sign, alpha):
    """``1 - w_n = (1 - w_0)(1 - alpha)^n`` up, ``w_n = w_0 (1 - alpha)^n`` down, for n spikes with one count each."""
    rule = Push(amount=sign * 0.3, w_min=-1.0, w_max=1.0)
    net = made(SOFT, rule, mapping=ship.Offset(w_max=1.0), learning=ship.Pulsing(step=0.3))
    net.program()
    n = 7
    x = torch.zeros(1, 12, 2, dtype=F64)
    x[0, 2 : 2 + n] = 1
    rule_off = net["syn"].get_buffer("rule/w_min"), net["syn"].get_buffer("rule/w_max")
    rule_off[0].fill_(-100.0)
    rule_off[1].fill_(100.0)
    net.run(x)
    left = 0.5 * (1 - alpha) ** n
    # n products in the run, one power here: 7 roundings.
    assert torch.allclose(depth(net), torch.full((1, 2, 3), 1 - left if sign > 0 else left, dtype=F64), rtol=1e-13)


def test_weight_acts_in_the_next_slot():
    net = made(rule=Push(amount=0.02, w_min=-1.0))
    net.program()
    net.monitor("syn", "weight")
    x = torch.zeros(1, 4, 2, dtype=F64)
    x[0, 1] = 1
    net.run(x)
    acts = net.records["syn"].weight[0, :, 0, 0]
    # One count: plus goes up by 0.01; minus is at the bottom already.
    assert acts.tolist() == pytest.approx([0.0, 0.0, 0.01, 0.01], abs=1e-12)


def test_an_stdp_pair_on_devices():
    """Pre at slot 2, post at slot 6: lag 4 ms, ``dw = a_plus exp(-4 / 20)``; then nearest(dw / step) counts."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.SpikeInput, "teacher", n=1)
    net.add(ship.LIF, "out", n=1)
    net.add(ship.ImpulseSynapse, "t", source="teacher", target="out", weight=10.0)
    net.add(
        ship.ExpSynapse,
        "syn",
        source="in",
        target="out",
        weight=0.05,
        device=ship.Device(update=Bounded(alpha_p=0.001, alpha_d=0.001)),
        mapping=ship.Offset(w_max=1.0),
        rule=ship.PairSTDP(a_plus=0.1),
        learning=ship.Pulsing(rounding="nearest"),
    )
    net.init(dt=1e-3, dtype=F64)
    net.program()
    net.monitor("out", "output")
    x = {"in": torch.zeros(1, 10, 1, dtype=F64), "teacher": torch.zeros(1, 10, 1, dtype=F64)}
    x["in"][0, 2] = 1
    x["teacher"][0, 6] = 1
    net.run(x)
    post = net.records["out"].output.flatten().nonzero().flatten().tolist()
    assert len(post) == 1
    dw = 0.1 * torch.exp(torch.tensor(-(post[0] - 2) / 20.0)).item()
    n = round(dw / 0.002)  # one count moves the device by 0.001 of its window, the weight by 0.002 V
    assert n > 30
    assert float(array(net).cycles.max()) == 1 + n
    assert net["syn"].plastic_weight.item() == pytest.approx(0.05 + 0.002 * n, abs=1e-12)


def test_samples_of_a_batch_are_reduced_as_the_rule_says():
    x = torch.cat([spikes(20, seed=1), spikes(20, seed=2)])
    counts = {}
    for reduce in ("sum", "mean"):
        net = made(rule=Push(amount=0.04, w_min=-9.0, w_max=9.0, reduce=reduce), mapping=ship.Offset(w_max=9.0), n=(2, 1))
        net.program()
        net.record_pulses("syn")
        net.run(x)
        counts[reduce] = net.pulses("syn").number.sum().item()
    # Step 0.09 V per count at w_max = 9: the counts of both are drawn; twice the change, twice the pulses, to 4 standard errors.
    total = 0.04 * float(x.sum()) / 0.18
    for reduce, expected in (("sum", total), ("mean", total / 2)):
        assert abs(counts[reduce] - expected) < 4 * (0.25 * 40) ** 0.5


def test_potentiation_only_fills_both_devices_until_they_are_refreshed():
    net = made(rule=Push(amount=0.05, w_min=-1.0), learning=ship.Pulsing(how="up"), mapping=ship.Differential(w_max=1.0))
    net.program()
    x = torch.ones(1, 10, 2, dtype=F64)
    net.run(x)
    net["syn"].get_buffer("rule/amount").fill_(-0.05)
    net.run(x)
    # 0.05 / 0.01 = 5 pulses up in each slot: first on plus, then on minus.
    assert torch.allclose(depth(net), torch.full((2, 2, 3), 0.5, dtype=F64), atol=1e-12)
    assert net.refresh("syn", above=0.6) == 0
    assert net.refresh("syn", above=0.4) == 6
    assert torch.allclose(depth(net), torch.zeros(2, 2, 3, dtype=F64), atol=1e-12)


def test_half_selected_cells_by_hand():
    n = torch.zeros(1, 1, 1, 3, 3)
    n[..., 0, 1] = 2
    near, far = half_selected(n)
    assert near[0, 0, 0].tolist() == [[2, 0, 2], [0, 2, 0], [0, 2, 0]]
    assert far[0, 0, 0].tolist() == [[0, 0, 0], [2, 0, 2], [2, 0, 2]]


@pytest.mark.parametrize(
    ("bias", "v_th", "near", "far"),
    [("V/2", 0.6, 0, 0), ("V/2", 0.4, 1, 0), ("V/3", 0.4, 0, 0), ("V/3", 0.3, 1, -1), (None, 0.0, 0, 0)],
)
def test_disturb_goes_through_the_physics(bias, v_th, near, far):
    """Pulses of 1 V: what feels 0.5 V (0.33 V) moves above the threshold, and not at all below it."""
    device = ship.Device(update=Bounded(alpha_p=0.01, alpha_d=0.01, v_th=v_th))
    amount = torch.zeros(3, 3)
    amount[0, 1] = 0.08  # 4 counts of 2 * 0.01
    rule = Push(amount=amount, w_min=-1.0, w_max=1.0)
    net = made(device, rule, n=(3, 3), mapping=ship.Offset(w_max=1.0), learning=ship.Pulsing(bias=bias))
    net.program()
    before = array(net).conductance()[0, 0]
    x = torch.zeros(1, 2, 3, dtype=F64)
    x[0, 0, 0] = 1
    net.run(x)
    steps = (array(net).conductance()[0, 0] - before) / (0.01 * SPAN)
    expected = torch.full((3, 3), 4.0 * far)
    expected[0, :] = expected[:, 1] = 4.0 * near
    expected[0, 1] = 4.0
    assert torch.allclose(steps, expected.to(F64), atol=1e-9)  # differences of conductances over a hundredth of the window
    still = expected == 0
    assert torch.equal(array(net).conductance()[0, 0][still], before[still])  # not even a rounding


def test_devices_wear_out_while_they_learn():
    device = replace(HARD, endurance=Worn(most=5.0))
    net = made(device, Push(amount=0.01, w_min=-1.0), mapping=ship.Differential(w_max=1.0), learning=ship.Pulsing(how="up"))
    net.program()
    net.run(torch.ones(1, 4, 2, dtype=F64))
    assert (depth(net)[0] > 0.03).all()
    assert array(net).cycles[0, 0, 0].tolist() == [[5.0] * 3] * 2  # the write, and 4 pulses
    net.run(torch.ones(1, 4, 2, dtype=F64))
    assert torch.allclose(depth(net)[0], torch.zeros(2, 3, dtype=F64), atol=1e-12)  # dead: stuck at the bottom


@pytest.mark.parametrize("device", [NOISY, replace(NOISY, retention=Fading(tau=0.05))], ids=["noisy", "fading"])
@pytest.mark.parametrize("bias", [None, "V/2"])
def test_two_runs_equal_one(device, bias):
    nets = [made(device, ship.PairSTDP(w_min=-1.0), weight=0.5, learning=ship.Pulsing(bias=bias)) for _ in range(2)]
    x = spikes(60)
    outs = []
    for net, pieces in zip(nets, ([60], [25, 35]), strict=True):
        net.program()
        outs.append(torch.cat([net.run(p, reset=i == 0) for i, p in enumerate(x.split(pieces, 1))], 1))
    assert outs[0].sum() > 3
    assert torch.equal(*outs)
    for a, b in zip(*map(everything, nets), strict=True):
        assert torch.equal(a, b)
    # Time passed: what was left alone since the write is as old as the run.
    assert float(array(nets[1]).get_buffer("age").max()) <= 0.06 + 1e-12


@pytest.mark.parametrize("bias", [None, "V/3"])
def test_chips_learn_as_they_would_alone(bias):
    """Die 5 may have pulses in a slot in which die 2 has none; neither notices."""

    def learnt(chips):
        net = made(NOISY, ship.PairSTDP(w_min=-1.0), weight=0.5, chips=chips, learning=ship.Pulsing(bias=bias))
        net.program()
        out = net.run(spikes(60))
        return out, net["syn"].plastic_weight, array(net).conductance()

    both = learnt([2, 5])
    assert not torch.equal(both[1][0], both[1][1])
    for i, die in enumerate((2, 5)):
        for a, b in zip(both, learnt([die]), strict=True):
            assert torch.equal(a[i], b[0])


def test_draws_follow_the_seed_alone():
    def learnt(seed, noise):
        torch.manual_seed(noise)
        net = made(NOISY, ship.PairSTDP(w_min=-1.0), weight=0.5, seed=seed)
        net.program()
        net.run(spikes(60))
        return net["syn"].plastic_weight

    assert torch.equal(learnt(3, 0), learnt(3, 1))
    assert not torch.equal(learnt(3, 0), learnt(4, 0))


def test_successive_runs_round_afresh():
    """The same trial twice: the second run must not draw the numbers of the first, or small changes would never add up."""
    net = made(rule=Push(amount=0.002, w_min=-1.0), n=(2, 50), mapping=ship.Differential(w_max=1.0))
    net.program()
    net.record_pulses("syn")
    x = torch.zeros(1, 1, 2, dtype=F64)
    x[0, 0] = 1
    for _ in range(2):
        net.run(x)
    events = net.pulses("syn").event
    cells = [set((net.pulses("syn").row * 50 + net.pulses("syn").column)[events == e].tolist()) for e in events.unique()]
    assert len(cells) == 2
    assert cells[0] != cells[1]


def test_engines_agree_and_say_why():
    pytest.importorskip("numba")
    nets = []
    for engine in ("reference", "fused"):
        net = made(NOISY, ship.PairSTDP(w_min=-1.0), weight=0.5)
        net.init(dt=1e-3, seed=3, dtype=F64, engine=engine)
        net.program()
        net.run(spikes(60))
        nets.append(net)
    assert "syn: kernel, one loop of 2 groups" in str(nets[1].explain())
    assert "learns by pulses: one count stands for" in nets[1].explain()
    # The neurons' kernels differ from the reference by rounding; spikes, and so pulses, are the same.
    assert torch.equal(array(nets[0]).conductance(), array(nets[1]).conductance())


def test_edges_learn_too():
    net = made(HARD, Push(amount=0.04, w_min=-1.0), n=(2, 3), connect=torch.tensor([[1, 0, 1], [0, 1, 0]]))
    net.program()
    x = torch.zeros(1, 2, 2, dtype=F64)
    x[0, 0, 0] = 1
    net.run(x)
    assert depth(net)[0].tolist() == pytest.approx([0.02, 0.02, 0.0], abs=1e-12)
