"""Noise on parameters during training, with which a network learns not to depend on their exact values.

The noise is ``value <- value (1 + noise xi)``, or ``value <- value + noise largest xi`` with the largest magnitude in the group
(like programming errors, which do not shrink with the weight). Here xi is standard normal, one number for each unit or
connection, drawn anew in each trial from (seed, tag, name, die, trial) alone. The gradient passes through both forms
(reparametrisation). A value that would leave the limits of its parameter stays as it is.

Source: Joshi et al., Nat. Commun. 11:2473 (2020) (in proportion to the largest weight); Murray & Edwards, IEEE Trans. Neural
Networks 5:792 (1994) (multiplicative).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..base import random
from ..base.errors import ParameterError, RunError
from ..groups.group import Group, Overlay
from ..groups.selection import select
from ..network.network import Network

Scale = Literal["value", "largest"]
SCALES = ("value", "largest")


@runtime_checkable
class OnParameters(Protocol):
    """The protocol of changes that can be laid over parameters."""

    def overlays(self, net: Network) -> dict[tuple[str, str], Overlay]:
        """Return the overlays by tag and name of the parameter."""


@dataclass(frozen=True, kw_only=True)
class Perturb:
    """Gaussian noise on parameters chosen by role, group or name (default: all weights), drawn anew in each trial.

    Args:
        role, tags, names: the choice of parameters, see `ship.groups.selection.select`.
        noise: the standard deviation, as a fraction.
        of: the scale of the fraction: "value" for each value, "largest" for the largest magnitude in the group.

    Raises:
        ParameterError: the noise is negative, or ``of`` is none of these.
    """

    role: str | None = None
    tags: Sequence[str] = ()
    names: Sequence[str] = ()
    noise: float = 0.1
    of: Scale = "value"

    def __post_init__(self) -> None:
        check_scale("Perturb", "noise", self.noise, self.of)

    def overlays(self, net: Network) -> dict[tuple[str, str], Overlay]:
        """Return the overlays by tag and name of the parameter, see `overlaid`."""
        groups = net._ready("Perturb").groups
        return dict.fromkeys(select("Perturb", groups, role=self.role, tags=self.tags, names=self.names), self._apply)

    def _apply(self, group: Group, name: str, value: Tensor) -> Tensor:
        shape = group.shape_of_parameter(name)
        zero = torch.zeros(1, dtype=torch.int64)
        xi = random.normal(
            random.key(group.seed, group.tag, "perturb", name),
            chip=group.die_ids.cpu(),
            sample=zero,
            slot=zero,
            trial=group.trial,
            n=max(shape.numel(), 1),
            dtype=group.dtype,
            device=group.die_ids.device,
        )[0]
        # A single die gets no chip axis, so that a weight matrix stays shared by the samples.
        xi = xi.reshape(shape) if len(group.die_ids) == 1 else xi.reshape(-1, 1, *shape)
        return changed(group, name, value, self.noise * xi, self.of)


def changed(group: Group, name: str, value: Tensor, by: Tensor, of: Scale) -> Tensor:
    """Change a value by fractions where it stays within its limits."""
    scale = value if of == "value" else value.detach().abs().max()
    moved = value + scale * by
    return torch.where(group.declarations[name].inside(moved.detach()), moved, value)


def check_scale(where: str, name: str, size: float, of: str) -> None:
    """Refuse a negative size and an unknown scale."""
    if not (isinstance(size, int | float) and 0 <= size < float("inf")):
        raise ParameterError(f"{where}.{name}", "must be a fraction, at least 0", got=repr(size))
    if of not in SCALES:
        raise ParameterError(f"{where}.of", "must be 'value' or 'largest'", got=repr(of))


@contextmanager
def overlaid(net: Network, *changes: OnParameters) -> Iterator[None]:
    """Change parameters for the duration of a ``with`` block, while the network is in training mode (``net.train()``).

    Use ``with overlaid(net, Perturb(noise=0.1)):`` in a user-defined training loop; `Trainer` does it by itself.

    Raises:
        ParameterError: a change selects no parameter.
        RunError: two changes select the same parameter.
    """
    groups = net._ready("overlaid").groups
    laid: dict[tuple[str, str], Overlay] = {}
    for change in changes:
        made = change.overlays(net)
        if twice := sorted(set(made) & set(laid)):
            raise RunError("overlaid", "two changes of one parameter", got=".".join(twice[0]), fix="Select with tags= or names=.")
        laid |= made
    before = {tag: group.overlays for tag, group in groups.items()}
    if laid:
        net._ready("overlaid").refresh()  # because shapes of parameters change, too
    for tag, group in groups.items():
        group.overlays = before[tag] | {name: overlay for (owner, name), overlay in laid.items() if owner == tag}
    try:
        yield
    finally:
        for tag, group in groups.items():
            group.overlays = before[tag]
        if laid:
            net._ready("overlaid").refresh()
