"""A state on every edge, or on every connection with a delay of its own, as a kernel: equal to the reference engine.

Sums over edges are added up in another order, so that they are equal to rounding.
"""

from __future__ import annotations

import pytest
import torch

import ship
from plastic_networks import STEPS, D, dyadic, same, spikes

TAUS = {"tau": (1 + dyadic((7, 5), 8)) * 5e-3}
EDGES = ship.Edges([3, 0, 6, 3, 1, 0, 3, 3], [2, 4, 0, 2, 1, 1, 0, 4])  # unit 3 has two to unit 2, units 2 and 3 of post have few

pytestmark = pytest.mark.usefixtures("no_grad")


def build(engine, n_pre=7, n=5, chips=None, synapse=ship.ExpSynapse, dtype=D, more=None, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=n_pre)
    net.add(ship.LIF, "a", n=n, tau=20e-3, t_ref=2e-3, output=True)
    options = {"weight": dyadic((n_pre, n), 3), "source": "in", "target": "a"} | options
    net.add(synapse, "s", side="connection", output=True, **options)
    if more is not None:
        more(net)
    net.init(dt=1e-3, seed=2, chips=chips, dtype=dtype, engine=engine)
    return net


def both(**options):
    return [build(engine, **options) for engine in ("reference", "fused")]


def agree(nets, runs, tolerance=1e-12):
    """Outputs and states of both engines through the same runs; the second one must not step."""
    for node in nets[1]._sim.nodes.values():
        if node.group.side == "connection":
            node._step = None
    for i, (x, options) in enumerate(runs):
        outs = [net.run(x, **options) for net in nets]
        assert i or float(outs[0]["a"].sum()) > 3, "a test of neurons needs spikes"
        same(outs[0]["a"], outs[1]["a"])
        for tag in outs[0]:
            torch.testing.assert_close(outs[0][tag], outs[1][tag], rtol=tolerance, atol=tolerance)
            for p, q in zip(*(net._sim.nodes[tag].state for net in nets), strict=True):
                p, q = (v.cell if hasattr(v, "cell") else v for v in (p, q))
                if isinstance(p, torch.Tensor):
                    torch.testing.assert_close(p.expand(q.shape), q, rtol=tolerance, atol=tolerance)


RUNS = [(spikes(2, n=7), {}), (spikes(2, n=7, seed=4), {"reset": False}), (spikes(2, n=7, seed=5), {})]
DELAYS = dyadic((7, 5), 6) * 8e-3


@pytest.mark.parametrize("synapse", [ship.ExpSynapse, ship.AlphaSynapse])
@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"connect": EDGES, **TAUS},
        {"connect": EDGES, "delay": DELAYS},
        {"connect": ship.Probability(0.5), "tau": ship.Varied(5e-3, d2d=0.2), "weight": ship.Varied(0.5, d2d=0.3)},
        {"delay": DELAYS, **TAUS},
        {"delay": DELAYS[:1].expand(7, 5)},
    ],
    ids=["edges", "delays on edges", "varied", "delays", "delays of targets"],
)
def test_equals_the_reference(synapse, chips, options):
    agree(both(synapse=synapse, chips=chips, **options), RUNS)


def test_short_term_plasticity():
    agree(both(synapse=ship.TsodyksMarkram, weight=dyadic((7, 5), 3) * 16, connect=EDGES), RUNS)
    agree(both(synapse=ship.TsodyksMarkram, weight=dyadic((7, 5), 3) * 16, delay=DELAYS), RUNS)


@pytest.mark.parametrize("dtype", [torch.float32, D])
def test_more_edges_than_a_block(dtype):
    nets = both(n_pre=60, n=300, weight=dyadic((60, 300), 3) / 8, connect=ship.OutDegree(200, multapses=True), dtype=dtype)
    tolerance = 1e-12 if dtype == D else 1e-4
    x = spikes(2, n=60)
    outs = [net.run(x) for net in nets]
    torch.testing.assert_close(outs[0]["s"], outs[1]["s"], rtol=tolerance, atol=tolerance)


def test_several_sources():
    def more(net):
        net.add(ship.SpikeInput, "other", n=3)
        net.set("s", source=["other", "in"], weight=dyadic((9, 5), 3), delay=dyadic((9, 5), 6) * 4e-3)

    x = {"in": spikes(2), "other": spikes(2, n=3, seed=9)}
    for connect in (None, ship.Probability(0.5)):
        agree(both(n_pre=6, more=more, connect=connect), [(x, {}), (x, {"reset": False})])


def test_in_a_loop():
    """Slice by slice, for its neurons act on themselves; the last state goes into the next slice."""

    def more(net):
        net.add(ship.ExpSynapse, "back", source="a", target="a", side="connection", weight=-dyadic((5, 5), 9), delay=2e-3,
                connect=ship.Probability(0.6), output=True)  # fmt: skip

    agree(both(connect=EDGES, more=more), RUNS)


def test_changes_of_dt():
    programme = {"dt": [(1e-3, 13), (0.5e-3, 12), (0.7e-3, 15)]}
    for options in ({"connect": EDGES, "delay": DELAYS}, {"delay": DELAYS, **TAUS}):
        agree(both(**options), [(RUNS[0][0], programme), (RUNS[1][0], {"reset": False, "dt": 2e-3})])


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks_and_pieces(monkeypatch, chunk):
    nets = both(connect=EDGES, delay=DELAYS)
    monkeypatch.setattr("ship.network.network.chunk_slots", lambda *_: chunk)
    agree(nets, RUNS)
    monkeypatch.setattr("ship.engine.compiled.nodes.edge_grid.LARGEST", 100)
    agree(nets, RUNS)


def test_steps_and_snapshots():
    nets = both(delay=DELAYS)
    x = RUNS[0][0]
    out = nets[0].run(x)["s"]
    nets[1].reset()
    steps = torch.stack([nets[1].step(x[:, k])["s"] for k in range(STEPS)], 1)
    torch.testing.assert_close(steps, out, rtol=1e-12, atol=1e-12)
    nets[1].restore(nets[0].snapshot())
    agree(nets, [(x, {}), (RUNS[1][0], {"reset": False})])


@pytest.mark.parametrize("options", [{"connect": EDGES, **TAUS}, {"connect": EDGES, "delay": DELAYS}, {"delay": DELAYS, **TAUS}])
@pytest.mark.parametrize("chips", [None, 2])
def test_gradients(options, chips):
    """Of weights, time constants and what comes before; through two runs, the second from the states of the first."""
    found = []

    def first(net):
        net.add(ship.LIF, "b", n=7, tau=20e-3)
        net.add(ship.ExpSynapse, "c", source="in", target="b", weight=dyadic((7, 7), 9) * 2, trainable=["weight"])
        net.set("s", source="b")

    with torch.enable_grad():
        for net in both(trainable=["weight", "tau"], more=first, chips=chips, **options):
            if found:
                net._sim.nodes["s"]._step = None
            one = net.run(RUNS[0][0])["s"]
            two = net.run(RUNS[1][0], reset=False, detach=False)["s"]
            (one.square().sum() + (two * torch.linspace(0, 1, STEPS, dtype=D)[:, None]).sum()).backward()
            found.append({name: p.grad for name, p in net.named_parameters()})
    assert len(found[0]) == 3
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-9, atol=1e-12)
        assert float(gradient.abs().max()) > 0


def test_gradients_of_more_edges_than_a_block():
    found = []
    with torch.enable_grad():
        for net in both(n_pre=9, n=300, weight=dyadic((9, 300), 3), connect=ship.OutDegree(200), trainable=["weight"]):
            net.run(spikes(2, n=9))["s"].square().sum().backward()
            found.append(next(p.grad for p in net.parameters()))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-12)
    assert float(found[0].abs().max()) > 0


def test_it_says_that_it_is_a_kernel():
    for options in ({"connect": EDGES}, {"delay": DELAYS}):
        assert "kernel, connection by connection" in str(build("fused", **options).explain())


def test_no_edges_at_all():
    nets = both(connect=ship.Probability(0.0))
    same(*(net.run(RUNS[0][0])["s"] for net in nets))
