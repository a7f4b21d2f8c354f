"""Mathematical functions for kernels, written so that loops over them vectorise. Part of the text of every kernel that needs one.

``exp`` and ``expm1``: at most 1.5 and 2.5 units in the last place (measured against 50-digit arithmetic in
tests/engine/test_kernels.py);
overflow gives inf, underflow goes through the subnormal numbers to 0, NaN stays NaN. ``sin``, ``cos`` and ``tanh``: at most
1.5, 1.5 and 3.5 units; sine and cosine of numbers beyond 3e9 are NaN, for no loop takes the long way that leads to their phase.
The others are those of the C library, one number at a time.
"""

import math

import numpy as np
from numba import njit


@njit(inline="always")
def exp32(x):
    """2^n times a Taylor polynomial of degree 7 on +-ln(2) / 2; the reduction by ln(2) in two parts (Cody & Waite)."""
    y = np.float32(90.0) if x > np.float32(90.0) else (np.float32(-105.0) if x < np.float32(-105.0) else x)
    n = (y * np.float32(1.44269504) + np.float32(12582912.0)) - np.float32(12582912.0)
    r = (y - n * np.float32(0.693359375)) + n * np.float32(2.12194440e-4)
    p = np.float32(1 / 5040)
    p = p * r + np.float32(1 / 720)
    p = p * r + np.float32(1 / 120)
    p = p * r + np.float32(1 / 24)
    p = p * r + np.float32(1 / 6)
    p = p * r + np.float32(0.5)
    p = (p * r) * r + r
    p = p + np.float32(1.0)
    whole = np.int32(n) if n == n else np.int32(0)
    half = whole >> np.int32(1)
    a = np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    b = np.int32((whole - half + np.int32(127)) << np.int32(23)).view(np.float32)
    return (p * a) * b


@njit(inline="always")
def exp64(x):
    """As `exp32`, with a polynomial of degree 13."""
    y = 710.0 if x > 710.0 else (-746.0 if x < -746.0 else x)
    n = (y * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
    r = (y - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
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
    whole = np.int64(n) if n == n else np.int64(0)
    half = whole >> np.int64(1)
    a = np.int64((half + np.int64(1023)) << np.int64(52)).view(np.float64)
    b = np.int64((whole - half + np.int64(1023)) << np.int64(52)).view(np.float64)
    return (p * a) * b


@njit(inline="always")
def expm1_32(x):
    """As `exp32`: ``2^n p + (2^n - 1)``, p the polynomial without its 1. Half of the powers come last: 2^128 overflows."""
    y = np.float32(90.0) if x > np.float32(90.0) else (np.float32(-105.0) if x < np.float32(-105.0) else x)
    n = (y * np.float32(1.44269504) + np.float32(12582912.0)) - np.float32(12582912.0)
    r = (y - n * np.float32(0.693359375)) + n * np.float32(2.12194440e-4)
    p = np.float32(1 / 5040)
    p = p * r + np.float32(1 / 720)
    p = p * r + np.float32(1 / 120)
    p = p * r + np.float32(1 / 24)
    p = p * r + np.float32(1 / 6)
    p = p * r + np.float32(0.5)
    p = (p * r) * r + r
    whole = np.int32(n) if n == n else np.int32(0)
    half = whole >> np.int32(1)
    a = np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    b = np.int32((whole - half + np.int32(127)) << np.int32(23)).view(np.float32)
    c = np.int32((half - whole + np.int32(127)) << np.int32(23)).view(np.float32)
    return (p * a + (a - c)) * b


@njit(inline="always")
def expm1_64(x):
    """As `expm1_32`, with a polynomial of degree 13."""
    y = 710.0 if x > 710.0 else (-746.0 if x < -746.0 else x)
    n = (y * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
    r = (y - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
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
    whole = np.int64(n) if n == n else np.int64(0)
    half = whole >> np.int64(1)
    a = np.int64((half + np.int64(1023)) << np.int64(52)).view(np.float64)
    b = np.int64((whole - half + np.int64(1023)) << np.int64(52)).view(np.float64)
    c = np.int64((half - whole + np.int64(1023)) << np.int64(52)).view(np.float64)
    return (p * a + (a - c)) * b


@njit(inline="always")
def quarter(x):
    """n and r of ``x = n pi / 2 + r`` in float64; parts of pi / 2 with 22 bits, so that products are exact (Cody & Waite)."""
    y = x if abs(x) < 3e9 else np.nan
    n = (y * 0.6366197723675814 + 6755399441055744.0) - 6755399441055744.0
    r = ((y - n * 1.570796012878418) - n * 3.139164164167596e-07) - n * 6.223371969669989e-14
    return n, r - n * 2.0222662487959506e-21


@njit(inline="always")
def turned(n, s, c, phase):
    """The sine of ``(n + phase) pi / 2 + r`` from sine and cosine of r."""
    m = n + phase
    q = m - 4.0 * np.floor(m * 0.25)
    value = c if (q == 1.0) | (q == 3.0) else s
    return -value if q >= 2.0 else value


@njit(inline="always")
def waves32(r):
    """Sine and cosine of +-pi / 4 by their Taylor polynomials."""
    z = r * r
    s = np.float32(1 / 362880)
    s = s * z - np.float32(1 / 5040)
    s = s * z + np.float32(1 / 120)
    s = s * z - np.float32(1 / 6)
    c = -np.float32(1 / 3628800)
    c = c * z + np.float32(1 / 40320)
    c = c * z - np.float32(1 / 720)
    c = c * z + np.float32(1 / 24)
    return (s * z) * r + r, (c * z) * z - np.float32(0.5) * z + np.float32(1.0)


@njit(inline="always")
def waves64(r):
    """As `waves32`, of higher degree."""
    z = r * r
    s = 1 / 355687428096000
    s = s * z - 1 / 1307674368000
    s = s * z + 1 / 6227020800
    s = s * z - 1 / 39916800
    s = s * z + 1 / 362880
    s = s * z - 1 / 5040
    s = s * z + 1 / 120
    s = s * z - 1 / 6
    c = -1 / 6402373705728000
    c = c * z + 1 / 20922789888000
    c = c * z - 1 / 87178291200
    c = c * z + 1 / 479001600
    c = c * z - 1 / 3628800
    c = c * z + 1 / 40320
    c = c * z - 1 / 720
    c = c * z + 1 / 24
    half = 0.5 * z
    one = 1.0 - half
    return (s * z) * r + r, one + (((1.0 - one) - half) + (c * z) * z)


@njit(inline="always")
def sin32(x):
    n, r = quarter(np.float64(x))
    s, c = waves32(np.float32(r))
    return turned(n, s, c, 0.0)


@njit(inline="always")
def cos32(x):
    n, r = quarter(np.float64(x))
    s, c = waves32(np.float32(r))
    return turned(n, s, c, 1.0)


@njit(inline="always")
def sin64(x):
    n, r = quarter(x)
    s, c = waves64(r)
    return turned(n, s, c, 0.0)


@njit(inline="always")
def cos64(x):
    n, r = quarter(x)
    s, c = waves64(r)
    return turned(n, s, c, 1.0)


@njit(inline="always")
def tanh32(x):
    """``-e / (2 + e)`` with ``e = exp(-2 |x|) - 1``, which nowhere subtracts near numbers, and the sign of x."""
    e = expm1_32(np.float32(-2.0) * abs(x))
    y = e / (np.float32(2.0) + e)
    return y if x < 0 else -y


@njit(inline="always")
def tanh64(x):
    """As `tanh32`."""
    e = expm1_64(-2.0 * abs(x))
    y = e / (2.0 + e)
    return y if x < 0 else -y


@njit(inline="always")
def largest(a, b):
    """The larger one; NaN if either is (as in PyTorch)."""
    return a if (a > b or a != a) else b


@njit(inline="always")
def smallest(a, b):
    """The smaller one; NaN if either is."""
    return a if (a < b or a != a) else b


log, log1p, sqrt, atan, atan2, erf, erfc, log10, sinh, cosh = (
    math.log,
    math.log1p,
    math.sqrt,
    math.atan,
    math.atan2,
    math.erf,
    math.erfc,
    math.log10,
    math.sinh,
    math.cosh,
)
floor, ceil, rint = np.floor, np.ceil, np.rint
