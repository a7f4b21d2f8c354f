"""Winner-take-all in kernels equals the reference engine; typical circuits of unsupervised learning are one loop of kernels."""

from __future__ import annotations

import pytest
import torch

import ship
from ship.models.contract import places

D = torch.float64


def network(engine, n=150, *, learns=True, chips=None, **options):
    """Inputs, neurons that compete, a synapse on a dyadic grid; more than one block of units."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=40)
    net.add(ship.LIF, "out", n=n, output=True, winner_take_all=True, **{"t_ref": 2e-3} | options)
    weight = torch.randint(0, 9, (40, n), generator=torch.Generator().manual_seed(1)) / 64
    rule = ship.PairSTDP(a_plus=1 / 64, a_minus=1 / 64, w_min=0.0, w_max=0.5) if learns else None
    net.add(ship.ExpSynapse, "syn", source="in", target="out", weight=weight, rule=rule)
    net.init(dt=1e-3, dtype=D, engine=engine, chips=chips)
    return net


def spikes(batch=1, steps=60, seed=0):
    return (torch.rand(batch, steps, 40, generator=torch.Generator().manual_seed(seed)) < 0.1).to(D)


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"emit_order": "after"}, {"t_ref": 0.0}, {"emit_order": "after", "t_ref": 0.0}, {"chips": 2}, {"n": 1}]
)
def test_equals_the_reference(learns, options):
    pytest.importorskip("numba")
    outs, seen = [], []
    for engine in ("reference", "fused"):
        net = network(engine, learns=learns, **options)
        if engine == "fused":
            assert "out: kernel" in str(net.explain())
        net.monitor("out", "v")
        outs.append([net.run(spikes(3)), net.run(spikes(3, seed=1), reset=False)])
        seen.append(net.records["out"].v)
    for one, other in zip(*outs, strict=True):
        assert torch.equal(one, other)
        assert float(one.sum(-1).max()) == 1.0, "of each group one unit at most"
        assert float(one.sum()) > 5
    assert torch.allclose(*seen, rtol=1e-12, atol=1e-14)


def test_the_first_of_equals_wins_and_nobody_where_nobody_spikes():
    """Scores: minus infinity does not compete. 2 for the winner, 1 for the others, 0 where there is none."""
    none = -torch.inf
    score = torch.tensor([[0.5, 0.25, 0.5], [none, none, none], [none, 0.0, none]])
    assert places(score).tolist() == [[2, 1, 1], [0, 0, 0], [1, 2, 1]]


def test_equal_units_in_a_kernel_the_first_wins():
    pytest.importorskip("numba")
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "out", n=200, winner_take_all=True, output=True)
    net.add(
        ship.ImpulseSynapse,
        "syn",
        source="in",
        target="out",
        weight=torch.cat([torch.full((1, 70), 1.0), torch.full((1, 130), 2.0)], 1),
    )
    net.init(dt=1e-3, dtype=D, engine="fused")
    with torch.no_grad():
        out = net.run(torch.ones(1, 3, 1, dtype=D))
    assert out.sum(-1).tolist() == [[1.0, 1.0, 1.0]]
    assert out.argmax(-1).tolist() == [[70, 70, 70]]


def test_gradients_take_the_reference_engine():
    pytest.importorskip("numba")
    grads = []
    for engine in ("reference", "fused"):
        net = network(engine, learns=False)
        net.run(spikes()).sum().backward()
        grads.append(net["syn"].weight.grad)
    assert torch.allclose(*grads, rtol=1e-9)
    assert float(grads[0].abs().sum()) > 0


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("circuit", ["inhibitory neurons", "lateral", "lateral on edges"])
@pytest.mark.parametrize("device", [None, ship.Device(update=ship.devices.Bounded(alpha_p=0.02, alpha_d=0.02))])
def test_circuits_of_unsupervised_learning_are_one_loop(circuit, device):
    """Poisson trains, plastic synapses with and without devices, excitatory neurons that inhibit each other."""
    pytest.importorskip("numba")
    outs = []
    for engine in ("reference", "fused"):
        net, n = ship.Network(), 12
        net.add(ship.PoissonSource, "in", n=40, rate=30.0)
        net.add(ship.LIF, "exc", n=n, output=True, tau=100e-3, t_ref=5e-3)
        more = {} if device is None else {"device": device, "mapping": ship.Differential(w_max=0.5)}
        rule = ship.PairSTDP(a_plus=0.01, a_minus=0.01, w_min=0.0, w_max=0.5)
        weight = torch.randint(0, 9, (40, n), generator=torch.Generator().manual_seed(1)) / 32
        net.add(ship.ExpSynapse, "syn", source="in", target="exc", weight=weight, rule=rule, **more)
        others = 1 - torch.eye(n)
        if circuit == "inhibitory neurons":
            net.add(ship.LIF, "inh", n=n, tau=10e-3)
            net.add(ship.Link, "to", source="exc", target="inh", gain=2.0)
            net.add(ship.ExpSynapse, "back", source="inh", target="exc", weight=-0.5 * others, delay=1e-3)
        elif circuit == "lateral":
            net.add(ship.ExpSynapse, "back", source="exc", target="exc", weight=-0.5 * others)
        else:
            net.add(ship.ExpSynapse, "back", source="exc", target="exc", weight=-0.5, connect=others)
        net.init(dt=1e-3, dtype=D, engine=engine)
        if device is not None:
            net.program()
        outs.append(net.run(batch=1, steps=120))
    said = str(net.explain())
    assert "syn: kernel, one loop of" in said
    assert said.count("PyTorch") == 1, "the source alone"
    assert torch.equal(*outs)
    assert float(outs[0].sum()) > 5
