"""Training by several processes, each on its part of every batch, equal to training by one process on the whole batch.

Each process has the same network and goes through the same batches, of which it takes a part. A sample keeps its number in the
whole batch, from which its noise is drawn. With n_r of n samples in process r, and a loss that is a mean over samples, the loss
of the whole batch and its gradient are

    loss = sum_r (n_r / n) loss_r,      dloss/dp = sum_r (n_r / n) dloss_r/dp,

sums over processes (``torch.distributed.all_reduce``), after which all of them take the same step. Equal means up to rounding:
the sum over samples is in another order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.errors import RunError
from ..base.tensor_files import tensor_digest
from ..network.network import Network
from .batches import set_epoch
from .metrics import ConfusionMatrix


class Share(NamedTuple):
    """How much of a batch a process has: ``n`` samples from number ``first`` on, of ``total``; ``of`` processes share it."""

    first: int
    n: int
    total: int
    of: int = 1

    def summed(self, parameters: Sequence[Tensor], loss: float) -> float:
        """Sum gradients and loss over all processes, in place; a gradient that no process has stays none.

        Args:
            parameters: the parameters, in the same order in all processes.
            loss: the share of this process in the loss.

        Returns:
            The loss of the whole batch.
        """
        if self.of == 1:
            return loss
        import torch.distributed as dist

        trained = [p for p in parameters if p.requires_grad]
        like = trained[0]
        known = [float(p.grad is not None) for p in trained]
        parts = [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten().to(like.dtype) for p in trained]
        flat = torch.cat([*parts, torch.tensor([*known, loss], dtype=like.dtype, device=like.device)])
        dist.all_reduce(flat)
        *sums, counts = flat.split([*(p.numel() for p in trained), len(trained) + 1])
        for p, total, count in zip(trained, sums, counts[:-1].tolist(), strict=True):
            p.grad = total.reshape(p.shape).to(p.dtype) if count else None
        return float(counts[-1])


class Part(NamedTuple):
    """The part of a batch that this process has."""

    x: Any
    labels: Tensor
    lengths: Tensor | None
    share: Share


class Sharded:
    """Batches of which this process takes its part, see `sharded`."""

    def __init__(self, batches: Iterable[Any], rank: int, world: int) -> None:
        self.batches, self.rank, self.world = batches, rank, world

    def set_epoch(self, epoch: int) -> None:
        """Tell the batches which epoch it is."""
        set_epoch(self.batches, epoch)

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Sharded({self.batches!r}, process {self.rank} of {self.world})"

    def __iter__(self) -> Iterator[Part]:
        for batch in self.batches:
            if not isinstance(batch, list | tuple) or len(batch) not in (2, 3):
                rule = "batches must be (x, labels) or (x, labels, lengths)"
                raise RunError("sharded", rule, got=type(batch).__name__)
            labels = torch.as_tensor(batch[1])
            total = len(labels)
            low, high = total * self.rank // self.world, total * (self.rank + 1) // self.world
            lengths = batch[2][low:high] if len(batch) == 3 else None
            yield Part(_cut(batch[0], low, high), labels[low:high], lengths, Share(low, high - low, total, self.world))


def sharded(batches: Iterable[Sequence[Any]]) -> Sharded:
    """Let each process of a group train on its part of every batch, with the result of one process on the whole batches.

    Give them to `Trainer.fit` or `Trainer.evaluate` after ``torch.distributed.init_process_group``, in each process the same
    ones; networks and trainers must be made alike. Gradients and losses are summed over the processes, and only the first one
    writes checkpoints. Without a process group there is one process, which takes all.

    The loss of the trainer must be a mean over samples, as those of `ship.train` are. Each process makes the whole batch, also
    its encoding, and then takes its part.

    Args:
        batches: batches whose inputs are tensors ``[batch, time, unit]`` or ``[chip, batch, time, unit]``, or tables of these.

    Raises:
        RunError: batches or inputs of another form, when they are gone through.
    """
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        return Sharded(batches, dist.get_rank(), dist.get_world_size())
    return Sharded(batches, 0, 1)


def check_sharded(trainer: Any, batches: Any) -> None:
    """Refuse to train in parts what needs all samples at once, and networks that differ from process to process.

    Raises:
        RunError: a regulariser, a cut in time, training at the worst parameters, a learning rule, or other parameters.
    """
    if not isinstance(batches, Sharded) or batches.world == 1:
        return
    net = trainer.net
    asked = {"regularisers": trainer.regularisers, "robust": trainer.robust, "truncate": trainer.truncate}
    for name, value in asked.items():
        if value:
            raise RunError(f"Trainer.{name}", "needs all samples of a batch in one process", got="sharded batches")
    rules = [tag for tag, spec in net.specs.items() if spec.rule is not None]
    if rules:
        raise RunError("Trainer.fit: sharded batches", "cannot share what a learning rule changes", got=f"a rule of {rules[0]!r}")
    _check_equal(net)


def gathered(matrix: ConfusionMatrix, batches: Any, device: torch.device) -> None:
    """Sum a confusion matrix over the processes that share the batches, in place, through tensors on a device."""
    if isinstance(batches, Sharded) and batches.world > 1:
        import torch.distributed as dist

        counts = matrix.counts.to(device)
        dist.all_reduce(counts)
        matrix.counts.copy_(counts)


def writes(batches: Any) -> bool:
    """Return whether this process is the one that writes files."""
    return not isinstance(batches, Sharded) or batches.rank == 0


def _cut(x: Any, low: int, high: int) -> Any:
    if isinstance(x, dict):
        return {tag: _cut(value, low, high) for tag, value in x.items()}
    if not isinstance(x, Tensor) or x.ndim not in (3, 4):
        rule = "needs inputs as tensors [batch, time, unit] or [chip, batch, time, unit]"
        raise RunError("sharded", rule, got=type(x).__name__, fix="ship.data.collate joins samples of unlike length.")
    return x.narrow(x.ndim - 3, low, high - low)


def _check_equal(net: Network) -> None:
    """Refuse networks that differ from process to process: each would train another one."""
    import torch.distributed as dist

    text = "".join(tensor_digest(value) for value in net.state_dict().values())
    digest = hashlib.sha256(text.encode()).digest()
    own = torch.tensor(list(digest), dtype=torch.int64, device=net[net.tags[0]].zero.device)
    least, most = own.clone(), own.clone()
    dist.all_reduce(least, op=dist.ReduceOp.MIN)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    if not torch.equal(least, most):
        fix = "Initialise it with the same seed in each process, and resume from the same checkpoint."
        raise RunError("Trainer.fit: sharded batches", "needs the same parameters in each process", fix=fix)
