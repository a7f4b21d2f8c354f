"""Noise on parameters in training: the network learns to do without their exact values.

``value <- value (1 + noise xi)``, or ``value + noise largest xi`` where ``largest`` is the largest magnitude in the group (as
errors of programming are, which do not shrink with the weight); xi is standard normal, one number for each unit or connection,
drawn anew in each trial from (seed, tag, name, die, trial) alone. The gradient goes through both (reparametrised). A value that
would leave the limits of its parameter keeps its own.

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
    """What can be laid over parameters."""

    def overlays(self, net: Network) -> dict[tuple[str, str], Overlay]:
        """By tag and name of the parameter."""


@dataclass(frozen=True, kw_only=True)
class Perturb:
    """Gaussian noise on parameters chosen by role, group or name (default: all weights), anew in each trial.

    Args:
        role, tags, names: which parameters, see `ship.groups.selection.select`.
        noise: standard deviation, as a fraction.
        of: of each value, or of the largest magnitude in the group.

    Raises:
        ParameterError: a negative noise, another ``of``.
    """

    role: str | None = None
    tags: Sequence[str] = ()
    names: Sequence[str] = ()
    noise: float = 0.1
    of: Scale = "value"

    def __post_init__(self) -> None:
        check_scale("Perturb", "noise", self.noise, self.of)

    def overlays(self, net: Network) -> dict[tuple[str, str], Overlay]:
        groups = net.simulation("Perturb").groups
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
        # One die: without its axis, so that a weight matrix stays a shared one.
        xi = xi.reshape(shape) if len(group.die_ids) == 1 else xi.reshape(-1, 1, *shape)
        return changed(group, name, value, self.noise * xi, self.of)


def changed(group: Group, name: str, value: Tensor, by: Tensor, of: Scale) -> Tensor:
    """A value changed by fractions, where it stays within its limits."""
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
    """Within it the network runs with changed parameters, as long as it is in training mode (``net.train()``).

    ``with overlaid(net, Perturb(noise=0.1)):`` in a training loop of one's own; `Trainer` does it by itself.

    Raises:
        ParameterError: nothing is selected.
        RunError: two changes of one parameter.
    """
    sim = net.simulation("overlaid")
    groups = sim.groups
    laid: dict[tuple[str, str], Overlay] = {}
    for change in changes:
        made = change.overlays(net)
        if twice := sorted(set(made) & set(laid)):
            raise RunError("overlaid", "two changes of one parameter", got=".".join(twice[0]), fix="Select with tags= or names=.")
        laid |= made
    before = {tag: group.overlays for tag, group in groups.items()}
    if laid:
        sim.refresh()  # shapes of parameters change, too
    for tag, group in groups.items():
        group.overlays = before[tag] | {name: overlay for (owner, name), overlay in laid.items() if owner == tag}
    try:
        yield
    finally:
        for tag, group in groups.items():
            group.overlays = before[tag]
        if laid:
            sim.refresh()
