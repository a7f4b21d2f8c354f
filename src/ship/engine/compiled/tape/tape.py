"""Tapes: what a block of groups does in every slot, as a list of steps that are executed in order, with its gradient.

The operands of a step are summed from signals: of the steps themselves, or external ones that are known for all slots. Signals
are ``[slot, chip, batch, unit]``. An executor runs a tape: `single` or `loop` on the CPU, `cuda` on CUDA.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..kernels.kernel import Kernel
from .autograd import Differentiable, recorded_run
from .edges import Structure

EVERY = 16  # slots between two checkpoints of the states


class OperandSource(NamedTuple):
    """One signal that enters an operand: ``lag`` slots late, through a matrix where one is named."""

    signal: int
    lag: int
    width: int
    offset: int = 0  # first unit of the signal
    into: int = 0  # first unit of the operand
    convert: str = "none"  # or times dt, or by dt
    matrix: int = -1
    structure: Structure | None = None  # the edges, where the matrix is a list of weights
    shared: bool = False  # whether that list has one weight for each source unit


class TapeStep(NamedTuple):
    """What one group does in each slot."""

    kernel: Kernel
    n: int
    operands: tuple[tuple[OperandSource, ...], ...]
    outs: tuple[int, ...]  # the signal of each output
    go: int = -1  # the constant that is 0 in the very first slot, or -1
    ending: Kernel | None = None  # what is done after the last slot of all, where that is this run's
    learn: Learn | None = None  # what is done before, from the second slot on
    contest: bool = False  # whether its output is a score, in whose place comes who has won (`models.contract.places`)
    follows: bool = False  # whether it goes on with the states of the step before it, which has as many
    traces: bool = False  # whether it keeps what a `Learn` after it sees


class Signal(NamedTuple):
    """A signal of the tape. External ones are given to each run."""

    n: int
    external: bool
    kept: bool = True  # whether all slots are wanted afterwards
    smooth: bool = True  # whether gradients flow into it


class ConnectionOperand(NamedTuple):
    """An operand of a kernel for connections: a signal by pre or post unit, or a field."""

    signal: int  # or -1
    field: int = -1
    on: str = "connection"  # or pre, post: what a signal counts
    written: bool = False
    scratch: bool = False  # neither: it has no memory but its block


class Pass(NamedTuple):
    """A kernel on connections, by its address, with its operands."""

    kernel: int  # on rows of connections, or on edges
    column: int  # on columns; 0 where none is visited alone
    parts: tuple[ConnectionOperand, ...]


class Learn(NamedTuple):
    """How weights change before a step: from signals that hold, in each slot, what happened in the slot before."""

    passes: tuple[Pass, ...]  # one; or two where rows share weights: to add up the changes, to apply them
    n_pre: int
    n: int
    pre: int  # the signals whose events change weights
    post: int
    events: int  # 1: nothing else changes them; 2: postsynaptic ones alone do; 0: others do
    pulses: Pulses | None = None  # what becomes of the changes, where devices hold the weights
    edges: Structure | None = None  # the connections, where they are no matrix


class Pulses(NamedTuple):
    """How devices move by the counts that the last pass of a `Learn` makes. Fields are named by their number."""

    kernel: int
    parts: tuple[ConnectionOperand, ...]  # of the kernel, after the count and the normal numbers; whether devices moved follows
    offsets: tuple[int, ...]  # for each normal number of a connection its unit, for the first connection
    u: int  # among the parts of the pass, or -1
    counts: int
    devices: int
    cycles: int  # the first field of cycles; those of ages follow
    die: int

    @property
    def operands(self) -> int:
        """How many blocks the kernel works on."""
        return 1 + len(self.offsets) + len(self.parts) + self.devices


@dataclass(frozen=True)
class Tape:
    """Steps and signals. ``together``: rows that advance in lockstep, because they share weights that change. ``closes``: whether
    weights also learn from the last slot. ``kept``: what its executors know from one run to the next.
    """

    steps: tuple[TapeStep, ...]
    signals: tuple[Signal, ...]
    dtype: torch.dtype
    dt: float
    slice: int | None = None  # slots in which no step acts on an earlier one of the list; None: as many as there are
    together: int = 1
    closes: bool = False
    kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def external(self) -> list[int]:
        return [q for q, signal in enumerate(self.signals) if signal.external]

    @cached_property
    def internal(self) -> list[int]:
        return [q for q, signal in enumerate(self.signals) if not signal.external]

    @cached_property
    def lag(self) -> int:
        """How many slots a run may look back into its own signals."""
        lags = [s.lag for step in self.steps for sources in step.operands for s in sources if not self.signals[s.signal].external]
        return max(lags, default=0)

    @cached_property
    def widest(self) -> int:
        """The most units that a step or a signal has."""
        return max([step.n for step in self.steps] + [signal.n for signal in self.signals], default=1)

    @cached_property
    def coupled(self) -> bool:
        """Whether units act on other units, so that a row must stay in one piece."""
        return len(self.steps) > 1 or any(
            s.matrix >= 0 or s.width != step.n or s.offset or s.into or len(sources) > 1
            for step in self.steps
            for sources in step.operands
            for s in sources
        )

    @cached_property
    def alone(self) -> bool:
        """Whether it has one step, and all that enters its operands are external signals, one each."""
        sources = [source for step in self.steps for operand in step.operands for source in operand]
        return not self.coupled and all(self.signals[s.signal].external and s.convert == "none" for s in sources)


class Arguments(NamedTuple):
    """What a run of a tape is given, in lists of tensors."""

    entry: list[Tensor]  # the states of all steps, [chip, batch, unit]
    signals: list[Tensor]  # the external signals, [slot, chip or 1, batch or 1, unit]
    constants: list[Tensor]  # of all steps, broadcast with [chip, batch, unit]
    matrices: list[Tensor]  # [pre, post], [chip, 1, pre, post] or [chip or 1, batch, pre, post]; with edges [..., 1, edge]
    weights: Sequence[Tensor] = ()  # that external signals go through first
    through: Sequence[int] = ()  # for each external signal its weights, or -1; left out where there are none
    fields: Sequence[Tensor] = ()  # of `Learn`, [chip or 1, batch or 1, pre or 1, post, edge or 1]; some are changed in place


class Result(NamedTuple):
    signals: list[Tensor]  # the internal ones; of those not kept the last slots
    leave: list[Tensor]


def run(
    tape: Tape,
    given: Arguments,
    lead: tuple[int, int],
    start: int,
    stop: int,
    executor: Callable[[Call, Sequence[Tensor]], Differentiable],
    history: Sequence[Tensor] = (),
) -> Result:
    """Execute slots ``start .. stop - 1`` on an executor; ``history`` has the slots before ``start`` of each internal
    signal."""
    entry = [t.expand(*lead, t.shape[-1]) for t in given.entry]
    lists = (entry, given.signals, given.constants, given.matrices, given.weights)
    tensors = [t for part in lists for t in part]
    needs = [t.requires_grad for t in tensors] if torch.is_grad_enabled() else [False] * len(tensors)
    recorded = any(needs)
    if recorded and tape.kept.get("gradients") != needs:
        _check_gradients(tape, given)
        tape.kept["gradients"] = needs
    through = tuple(given.through) or (-1,) * len(given.signals)
    counts = tuple(len(part) for part in lists)
    call = Call(tape, counts, lead, start, stop, tuple(history), needs, executor, through, tuple(given.fields))
    if not recorded:
        return Result(*executor(call, tensors).forward())
    several = [t for t in tensors if t.numel() > 1]  # single numbers are copied
    out = recorded_run(lambda: executor(call, tensors), tensors, needs, several)
    count = len(tape.internal)
    return Result(out[:count], out[count:])


def _check_gradients(tape: Tape, given: Arguments) -> None:
    """Trace what the gradient will need, while another engine can still step in.

    Raises:
        Untraceable: a model has no pointwise gradient.
    """
    smooth = {q: t.requires_grad for q, t in zip(tape.external, given.signals, strict=True)}
    for q, weight in zip(tape.external, given.through, strict=False):
        smooth[q] = smooth[q] or (weight >= 0 and given.weights[weight].requires_grad)
    constants = iter(given.constants)
    for step in tape.steps:
        inputs = [
            any(smooth.get(s.signal, True) or (s.matrix >= 0 and given.matrices[s.matrix].requires_grad) for s in sources)
            for sources in step.operands
        ]
        wanted = step.kernel.wanted(inputs, [next(constants).requires_grad for _ in range(step.kernel.constants)])
        step.kernel.backward_program(wanted)


class Call(NamedTuple):
    tape: Tape
    counts: tuple[int, ...]  # of the lists of `Arguments`
    lead: tuple[int, int]
    start: int
    stop: int
    history: tuple[Tensor, ...]
    needs: Sequence[bool]  # for each tensor whether it gets a gradient
    executor: Callable[[Call, Sequence[Tensor]], Differentiable]
    through: tuple[int, ...]
    fields: tuple[Tensor, ...] = ()

    @property
    def recorded(self) -> bool:
        """Whether there will be a backward pass."""
        return any(self.needs)
