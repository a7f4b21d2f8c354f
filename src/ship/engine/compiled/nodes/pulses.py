"""Plastic synapses on devices for tapes: a learning rule, its pulses and what they do to the devices, as kernels.

One kernel makes whole counts of the changes of a rule, as `ship.devices.weights.pulsing` defines them. Another one takes the
connections whose count is not 0 and applies the pulses to their devices, through the devices' own functions, traced as those of
models are, and gives the weights that these then act as. What is drawn depends on the event, the die and the device only, so that
only those numbers are drawn which are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ....base.random.philox import M32, chip_key
from ....devices import device as physics
from ....devices.contract import Update
from ....devices.device import Trajectory, Values
from ....devices.weights.acting import acting_weight, read_current, slow_noise
from ....devices.weights.pulsing import rounded, share, signed_pulse, within
from ....devices.weights.synapse import SynapseDevices
from ...reference.plastic import PlasticNode
from ..emit.numba import Store, print_numba
from ..kernels.kernel import compiled
from ..tape.tape import ConnectionOperand, Learn, Pulses
from ..trace.program import NotNow, Untraceable, Value, only, used
from ..trace.recorder import trace
from ..trace.simplify import fold
from ..trace.uniform import lifted
from .rule import Learner, Unit, _Builder
from .work import Key, Work

Name = tuple[Any, ...]  # of an input of the devices' kernel, see `_inputs`


def devices_of(node: PlasticNode) -> SynapseDevices:
    hardware = node.group.hardware
    assert hardware is not None
    return hardware


def refusal(node: PlasticNode) -> str | None:
    """Say why pulses on the devices of a plastic synapse need the reference engine, as far as it is known without tracing."""
    hardware = devices_of(node)
    device = hardware.array.device
    why = {
        "learns by pulses while its devices are not programmed": hardware.mode != "programmed",
        "learns by pulses on a crossbar": hardware.crossbar is not None,
        "learns by pulses with a bias scheme": hardware.pulser.pulsing.bias is not None,
        "learns by pulses on devices that change when they are left alone": hardware.ages,
        "learns by pulses on devices whose reads have white noise": hardware.noisy,
        "learns by pulses on devices with several domains": bool(
            device.update.frozen or any(state.inner for state in device.update.states)
        ),
        "learns by pulses on edges": len(hardware.pairs) != 2,
        "learns by pulses away from the CPU": node.group.zero.device.type != "cpu",
    }
    return next((text for text, holds in why.items() if holds), None)


def check_now(node: PlasticNode) -> None:
    """Leave a run to the reference engine in which every pulse is wanted one by one.

    Raises:
        NotNow: pulses are recorded, or their energy is.
    """
    hardware = devices_of(node)
    if hardware.pulser.log is not None or hardware.array.watch is not None:
        raise NotNow("its pulses are recorded")


class CountBuilder(_Builder):
    """Traces a rule up to whole counts: inputs of the program are those of the rule, the step of a count, a uniform number."""

    def counts(self) -> Learner:
        """Return the kernels of the rule: one that makes counts, and for several samples one that adds up their changes first."""
        learner_of = super().build
        first = self.program.inputs
        program = trace(self._counted, first + 2, self.dtype)
        connections = [i for i, side in enumerate(self.sides) if side == "connection"]
        changing = [i for i in connections if self.program.outputs[2 + i] != Value(i)]
        part = only(program, [0, *(1 + i for i in changing)])
        names: dict[int, Key] = {i: i for i in range(first)} | {first: "step", first + 1: "u"}
        keys: list[Key] = [names[i] for i in sorted(used(part) | set(changing))]
        keys.append("count")
        written: list[Key] = ["count", *changing]
        stores = [Store(keys.index(k), False) for k in written]
        loads = [keys.index(names[i]) if names[i] in keys else 0 for i in range(part.inputs)]
        direct = self._printed(part, keys, stores, frozenset(changing), loads)
        made = learner_of()
        return replace(made, alone=(direct,), shared=(made.shared[0], self._from_sum()))

    def _rounded(self, change: Tensor, w: Tensor, low: Tensor, high: Tensor, step: Tensor, u: Tensor) -> Tensor:
        pulsing = devices_of(self.node).pulser.pulsing
        x = within(change, w, low, high) / step
        counts = rounded(x, pulsing.rounding, pulsing.most, u)
        return torch.where(torch.isfinite(x), counts, x * 0.0)  # NaN, which the driver reports

    def _counted(self, *given: Tensor) -> list[Tensor]:
        *own, step, u = given
        _, change, *after = self._whole(*own)
        low, high = (own[self.weight + 1 + self.names.index(name)] for name in ("w_min", "w_max"))
        return [self._rounded(change, own[self.weight], low, high, step, u), *after]

    def _from_sum(self) -> Work:
        """Return the kernel that makes counts of the changes of all samples."""
        mean = self.rule.reduce == "mean"
        low, high = (self.weight + 1 + self.names.index(name) for name in ("w_min", "w_max"))
        keys: list[Key] = [self.weight, "sum", low, high, "step", "u", *(["batch"] if mean else []), "count"]

        def function(
            w: Tensor, total: Tensor, low: Tensor, high: Tensor, step: Tensor, u: Tensor, *batch: Tensor
        ) -> list[Tensor]:
            change = total / batch[0] if mean else total
            return [self._rounded(change, w, low, high, step, u), torch.zeros_like(total)]

        program = trace(function, len(keys) - 1, self.dtype)
        stores = [Store(len(keys) - 1, False), Store(1, False)]
        return self._printed(program, keys, stores, frozenset({"sum"}))


class Law(NamedTuple):
    """The kernel of what pulses do: its operands after the count, and which of them are written."""

    kernel: Any
    normals: tuple[Name, ...]
    fields: tuple[Name, ...]
    written: frozenset[Name]


@dataclass(frozen=True, eq=False)
class DeviceLearner:
    """The kernels of a rule that pulses devices."""

    rule: Learner
    law: Law


class DeviceTensors(NamedTuple):
    """What the devices of a synapse give to their kernel: tensors ``[chip, 1, device, pre, post]`` (or 1 of each), by name."""

    values: dict[Name, Tensor]
    settled: dict[str, Any]  # what the update law knows that is no tensor
    cycles: physics.Cycles


def _five(t: Tensor) -> Tensor:
    return t.detach().reshape((1,) * (5 - t.ndim) + tuple(t.shape))


def tensors_of(hardware: SynapseDevices) -> DeviceTensors:
    """Collect parameters, frozen numbers and what weights are read with, without the states."""
    array, view = hardware.array, hardware.view
    p, t, like = array.values, array.trajectory, hardware.gain
    found: dict[Name, Tensor] = {}
    settled: dict[str, Any] = {}
    for part, made in array.device.parts.items():
        own = p.of(part)
        if isinstance(made, Update) and not set(made.settles) & set(p.cycles.get(part, {})):
            own = made.settle(own)
            settled = {name: value for name, value in vars(own).items() if not isinstance(value, Tensor)}
        found |= {("p", part, name): _five(value) for name, value in vars(own).items() if isinstance(value, Tensor)}
    found |= {("frozen", i): _five(x) for i, x in enumerate(t.frozen)}
    if slow_noise(array.device):
        found |= {("read", i): _five(x) for i, x in enumerate(hardware.trial_noise(array))}
    found["factor",] = (hardware.gain * hardware.column).unsqueeze(2)
    numbers = {"low": view.read_low, "high": view.read_high, "scale": float(hardware.full)}
    found |= {(name,): torch.full((1,) * 5, value, dtype=like.dtype) for name, value in numbers.items()}
    return DeviceTensors(found, settled, p.cycles)


def _plain(values: Mapping[Name, Tensor]) -> dict[Name, float]:
    """Return the values that are one number, 0 or 1 for all devices: a kernel is simpler if it knows them."""
    single = {name: float(t) for name, t in values.items() if t.numel() == 1}
    return {name: number for name, number in single.items() if number in (0.0, 1.0)}


def _one_number(t: Tensor) -> bool:
    """Whether all connections of a chip have the same number, for a device of a weight."""
    return t.shape[3:].numel() == 1


def key(node: PlasticNode, tensors: DeviceTensors) -> Any:
    """Return what the kernel of devices depends on."""
    shapes = tuple((name, t.shape[2] > 1, _one_number(t)) for name, t in tensors.values.items())
    return shapes, tuple(_plain(tensors.values).items()), tuple(tensors.settled.items()), node.group.dtype


class LawBuilder:
    """Traces what pulses do to the devices of one weight, and the weight that they then act as."""

    def __init__(self, node: PlasticNode, tensors: DeviceTensors) -> None:
        self.hardware, self.dtype, self.tensors = devices_of(node), node.group.dtype, tensors
        self.device, self.signs = self.hardware.array.device, self.hardware.mapping.signs()
        self.count = len(self.signs)
        self.states = tuple(self.device.update.states._fields)
        self.inputs = list(self._inputs())

    def _inputs(self) -> Sequence[Name]:
        """Names of all inputs: the count; ``("xi", device, number)``; of each device its state, cycles and age; what is in
        `DeviceTensors`, once for all devices or (with the device's number at the end) for each.
        """
        every, n = range(self.count), physics.draws(self.device, self.tensors.cycles, "update")
        names: list[Name] = [("n",), *(("xi", d, i) for d in every for i in range(n))]
        names += [("x", state, d) for state in self.states for d in every]
        names += [(what, d) for what in ("cycles", "age") for d in every]
        for name, t in self.tensors.values.items():
            names += [(*name, d) for d in every] if t.shape[2] > 1 else [name]
        return names

    def build(self) -> Law:
        """Trace and compile.

        Raises:
            Untraceable: a part of the device is no pointwise program.
        """
        try:
            program = trace(self._whole, len(self.inputs), self.dtype)
        except Untraceable as error:
            raise Untraceable(f"its devices: {error}") from error
        program = fold(program, {self.inputs.index(name): x for name, x in _plain(self.tensors.values).items()})
        fixed = {i for i, name in enumerate(self.inputs) if self._fixed(name)}
        program = lifted(program, fixed)
        read = [self.inputs[i] for i in sorted(used(program))]
        normals = tuple(name for name in read if name[0] == "xi")
        written: list[Name] = [("x", state, d) for d in range(self.count) for state in self.states] + [("weight",)]
        fields = list(dict.fromkeys([*(name for name in read if name[0] not in ("n", "xi")), *written]))
        operands: list[Name] = [("n",), *normals, *fields, *(("moved", d) for d in range(self.count))]
        stores = [Store(operands.index(name), False) for name in (*written, *operands[len(operands) - self.count :])]
        loads = [operands.index(name) if name in operands else 0 for name in self.inputs]
        kernel = compiled(print_numba(program, stores, len(operands), self.dtype, loads, fixed))
        return Law(kernel, normals, tuple(fields), frozenset(written))

    def _fixed(self, name: Name) -> bool:
        """Whether an input is one number for all connections of a chip."""
        values = self.tensors.values
        t = values.get(name, values.get(name[:-1]))
        return t is not None and _one_number(t)

    def _whole(self, *given: Tensor) -> list[Tensor]:
        x = dict(zip(self.inputs, given, strict=True))
        states: list[Tensor] = []
        moved, parts = [], []
        for d in range(self.count):
            after, part = self._one(d, x)
            states += after.x
            moved.append(1 - after.age)
            parts.append(part)
        factor = x.get(("factor",))
        weight = acting_weight(self.hardware.mapping, parts, x["low",], x["high",], factor, x["scale",])
        return [*states, weight, *moved]

    def _one(self, d: int, x: Mapping[Name, Tensor]) -> tuple[Trajectory, Tensor]:
        """Pulse one device; return its trajectory, whose age is then 0 where it moved and 1 elsewhere, and how it is read."""
        device, pulsing = self.device, self.hardware.pulser.pulsing

        def of(*name: Any) -> Tensor:
            return x[(*name, d)] if (*name, d) in x else x[name]

        own: dict[str, dict[str, Any]] = {part: {} for part in device.parts}
        for name in self.tensors.values:
            if name[0] == "p":
                own[name[1]][name[2]] = of(*name)
        own["update"] |= self.tensors.settled
        p = Values(own, self.tensors.cycles)
        frozen = tuple(of(*name) for name in self.tensors.values if name[0] == "frozen")
        state = type(device.update.states)(*(x["x", name, d] for name in self.states))
        pulse = signed_pulse(share(x["n",], self.signs[d], pulsing.how), p.of(""))
        before = Trajectory(state, torch.ones_like(pulse.n), x["cycles", d], (), frozen)
        xi = tuple(v for name, v in x.items() if name[:2] == ("xi", d))
        after = physics.pulsed(device, p, before, pulse, xi, ())
        noise = tuple(of(*name) for name in self.tensors.values if name[0] == "read")
        seen = after._replace(age=x["age", d] * after.age)  # 0 where it moved
        i = read_current(device, p, seen, noise if slow_noise(device) else None)
        return after, i / p.of("").v_read


def build(node: PlasticNode, tensors: DeviceTensors) -> DeviceLearner:
    """Trace the rule of a node, and what pulses do to its devices.

    Raises:
        Untraceable: one of them is no pointwise program.
    """
    return DeviceLearner(CountBuilder(node).counts(), LawBuilder(node, tensors).build())


class PulseUnit(Unit):
    """A plastic synapse on devices in one run of a tape."""

    def __init__(
        self, node: PlasticNode, learner: DeviceLearner, tensors: DeviceTensors, span: tuple[int, int], *given: Any
    ) -> None:
        super().__init__(node, learner.rule, *given)
        self.hardware, self.law, self.tensors = devices_of(node), learner.law, tensors
        array = self.hardware.array
        self.first, self.events = max(span[0], 1), max(0, span[0] + span[1] - max(span[0], 1))
        with torch.inference_mode(False):  # persistent tensors must stay writable
            t = array.trajectory
            self.trajectory = physics.mapped(
                t._replace(frozen=(), kept=()), lambda v: v.expand(array.full_shape).clone()
            )._replace(frozen=t.frozen)
        self.die = self._die()

    def _die(self) -> Tensor:
        """Return for each die two keys, each in two halves, the number of the event of slot 0, and 0: ``[chip, 1, 1, 8]``."""
        array = self.hardware.array
        keys = self.hardware.pulser.key(), array.site.key("event", "update")
        event = int(array.events) + 1 - self.first
        rows = []
        for die in array.die_ids.tolist():
            halves = [half for base in keys for k in [chip_key(base, int(die))] for half in (k & M32, k >> 32)]
            rows.append([*halves, event, 0, 0, 0])
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, 1, 1, 8)

    def learn(self, fields: list[Tensor]) -> Learn:
        made = super().learn(fields)
        n = len(self.law.normals)
        parts = []
        for name in self.law.fields:
            parts.append(ConnectionOperand(-1, len(fields), written=name in self.law.written))
            fields.append(self.weight if name == ("weight",) else self._device_field(name))
        cycles = len(fields)
        for what in ("cycles", "age"):
            fields += [self._device_field((what, d)) for d in range(len(self.hardware.mapping.signs()))]
        fields.append(self.die)
        array = self.hardware.array
        pairs = self.group.n_pre * self.group.n
        size = array.shape[0] * pairs
        keys = self.works[-1].keys
        pulses = Pulses(
            int(self.law.kernel.address),
            tuple(parts),
            tuple(d * pairs + i * size for _, d, i in self.law.normals[:n]),
            keys.index("u") if "u" in keys else -1,
            keys.index("count"),
            array.shape[0],
            cycles,
            len(fields) - 1,
        )
        return made._replace(pulses=pulses)

    def _inside(self) -> bool:
        return True  # a device keeps its weight until it is pulsed

    def _device_field(self, name: Name) -> Tensor:
        if name[0] == "x":
            return getattr(self.trajectory.x, name[1])[:, :, name[2]]  # type: ignore[no-any-return]
        if name[0] in ("cycles", "age"):
            return getattr(self.trajectory, name[0])[:, :, name[1]]  # type: ignore[no-any-return]
        values = self.tensors.values
        return values[name].select(2, 0) if name in values else values[name[:-1]].select(2, name[-1])

    def _part(self, key: Key, written: bool, fields: list[Tensor], at: dict[Key, int]) -> ConnectionOperand:
        if key in ("u", "count"):
            return ConnectionOperand(-1, scratch=True)
        return super()._part(key, written, fields, at)

    def _field(self, key: Key) -> Tensor:
        if key == "step":
            hardware = self.hardware
            return self.node.like.new_full((1, 1, 1, 1), hardware.pulser.step(float(hardware.full)))
        return super()._field(key)

    def finish(self, leave: Sequence[Tensor]) -> None:
        """Hand weights, traces and devices to the node.

        Raises:
            RunError: a change of weight was not finite.
        """
        hardware = self.hardware
        if bool(self.die[..., 5].any()):
            raise hardware.pulser.not_finite()
        super().finish(leave)
        with torch.inference_mode(False):
            hardware.learned(self.trajectory, self.weight, self.events, self.node.dt)
