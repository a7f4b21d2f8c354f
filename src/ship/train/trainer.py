"""Training with PyTorch: `Trainer.fit` over any iterable of batches. A plain loop over ``net(x)`` works just as well."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..base.errors import FileError, GraphError, ParameterError, RunError, is_real, is_whole
from ..base.tensor_files import DAMAGE, read, write
from ..network.files.checks import check_values
from ..network.network import Network
from ..network.readout import Max, Readout
from .batches import check_again, set_epoch, steps_of
from .checkpoint import check_optimizer, check_progress, check_schedule, differences, network_identity, trainer_identity
from .losses import RateBounds, check_labels, cross_entropy
from .measuring import measuring
from .metrics import ConfusionMatrix
from .perturb import Perturb, overlaid
from .robust import Attack, WorstCase

Batch = Sequence[Any]  # (x, labels) or (x, labels, lengths)
PROGRESS = ("epoch", "trial", "history", "_best", "_best_score", "_since_best")


@dataclass
class History:
    """Numbers of each epoch."""

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)  # learning rate

    def __len__(self) -> int:
        return len(self.loss)


class Trainer:
    """Trains a network's parameters on labelled batches.

    Args:
        net: an initialised network with one output.
        optimizer: over ``net.parameters()``; Adam with ``lr`` where left out.
        lr: learning rate of the default optimiser.
        readout: from output to scores; default: the network's own (``net.readout``), or ``Max(tail=1)`` where it has none. It
            becomes the network's own, with which `ship.study` reads it, also from a file.
        loss: ``loss(scores, labels)``.
        regularisers: penalties on spiking groups, see `RateBounds`.
        schedule: a PyTorch learning-rate scheduler, stepped once an epoch.
        clip: largest norm of the gradient; None for no clipping.
        truncate: slots after which back-propagation in time is cut, for long runs; None for none.
        perturb: noise on parameters, drawn anew for each batch of `fit`; evaluation goes without.
        robust: train at the worst parameters near the present ones.
        n_classes: for the confusion matrix; the output's size where left out.

    Raises:
        GraphError: not one output, or nothing to train.
        ParameterError: ``perturb`` or ``robust`` selects nothing; a number out of range.
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
        outputs = net.outputs
        if len(outputs) != 1:
            raise GraphError(
                "Trainer", "needs a network with one output", got=f"{len(outputs)}", fix="Give output=True to the readout group."
            )
        parameters = [p for p in net.parameters() if p.requires_grad]
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
        _check_numbers(lr, clip, truncate, n_classes)
        if truncate is not None and robust is not None:
            raise RunError("Trainer.robust", "needs whole runs", got=f"truncate={truncate}")
        self.net, self.loss = net, loss
        self.readout: Readout = readout or net.readout or Max(tail=1)
        net.readout = self.readout
        self.perturb, self.robust = (perturb,) if isinstance(perturb, Perturb) else tuple(perturb), robust
        self._attack = None if robust is None else Attack(robust)
        with self._overlaid():
            pass  # an error now, not in the first epoch
        self._parameters = list(net.parameters())
        self.optimizer = optimizer or torch.optim.Adam(parameters, lr=lr)
        self.regularisers, self.schedule, self.clip, self.truncate = tuple(regularisers), schedule, clip, truncate
        self.n_classes = n_classes or net[outputs[0]].n
        self.history = History()
        self.epoch = 0
        self.trial = 0
        self._best: dict[str, Tensor] | None = None
        self._best_score, self._since_best = -math.inf, 0

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self._parameters if p.requires_grad)
        done = f"{self.epoch} epochs"
        if len(self.history):
            done += f", loss {self.history.loss[-1]:.3g}, training accuracy {self.history.accuracy[-1]:.1%}"
        return f"Trainer({count} parameters, {type(self.optimizer).__name__}, readout {self.readout!r}; {done})"

    # -- one batch ---------------------------------------------------------------------------------------------------------

    def _unpack(self, batch: Batch) -> tuple[Any, Tensor, Tensor | None]:
        if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
            raise RunError("Trainer", "batches must be (x, labels) or (x, labels, lengths)", got=type(batch).__name__)
        x, labels = batch[0], torch.as_tensor(batch[1])
        return x, labels.to(self.net[self.net.tags[0]].zero.device), (batch[2] if len(batch) == 3 else None)

    def scores(self, x: Any, lengths: Tensor | None = None) -> Tensor:
        """Run the network on an input and read its output: ``[..., batch, class]``."""
        return self.readout(self._run(x), self._lengths(lengths))

    def _lengths(self, lengths: Tensor | None) -> Tensor | None:
        return lengths if lengths is not None else self.net.lengths

    def _run(self, x: Any, **options: Any) -> Tensor:
        steps = steps_of(x)
        out = self.net.run(x, steps=None if steps is None else steps + self.readout.tail, trial=self.trial, **options)
        assert isinstance(out, Tensor)
        return out

    def _train_batch(self, batch: Batch) -> tuple[float, Tensor, Tensor]:
        x, labels, lengths = self._unpack(batch)
        self.optimizer.zero_grad(set_to_none=True)

        def forward() -> tuple[Tensor, Tensor]:
            scores = self.readout(self._run(x), self._lengths(lengths))
            check_labels("Trainer", scores, labels, self.n_classes)
            return self.loss(scores, labels) + self._penalty(), scores

        if self.truncate is not None:
            total, scores = self._truncated(x, labels, lengths)
        elif self._attack is not None:
            total, scores = self._attack.backward(self.net, forward)
        else:
            loss, scores = forward()
            loss.backward()
            total = float(loss.detach())
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
            self.net[tag].project_()  # parameters stay inside their limits also after the last step
        return total, labels, scores.detach().argmax(-1)

    def _overlaid(self) -> AbstractContextManager[None]:
        return overlaid(self.net, *self.perturb, *(() if self._attack is None else (self._attack,)))

    def _truncated(self, x: Tensor, labels: Tensor, lengths: Tensor | None) -> tuple[float, Tensor]:
        """Pieces of ``truncate`` slots: each is read and trained by itself, with the state carried over without its graph."""
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

    # -- epochs ------------------------------------------------------------------------------------------------------------

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
        """Train until ``epochs`` epochs are done in all, also over several calls and after `resume`.

        Args:
            batches: an iterable of ``(x, labels)`` or ``(x, labels, lengths)``; ``set_epoch(epoch)`` is called where it, or the
                data set or sampler of a DataLoader, has one.
            epochs: the epoch to train up to.
            validation: batches for the validation accuracy of each epoch.
            patience: stop when that many epochs in a row bring no better validation accuracy; in the end go back to the best.
            checkpoint: a file written after each epoch, for `resume`.
            progress: draw a progress bar.

        Returns:
            The history, one entry an epoch.

        Raises:
            RunError: no batches, batches of another form, or for several epochs some that are used up by the first; labels that
                do not fit; a number out of range; a loss that is not finite; `Network.init` was called meanwhile.
        """
        self._check_parameters()
        for name, value in (("epochs", epochs), ("patience", patience)):
            if value is not None and not is_whole(value, 1):
                raise RunError(f"Trainer.fit: {name}", "must be a whole number, at least 1", got=repr(value))
        if patience is not None and validation is None:
            raise RunError("Trainer.fit: patience", "needs validation batches", got=f"patience={patience}")
        if epochs - self.epoch > 1:
            check_again("Trainer.fit: batches", batches)
            check_again("Trainer.fit: validation", validation)
        with self.net.keeping_monitors():
            for tag in {r.tag for r in self.regularisers}:
                self.net.monitor(tag, "output", detach=False)
            for epoch in range(self.epoch, epochs):
                if patience is not None and self._since_best >= patience:
                    break
                self._one_epoch(batches, epoch, epochs, validation, progress)
                if checkpoint is not None:
                    self.save(checkpoint)
        if patience is not None and self._best is not None:
            self.net.load_state_dict(self._best)
        return self.history

    def _check_parameters(self) -> None:
        """`Network.init` draws new tensors; the optimiser would go on with the old ones and nothing would be learnt."""
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
                loss, labels, predicted = self._train_batch(batch)
                n = len(labels)
                losses, samples = losses + loss * n, samples + n
                matrix.add(labels.expand(predicted.shape), predicted)
                self.trial += 1
                bar.set_postfix(loss=f"{losses / samples:.3f}", accuracy=f"{matrix.accuracy:.3f}")
        if not samples:
            raise RunError("Trainer.fit", "got no batches", fix="Give a list or a DataLoader, not a generator that is used up.")
        self.history.rate.append(float(self.optimizer.param_groups[0]["lr"]))
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(losses / samples)
        elif self.schedule is not None:
            self.schedule.step()
        self.history.loss.append(losses / samples)
        self.history.accuracy.append(matrix.accuracy)
        self.epoch = epoch + 1
        if validation is not None:
            score = self.evaluate(validation).accuracy
            self.history.validation_accuracy.append(score)
            self._since_best += 1
            if score > self._best_score:
                self._best_score, self._since_best = score, 0
                self._best = copy.deepcopy(self.net.state_dict())

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> ConfusionMatrix:
        """Count right and wrong over all samples (and chips), without training. Records of the network stay as they were.

        Raises:
            RunError: no batches, batches of another form, or labels that do not fit.
        """
        matrix = ConfusionMatrix(self.n_classes)
        with measuring(self.net):
            for batch in batches:
                x, labels, lengths = self._unpack(batch)
                scores = self.scores(x, lengths)
                check_labels("Trainer.evaluate", scores, labels, self.n_classes)
                predicted = scores.argmax(-1)
                matrix.add(labels.expand(predicted.shape), predicted)
        if not matrix.total:
            raise RunError("Trainer.evaluate", "got no batches", fix="Give a list or Batches, not a generator that is used up.")
        return matrix

    # -- checkpoints -------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that `resume` needs: parameters, optimiser, scheduler, history, best so far, epoch. Atomic, nothing
        executable.
        """
        tensors = {f"net/{k}": v for k, v in self.net.state_dict().items()}
        if self._best is not None:
            tensors |= {f"best/{k}": v for k, v in self._best.items()}
        optimizer = _flatten(self.optimizer.state_dict(), tensors, "optimizer")
        schedule = None if self.schedule is None else _flatten(self.schedule.state_dict(), tensors, "schedule")
        best = None if math.isinf(self._best_score) else self._best_score
        state = {
            "epoch": self.epoch,
            "trial": self.trial,
            "history": vars(self.history),
            "best": best,
            "since_best": self._since_best,
        }
        identity = {"network": network_identity(self.net), "trainer": trainer_identity(self.optimizer, self.schedule)}
        write(path, tensors, {"identity": identity, "trainer": state, "optimizer": optimizer, "schedule": schedule})

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Go on exactly where a checkpoint was written; make network and trainer as before, then call this, then `fit`.

        Raises:
            FileError: missing, damaged, or of another network or trainer; network and trainer are then as they were.
        """
        tensors, structure = read(path)
        parts: list[Any] = [self.net, self.optimizer, *(() if self.schedule is None else (self.schedule,))]
        before = copy.deepcopy([part.state_dict() for part in parts]), {name: getattr(self, name) for name in PROGRESS}
        try:
            self._check(structure)
            self._take(tensors, structure)
        except BaseException as error:
            for part, state in zip(parts, before[0], strict=True):
                part.load_state_dict(state)
            vars(self).update(before[1])
            if not isinstance(error, DAMAGE):
                raise
            got = str(error) if isinstance(error, FileError) else f"{type(error).__name__}: {error}"
            raise FileError(str(path), "is no checkpoint of this trainer", got=got.splitlines()[0].rstrip(".")) from error

    def _check(self, structure: dict[str, Any]) -> None:
        """Whether a checkpoint is of this network, optimiser and schedule; before anything is changed."""
        own: dict[str, Any] = {"network": network_identity(self.net), "trainer": trainer_identity(self.optimizer, self.schedule)}
        theirs = structure.get("identity")
        if theirs is None:  # of format 1
            theirs = {"network": structure["network"]}
            own = {"network": {name: own["network"].get(name) for name in theirs["network"]}}
        if found := differences(theirs, own):
            raise FileError("what it was made for", "must be what is here", got="; ".join(found[:3]))
        check_progress(structure["trainer"])

    def _take(self, tensors: dict[str, Tensor], structure: dict[str, Any]) -> None:
        """Make everything what a checkpoint says."""
        own, best = (
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)} for prefix in ("net/", "best/")
        )
        check_values(self.net, own)
        if best:
            check_values(self.net, best)
            self.net.load_state_dict(best)  # an error now, not after the training
        self.net.load_state_dict(own)
        self.optimizer.load_state_dict(_unflatten(structure["optimizer"], tensors))
        check_optimizer(self.optimizer)
        if self.schedule is not None:
            schedule = _unflatten(structure["schedule"], tensors)
            check_schedule(schedule, self.schedule.state_dict())
            self.schedule.load_state_dict(schedule)
        state = structure["trainer"]
        self.epoch, self.trial, self._since_best = state["epoch"], state["trial"], state["since_best"]
        self._best_score = -math.inf if state["best"] is None else float(state["best"])
        self.history, self._best = History(**state["history"]), best or None


def _check_numbers(lr: float, clip: float | None, truncate: int | None, n_classes: int | None) -> None:
    """Numbers of a trainer, in range."""
    if not (is_real(lr) and lr >= 0):
        raise ParameterError("Trainer.lr", "must be a number, at least 0", got=repr(lr))
    if clip is not None and not (is_real(clip) and clip > 0):
        raise ParameterError("Trainer.clip", "must be a number above 0", got=repr(clip))
    for name, whole in (("truncate", truncate), ("n_classes", n_classes)):
        if whole is not None and not is_whole(whole, 1):
            raise ParameterError(f"Trainer.{name}", "must be a whole number, at least 1", got=repr(whole))


def _flatten(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """A nested state as JSON, its tensors put aside by name; keys keep their type."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"items": [[k, _flatten(v, tensors, f"{name}/{k}")] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_flatten(v, tensors, f"{name}/{i}") for i, v in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FileError("Trainer.save", "a state cannot be saved", got=f"{name}: {type(value).__name__}")


def _unflatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "list" in value:
        return [_unflatten(v, tensors) for v in value["list"]]
    return {k: _unflatten(v, tensors) for k, v in value["items"]}
