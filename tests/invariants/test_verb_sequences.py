"""The state of a network can be saved, copied and restored at any moment: random histories, done to a copy, too.

A history is a list of verbs, drawn from a seed. After each verb the network is copied, in one of the ways that there are; the
next verb is done to both, and what it returns and every number of the state must be equal, bit for bit.
"""

from __future__ import annotations

import contextlib
import copy
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import ship
from ship import devices as d
from ship.network.settings import deciding
from synapses import HIGH, LOW, Drift, Noisy, Spread

pytestmark = pytest.mark.filterwarnings("ignore:.*the target would", "ignore:Network.init", "ignore:Network.program")
PARTS = [Drift, Noisy, Spread]
N = {"in": 5, "hid": 4, "out": 3}

# -- networks ------------------------------------------------------------------------------------------------------------------


def memory(**parts: Any) -> ship.Device:
    return ship.Device(name="test", g_min=LOW, g_max=HIGH, **parts)


DRIFTING = memory(
    update=d.Bounded(alpha_p=ship.Varied(0.05, d2d=0.1, c2c=0.2), alpha_d=0.05),
    programming=Spread(),
    retention=Drift(nu=ship.Varied(0.1, d2d=0.2, c2c=0.1)),
    noise=d.FlickerNoise(),
    faults=d.Stuck(low=0.1, high=0.1, open=0.1),
    thermal=d.Arrhenius(),
)
WORN = memory(update=d.Bounded(alpha_p=0.1, alpha_d=0.1), retention=d.PowerDrift(), noise=Noisy(), endurance=d.Wear())
LINES = ship.crossbar.Crossbar(r_row=2.0, r_col=2.0, tile=(3, 4), adc=ship.crossbar.ADC(6, 2e-5, bipolar=True))
FEW = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 1]])
LEARNS = {"rule": ship.PairSTDP(a_plus=0.1, a_minus=0.1, w_min=-1.0), "weight": ship.Uniform(0.0, 1.0)}

KINDS: dict[str, dict[str, Any]] = {  # keywords of the synapse from "in" to "hid"
    "no devices": {},
    "varied": {"weight": ship.Varied(ship.Normal(0.5, 0.3), d2d=0.2), "delay": ship.Uniform(0.0, 5e-3)},
    "edges": {"connect": ship.Probability(0.5), "side": "connection"},
    "drifting": {"device": DRIFTING},
    "phase change": {"device": d.pcm(), "mapping": ship.Differential(pairs=2)},
    "offset": {"device": memory(retention=Drift()), "mapping": ship.Offset()},
    "digits": {"device": memory(programming=Spread(), retention=Drift()), "mapping": ship.devices.BitSliced()},
    "crossbar": {"device": memory(noise=Noisy(), retention=Drift()), "crossbar": LINES},
    "worn": {"device": WORN, "mapping": ship.Differential(levels=9)},
    "volatile": {"device": d.usc_diffusive()},
    "ferroelectric": {"device": d.deng_fefet()},
    "devices on edges": {"device": DRIFTING, "connect": FEW},
    "plastic": LEARNS,
    "plastic alone": {**LEARNS, "rule": ship.PairSTDP(a_plus=0.1, per_sample=True), "delay": 2e-3},
    "plastic edges": {**LEARNS, "connect": FEW},
    "pulses": {**LEARNS, "device": DRIFTING, "learning": ship.Pulsing(step=0.02, bias="V/2")},
    "pulses on edges": {**LEARNS, "device": WORN, "connect": FEW, "learning": ship.Pulsing(step=0.05, how="up")},
}


def build(kind: str, chips: Any, engine: str, dtype: torch.dtype) -> ship.Network:
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=N["in"])
    net.add(ship.PoissonSource, "noise", n=2, rate=100.0)
    net.add(ship.NoisyLIF if kind in ("varied", "drifting") else ship.LIF, "hid", n=N["hid"], v_th=0.5, t_ref=2.5e-3)
    net.add(ship.LeakyIntegrator, "out", n=N["out"], output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="hid", **({"weight": ship.Normal(0.5, 0.3)} | KINDS[kind]))
    net.add(ship.ImpulseSynapse, "n", source="noise", target="hid", delay=3e-3)
    again = {"device": KINDS[kind]["device"]} if kind in ("drifting", "offset") else {}
    net.add(ship.ExpSynapse, "r", source="hid", target="hid", delay=1.5e-3, weight=ship.Normal(0.1, 0.3), **again)
    net.add(ship.ExpSynapse, "o", source="hid", target="out", delay=1e-3)
    net.init(seed=7, chips=chips, engine=engine, dtype=dtype)
    return net


# -- verbs: each is drawn as a function that does the same to any copy of the network, and returns what there is to compare ---

Verb = Callable[[ship.Network], Any]


def of(draw: random.Random, steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(draw.randrange(10**6))
    return (torch.rand(2, steps, N["in"], generator=generator) < 0.4).double()


def run(draw: random.Random) -> Verb:
    x, go_on, trial = of(draw, draw.randrange(1, 20)), draw.random() < 0.6, draw.choice([None, 0, 3])
    first, inference, programme = draw.choice([0, 8]), draw.random() < 0.3, draw.random() < 0.3

    def verb(net: ship.Network) -> Any:
        options: dict[str, Any] = {"reset": not go_on}
        if not go_on or net._sim.lead is None:
            options |= {"trial": trial, "first_sample": first}
        if programme:
            options["dt"] = [(0.7e-3, x.shape[1] // 2), (1e-3, x.shape[1] - x.shape[1] // 2)][x.shape[1] < 2 :]
        with torch.inference_mode(inference), torch.set_grad_enabled(not inference and not go_on):
            return net.run(x, **options).detach()

    return verb


def step(draw: random.Random) -> Verb:
    x = of(draw, 3)
    return lambda net: torch.stack([net.step(x[:, k]).detach() for k in range(3)])


def train(draw: random.Random) -> Verb:
    x = of(draw, 8)

    def verb(net: ship.Network) -> Any:
        net.zero_grad()
        net.run(x).square().sum().backward()
        grads = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
        with torch.no_grad():
            for p in net.parameters():
                if p.grad is not None:
                    p -= 0.01 * p.grad.sign()
        net.zero_grad()
        return grads

    return verb


def with_devices(net: ship.Network) -> list[str]:
    return [tag for tag in net.tags if net[tag].hardware is not None]


def program(draw: random.Random) -> Verb:
    verify = draw.choice([None, ship.WriteVerify(0.05, most=3, by=draw.choice(["rewrite", "pulse", "train"]))])
    scale = draw.choice([None, 0.5])

    def verb(net: ship.Network) -> Any:
        tags = with_devices(net)
        weights = {tag: scale * net[tag].model_weight().detach() for tag in tags} if scale else None
        return [part for written in net.program(verify=verify, weights=weights).values() for part in written]

    return verb


def wait(draw: random.Random) -> Verb:
    seconds, kelvin = draw.choice([1e-3, 1.0, 1e5]), draw.choice([None, None, 350.0])
    return lambda net: net.wait(seconds, kelvin=kelvin)


def sample(draw: random.Random) -> Verb:
    drift, kelvin = draw.choice([0.0, 10.0, 1e5]), draw.choice([None, None, 350.0])
    return lambda net: net.sample_devices(drift=drift, kelvin=kelvin)


def repair(draw: random.Random) -> Verb:
    tolerance, verify = draw.choice([0.03, 0.2]), draw.choice([None, ship.WriteVerify(0.1, most=2)])
    return lambda net: [part for made in net.repair(tolerance=tolerance, verify=verify).values() for part in made]


def adopt(draw: random.Random) -> Verb:
    seed = draw.randrange(100)

    def verb(net: ship.Network) -> None:
        hardware = net["s"].hardware
        shape = hardware.pairs if hardware is not None else (1,)
        u = torch.rand(9, *shape, generator=torch.Generator().manual_seed(seed))
        view = None if hardware is None else hardware.view
        g = u if view is None else view.low + u * (view.high - view.low)
        net.adopt("s", *g[: 1 if hardware is None else hardware.mapping.devices])

    return verb


def again(draw: random.Random) -> Verb:
    tau, engine = draw.choice([4e-3, 8e-3]), draw.choice(["fused", "reference"])
    options: dict[str, Any] = {"dt": draw.choice([1e-3, 0.5e-3]), "seed": draw.choice([7, 8])}
    options |= {"variation": draw.random() < 0.8, "keep": draw.choice([True, True, False])}

    def verb(net: ship.Network) -> None:
        made = {"chips": net._settings["chips"], "dtype": net._settings["dtype"]}
        net.set("s", tau=tau)
        net.init(engine=engine, **made, **options)

    return verb


def cast(draw: random.Random) -> Verb:
    how: Verb = draw.choice(
        [lambda net: net.double(), lambda net: net.float(), lambda net: net.to(torch.float64), lambda net: net.to("cpu")]
    )
    return lambda net: [how(net), None][1]


def forget(net: ship.Network) -> None:
    net.reset()


def look(net: ship.Network) -> None:
    """Do what only looks at a network, and assert that it changes nothing."""
    before = state(net)
    for what in (net.explain, lambda: repr(net), lambda: net.tune(torch.ones(1, 2, N["in"]), trial=9)):
        with contextlib.suppress(ship.ShipError):
            what()
        assert_equal(state(net), before)


VERBS: dict[str, Callable[[random.Random], Verb]] = {
    "run": run,
    "step": step,
    "train": train,
    "program": program,
    "wait": wait,
    "sample_devices": sample,
    "use_weights": lambda draw: lambda net: net.use_weights(),
    "compensate": lambda draw: lambda net: net.compensate(),
    "calibrate": lambda draw: lambda net: net.calibrate(),
    "repair": repair,
    "adopt": adopt,
    "read": lambda draw: lambda net: net.read("s"),
    "refresh": lambda draw: lambda net: net.refresh("s", above=0.5),
    "set and init": again,
    "to": cast,
    "reset": lambda draw: forget,
    "look": lambda draw: look,
}
ALWAYS = ["run"] * 6 + ["step", "train", "set and init", "to", "reset", "look"]
LIKELY = ALWAYS + ["program"] * 3 + sorted(VERBS.keys() - set(ALWAYS))


def likely(kind: str) -> list[str]:
    """The verbs of a network; each is drawn as often as it is in the list."""
    return LIKELY if "device" in KINDS[kind] else ALWAYS


def done(verb: Verb, net: ship.Network) -> Any:
    """What the verb returns, or the error that it raises: a refused verb is part of the history."""
    try:
        return verb(net)
    except ship.ShipError as error:
        return f"{type(error).__name__}: {error}"


# -- ways to copy, and what is equal ---------------------------------------------------------------------------------------------


def fresh(net: ship.Network) -> ship.Network:
    """The same groups and settings, as made by `init`."""
    made, own = ship.Network(), net._settings
    made._specs = dict(net._specs)
    made.init(**own)
    return made


def by_snapshot(net, path, disturb):
    made = fresh(net)
    done(disturb, made)
    if deciding(made.settings) != deciding(net.settings):  # else the snapshot belongs to another network
        made = fresh(net)
    made.restore(net.snapshot())
    return made


def by_going_back(net, path, disturb):
    twin, kept = copy.deepcopy(net), net.snapshot()
    done(disturb, net)
    if deciding(net.settings) == deciding(twin.settings):
        net.restore(kept)
        return twin
    return copy.deepcopy(net)


def by_file(net, path, disturb):
    ship.save(net, path, running=True)
    return ship.load(path, models=PARTS)


def from_the_start(net, made):
    """Neither has a running state: both begin at trial 0."""
    both = [done(lambda other: other.run(torch.ones(2, 2, N["in"]), trial=0), each) for each in (net, made)]
    assert_equal(*both)
    net.reset(), made.reset()
    return copy.deepcopy(net) if isinstance(both[0], str) else made  # refused: the clocks remain unlike


def by_file_at_rest(net, path, disturb):
    ship.save(net, path)
    return from_the_start(net, ship.load(path, models=PARTS))


def by_state_dict(net, path, disturb):
    made = fresh(net)
    done(disturb, made)
    if deciding(made.settings) != deciding(net.settings):
        made = fresh(net)
    made.load_state_dict({name: value.clone() for name, value in net.state_dict().items()})
    return from_the_start(net, made)


WAYS = {
    "deepcopy": lambda net, path, disturb: copy.deepcopy(net),
    "pickle": lambda net, path, disturb: pickle.loads(pickle.dumps(net)),
    "snapshot": by_snapshot,
    "back": by_going_back,
    "file": by_file,
    "file at rest": by_file_at_rest,
    "state_dict": by_state_dict,
}


def state(net: ship.Network) -> dict[str, Any]:
    snapshot = net.snapshot()
    return snapshot.tensors | {"meta": snapshot.meta}


def assert_equal(a: Any, b: Any, where: str = "") -> None:
    if isinstance(a, Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a.nan_to_num(-1.0), b.nan_to_num(-1.0)), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), f"{where}: {a.keys() ^ b.keys()}"
        for name in a:
            assert_equal(a[name], b[name], f"{where} {name}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where} {i}")
    else:
        assert a == b, where


def floats(net: ship.Network) -> set[torch.dtype]:
    """The float types of all tensors that follow the network's; a few are float64 whatever that is."""
    exact = ("/age", ".age", ".cycles", ".full", ".drift_", ".kelvin_")
    return {v.dtype for k, v in net.snapshot().tensors.items() if v.is_floating_point() and not k.endswith(exact)}


def follow(seed: int, kind: str, length: int, path: Any) -> list[str]:
    """One history; the names of the verbs that were not refused."""
    draw = random.Random(f"{kind} {seed}")
    chips, engine = draw.choice([None, 2, [3, 0, 9]]), draw.choice(["fused", "reference"])
    net = build(kind, chips, engine, draw.choice([torch.float32, torch.float64]))
    twin, told, worked = fresh(net), [f"chips={chips}, engine={engine}"], []
    for _ in range(length):
        name, way = draw.choice(likely(kind)), draw.choice(list(WAYS))
        verb, disturb = VERBS[name](draw), VERBS[draw.choice(likely(kind))](draw)
        told += [name, f"({way})"]
        where = f"{kind} {seed}: {' '.join(told)}"
        try:
            a, b = done(verb, net), done(verb, twin)
            assert_equal(a, b, where)
            assert_equal(state(net), state(twin), where)
            assert floats(net) == {net._settings["dtype"]}, where
            twin = WAYS[way](net, path, disturb)
            assert_equal(state(net), state(twin), f"{where} copied")
        except Exception as error:
            error.add_note(where)
            raise
        worked += [] if isinstance(a, str) else [name]
    return worked


@pytest.mark.parametrize("kind", KINDS)
def test_copies_go_on_as_the_original(kind, tmp_path):
    worked = [name for seed in range(3) for name in follow(seed, kind, 8, tmp_path / "net.ship")]
    assert len(worked) >= 12  # of 24: most verbs are not refused
    assert len(set(worked)) >= 4
