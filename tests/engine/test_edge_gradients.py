"""Gradients along sparse edges: the fused engine runs them as kernels and equals the reference engine, which multiplies them out.

Weights are dyadic and every membrane gets at most two charges, so spikes are equal bit for bit in float64; gradients within 1e-9
of the largest, in float32 within 1e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

import ship
from ship.engine.compiled.run.loop import Loop
from ship.engine.compiled.schedule.partition import Partition
from ship.engine.compiled.tape import edges
from ship.models.neurons.lif import IntegrateAndFire, LIFState, lif_coefficients, lif_evolved

DT = 1e-3
F64, F32 = torch.float64, torch.float32
N_IN, N, BATCH, SLOTS, CHIPS = 9, 37, 3, 40, 2


def some_edges(rng, n_pre, n_post, count):
    """In no order, some of them twice; from a third of the sources there are none."""
    with_edges = rng.permutation(n_pre)[: n_pre - n_pre // 3]
    return rng.choice(with_edges, count), rng.integers(0, n_post, count)


def weights_of(kind, rng, pre):
    """Multiples of 1/16, also where a mean is taken over chips or samples."""
    draw = lambda *shape: torch.as_tensor(rng.integers(-3, 9, shape) / 16)  # noqa: E731
    return {
        "edge": lambda: draw(len(pre)),
        "source": lambda: draw(pre.max() + 1)[torch.as_tensor(pre)],
        "chip": lambda: ship.per_chip(draw(CHIPS, len(pre))),
        "sample": lambda: ship.per_sample(draw(BATCH, len(pre))),
    }[kind]()


def delays_of(kind, rng, n_pre, count):
    return {
        "none": lambda: 0.0,
        "one": lambda: 2 * DT,
        "unit": lambda: rng.integers(0, 4, n_pre) * DT,
        "edge": lambda: rng.choice([0, 1, 2, 5, SLOTS + 3], count) * DT,
    }[kind]()


def recurrent(add, delay, weights, rng, **options):
    """Inputs and the group itself, through one connection."""
    pre, post = some_edges(rng, N_IN + N, N, 300)
    add(
        ship.ExpSynapse,
        "s",
        source=["in", "hid"],
        target="hid",
        connect=ship.Edges(pre, post),
        weight=weights_of(weights, rng, pre),
        delay=delays_of(delay, rng, N_IN + N, len(pre)),
        **options,
    )


def forward(add, delay, weights, rng, **options):
    """Add connections without a loop."""
    pre, post = some_edges(rng, N_IN, N, 150)
    weight, delay = weights_of(weights, rng, pre), delays_of(delay, rng, N_IN, len(pre))
    add(ship.ExpSynapse, "s", source="in", target="hid", connect=ship.Edges(pre, post), weight=weight, delay=delay, **options)


def impulses(add, delay, weights, rng):
    """Add a group, and connections in a loop with it."""
    pre, post = some_edges(rng, N, 11, 200)
    add(ship.LIF, "other", n=11, t_ref=DT, trainable=True)
    delay = delays_of(delay, rng, N, len(pre))
    there, back = (weights_of(weights, rng, side) for side in (pre, post))
    add(ship.ImpulseSynapse, "s", source="hid", target="other", connect=ship.Edges(pre, post), weight=there, delay=delay)
    add(
        ship.ImpulseSynapse, "back", source="other", target="hid", connect=ship.Edges(post, pre), weight=back, delay=3 * DT,
    )  # fmt: skip


def graded(add, delay, weights, rng):
    """Levels, which are never zero: from outside, and of a group without spikes to itself."""
    pre, post = some_edges(rng, 4 + 5, 5, 30)
    add(ship.LeakyIntegrator, "level", n=5, tau=5e-3, output=True)
    connect, weight = ship.Edges(pre, post), weights_of(weights, rng, pre)
    delay = delays_of(delay, rng, 9, len(pre))
    add(ship.WeightedSum, "s", source=["values", "level"], target="level", connect=connect, weight=weight, delay=delay)


@dataclass(frozen=True)
class Summing(IntegrateAndFire):
    """A LIF neuron whose step is not pointwise, so that it has no kernel."""

    def discretise(self, p, dt):
        return lif_coefficients(p, dt)

    def evolve(self, state, x, p, c):
        return LIFState(lif_evolved(state.v, x.charge, p, c) + 0 * state.v.sum(-1, keepdim=True))


def slices(add, delay, weights, rng):
    """A group without a kernel in the loop: the connections run alone, slice by slice, one before there is anything to send."""
    add(Summing, "winner", n=11, v_th=0.5)
    pre, post = some_edges(rng, 11, N, 100)
    connect, weight = ship.Edges(pre, post), weights_of("edge", rng, pre)
    add(ship.ImpulseSynapse, "back", source="winner", target="hid", connect=connect, weight=weight, delay=9 * DT)
    pre, post = some_edges(rng, N_IN + N, 11, 200)
    connect, weight = ship.Edges(pre, post), weights_of(weights, rng, pre)
    delay = delays_of(delay, rng, N_IN + N, len(pre))
    add(ship.ExpSynapse, "s", source=["in", "hid"], target="winner", connect=connect, weight=weight, delay=delay)


SHAPES = {
    "recurrent": recurrent,
    "recurrent pre": partial(recurrent, side="pre"),
    "forward": forward,
    "forward pre": partial(forward, side="pre"),
    "impulses": impulses,
    "graded": graded,
    "slices": slices,
}


def build(engine, shape, delay="one", weights="edge", chips=None, dtype=F64, trainable=None):
    net = ship.Network()
    more = {} if trainable is None else {"trainable": trainable}

    def add(model, tag, **options):
        net.add(model, tag, **{**more, **options})

    rng = np.random.default_rng(4)
    net.add(ship.SpikeInput, "in", n=N_IN)
    net.add(ship.CurrentInput, "values", n=4)
    tau = ship.Varied(20e-3, d2d=0.2) if chips else 20e-3
    add(ship.LIF, "hid", n=N, tau=tau, v_th=0.75, t_ref=2 * DT, output=True)
    dense = torch.as_tensor(rng.integers(0, 9, (N_IN, N)) / 16)
    add(ship.ImpulseSynapse, "first", source="in", target="hid", weight=dense)
    (SHAPES[shape] if isinstance(shape, str) else shape)(add, delay, weights, rng)
    add(ship.LeakyIntegrator, "out", n=2, output=True)
    add(ship.ExpSynapse, "read", source="hid", target="out", weight=torch.as_tensor(rng.integers(-8, 9, (N, 2)) / 16))
    net.init(dt=DT, dtype=dtype, engine=engine, chips=chips, seed=2)
    return net


def given(dtype=F64, requires_grad=True):
    rng = np.random.default_rng(1)
    x = {"in": (rng.random((BATCH, SLOTS, N_IN)) < 0.15) * 1.0, "values": rng.integers(0, 9, (BATCH, SLOTS, 4)) * 1.0}
    return {tag: torch.as_tensor(v).to(dtype).requires_grad_(requires_grad) for tag, v in x.items()}


def loss(out):
    return sum((value * torch.linspace(-1, 1, value.shape[-1]).to(value)).square().sum() for value in out.values())


def learnt(net, x):
    """Outputs and gradients of a run and of one that goes on, with what is in flight and the states of the first."""
    a = net.run(x, detach=False)
    b = net.run(x, reset=False)
    (loss(a) + loss(b)).backward()
    grads = {name: p.grad for name, p in net.named_parameters()} | {tag: v.grad for tag, v in x.items()}
    return {tag: torch.stack([a[tag], b[tag]]).detach() for tag in a}, {k: g for k, g in grads.items() if g is not None}


def assert_close(got, want, tolerance):
    assert got.keys() == want.keys()
    for name, w in want.items():
        assert got[name].shape == w.shape, name
        assert float((got[name] - w).abs().max()) <= tolerance * float(w.abs().max()), name


@pytest.fixture
def executed(monkeypatch):
    """Whether the tapes that the fused engine tried were run."""
    found, execute = [], Partition.execute
    monkeypatch.setattr(Partition, "execute", lambda *args: (found.append(execute(*args)), found[-1])[1])
    return found


def compare(executed, dtype, *args, **options):
    want = learnt(build("reference", *args, dtype=dtype, **options), given(dtype))
    got = learnt(build("fused", *args, dtype=dtype, **options), given(dtype))
    assert executed
    assert all(executed)
    assert want[0]["hid"].sum() > 200
    assert torch.equal(got[0]["hid"], want[0]["hid"])
    assert_close(got[0], want[0], 1e-12 if dtype is F64 else 1e-5)
    assert_close(got[1], want[1], 1e-9 if dtype is F64 else 1e-4)
    assert "groups.s.weight" in want[1]
    return got[1]["groups.s.weight"]


@pytest.mark.parametrize("delay", ["none", "one", "unit", "edge"])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_equal_those_of_the_reference(executed, shape, delay):
    if shape.endswith("pre") and delay == "edge":
        pytest.skip("a filter on the pre side has no delay for each connection")
    if shape == "recurrent pre" and delay == "unit":
        pytest.skip("a loop with different delays for the units of a filter on the pre side has no kernel")
    compare(executed, F64, shape, delay)


@pytest.mark.parametrize("weights", ["edge", "source", "chip", "sample"])
@pytest.mark.parametrize("shape", ["recurrent", "recurrent pre", "impulses"])
@pytest.mark.parametrize("dtype", [F32, F64])
def test_weights_by_edge_source_chip_and_sample(executed, shape, weights, dtype):
    """Gradients belong to edges even where all edges of a source have its weight."""
    g = compare(executed, dtype, shape, weights=weights, chips=CHIPS)
    assert g.shape == {"chip": (CHIPS, 1), "sample": (1, BATCH)}.get(weights, ()) + g.shape[-1:]


@pytest.mark.parametrize("small", [2, 2**16], ids=["numbers of 4 bytes", "of 2"])
def test_numbers_of_targets_in_few_bytes(executed, monkeypatch, small):
    monkeypatch.setattr(edges, "SMALL", small)
    compare(executed, F64, "recurrent", "edge")


def test_beside_weights_that_a_rule_changes(executed):
    """In the same loop, and from a source without a gradient."""

    def plastic(add, delay, weights, rng):
        recurrent(add, delay, weights, rng)
        add(ship.PoissonSource, "noise", n=5, rate=100.0, trainable=[])
        rule = ship.PairSTDP(a_plus=2**-6, a_minus=2**-6)
        add(ship.ImpulseSynapse, "learns", source="noise", target="hid", weight=0.25, rule=rule, trainable=[])

    compare(executed, F64, plastic, "edge")


@pytest.mark.parametrize("weights", ["edge", "source"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("of", ["inputs", "weights", "neurons", "nothing"])
def test_only_some_gradients(executed, shape, weights, of):
    """The rest is not made; weights that need none may be one for each source."""
    wanted = {"inputs": (), "weights": ("weight",), "neurons": ("tau", "v_th"), "nothing": ()}[of]
    found = []
    for engine in ("reference", "fused"):
        net = build(engine, shape, weights=weights, trainable=True)
        for name, p in net.named_parameters():
            p.requires_grad_(name.split(".")[-1] in wanted)
        x = given(requires_grad=of == "inputs")
        out = net.run(x)
        if of == "nothing":
            assert not any(value.requires_grad for value in out.values())
            found.append((out, {}))
            continue
        loss(out).backward()
        grads = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
        found.append((out, grads | {tag: v.grad for tag, v in x.items() if v.grad is not None}))
        assert found[-1][1]
    assert all(executed)
    assert torch.equal(found[1][0]["hid"], found[0][0]["hid"])
    assert_close(found[1][1], found[0][1], 1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_modes_of_gradients(executed, shape):
    """Without gradients and with them the same numbers; backward twice; nothing of the graph stays."""
    net, x = build("fused", shape), given()
    with torch.no_grad():
        plain = net.run(x)
    out = net.run(x)
    assert all(torch.equal(out[tag], plain[tag]) for tag in out)
    total = loss(out)
    total.backward(retain_graph=True)
    once = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    total.backward()
    for name, g in once.items():
        assert torch.equal(net.get_parameter(name).grad, 2 * g)
    with pytest.raises(RuntimeError, match=r"second time|already been freed"):
        total.backward()
    net.zero_grad()
    loss(net.run(x)).backward()
    for name, g in once.items():
        assert torch.equal(net.get_parameter(name).grad, g)
    assert all(executed)


@pytest.mark.parametrize("part", [1, 7, 10**6])
def test_threads_and_parts_change_no_bit(monkeypatch, part):
    monkeypatch.setattr("ship.engine.compiled.run.loop.WEIGHTS", part)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(learnt(build("fused", "recurrent", "edge", chips=CHIPS), given()))
    finally:
        torch.set_num_threads(before)
    for got in found[1:]:
        for a, b in zip(got, found[0], strict=True):
            assert all(torch.equal(a[name], b[name]) for name in b)


def test_weights_that_change_between_runs():
    """An optimizer changes weights in place: nothing is kept from the run before."""
    nets = [build(engine, "recurrent", "edge") for engine in ("reference", "fused")]
    for _ in range(3):
        for net in nets:
            net.zero_grad()
            loss(net.run(given())).backward()
            with torch.no_grad():
                for p in net.parameters():
                    if p.grad is not None:
                        p -= torch.sign(p.grad) * 2**-8 * p.detach().abs().max()
    for a, b in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)


def test_many_delays_share_one_signal(monkeypatch):
    """The output of a source, and its gradient, are there once, however many delays its edges have."""
    tapes, prepare = [], Loop._prepare
    monkeypatch.setattr(Loop, "_prepare", lambda loop: (tapes.append(loop.tape), prepare(loop)))
    loss(build("fused", "forward", "edge").run(given())).backward()
    (tape,) = (tape for tape in tapes if any(s.structure for step in tape.steps for sources in step.operands for s in sources))
    sources = [s for step in tape.steps for sources in step.operands for s in sources if s.structure is not None]
    assert len(sources) == 5
    assert len({s.signal for s in sources}) == 1
