"""Mathematical functions for Triton kernels, by the names that the op table uses. Part of the text of every such kernel.

``exp`` and ``expm1`` are those of `maths_numba`, operation by operation, so that both devices give the same bits. Division and
square root round correctly; Triton's own do not in float32. The others are those of libdevice.
"""

import triton
import triton.language as tl
from triton.language.extra.libdevice import atan, atan2, cos, cosh, erf, erfc, log, log1p, log10, pow, rint, sin, sinh, tanh  # noqa: F401


@triton.jit
def exp32(x):
    y = tl.where(x > 90.0, 90.0, tl.where(x < -105.0, -105.0, x))
    n = (y * 1.44269504 + 12582912.0) - 12582912.0
    r = (y - n * 0.693359375) + n * 2.12194440e-4
    p = r * (1 / 5040) + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = (p * r) * r + r
    p = p + 1.0
    whole = tl.where(n == n, n, 0.0).to(tl.int32)
    half = whole >> 1
    a = ((half + 127) << 23).to(tl.float32, bitcast=True)
    b = ((whole - half + 127) << 23).to(tl.float32, bitcast=True)
    return (p * a) * b


@triton.jit
def exp64(x):
    y = tl.where(x > 710.0, 710.0, tl.where(x < -746.0, -746.0, x))
    n = (y * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
    r = (y - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    p = r * (1 / 6227020800) + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = (p * r) * r + r
    p = p + 1.0
    whole = tl.where(n == n, n, 0.0).to(tl.int64)
    half = whole >> 1
    a = ((half + 1023) << 52).to(tl.float64, bitcast=True)
    b = ((whole - half + 1023) << 52).to(tl.float64, bitcast=True)
    return (p * a) * b


@triton.jit
def expm1_32(x):
    y = tl.where(x > 90.0, 90.0, tl.where(x < -105.0, -105.0, x))
    n = (y * 1.44269504 + 12582912.0) - 12582912.0
    r = (y - n * 0.693359375) + n * 2.12194440e-4
    p = r * (1 / 5040) + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = (p * r) * r + r
    whole = tl.where(n == n, n, 0.0).to(tl.int32)
    half = whole >> 1
    a = ((half + 127) << 23).to(tl.float32, bitcast=True)
    b = ((whole - half + 127) << 23).to(tl.float32, bitcast=True)
    c = ((half - whole + 127) << 23).to(tl.float32, bitcast=True)
    return (p * a + (a - c)) * b


@triton.jit
def expm1_64(x):
    y = tl.where(x > 710.0, 710.0, tl.where(x < -746.0, -746.0, x))
    n = (y * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
    r = (y - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    p = r * (1 / 6227020800) + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = (p * r) * r + r
    whole = tl.where(n == n, n, 0.0).to(tl.int64)
    half = whole >> 1
    a = ((half + 1023) << 52).to(tl.float64, bitcast=True)
    b = ((whole - half + 1023) << 52).to(tl.float64, bitcast=True)
    c = ((half - whole + 1023) << 52).to(tl.float64, bitcast=True)
    return (p * a + (a - c)) * b


@triton.jit
def largest(a, b):
    """The larger one; NaN if either is (as in PyTorch)."""
    return tl.where((a > b) | (a != a), a, b)


@triton.jit
def smallest(a, b):
    """The smaller one; NaN if either is."""
    return tl.where((a < b) | (a != a), a, b)


@triton.jit
def div(a, b):
    return tl.div_rn(a, b) if a.dtype == tl.float32 else a / b


@triton.jit
def sqrt(x):
    return tl.sqrt_rn(x) if x.dtype == tl.float32 else tl.sqrt(x)


@triton.jit
def at(signal, step, late, slots, t, inside):
    """Slot ``t`` of a signal that comes ``late``: 0 before its first slot and after its last."""
    k = t - late
    return tl.load(signal + k * step, mask=inside & (k >= 0) & (k < slots), other=0.0)
