"""What a user-defined model finds in ``x``: as the documents' table says, on both engines; a synapse with short-term plasticity
against its recursion; and errors that name the group where a model is wrong.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch

import ship
from pages import blocks, page, run_python, table

F64 = torch.float64
ENGINES = ("reference", "fused")
N_PRE, N_POST, DT = 3, 5, 1e-3
WEIGHT = torch.arange(1.0, 1 + N_PRE * N_POST, dtype=F64).reshape(N_PRE, N_POST) / 8
SPIKES = torch.tensor([1.0, 0.0, 2.0], dtype=F64)
SEEN: list[dict[str, Any]] = []


class Memory(NamedTuple):
    v: Any


@dataclass(frozen=True)
class Post(ship.Synapse):
    """A synapse that keeps what it was given."""

    states = Memory(v=ship.State(0.0))

    def step(self, state, x, p, c):
        SEEN.append(dict(vars(x)))
        return x.value, Memory(state.v + x.value)


@dataclass(frozen=True)
class Unweighted(ship.Connection):
    accepts: ClassVar = ("events",)
    weighted: ClassVar = False
    states = Memory(v=ship.State(0.0))
    step = Post.step


@dataclass(frozen=True)
class One(Unweighted):
    one_to_one: ClassVar = True


KINDS = {
    'side="post" (default)': (Post, {"weight": WEIGHT}),
    'side="pre"': (Post, {"weight": WEIGHT, "side": "pre"}),
    'side="connection"': (Post, {"weight": WEIGHT, "side": "connection"}),
    "weighted = False": (Unweighted, {}),
    "one_to_one = True": (One, {}),
}
MEANING = {  # by the document's words: what it is, whatever the shape
    "weighted sums": lambda: SPIKES @ WEIGHT,
    "what arrives": lambda: SPIKES,
    "what arrives times the weight": lambda: SPIKES[:, None] * WEIGHT,
}


def run_once(model, given, engine="reference"):
    one = given.pop("one", model is One)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=N_PRE)
    net.add(ship.LeakyIntegrator, "out", n=N_PRE if one else N_POST, tau=math.inf, output=True)
    net.add(model, "s", source="in", target="out", **given)
    net.init(dt=DT, dtype=F64, engine=engine)
    SEEN.clear()
    return net, net.run(torch.stack([SPIKES, SPIKES * 0])[None])


@pytest.mark.parametrize("row", table(page("docs/add-a-model.md"), "connection"), ids=lambda row: row[0])
def test_what_a_connection_sees(row):
    """Names, shapes and values are those of the table."""
    name, *cells = row
    model, given = KINDS[name]
    run_once(model, dict(given))
    x = SEEN[-2]  # the slot with spikes; the last is silent
    sizes = {"pre": N_PRE, "post": N_PRE if model is One else N_POST, "1": 1}
    said = {"value": cells[0], "arrival": cells[1]}
    assert set(x) == {key for key, text in said.items() if text != "none"}
    for key, seen in x.items():
        words, axes = re.fullmatch(r"(.*) \[(.*)\]", said[key]).groups()
        assert tuple(seen.shape[2:]) == tuple(sizes[a] for a in axes.split(", ")), key
        torch.testing.assert_close(seen[0, 0], MEANING[words]().reshape(seen.shape[2:]))


def test_every_row_is_tested():
    assert [row[0] for row in table(page("docs/add-a-model.md"), "connection")] == list(KINDS)


@dataclass(frozen=True)
class Both(ship.Synapse):
    """The output tells value and arrival apart."""

    side: str = ship.option("connection", choices=("connection",))
    states = Memory(v=ship.State(0.0))

    def step(self, state, x, p, c):
        return x.value + 100 * x.arrival + 10 * state.v, Memory(state.v + x.arrival)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "how", [{}, {"delay": 1e-3 * torch.arange(15).reshape(3, 5)}, {"connect": ship.Edges([0, 0, 2], [1, 4, 1])}], ids=str
)
def test_value_and_arrival_on_both_engines(engine, how):
    """Each spike gives ``w + 100`` on its connection when it arrives, and 10 in each later slot for each spike before."""
    steps = 18
    x = torch.zeros(1, steps, N_PRE, dtype=F64)
    x[0, [0, 3, 3, 5], [0, 1, 2, 0]] = torch.tensor([1.0, 2.0, 1.0, 1.0], dtype=F64)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=N_PRE)
    net.add(ship.LeakyIntegrator, "out", n=N_POST, tau=math.inf)
    net.add(Both, "s", source="in", target="out", weight=WEIGHT, output=True, **how)
    net.init(dt=DT, dtype=F64, engine=engine)
    with torch.no_grad():
        got = net.run(x)[0]
    want = np.zeros((steps, N_POST))
    pairs = [(0, 1), (0, 4), (2, 1)] if "connect" in how else [(i, j) for i in range(N_PRE) for j in range(N_POST)]
    for i, j in pairs:
        late = round(float(how["delay"][i, j]) / DT) if "delay" in how else 0
        arrival = np.concatenate([np.zeros(late), x[0, :, i].numpy()])[:steps]
        want[:, j] += (float(WEIGHT[i, j]) + 100) * arrival + 10 * (arrival.cumsum() - arrival)
    assert want.any()
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)


@pytest.fixture(scope="module")
def stp():
    """Return the class of the synapse that the documents define."""
    text = page("docs/add-a-model.md")
    namespace = {"__name__": "add_a_model", "torch": torch, "ship": ship, "dataclass": dataclass, "NamedTuple": NamedTuple}
    block = next(b for b in blocks(text) if "class STP(" in b.text)
    run_python("docs/add-a-model.md", block, namespace)
    return namespace["STP"]


@pytest.mark.parametrize("engine", ENGINES)
def test_short_term_plasticity(stp, engine):
    """The documents' synapse against the recursion of Tsodyks, Uziel & Markram: from spike to spike u and r have closed forms,
    and the charge of spike n is ``w u_n r_n``, all of it delivered after 30 time constants.
    """
    use, facilitation, recovery, tau, w, gap = 0.2, 0.5, 0.1, 5e-3, 2.0, 150
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LeakyIntegrator, "out", n=1, tau=math.inf, output=True)
    net.add(stp, "s", source="in", target="out", weight=w, use=use, tau_facilitation=facilitation, tau_recovery=recovery, tau=tau)
    net.init(dt=DT, dtype=F64, engine=engine)
    x = torch.zeros(1, 10 * gap + 1, 1, dtype=F64)
    x[:, ::gap] = 1.0
    x[:, -1] = 0.0
    with torch.no_grad():
        v = net.run(x)[0, :, 0]
    assert ("s: kernel, connection by connection" in net.explain()) == (engine == "fused")
    u, r, total = 0.0, 1.0, 0.0
    for n in range(10):
        u = u + use * (1 - u)
        total += w * u * r
        r -= u * r
        assert float(v[(n + 1) * gap]) == pytest.approx(total, rel=1e-9)  # e^-30 of the last charge is still to come
        u *= math.exp(-gap * DT / facilitation)
        r = 1 - (1 - r) * math.exp(-gap * DT / recovery)


def test_gradients_through_value_and_arrival(stp):
    """The same on both engines, of weights (through the value) and of the release (through the arrival)."""
    found = {}
    x = (torch.rand(2, 40, 3, generator=torch.Generator().manual_seed(0)) < 0.3).to(F64)
    for engine in ENGINES:
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LeakyIntegrator, "out", n=2, output=True)
        use = 0.2 + 0.1 * torch.arange(6.0, dtype=F64).reshape(3, 2)
        net.add(stp, "s", source="in", target="out", use=use, trainable=("weight", "use"))
        net.init(dt=DT, dtype=F64, engine=engine, seed=1)
        net.run(x).square().sum().backward()
        found[engine] = net["s"].weight.grad, net["s"].use.grad
    for got, want in zip(found["fused"], found["reference"], strict=True):
        assert float(want.abs().min()) > 0
        torch.testing.assert_close(got, want, rtol=1e-9, atol=0)


def test_a_rule_needs_the_side_that_the_model_has(stp):
    """The model's own side counts, not only what its user wrote."""
    with pytest.raises(ship.GraphError, match=r"STP 's'\.side: must be 'post' for a plastic synapse"):
        ship.Network().add(stp, "s", source="a", target="b", rule=ship.PairSTDP())


def added(connect=None, **given):
    net = ship.Network()
    net.add(ship.SpikeInput, "a", n=6)
    net.add(ship.LIF, "b", n=4, output=True)
    net.add(ship.ExpSynapse, "s", source="a", target="b", connect=connect, **given)
    net.init(dtype=F64)
    return net


MATRIX = 1e-3 * (1 + torch.arange(24.0, dtype=F64).reshape(6, 4))


@pytest.mark.parametrize(
    ("given", "side"),
    [
        ({"tau": MATRIX}, "connection"),
        ({"tau": ship.Varied(MATRIX, d2d=0.1)}, "connection"),
        ({"tau": ship.per_sample(MATRIX.expand(2, 6, 4))}, "connection"),
        ({"tau": MATRIX, "side": "pre"}, "connection"),
        ({"tau": MATRIX, "connect": ship.Probability(0.5)}, "connection"),
        ({"tau": MATRIX[:, 0]}, "pre"),
        ({"tau": MATRIX[0].tolist(), "side": "pre"}, "post"),
    ],
)
def test_a_value_for_another_side(given, side):
    with pytest.raises(ship.ParameterError, match=rf"ExpSynapse 's'\.tau: .*with side='\w+'; got shape .* needs side='{side}'"):
        added(**given)
    added(**(given | {"side": side}))


def test_a_matrix_counts_on_the_edges():
    """With a state on each edge every parameter may be a matrix, as the weight may."""
    net = added(tau=MATRIX, side="connection", connect=ship.Probability(0.5))
    s = net["s"]
    assert 0 < len(s.pre) < 24
    assert torch.equal(s.tau, MATRIX[s.pre, s.post])


# -- what is wrong with a model ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit(ship.Neuron):
    tau: Any = ship.param(10e-3, unit="s", above=0.0)
    ports = {"charge": ship.Port("charge", "V")}
    states = Memory(v=ship.State(0.0))

    def discretise(self, p, dt):
        return (torch.exp(-dt / p.tau),)

    def emit(self, state, jump, p, c):
        return state.v, state

    def advance(self, state, x, p, c):
        return Memory(state.v * c[0] + x.charge)


@dataclass(frozen=True)
class Scalar(Unit):
    def discretise(self, p, dt):
        return (math.exp(-dt / p.tau),)


@dataclass(frozen=True)
class Item(Unit):
    def discretise(self, p, dt):
        return (torch.exp(torch.tensor(-dt / p.tau.item())),)


@dataclass(frozen=True)
class Branches(Unit):
    def advance(self, state, x, p, c):
        return Memory(state.v * c[0] if state.v > 0 else x.charge)


@dataclass(frozen=True)
class Missing(Unit):
    def emit(self, state, jump, p, c):
        return state.v * p.gain, state


@dataclass(frozen=True)
class Checks(Unit):
    def check(self, where, p):
        raise KeyError("tau")


@dataclass(frozen=True)
class Broken(Post):
    def receive(self, state, x, p, c):
        return Memory(state.v @ torch.ones(7, dtype=F64))


@dataclass(frozen=True)
class BrokenRule(ship.Rule):
    def update(self, state, x, w, p, c):
        return 1 / 0, state


def wrong_model(model, engine):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    if issubclass(model, ship.Neuron):
        net.add(model, "t", n=2, tau=ship.Varied(10e-3, d2d=0.1), output=True)
        net.add(ship.ExpSynapse, "s", source="in", target="t")
    else:
        net.add(ship.LIF, "t", n=2, output=True)
        rule = model() if issubclass(model, ship.Rule) else None
        weight = ship.Uniform(0.0, 1.0)
        net.add(ship.ExpSynapse if rule else model, "s", source="in", target="t", rule=rule, weight=weight)
    net.init(engine=engine, chips=3)
    net.run(torch.ones(2, 4, 2))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("model", "text", "cause"),
    [
        (Scalar, r"Scalar 't'\.discretise: the model's own code failed; got ValueError: .* use torch\.exp", ValueError),
        (Item, r"Item 't'\.discretise: .* use torch\.exp and its kin, not math, float\(\) or \.item\(\)", RuntimeError),
        (Branches, r"Branches 't'\.advance: .* no `if` on values: use torch\.where", RuntimeError),
        (Missing, r"Missing 't'\.emit: .*no parameter or input named 'gain'.* Declare it", AttributeError),
        (Checks, r"Checks 't'\.check: .*KeyError: 'tau'", KeyError),
        (Broken, r"Broken 's'\.receive: .*RuntimeError", RuntimeError),
        (BrokenRule, r"ExpSynapse 's'\.update: .*ZeroDivisionError", ZeroDivisionError),
    ],
)
def test_an_error_in_a_model_names_the_group(model, text, cause, engine):
    with pytest.raises(ship.ModelError, match=text) as found:
        wrong_model(model, engine)
    assert isinstance(found.value.__cause__, cause)


@dataclass(frozen=True)
class BrokenPart(ship.devices.Update):
    def pulse(self, x, pulse, p, xi):
        return math.exp(pulse.v)


def test_an_error_in_a_part_of_a_device_names_the_group():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "t", n=2, output=True)
    rule, weight = ship.PairSTDP(), ship.Uniform(0.5, 1.0)
    step = ship.Pulsing(step=1e-3)
    device = ship.Device(update=BrokenPart())
    net.add(ship.ExpSynapse, "s", source="in", target="t", rule=rule, weight=weight, device=device, learning=step)
    net.init()
    net.program()
    with pytest.raises(ship.ModelError, match=r"ExpSynapse 's'\.pulse: .*torch\.exp"):
        net.run(torch.ones(1, 200, 2))


def test_errors_that_are_no_models_pass():
    """What is raised around a model, and not in it, stays as it is."""
    from ship.groups.model_errors import models_named

    with pytest.raises(KeyError, match="mine"), models_named():
        raise KeyError("mine")


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (lambda: ship.Port("level", "V"), r"Port\.kind: must be .*'events', 'charge'.* got 'level'"),
        (lambda: ship.State(0.0, on="both"), r"State\.on: must be .*'unit', 'pre', 'post'.* got 'both'"),
        (lambda: ship.param(1.0, per="edge"), r"param: per: must be .*'unit'.*'connection'; got 'edge'"),
    ],
)
def test_words_of_declarations(declare, text):
    with pytest.raises(ship.ParameterError, match=text):
        declare()


@pytest.mark.parametrize(
    ("attribute", "value", "text"),
    [
        ("emits", "spikes", r"Other 't'\.emits: must be one of 'events', 'charge', 'values'; got 'spikes'"),
        ("ports", {"charge": "charge"}, r"Other 't'\.ports\['charge'\]: must be a port; got 'charge'"),
        ("states", (0.0,), r"Other 't'\.states: must be a NamedTuple of ship\.State"),
    ],
)
def test_what_a_model_says_of_itself(attribute, value, text):
    Other = dataclass(frozen=True)(type("Other", (Unit,), {attribute: value}))
    with pytest.raises(ship.ShipError, match=text):
        ship.Network().add(Other, "t", n=2)


def test_what_a_connection_accepts():
    Other = dataclass(frozen=True)(type("Other", (Post,), {"accepts": ("spikes",)}))
    with pytest.raises(ship.ParameterError, match=r"Other 's'\.accepts: must be one of .* got 'spikes'"):
        ship.Network().add(Other, "s", source="a", target="b")
