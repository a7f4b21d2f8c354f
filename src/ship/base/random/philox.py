"""The counter-based random number generator Philox4x32-10, on int64 tensors and on any device.

On the CPU a compiled function gives the same numbers where Numba is installed. The key is made from the seed and names, mixed
with the chip; the counter from unit block, slot, sample and trial.

Source: Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC11 (2011), sec. 3.3; checked against its known answers.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import RunError
from ..native import cache
from ..threads import spread

M32 = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def key(seed: int, *names: str) -> int:
    """Make a 64-bit key from a seed and names; each name is preceded by its length, so that joined names cannot collide."""
    text = b"".join(len(part).to_bytes(4, "little") + part for part in (str(seed).encode(), *(name.encode() for name in names)))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], keys: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return four 32-bit words (in int64 tensors) for each counter of four 32-bit words, all broadcast together."""
    c0, c1, c2, c3 = counter
    k0, k1 = keys
    for _ in range(ROUNDS):
        # The product of two 32-bit words wraps in int64; its bits are right, so both halves can be cut out of it.
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = ((p1 >> 32) & M32) ^ c1 ^ k0, p1 & M32, ((p0 >> 32) & M32) ^ c3 ^ k1, p0 & M32
        k0, k1 = (k0 + WEYL[0]) & M32, (k1 + WEYL[1]) & M32
    return c0, c1, c2, c3


def chip_key(base: int, chip: int) -> int:
    """Return the key of one chip: splitmix64 of its number, so that neighbours are unrelated."""
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


def unit_interval(high: Tensor, low: Tensor) -> Tensor:
    """Turn 52 random bits into a number in the open interval (0, 1), in float64."""
    return (((high << 20) | (low >> 12)).double() + 0.5) * 2.0**-52


def counter_blocks(base: int, chip: Tensor, sample: Tensor, slot: Tensor, trial: int, n: int, device: torch.device) -> Tensor:
    """Draw uniform numbers in float64, ``[slot, chip, batch, n]``; each counter gives two, so n must be even."""
    if has_kernels(device):
        return drawn_words("uniform", base, chip, sample, slot, trial, n)
    keys = [chip_key(base, int(c)) for c in chip.tolist()]
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
    return torch.stack([unit_interval(a, b), unit_interval(c, d)], -1).flatten(-2)


def has_kernels(device: torch.device) -> bool:
    """Return whether compiled functions can draw for a device."""
    return device.type == "cpu" and cache.available()


def compiled() -> dict[str, Any]:
    """Load the compiled versions of `philox` and of `poisson` for small means."""
    return cache.load("philox_numba", f"{words_text()}\n\n{cache.text_of(Path(__file__).with_name('philox_numba.py'))}")


def words_text() -> str:
    """Return the text of the generator for Numba, in front of a text that calls it."""
    return cache.text_of(Path(__file__).with_name("philox_words_numba.py"))


def drawn_words(
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
    """Draw numbers, ``[slot, chip, batch, n]``, with the compiled function named ``kind``."""
    keys = [chip_key(base, int(c)) for c in chip.tolist()]
    halves = np.array([[k & M32 for k in keys], [k >> 32 for k in keys]], np.uint64)
    words = [_array(_word(v, name)).astype(np.uint64) for v, name in ((slot, "slot"), (sample, "sample"))]
    _word(torch.tensor(trial), "trial")
    made = np.empty((slot.numel(), len(keys), sample.numel(), n), {torch.float32: np.float32, torch.float64: np.float64}[dtype])
    rows, draw = made.reshape(-1, n) if n else np.empty((0, 0)), compiled()[kind]
    spread(len(rows), lambda lo, hi: draw(lo, hi, *halves, *words, np.uint64(trial), *more, rows))
    return torch.from_numpy(made)


def _array(values: Tensor) -> np.ndarray:
    """Return whole numbers as a flat array."""
    try:
        return values.reshape(-1).cpu().numpy()
    except RuntimeError:  # under the transforms of `torch.func` the tensor has no memory of its own
        return np.array(values.reshape(-1).tolist(), np.int64)


def even(n: int) -> int:
    """Round a whole number up to an even one."""
    return n + n % 2
