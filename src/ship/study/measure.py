"""Measures of the dies of a network: what accuracy they reach, and how sure that is."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.errors import GraphError, RunError
from ..base.statistics import Interval, mean_interval, wilson
from ..network.network import Network
from ..network.readout import Readout
from ..train.batches import parts_of, steps_of
from ..train.losses import check_labels
from ..train.measuring import measuring


class Summary(NamedTuple):
    """Statistics of the accuracies of several dies: mean, worst, best and spread."""

    mean: Interval  # over dies, with the 95 % interval of the mean
    worst: float
    best: float
    std: float  # from die to die
    chips: int

    def __str__(self) -> str:
        return (
            f"{self.mean.value:.1%} ({self.mean.low:.1%} to {self.mean.high:.1%}), "
            f"worst {self.worst:.1%}, best {self.best:.1%} of {self.chips} chips"
        )

    def __repr__(self) -> str:
        return str(self)


def accuracy(net: Network, batches: Iterable[Sequence[Any]], *, readout: Readout | None = None, trial: int = 0) -> Tensor:
    """Measure the accuracy of each die, all in one run over the chip axis.

    Devices do not age meanwhile, and records stay as they were.

    Args:
        net: an initialised network with one output.
        batches: ``(x, labels)`` or ``(x, labels, lengths)``, the same for all dies.
        readout: function from the output to scores; default: the one that the network was trained with (``net.readout``).
        trial: number of the trial, from which the noise is drawn.

    Returns:
        ``[chip]``, float64; one number ``[]`` where the network has no chip axis.

    Raises:
        GraphError: not one output.
        RunError: no samples, labels that do not fit, or no readout: the network was not trained by a `ship.train.Trainer`.

    Warns:
        UserWarning: devices that were never written, or that were written exactly because they have no law of writing. Once.
    """
    found = hits(net, batches, readout=readout, trial=trial)
    return found.sum(-1, dtype=torch.float64) / found.shape[-1]


@torch.no_grad()
def hits(net: Network, batches: Iterable[Sequence[Any]], *, readout: Readout | None = None, trial: int = 0) -> Tensor:
    """Tell for each die and each sample whether it was classified rightly; `accuracy` is the mean over samples.

    Args:
        net, batches, readout, trial: as for `accuracy`.

    Returns:
        ``[chip, sample]``, truth values in the order of the batches; ``[sample]`` where the network has no chip axis.

    Raises:
        GraphError, RunError: as `accuracy`.

    Warns:
        UserWarning: as `accuracy`.
    """
    outputs = net.outputs
    if len(outputs) != 1:
        raise GraphError("study.accuracy", "needs a network with one output", got=f"{len(outputs)}")
    readout = readout_of("study.accuracy", net, readout)
    say_what_is_ideal("study.accuracy", net)
    found: list[Tensor] = []
    with measuring(net, held=True):
        for batch in batches:
            x, labels, lengths = parts_of("study.accuracy", batch)
            steps = steps_of(x)
            out = net.run(x, steps=None if steps is None else steps + readout.tail, trial=trial)
            scores, truth = readout(out, net.lengths if lengths is None else lengths), torch.as_tensor(labels)
            check_labels("study.accuracy", scores, truth)
            found.append((scores.argmax(-1) == truth.to(scores.device)).cpu())
    if not sum(part.shape[-1] for part in found):
        raise RunError("study.accuracy", "got no batches", fix="Give a list or Batches, not a generator that is used up.")
    right = torch.cat(found, dim=-1)
    return right.reshape(-1, right.shape[-1]) if net.chips is not None else right.reshape(-1)


@torch.no_grad()
def weight_error(net: Network) -> Tensor:
    """Compute how far the weights that the devices act as are from those that were to be written, on each die.

    It tells devices apart whose accuracies are alike: a network with more weights than it needs hides their errors.

    Returns:
        ``[chip]``, float64: the root mean square over all weights that devices hold, as a fraction of full scale, which is the
        largest weight of each group; a group whose weights are all 0 has none, and does not count. It has the noise of one
        read in it.

    Raises:
        RunError: no device holds a weight other than 0.
    """
    total, n = torch.zeros(net.chips or 1, dtype=torch.float64), 0
    for group in net.simulation("study.weight_error").groups.values():
        hardware = group.hardware
        if hardware is None or hardware.mode != "programmed":
            continue
        model = group.model_weight().detach()
        wanted = hardware.wanted if hardware.wanted.numel() else model
        square = (hardware.weight(model) - wanted).double().square()
        if hardware.noisy:
            square = square + hardware.read_variance().double()
        full = wanted.abs().max().double()
        if not bool(full > 0):
            continue
        square = (square / full.square()).reshape(len(square), -1).cpu()
        total, n = total + square.sum(-1), n + square.shape[-1]
    if not n:
        fix = "Give device= to net.add, and call net.program() first."
        raise RunError("study.weight_error", "needs weights other than 0 that devices hold", fix=fix)
    return (total / n).sqrt()


def readout_of(where: str, net: Network, given: Readout | None) -> Readout:
    """Return the readout that was given, or the one that the network was trained with.

    Raises:
        RunError: there is none.
    """
    found = net.readout if given is None else given
    if not isinstance(found, Readout):
        raise RunError(
            f"{where}: readout",
            "must be given: the network does not say how its output was read when it was trained",
            got=None if given is None else repr(given),
            fix="Give the one of its training, e.g. readout=ship.train.Max(tail=1), or set net.readout.",
        )
    return found


def say_what_is_ideal(where: str, net: Network) -> None:
    """Warn once about devices that are ideal in a way that nobody asked for."""
    said: dict[str, list[str]] = {}
    for tag, group in net.simulation("study").groups.items():
        hardware = group.hardware
        text = "" if hardware is None else hardware.ideal()
        if hardware is not None and text and text != hardware.told:
            hardware.told = text
            said.setdefault(text, []).append(repr(tag))
    if said:
        texts = (f"{'each of ' * (len(tags) > 1)}{', '.join(tags)} {text}" for text, tags in said.items())
        warnings.warn(f"{where}: {'; '.join(texts)}", UserWarning, stacklevel=4)


def yield_at(accuracies: Tensor | Sequence[float], threshold: float, *, level: float = 0.95) -> Interval:
    """Compute the share of dies at or above an accuracy, with its Wilson interval.

    Args:
        accuracies: accuracy of each die, from `accuracy`.
        threshold: least accuracy of a good die, from 0 to 1.
        level: level of confidence.

    Raises:
        RunError: no dies, one that is not a number, or a threshold outside [0, 1].
    """
    values = _dies("study.yield_at", accuracies)
    if not 0 <= threshold <= 1:
        raise RunError("study.yield_at: threshold", "must be from 0 to 1", got=f"{threshold:g}")
    # Accuracies are counts over counts: a threshold of 0.9 must not miss 9 of 10 by a rounding error, also of float32.
    return wilson(int((values >= threshold - 1e-6).sum()), len(values), level)


def summary(accuracies: Tensor | Sequence[float], *, level: float = 0.95) -> Summary:
    """Summarise the accuracies of dies: the mean with its confidence interval, the worst, the best and the standard deviation.

    Raises:
        RunError: fewer than two dies, or one that is not a number.
    """
    values = _dies("study.summary", accuracies)
    mean = mean_interval(values, level)
    return Summary(mean, float(values.min()), float(values.max()), float(values.std()), len(values))


def _dies(where: str, accuracies: Tensor | Sequence[float]) -> Tensor:
    values = torch.as_tensor(accuracies, dtype=torch.float64).detach().cpu().flatten()
    if not len(values) or not bool(torch.isfinite(values).all()):
        raise RunError(where, "needs the accuracy of at least one die", got="none" if not len(values) else "NaN or infinity")
    return values
