"""Sums of signals through weights: dense, or along edges."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

EDGE_VALUES = 2**22  # products along edges that are held at a time


def project_edges(x: Tensor, weight: Tensor, pre: Tensor, post: Tensor, n_post: int) -> Tensor:
    """Sum ``x [slot, chip, batch, pre]`` along edges with weights ``[edge]`` or ``[chip or 1, batch or 1, edge]``."""
    lead = np.broadcast_shapes(x.shape[1:3], weight.shape[:-1])
    slots = max(1, EDGE_VALUES // max(1, lead[0] * lead[1] * len(pre)))
    parts = [sum_edges(part[..., pre] * weight, post, n_post) for part in x.split(slots)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def sum_edges(value: Tensor, post: Tensor, n_post: int) -> Tensor:
    """Sum values ``[..., edge]`` over the edges of each target."""
    return value.new_zeros((*value.shape[:-1], n_post)).index_add(-1, post.long(), value)  # fifty times as fast as with int32


def project(x: Tensor, weight: Tensor) -> Tensor:
    """Sum ``x [slot, chip, batch, pre]`` through a weight.

    The weight is ``[pre, post]``, ``[chip, 1, pre, post]`` or ``[chip or 1, batch, pre, post]``.
    """
    if weight.ndim == 2:
        # Memory in the order [chip, batch, slot, pre], as in inputs and outputs of runs, makes one product without a copy.
        return (x.permute(1, 2, 0, 3) @ weight).permute(2, 0, 1, 3) if x.stride(0) < x.stride(2) else x @ weight
    if weight.shape[1] == 1:
        chips = max(weight.shape[0], x.shape[1])
        return torch.einsum("lcbi,cij->lcbj", x.expand(-1, chips, -1, -1), weight.squeeze(1).expand(chips, -1, -1))
    return (x.unsqueeze(-2) @ weight).squeeze(-2)
