"""A column of neurons, some of them inhibitory, that are connected the more often the nearer they are.

A connection from a to b exists with probability ``k exp(-(d / width)^2)``, d the distance on a grid of spacing 1 and k that of
the pair of kinds. The first letter of a kind is the source's: "EI" is excitatory to inhibitory.

Source: Maass, Natschlaeger & Markram, Neural Comput. 14:2531 (2002); the probabilities and relative weights are those of the
Braille network of Gemo et al., Front. Neurosci. 17:1270090 (2024), as its published script sets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...groups.distance import grid

PEAK = {"EE": 0.45, "EI": 0.3, "IE": 0.6, "II": 0.15}
WEIGHT = {"EE": 1.0, "EI": 2.0, "IE": -2 / 3, "II": -2 / 3}
PAIRS = ("EE", "EI", "IE", "II")


@dataclass(frozen=True, eq=False)
class Column:
    """The edges of a column: which units are inhibitory, and which unit is connected with which, by what relative weight."""

    inhibitory: Tensor  # bool [unit]
    pre: Tensor  # int64 [edge]
    post: Tensor
    weight: Tensor  # float32 [edge], in relation to the first kind

    def inputs(self, channels: int, partners: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return edges from each channel to some excitatory units of its own choice, as two lists of units."""
        excitatory = (~self.inhibitory).nonzero().flatten()
        chosen = [excitatory[torch.randperm(len(excitatory), generator=generator)[:partners]] for _ in range(channels)]
        return torch.arange(channels).repeat_interleave(partners), torch.cat(chosen)


def column(
    shape: tuple[int, int, int],
    generator: torch.Generator,
    *,
    inhibitory: float = 0.25,
    width: float = 2.0,
    peak: Mapping[str, float] = PEAK,
    weight: Mapping[str, float] = WEIGHT,
) -> Column:
    """Draw the edges of a column.

    Args:
        shape: number of units along each axis of the grid.
        generator: where the random numbers come from.
        inhibitory: the probability that a unit is inhibitory.
        width: the distance at which the probability has fallen to 1/e.
        peak: the probability at distance 0, by pair of kinds.
        weight: the weight, by pair of kinds.
    """
    places = grid(*shape)
    n = len(places)
    kind = torch.rand(n, generator=generator) < inhibitory
    pair = 2 * kind[:, None].long() + kind[None, :].long()  # index into `PAIRS`, [pre, post]
    distance = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    probability = torch.tensor([peak[name] for name in PAIRS])[pair] * torch.exp(-((distance / width) ** 2))
    pre, post = (torch.rand(n, n, generator=generator) < probability).nonzero(as_tuple=True)
    return Column(kind, pre, post, torch.tensor([weight[name] for name in PAIRS])[pair[pre, post]])
