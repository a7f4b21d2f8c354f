"""A group of a network after `init`: a model with its tensors, that is, parameters, states and devices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..base.display.notebook import html_table
from ..base.parameters.integrity import Integrity, check_numbers
from ..devices.array.array import DeviceArray
from ..devices.weights.mapping import Differential
from ..devices.weights.synapse import SynapseDevices
from .connectivity import EdgeList
from .convolution import Shared
from .parameters import Overlay as Overlay
from .spec import Spec
from .states import GroupStates


class Group(GroupStates):
    """One group of a network after `init`: its parameters as tensors, and what persists.

    Each parameter is a `torch.nn.Parameter` (trainable) or a buffer under its name; its frozen deviates, where it has some, are
    ``name/deviate [chip, 1, ...]``. ``die_ids [chip]`` says which dies these are.
    """

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
        super().__init__(spec, n, n_pre, seed, dies, variation, dtype, edges, shared)
        self._make_initial(dies)
        if spec.device is not None:
            mapping = spec.mapping or Differential()
            array = DeviceArray(
                spec.device,
                (mapping.devices, *self.shape_of_weights),
                where=spec.where,
                tag=spec.tag,
                seed=seed,
                chips=list(dies),
                variation=variation,
                dtype=dtype,
                place=None if self.shared else self.place(),
            )
            self.hardware = SynapseDevices(array, mapping, where=spec.where, learning=spec.learning, crossbar=spec.crossbar)
            self.hardware.by_rule = spec.rule is not None
        if spec.rule is not None:
            self._make_plastic()
        self._make_persistent()
        self.sound = Integrity(self)

    def check_sound(self, *, numbers: bool) -> None:
        """Check that every tensor that kernels read by address is the one that it was, or one that fits in its place.

        With ``numbers``, also check that all values are within their limits.

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

    def _title(self) -> str:
        return f"{self.spec.where}, n={self.n}" + (f", {len(self.die_ids)} chips" if len(self.die_ids) > 1 else "")

    def _rows(self) -> list[tuple[str, str, str]]:
        """Return each parameter's name, its value or the range of its values with their shape, and whether it is trained."""
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
        """Return what a prompt shows of the group: sizes and parameters."""
        return "\n".join([self._title(), *(f"{name}: {text} {trained}".rstrip() for name, text, trained in self._rows())])

    def _repr_html_(self) -> str:
        return html_table(self._title(), ("parameter", "value", ""), self._rows())
