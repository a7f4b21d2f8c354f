"""Runs that are cut, and programmes of dt: what is in flight arrives at its absolute time, whatever carries it.

Two kinds of truth: an independent calculation of the arrivals on absolute time (NumPy; no code of the library), and the run that
is not cut, which all pieces together must equal.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ship

ENGINES = ["reference", "fused"]
MS = 1e-3
pytestmark = pytest.mark.usefixtures("no_grad")
some = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


# -- arrivals on absolute time -------------------------------------------------------------------------------------------------


def grid(programme):
    """Start and width of every slot, s."""
    width = np.concatenate([np.full(n, dt) for dt, n in programme])
    start = np.concatenate([[0.0], np.cumsum(width)[:-1]])
    return start, width


def events_arrive(sent, start, width, delay):
    """Each event acts in the slot whose start is nearest to its arrival; half-way it is the later one."""
    out = np.zeros(len(start) + 1)  # the last one: after the end
    ends = np.append(start, start[-1] + width[-1])
    for k, count in enumerate(sent):
        distance = np.abs(ends - (start[k] + delay))
        nearest = np.flatnonzero(distance <= distance.min() + 1e-9)[-1]
        out[nearest] += count
    return out[:-1]


def levels_arrive(sent, start, delay):
    """A slot has the level that was sent ``delay`` before its start; before the first it has none."""
    sources = np.searchsorted(start, start - delay + 1e-9, side="right") - 1
    return np.where(sources < 0, 0.0, np.asarray(sent)[sources])


def charge_arrives(sent, start, width, delay):
    """The charge that flowed ``delay`` before, from slot's start to its end: differences of a sum that is linear in each slot."""
    times = np.append(start, start[-1] + width[-1])
    total = np.append(0.0, np.cumsum(sent))
    return np.interp(start + width - delay, times, total) - np.interp(start - delay, times, total)


programmes = st.lists(
    st.tuples(st.sampled_from([0.1 * MS, 0.25 * MS, 0.5 * MS, 1 * MS, 2 * MS]), st.integers(1, 14)), min_size=1, max_size=5
)
whole = st.sampled_from([0.0, 2 * MS, 4 * MS, 10 * MS])  # whole slots of each dt above: nothing is rounded
SHAPES = ["scalar", "unit", "connection"]


def delays_of(rng, shape, pre, post, choices):
    return {"scalar": rng.choice(choices), "unit": rng.choice(choices, pre), "connection": rng.choice(choices, (pre, post))}[
        shape
    ]


def spread(delays, pre, post):
    """Return the delays as a matrix ``[pre, post]``."""
    delays = np.asarray(delays)
    return np.broadcast_to(delays[:, None] if delays.ndim == 1 else delays, (pre, post))


def straight(kind, delays, weight, engine):
    """Inputs of one kind, through weights and delays, to an output."""
    net = ship.Network()
    pre, post = weight.shape
    if kind == "events":
        net.add(ship.SpikeInput, "in", n=pre)
        net.add(ship.LIF, "cell", n=post, v_th=1e9)
        net.add(ship.ImpulseSynapse, "way", source="in", target="cell", weight=weight, delay=delays, output=True)
    elif kind == "values":
        net.add(ship.CurrentInput, "in", n=pre)
        net.add(ship.WeightedSum, "way", source="in", n=post, weight=weight, delay=delays, output=True)
    else:
        net.add(ship.SpikeInput, "spikes", n=pre)
        net.add(ship.ExpSynapse, "in", source="spikes", n=pre, weight=np.eye(pre), tau=3 * MS)
        net.add(ship.WeightedSum, "way", source="in", n=post, weight=weight, delay=delays, output=True)
    net.monitor("in", "output")
    net.init(dt=1 * MS, dtype=torch.float64, engine=engine)
    return net


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["events", "values", "charge"])
@some
@given(programme=programmes, shape=st.sampled_from(SHAPES), seed=st.integers(0, 10**6))
def test_what_is_in_flight_arrives_at_its_absolute_time(engine, kind, programme, shape, seed):
    """Through any programme of dt. Events with any delay; levels and charges with whole slots (else the slots in which they
    hold depend on the rounding, which is stated for one dt only).
    """
    rng = np.random.default_rng(seed)
    pre, post = 3, 2
    choices = [0, 2 * MS, 4 * MS, 10 * MS] + ([0.3 * MS, 1.4 * MS, 2.6 * MS] if kind == "events" else [])
    delays = delays_of(rng, shape, pre, post, choices)
    weight = rng.integers(1, 32, (pre, post)) / 16
    net = straight(kind, delays, weight, engine)
    start, width = grid(programme)
    x = rng.integers(0, 3, (1, len(start), pre)).astype(float)
    out = net.run(torch.as_tensor(x), dt=programme)[0].numpy()
    sent = net.records["in"].output[0].numpy()
    want = np.zeros_like(out)
    for i in range(pre):
        for j in range(post):
            d = spread(delays, pre, post)[i, j]
            if kind == "events":
                came = events_arrive(sent[:, i], start, width, d)
            elif kind == "values":
                came = levels_arrive(sent[:, i], start, d)
            else:
                came = charge_arrives(sent[:, i], start, width, d)
            want[:, j] += came * weight[i, j]
    # Sums of at most three products: rounding only.
    np.testing.assert_allclose(out, want, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(want).max()))


# -- pieces of a run -----------------------------------------------------------------------------------------------------------


OFF_GRID = [0.0, 0.3 * MS, 0.5 * MS, 1 * MS, 1.4 * MS, 2.6 * MS, 4 * MS, 9.3 * MS]


@st.composite
def networks(draw):
    """Keywords of every group: each kind of signal, each way to give a delay, each kind of target; loops and plasticity."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))

    def way(pre, post, side="post", edges=False):
        shapes = SHAPES if side != "pre" and not edges else SHAPES[:2]
        return delays_of(rng, draw(st.sampled_from(shapes)), pre, post, OFF_GRID)

    def weight(pre, post, low=-8, high=24):
        return rng.integers(low, high, (pre, post)) / 16

    side = draw(st.sampled_from(["post", "pre", "connection"]))
    edges = draw(st.booleans())
    t_ref = draw(st.sampled_from([0.0, 1.4 * MS, 2.6 * MS, np.array([0.0, 0.6 * MS, 3 * MS])]))
    groups = [
        (ship.SpikeInput, "in", {"n": 2}),
        (ship.CurrentInput, "level", {"n": 2}),
        (ship.LIF, "cell", {"n": 3, "t_ref": t_ref, "v_th": 0.75, "emit_order": draw(st.sampled_from(["before", "after"]))}),
        (ship.LeakyIntegrator, "out", {"n": 2, "tau": 10 * MS}),
        (ship.ExpSynapse, "drive", {"source": "in", "target": ["cell", "out"], "weight": weight(2, 5), "side": side}),
        (ship.ImpulseSynapse, "kick", {"source": "in", "target": "cell", "weight": weight(2, 3), "delay": way(2, 3)}),
        (ship.ExpSynapse, "back", {"source": "cell", "target": "cell", "weight": weight(3, 3), "delay": way(3, 3, edges=edges)}),
        (ship.WeightedSum, "hold", {"source": "level", "target": "cell", "weight": 40 * weight(2, 3), "delay": way(2, 3)}),
        (ship.Link, "copy", {"source": "level", "target": "out", "gain": 20.0, "delay": way(2, 1, "pre")}),
        (ship.ExpSynapse, "filter", {"source": "in", "n": 2, "weight": np.eye(2), "tau": 3 * MS}),
        (ship.Link, "carry", {"source": "filter", "target": "out", "delay": way(2, 1, "pre")}),
        (ship.WeightedSum, "loop", {"source": "out", "target": "cell", "weight": 10 * weight(2, 3), "delay": way(2, 3)}),
    ]
    groups[4][2]["delay"] = way(2, 5, side)
    if edges:
        groups[6][2]["connect"] = ship.Edges([0, 1, 2, 2], [1, 2, 0, 2])
    if draw(st.booleans()):
        groups.append((ship.Dendrite, "branch", {"target": "cell", "g": 200.0, "v_sat": 0.5}))
        groups.append((ship.ExpSynapse, "far", {"source": "in", "target": "branch", "weight": weight(2, 3), "delay": way(2, 3)}))
    if draw(st.booleans()):
        rule = ship.PairSTDP(w_min=0.0, w_max=2.0, per_sample=draw(st.booleans()))
        keywords = {"source": "in", "target": "cell", "rule": rule, "weight": weight(2, 3, 0, 16), "delay": way(2, 3)}
        groups.append((ship.ExpSynapse, "plastic", keywords))
    return groups


def built(groups, engine):
    net = ship.Network()
    for model, tag, keywords in groups:
        net.add(model, tag, output=tag in OUTPUTS, **keywords)
    net.init(dt=1 * MS, seed=1, dtype=torch.float64, engine=engine)
    return net


OUTPUTS = ("cell", "out", "copy", "carry", "hold")


def inputs(rng, steps):
    spikes = (rng.random((2, steps, 2)) < 0.3) * rng.integers(1, 3, (2, steps, 2))
    return {"in": torch.as_tensor(spikes).double(), "level": torch.as_tensor(rng.integers(-4, 9, (2, steps, 2)) / 4)}


def pieces_of(programme, cuts):
    """The programme in pieces that end at these slots and at its end."""
    widths = [dt for dt, n in programme for _ in range(n)]
    ends = [*sorted({c for c in cuts if 0 < c < len(widths)}), len(widths)]
    for first, last in zip([0, *ends], ends, strict=False):
        yield first, last, [(dt, 1) for dt in widths[first:last]]


def joined(programme):
    """Neighbours of one dt as one segment."""
    out = []
    for dt, n in programme:
        if out and out[-1][0] == dt:
            out[-1] = (dt, out[-1][1] + n)
        else:
            out.append((dt, n))
    return out


def assert_same(found, want):
    for tag in OUTPUTS:
        if tag == "cell":
            assert torch.equal(found[tag], want[tag]), tag
        # Pieces of a charge that is cut are sums of other roundings; the rest is equal to the last bit.
        torch.testing.assert_close(found[tag], want[tag], rtol=1e-9, atol=1e-9, msg=lambda m, tag=tag: f"{tag}: {m}")


def in_pieces(net, x, programme, cuts):
    found = {tag: [] for tag in OUTPUTS}
    for first, last, plan in pieces_of(programme, cuts):
        out = net.run({tag: v[:, first:last] for tag, v in x.items()}, dt=joined(plan), reset=first == 0)
        for tag in OUTPUTS:
            found[tag].append(out[tag])
    return {tag: torch.cat(parts, 1) for tag, parts in found.items()}


def test_a_run_in_pieces_is_the_run():
    """Cut anywhere, also into single slots and inside a stretch of one dt; and both engines give the same."""
    spikes = []

    @some
    @given(
        groups=networks(),
        programme=programmes,
        cuts=st.sets(st.integers(1, 40), max_size=4),
        seed=st.integers(0, 10**6),
        singly=st.booleans(),
    )
    def check(groups, programme, cuts, seed, singly):
        x = inputs(np.random.default_rng(seed), sum(n for _, n in programme))
        wanted = None
        for engine in ENGINES:
            whole = built(groups, engine).run(x, dt=joined(programme))
            wanted = whole if wanted is None else wanted
            assert_same(whole, wanted)
            assert_same(in_pieces(built(groups, engine), x, programme, range(1, 60) if singly else cuts), wanted)
        spikes.append(float(wanted["cell"].sum()))

    check()
    assert np.mean(np.array(spikes) > 0) > 0.5


def test_steps_are_the_run():
    spikes = []

    @some
    @given(groups=networks(), seed=st.integers(0, 10**6))
    def check(groups, seed):
        x = inputs(np.random.default_rng(seed), 18)
        for engine in ENGINES:
            whole = built(groups, engine).run(x)
            net = built(groups, engine)  # plastic weights outlast a reset
            steps = [net.step({tag: v[:, k] for tag, v in x.items()}) for k in range(18)]
            assert_same({tag: torch.stack([s[tag] for s in steps], 1) for tag in OUTPUTS}, whole)
        spikes.append(float(whole["cell"].sum()))

    check()
    assert np.mean(np.array(spikes) > 0) > 0.5


def late(kind, delay, engine="auto", dt=MS):
    """One input through a link with a delay."""
    net = ship.Network()
    if kind == "events":
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.Link, "way", source="in", delay=delay, output=True)
    elif kind == "values":
        net.add(ship.CurrentInput, "in", n=1)
        net.add(ship.Link, "way", source="in", delay=delay, output=True)
    else:
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.ExpSynapse, "filter", source="in", n=1, weight=1.0, tau=3 * MS)
        net.add(ship.Link, "way", source="filter", delay=delay, output=True)
    net.init(dt=dt, dtype=torch.float64, engine=engine)
    return net


@pytest.mark.parametrize("engine", ENGINES)
def test_levels_where_they_were_wrong(engine):
    """Two slots and then the rest; the same dt in two segments; through a coarse segment. Numbers by hand."""
    x = torch.arange(1.0, 8).reshape(1, 7, 1)
    net = late("values", 4 * MS, engine)
    want = [0, 0, 0, 0, 1, 2, 3]
    assert net.run(x)[0, :, 0].tolist() == want
    assert torch.cat([net.run(x[:, :2]), net.run(x[:, 2:], reset=False)], 1)[0, :, 0].tolist() == want
    assert net.run(x, dt=[(MS, 2), (MS, 5)])[0, :, 0].tolist() == want
    x = torch.arange(1.0, 18).reshape(1, 17, 1)
    out = net.run(x, dt=[(0.1 * MS, 5), (0.5 * MS, 7), (0.1 * MS, 5)])[0, :, 0]
    assert out.tolist() == [0] * 12 + [1, 2, 3, 4, 5]
    # A delay that 10 ms round away, 4 slots of 1 ms: the last level lasts until the first fine one comes.
    out = net.run(x[:, :9], dt=[(10 * MS, 2), (MS, 7)])[0, :, 0]
    assert out.tolist() == [1, 2, 2, 2, 2, 2, 3, 4, 5]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["events", "values", "charge"])
def test_cuts_after_a_long_time(engine, kind):
    """After 10^7 s a slot of 1 us is 500 roundings of the time since the reset wide: 100 slots singly are the run."""
    dt, x = 1e-6, torch.arange(100.0).reshape(1, 100, 1) % 7
    net = late(kind, 40.5e-6, engine, dt)
    whole = net.run(x)
    net.run(torch.zeros(1, 3, 1), dt=1e7 / 3)
    found = [net.run(x[:, k : k + 1], reset=False) for k in range(100)]
    assert float(whole[:, 41:].sum()) > 0
    torch.testing.assert_close(torch.cat(found, 1), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["events", "values", "charge"])
def test_a_snapshot_holds_what_is_in_flight(kind):
    """Also where dt changes behind it: bit for bit."""
    x = torch.arange(30.0).reshape(1, 30, 1) % 5
    net, other = late(kind, 5.3 * MS), late(kind, 5.3 * MS)
    net.run(x[:, :10])
    kept = net.snapshot()
    want = net.run(x[:, 10:], dt=[(0.3 * MS, 8), (2 * MS, 12)], reset=False)
    for again in (net, other):
        again.run(x[:, 7:9])
        again.restore(kept)
        assert torch.equal(again.run(x[:, 10:], dt=[(0.3 * MS, 8), (2 * MS, 12)], reset=False), want)
    assert float(want.sum()) > 0


@pytest.mark.parametrize("kind", ["events", "values", "charge"])
def test_gradients_through_what_is_in_flight(kind):
    """A run in pieces whose graph is kept has the gradient of the run."""
    with torch.enable_grad():
        grads = []
        for cuts in ([12], [3, 12], [3, 5, 12]):
            x = (torch.arange(12.0, dtype=torch.float64).reshape(1, 12, 1) % 3).requires_grad_()
            net = late(kind, 4 * MS)
            outs, first = [], 0
            for last in cuts:
                outs.append(net.run(x[:, first:last], reset=first == 0, detach=False))
                first = last
            (torch.cat(outs, 1)[0, :, 0] * torch.arange(12.0)).sum().backward()
            grads.append(x.grad)
    assert float(grads[0].abs().sum()) > 0
    for grad in grads[1:]:
        torch.testing.assert_close(grad, grads[0], rtol=1e-12, atol=1e-12)
