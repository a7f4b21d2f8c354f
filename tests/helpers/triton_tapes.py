"""Tapes for CUDA and for the CPU, and how two runs of them are compared.

Without a GPU the kernels run in Triton's interpreter, on CPU tensors, in a process of their own (Triton decides when it is
imported); with one, the same tests run on it.
"""

import importlib.util
import os

import pytest
import torch

from ship.engine.compiled.run import cuda
from ship.engine.compiled.run.single import Single
from ship.engine.compiled.tape import tape

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
F32, F64 = torch.float32, torch.float64
DT = 1e-3
EVERY = 4  # slots between checkpoints here: the interpreter is slow
SLOTS = 2 * EVERY + 3  # two chunks and a part
N = cuda.BLOCK + 3  # a block and a part
CHIPS, BATCH = 2, 2
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the package triton")
on_device = pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="needs a CUDA device")
MARKS = [needs_triton, on_device, *([] if INTERPRETED else [pytest.mark.gpu])]


def comparison(test):
    """A test for the GPU, or for the interpreter."""
    for mark in MARKS:
        test = mark(test)
    return test


def outcome(which, arguments, lead, *, on_triton, needs=True):
    """Signals and final states of a tape, and the gradients of a weighted sum of them."""
    device = DEVICE if on_triton else "cpu"
    flags = [flag for step in which.steps for flag in step.kernel.flags]
    fixed = {len(flags) + len(arguments.signals) + step.go for step in which.steps if step.go >= 0}
    leaves = [t.detach().to(device).requires_grad_(needs) for part in arguments for t in part]
    for i in (*fixed, *(i for i, flag in enumerate(flags) if flag)):
        leaves[i].requires_grad_(False)
    parts = iter(leaves)
    given = tape.Arguments(*([next(parts) for _ in part] for part in arguments))
    result = tape.run(which, given, lead, 0, SLOTS, cuda.CudaScan if on_triton else Single)
    found = [*result.signals, *result.leave]
    if needs:
        generator = torch.Generator().manual_seed(0)
        weights = [torch.randn(t.shape, generator=generator, dtype=t.dtype).to(device) for t in found]
        for i, flag in enumerate(flags):
            if flag:
                weights[len(result.signals) + i].zero_()
        sum((w * t).sum() for w, t in zip(weights, found, strict=True)).backward()
    return [t.detach().cpu() for t in found], [None if t.grad is None else t.grad.cpu() for t in leaves]


def largest_difference(got, want):
    """Return the largest difference relative to the largest value."""
    assert got.shape == want.shape
    assert torch.isfinite(want).all()
    got, want = got.double(), want.double()
    return float((got - want).abs().max() / want.abs().max().clamp(min=1e-300)) if want.numel() else 0.0


def assert_equal(which, arguments, lead=(CHIPS, BATCH), needs=True):
    got, got_grads = outcome(which, arguments, lead, on_triton=True, needs=needs)
    want, want_grads = outcome(which, arguments, lead, on_triton=False, needs=needs)
    tolerance = 1e-12 if which.dtype == F64 else 1e-6
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert largest_difference(a, b) <= tolerance, f"signal or state {i}"
        if b.unique().numel() <= 2:
            assert torch.equal(a, b), "spikes"
    for i, (a, b) in enumerate(zip(got_grads, want_grads, strict=True)):
        assert (a is None) == (b is None), f"gradient {i}"
        # Sums over slots, chips, samples and units, in another order.
        if b is not None:
            assert largest_difference(a, b) <= (1e-12 if which.dtype == F64 else 2e-5), f"gradient {i}"
    return got, got_grads


def leaky(state, x, constants):
    """A state that counts slots, one that decays and takes two inputs if there is a slot to advance over, a product as output."""
    decay, scale, go = constants
    moved = torch.where(go != 0, state[0] * decay + x[0], state[0])
    return [moved * scale + x[1]], [moved, state[1] + 1]


def hand_made(kernel, lags, shapes, constants, *, go=2, n=N, signals=(0, 1), dtype=F64):
    """A tape of one step. ``shapes``: of the external signals; ``signals``: which one each operand reads, None for none."""
    generator = torch.Generator().manual_seed(2)
    operands = tuple(() if q is None else (tape.OperandSource(q, lag, n),) for q, lag in zip(signals, lags, strict=True))
    outs = tuple(range(len(shapes), len(shapes) + kernel.outputs))
    given = [tape.Signal(n, True) for _ in shapes] + [tape.Signal(n, False) for _ in outs]
    which = tape.Tape((tape.TapeStep(kernel, n, operands, outs, go),), tuple(given), dtype, DT)
    entry = [torch.rand(CHIPS, BATCH, n, generator=generator, dtype=dtype) for _ in range(kernel.states)]
    external = [torch.rand(shape, generator=generator, dtype=dtype) for shape in shapes]
    return which, tape.Arguments(entry, external, constants, [])


UNARY = {
    "neg": torch.neg,
    "abs": torch.abs,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "atan": torch.atan,
    "erf": torch.erf,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "sin": lambda x: torch.sin(x.clamp(-10, 10)),
    "cos": lambda x: torch.cos(x.clamp(-10, 10)),
    "sigmoid": torch.sigmoid,
    "not": lambda x: (~(x > 0)).to(x.dtype),
    "sign": torch.sign,
    "bool": lambda x: torch.where((x > 0) | (x < -2), x != 1, x == -1).to(x.dtype),
    "literals": lambda x: torch.where(x > 0.1, torch.full_like(x, 0.1), torch.full_like(x, -torch.inf)),
}
BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "pow": torch.pow,
    "atan2": torch.atan2,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "gt": lambda a, b: (a > b).to(a.dtype),
    "ge": lambda a, b: (a >= b).to(a.dtype),
    "lt": lambda a, b: (a < b).to(a.dtype),
    "le": lambda a, b: (a <= b).to(a.dtype),
    "eq": lambda a, b: (a == b).to(a.dtype),
    "ne": lambda a, b: (a != b).to(a.dtype),
    "and": lambda a, b: ((a > 0) & (b > 0)).to(a.dtype),
    "xor": lambda a, b: ((a > 0) ^ (b > 0)).to(a.dtype),
}
