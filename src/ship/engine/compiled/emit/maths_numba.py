"""Mathematical functions for kernels, written so that loops over them vectorise. Part of the text of every kernel that needs one.

``exp`` and ``expm1``: at most 1.5 and 2.5 units in the last place (measured against 50-digit arithmetic in
tests/engine/test_kernels.py);
overflow gives inf, underflow goes through the subnormal numbers to 0, NaN stays NaN. ``sin``, ``cos`` and ``tanh``: at most
1.5, 1.5 and 3.5 units; sine and cosine of numbers beyond 3e9 are NaN, for no loop takes the long way that leads to their phase.
The others are those of the C library, one number at a time.

They are intrinsics, which give LLVM its instructions: to Numba a call is one statement. Functions that Numba inlines are some
sixty statements a call, of which it finds the types one by one: a Hodgkin-Huxley neuron took 14 s to compile, and now takes 5 s.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

# Float type, integer type, the bounds of the argument, log2(e), 1.5 times 2 to the bits of a fraction (adding and subtracting it
# rounds), ln(2) in two parts (Cody & Waite), degree of the Taylor polynomial, bias of an exponent, bits of a fraction.
NARROW = (ir.FloatType(), ir.IntType(32), 90.0, -105.0, 1.44269504, 12582912.0, 0.693359375, -2.12194440e-4, 7, 127, 23)
WIDE = (ir.DoubleType(), ir.IntType(64), 710.0, -746.0, 1.4426950408889634, 6755399441055744.0)
WIDE += (6.93145751953125e-1, 1.42860682030941723212e-6, 13, 1023, 52)


class Value:
    """A float of a program for LLVM, with the operators of Python; numbers become constants of its type."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def of(self, other):
        return other.value if isinstance(other, Value) else ir.Constant(self.value.type, other)

    def __add__(self, other):
        return Value(self.builder, self.builder.fadd(self.value, self.of(other)))

    def __sub__(self, other):
        return Value(self.builder, self.builder.fsub(self.value, self.of(other)))

    def __mul__(self, other):
        return Value(self.builder, self.builder.fmul(self.value, self.of(other)))

    def bounded(self, relation, bound):
        """The bound where this relation to it holds, and the number itself elsewhere; NaN stays NaN."""
        beyond = self.builder.fcmp_ordered(relation, self.value, self.of(bound))
        return Value(self.builder, self.builder.select(beyond, self.of(bound), self.value))


def exponential(kind, builder, x, less_one):
    """2^n p, p a Taylor polynomial on +-ln(2) / 2; less 1 it is ``2^n (p - 1) + (2^n - 1)``. Half of the powers of 2 come last:
    2^128 overflows in float32.
    """
    number, whole_number, high, low, log2e, shift, ln2, rest, degree, bias, bits = kind
    y = Value(builder, x).bounded("<", low).bounded(">", high)
    n = (y * log2e + shift) - shift
    r = (y - n * ln2) - n * rest
    p = r * (1 / math.factorial(degree)) + 1 / math.factorial(degree - 1)
    for k in range(degree - 2, 1, -1):
        p = p * r + 1 / math.factorial(k)
    p = (p * r) * r + r
    nothing = ir.Constant(whole_number, 0)
    valid = builder.fcmp_ordered("==", n.value, n.value)
    whole = builder.select(valid, builder.fptosi(n.value, whole_number), nothing)
    half = builder.ashr(whole, ir.Constant(whole_number, 1))

    def power(exponent):
        raised = builder.add(exponent, ir.Constant(whole_number, bias))
        return Value(builder, builder.bitcast(builder.shl(raised, ir.Constant(whole_number, bits)), number))

    a, b = power(half), power(builder.sub(whole, half))
    if less_one:
        return ((p * a + (a - power(builder.sub(half, whole)))) * b).value
    return (((p + 1.0) * a) * b).value


def of_one(kind, float_type, function, *options):
    """The intrinsic of a function of one number, for one float type."""

    @intrinsic
    def made(typing, x):
        def build(context, builder, signature, args):
            return function(kind, builder, args[0], *options)

        return float_type(float_type), build

    return made


exp32, expm1_32 = (of_one(NARROW, types.float32, exponential, less) for less in (False, True))
exp64, expm1_64 = (of_one(WIDE, types.float64, exponential, less) for less in (False, True))


def wave(kind, builder, x, phase):
    """The sine of x and ``phase`` quarter turns: Taylor polynomials on +-pi / 4, which is left of x, in float64, without the
    nearest multiple of pi / 2, whose parts have 22 bits, so that products with up to 2^31 quarters are exact (Cody & Waite).
    """
    number, double = kind[0], WIDE[0]
    y = Value(builder, x if number == double else builder.fpext(x, double))
    inside = builder.and_(builder.fcmp_ordered("<", y.value, y.of(3e9)), builder.fcmp_ordered(">", y.value, y.of(-3e9)))
    y = Value(builder, builder.select(inside, y.value, y.of(math.nan)))
    shift = WIDE[5]
    n = (y * (2 / math.pi) + shift) - shift
    r = y
    for part in (1.570796012878418, 3.139164164167596e-07, 6.223371969669989e-14, 2.0222662487959506e-21):
        r = r - n * part
    quarters = n + phase
    q = quarters - ((quarters * 0.25 + shift) - shift) * 4.0  # -2 to 2
    if number != double:
        r = Value(builder, builder.fptrunc(r.value, number))
    z = r * r
    last = 8 if number == double else 4
    s, c = z * 0.0 + taylor(2 * last + 1), z * 0.0 + taylor(2 * last + 2)
    for k in range(last - 1, 0, -1):
        s, c = s * z + taylor(2 * k + 1), c * z + taylor(2 * k + 2)
    half = z * 0.5
    one = half * -1.0 + 1.0
    cosine = one + ((one * -1.0 + 1.0 - half) + (c * z) * z)

    def either(a, b):
        return builder.or_(builder.fcmp_ordered("==", q.value, q.of(a)), builder.fcmp_ordered("==", q.value, q.of(b)))

    value, upper = builder.select(either(-1.0, 1.0), cosine.value, ((s * z) * r + r).value), either(0.0, 1.0)
    return builder.select(upper, value, (Value(builder, value) * -1.0).value)


def taylor(degree):
    """The coefficient of a sine or a cosine at this degree."""
    return (-1) ** (degree // 2) / math.factorial(degree)


def hyperbolic(kind, builder, x):
    """The hyperbolic tangent: ``-e / (2 + e)`` with ``e = exp(-2 |x|) - 1``, without differences of near numbers, signed as x."""
    given = Value(builder, x)
    negative = builder.fcmp_ordered("<", x, given.of(0.0))
    down = builder.select(negative, x, (given * -1.0).value)
    e = Value(builder, exponential(kind, builder, (Value(builder, down) * 2.0).value, True))
    y = Value(builder, builder.fdiv(e.value, (e + 2.0).value))
    return builder.select(negative, y.value, (y * -1.0).value)


sin32, cos32 = of_one(NARROW, types.float32, wave, 0.0), of_one(NARROW, types.float32, wave, 1.0)
sin64, cos64 = of_one(WIDE, types.float64, wave, 0.0), of_one(WIDE, types.float64, wave, 1.0)
tanh32, tanh64 = of_one(NARROW, types.float32, hyperbolic), of_one(WIDE, types.float64, hyperbolic)


def extreme(relation):
    """The intrinsic that takes the first of two numbers where it has this relation to the other; as in PyTorch NaN if one is."""

    @intrinsic
    def made(typing, a, b):
        def build(context, builder, signature, args):
            first, second = args
            wins = builder.or_(builder.fcmp_ordered(relation, first, second), builder.fcmp_unordered("!=", first, first))
            return builder.select(wins, first, second)

        return a(a, a), build

    return made


largest, smallest = extreme(">"), extreme("<")


@intrinsic
def choose(typing, condition, a, b):
    """One of two values of the same type, without a branch."""
    kind = types.unliteral(a)

    def build(context, builder, signature, args):
        return builder.select(*args)

    return kind(types.boolean, kind, kind), build


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
