"""Random networks against an independent simulation, and all ways of running that must agree. Few examples, always the same ones.

The simulation here shares no code with the library: NumPy, one slot after the other, a queue of arrivals by absolute slot for
each connection, time constants and dead times as the semantics define them. Weights lie on a dyadic grid.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ship

DT = 1e-3
STEPS = 24
pytestmark = pytest.mark.usefixtures("no_grad")
few = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
fewer = settings(few, max_examples=12)

EVENTS = ("ImpulseSynapse", "ExpSynapse", "AlphaSynapse", "Link")


# -- random networks -----------------------------------------------------------------------------------------------------------


def dyadic(rng, shape, low=-0.5, high=1.5):
    return rng.integers(int(low * 16), int(high * 16) + 1, shape) / 16


def random_delay(rng, kind, n_pre, n_post):
    """None of these is an integer multiple of dt by rule; half slots are rounded up."""
    draw = lambda shape: rng.choice([0.0, 0.4, 0.5, 1.0, 2.0, 2.5, 3.3, 7.0], shape) * DT  # noqa: E731
    return {"none": 0.0, "scalar": float(draw(())), "unit": draw(n_pre), "connection": draw((n_pre, n_post))}[kind]


@st.composite
def recipes(draw, charges=False):
    """Groups as ``(class name, tag, keywords)``: inputs, neurons, a readout, and connections at random, loops included."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    sizes = {}
    groups = []
    for i in range(draw(st.integers(1, 2))):
        sizes[f"in{i}"] = draw(st.integers(1, 3))
        groups.append(("SpikeInput", f"in{i}", {"n": sizes[f"in{i}"]}))
    neurons = [f"n{i}" for i in range(draw(st.integers(1, 3)))]
    for tag in neurons:
        n = sizes[tag] = draw(st.integers(1, 3))
        t_ref = draw(st.sampled_from([0.0, 1e-3, 2.5e-3, np.arange(n) * 1e-3]))
        groups.append(
            (
                "LIF",
                tag,
                {
                    "n": n,
                    "tau": draw(st.sampled_from([math.inf, 4e-3, 20e-3])),
                    "t_ref": t_ref,
                    "emit_order": draw(st.sampled_from(["before", "before", "after"])),
                    "v_th": 0.75,
                    "v_reset": draw(st.sampled_from([0.0, -0.25])),
                },
            )
        )
    sizes["out"] = 2
    groups.append(("LeakyIntegrator", "out", {"n": 2, "tau": 10e-3}))
    cells = [*neurons, "out"]
    for tag in neurons[: draw(st.integers(0, 1))]:
        sizes["den"] = sizes[tag]
        groups.append(("Dendrite", "den", {"target": [tag], "v_sat": draw(st.sampled_from([math.inf, 0.5])), "g": 200.0}))
        cells.append("den")
    spiking = [t for t in sizes if t.startswith("in")] + neurons
    for i in range(draw(st.integers(2, 5))):
        kind = draw(st.sampled_from(EVENTS))
        source = draw(st.lists(st.sampled_from(spiking), min_size=1, max_size=2, unique=True))
        target = draw(st.lists(st.sampled_from(cells), min_size=1, max_size=2, unique=True))
        n_pre, n_post = sum(sizes[s] for s in source), sum(sizes[t] for t in target)
        how = draw(st.sampled_from(["none", "scalar", "unit", "connection"]))
        keywords = {"source": source, "target": target}
        if kind == "Link":
            if n_pre != n_post:
                continue
            keywords |= {"gain": dyadic(rng, n_pre), "delay": random_delay(rng, "unit" if how == "connection" else how, n_pre, 1)}
        else:
            keywords |= {"weight": dyadic(rng, (n_pre, n_post)), "delay": random_delay(rng, how, n_pre, n_post)}
            if kind != "ImpulseSynapse":
                keywords["tau"] = draw(st.sampled_from([2e-3, 5e-3]))
                keywords["side"] = draw(
                    st.sampled_from(["post", "connection"] if how == "connection" else ["post", "pre", "connection"])
                )
        groups.append((kind, f"c{i}", keywords))
    groups.append(
        (
            "ImpulseSynapse",
            "first",
            {"source": ["in0"], "target": ["n0"], "weight": dyadic(rng, (sizes["in0"], sizes["n0"]), 0.25, 1.5)},
        )
    )
    x = {t: (rng.random((2, STEPS, n)) < 0.3) * rng.integers(1, 3, (2, STEPS, n)) for t, n in sizes.items() if t.startswith("in")}
    return groups, {t: torch.as_tensor(v).double() for t, v in x.items()}


def build(groups, chips=None, vary=0.0):
    net = ship.Network()
    for model, tag, keywords in groups:
        keywords = dict(keywords)
        if vary and model in ("LIF", "LeakyIntegrator"):
            keywords["tau"] = ship.Varied(min(keywords["tau"], 30e-3), d2d=vary)
        net.add(getattr(ship, model), tag, output=True, **keywords)
    net.init(dt=DT, seed=3, chips=chips, dtype=torch.float64)
    return net


# -- the independent simulation --------------------------------------------------------------------------------------------------


def whole_slots(seconds):
    return np.floor(np.asarray(seconds, dtype=float) / DT + 0.5 + 1e-6).astype(int)


class Slotwise:
    """One sample of one chip. ``value(tag, k)`` is what a group says in slot k; it is computed once, and only from what came
    before.
    """

    def __init__(self, groups, signals, taus, inserted):
        self.model = {tag: model for model, tag, _ in groups}
        self.given = {tag: keywords for _, tag, keywords in groups}
        self.signals, self.taus, self.inserted = signals, taus, inserted
        self.n = {tag: k["n"] for tag, k in self.given.items() if "n" in k}
        for _ in range(3):
            for tag, k in self.given.items():
                if tag not in self.n and all(t in self.n for t in k["target"]):
                    self.n[tag] = sum(self.n[t] for t in k["target"])
        self.queue = defaultdict(lambda: defaultdict(float))  # connection -> slot -> [pre, post or 1]
        self.state = {tag: defaultdict(float) for tag in self.model}
        self.last = {tag: np.full(self.n[tag], -(10**6)) for tag in self.model}  # slot of the last spike
        self.said = {}
        self.busy = set()

    def value(self, tag, k):
        if (tag, k) not in self.said:
            assert (tag, k) not in self.busy, f"{tag} needs itself in slot {k}: a loop without an inserted slot"
            self.busy.add((tag, k))
            self.said[tag, k] = self.work(tag, k)
            self.busy.discard((tag, k))
            for c, keywords in self.given.items():
                if tag in keywords.get("source", ()):
                    self.send(c, tag, k)
        return self.said[tag, k]

    def lags(self, c):
        keywords = self.given[c]
        n_pre = sum(self.n[s] for s in keywords["source"])
        delay = np.asarray(keywords["delay"]) if "delay" in keywords else np.zeros(())
        lags = whole_slots(delay.reshape(-1, 1) if delay.ndim == 1 else delay)
        lags = np.broadcast_to(lags, (n_pre, 1 if self.model[c] == "Link" else self.n[c])).copy()
        row = 0
        for s in keywords["source"]:
            lags[row : row + self.n[s]] += (s, c) in self.inserted
            row += self.n[s]
        return lags

    def send(self, c, tag, k):
        lags, row = self.lags(c), 0
        for s in self.given[c]["source"]:
            if s == tag:
                for i in range(self.n[s]):
                    for j in range(lags.shape[1]):
                        slot = k + lags[row + i, j]
                        if not isinstance(self.queue[c][slot], np.ndarray):
                            self.queue[c][slot] = np.zeros(lags.shape)
                        self.queue[c][slot][row + i, j] += self.said[tag, k][i]
            row += self.n[s]

    def arrivals(self, c, k):
        lags, row = self.lags(c), 0
        for s in self.given[c]["source"]:
            if (lags[row : row + self.n[s]] == 0).any():
                self.value(s, k)
            row += self.n[s]
        return self.queue[c].pop(k, np.zeros(lags.shape))

    def into(self, tag, k, kind):
        """The sum of impulses, or of charge, that enters a group in slot k."""
        total = np.zeros(self.n[tag])
        for c, keywords in self.given.items():
            if tag in keywords.get("target", ()) and (self.model[c] in ("ImpulseSynapse", "Link")) == (kind == "impulse"):
                begin = sum(self.n[t] for t in keywords["target"][: keywords["target"].index(tag)])
                slot = k - ((c, tag) in self.inserted)
                if slot >= 0:
                    total += self.value(c, slot)[begin : begin + self.n[tag]]
        return total

    def work(self, tag, k):
        model, keywords, state = self.model[tag], self.given[tag], self.state[tag]
        if model == "SpikeInput":
            return self.signals[tag][k]
        if model == "LIF":
            return self.lif(tag, k)
        if model == "LeakyIntegrator":
            v = state["v"] + np.zeros(self.n[tag])
            if k:
                v = self.relax(v, self.taus[tag], self.into(tag, k - 1, "charge"))
            state["v"] = v + self.into(tag, k, "impulse")
            return state["v"]
        if model == "Dendrite":
            bound = lambda v: v if math.isinf(keywords["v_sat"]) else keywords["v_sat"] * np.tanh(v / keywords["v_sat"])  # noqa: E731
            v = state["v"] + self.into(tag, k, "impulse")
            state["v"] = self.relax(v, 10e-3, self.into(tag, k, "charge"))
            return DT * keywords["g"] / 2 * (bound(v) + bound(state["v"]))
        arrived = self.arrivals(tag, k)
        if model == "Link":
            return arrived[:, 0] * keywords["gain"]
        drive = (arrived * keywords["weight"]).sum(0)
        if model == "ImpulseSynapse":
            return drive
        tau = keywords["tau"]
        z, keep = DT / tau, math.exp(-DT / tau)
        if model == "ExpSynapse":
            i = state["i"] + drive / tau
            state["i"] = i * keep
            return i * tau * (1 - keep)
        a, i = state["a"] + drive / tau**2, state["i"]
        state["a"], state["i"] = a * keep, (i + a * DT) * keep
        return i * tau * (1 - keep) + a * tau**2 * (1 - (1 + z) * keep)

    @staticmethod
    def relax(v, tau, charge):
        z = DT / np.asarray(tau, dtype=float)
        safe = np.where(z == 0, 1.0, z)
        return v * np.exp(-z) + charge * np.where(z == 0, 1.0, -np.expm1(-safe) / safe)

    def lif(self, tag, k):
        keywords, state, last = self.given[tag], self.state[tag], self.last[tag]
        dead = np.broadcast_to(whole_slots(keywords["t_ref"]), last.shape)  # slots
        v = state["v"] + np.zeros(self.n[tag])
        if keywords["emit_order"] == "before":  # a spike in slot s happens at t_s
            if k:
                v = np.where(k - 1 < last + dead, v, self.relax(v, self.taus[tag], self.into(tag, k - 1, "charge")))
            mute = (dead > 0) & (k <= last + dead)
            v = np.where(mute, v, v + self.into(tag, k, "impulse"))
        else:  # a spike in slot s happens at its end, t_{s+1}
            v = np.where((dead > 0) & (k <= last + 1 + dead), v, v + self.into(tag, k, "impulse"))
            mute = k <= last + dead
            v = np.where(mute, v, self.relax(v, self.taus[tag], self.into(tag, k, "charge")))
        spikes = ~mute & (v >= keywords["v_th"])
        state["v"] = np.where(spikes, keywords["v_reset"], v)
        last[spikes] = k
        return spikes.astype(float)


def simulate(groups, net, x, sample, chip):
    taus = {}
    for model, tag, _ in groups:
        if model in ("LIF", "LeakyIntegrator"):
            value = net[tag].value("tau")
            taus[tag] = (value[chip, 0] if value.ndim == 3 else value).numpy()
    plan = net._plan(DT)
    inserted = {(net._wiring.wires[i].source, net._wiring.wires[i].target) for i in plan.inserted}
    run = Slotwise(groups, {t: v[sample].numpy() for t, v in x.items()}, taus, inserted)
    for k in range(STEPS):
        for _, tag, _ in groups:
            run.value(tag, k)
    return {tag: np.stack([run.said[tag, k] for k in range(STEPS)]) for _, tag, _ in groups}


@few
@given(recipes(), st.sampled_from([None, None, 2]))
def test_random_networks_agree_with_an_independent_simulation(recipe, chips):
    groups, x = recipe
    net = build(groups, chips, vary=0.2 if chips else 0.0)
    out = net.run(x)
    for chip in range(chips or 1):
        for sample in range(2):
            expected = simulate(groups, net, x, sample, chip)
            for model, tag, _ in groups:
                got = (out[tag][chip] if chips else out[tag])[sample].numpy()
                if model == "LIF":
                    np.testing.assert_array_equal(got, expected[tag], err_msg=tag)
                else:
                    np.testing.assert_allclose(got, expected[tag], rtol=1e-11, atol=1e-12, err_msg=tag)


# -- ways of running that must agree ---------------------------------------------------------------------------------------------


def assert_same(a, b, exact=False):
    assert a.keys() == b.keys()
    for tag in a:
        if exact:
            assert torch.equal(a[tag], b[tag]), tag
        else:
            torch.testing.assert_close(a[tag], b[tag], rtol=1e-12, atol=1e-13, msg=lambda m, tag=tag: f"{tag}: {m}")


def cut(x, *slices):
    return {t: v[..., s, :] for t, v in x.items() for s in slices}


def joined(a, b):
    return {t: torch.cat([a[t], b[t]], -2) for t in a}


@fewer
@given(recipes(), st.randoms(use_true_random=False))
def test_order_of_insertion_does_not_matter(recipe, rnd):
    groups, x = recipe
    out = build(groups).run(x)
    mixed = list(groups)
    rnd.shuffle(mixed)
    again = build(mixed).run(x)
    assert_same(dict(sorted(out.items())), dict(sorted(again.items())), exact=True)


@fewer
@given(recipes(), st.integers(1, STEPS - 1))
def test_pieces_batches_and_programmes_equal_one_run(recipe, at):
    groups, x = recipe
    net = build(groups)
    out = net.run(x)
    head, tail = cut(x, slice(None, at)), cut(x, slice(at, None))
    assert_same(joined(net.run(head), net.run(tail, reset=False)), out)
    assert_same(net.run(x, dt=[(DT, at), (DT, STEPS - at)]), out)
    for b in range(2):
        assert_same(net.run({t: v[b : b + 1] for t, v in x.items()}), {t: v[b : b + 1] for t, v in out.items()})


@fewer
@given(recipes())
def test_steps_equal_a_run(recipe):
    groups, x = recipe
    net = build(groups)
    out = net.run(x)
    net.reset()
    slots = [net.step({t: v[:, k] for t, v in x.items()}) for k in range(STEPS)]
    assert_same({t: torch.stack([s[t] for s in slots], -2) for t in out}, out)


@fewer
@given(recipes())
def test_chips_equal_single_dies(recipe):
    groups, x = recipe
    out = build(groups, chips=3, vary=0.3).run(x)
    for die in range(3):
        assert_same(build(groups, chips=[die], vary=0.3).run(x), {t: v[die : die + 1] for t, v in out.items()})


@fewer
@given(recipes(), st.integers(1, STEPS - 1), st.sampled_from([None, 2]))
def test_snapshots_copies_and_files_continue_bit_for_bit(tmp_path_factory, recipe, at, chips):
    groups, x = recipe
    net = build(groups, chips, vary=0.2)
    head, tail = cut(x, slice(None, at)), cut(x, slice(at, None))
    net.run(head)
    kept, twin = net.snapshot(), copy.deepcopy(net)
    path = tmp_path_factory.mktemp("p") / "net.ship"
    ship.save(net, path, running=True)
    out = net.run(tail, reset=False)
    net.run(head, reset=False)  # something else in between
    net.restore(kept)
    for other in (net, twin, ship.load(path)):
        assert_same(other.run(tail, reset=False), out, exact=True)


# -- changes of dt ---------------------------------------------------------------------------------------------------------------

programmes = st.lists(
    st.tuples(st.sampled_from([0.25e-3, 0.3e-3, 0.5e-3, 0.7e-3, 1e-3, 2e-3]), st.integers(1, 9)), min_size=1, max_size=4
)


@few
@given(st.lists(programmes, min_size=1, max_size=3), st.integers(0, 10**6))
def test_events_are_neither_lost_nor_doubled_when_dt_changes(runs, seed):
    """One unit for each event: it arrives once, in the slot nearest to its time, or is still on its way at the end."""
    rng = np.random.default_rng(seed)
    total = sum(n for segments in runs for _, n in segments)
    units = 6
    slot, delay = (
        rng.integers(0, total, units),
        rng.choice([0.0, 0.1e-3, 0.5e-3, 0.75e-3, 1e-3, 1.2e-3, 2.5e-3, 6e-3, 20e-3], units),
    )
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=units)
    net.add(ship.LIF, "cell", n=units)
    net.add(ship.Link, "way", source="in", target="cell", delay=delay, output=True)
    net.init(dt=DT, dtype=torch.float64)
    x = torch.zeros(1, total, units)
    x[0, slot, range(units)] = 1
    outs, times, steps, first = [], [], [], 0
    for i, segments in enumerate(runs):
        n = sum(s for _, s in segments)
        outs.append(net.run(x[:, first : first + n], dt=segments, reset=i == 0)[0].numpy())
        times.append(net.timeline().numpy())
        steps += [d for d, s in segments for _ in range(s)]
        first += n
    out, time, step = np.concatenate(outs), np.concatenate(times), np.array(steps)
    end = time[-1] + step[-1]
    for u in range(units):
        due, found = time[slot[u]] + delay[u], np.flatnonzero(out[:, u])
        assert out[:, u].sum() == len(found) <= 1
        if len(found):
            k = found[0]
            assert abs(time[k] - due) <= max(step[k], step[max(k - 1, 0)]) / 2 + 1e-9
        else:
            assert due >= end - step[-1] / 2 - 1e-9


@few
@given(st.lists(programmes, min_size=1, max_size=3), st.sampled_from([0.0, 1e-3, 2e-3, 6e-3]), st.integers(0, 10**6))
def test_charge_is_neither_lost_nor_doubled_when_dt_changes(runs, delay, seed):
    """A perfect integrator ends with all that was sent: the synapse's charge has a way with a delay of whole slots of the first
    dt.
    """
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LeakyIntegrator, "cell", n=2, tau=math.inf, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", n=2, weight=torch.tensor([[1.0, 0.25], [0.5, 2.0]]), tau=1e-3)
    net.add(ship.Link, "way", source="syn", target="cell", delay=delay)
    net.init(dt=DT, dtype=torch.float64)
    rng = np.random.default_rng(seed)
    sent = torch.zeros(2, dtype=torch.float64)
    for every in runs:
        segments = [(d, n) for d, n in every if abs(delay / d - round(delay / d)) < 1e-9]  # whole slots; see the test below
        if not segments:
            continue
        x = torch.as_tensor(rng.integers(0, 3, (1, sum(n for _, n in segments), 2))).double()
        net.run(x, dt=segments, reset=net._sim.lead is None)
        sent += x.sum((0, 1)) @ net["syn"].value("weight")
    if net._sim.lead is not None:
        last = net.run(torch.zeros(1, 60, 2), dt=DT, reset=False)[0, -1]
        torch.testing.assert_close(last, sent, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "slots"),
    [("charge", s) for s in (0.6, 1.4, 1.6)] + [("values", 0.6), ("values", 1.4), ("values", 1.6)],
)
def test_pieces_equal_one_run_where_a_delay_is_no_whole_number_of_slots(kind, slots):
    net = ship.Network()
    if kind == "charge":
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.ExpSynapse, "a", source="in", n=1, weight=1.0, tau=1e-3)
    else:
        net.add(ship.CurrentInput, "in", n=1)
        net.add(ship.WeightedSum, "a", source="in", n=1, weight=1.0)
    net.add(ship.LIF, "cell", n=1)
    net.add(ship.Link, "way", source="a", target="cell", delay=slots * DT, output=True)
    net.init(dt=DT, dtype=torch.float64)
    x = torch.ones(1, 8, 1)
    out = net.run(x)
    torch.testing.assert_close(torch.cat([net.run(x[:, :4]), net.run(x[:, 4:], reset=False)], 1), out, rtol=1e-12, atol=1e-12)


def test_a_constant_level_stays_constant_when_dt_changes():
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=1)
    net.add(ship.LIF, "cell", n=1)
    net.add(ship.Link, "way", source="in", target="cell", delay=1.4e-3, output=True)
    net.init(dt=DT, dtype=torch.float64)
    out = net.run(torch.ones(1, 16, 1), dt=[(1e-3, 8), (0.25e-3, 8)])[0, :, 0]
    assert out.tolist() == [0.0] + [1.0] * 15


# -- values with leading axes, and where they meet -----------------------------------------------------------------------------


def fan(synapse=ship.ExpSynapse, n_post=3, cell=None, chips=None, **keywords):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LeakyIntegrator, "out", n=n_post, output=True, **(cell or {}))
    net.add(synapse, "s", source="in", target="out", **keywords)
    net.init(dt=DT, seed=5, chips=chips, dtype=torch.float64)
    return net


def three_pulses(batch=1):
    x = torch.zeros(batch, 12, 3)
    x[:, [0, 3, 4], [0, 1, 2]] = 1
    return x


def test_delay_of_one_value_for_each_target():
    try:
        out = fan(ship.ImpulseSynapse, n_post=2, cell={"tau": math.inf}, weight=1.0, delay=[1e-3, 2e-3]).run(three_pulses())
    except ship.ShipError:
        return
    assert out[0, -1].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("name", "side"),
    [("weight", "post"), ("tau", "connection")],
)
@pytest.mark.parametrize("batch", [2, 3])
def test_sweeps_over_the_batch_equal_single_runs(name, side, batch):
    values = torch.linspace(2e-3, 9e-3, batch, dtype=torch.float64)
    out = fan(side=side, **{"weight": 1.0, name: ship.per_sample(values)}).run(three_pulses(batch))
    for b, value in enumerate(values.tolist()):
        single = fan(side=side, **{"weight": 1.0, name: value}).run(three_pulses())
        torch.testing.assert_close(out[b], single[0])


@pytest.mark.parametrize("side", ["pre", "connection"])
def test_exact_drive_does_not_depend_on_the_side(side):
    cell = {"tau": torch.tensor([5e-3, 20e-3, 80e-3])} if side == "pre" else {"tau": ship.Varied(20e-3, d2d=0.3)}
    runs = []
    for where in ("post", side):
        if side == "pre" and where == "pre":
            with pytest.raises(ship.GraphError):  # the charge depends on the target: it cannot be formed on the other side
                fan(drive="exact", side="pre", cell=cell)
            return
        net = fan(drive="exact", side=where, cell=cell, chips=2, weight=torch.arange(9.0).reshape(3, 3))
        runs.append(net.run(three_pulses(2)))
    torch.testing.assert_close(*runs)


def test_two_targets_of_which_one_varies():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "a", n=3, tau=ship.Varied(20e-3, d2d=0.1))
    net.add(ship.LIF, "b", n=2, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target=["a", "b"])
    net.init(chips=2)
    assert net.run(torch.ones(3, 4, 2)).shape == (2, 3, 4, 2)
