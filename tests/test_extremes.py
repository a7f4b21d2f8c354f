"""Every model and every part of a device at the extremes of its parameters, in float32 against float64: the same within a stated
tolerance, or refused; never NaN.
"""

import pytest
import torch

import extremes
import ship
from ship.models.contract import Bag, Connection, Model, Neuron, Rule, Source
from ship.models.devices import IV, Endurance, Faults, Programming, ReadNoise, Retention, Thermal, Update
from ship.models.devices.contract import Pulse
from ship.parameters import declared

F32, F64 = torch.float32, torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
N, SLOTS = 96, 12
LEVEL = {"V": 30.0, "S": 1e-8, "A": 1e-9}  # V/s, S, A: what a port is given
FLOOR = {"A": 1e-9}  # what a state is compared with, where it is less: the current that it adds to
DTS = (1e-9, 1e-6, 1e-3, 1.0, 1e3)
# float32 against float64: a dozen slots of some ten operations, each rounded by 6e-8 of numbers up to 10^3 times the result
CLOSE = 1e-3


def settings(cls):
    """The defaults, and each declared choice of an option in turn, where it changes the mathematics."""
    found = [{}]
    for name, option in declared(cls)[1].items():
        if name in ("side", "drive", "window_function", "resistance", "additive", "continuous", "devices", "of"):
            found += [{name: choice} for choice in option.choices if choice != option.default]
    return found


def kinds(cls, *bases):
    return [
        pytest.param(c, s, id=f"{c.__name__}{'-' + str(next(iter(s.values()))) if s else ''}")
        for c in cls
        if issubclass(c, bases)
        for s in settings(c)
    ]


def feed(net, tag, model):
    """What every port of a group gets."""
    for name, port in model.ports.items():
        source, kind = f"{tag}_{name}", ship.SpikeInput if port.kind == "events" else ship.CurrentInput
        net.add(kind, source, n=N)
        net.add(ship.Link, f"{source}_link", source=source, target=tag, port=name, gain=0.837)  # no sum of inputs is a threshold


def drive(net, dtype):
    """Some spikes and steady levels, for all inputs of a network."""
    x = {}
    for tag in net._specs:
        model = net._specs[tag].model
        if isinstance(model, ship.SpikeInput):
            x[tag] = torch.zeros(1, SLOTS, net[tag].n, dtype=dtype)
            x[tag][0, (0, 3, 4)] = torch.tensor([1.0, 2.0, 1.0], dtype=dtype).unsqueeze(-1)
        elif isinstance(model, ship.CurrentInput):
            link = net._specs[f"{tag}_link"]
            unit = net._specs[link.target[0]].model.ports[link.port].unit
            x[tag] = torch.full((1, SLOTS, net[tag].n), LEVEL[unit], dtype=dtype)
    return x


def add(net, cls, values, options):
    """A group ``m`` of the class with the cases as its units, between what it needs."""
    per_connection = {k: v.unsqueeze(0) for k, v in values.items()}
    if issubclass(cls, Source):
        net.add(cls, "m", n=N, **values, **options)
    elif issubclass(cls, Neuron):
        net.add(cls, "m", n=N, **values, **options)
        feed(net, "m", cls)
    elif issubclass(cls, Rule):
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "t", n=N, tau=0.1, v_th=0.2)
        weight = torch.full((1, N), 0.5, dtype=F64).clamp(per_connection["w_min"], per_connection["w_max"])
        net.add(ship.ExpSynapse, "m", source="in", target="t", weight=weight, rule=cls(**per_connection))
        net.add(ship.CurrentInput, "t_charge", n=N)
        net.add(ship.Link, "t_charge_link", source="t_charge", target="t", port="charge")
    elif not cls.accepts:
        net.add(ship.LeakyIntegrator, "t", n=N)
        net.add(cls, "m", target="t", **values, **options)
        feed(net, "m", cls)
    else:
        net.add(ship.LeakyIntegrator, "t", n=N)
        alone = cls.one_to_one or options.get("side") == "pre"
        net.add(ship.SpikeInput, "in", n=N if alone else 1)
        shaped = {
            k: v
            if alone or (p.per != "connection" and options.get("side") != "connection" and cls.weighted)
            else per_connection[k]
            for (k, v), p in zip(values.items(), (extremes.declarations(cls)[k] for k in values), strict=True)
        }
        if "bias" in values:
            shaped["bias"] = values["bias"]
        weight = {"weight": torch.eye(N) if alone else torch.ones(1, N)} if "weight" in extremes.declarations(cls) else {}
        net.add(cls, "m", source="in", target="t", **weight, **shaped, **options)


def run(cls, values, options, dt, dtype, engine):
    """Everything that a run of the cases shows: outputs, states, what the target makes of it, weights: ``{name: [time, case]}``."""
    net = ship.Network()
    add(net, cls, values, options)
    net.init(dt=dt, dtype=dtype, engine=engine)
    watched = {}
    for tag in ("m", "t"):
        if tag in net._specs:
            states = net[tag].model.states
            watched[tag] = ["output", *(states._fields if states and net[tag].side != "connection" else ())]
            watched[tag] += ["margin"] if issubclass(type(net[tag].model), ship.SpikingNeuron) else []
            net.monitor(tag, *watched[tag])
    net.run(drive(net, dtype) or None, steps=SLOTS)
    found = {f"{tag}.{name}": getattr(net.records[tag], name) for tag, names in watched.items() for name in names}
    if issubclass(cls, Rule):
        found["weight"] = net["m"].plastic_weight[0]
    return {k: v.reshape(-1, N) for k, v in found.items() if v.shape[-1] == N}


def legal(cls, options, dt):
    """Refuses what the model refuses, and dead times that float32 cannot count."""

    def check(p):
        if "weight" in extremes.declarations(cls):
            p.weight = torch.ones(1)
        cls(**options).check("case", p)
        if float(getattr(p, "t_ref", torch.zeros(1))) / dt > 2**23 or bool(getattr(p, "w_min", 0) > getattr(p, "w_max", 1)):
            raise ship.ShipError("case", "is refused")

    return check


def decided(truth):
    """The cases in which no unit comes so close to its threshold that float32 cannot tell on which side it is."""
    clear = torch.ones(N, dtype=torch.bool)
    for name, margin in truth.items():
        if name.endswith(".margin"):
            v = truth[name.replace("margin", "v")]
            clear &= margin.abs().amin(0) > 1e-5 * (v.abs().amax(0) + margin.abs().amax(0))
    assert int(clear.sum()) > N / 2
    return clear


def compare(one, truth, values, units):
    clear = decided(truth)
    for name, wanted in truth.items():
        if name.endswith(".margin"):  # of a spike it says only that there is one
            continue
        scale = wanted.abs().amax(0).clamp(min=FLOOR.get(units.get(name, ""), 1e-30))
        assert not torch.isnan(one[name]).any() and not torch.isnan(wanted).any(), name
        error, case = extremes.worst(
            one[name][:, clear], wanted[:, clear], scale[clear], {k: v[clear] for k, v in values.items()}
        )
        assert error <= CLOSE, f"{name}: {error:.2g} at {case}"


@pytest.mark.parametrize(("cls", "options"), kinds(extremes.classes(ship.models, Model), Neuron, Connection, Rule, Source))
def test_models_at_their_extremes(cls, options):
    own = {k: p for k, p in extremes.declarations(cls).items() if k != "weight"}
    states = cls.states
    units = {f"m.{name}": state.unit for name, state in zip(states._fields, states, strict=True)} if states else {}
    for dt in DTS if own else ():
        values = extremes.cases(own, N, 7, legal(cls, options, dt))
        truth = run(cls, values, options, dt, F64, "reference")
        for engine in ("reference", "fused"):
            compare(run(cls, values, options, dt, F32, engine), truth, values, units)


# -- devices -------------------------------------------------------------------------------------------------------------------

G_MIN, G_MAX = 1e-6, 100e-6
PULSES = [(v, width, n) for v in (1.0, -1.0, 0.3, -0.3) for width in (1e-8, 1e-4) for n in (0.0, 1.0, 1000.0)]
AGES = (0.0, 1e-9, 1.0, 30.0, 1e4)


def whole(part, values, dtype):
    """The parameters of the cases in a window, and random numbers for its events: the same for both types."""
    p = {"g_min": torch.full((N,), G_MIN, dtype=F64), "g_max": torch.full((N,), G_MAX, dtype=F64)} | values
    generator = torch.Generator().manual_seed(5)
    xi = tuple(torch.randn(N, dtype=F64, generator=generator).to(dtype) for _ in range(part.normals))
    bag = Bag({k: v.to(dtype) for k, v in p.items()})
    if isinstance(part, Update):
        bag.__dict__["g_min"], bag.__dict__["g_max"] = part.window(bag)
    if part.frozen:
        frozen = tuple(torch.randn(N, dtype=F64, generator=generator).to(dtype) for _ in range(part.frozen))
        bag.__dict__["frozen"] = torch.stack(frozen)
        xi = frozen if isinstance(part, Faults) else xi
    return bag, xi


def happens(part, values, dtype):
    """What a part makes of devices over the whole window: conductances (S) or currents (A), ``{event: [case]}``."""
    p, xi = whole(part, values, dtype)
    number = lambda x: torch.full((N,), x, dtype=dtype)  # noqa: E731
    found = {}
    for at in (0.0, 0.37, 1.0):
        g = p.g_min + at * (p.g_max - p.g_min)
        if isinstance(part, Update):
            found |= updates(part, g, p, xi, at, number)
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
                found |= dict(
                    zip((f"low {cycles}", f"high {cycles}"), part.window(p.g_min, p.g_max, number(cycles), p), strict=True)
                )
        elif isinstance(part, Thermal):
            found |= {f"speed {kelvin}": part.speed(number(kelvin), p) for kelvin in (250.0, 300.0, 400.0)}
    return found


def updates(part, g, p, xi, at, number):
    """Conductances and currents after pulses, on devices that were written to ``g``."""
    states = part.states
    start = type(states)(
        *(
            (getattr(p, s.initial) if isinstance(s.initial, str) else number(s.initial)).expand(*(s.inner,) * bool(s.inner), N)
            for s in states
        )
    )
    x, found = part.place(g, start, p), {}
    for v, width, n in PULSES:
        after = part.pulse(x, Pulse(number(v), number(width), number(n)), p, xi)
        found[f"pulse {at} {v} V {width} s {n:g}"] = part.conductance(after, p)
    return found
