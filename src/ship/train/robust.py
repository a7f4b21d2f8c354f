"""Robust training: gradient descent at the worst parameters near the present ones.

The problem is ``min over theta of max over |d| <= 1 of loss(theta (1 + size d))``. The inner maximum is approached by ``steps``
steps of the sign of the gradient, ``d <- clamp(d + sign(dloss/dd) / steps, -1, 1)`` from d = 0. The outer step combines two
gradients: a fraction ``share`` of the one at the worst parameters, and for the rest the one at the parameters themselves, which
the first inner step yields at no cost.

Source: Wu, Xia & Wang, *Adversarial Weight Perturbation Helps Robust Generalization*, NeurIPS 2020 (gradient at the perturbed
parameters); Büchel, Faber & Muir, *Network Insensitivity to Parameter Noise via Adversarial Regularization*, arXiv 2106.05009
(2021), sec. 2.1 (steps of the sign, relative to each parameter). Here one loss serves both problems; theirs attacks a divergence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..base.errors import ParameterError, is_whole
from ..groups.group import Group, Overlay
from ..groups.selection import select
from ..network.network import Network
from .perturb import Scale, changed, check_scale


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """An option of `Trainer`: train against the worst change of parameters chosen by role, group or name (default: all weights).

    Each batch costs ``steps`` additional passes.

    Args:
        role, tags, names: the choice of parameters, see `ship.groups.selection.select`; only those with a gradient change.
        size: the largest change, as a fraction.
        of: the scale of the fraction: "value" for each value, "largest" for the largest magnitude in the group.
        steps: the number of steps of the inner ascent.
        share: the weight of the loss at the worst parameters; the rest weights the loss at the parameters themselves.

    Raises:
        ParameterError: a number is out of range.
    """

    role: str | None = None
    tags: Sequence[str] = ()
    names: Sequence[str] = ()
    size: float = 0.05
    of: Scale = "value"
    steps: int = 1
    share: float = 1.0

    def __post_init__(self) -> None:
        check_scale("WorstCase", "size", self.size, self.of)
        if not is_whole(self.steps, 1):
            raise ParameterError("WorstCase.steps", "must be a whole number, at least 1", got=repr(self.steps))
        if not 0 < self.share <= 1:
            raise ParameterError("WorstCase.share", "must lie between 0 and 1", got=repr(self.share))


class Attack:
    """The search for the worst parameters of one network, with the changes found so far."""

    def __init__(self, settings: WorstCase) -> None:
        self.settings = settings
        self.moves: dict[tuple[str, str], Tensor] = {}  # d, by tag and name

    def overlays(self, net: Network) -> dict[tuple[str, str], Overlay]:
        """Return the changes to lay over the parameters by tag and name, see `overlaid`."""
        groups, own = net._ready("WorstCase").groups, self.settings
        chosen = select("WorstCase", groups, role=own.role, tags=own.tags, names=own.names, gradient=True)
        self.moves = {}
        for tag, name in chosen:
            group = groups[tag]
            self.moves[tag, name] = torch.zeros(group.shape_of_parameter(name), dtype=group.dtype, device=group.die_ids.device)
        return dict.fromkeys(chosen, self._apply)

    def _apply(self, group: Group, name: str, value: Tensor) -> Tensor:
        return changed(group, name, value, self.settings.size * self.moves[group.tag, name], self.settings.of)

    def backward(self, net: Network, forward: Callable[[], tuple[Tensor, Tensor]]) -> tuple[float, Tensor]:
        """Compute the gradients of all parameters, in place of ``loss.backward()``; the changes must be laid over the network.

        Args:
            net: a network in training mode.
            forward: a function that runs the network and returns loss and scores.

        Returns:
            Loss and scores at the parameters themselves.
        """
        own = self.settings
        trained: list[Tensor] = [p for p in net.parameters() if p.requires_grad]
        self.moves = {key: torch.zeros_like(move) for key, move in self.moves.items()}
        for step in range(own.steps):
            moves = [move.requires_grad_() for move in self.moves.values()]
            loss, scores = forward()
            grads = torch.autograd.grad(loss, moves + (trained if step == 0 and own.share < 1 else []), allow_unused=True)
            if step == 0:
                clean, value, said = grads[len(moves) :], float(loss.detach()), scores.detach()
            for (key, move), grad in zip(list(self.moves.items()), grads, strict=False):
                up = 0.0 if grad is None else grad.sign() / own.steps
                self.moves[key] = (move.detach() + up).clamp(-1.0, 1.0)
        loss, _ = forward()
        (own.share * loss).backward()
        for p, at_home in zip(trained, clean, strict=False):
            if at_home is not None:
                p.grad = (1 - own.share) * at_home + (0.0 if p.grad is None else p.grad)
        return value, said
