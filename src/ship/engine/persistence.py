"""The storage of persistent states after each segment of a run: one value for each chip, whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .reference.node import Node

Marks = list[dict[str, Tensor]]


def mark(nodes: Sequence[Node]) -> Marks:
    """Copy the persistent states at the start of a segment, ``[chip, batch, ...]``."""
    return [{name: value.detach().clone() for name, value, _ in node.persistent()} for node in nodes]


@torch.no_grad()
def keep(nodes: Sequence[Node], marks: Marks) -> None:
    """Store persistent states, ``[chip, 1, ...]``: the mean over samples, or the stored value plus the changes of all samples.

    The samples of a continued run go on from their own states, so that a run in pieces stores the same as one run.
    """
    with torch.inference_mode(False):  # stored tensors must stay writable
        for node, before in zip(nodes, marks, strict=True):
            for name, value, batch in node.persistent():
                stored = node.group.get_buffer(name)
                if batch == "mean" or node.lead[1] == 1:
                    left = value.mean(1, keepdim=True)
                else:
                    change = (value - before[name]).expand(*node.lead, *value.shape[2:])
                    left = stored + change.sum(1, keepdim=True)
                setattr(node.group, name, left.expand_as(stored).clone())
