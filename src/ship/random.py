"""Counter-based random numbers: a value depends on what it is for, never on when it is drawn.

Philox4x32-10 on int64 tensors, on any device. Key: seed and names, mixed with the chip. Counter: unit block, slot, sample, trial.

Source: Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC11 (2011), sec. 3.3; checked against its known answers.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

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
        slot.to(device).reshape(-1, 1, 1, 1),
        sample.to(device).reshape(1, 1, -1, 1),
        torch.full((1, 1, 1, 1), trial, device=device),
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
    """Uniform numbers in the open interval (0, 1), ``[slot, chip, batch, unit]``."""
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
    """Standard normal numbers (Box & Muller), ``[slot, chip, batch, unit]``."""
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


SMALL_MEAN = 30.0


def poisson(u: Tensor, mean: Tensor) -> Tensor:
    """Poisson counts by inversion of the distribution: the smallest k with CDF(k) >= u; broadcast, in the dtype of ``u``."""
    rate = mean.to(torch.float64).expand(torch.broadcast_shapes(u.shape, mean.shape))
    x = u.to(torch.float64).expand(rate.shape)
    if bool((rate > SMALL_MEAN).any()):
        import numpy as np  # scipy is slow to import, and large means are rare
        from scipy import special

        found = np.ceil(special.pdtrik(x.cpu().numpy(), rate.clamp(min=1e-300).cpu().numpy()))
        lower = np.maximum(found - 1, 0)
        found = np.where(special.pdtr(lower, rate.cpu().numpy()) >= x.cpu().numpy(), lower, found)
        return torch.as_tensor(found).to(u)
    term = torch.exp(-rate)
    total, count, k = term.clone(), torch.zeros_like(x), 0
    while bool((total < x).any()) and k < 200:
        count = count + (total < x)
        k += 1
        term = term * rate / k
        total = total + term
    return count.to(u)
