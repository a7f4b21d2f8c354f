"""Tapes of one step on CUDA: the time loop in a Triton kernel, forward and backward. Loops stay with the reference engine there.

One program of the kernel handles one row (chip, sample) and ``BLOCK`` units. It keeps their states in registers through all
slots. For the gradient the states are kept every ``EVERY`` slots; those in between are computed again, chunk by chunk from the
last, into a scratch buffer. Rows and slots mean the same as in `tape`, and so does the result.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..emit import texts
from ..emit.triton import print_triton
from ..kernels.kernel import Kernel
from ..tape.tape import EVERY, Call, TapeStep
from ..trace.program import Untraceable, pruned
from .executor import shaped

BLOCK = 128  # units of one program: one for each thread
STAGES = 4  # slots whose inputs are on their way while one is computed


def refusal(device: torch.device, side: str) -> str | None:
    """Why a group on this device has no kernel, as far as it can be said without its tape; None where it may have one."""
    if device.type == "cpu":
        return None
    if device.type != "cuda":
        return f"no kernels for {device.type}"
    if importlib.util.find_spec("triton") is None:
        return "kernels for cuda need the package triton"
    return "no kernels for cuda with a state on every connection" if side == "connection" else None


# -- the text ------------------------------------------------------------------------------------------------------------------

HEAD = """
F = tl.constexpr(tl.{kind})
BLOCK = tl.constexpr({block})
"""
START = """
row = tl.program_id(0).to(tl.int64)
unit = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
inside = unit < n
chip, sample = row // samples, row % samples
chunks = (slots + {every} - 1) // {every}
"""
COUNTS = ("samples", "rows", "n", "slots")
AXES = ("slot", "chip", "sample", "unit")


def _signal(name: str) -> list[str]:
    """The arguments of a signal."""
    return [name, *(f"{name}_{axis}" for axis in AXES)]


def _row(name: str, axes: Sequence[str] = AXES[1:]) -> str:
    return f"{name} += " + " + ".join(f"{axis} * {name}_{axis}" for axis in axes)


def _at(buffer: str, which: int, slot: str = "0", slots: str = "1") -> str:
    """The address in a buffer ``[which, row, slot, n]``."""
    return f"{buffer} + (({which} * rows + row) * {slots} + {slot}) * n + unit"


def _load(buffer: str, which: int, slot: str = "0", slots: str = "1") -> str:
    return f"tl.load({_at(buffer, which, slot, slots)}, mask=inside, other=0.0)"


def _store(value: str, buffer: str, which: int, slot: str = "0", slots: str = "1") -> str:
    return f"tl.store({_at(buffer, which, slot, slots)}, {value}, mask=inside)"


def _function(name: str, pointers: Sequence[str], numbers: Sequence[str], options: Sequence[str], body: Sequence[str]) -> str:
    """A kernel, compiled once for all sizes."""
    arguments = [*pointers, *(f"{number}: tl.int64" for number in numbers), *(f"{option}: tl.constexpr" for option in options)]
    fixed = ", ".join(repr(a) for a in (*pointers, *numbers))
    lines = [f"@triton.jit(do_not_specialize=[{fixed}])", f"def {name}({', '.join(arguments)}):"]
    return "\n".join([*lines, *(f"    {line}" for line in (*START.strip().format(every=EVERY).splitlines(), *body))]) + "\n"


class _Text:
    """The kernels of one step as text. In them ``s`` are states, ``x`` inputs, ``c`` constants, ``y`` outputs; ``g`` is a
    gradient.
    """

    def __init__(self, kernel: Kernel, go: int) -> None:
        self.kernel, self.go = kernel, go
        self.states = [f"s{i}" for i in range(kernel.states)]
        self.inputs = [f"x{i}" for i in range(kernel.inputs)]
        self.constants = [f"c{i}" for i in range(kernel.constants)]
        self.outputs = [f"y{i}" for i in range(kernel.outputs)]
        self.numbers = [i for i, flag in enumerate(kernel.flags) if not flag]

    def head(self) -> str:
        kind = "float32" if self.kernel.dtype == torch.float32 else "float64"
        return texts.part("maths_triton") + HEAD.format(kind=kind, block=BLOCK)

    def arguments(self, signals: Sequence[str]) -> tuple[list[str], list[str]]:
        """Constants, signals and counts: pointers, numbers."""
        names = [_signal(name) for name in (*self.inputs, *signals)]
        pointers = ["constants", *(first for first, *_ in names)]
        late = [f"{name}_{what}" for name in self.inputs for what in ("late", "slots")]
        strides = [stride for _, *rest in names for stride in rest]
        return pointers, [*(f"constants_{axis}" for axis in ("which", *AXES[1:])), *strides, *late, *COUNTS]

    def begin(self, signals: Sequence[str]) -> list[str]:
        lines = [_row(name) for name in ("constants", *self.inputs, *signals)]
        return lines + [
            f"{name} = tl.load(constants + {i} * constants_which, mask=inside, other=0.0)"
            for i, name in enumerate(self.constants)
        ]

    def given(self) -> tuple[list[str], str]:
        """The lines that read the inputs of slot t, and the arguments of the step."""
        lines = [f"u{x[1:]} = at({x}, {x}_slot, {x}_late, {x}_slots, t, inside)" for x in self.inputs]
        constants = list(self.constants)
        if self.go >= 0:
            lines.append(f"go = tl.where(t > 0, tl.full([BLOCK], 1.0, F), {constants[self.go]})")
            constants[self.go] = "go"
        return lines, ", ".join([*self.states, *(f"u{x[1:]}" for x in self.inputs), *constants])

    def forward(self) -> str:
        """``KEEP``: whether there will be a backward."""
        pointers, numbers = self.arguments(())
        lines, arguments = self.given()
        results = "".join(f"{name}, " for name in (*self.outputs, *self.states))
        body = [
            *self.begin(()),
            *(f"{s} = {_load('entry', i)}" for i, s in enumerate(self.states)),
            f"for t in tl.range(0, slots, num_stages={STAGES}):",
        ]
        for i, s in enumerate(self.states):
            check = f"tl.store({_at('checks', i, f't // {EVERY}', 'chunks')}, {s}, mask=inside & (t % {EVERY} == 0))"
            body += ["    if KEEP:", f"        {check}"]
        body += [f"    {line}" for line in (*lines, f"({results}) = step({arguments})")]
        body += [f"    {_store(y, 'out', i, 't', 'slots')}" for i, y in enumerate(self.outputs)]
        body += [_store(s, "leave", i) for i, s in enumerate(self.states)]
        step = print_triton("step", self.kernel.program, self.kernel.dtype)
        pointers = ["entry", "leave", "checks", "out", *pointers]
        return "\n\n".join([self.head(), step, _function("forward", pointers, numbers, ["KEEP"], body)])

    def backward(self, wanted: tuple[int, ...]) -> str:
        """For the gradients of these arguments of the step."""
        first, second = self.kernel.states, self.kernel.states + self.kernel.inputs
        inputs = [self.inputs[i - first] for i in wanted if first <= i < second]
        constants = [self.constants[i - second] for i in wanted if i >= second]
        gradients = [f"g{y}" for y in self.outputs]
        pointers, numbers = self.arguments(gradients)
        pointers = ["checks", "scratch", "g_leave", "g_entry", "g_constants", *(f"g{x}" for x in inputs), *pointers]
        lines, arguments = self.given()
        carried = [f"gs{i}" for i in self.numbers]
        given = ", ".join([arguments, *(f"u{y}" for y in gradients), *carried])
        results = "".join(f"{name}, " for name in (*carried, *(f"g{x}_now" for x in inputs), *(f"g{c}_now" for c in constants)))
        body = [
            *self.begin(gradients),
            *(f"gs{i} = {_load('g_leave', i)}" for i in self.numbers),
            *(f"g{c} = tl.zeros([BLOCK], F)" for c in constants),
            "for chunk in tl.range(0, chunks):",
            f"    begin = (chunks - 1 - chunk) * {EVERY}",
            f"    end = tl.minimum(begin + {EVERY}, slots)",
        ]
        if self.states:
            body += [f"    {s} = {_load('checks', i, 'chunks - 1 - chunk', 'chunks')}" for i, s in enumerate(self.states)]
            body.append(f"    for t in tl.range(begin, end, num_stages={STAGES}):")
            body += [f"        {_store(s, 'scratch', i, 't - begin', str(EVERY))}" for i, s in enumerate(self.states)]
            after = "".join(f"{s}, " for s in self.states)
            body += [f"        {line}" for line in (*lines, f"({after}) = advance({arguments})")]
            body.append("    tl.debug_barrier()")
        body += [f"    for back in tl.range(0, end - begin, num_stages={STAGES}):", "        t = end - 1 - back"]
        again = [f"{s} = {_load('scratch', i, 't - begin', str(EVERY))}" for i, s in enumerate(self.states)]
        again += lines + [f"u{y} = tl.load({y} + t * {y}_slot, mask=inside, other=0.0)" for y in gradients]
        again.append(f"({results}) = pull({given})")
        for x in inputs:
            target = f"g{x} + (row * {x}_slots + t - {x}_late) * n + unit"
            again.append(f"tl.store({target}, g{x}_now, mask=inside & (t >= {x}_late) & (t - {x}_late < {x}_slots))")
        body += [f"        {line}" for line in (*again, *(f"g{c} += g{c}_now" for c in constants))]
        body.append("    tl.debug_barrier()")
        body += [_store(f"gs{i}", "g_entry", i) for i in self.numbers]
        body += [_store(f"g{c}", "g_constants", i) for i, c in enumerate(constants)]
        program, dtype = self.kernel.program, self.kernel.dtype
        advance = print_triton("advance", pruned(replace(program, outputs=program.outputs[self.kernel.outputs :])), dtype)
        pull = print_triton("pull", self.kernel.backward_program(wanted), dtype)
        return "\n\n".join([self.head(), advance, pull, _function("backward", pointers, numbers, [], body)])


def compiled(step: TapeStep, wanted: tuple[int, ...] | None = None) -> Any:
    """The Triton kernel of a step: forward, or backward for these gradients."""
    known, key = step.kernel.scans, (step.go, wanted)
    if key not in known:
        text = _Text(step.kernel, step.go)
        name, printed = ("forward", text.forward()) if wanted is None else ("backward", text.backward(wanted))
        known[key] = texts.load("scan", printed)[name]
    return known[key]


# -- running -------------------------------------------------------------------------------------------------------------------


class CudaScan:
    """One run of a tape, in the place of the executor of `tape`.

    Raises:
        Untraceable: the tape does not stand alone.
    """

    holds = ("like", "entry", "inputs", "constants", "checks")
    spent = False

    def __init__(self, call: Call, tensors: Sequence[Tensor]) -> None:
        self.tape, self.lead, self.recorded = call.tape, call.lead, call.recorded
        if not self.tape.alone:
            raise Untraceable("kernels for cuda are for groups outside of loops, with their state on the post side")
        (self.step,) = self.tape.steps
        self.kernel, self.n, self.slots = self.step.kernel, self.step.n, call.stop - call.start
        self.shapes, self.counts = [t.shape for t in tensors], call.counts
        tensors = [t.detach().to(self.tape.dtype) for t in tensors]
        a, b = call.counts[:2]
        self.like = tensors[0] if tensors else torch.empty(0)
        self.entry = self._stack(tensors[:a])
        signals = dict(zip(self.tape.external, tensors[a : a + b], strict=True))
        self.signals = [q[0].signal if q else -1 for q in self.step.operands]
        self.inputs = [self._wide(signals[q]) if q >= 0 else self._zeros() for q in self.signals]
        self.late = [q[0].lag if q else 0 for q in self.step.operands]
        self.constants = self._stack(tensors[a + b :], np.broadcast_shapes(*(t.shape for t in tensors[a + b :]), (1, 1, self.n)))

    def _buffer(self, *shape: int, zero: bool = False) -> Tensor:
        return self.like.new_zeros(shape, dtype=self.tape.dtype) if zero else self.like.new_empty(shape, dtype=self.tape.dtype)

    def _zeros(self) -> Tensor:
        """A signal that is 0."""
        return self._buffer(1, 1, 1, 1, zero=True).expand(self.slots, *self.lead, self.n)

    def _wide(self, signal: Tensor) -> Tensor:
        return signal.expand(-1, *self.lead, self.n)

    def _stack(self, tensors: Sequence[Tensor], shape: Sequence[int] = ()) -> Tensor:
        """``[which, chip, batch, unit]``."""
        shape = shape or (*self.lead, self.n)
        return torch.stack([t.expand(shape) for t in tensors]) if tensors else self._buffer(0, *shape)

    def _launch(self, kernel: Any, pointers: Sequence[Tensor], gradients: Sequence[Tensor] = (), **options: bool) -> None:
        chips, samples = self.lead
        constants = self.constants.expand(-1, chips, samples, -1)
        signals = (*self.inputs, *gradients)
        late = [number for late, x in zip(self.late, self.inputs, strict=True) for number in (late, len(x))]
        strides = [stride for x in signals for stride in x.stride()]
        grid = (chips * samples, -(-self.n // BLOCK))
        if not all(grid):
            return
        with torch.cuda.device_of(self.like):
            numbers = (*constants.stride(), *strides, *late, samples, chips * samples, self.n, self.slots)
            kernel[grid](*pointers, constants, *signals, *numbers, **options, enable_fp_fusion=False)

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        """Signals, all slots of them, and final states."""
        leave = torch.empty_like(self.entry)
        self.checks = (
            self._buffer(len(self.entry), *self.lead, -(-self.slots // EVERY), self.n) if self.recorded else self._buffer(0)
        )
        out = self._buffer(self.kernel.outputs, *self.lead, self.slots, self.n)
        try:
            self._launch(compiled(self.step), [self.entry, leave, self.checks, out], KEEP=self.recorded)
        except Untraceable:
            raise
        except Exception as error:
            raise Untraceable(f"no Triton kernel: {type(error).__name__}: {str(error).splitlines()[0]}") from error
        by_signal = dict(zip(self.step.outs, out.permute(0, 3, 1, 2, 4), strict=True))
        return [by_signal[q] for q in self.tape.internal], list(leave)

    def backward(self, grads: Sequence[Tensor | None], needs: Sequence[bool]) -> list[Tensor | None]:
        """The gradient of each tensor that was given."""
        tape, kernel, lead = self.tape, self.kernel, self.lead
        a, b = self.counts[:2]
        by_signal = dict(zip(tape.internal, grads, strict=False))
        given = [by_signal[q] for q in self.step.outs]
        gradients = [self._zeros() if g is None else self._wide(g.to(tape.dtype)) for g in given]
        leave = [torch.zeros_like(s) if g is None else g for s, g in zip(self.entry, grads[len(tape.internal) :], strict=True)]
        need_signal = dict(zip(tape.external, needs[a : a + b], strict=True))
        need_input = [need_signal.get(q, False) for q in self.signals]
        need_constant = needs[a + b :]
        covered = [len(x) <= self.slots - late for x, late in zip(self.inputs, self.late, strict=True)]
        buffers = [
            self._buffer(*lead, len(x), self.n, zero=not full) if need else None
            for x, need, full in zip(self.inputs, need_input, covered, strict=True)
        ]
        g_entry, g_constants = torch.zeros_like(self.entry), self._buffer(sum(need_constant), *lead, self.n)
        scratch = self._buffer(len(self.entry), *lead, EVERY, self.n)
        self._launch(
            compiled(self.step, kernel.wanted(need_input, need_constant)),
            [
                self.checks,
                scratch,
                self._stack(leave),
                g_entry,
                g_constants,
                *(buffer for buffer in buffers if buffer is not None),
            ],
            gradients,
        )
        by_input: dict[int, Tensor] = {}
        for q, buffer in zip(self.signals, buffers, strict=True):
            if buffer is not None:
                part = buffer.permute(2, 0, 1, 3)
                by_input[q] = by_input[q] + part if q in by_input else part
        constants = iter(g_constants)
        found: list[Tensor | None] = [g if need else None for g, need in zip(g_entry, needs[:a], strict=True)]
        found += [by_input.get(q) for q in tape.external]
        found += [next(constants) if need else None for need in need_constant]
        return [None if g is None else shaped(g, shape) for g, shape in zip(found, self.shapes, strict=True)]
