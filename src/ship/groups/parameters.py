"""The parameters of a group as tensors: how they are made, and how models see them."""

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
from ..base.clock import dead_slots
from ..base.errors import NotReadyError, ParameterError
from ..base.parameters import FanIn, Normal, Parameter, Varied, declared, numbers
from ..base.parameters.bag import Bag
from ..base.parameters.resolve import fits, places, resolve, trailing, varied
from ..base.temperature import FOLLOWS
from ..devices.weights.synapse import SynapseDevices
from ..models.contract import Connection, Model, SpikingNeuron, Synapse, coefficients
from .connectivity import EdgeList
from .convolution import Shared
from .spec import Spec

FEW = 2**16  # numbers of a parameter that are compared sooner than coefficients are computed

Overlay = Callable[[Any, str, Tensor], Tensor]  # (group, name of a parameter, its value) -> the value to run with


LATER = ("rule/total",)  # parameters that files of earlier versions do not have


class GroupParameters(nn.Module):
    """The parameters of a group and the sizes that they have: `ship.groups.group.Group` without its states."""

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
        shared: Shared | None = None,
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
        self.kelvin: float | None = None  # the temperature (K) of the network now; None: it has none
        self._kept: tuple[Any, tuple[Bag, Any]] | None = None  # see `discretised`
        self.register_buffer("zero", torch.zeros((), dtype=dtype), persistent=False)  # carries float type and device
        self.edges = edges is not None
        if edges is not None:
            self.register_buffer("edge_pre", edges.pre, persistent=False)
            self.register_buffer("edge_post", edges.post, persistent=False)
        self.shared = shared is not None  # whether edges share weights, which then are a matrix
        if shared is not None:
            self.register_buffer("edge_weight", shared.places, persistent=False)  # [edge], in the flattened matrix
            self.matrix = shared.shape
        self.register_buffer("die_ids", torch.tensor(list(dies), dtype=torch.int64))
        parts: list[tuple[str, Model]] = [("", self.model)]
        if spec.rule is not None:
            parts.append(("rule.", spec.rule))
        self.declarations: dict[str, Parameter] = {}
        for prefix, model in parts:
            for name, declaration in declared(type(model))[0].items():
                self._make(prefix + name, declaration, getattr(model, name), dies, variation, dtype)
        values = {name: self.value(name) for name in self.declarations}
        self.model.check(spec.where, Bag(values | {"n_units": torch.tensor(self.n)}))
        if spec.rule is not None:
            own = {name.removeprefix("rule."): value for name, value in values.items() if name.startswith("rule.")}
            spec.rule.check(f"{spec.where}.rule", Bag(own))

    # -- sizes -------------------------------------------------------------------------------------------------------------

    @cached_property
    def side(self) -> str:
        """The place where the state of a connection lives: ``post``, ``pre``, ``connection``; ``unit`` for anything else."""
        if not isinstance(self.model, Connection) or self.model.one_to_one:
            return "unit"
        return self.model.side if isinstance(self.model, Synapse) else "connection"

    def shape_of(self, on: str) -> tuple[int, ...]:
        """Return the trailing shape of a parameter or state that lives ``on`` unit, pre, post or connection."""
        if on == "unit":
            on = self.side
        pairs = (len(self.edge_pre),) if self.edges else (self.n_pre, self.n)
        return {"unit": (self.n,), "connection": pairs, "post": (self.n,), "pre": (self.n_pre,)}[on]

    @property
    def shape_of_weights(self) -> tuple[int, ...]:
        """The shape of the stored weights: that of the connections, or the matrix that they share."""
        return self.matrix if self.shared else self.shape_of("connection")

    def on_connections(self, weights: Tensor) -> Tensor:
        """Return for each connection its part of stored weights, or of what belongs to them: ``[..., edge]`` if shared."""
        if not self.shared or weights.ndim == 0:
            return weights
        places: Tensor = self.get_buffer("edge_weight")
        return weights.expand(*weights.shape[:-2], *self.matrix).flatten(-2)[..., places]

    @property
    def pre(self) -> Tensor:
        """The source units of the edges of ``connect=``, ``[edge]``: a copy, because a network's edges do not change."""
        return self._side("pre")

    @property
    def post(self) -> Tensor:
        """The target units of the edges of ``connect=``, ``[edge]``: a copy, as `pre` is."""
        return self._side("post")

    def _side(self, name: str) -> Tensor:
        if not self.edges:
            raise NotReadyError(f"{self.spec.where}.{name}", "needs edges", fix="Give connect= to a synapse.")
        table: Tensor = getattr(self, f"edge_{name}")
        return table.clone()

    def place(self) -> list[Tensor] | None:
        """Return where edges lie on the die; None where the axes of a matrix say it."""
        if not self.edges:
            return None
        return places((), [(self.n_pre, self.edge_pre), (self.n, self.edge_post)])

    def _shape(self, declaration: Parameter, name: str) -> tuple[int, ...]:
        if name.startswith("rule."):
            return self.shape_of("connection")
        if name == "bias":
            return (self.n,)
        if name == "weight":
            return self.shape_of_weights
        return self.shape_of("connection" if declaration.per == "connection" else "unit")

    def shape_of_parameter(self, name: str) -> torch.Size:
        """Return the trailing shape that a parameter has with a value for each unit or connection, whatever it was given as."""
        return torch.Size(self._shape(self.declarations[name], name))

    @property
    def dtype(self) -> torch.dtype:
        """The float type of all tensors of the group."""
        return self.zero.dtype

    # -- making ------------------------------------------------------------------------------------------------------------

    def _make(
        self, name: str, declaration: Parameter, value: Any, dies: Sequence[int], variation: bool, dtype: torch.dtype
    ) -> None:
        where = f"{self.spec.where}.{name}"
        key = random.key(self.seed, self.tag, name)
        shape = self._shape(declaration, name)
        on_pairs = name != "bias" and (declaration.per == "connection" or name.startswith("rule.") or self.side == "connection")
        matrix = self.shared and name == "weight"
        if self.edges and on_pairs:
            value = self._on_edges(value, self.matrix[0] if matrix else None)
            self._check_edges(where, value, shape)
        self._check_side(where, value, shape)
        place = self.place() if isinstance(value, Varied) and on_pairs and not matrix else None
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
        """Name the side on which the state of a synapse would have to be for a value to fit that does not fit now.

        Raises:
            ParameterError: the value fits another side.
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

    def _on_edges(self, value: Any, rows: int | None) -> Any:
        """Turn a value given for all pairs into one for each edge; a fan-in becomes the mean number of edges of a target.

        ``rows`` is the number of rows of a matrix that edges share; None where each has a value of its own.
        """
        if isinstance(value, Varied):
            return replace(value, nominal=self._on_edges(value.nominal, rows))
        if isinstance(value, FanIn):
            k = max(len(self.edge_pre) / self.n, 1.0) if rows is None else rows
            return Normal(value.mean / k, value.std / math.sqrt(k))
        if (
            rows is None
            and isinstance(value, Tensor | np.ndarray)
            and value.ndim == 2
            and fits(tuple(value.shape), (self.n_pre, self.n))
        ):
            return numbers(self.spec.where, value).expand(self.n_pre, self.n)[self.edge_pre, self.edge_post]
        return value

    def _check_edges(self, where: str, value: Any, shape: tuple[int, ...]) -> None:
        """Check that a value fits edges.

        Raises:
            ParameterError: it has another shape.
        """
        got = trailing(where, value)
        if len(shape) == 1 and not fits(got, shape):
            raise ParameterError(
                where,
                f"must be one number, or one for each edge, [edge] = {list(shape)}, or for each pair, [pre, post] = "
                f"{[self.n_pre, self.n]}",
                got=f"shape {list(got)}",
                fix="[1, post] is one for each target unit, [pre, 1] one for each source unit.",
            )

    def _is_trainable(self, name: str, declaration: Parameter) -> bool:
        asked = self.spec.trainable
        if asked is not None:
            return name in asked
        # Weights always, a bias where the user gave one; a rule changes its weights itself.
        return self.spec.rule is None and (name == "weight" or (name == "bias" and name in self.spec.given))

    # -- values ------------------------------------------------------------------------------------------------------------

    def value(self, name: str) -> Tensor:
        """Return a parameter as models see it: nominal with this chip's deviation, broadcastable over [chip, batch, ...]."""
        if self.kelvin is not None and name in self.following:
            return self.zero.new_tensor(FOLLOWS[self.declarations[name].role](self.kelvin))
        value = self._own(name)
        if name in self.overlays and self.training:
            value = self.overlays[name](self, name, value)
        if name != "weight":
            return value
        return self.on_connections(value if self.hardware is None else self.hardware.weight(value))

    @cached_property
    def following(self) -> tuple[str, ...]:
        """The parameters that follow the temperature of the network: those of its roles that the user gave no value."""
        return tuple(name for name, d in self.declarations.items() if d.role in FOLLOWS and name not in self.spec.given)

    def _own(self, name: str) -> Tensor:
        attribute = name.replace(".", "/")
        nominal: Tensor = getattr(self, attribute)
        deviate = self._buffers.get(attribute + "/deviate")
        return nominal if deviate is None else varied(nominal, deviate, self.spreads[name])

    def model_weight(self) -> Tensor:
        """Return the weights (V) of the model with each chip's deviation, whatever devices hold."""
        return self._own("weight")

    def bag(self, dt: float, *, rule: bool = False) -> Bag:
        """Return all parameters for one dt (s), with what the engine adds: ``ref_slots`` of a spiking neuron."""
        prefix = "rule." if rule else ""
        names = [n for n in self.declarations if n.startswith("rule.") == rule]
        values = {n.removeprefix(prefix): self.value(n) for n in names}
        if isinstance(self.model, SpikingNeuron) and not rule:
            values["ref_slots"] = self._dead_slots(values["t_ref"].detach(), dt)
        return Bag(values)

    def _dead_slots(self, t_ref: Tensor, dt: float) -> Tensor:
        """Return the slots of a dead time, which a clock of the group's float type must be able to count down."""
        slots, most = dead_slots(t_ref.double(), dt), 2 / torch.finfo(t_ref.dtype).eps
        if bool((slots > most).any()):
            raise ParameterError(
                f"{self.spec.where}.t_ref",
                f"must be at most {most:.0f} slots in {str(t_ref.dtype).removeprefix('torch.')}, which counts no further",
                got=f"{float(slots.max()):.0f} slots of {dt:g} s",
                fix="Use a longer dt, or init(dtype=torch.float64).",
            )
        return slots.to(t_ref.dtype)

    def discretised(self, dt: float) -> tuple[Bag, Any]:
        """Return `bag` and the model's coefficients.

        Both are kept as long as no number changes, where the numbers are few and no gradient flows into one.
        """
        numbers = self._numbers()
        told = None if numbers is None else (dt, self.kelvin, torch.is_inference_mode_enabled(), numbers)
        if told is None or self._kept is None or self._kept[0] != told:
            p = self.bag(dt)
            if told is None:
                return p, coefficients(self.model, p, dt, self.dtype)
            self._kept = told, (p, coefficients(self.model, p, dt, self.dtype))
        return self._kept[1]

    def _numbers(self) -> list[tuple[Any, ...]] | None:
        """Return the numbers behind all parameters, to compare them; None where they are not kept.

        Numbers are compared and not versions, because the version of a tensor does not count what changes its ``.data``.
        """
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

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Load a state; of what earlier versions did not have, this group's own stays."""
        for name in LATER:
            own = self._buffers.get(name)
            if own is not None:
                state_dict.setdefault(prefix + name, own)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def lead_of(self, name: str, tensor: Tensor) -> tuple[int, int] | None:
        """Return (chip, batch) of a stored tensor that has these axes; None for one with trailing axes only."""
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
