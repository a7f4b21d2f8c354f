"""What a network that learnt without labels knows: its responses, the class of each unit, and votes of units for classes.

A network is shown samples with labels, without learning; each output unit then stands for the classes that it answers to. A vote
of all units classifies new samples. Labels are used for this only.

Source: Diehl & Cook, Front. Comput. Neurosci. 9:99 (2015), sec. 2.6, for the class of each unit and the vote by mean rates; the
vote in proportion is that of BindsNET (Hazan et al., Front. Neuroinform. 12:89, 2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.checks import check_choice
from ..base.errors import GraphError, RunError
from ..network.network import Network
from ..network.readout import Readout
from .batches import parts_of, steps_of
from .losses import check_labels
from .measuring import measuring


class Responses(NamedTuple):
    """What the output units answered to samples: the sum of their output over the time of each sample, and the labels."""

    counts: Tensor  # [..., sample, unit]
    labels: Tensor  # [sample]


@torch.no_grad()
def responses(net: Network, batches: Iterable[Sequence[Any]], *, trial: int = 0) -> Responses:
    """Show samples to a network that does not learn meanwhile, and return how often each output unit spiked for each of them.

    Weights and persistent states are afterwards what they were, devices do not age, and records stay as they are.

    Args:
        net: an initialised network with one output.
        batches: ``(x, labels)`` or ``(x, labels, lengths)``, the same for all chips.
        trial: number of the trial, from which the noise is drawn.

    Returns:
        The counts ``[..., sample, unit]``, with the chip axis in front where there is one, and the labels.

    Raises:
        GraphError: not one output.
        RunError: no batches.
    """
    if len(net.outputs) != 1:
        raise GraphError("train.responses", "needs a network with one output", got=f"{len(net.outputs)}")
    counts: list[Tensor] = []
    labels: list[Tensor] = []
    with measuring(net, held=True):
        for batch in batches:
            x, truth, _ = parts_of("train.responses", batch)
            out = net.run(x, steps=steps_of(x), trial=trial, first_sample=sum(len(part) for part in labels), learn=False)
            counts.append(out.sum(-2))
            labels.append(torch.as_tensor(truth))
    if not counts:
        raise RunError("train.responses", "got no batches", fix="Give a list or Batches, not a generator that is used up.")
    return Responses(torch.cat(counts, -2), torch.cat(labels))


@dataclass(frozen=True, eq=False)
class Votes(Readout):
    """A readout of classes by the votes of units, which `assign_labels` makes. It takes the output over time, as all readouts.

    Args:
        tail: slots to run after the input's end.
        table: what a spike of each unit says for each class, ``[..., unit, class]``.
        classes: the class of each unit, ``[..., unit]``: that to which it answered most, -1 for a unit that never answered.
    """

    table: Tensor | None = None
    classes: Tensor | None = None

    def of(self, counts: Tensor) -> Tensor:
        """Return the scores ``[..., sample, class]`` of counts ``[..., sample, unit]``."""
        if self.table is None or counts.ndim < 2 or counts.shape[-1] != self.table.shape[-2]:
            wanted = "a table of its own" if self.table is None else f"counts [..., sample, {self.table.shape[-2]}]"
            raise RunError(
                "Votes", f"needs {wanted}", got=f"shape {list(counts.shape)}", fix="Make it with ship.train.assign_labels."
            )
        return counts.to(self.table.dtype) @ self.table.to(counts.device)

    def read(self, output: Tensor, valid: Tensor) -> Tensor:
        return self.of(output.masked_fill(~valid, 0.0).sum(-2))


def assign_labels(seen: Responses, *, by: str = "class", tail: int = 0) -> Votes:
    """Give each unit the class to which it answered most on average, and return the vote of all units.

    Args:
        seen: responses to samples with labels (see `responses`), of the classes 0 to the largest label.
        by: "class": a class has the mean response of the units that stand for it (Diehl & Cook); "share": each spike counts for
            every class, in proportion to the mean response of its unit to it.
        tail: slots that the readout runs after the input's end.

    Returns:
        A readout, for `ship.study.accuracy`, or for counts with its method ``of``. Each chip has its own classes.

    Raises:
        RunError: shapes that do not fit, or labels that are no classes.
        ParameterError: another word for ``by``.
    """
    check_choice("train.assign_labels: by", by, ("class", "share"))
    counts, labels = seen.counts.double(), seen.labels.to(seen.counts.device)
    if counts.ndim < 2 or labels.shape != counts.shape[-2:-1] or not len(labels):
        got = f"shapes {list(counts.shape)} and {list(labels.shape)}"
        raise RunError("train.assign_labels", "needs counts [..., sample, unit] and labels [sample] of at least one", got=got)
    n = int(labels.max()) + 1
    check_labels("train.assign_labels", counts.new_zeros(len(labels), max(n, 1)), labels)
    of_class = torch.nn.functional.one_hot(labels.long(), n).to(counts.dtype)  # [sample, class]
    mean = counts.mT @ (of_class / of_class.sum(0).clamp(min=1.0))  # [..., unit, class]
    silent = mean.sum(-1) == 0
    classes = mean.argmax(-1).masked_fill(silent, -1)
    if by == "share":
        table = mean / mean.sum(-1, keepdim=True).clamp(min=torch.finfo(mean.dtype).tiny)
    else:
        table = (classes[..., None] == torch.arange(n, device=counts.device)).to(mean.dtype)
        table = table / table.sum(-2, keepdim=True).clamp(min=1.0)
    return Votes(tail, table.to(seen.counts.dtype), classes)
