"""Every model and every part of a device at the extremes of its parameters, in float32 against float64: the same within a stated
tolerance, or refused; never NaN. What is exported is covered: its cases come from its declarations.
"""

import pytest
import torch

import extremes
import ship
from ship import devices
from ship.base.parameters import declared
from ship.base.parameters.bag import Bag
from ship.devices import IV, Endurance, Faults, Programming, ReadNoise, Retention, Thermal, Unmeasured, Update
from ship.devices.contract import Pulse
from ship.devices.memristor import ode
from ship.devices.memristor.memristor import Memristor
from ship.models.contract import Connection, Neuron, Rule, Source

F32, F64 = torch.float32, torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
# float32 against float64: a dozen slots of some ten operations, each rounded by 6e-8 of numbers up to 10^3 times the result
CLOSE = 1e-3
# Options that change the mathematics.
MATHEMATICS = ("side", "drive", "kind", "window_function", "resistance", "additive", "continuous", "devices", "of")
MATHEMATICS += ("pairing", "synapse", "efficacy", "modulation", "sign")
PARTS = (Update, Programming, Retention, ReadNoise, IV, Faults, Endurance, Thermal)


def kinds(classes):
    """Each class with its default options, and with every other choice of one that changes the mathematics."""
    for cls in classes:
        yield pytest.param(cls, {}, id=cls.__name__)
        for name, option in declared(cls)[1].items():
            for choice in option.choices or () if name in MATHEMATICS else ():
                if choice != option.default:
                    yield pytest.param(cls, {name: choice}, id=f"{cls.__name__}-{choice}")


# -- models --------------------------------------------------------------------------------------------------------------------

N, SLOTS = 96, 12
DTS = (1e-9, 1e-6, 1e-3, 1.0, 1e3)
LEVEL = {"V": 30.0, "S": 1e-8, "A": 1e-9}  # V/s, S, A: what a port is given
FLOOR = {"A": 1e-9}  # what a state is compared with, where it is less: the current that it adds to
MODELS = extremes.classes(ship.models, (Neuron, Connection, Rule, Source))
ALIKE = (ship.CorrelatedPoisson,)  # what its units have in common depends on all of them: each case is a sample of its own


ROUNDING = ("m.rest", "m.phase")  # states that hold what is left of others: of large counts it depends on the float type


def add(net, cls, values, options):
    """A group ``m`` of the class with the cases as its units, among what it needs."""
    per_connection = {k: v.unsqueeze(0) for k, v in values.items()}
    if cls in ALIKE:
        net.add(cls, "m", n=1, **{k: ship.per_sample(v) for k, v in values.items()}, **options)
    elif issubclass(cls, Source | Neuron):
        net.add(cls, "m", n=N, **values, **options)
        feed(net, "m", cls)
    elif issubclass(cls, Rule):
        add_plastic(net, cls, per_connection, options)
    else:
        add_connection(net, cls, values, per_connection, options)


def add_plastic(net, cls, values, options):
    """A synapse with the rule, onto spiking units where the rule learns from spikes, and a modulator where it has one."""
    net.add(ship.SpikeInput, "in", n=1)
    target = ship.LIF if "events" in cls.learns_from else ship.LeakyIntegrator
    net.add(target, "t", n=N, tau=0.1, **({"v_th": 0.2} if target is ship.LIF else {}))
    weight = torch.full((1, N), 0.5, dtype=F64).clamp(values["w_min"], values["w_max"])
    third = {"modulator": "third"} if cls.modulated else {}
    if third:
        net.add(ship.SpikeInput, "third", n=1)
    net.add(ship.ExpSynapse, "m", source="in", target="t", weight=weight, rule=cls(**values, **options), **third)
    feed(net, "t", target, ("charge",))


def add_connection(net, cls, values, per_connection, options):
    if not cls.accepts:
        net.add(ship.LeakyIntegrator, "t", n=N)
        net.add(cls, "m", target="t", **values, **options)
        feed(net, "m", cls)
        return
    conducts = cls.unit == "S"  # into a neuron with conductances, one nanosiemens
    net.add(ship.AdEx if conducts else ship.LeakyIntegrator, "t", n=N)
    own = extremes.declarations(cls)
    side = getattr(cls(**options), "side", "post")
    alone = cls.one_to_one or side == "pre"  # a source unit for each case
    pairs = side == "connection" or not cls.weighted
    shaped = {k: per_connection[k] if k != "bias" and (pairs or own[k].per == "connection") else values[k] for k in values}
    shaped |= {"weight": (torch.eye(N) if alone else torch.ones(1, N)) * (1e-9 if conducts else 1.0)} if "weight" in own else {}
    net.add(ship.SpikeInput if "events" in cls.accepts else ship.CurrentInput, "in", n=N if alone else 1)
    net.add(cls, "m", source="in", target="t", port="exc" if conducts else None, **shaped, **options)


def feed(net, tag, cls, only=None):
    """Something for every port of a group. No sum of it is a threshold."""
    for name, port in cls.ports.items():
        if only is None or name in only:
            source = f"{tag}_{name}"
            net.add(ship.SpikeInput if port.kind == "events" else ship.CurrentInput, source, n=N)
            net.add(ship.Link, f"{source}_link", source=source, target=tag, port=name, gain=0.837)


def inputs(net, dtype):
    """Some spikes and steady levels for all inputs."""
    x = {}
    for tag, spec in net._specs.items():
        if isinstance(spec.model, ship.SpikeInput):
            x[tag] = torch.zeros(1, SLOTS, net[tag].n, dtype=dtype)
            x[tag][0, (0, 3, 4)] = torch.tensor([1.0, 2.0, 1.0], dtype=dtype).unsqueeze(-1)
        elif isinstance(spec.model, ship.CurrentInput):
            link = net._specs.get(f"{tag}_link")  # none: a voltage that a connection of levels takes
            level = 0.7 if link is None else LEVEL[net._specs[link.target[0]].model.ports[link.port].unit]
            x[tag] = torch.full((1, SLOTS, net[tag].n), level, dtype=dtype)
    return x or None


def run(cls, values, options, dt, dtype, engine):
    """Outputs, states, what the target makes of it, weights: ``{name: [time, case]}``."""
    net = ship.Network()
    add(net, cls, values, options)
    net.init(dt=dt, dtype=dtype, engine=engine)
    watched = {}
    for tag in (tag for tag in ("m", "t") if tag in net._specs):
        states = net[tag].model.states
        watched[tag] = ["output", *(states._fields if states and net[tag].side != "connection" else ())]
        watched[tag] += ["margin"] if isinstance(net[tag].model, ship.SpikingNeuron) else []
        net.monitor(tag, *watched[tag])
    net.run(inputs(net, dtype), steps=SLOTS)
    found = {f"{tag}.{name}": getattr(net.records[tag], name) for tag, names in watched.items() for name in names}
    if cls in ALIKE:
        found = {k: v.movedim(0, -1).squeeze(-2) for k, v in found.items()}
    if issubclass(cls, Rule):
        found["weight"] = net["m"].plastic_weight[0]
    return {k: v.reshape(-1, N) for k, v in found.items() if v.shape[-1] == N}


def legal(cls, options, dt):
    """Refuses what the model refuses, dead times that float32 cannot count, long lags, limits of weights in the wrong order."""

    def check(p):
        cls(**options).check("case", p)
        if float(getattr(p, "lag", torch.zeros(1))) / dt >= 16:  # slots
            raise ship.ShipError("case", "is refused")
        if float(getattr(p, "t_ref", torch.zeros(1))) / dt > 2**23 or bool(getattr(p, "w_min", 0) > getattr(p, "w_max", 1)):
            raise ship.ShipError("case", "is refused")

    return check


def decided(truth):
    """The cases in which no unit comes so close to its threshold that float32 cannot tell on which side it is."""
    clear = torch.ones(N, dtype=torch.bool)
    for name, margin in truth.items():
        if name.endswith(".margin"):
            v = truth.get(name.replace("margin", "v"), margin)  # the membrane of a circuit may be a current or a thickness
            clear &= margin.abs().amin(0) > 1e-5 * (v.abs().amax(0) + margin.abs().amax(0))
    assert int(clear.sum()) > N / 2
    return clear


def compare(one, truth, values, units):
    clear = decided(truth)
    for name, wanted in truth.items():
        if name.endswith(".margin") or name in ROUNDING:  # of a spike a margin says only that there is one
            continue
        assert not torch.isnan(one[name]).any(), name
        assert not torch.isnan(wanted).any(), name
        scale = wanted.abs().amax(0).clamp(min=FLOOR.get(units.get(name, ""), 1e-30))
        error, case = extremes.worst(
            one[name][:, clear], wanted[:, clear], scale[clear], {k: v[clear] for k, v in values.items()}
        )
        assert error <= CLOSE, f"{name}: {error:.2g} at {case}"


@pytest.mark.parametrize(("cls", "options"), list(kinds(MODELS)))
def test_models_at_their_extremes(cls, options):
    """Both engines in float32 against the reference in float64, for slots from a nanosecond to a quarter of an hour."""
    own = {k: p for k, p in extremes.declarations(cls).items() if k != "weight"}
    states = cls.states
    units = {f"m.{name}": state.unit for name, state in zip(states._fields, states, strict=True)} if states else {}
    units |= {"t.w": "A"}  # of an AdEx as the target
    for dt in DTS if own else ():
        values = extremes.cases(own, N, 7, legal(cls, options, dt))
        truth = run(cls, values, options, dt, F64, "reference")
        for engine in ("reference", "fused"):
            compare(run(cls, values, options, dt, F32, engine), truth, values, units)


# -- devices -------------------------------------------------------------------------------------------------------------------

G_MIN, G_MAX = 1e-6, 100e-6
PULSES = ((1.0, 1e-8, 0.0), (1.0, 1e-8, 1.0), (-1.0, 1e-8, 1.0), (1.0, 1e-6, 300.0), (-1.0, 1e-6, 300.0), (0.3, 1e-4, 1.0))
AGES = (0.0, 3e-9, 1.0, 30.0, 1e4)
ORBITS = (0.1, 10.0)  # factors for memristors, whose speeds are exponentials of most of their parameters
LONGEST = 400  # steps of an orbit
# Of a memristor: the state is resolved to 1e-6 of its range (`flow`), and the resistance falls by up to 16,000 times along it.
CLOSE_ORBIT = 2e-2


def parameters(part, values, dtype):
    """The cases in a window, and random numbers for an event: the same for both types."""
    n = len(next(iter(values.values()))) if values else N
    p = {"g_min": torch.full((n,), G_MIN, dtype=F64), "g_max": torch.full((n,), G_MAX, dtype=F64)} | values
    generator = torch.Generator().manual_seed(5)
    drawn = [torch.randn(n, dtype=F64, generator=generator).to(dtype) for _ in range(part.normals + part.frozen)]
    bag = Bag({k: v.to(dtype) for k, v in p.items()})
    if isinstance(part, Update):
        bag.__dict__["g_min"], bag.__dict__["g_max"] = part.window(bag)
    if part.frozen and not isinstance(part, Faults):
        bag.__dict__["frozen"] = torch.stack(drawn[part.normals :])
        drawn = drawn[: part.normals]
    return bag, tuple(drawn)


def happens(part, values, dtype, pulses=PULSES, places=(0.0, 0.37, 1.0)):
    """What a part makes of devices over the whole window: ``{event: [case]}``."""
    p, xi = parameters(part, values, dtype)
    low, high = torch.broadcast_tensors(p.g_min, p.g_max)
    number = lambda x: torch.full_like(low, x)  # noqa: E731
    found = {}
    for at in places:
        g = low + at * (high - low)
        if isinstance(part, Update):
            found |= {f"{k} at {at}": v for k, v in pulsed(part, g, p, xi, number, pulses).items()}
        elif isinstance(part, Programming):
            found[f"write {at}"] = part.write(g, p, xi)
        elif isinstance(part, Retention):
            found |= {f"drift {at} {age}": part.drift(g, number(age), p, xi) for age in AGES if age <= part.oldest}
        elif isinstance(part, ReadNoise):
            found |= {f"read {at} {age}": part.read(g, g, number(age), p, xi) for age in AGES}
        elif isinstance(part, IV):
            found |= {f"current {at} {v}": part.current(g, number(v), p) for v in (0.0, 1e-3, -0.5, 2.0)}
        elif isinstance(part, Faults):
            found[f"fault {at}"] = part.broken(g, p, xi)
        elif isinstance(part, Endurance):
            for cycles in (0.0, 1.0, 1e5, 1e12):
                found |= dict(zip((f"low {cycles}", f"high {cycles}"), part.window(low, high, number(cycles), p), strict=True))
        else:
            found |= {f"speed {kelvin}": part.speed(number(kelvin), p) for kelvin in (250.0, 300.0, 400.0)}
    return found


def pulsed(part, g, p, xi, number, pulses):
    """Conductances after pulses on devices that were written to ``g``."""
    states, found = part.states, {}

    def start(state):
        value = getattr(p, state.initial) if isinstance(state.initial, str) else number(state.initial)
        return value.expand(*(state.inner,) * bool(state.inner), *g.shape)

    x = part.place(g, type(states)(*map(start, states)), p)
    for v, width, n in pulses if not isinstance(part, Unmeasured) else ():
        after = part.pulse(x, Pulse(number(v), number(width), number(n)), p, xi)
        found[f"{n:g} pulses of {v} V, {width} s"] = part.conductance(after, p)
    return found


def possible(part):
    """Refuses what the part refuses; of memristors also speeds that are not finite and orbits of very many steps."""

    def check(p):
        part.check("case", parameters(part, vars(p), F64)[0])
        if isinstance(part, Memristor):
            happens(part, vars(p), F32, PULSES[3:5], (0.37,))

    return check


@pytest.mark.parametrize(("cls", "options"), list(kinds(extremes.classes(devices, PARTS))))
def test_parts_at_their_extremes(cls, options, monkeypatch):
    part, orbit = cls(**options), issubclass(cls, Memristor)
    own = extremes.declarations(cls)
    monkeypatch.setattr(ode, "MOST", LONGEST)
    values = extremes.cases(own, 24 if orbit else N, 7, possible(part), factors=ORBITS if orbit else extremes.FACTORS)
    monkeypatch.setattr(ode, "MOST", 10 * LONGEST)
    p, _ = parameters(part, values, F64)
    span = p.g_max - p.g_min
    places = (0.05, 0.37) if orbit else (0.0, 0.37, 1.0)  # at an end an orbit may have no direction
    single, close = happens(part, values, F32, places=places), CLOSE_ORBIT if orbit else CLOSE
    for event, wanted in happens(part, values, F64, places=places).items():
        scale = torch.maximum(wanted.abs(), span.expand_as(wanted))
        error, case = extremes.worst(single[event], wanted, scale, values or {"": span})
        assert error <= close, f"{event}: {error:.2g} at {case}"
