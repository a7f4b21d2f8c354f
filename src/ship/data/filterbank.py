"""A filter bank like a cochlea: from sound to how strongly each frequency is heard, in each slot of time.

``gammatone_bank`` filters a signal by gammatone filters whose centres are equally spaced on the scale of equivalent rectangular
bandwidths (ERB). ``cochleagram`` goes on to numbers in [0, 1] for an encoder such as `regular_rate`:

1. half-wave rectification, and the mean over each slot, as of hair cells that respond to one side of a vibration;
2. gain: the largest value of a recording becomes 1 (a gain for the whole recording, set from all of it: not causal);
3. compression ``log(1 + r e) / log(1 + r)``, ``r = 10^(depth / 20)``: ``depth`` dB below the loudest it turns from a logarithm
   into a straight line;
4. contrast: a fraction ``contrast`` of the mean over channels in the same slot is taken off, what falls below 0 is 0, and the
   largest value of the recording becomes 1 again (lateral inhibition, equally from all channels).

Steps 2 to 4 are choices, not measured physiology; the filters are those of the source.

Source: of the filters, as in `scipy.signal.gammatone`: Slaney, Apple Technical Report 35 (1993), with
``ERB = 24.7 Hz + f / 9.26449`` (Glasberg & Moore, Hear. Res. 47:103, 1990) and the order 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..base.checks import check_real, check_whole
from ..base.errors import ParameterError
from ..base.parameters import to_tensor

EAR_Q, WIDTH = 9.26449, 24.7  # of the ERB: 1, and Hz at the frequency 0
BANDWIDTH = 1.019  # of a gammatone filter of order 4, in ERB
DECAY = 18.0  # time constants after which the response of a filter of order 4 has fallen to 6e-5 of its peak
PIECE = 50  # slots; recordings are filtered with silence up to a whole number of pieces
TOGETHER = 32  # recordings that are filtered at a time


def erb_spaced(low: float, high: float, n: int) -> Tensor:
    """Return frequencies that are equally spaced on the ERB scale, both ends among them.

    Args:
        low, high: the lowest and the highest frequency, Hz.
        n: number of frequencies, at least 2.

    Returns:
        ``[n]`` in Hz, increasing, in float64.

    Raises:
        ParameterError: fewer than two, or frequencies that are negative or do not increase.
    """
    check_whole("erb_spaced: n", n, 2)
    check_real("erb_spaced: low", low, "must be at least 0 Hz", least=0.0)
    check_real("erb_spaced: high", high, "must be above low", above=low)
    corner = EAR_Q * WIDTH
    at = torch.linspace(math.log1p(low / corner), math.log1p(high / corner), n, dtype=torch.float64)
    return corner * torch.expm1(at)


def gammatone_bank(signal: Tensor, *, rate: float, channels: int = 50, low: float = 100.0, high: float = 3500.0) -> Tensor:
    """Filter signals by a bank of gammatone filters of order 4, each with the gain 1 at its centre.

    Args:
        signal: ``[..., time]``.
        rate: samples of the signal in a second, Hz.
        channels: number of filters.
        low, high: centres of the first and of the last filter, Hz; above 0 and below rate / 2.

    Returns:
        ``[..., time, channel]`` in the float type of the signal (float32 for integers).

    Raises:
        ParameterError: a frequency out of its range, no samples.
    """
    signal = to_tensor("gammatone_bank: signal", signal)
    if not signal.ndim or not signal.shape[-1]:
        raise ParameterError("gammatone_bank: signal", "must be [..., time]", got=f"shape {list(signal.shape)}")
    check_real("gammatone_bank: rate", rate, "must be above 0 Hz", above=0.0)
    check_real("gammatone_bank: low", low, "must be above 0 Hz", above=0.0)
    check_real("gammatone_bank: high", high, "must be below rate / 2", least=low, got=f"{high:g}")
    if high >= rate / 2:
        raise ParameterError("gammatone_bank: high", f"must be below rate / 2 = {rate / 2:g} Hz", got=f"{high:g}")
    signal = signal if signal.is_floating_point() else signal.float()
    taps = _responses(rate, channels, low, high)
    n = signal.shape[-1]
    size = _fast(n + taps.shape[-1] - 1)
    response = torch.fft.rfft(taps.to(signal.dtype), size)
    heard: Tensor = torch.fft.irfft(torch.fft.rfft(signal, size).unsqueeze(-2) * response, size)[..., :n]
    return heard.transpose(-1, -2)


def _responses(rate: float, channels: int, low: float, high: float) -> Tensor:
    """Return the response of each filter to an impulse, ``[channel, sample]``, until it has died away."""
    from scipy.signal import gammatone

    slowest = 2 * math.pi * BANDWIDTH * (WIDTH + low / EAR_Q)  # 1/s
    taps = max(15, math.ceil(rate * DECAY / slowest))
    centres = erb_spaced(low, high, channels).tolist()
    return torch.as_tensor(np.stack([gammatone(f, "fir", order=4, numtaps=taps, fs=rate)[0] for f in centres]))


def _fast(n: int) -> int:
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real=True))


def cochleagram(
    signals: Tensor | Sequence[Tensor],
    *,
    rate: float,
    dt: float,
    steps: int,
    channels: int = 50,
    low: float = 100.0,
    high: float = 3500.0,
    depth: float = 60.0,
    contrast: float = 0.0,
) -> Tensor:
    """Turn recordings into how strongly each channel of a cochlea hears them, from 0 to 1, in each slot.

    Args:
        signals: recordings ``[sample, time]``, or a list of ``[time]``, which may differ in length.
        rate: samples of a recording in a second, Hz.
        dt: time step, s; a slot must hold a whole number of samples.
        steps: number of slots: shorter recordings are followed by silence, longer ones are cut.
        channels: number of filters.
        low, high: centres of the first and of the last filter, Hz.
        depth: how far below the loudest, in dB, the compression turns from logarithmic to linear.
        contrast: fraction of the mean over channels that is taken off, from 0 on and below 1.

    Returns:
        ``[sample, steps, channel]`` in float32. A silent recording gives zeros.

    Raises:
        ParameterError: a value out of its range, or a slot that holds no whole number of samples.
    """
    where = "cochleagram"
    check_real(f"{where}: dt", dt, "must be above 0 s", above=0.0)
    check_real(f"{where}: depth", depth, "must be above 0 dB", above=0.0)
    check_real(f"{where}: contrast", contrast, "must be at least 0 and below 1", least=0.0, below=1.0)
    check_whole(f"{where}: steps", steps, 1)
    slot = round(rate * dt)
    if slot < 1 or not math.isclose(slot, rate * dt, rel_tol=1e-9):
        got = f"{rate * dt:g} samples in a slot of {dt:g} s at {rate:g} Hz"
        fix = "Choose another dt, or resample the recordings, e.g. with scipy.signal.resample_poly."
        raise ParameterError(f"{where}: dt", "a slot must hold a whole number of samples", got=got, fix=fix)
    made = torch.zeros(len(signals), steps, channels)
    for index, sound in _by_length(where, signals, slot, steps):
        filtered = gammatone_bank(sound, rate=rate, channels=channels, low=low, high=high).clamp(min=0.0)
        heard = _compressed(filtered.unflatten(1, (-1, slot)).mean(2), depth, contrast)
        made[index, : heard.shape[1]] = heard
    return made


def _by_length(where: str, signals: Tensor | Sequence[Tensor], slot: int, steps: int) -> Iterator[tuple[list[int], Tensor]]:
    """Yield some recordings of about one length at a time: which, and ``[sample, time]`` with silence behind them.

    A recording is as long as its own whole pieces of `PIECE` slots, so that what is heard does not depend on the others.
    """
    pieces: dict[int, list[int]] = {}
    for i, signal in enumerate(signals):
        if signal.ndim != 1:
            raise ParameterError(f"{where}: signals", "must be [time] each", got=f"shape {list(signal.shape)}")
        slots = PIECE * max(1, math.ceil(len(signal) / (slot * PIECE)))
        pieces.setdefault(min(steps, slots), []).append(i)
    for slots, members in sorted(pieces.items()):
        for first in range(0, len(members), TOGETHER):
            index = members[first : first + TOGETHER]
            sound = torch.zeros(len(index), slots * slot)
            for row, i in zip(sound, index, strict=True):
                heard = signals[i][: len(row)].float()
                row[: len(heard)] = heard / heard.abs().max().clamp(min=1e-30) if len(heard) else heard
            yield index, sound


def _compressed(heard: Tensor, depth: float, contrast: float) -> Tensor:
    """Gain, compression and contrast of recordings ``[sample, slot, channel]``."""
    r = 10 ** (depth / 20)
    levels = torch.log1p(r * _to_one(heard)) / math.log1p(r)
    return _to_one((levels - contrast * levels.mean(-1, keepdim=True)).clamp(min=0.0)).clamp(max=1.0) if contrast else levels


def _to_one(x: Tensor) -> Tensor:
    return x / x.amax((1, 2), keepdim=True).clamp(min=1e-30)
