"""Functions as programs: what the recorder notes, what it refuses, and what a first use of the engine imports."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from ship.engine.compiled.emit.numba import TABLE
from ship.engine.compiled.trace.program import Untraceable, Value
from ship.engine.compiled.trace.recorder import trace, trace_gradient

F64 = torch.float64
HALF, SEVERAL = torch.tensor(0.5, dtype=F64), torch.tensor([1.0, 2.0, 3.0], dtype=F64)


def gradient(function, inputs=1):
    """The program of the gradients of one output."""
    return trace_gradient(lambda *x: [function(*x)], inputs, range(inputs), [0], F64)


def run(program, *given):
    """A program in PyTorch, operation by operation."""
    operations = {
        "add": torch.add,
        "sub": torch.sub,
        "mul": torch.mul,
        "div": torch.div,
        "neg": torch.neg,
        "exp": torch.exp,
        "ge": torch.ge,
        "le": torch.le,
        "and": torch.logical_and,
        "where": torch.where,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
    }
    assert operations.keys() <= TABLE.keys()
    values = dict(enumerate(given))

    def value(ref):
        return values[ref] if isinstance(ref, Value) else torch.tensor(ref, dtype=torch.bool if isinstance(ref, bool) else F64)

    for op in program.ops:
        values[op.out] = operations[op.name](*map(value, op.args))
    return [value(ref) for ref in program.outputs]


def test_a_program_computes_the_function():
    x, y = torch.linspace(-1, 1, 9, dtype=F64), torch.linspace(2, 3, 9, dtype=F64)

    def function(a, b):
        return [torch.maximum(a, b) / (1 + torch.exp(-a)), torch.where(a >= 0, a * b, HALF)]

    for got, want in zip(run(trace(function, 2, F64), x, y), function(x, y), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: torch.exp(a) * b - a / b,
        lambda a, b: (a * b).clamp(0.25, 0.75) * a,  # its derivative changes in place what it made
        lambda a, b: a * a.detach() + b,
        lambda a, b: a,
        lambda a, b: a + a + a,
    ],
    ids=["smooth", "clamp", "detached", "itself", "several times"],
)
def test_a_gradient_is_that_of_autograd(function):
    a, b, g = (torch.linspace(0.5 + i, 1 + i, 9, dtype=F64).requires_grad_() for i in range(3))
    want = torch.autograd.grad(function(a, b), (a, b), g, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        for got, true in zip(run(gradient(function, 2), a, b, g), want, strict=True):
            torch.testing.assert_close(got.expand(9), true, rtol=1e-15, atol=0)


@pytest.mark.parametrize("grad", [False, True])
def test_a_trace_does_not_depend_on_the_mode_of_autograd(grad):
    with torch.set_grad_enabled(grad):
        program = gradient(torch.exp)
    assert [op.name for op in program.ops] == ["exp", "mul"]


def test_no_gradient_is_zero():
    assert gradient(lambda x: x.detach() * 2).outputs == (0.0,)
    assert gradient(lambda x, y: x * 2, 2).outputs[1] == 0.0


def test_a_constant_is_a_number():
    assert trace(lambda x: [x, None, 1.0, HALF, torch.tensor(0.5, dtype=F64)], 1, F64).outputs == (Value(0), 0.0, 1.0, 0.5, 0.5)
    assert [op.args for op in trace(lambda x: [x * float(HALF)], 1, F64).ops] == [(0, 0.5)]


class Changing(torch.autograd.Function):
    """A derivative that is another one at each call."""

    calls = 0

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        Changing.calls += 1
        return g * Changing.calls


REFUSED = {
    "control flow of a result": (lambda x: x if (x * HALF > 0).any() else -x, "control flow depends on the values of tensors"),
    "control flow by equality": (lambda x: x if torch.equal(x, 2 * x) else -x, "control flow depends on the values of tensors"),
    "a random number": (lambda x: x * float(torch.rand(())), "control flow depends on the values of tensors"),
    "values read behind its back": (lambda x: x * x.detach().tolist()[0], "differs from call to call"),
    "values through NumPy": (lambda x: x * float(np.asarray(x.detach())[0]), "differs from call to call"),
    "the number of units": (lambda x: x * len(x), "number of units"),
    "several results": (lambda x: x.sort()[0], "operation sort is not pointwise"),
    "a list": (lambda x: torch.stack([x, x])[0], "stack changes the shape"),
    "an index": (lambda x: x[x > 0], "an argument that is a list is not pointwise"),
    "a table": (lambda x: x * SEVERAL[: len(x)], "a tensor that is no parameter"),
    "in place": (lambda x: (x * 2).add_(1), "add_ changes a tensor in place"),
    "an argument in place": (lambda x: x.mul_(2), "mul_ changes a tensor in place"),
    "unused, but there": (lambda x: (x.float(), x)[1], "computes in float32"),
    "an error": (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_reasons(name):
    function, why = REFUSED[name]
    with pytest.raises(Untraceable, match=why):
        trace(lambda x: [function(x)], 1, F64)


def test_reasons_of_gradients():
    with pytest.raises(Untraceable, match="differs from call to call"):
        gradient(Changing.apply)
    with pytest.raises(Untraceable, match="add_ changes a tensor in place"):  # another tensor shares its memory
        gradient(lambda x: [y := x * 2, y.detach().add_(1), y * x][2])


USE = """
import sys
import torch, ship
net = ship.Network()
net.add(ship.SpikeInput, "in", n=4)
net.add(ship.LIF, "out", n=4, tau=20e-3, output=True)
net.add(ship.ExpSynapse, "loop", source="out", target="out", weight=torch.ones(4, 4))
net.add(ship.WeightedSum, "w", source="in", target="out", weight=torch.eye(4) * 2e3)
net.init(dt=1e-3, engine={engine!r})
net.run(torch.ones(2, 20, 4)).sum().backward()
assert float(net["w"].weight.grad.abs().sum()) > 0
if {engine!r} == "fused":
    assert not any(net._sim.fusion.reasons[tag] for tag in ("out", "loop"))
print(*sorted({{"sympy", "torch._dynamo", "torch._inductor", "numba"}} & set(sys.modules)))
"""


@pytest.mark.parametrize("engine", ["fused", "reference"])
def test_a_first_use_imports_no_compiler_but_numba(engine):
    """PyTorch's own would take a second and 150 MB; the reference engine, on a small input, needs none at all."""
    if engine == "fused":
        pytest.importorskip("numba")
    done = subprocess.run([sys.executable, "-c", USE.format(engine=engine)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == (["numba"] if engine == "fused" else [])


LOAD = """
import sys
import numpy as np
from numba import njit
import torch, ship
net = ship.Network()
net.add(ship.SpikeInput, "in", n=300)
net.add(ship.LIF, "out", n=4, tau=20e-3, output=True)
net.add(ship.WeightedSum, "w", source="in", target="out", weight=torch.ones(300, 4))
net.init(dt=1e-3, engine="fused")
net.run(torch.ones(8, 100, 300)).sum().backward()  # an input of more than 2^16 values: it is sifted by a kernel, too
grad = net["w"].weight.grad
print("numba.np.arraymath" in sys.modules, grad.double().sum().item().hex())
print(njit(lambda n: np.zeros(n).sum() + n)(3))  # what is compiled afterwards finds Numba whole
"""


def test_kept_code_is_loaded_without_what_compiling_needs(tmp_path, monkeypatch):
    """The second process loads what the first one compiled, and gets the same numbers."""
    pytest.importorskip("numba")
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    monkeypatch.setenv("SHIP_CACHE", str(cache))
    first, second = (
        subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True).stdout.split() for _ in range(2)
    )
    assert (first[0], second[0]) == ("True", "False")
    assert first[1:] == second[1:]
    assert float.fromhex(first[1]) != 0
