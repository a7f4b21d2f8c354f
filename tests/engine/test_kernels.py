"""Kernels of pointwise functions: primitives against PyTorch, and the exponential functions to their stated accuracy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from compiled_function import compiled, operands
from ship.engine.compiled.trace.program import Untraceable
from ship.engine.compiled.trace.recorder import trace

F64, F32 = torch.float64, torch.float32
# Groups of functions, each one kernel: what is written on the left is summed with nothing, all outputs are compared one by one.
ONE = {
    "abs neg": lambda x: -x.abs() - x,
    "exp": lambda x: torch.exp(x),
    "expm1": lambda x: torch.expm1(x),
    "log": lambda x: torch.log(x),
    "log1p": lambda x: torch.log1p(x),
    "sqrt": lambda x: torch.sqrt(x),
    "rsqrt": lambda x: torch.rsqrt(x),
    "sin": lambda x: torch.sin(x.clamp(-100, 100)),
    "cos": lambda x: torch.cos(x.clamp(-100, 100)),
    "tanh": lambda x: torch.tanh(x),
    "atan": lambda x: torch.atan(x),
    "erf": lambda x: torch.erf(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "floor ceil": lambda x: torch.floor(x) + 3 * torch.ceil(x),
    "powers": lambda x: x**2 + x**3 - x**-1 + (x.abs() + 1) ** 0.5 + (x.abs() + 1) ** -0.5 + x**1 + x**0,
    "powers below": lambda x: x**-2 + x**-3,
    "power": lambda x: x.abs() ** 1.7,
    "clamp": lambda x: x.clamp(-0.75, 1.25),
    "clamp one side": lambda x: x.clamp(min=-0.75) - x.clamp(max=0.25),
    "relu": lambda x: torch.relu(x),
    "sign": lambda x: torch.sign(x) * 1.0,
    "square": lambda x: torch.square(x),
    "reciprocal": lambda x: torch.reciprocal(x),
    "rsub": lambda x: torch.rsub(x, 2.0, alpha=3.0),
    "tests": lambda x: torch.isnan(x).to(x.dtype) + torch.isinf(x).to(x.dtype) * 2 + torch.isfinite(x).to(x.dtype) * 4,
    "fill": lambda x: x.masked_fill(x > 0.25, 7.0) + torch.zeros_like(x) + torch.ones_like(x) + torch.full_like(x, 3.0),
    "leaky": lambda x: torch.where(x >= 0, x, 0.1 * x),
    "boolean": lambda x: ((x > 0) & ~(x > 1) | (x == -1)).to(x.dtype) + ((x < 0) ^ (x <= -1)).to(x.dtype),
    "alpha": lambda x: torch.add(x, x, alpha=2.5) - torch.sub(x, x.abs(), alpha=0.5),
}
TWO = {
    "arithmetic": lambda x, y: (x + y) * (x - y) - x / y,
    "maximum": lambda x, y: torch.maximum(x, y),
    "minimum": lambda x, y: torch.minimum(x, y),
    "clamp by tensors": lambda x, y: x.clamp(min=y) + torch.clamp(x, max=2 * y),
    "compare": lambda x, y: sum(2**i * c.to(x.dtype) for i, c in enumerate((x < y, x <= y, x == y, x != y, x > y, x >= y))),
    "where": lambda x, y: torch.where(x > y, x, y),
    "atan2": lambda x, y: torch.atan2(x, y),
    "pow": lambda x, y: x.abs() ** y,
    "addcmul": lambda x, y: torch.addcmul(x, y.clamp(-8, 8), y.clamp(-8, 8), value=0.5),  # PyTorch may fuse: nothing may overflow
}


@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_primitives_equal_those_of_torch(name, dtype):
    """Exact where PyTorch's result is, else to a few units in the last place; NaN, infinities and their gradients included."""
    function = {**ONE, **TWO}[name]
    x = operands(1 if name in ONE else 2, dtype)
    forward, backward = compiled(function, len(x), dtype)
    few = 16 * torch.finfo(dtype).eps
    torch.testing.assert_close(forward(*x), function(*x), rtol=few, atol=few * 1e-3, equal_nan=True)
    smooth = name not in ("tests", "sign", "floor ceil", "boolean", "compare")
    if smooth:
        given = [v.clone().requires_grad_() for v in x]
        cotangent = torch.linspace(-1, 1, len(x[0]), dtype=dtype)
        want = torch.autograd.grad(function(*given), given, cotangent)
        for a, b in zip(backward(cotangent, *x), want, strict=True):
            # 1 - tanh^2 keeps the rounding of tanh where it is close to 1.
            torch.testing.assert_close(a, b, rtol=8 * few, atol=few if name == "tanh" else few * 1e-3, equal_nan=True)


@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "units", "below"), [("exp", 1.5, 0.0), ("expm1", 2.5, -1.0)])
def test_exponentials(name, units, below, dtype):
    """To so many units in the last place of 50-digit arithmetic over the whole range, subnormal results to one step."""
    mpmath = pytest.importorskip("mpmath")
    low, high = (-746.0, 710.0) if dtype == F64 else (-104.5, 89.5)
    rng = np.random.default_rng(1)
    x = torch.as_tensor(
        np.concatenate(
            [rng.uniform(low, high, 3000), rng.uniform(-1, 1, 1500), rng.standard_normal(500) * 1e-6, [low, high, 0.0]]
        )
    ).to(dtype)
    edge = [709.782712893384, 88.72283905206835, -708.4, -745.13, -745.14, -87.34, -103.97, -103.98, 1e-320, -1e-320]
    x = torch.cat([x, torch.tensor(edge, dtype=dtype), torch.arange(-60, 60).to(dtype) * math.log(2) / 2])
    forward, _ = compiled(getattr(torch, name), 1, dtype)
    got = forward(x)
    info = torch.finfo(dtype)
    smallest = info.smallest_normal * info.eps
    with mpmath.workdps(50):
        for a, b in zip(x.tolist(), got.tolist(), strict=True):
            true = getattr(mpmath, name)(mpmath.mpf(a))
            if true > mpmath.mpf(info.max) * (1 + mpmath.mpf(info.eps) / 4):
                assert b == math.inf, a
                continue
            exponent = math.floor(mpmath.log(abs(true), 2)) if true else -2000
            unit = max(mpmath.mpf(2) ** exponent * info.eps, mpmath.mpf(smallest))
            assert abs(mpmath.mpf(b) - true) <= units * unit, (a, b, float(true))
    odd = torch.tensor([math.nan, math.inf, -math.inf, 1e30, -1e30, -0.0], dtype=dtype)
    limits = torch.tensor([math.nan, math.inf, below, math.inf, below, below + 1], dtype=dtype)
    torch.testing.assert_close(forward(odd), limits, equal_nan=True, rtol=0, atol=0)


def test_what_is_no_pointwise_program():
    calls = iter(range(9))
    cases = {
        "in place": lambda x: [x.clone().add_(1)],
        "float32": lambda x: [x.float().to(F64)],
        "not in the table": lambda x: [torch.rand_like(x) + x],
        "sum over units": lambda x: [x / x.sum()],
        "control flow": lambda x: [x if x[0] > 0 else -x],
        "no parameter": lambda x: [x * torch.tensor([1.0, 2.0, 3.0], dtype=F64)[: len(x)]],
        "differs from call to call": lambda x: [x * next(calls)],
    }
    for why, function in cases.items():
        with pytest.raises(Untraceable, match=why):
            trace(function, 1, F64)


@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "units"), [("sin", 1.5), ("cos", 1.5), ("tanh", 3.5)])
def test_waves(name, units, dtype):
    """To so many units in the last place of 60-digit arithmetic, near multiples of pi / 2 and for large arguments, too."""
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(2)
    near = np.arange(-200, 200) * math.pi / 2
    large = rng.uniform(-3e9, 3e9, 300) if name != "tanh" else rng.uniform(-30, 30, 300)
    x = np.concatenate([rng.uniform(-10, 10, 1500), rng.uniform(-1, 1, 500), rng.standard_normal(200) * 1e-6, near, large])
    x = torch.cat([torch.as_tensor(x).to(dtype), torch.tensor([0.0, 1e-30, 3.1415927410125732, 2.9e9], dtype=dtype)])
    forward, _ = compiled(getattr(torch, name), 1, dtype)
    with mpmath.workdps(60):
        for a, b in zip(x.tolist(), forward(x).tolist(), strict=True):
            true = getattr(mpmath, name)(mpmath.mpf(a))
            unit = mpmath.mpf(2) ** (math.floor(mpmath.log(abs(true), 2)) if true else -100) * torch.finfo(dtype).eps
            assert abs(mpmath.mpf(b) - true) <= units * unit, (a, b, float(true))
    odd = forward(torch.tensor([math.nan, math.inf, -math.inf, 1e30, -0.0], dtype=dtype))
    limits = [math.nan, 1.0, -1.0, 1.0, 0.0] if name == "tanh" else [math.nan] * 4 + [float(name == "cos")]
    torch.testing.assert_close(odd, torch.tensor(limits, dtype=dtype), equal_nan=True, rtol=0, atol=0)
