"""Training with PyTorch: `Trainer.fit` over any iterable of batches. A plain loop over ``net(x)`` works just as well."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from ..base.checks import check_real, check_whole
from ..base.errors import GraphError, RunError
from ..network.network import Network
from ..network.readout import Max, Readout
from .batches import check_again, parts_of, set_epoch, steps_of
from .checkpoint_file import read_checkpoint, write_checkpoint
from .losses import RateBounds, check_labels, cross_entropy
from .measuring import measuring
from .metrics import ConfusionMatrix
from .perturb import Perturb, overlaid
from .progress import History, Progress
from .robust import Attack, WorstCase
from .sharding import Part, Share, check_sharded, gathered, writes

Batch = Sequence[Any]  # (x, labels) or (x, labels, lengths)


class Trainer:
    """Trains a network's parameters on labelled batches.

    Args:
        net: an initialised network with one output.
        optimizer: an optimiser of ``net.parameters()``; None for Adam with ``lr``.
        lr: the learning rate of the default optimiser.
        readout: the map from output to scores; None for the network's own (``net.readout``), or ``Max(tail=1)`` where it has
            none. It becomes the network's own, which `ship.study` uses and files keep.
        loss: the loss as a function ``loss(scores, labels)``.
        regularisers: penalties on spiking groups, see `RateBounds`.
        schedule: a PyTorch learning-rate scheduler, stepped once an epoch.
        clip: the largest norm of the gradient; None for no clipping.
        truncate: the number of slots after which back-propagation in time is cut, for long runs; None for no cut.
        perturb: noise on parameters, drawn anew for each batch of `fit`; evaluation is without it.
        robust: the settings of training at the worst parameters near the present ones; None for training at the present ones.
        n_classes: the number of classes in the confusion matrix; None for the size of the output.

    Raises:
        GraphError: the network does not have exactly one output, or has nothing to train.
        ParameterError: ``perturb`` or ``robust`` selects nothing, or a number is out of range.
    """

    def __init__(
        self,
        net: Network,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        lr: float = 2e-3,
        readout: Readout | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        regularisers: Sequence[RateBounds] = (),
        schedule: Any = None,
        clip: float | None = None,
        truncate: int | None = None,
        perturb: Perturb | Sequence[Perturb] = (),
        robust: WorstCase | None = None,
        n_classes: int | None = None,
    ) -> None:
        output, trained = _output(net), _trained(net, optimizer)
        _check_numbers(lr, clip, truncate, n_classes)
        if truncate is not None and robust is not None:
            raise RunError("Trainer.robust", "needs whole runs", got=f"truncate={truncate}")
        self.net, self.loss = net, loss
        self.readout: Readout = readout or net.readout or Max(tail=1)
        net.readout = self.readout
        self.perturb, self.robust = (perturb,) if isinstance(perturb, Perturb) else tuple(perturb), robust
        self._attack = None if robust is None else Attack(robust)
        with self._overlaid():
            pass  # raises an error now, not in the first epoch
        self._parameters = list(net.parameters())
        self.optimizer = optimizer or torch.optim.Adam(trained, lr=lr)
        self.regularisers, self.schedule, self.clip, self.truncate = tuple(regularisers), schedule, clip, truncate
        self.n_classes = n_classes or net[output].n
        self.progress = Progress()

    @property
    def history(self) -> History:
        """The numbers of all epochs so far."""
        return self.progress.history

    @property
    def epoch(self) -> int:
        """The number of epochs that are done."""
        return self.progress.epoch

    @property
    def trial(self) -> int:
        """The number of the next trial, from which noise is drawn."""
        return self.progress.trial

    @trial.setter
    def trial(self, number: int) -> None:
        self.progress.trial = number

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self._parameters if p.requires_grad)
        done = f"{self.epoch} epochs"
        if len(self.history):
            done += f", loss {self.history.loss[-1]:.3g}, training accuracy {self.history.accuracy[-1]:.1%}"
        return f"Trainer({count} parameters, {type(self.optimizer).__name__}, readout {self.readout!r}; {done})"

    @property
    def _device(self) -> torch.device:
        return self.net[self.net.tags[0]].zero.device

    def _unpack(self, batch: Batch | Part) -> Part:
        if isinstance(batch, Part):
            return batch._replace(labels=batch.labels.to(self._device))
        x, given, lengths = parts_of("Trainer", batch)
        labels = torch.as_tensor(given).to(self._device)
        return Part(x, labels, lengths, Share(0, len(labels), len(labels)))

    def scores(self, x: Any, lengths: Tensor | None = None, *, first_sample: int = 0) -> Tensor:
        """Run the network on an input and read its output: ``[..., batch, class]``.

        Args:
            x: the input, see `Network.run`.
            lengths: the number of slots of each sample, where they differ.
            first_sample: the number of the first sample, from which its noise is drawn.
        """
        return self.readout(self._run(x, first_sample=first_sample), self._lengths(lengths))

    def _lengths(self, lengths: Tensor | None) -> Tensor | None:
        return lengths if lengths is not None else self.net.lengths

    def _run(self, x: Any, **options: Any) -> Tensor:
        steps = steps_of(x)
        out = self.net.run(x, steps=None if steps is None else steps + self.readout.tail, trial=self.trial, **options)
        assert isinstance(out, Tensor)
        return out

    def _train_batch(self, batch: Batch | Part) -> tuple[float, int, Tensor, Tensor]:
        """Take a step; return the loss and the number of samples of the whole batch, and labels and classes of our part of it."""
        x, labels, lengths, share = self._unpack(batch)
        self.optimizer.zero_grad(set_to_none=True)

        def forward() -> tuple[Tensor, Tensor]:
            scores = self.scores(x, lengths, first_sample=share.first)
            check_labels("Trainer", scores, labels, self.n_classes)
            return self.loss(scores, labels) + self._penalty(), scores

        if not share.n:
            total, scores = 0.0, self.net[self.net.tags[0]].zero.new_zeros(0, self.n_classes)
        elif self.truncate is not None:
            total, scores = self._truncated(x, labels, lengths)
        elif self._attack is not None:
            total, scores = self._attack.backward(self.net, forward)
        else:
            loss, scores = forward()
            if share.n < share.total:
                loss = loss * (share.n / share.total)
            loss.backward()
            total = float(loss.detach())
        total = share.summed(self._parameters, total)
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        if not math.isfinite(total):
            raise RunError(
                "Trainer",
                "the loss is not finite",
                got=str(total),
                fix="Lower the learning rate, clip gradients, or check the input.",
            )
        self.optimizer.step()
        for tag in self.net.tags:
            self.net[tag].project_()  # keeps parameters inside their limits, also after the last step
        return total, share.total, labels, scores.detach().argmax(-1)

    def _overlaid(self) -> AbstractContextManager[None]:
        return overlaid(self.net, *self.perturb, *(() if self._attack is None else (self._attack,)))

    def _truncated(self, x: Tensor, labels: Tensor, lengths: Tensor | None) -> tuple[float, Tensor]:
        """Train on pieces of ``truncate`` slots, each read by itself; the state is carried over without its graph."""
        assert self.truncate is not None
        if not isinstance(x, Tensor):
            raise RunError("Trainer.truncate", "needs inputs as tensors", got=type(x).__name__)
        if lengths is not None and bool((lengths != x.shape[-2]).any()):
            raise RunError("Trainer.truncate", "needs samples of one length", got=f"{int(lengths.min())} to {x.shape[-2]} slots")
        pieces = x.split(self.truncate, dim=-2)
        total, outs = 0.0, []
        for i, piece in enumerate(pieces):
            extra = self.readout.tail if i == len(pieces) - 1 else 0
            out = self.net.run(piece, steps=piece.shape[-2] + extra, reset=i == 0, trial=self.trial)
            scores = self.readout(out)
            check_labels("Trainer", scores, labels, self.n_classes)
            loss = (self.loss(scores, labels) + self._penalty()) / len(pieces)
            loss.backward()
            total += float(loss.detach())
            outs.append(out.detach())
        return total, self.readout(torch.cat(outs, -2))

    def _penalty(self) -> Tensor:
        total = self.net[self.net.tags[0]].zero
        for regulariser in self.regularisers:
            total = total + regulariser(self.net.records[regulariser.tag].output, self.net.dt)
        return total

    def fit(
        self,
        batches: Iterable[Batch],
        *,
        epochs: int,
        validation: Iterable[Batch] | None = None,
        patience: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = True,
    ) -> History:
        """Train until ``epochs`` epochs are done in total, counted over several calls and after `resume`.

        Args:
            batches: an iterable of ``(x, labels)`` or ``(x, labels, lengths)``; its method ``set_epoch(epoch)`` is called if it,
                or the data set or sampler of a DataLoader, has one.
            epochs: the epoch to train up to.
            validation: batches for the validation accuracy of each epoch; None for no validation.
            patience: the number of epochs in a row without a better validation accuracy after which training stops; the best
                parameters are then restored. None to train all epochs.
            checkpoint: a file that is written after each epoch, for `resume`; None for none. Of processes that share batches
                (`sharded`), the first one writes it.
            progress: whether to draw a progress bar.

        Returns:
            The history, with one entry for each epoch.

        Raises:
            RunError: there are no batches, they have another form, or one pass uses them up and several are needed; labels do
                not fit; a number is out of range; the loss is not finite; `Network.init` was called meanwhile.
        """
        self._check_parameters()
        check_sharded(self, batches)
        for name, value in (("epochs", epochs), ("patience", patience)):
            if value is not None:
                check_whole(f"Trainer.fit: {name}", value, 1, error=RunError)
        if patience is not None and validation is None:
            raise RunError("Trainer.fit: patience", "needs validation batches", got=f"patience={patience}")
        if epochs - self.epoch > 1:
            check_again("Trainer.fit: batches", batches)
            check_again("Trainer.fit: validation", validation)
        with self.net.keeping_monitors():
            for tag in {r.tag for r in self.regularisers}:
                self.net.monitor(tag, "output", detach=False)
            for epoch in range(self.epoch, epochs):
                if self.progress.exhausted(patience):
                    break
                self._one_epoch(batches, epoch, epochs, validation, progress)
                if checkpoint is not None and writes(batches):
                    self.save(checkpoint)
        if patience is not None and self.progress.best is not None:
            self.net.load_state_dict(self.progress.best)
        return self.history

    def _check_parameters(self) -> None:
        """Refuse a network whose tensors `Network.init` has drawn anew: the optimiser would go on with the old ones."""
        now = list(self.net.parameters())
        if len(now) != len(self._parameters) or any(a is not b for a, b in zip(now, self._parameters, strict=True)):
            raise RunError(
                "Trainer",
                "holds parameters that the network has no more",
                fix="Make a new Trainer (and optimiser) after net.init.",
            )

    def _one_epoch(
        self, batches: Iterable[Batch], epoch: int, epochs: int, validation: Iterable[Batch] | None, progress: bool
    ) -> None:
        from tqdm.auto import tqdm

        set_epoch(batches, epoch)
        self.net.train()
        losses, matrix, samples = 0.0, ConfusionMatrix(self.n_classes), 0
        bar = tqdm(batches, desc=f"epoch {epoch + 1}/{epochs}", disable=None if progress else True, leave=False)
        with self._overlaid():
            for batch in bar:
                loss, n, labels, predicted = self._train_batch(batch)
                losses, samples = losses + loss * n, samples + n
                matrix.add(labels.expand(predicted.shape), predicted)
                self.progress.trial += 1
                bar.set_postfix(loss=f"{losses / samples:.3f}", accuracy=f"{matrix.accuracy:.3f}")
        gathered(matrix, batches, self._device)
        if not samples:
            raise RunError("Trainer.fit", "got no batches", fix="Give a list or a DataLoader, not a generator that is used up.")
        self.history.rate.append(float(self.optimizer.param_groups[0]["lr"]))
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(losses / samples)
        elif self.schedule is not None:
            self.schedule.step()
        self.history.loss.append(losses / samples)
        self.history.accuracy.append(matrix.accuracy)
        self.progress.epoch = epoch + 1
        if validation is not None:
            self.progress.validated(self.evaluate(validation).accuracy, self.net)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> ConfusionMatrix:
        """Count true and predicted classes over all samples (and chips), without training.

        The records of the network stay as they were.

        Raises:
            RunError: there are no batches, they have another form, or labels do not fit.
        """
        matrix = ConfusionMatrix(self.n_classes)
        with measuring(self.net):
            for batch in batches:
                x, labels, lengths, share = self._unpack(batch)
                if not share.n:
                    continue
                scores = self.scores(x, lengths, first_sample=share.first)
                check_labels("Trainer.evaluate", scores, labels, self.n_classes)
                predicted = scores.argmax(-1)
                matrix.add(labels.expand(predicted.shape), predicted)
        gathered(matrix, batches, self._device)
        if not matrix.total:
            raise RunError("Trainer.evaluate", "got no batches", fix="Give a list or Batches, not a generator that is used up.")
        return matrix

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint for `resume`: parameters, optimiser, schedule, and the progress with the best state so far.

        The file is written atomically, and nothing in it can be executed.

        Raises:
            FileError: the file cannot be written, or a state of the optimiser or the schedule cannot be saved.
        """
        write_checkpoint(path, self.net, self.optimizer, self.schedule, self.progress)

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Go on exactly where a checkpoint was written: make network and trainer as before, call this, then `fit`.

        Raises:
            FileError: the file is missing or damaged, or was written for another network or trainer; network and trainer are
                then unchanged.
        """
        self.progress = read_checkpoint(path, self.net, self.optimizer, self.schedule)


def _output(net: Network) -> str:
    """Return the tag of the only output of a network."""
    outputs = net.outputs
    if len(outputs) != 1:
        raise GraphError(
            "Trainer", "needs a network with one output", got=f"{len(outputs)}", fix="Give output=True to the readout group."
        )
    return outputs[0]


def _trained(net: Network, optimizer: torch.optim.Optimizer | None) -> list[Tensor]:
    """Return the parameters of a network that are trained, of which an optimiser must hold at least one."""
    parameters: list[Tensor] = [p for p in net.parameters() if p.requires_grad]
    if not parameters:
        raise GraphError("Trainer", "has nothing to train", fix="Call net.init first; check trainable=.")
    if optimizer is not None:
        mine, theirs = {id(p) for p in parameters}, {id(p) for g in optimizer.param_groups for p in g["params"]}
        if not theirs & mine:
            raise GraphError(
                "Trainer.optimizer",
                "holds no parameter of this network",
                fix="Make it after net.init: init draws new tensors.",
            )
    return parameters


def _check_numbers(lr: float, clip: float | None, truncate: int | None, n_classes: int | None) -> None:
    """Check that the numbers of a trainer are in range."""
    check_real("Trainer.lr", lr, "must be a number, at least 0", least=0.0)
    if clip is not None:
        check_real("Trainer.clip", clip, "must be a number above 0", above=0.0)
    for name, whole in (("truncate", truncate), ("n_classes", n_classes)):
        if whole is not None:
            check_whole(f"Trainer.{name}", whole, 1)
