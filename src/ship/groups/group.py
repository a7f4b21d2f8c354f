"""A model with its tensors: sizes, parameters, persistent states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base import random
from ..base.clock import dead_slots, nearest_slots
from ..base.display.notebook import html_table
from ..base.errors import NotReadyError, ParameterError, suggest
from ..base.parameters import FanIn, Normal, Parameter, State, Varied, declared, numbers
from ..base.parameters.bag import Bag
from ..base.parameters.integrity import Integrity, check_numbers
from ..base.parameters.resolve import fits, places, resolve, trailing, varied
from ..devices.array.array import DeviceArray
from ..devices.weights.mapping import Differential
from ..devices.weights.synapse import SynapseDevices
from ..models.contract import Connection, Model, Rule, Spiking, SpikingNeuron, Synapse, coefficients
from .connectivity import EdgeList
from .spec import Spec

LONGEST = 1e9  # s, of a delay: some 30 years
FEW = 2**16  # numbers of a parameter that are compared sooner than coefficients are computed

Overlay = Callable[["Group", str, Tensor], Tensor]  # group, name, value -> the value to run with


class Group(nn.Module):
    """One group of a network after `init`: its parameters as tensors, and what persists.

    Each parameter is a `torch.nn.Parameter` (trainable) or a buffer under its name; its frozen deviates, where it has some, are
    ``name/deviate [chip, 1, ...]``. ``die_ids [chip]`` says which dies these are.
    """

    die_ids: Tensor
    zero: Tensor
    edge_pre: Tensor  # units that the edges come from, where there are edges; kernels read these tables by address
    edge_post: Tensor

    def __init__(
        self,
        spec: Spec,
        n: int,
        n_pre: int,
        seed: int,
        dies: Sequence[int],
        variation: bool,
        dtype: torch.dtype,
        edges: EdgeList | None = None,
    ) -> None:
        super().__init__()
        self.spec, self.model, self.tag = spec, spec.model, spec.tag
        self.n, self.n_pre = n, n_pre
        self.seed = seed
        self.spreads: dict[str, tuple[float, float]] = {}
        self.notes: list[str] = []
        self.hardware: SynapseDevices | None = None
        self.overlays: dict[str, Overlay] = {}  # laid over parameters in training
        self.trial = 0
        self._kept: tuple[Any, tuple[Bag, Any]] | None = None  # see `discretised`
        self.register_buffer("zero", torch.zeros((), dtype=dtype), persistent=False)  # carries float type and device
        self.edges = edges is not None
        if edges is not None:
            self.register_buffer("edge_pre", edges.pre, persistent=False)
            self.register_buffer("edge_post", edges.post, persistent=False)
        self.register_buffer("die_ids", torch.tensor(list(dies), dtype=torch.int64))
        parts: list[tuple[str, Model]] = [("", self.model)]
        if spec.rule is not None:
            parts.append(("rule.", spec.rule))
        self.declarations: dict[str, Parameter] = {}
        for prefix, model in parts:
            for name, declaration in declared(type(model))[0].items():
                self._make(prefix + name, declaration, getattr(model, name), dies, variation, dtype)
        self.model.check(spec.where, Bag({name: self.value(name) for name in self.declarations}))
        self._make_initial(dies)
        if spec.device is not None:
            mapping = spec.mapping or Differential()
            array = DeviceArray(
                spec.device,
                (mapping.devices, *self.shape_of("connection")),
                where=spec.where,
                tag=spec.tag,
                seed=seed,
                chips=list(dies),
                variation=variation,
                dtype=dtype,
                place=self.place(),
            )
            self.hardware = SynapseDevices(array, mapping, where=spec.where, learning=spec.learning, crossbar=spec.crossbar)
            self.hardware.by_rule = spec.rule is not None
        if spec.rule is not None:
            self._make_plastic()
        self._make_persistent()
        self.sound = Integrity(self)

    # -- sizes -------------------------------------------------------------------------------------------------------------

    @cached_property
    def side(self) -> str:
        """Where the state of a connection lives: ``post``, ``pre``, ``connection``; ``unit`` for anything else."""
        if not isinstance(self.model, Connection) or self.model.one_to_one:
            return "unit"
        return self.model.side if isinstance(self.model, Synapse) else "connection"

    def shape_of(self, on: str) -> tuple[int, ...]:
        """Trailing shape of a parameter or state that lives ``on`` unit, pre, post or connection."""
        if on == "unit":
            on = self.side
        pairs = (len(self.edge_pre),) if self.edges else (self.n_pre, self.n)
        return {"unit": (self.n,), "connection": pairs, "post": (self.n,), "pre": (self.n_pre,)}[on]

    @property
    def pre(self) -> Tensor:
        """The units that the edges of ``connect=`` come from, ``[edge]``: a copy, because a network's edges do not change."""
        return self._side("pre")

    @property
    def post(self) -> Tensor:
        """The units that the edges of ``connect=`` go to, ``[edge]``: a copy, as `pre`."""
        return self._side("post")

    def _side(self, name: str) -> Tensor:
        if not self.edges:
            raise NotReadyError(f"{self.spec.where}.{name}", "needs edges", fix="Give connect= to a synapse.")
        table: Tensor = getattr(self, f"edge_{name}")
        return table.clone()

    def place(self) -> list[Tensor] | None:
        """Where edges lie on the die; None where the axes of a matrix say it."""
        if not self.edges:
            return None
        return places((), [(self.n_pre, self.edge_pre), (self.n, self.edge_post)])

    def _shape(self, declaration: Parameter, name: str) -> tuple[int, ...]:
        if name.startswith("rule."):
            return self.shape_of("connection")
        if name == "bias":
            return (self.n,)
        return self.shape_of("connection" if declaration.per == "connection" else "unit")

    def shape_of_parameter(self, name: str) -> torch.Size:
        """Trailing shape of a parameter with a value for each unit or connection, whatever it was given as."""
        return torch.Size(self._shape(self.declarations[name], name))

    # -- parameters --------------------------------------------------------------------------------------------------------

    def _make(
        self, name: str, declaration: Parameter, value: Any, dies: Sequence[int], variation: bool, dtype: torch.dtype
    ) -> None:
        where = f"{self.spec.where}.{name}"
        key = random.key(self.seed, self.tag, name)
        shape = self._shape(declaration, name)
        on_pairs = name != "bias" and (declaration.per == "connection" or name.startswith("rule.") or self.side == "connection")
        if self.edges and on_pairs:
            value = self._on_edges(value)
        self._check_side(where, value, shape)
        place = self.place() if isinstance(value, Varied) and on_pairs else None
        made = resolve(where, declaration, value, shape, key, dies, variation, place=place)
        self.declarations[name] = declaration
        if made.redrawn:
            self.notes.append(f"{name}: {made.redrawn} draws fell outside the limits ({declaration.rule}) and were drawn again")
        nominal = made.nominal.detach().to(dtype, copy=True)
        if not declaration.all_inside(nominal):
            raise ParameterError(
                where,
                f"{declaration.rule}, but rounds to an illegal {dtype}".replace("torch.", ""),
                got=f"{float(made.nominal.flatten()[0]):g}",
            )
        attribute = name.replace(".", "/")
        if self._is_trainable(name, declaration):
            if not declaration.gradient:
                raise ParameterError(
                    where, "has no gradient (it acts through whole slots or local rules)", fix="Leave it out of trainable=."
                )
            self.register_parameter(attribute, nn.Parameter(nominal))
        else:
            self.register_buffer(attribute, nominal)
        if made.deviate is not None:
            self.register_buffer(attribute + "/deviate", made.deviate.to(dtype))
            self.spreads[name] = made.spread

    def _check_side(self, where: str, value: Any, shape: tuple[int, ...]) -> None:
        """A value that does not fit, but would with the state of the synapse on another side, says which.

        Raises:
            ParameterError: so it is.
        """
        if not isinstance(self.model, Synapse) or shape != self.shape_of("unit"):
            return
        got = trailing(where, value)
        if fits(got, shape):
            return
        taken = {"connection": (self.n_pre, self.n), "pre": (self.n_pre,), "post": (self.n,)}
        values = {"connection": "connection", "pre": "source unit", "post": "target unit"}
        others = [side for side in taken if side != self.side and fits(got, taken[side])]
        if others:
            raise ParameterError(
                where,
                f"must be one number or have the shape [{self.side}] = {list(shape)}, with side={self.side!r}",
                got=f"shape {list(got)}",
                fix=" ".join(f"One value for each {values[side]} needs side={side!r}." for side in others),
            )

    def _on_edges(self, value: Any) -> Any:
        """A value given for all pairs, as one for each edge; a fan-in is the mean number of edges of a target."""
        if isinstance(value, Varied):
            return replace(value, nominal=self._on_edges(value.nominal))
        if isinstance(value, FanIn):
            k = max(len(self.edge_pre) / self.n, 1.0)
            return Normal(value.mean / k, value.std / math.sqrt(k))
        if isinstance(value, Tensor | np.ndarray) and tuple(value.shape) == (self.n_pre, self.n):
            return numbers(self.spec.where, value)[self.edge_pre, self.edge_post]
        return value

    def _is_trainable(self, name: str, declaration: Parameter) -> bool:
        asked = self.spec.trainable
        if asked is not None:
            return name in asked
        # Weights always, a bias where the user gave one; a rule changes its weights itself.
        return self.spec.rule is None and (name == "weight" or (name == "bias" and name in self.spec.given))

    def value(self, name: str) -> Tensor:
        """The parameter as models see it: nominal with this chip's deviation, broadcastable over [chip, batch, ...]."""
        value = self._own(name)
        if name in self.overlays and self.training:
            value = self.overlays[name](self, name, value)
        return self.hardware.weight(value) if name == "weight" and self.hardware is not None else value

    def _own(self, name: str) -> Tensor:
        attribute = name.replace(".", "/")
        nominal: Tensor = getattr(self, attribute)
        deviate = self._buffers.get(attribute + "/deviate")
        return nominal if deviate is None else varied(nominal, deviate, self.spreads[name])

    def model_weight(self) -> Tensor:
        """The weights (V) of the model, whatever devices hold: with each chip's deviation."""
        return self._own("weight")

    def bag(self, dt: float, *, rule: bool = False) -> Bag:
        """All parameters for one dt, with what the engine adds: ``ref_slots`` of a spiking neuron."""
        prefix = "rule." if rule else ""
        names = [n for n in self.declarations if n.startswith("rule.") == rule]
        values = {n.removeprefix(prefix): self.value(n) for n in names}
        if isinstance(self.model, SpikingNeuron) and not rule:
            values["ref_slots"] = self._dead_slots(values["t_ref"].detach(), dt)
        return Bag(values)

    def _dead_slots(self, t_ref: Tensor, dt: float) -> Tensor:
        """The slots of a dead time, which a clock of the group's float type must be able to count down."""
        slots, most = dead_slots(t_ref.double(), dt), 2 / torch.finfo(t_ref.dtype).eps
        if bool((slots > most).any()):
            raise ParameterError(
                f"{self.spec.where}.t_ref",
                f"must be at most {most:.0f} slots in {str(t_ref.dtype).removeprefix('torch.')}, which counts no further",
                got=f"{float(slots.max()):.0f} slots of {dt:g} s",
                fix="Use a longer dt, or init(dtype=torch.float64).",
            )
        return slots.to(t_ref.dtype)

    def rounding(self, dt: float) -> list[str]:
        """Notes on the dead time, which acts in whole slots of dt (s)."""
        if not isinstance(self.model, SpikingNeuron):
            return []
        declared = self.value("t_ref").detach().double()
        acting = nearest_slots(declared, dt) * dt
        error = float((acting - declared).abs().max())
        if error <= 1e-6 * dt:
            return []
        note = f"t_ref rounded to whole slots, by at most {error:.3g} s"
        if declared.numel() > 1:
            spread = (float(t.std(correction=0)) for t in (declared, acting))
            note += "; its standard deviation is {:.3g} s as declared, {:.3g} s as it acts".format(*spread)
        return [note]

    def discretised(self, dt: float) -> tuple[Bag, Any]:
        """`bag`, and the model's coefficients. Both are kept as long as no number changes, where they are few and no gradient
        flows into one.
        """
        numbers = self._numbers()
        told = None if numbers is None else (dt, torch.is_inference_mode_enabled(), numbers)
        if told is None or self._kept is None or self._kept[0] != told:
            p = self.bag(dt)
            if told is None:
                return p, coefficients(self.model, p, dt, self.dtype)
            self._kept = told, (p, coefficients(self.model, p, dt, self.dtype))
        return self._kept[1]

    def _numbers(self) -> list[tuple[Any, ...]] | None:
        """All that the parameters are made of, to compare. Numbers, because a version does not count what changes ``.data``."""
        if self.hardware is not None or (self.overlays and self.training):
            return None
        found = []
        for name in self.declarations:
            attribute = name.replace(".", "/")
            for t in (getattr(self, attribute), self._buffers.get(attribute + "/deviate")):
                if t is None:
                    continue
                if (t.requires_grad and torch.is_grad_enabled()) or t.numel() > FEW or t.device.type != "cpu":
                    return None
                try:
                    found.append((id(t), t.shape, t.detach().numpy().tobytes()))
                except RuntimeError:  # no memory of its own, under the transforms of `torch.func`
                    return None
        return found

    def lead_of(self, name: str, tensor: Tensor) -> tuple[int, int] | None:
        """(chip, batch) of a stored tensor that has these axes; None for one with trailing axes only."""
        if tensor.ndim < 2:
            return None
        declared_name = name.replace("/", ".")
        if declared_name in self.declarations and tensor.ndim > len(self._shape(self.declarations[declared_name], declared_name)):
            return tensor.shape[0], tensor.shape[1]
        return (tensor.shape[0], tensor.shape[1]) if name.startswith("initial/") and tensor.ndim > 2 else None

    def project_(self) -> None:
        """Bring trained values back inside their limits."""
        for attribute, tensor in self._parameters.items():
            declaration = self.declarations.get(attribute.replace("/", "."))
            if tensor is not None and declaration is not None:
                declaration.project_(tensor)

    def check_sound(self, *, numbers: bool) -> None:
        """What kernels read by address is what it was, or fits in its place; with ``numbers``, all of them keep their limits.

        Raises:
            ParameterError: a tensor that does not fit, a value out of its limits or NaN.
        """
        where = self.spec.where
        for attribute, other in self.sound.changed(self):
            name, exact = attribute.replace("/", "."), True
            if name in self.declarations:
                full, exact = self._shape(self.declarations[name], name), self.declarations[name].per == "connection"
            else:
                full = self.shape_of("connection") if name == "plastic_weight" else tuple(self.sound.shapes[attribute])
            self.sound.check(f"{where}.{name}", attribute, other, full, len(self.die_ids), self.dtype, exact)
        for name, declaration in self.declarations.items() if numbers else ():
            value: Tensor = getattr(self, name.replace(".", "/"))
            check_numbers(f"{where}.{name}", declaration, value)
        if numbers and self.spec.rule is not None:
            check_numbers(f"{where}.weight", self.declarations["weight"], self.get_buffer("plastic_weight"))

    # -- shown -------------------------------------------------------------------------------------------------------------

    def _title(self) -> str:
        return f"{self.spec.where}, n={self.n}" + (f", {len(self.die_ids)} chips" if len(self.die_ids) > 1 else "")

    def _rows(self) -> list[tuple[str, str, str]]:
        """Each parameter: its name, its value or the range of its values with their shape, and whether it is trained."""
        rows = []
        for name, declaration in self.declarations.items():
            value = self._own(name).detach()
            low, high = (f"{float(x):.4g}" for x in torch.aminmax(value)) if value.numel() else ("none", "none")
            text = low if low == high else f"{low} to {high}"
            shape = f" {list(value.shape)}" if value.ndim else ""
            trained = "trainable" if name.replace(".", "/") in self._parameters else ""
            rows.append((name, f"{text} {declaration.unit}".rstrip() + shape, trained))
        return rows

    def extra_repr(self) -> str:
        """What a prompt shows of it: sizes and parameters."""
        return "\n".join([self._title(), *(f"{name}: {text} {trained}".rstrip() for name, text, trained in self._rows())])

    def _repr_html_(self) -> str:
        return html_table(self._title(), ("parameter", "value", ""), self._rows())

    # -- states ------------------------------------------------------------------------------------------------------------

    def _make_initial(self, dies: Sequence[int]) -> None:
        states = self.state_declarations()
        for name, value in self.spec.initial.items():
            where = f"{self.spec.where}.initial[{name!r}]"
            if name not in states:
                raise ParameterError(where, f"{type(self.model).__name__} has no state {name!r}", fix=suggest(name, states))
            if isinstance(value, Varied):
                raise ParameterError(where, "must not be Varied", fix="Use a distribution, or ship.per_chip(...).")
            made = resolve(
                where,
                Parameter(0.0, states[name].unit),
                value,
                self.shape_of(states[name].on),
                random.key(self.seed, self.tag, "initial", name),
                dies,
                False,
            )
            self.register_buffer(f"initial/{name}", made.nominal.to(self._type_of(states[name])))

    def state_declarations(self) -> dict[str, State]:
        """The states of the model, by name."""
        states = self.model.states
        return dict(zip(states._fields, states, strict=True)) if states else {}

    @property
    def refractory(self) -> bool:
        """Whether any unit has a dead time; without one, no clock is kept."""
        return isinstance(self.model, SpikingNeuron) and bool(self.value("t_ref").any())

    def fresh_state(self, lead: tuple[int, int], *, rule: bool = False) -> Any:
        """The initial state, ``[chip, batch, ...]``."""
        model = self.spec.rule if rule else self.model
        assert model is not None
        states = model.states
        if not states:
            return ()
        tensors = [self._initial(name, s, lead, rule) for name, s in zip(states._fields, states, strict=True)]
        return self._clocked(type(states)(*tensors), (*lead, self.n), rule)

    def state_form(self, *, rule: bool = False) -> Any:
        """The parts of the state with their types, one number each: what does not depend on chips, samples or units."""
        model = self.spec.rule if rule else self.model
        assert model is not None
        if not model.states:
            return ()
        parts = (self.zero.new_zeros((), dtype=self._type_of(state)) for state in model.states)
        return self._clocked(type(model.states)(*parts), (), rule)

    def _clocked(self, cell: Any, shape: tuple[int, ...], rule: bool) -> Any:
        """A state with the refractory clock, where there is one."""
        if rule or not self.refractory:
            return cell
        return Spiking(cell, self.zero.new_zeros(shape), self.zero.new_zeros(shape, dtype=torch.bool))

    def with_clock(self, state: Any) -> Any:
        """A state with a refractory clock where there are dead times, and without one where there are none."""
        if isinstance(state, Spiking) == self.refractory:
            return state
        if isinstance(state, Spiking):
            return state.cell
        return self._clocked(state, (*state[0].shape[:2], self.n), False)

    def _type_of(self, state: State) -> torch.dtype:
        return torch.bool if isinstance(state.initial, bool) else self.dtype

    def _initial(self, name: str, state: State, lead: tuple[int, int], rule: bool) -> Tensor:
        trailing: tuple[int, ...]
        if rule:
            pairs = self.shape_of("connection")
            trailing = pairs if self.edges else {"pre": (self.n_pre, 1), "post": (1, self.n)}.get(state.on, pairs)
        else:
            trailing = self.shape_of(state.on)
        given = self._buffers.get(f"initial/{name}") if not rule else None
        stored = self._buffers.get(stored_as(name, rule))
        if stored is not None:
            start = stored
        elif given is not None:
            start = given
        elif isinstance(state.initial, str):
            start = self.value(("rule." if rule else "") + state.initial)
        else:
            start = torch.tensor(state.initial, dtype=self._type_of(state), device=self.die_ids.device)
        return start.expand((*lead, *trailing))

    @property
    def dtype(self) -> torch.dtype:
        """The float type of all tensors of the group."""
        return self.zero.dtype

    # -- what outlives a run -----------------------------------------------------------------------------------------------

    def persistent(self, rule: bool) -> dict[str, State]:
        """The states of the model, or of its rule, that are kept from run to run; a rule with samples apart keeps none."""
        model = self.spec.rule if rule else self.model
        if model is None or not model.states or (isinstance(model, Rule) and model.per_sample):
            return {}
        return {name: state for name, state in zip(model.states._fields, model.states, strict=True) if state.persistent}

    def stored(self) -> dict[str, Tensor]:
        """All that is kept from run to run, by the names of its buffers: persistent states, and weights of a plastic synapse."""
        return {name: t for name, t in self._buffers.items() if t is not None and name.startswith((STORED, "plastic_weight"))}

    def _make_persistent(self) -> None:
        """Persistent states, as they are before the first run."""
        for rule in (False, True):
            for name, state in self.persistent(rule).items():
                self._buffers.pop(stored_as(name, rule), None)
                try:
                    start = self._initial(name, state, (len(self.die_ids), 1), rule)
                except RuntimeError as error:
                    where = f"{self.spec.where}.{name}"
                    raise ParameterError(where, "persists, so it must begin with the same value in all samples") from error
                self.register_buffer(stored_as(name, rule), start.detach().clone())

    def reset_persistent(self) -> None:
        """Set back what is kept from run to run: plastic weights and persistent states."""
        if self.spec.rule is not None:
            self.plastic_weight = self.initial_weight()
        self._make_persistent()

    # -- plasticity --------------------------------------------------------------------------------------------------------

    def initial_weight(self) -> Tensor:
        """The weight that a plastic synapse starts from, ``[chip, 1 or batch, pre, post]``."""
        weight = self.value("weight").detach()
        pairs = self.shape_of("connection")
        batch = weight.shape[1] if weight.ndim == len(pairs) + 2 else 1
        return weight.expand(len(self.die_ids), batch, *pairs).clone()

    def _make_plastic(self) -> None:
        """The weight of a plastic synapse is persistent state, one matrix for each chip."""
        weight = self.value("weight").detach()
        low, high = self.value("rule.w_min"), self.value("rule.w_max")
        if bool((weight < low).any()) or bool((weight > high).any()):
            raise ParameterError(
                f"{self.spec.where}.weight",
                "must lie between the rule's w_min and w_max",
                got=f"{float(weight.min()):g} to {float(weight.max()):g}",
                fix="Give weight= within them, e.g. ship.Uniform(w_min, w_max).",
            )
        self.register_buffer("plastic_weight", self.initial_weight())


STORED = "persistent/"


def stored_as(name: str, rule: bool) -> str:
    """The name of the buffer of a persistent state."""
    return f"{STORED}rule/{name}" if rule else STORED + name
