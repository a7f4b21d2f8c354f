"""Counter-based random numbers: a value depends on what it is for, never on when it is drawn.

Philox4x32-10 on int64 tensors, on any device; on the CPU compiled, where Numba is installed, with the same numbers. Key: seed and
names, mixed with the chip. Counter: unit block, slot, sample, trial.

Source: Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC11 (2011), sec. 3.3; checked against its known answers.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import compiled
from .errors import ParameterError, RunError
from .threads import spread

M32 = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def key(seed: int, *names: str) -> int:
    """A 64-bit key from a seed and names; each name is preceded by its length, so that joins cannot collide."""
    text = b"".join(len(part).to_bytes(4, "little") + part for part in (str(seed).encode(), *(name.encode() for name in names)))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], keys: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four 32-bit words (in int64 tensors) for each counter of four 32-bit words, all broadcast together."""
    c0, c1, c2, c3 = counter
    k0, k1 = keys
    for _ in range(ROUNDS):
        # The product of two 32-bit words wraps in int64; its bits are right, so both halves can be cut out of it.
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = ((p1 >> 32) & M32) ^ c1 ^ k0, p1 & M32, ((p0 >> 32) & M32) ^ c3 ^ k1, p0 & M32
        k0, k1 = (k0 + WEYL[0]) & M32, (k1 + WEYL[1]) & M32
    return c0, c1, c2, c3


def _chip_key(base: int, chip: int) -> int:
    """Key of one chip: splitmix64 of its number, so that neighbours are unrelated."""
    z = (base + (chip + 1) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ (z >> 31)


def _word(values: Tensor, name: str) -> Tensor:
    """Check that counters fit in one 32-bit word, without which streams would share values."""
    if values.numel() > 0:
        low, high = (int(v) for v in torch.aminmax(values))
        if low < 0 or high > M32:
            raise RunError(f"random numbers, {name}", f"must be between 0 and {M32}", got=low if low < 0 else high)
    return values


def _unit_interval(high: Tensor, low: Tensor) -> Tensor:
    """52 bits in the open interval (0, 1), float64."""
    return (((high << 20) | (low >> 12)).double() + 0.5) * 2.0**-52


def _blocks(base: int, chip: Tensor, sample: Tensor, slot: Tensor, trial: int, n: int, device: torch.device) -> Tensor:
    """Uniform numbers in float64, ``[slot, chip, batch, n]``; two for each counter, so n must be even."""
    if _fast(device):
        return _drawn("uniform", base, chip, sample, slot, trial, n)
    keys = [_chip_key(base, int(c)) for c in chip.tolist()]
    words = _word(slot, "slot"), _word(sample, "sample"), _word(torch.tensor(trial), "trial")
    k0 = torch.tensor([k & M32 for k in keys], device=device).reshape(1, -1, 1, 1)
    k1 = torch.tensor([k >> 32 for k in keys], device=device).reshape(1, -1, 1, 1)
    unit = torch.arange(n // 2, device=device).reshape(1, 1, 1, -1)
    counter = (
        unit,
        words[0].to(device).reshape(-1, 1, 1, 1),
        words[1].to(device).reshape(1, 1, -1, 1),
        words[2].to(device).reshape(1, 1, 1, 1),
    )
    a, b, c, d = philox(counter, (k0, k1))
    return torch.stack([_unit_interval(a, b), _unit_interval(c, d)], -1).flatten(-2)


def _fast(device: torch.device) -> bool:
    return device.type == "cpu" and compiled.available()


def _compiled() -> dict[str, Any]:
    """The compiled twins of `philox` and of `poisson` for small means."""
    return compiled.load_file(Path(__file__).with_name("draws.py"))


def _drawn(
    kind: str,
    base: int,
    chip: Tensor,
    sample: Tensor,
    slot: Tensor,
    trial: int,
    n: int,
    dtype: torch.dtype = torch.float64,
    *more: Any,
) -> Tensor:
    """What a compiled function draws, ``[slot, chip, batch, n]``."""
    keys = [_chip_key(base, int(c)) for c in chip.tolist()]
    halves = np.array([[k & M32 for k in keys], [k >> 32 for k in keys]], np.uint64)
    words = [_array(_word(v, name)).astype(np.uint64) for v, name in ((slot, "slot"), (sample, "sample"))]
    _word(torch.tensor(trial), "trial")
    made = np.empty((slot.numel(), len(keys), sample.numel(), n), {torch.float32: np.float32, torch.float64: np.float64}[dtype])
    rows, draw = made.reshape(-1, n) if n else np.empty((0, 0)), _compiled()[kind]
    spread(len(rows), lambda lo, hi: draw(lo, hi, *halves, *words, np.uint64(trial), *more, rows))
    return torch.from_numpy(made)


def _array(values: Tensor) -> np.ndarray:
    """Whole numbers as a flat array."""
    try:
        return values.reshape(-1).cpu().numpy()
    except RuntimeError:  # no memory of its own, under the transforms of `torch.func`
        return np.array(values.reshape(-1).tolist(), np.int64)


def _even(n: int) -> int:
    return n + n % 2


def _box_muller(values: Tensor) -> Tensor:
    """Standard normal numbers from pairs of uniform ones, in place of them."""
    u, v = values[..., 0::2], values[..., 1::2]
    radius, angle = torch.sqrt(-2 * torch.log(u)), 2 * math.pi * v
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], -1).flatten(-2)


def uniform(
    base: int,
    *,
    chip: Tensor,
    sample: Tensor,
    slot: Tensor,
    trial: int,
    n: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Uniform numbers in the open interval (0, 1), ``[slot, chip, batch, unit]``.

    Args:
        base: from `key`.
        chip: ids of dies, int64, ``[chip]``.
        sample: global numbers of samples, int64, ``[batch]``.
        slot: absolute slots, int64, ``[slot]``.
        trial: number of the trial.
        n: units; the first m of n are those of n = m.
        dtype: of the result; drawn in float64, then rounded, never to 0 or 1.
        device: of the result; None is the CPU.

    Raises:
        RunError: a slot, sample or trial is below 0 or above 2^32 - 1.
    """
    values = _blocks(base, chip, sample, slot, trial, _even(n), device or torch.device("cpu"))[..., :n].to(dtype)
    return values if dtype == torch.float64 else values.clamp(torch.finfo(dtype).tiny, 1 - torch.finfo(dtype).eps / 2)


def normal(
    base: int,
    *,
    chip: Tensor,
    sample: Tensor,
    slot: Tensor,
    trial: int,
    n: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Standard normal numbers, ``[slot, chip, batch, unit]``; arguments and errors as in `uniform`.

    Source: Box & Muller, Ann. Math. Statist. 29:610 (1958).
    """
    return _box_muller(_blocks(base, chip, sample, slot, trial, _even(n), device or torch.device("cpu")))[..., :n].to(dtype)


def normal_at(base: int, *, chip: Tensor, slot: int, unit: Tensor) -> Tensor:
    """The standard normal numbers that `normal` has at some places, of sample 0 and trial 0; float64.

    Args:
        base: from `key`.
        chip: ids of dies, int64, one for each number.
        slot: absolute slot.
        unit: units, int64, one for each number.
    """
    dies, of = torch.unique(chip, return_inverse=True)
    keys = [_chip_key(base, int(c)) for c in dies.tolist()]
    pair = (
        torch.tensor([k & M32 for k in keys], device=chip.device)[of],
        torch.tensor([k >> 32 for k in keys], device=chip.device)[of],
    )
    zero = torch.zeros((), dtype=torch.int64, device=chip.device)
    a, b, c, d = philox((unit // 2, zero + slot, zero, zero), pair)
    both = _box_muller(torch.stack([_unit_interval(a, b), _unit_interval(c, d)], -1))
    return torch.where(unit % 2 == 0, both[..., 0], both[..., 1])


def _draw_blocks(base: int, chip: int, shape: tuple[int, ...], attempt: int) -> Tensor:
    index = torch.zeros(1, dtype=torch.int64)
    return _blocks(base, torch.tensor([chip]), index, index, attempt, _even(math.prod(shape)), torch.device("cpu"))


def draw_uniform(base: int, chip: int, shape: tuple[int, ...], *, attempt: int = 0) -> Tensor:
    """Uniform numbers for a parameter, float64: functions of key, chip, flat index and attempt."""
    return _draw_blocks(base, chip, shape, attempt).flatten()[: math.prod(shape)].reshape(shape)


def draw_normal(base: int, chip: int, shape: tuple[int, ...], *, attempt: int = 0) -> Tensor:
    """Standard normal numbers for a parameter, float64: functions of key, chip, flat index and attempt."""
    return _box_muller(_draw_blocks(base, chip, shape, attempt)).flatten()[: math.prod(shape)].reshape(shape)


SMALL_MEAN = 30.0  # up to here the distribution is summed term by term; exp(-mean) is far from underflow
PIECE = 2**17  # numbers drawn at a time where they are counted in a second step: they then stay in the cache


def counts(
    base: int,
    *,
    chip: Tensor,
    sample: Tensor,
    slot: Tensor,
    trial: int,
    n: int,
    mean: Tensor,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """Poisson counts, ``[slot, chip, batch, unit]``: `poisson` of the numbers that `uniform` has.

    Args:
        mean: expected counts, broadcast with the result.

    The other arguments, and errors, are those of `uniform` and `poisson`.
    """
    mean = mean.detach()
    if _fast(device or torch.device("cpu")) and mean.numel() == 1 and _largest(mean) <= SMALL_MEAN:
        # u > CDF(k) for the 52 bits of u, u = (bits + 1 / 2) / 2^52: exact in floating point.
        edges = np.floor(_distribution(mean) * 2.0**52 - 0.5).astype(np.int64)
        return _drawn("counts", base, chip, sample, slot, trial, n, dtype, edges)
    pieces = slot.split(max(1, PIECE // max(1, chip.numel() * sample.numel() * int(n))))
    drawn = (uniform(base, chip=chip, sample=sample, slot=piece, trial=trial, n=n, device=device) for piece in pieces)
    return torch.cat([poisson(u, mean).to(dtype) for u in drawn])


def poisson(u: Tensor, mean: Tensor) -> Tensor:
    """Poisson counts by inversion of the distribution: the smallest k with CDF(k) >= u.

    Args:
        u: uniform numbers in (0, 1); float64 resolves small means best.
        mean: expected counts, broadcast with ``u``. A count depends on its own u and mean only.

    Returns:
        Counts, in the dtype of ``u``.

    Raises:
        ParameterError: a mean is negative, infinite or not a number.
    """
    largest = _largest(mean)
    if u.dtype == torch.float64 and _fast(u.device) and largest <= SMALL_MEAN and u.numel():
        counted = _counted(u, mean.to(torch.float64))
        if counted is not None:
            return counted
    rate, x = torch.broadcast_tensors(mean.to(torch.float64), u.to(torch.float64))
    if largest <= SMALL_MEAN:
        return _sum_terms(x, rate).to(u.dtype)
    large = rate > SMALL_MEAN
    count = _sum_terms(x, torch.where(large, 0.0, rate))
    count[large] = _solve(x[large], rate[large])
    return count.to(u.dtype)


def _largest(mean: Tensor) -> float:
    if mean.numel() == 0:
        return 0.0
    low, high = map(float, torch.aminmax(mean))
    if not (low >= 0 and high < math.inf):
        raise ParameterError("Poisson mean", "must be finite and at least 0", got=f"values from {low} to {high}")
    return high


def _distribution(mean: Tensor) -> NDArray[np.float64]:
    """P(count <= k) for one mean."""
    mean = mean.to(torch.float64)
    return cast(NDArray[np.float64], _compiled()["cdf"](float(mean), float(torch.exp(-mean))))


def _counted(u: Tensor, mean: Tensor) -> Tensor | None:
    """The compiled `_sum_terms`, for one mean, or one for each of the last axis; None for other shapes."""
    if mean.numel() > 1 and mean.shape != u.shape[-1:]:
        return None
    rows = u.contiguous().reshape(-1, u.shape[-1]).numpy()
    out, twin = np.empty_like(rows), _compiled()
    if mean.numel() == 1:
        table = _distribution(mean)
        spread(len(rows), lambda lo, hi: twin["poisson_table"](lo, hi, rows, table, out))
    else:
        first = torch.exp(-mean)
        spread(len(rows), lambda lo, hi: twin["poisson"](lo, hi, rows, mean.numpy(), first.numpy(), out))
    return torch.from_numpy(out).reshape(u.shape)


def _sum_terms(x: Tensor, rate: Tensor) -> Tensor:
    """Invert by summing probabilities from 0 upward, for all elements at once."""
    term = torch.exp(-rate)
    total, count, k = term, torch.zeros(x.shape, dtype=x.dtype, device=x.device), 0
    short = total < x
    while bool(short.any()):
        k += 1
        count = count + short
        term = term * rate / k
        # A sum that no longer grows has reached 1 but for rounding: an x above it would count on for ever.
        short = short & (total + term > total)
        total = total + term
        short = short & (total < x)
    return count


def _solve(x: Tensor, rate: Tensor) -> Tensor:
    """Invert the incomplete gamma function; its rounding may miss by one, so both neighbours are tested."""
    import numpy as np  # scipy is slow to import, and large means are rare
    from scipy import special

    p, m = x.cpu().numpy(), rate.cpu().numpy()
    k = np.maximum(np.ceil(special.pdtrik(p, m)), 0.0)
    below = np.maximum(k - 1, 0.0)
    k = np.where(special.pdtr(below, m) >= p, below, k)
    return torch.as_tensor(np.where(special.pdtr(k, m) < p, k + 1, k)).to(x)
