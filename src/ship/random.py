"""Counter-based random numbers: a value depends on what it is for, never on when it is drawn.

Philox4x32-10 on int64 tensors, on any device. Key: seed and names, mixed with the chip. Counter: unit block, slot, sample, trial.

Source: Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC11 (2011), sec. 3.3; checked against its known answers.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from .errors import ParameterError, RunError

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


def _blocks(
    base: int, chip: Tensor, sample: Tensor, slot: Tensor, trial: int, n: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Two uniform numbers in float64 for each block of two units, ``[slot, chip, batch, ceil(n / 2)]``."""
    keys = [_chip_key(base, int(c)) for c in chip.tolist()]
    k0 = torch.tensor([k & M32 for k in keys], device=device).reshape(1, -1, 1, 1)
    k1 = torch.tensor([k >> 32 for k in keys], device=device).reshape(1, -1, 1, 1)
    unit = torch.arange((n + 1) // 2, device=device).reshape(1, 1, 1, -1)
    words = (
        unit,
        _word(slot, "slot").to(device).reshape(-1, 1, 1, 1),
        _word(sample, "sample").to(device).reshape(1, 1, -1, 1),
        _word(torch.tensor(trial), "trial").to(device).reshape(1, 1, 1, 1),
    )
    a, b, c, d = philox(words, (k0, k1))
    return _unit_interval(a, b), _unit_interval(c, d)


def _finish(first: Tensor, second: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    return torch.stack([first, second], -1).flatten(-2)[..., :n].to(dtype)


def _box_muller(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    radius, angle = torch.sqrt(-2 * torch.log(u)), 2 * math.pi * v
    return radius * torch.cos(angle), radius * torch.sin(angle)


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
    u, v = _blocks(base, chip, sample, slot, trial, n, device or torch.device("cpu"))
    values = _finish(u, v, n, dtype)
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
    u, v = _blocks(base, chip, sample, slot, trial, n, device or torch.device("cpu"))
    return _finish(*_box_muller(u, v), n, dtype)


def _draw_blocks(base: int, chip: int, shape: tuple[int, ...], attempt: int) -> tuple[Tensor, Tensor, int]:
    count = math.prod(shape)
    index = torch.zeros(1, dtype=torch.int64)
    u, v = _blocks(base, torch.tensor([chip]), index, index, attempt, count, torch.device("cpu"))
    return u, v, count


def draw_uniform(base: int, chip: int, shape: tuple[int, ...], *, attempt: int = 0) -> Tensor:
    """Uniform numbers for a parameter, float64: functions of key, chip, flat index and attempt."""
    u, v, count = _draw_blocks(base, chip, shape, attempt)
    return _finish(u, v, count, torch.float64).reshape(shape)


def draw_normal(base: int, chip: int, shape: tuple[int, ...], *, attempt: int = 0) -> Tensor:
    """Standard normal numbers for a parameter, float64: functions of key, chip, flat index and attempt."""
    u, v, count = _draw_blocks(base, chip, shape, attempt)
    return _finish(*_box_muller(u, v), count, torch.float64).reshape(shape)


SMALL_MEAN = 30.0  # up to here the distribution is summed term by term; exp(-mean) is far from underflow


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
    highest = 0.0
    if mean.numel() > 0:
        low, high = torch.aminmax(mean)
        highest = float(high)
        if not (float(low) >= 0 and highest < math.inf):
            raise ParameterError("Poisson mean", "must be finite and at least 0", got=f"values from {float(low)} to {highest}")
    rate, x = torch.broadcast_tensors(mean.to(torch.float64), u.to(torch.float64))
    if highest <= SMALL_MEAN:
        return _sum_terms(x, rate).to(u.dtype)
    large = rate > SMALL_MEAN
    count = _sum_terms(x, torch.where(large, 0.0, rate))
    count[large] = _solve(x[large], rate[large])
    return count.to(u.dtype)


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
