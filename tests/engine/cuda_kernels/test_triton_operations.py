"""Every operation of the kernels for CUDA equals that of the CPU, at ordinary and special values."""

import pytest
import torch

from ship.engine.compiled.kernels.kernel import Kernel
from ship.engine.compiled.run import cuda
from ship.engine.compiled.run.single import Single
from ship.engine.compiled.tape import tape
from triton_tapes import BATCH, BINARY, CHIPS, DEVICE, F32, F64, SLOTS, UNARY, N, comparison, hand_made

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.3, -0.7, 2.5, -3.5, 1e-3, 700.0, -700.0, 1e30, float("inf"), -float("inf"), float("nan")]
CLOSE = {
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "tanh",
    "atan",
    "erf",
    "sin",
    "cos",
    "sigmoid",
    "pow",
    "atan2",
}  # PyTorch's square root is one off in float32


def every_operation(dtype):
    def function(state, x, constants):
        a, b = x
        return [*(f(a) for f in UNARY.values()), *(f(a, b) for f in BINARY.values())], []

    return Kernel(function, (), 2, 0, dtype)


@comparison
@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
def test_operations(dtype):
    """Against PyTorch, infinities and NaN included; 4 units in the last place where a function is not exact."""
    kernel = every_operation(dtype)
    count = len(SPECIAL)
    a = torch.tensor(SPECIAL, dtype=dtype).reshape(count, 1, 1, 1)
    b = torch.tensor(SPECIAL, dtype=dtype)
    which, _ = hand_made(kernel, (0, 0), [(1, 1, 1, count)] * 2, [], go=-1, n=count, dtype=dtype)
    given = tape.Arguments([], [a.to(DEVICE), b.reshape(1, 1, 1, count).expand(count, 1, 1, count).to(DEVICE)], [], [])
    result = tape.run(which, given, (1, 1), 0, count, cuda.CudaScan)
    a, b = a.flatten()[:, None].expand(count, count), b.expand(count, count)
    want = [*(f(a) for f in UNARY.values()), *(f(a, b) for f in BINARY.values())]
    for name, x, y in zip([*UNARY, *BINARY], result.signals, want, strict=True):
        x = x.cpu().reshape(count, count)
        tolerance = 4 * torch.finfo(dtype).eps if name in CLOSE else 0.0
        torch.testing.assert_close(x, y, rtol=tolerance, atol=0.0, equal_nan=True, msg=lambda text, name=name: f"{name}: {text}")
        if name in ("neg", "mul"):
            assert torch.equal(torch.signbit(x[~y.isnan()]), torch.signbit(y[~y.isnan()]))


@comparison
@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
def test_exp_has_the_bits_of_the_cpu(dtype):
    kernel = Kernel(lambda s, x, p: ([torch.exp(x[0])], []), (), 1, 0, dtype)
    which, arguments = hand_made(kernel, (0,), [(SLOTS, CHIPS, BATCH, N)], [], go=-1, signals=(0,), dtype=dtype)
    arguments.signals[0].sub_(0.5).mul_(180.0)
    cpu = tape.run(which, arguments, (CHIPS, BATCH), 0, SLOTS, Single).signals[0]
    moved = tape.Arguments([], [arguments.signals[0].to(DEVICE)], [], [])
    assert torch.equal(tape.run(which, moved, (CHIPS, BATCH), 0, SLOTS, cuda.CudaScan).signals[0].cpu(), cpu)
