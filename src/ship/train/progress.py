"""The progress of a training: its history, and the best state so far."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

from torch import Tensor

from ..network.network import Network


@dataclass
class History:
    """The numbers of each epoch."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)  # learning rate

    def __len__(self) -> int:
        return len(self.loss)


@dataclass
class Progress:
    """The progress of a training: everything that the network, the optimiser and the schedule do not hold."""

    epoch: int = 0  # epochs that are done
    trial: int = 0  # number of the next trial, from which noise is drawn
    history: History = field(default_factory=History)
    best: dict[str, Tensor] | None = None  # the network's state with the best validation accuracy
    best_score: float = -math.inf
    since_best: int = 0  # epochs since then

    def validated(self, score: float, net: Network) -> None:
        """Take the validation accuracy of an epoch, and the state of the network if it is the best one."""
        self.history.validation_accuracy.append(score)
        self.since_best += 1
        if score > self.best_score:
            self.best_score, self.since_best = score, 0
            self.best = copy.deepcopy(net.state_dict())

    def exhausted(self, patience: int | None) -> bool:
        """Return whether ``patience`` epochs in a row were not better than the best."""
        return patience is not None and self.since_best >= patience
