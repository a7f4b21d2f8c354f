"""Random networks and an independent simulation of them, which shares no code with the library: NumPy, slot by slot."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import torch
from hypothesis import strategies as st

import ship

DT = 1e-3
STEPS = 24
EVENTS = ("ImpulseSynapse", "ExpSynapse", "AlphaSynapse", "Link")


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
