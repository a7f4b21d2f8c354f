"""Kernels for CUDA equal those for the CPU on tapes by hand: lags, broadcasting, lengths, strides and chunks."""

import pytest
import torch

from ship.engine.compiled.kernels.kernel import Kernel
from ship.engine.compiled.run import cuda
from ship.engine.compiled.tape import tape
from triton_tapes import BATCH, CHIPS, F64, SLOTS, N, assert_equal, comparison, hand_made, largest_difference, leaky


def slots_of(which, arguments):
    """`leaky` slot by slot in plain PyTorch, as DESIGN's semantics of lags and of the first slot say."""
    state, outs = [*arguments.entry], []
    decay, scale, go = arguments.constants
    for t in range(SLOTS):
        x = []
        for sources in which.steps[0].operands:
            value = torch.zeros(CHIPS, BATCH, N, dtype=F64)
            for s in sources:
                signal = arguments.signals[s.signal]
                if 0 <= t - s.lag < len(signal):
                    value = signal[t - s.lag].expand(CHIPS, BATCH, N)
            x.append(value)
        out, state = leaky(state, x, [decay, scale, go if t == 0 else torch.ones(())])
        outs += out
    return torch.stack(outs), state


CONSTANTS = {
    "scalar": [torch.tensor(0.8), torch.tensor(2.0)],
    "unit": [torch.linspace(0.5, 0.9, N), torch.linspace(1.0, 2.0, N)],
    "chip": [torch.tensor([0.7, 0.8]).reshape(2, 1, 1), torch.rand(2, 1, N)],
    "sample": [torch.rand(1, 2, N), torch.rand(2, 2, 1)],
}


@comparison
@pytest.mark.parametrize(("lags", "go"), [((0, 0), 1.0), ((1, 0), 0.0), ((1, 3), 1.0)])
@pytest.mark.parametrize("constants", CONSTANTS)
def test_lags_first_slot_and_broadcasting(lags, go, constants):
    shapes = [(SLOTS - lags[0], CHIPS, 1, N), (SLOTS - lags[1], 1, BATCH, 1)]
    values = [*(c.double() for c in CONSTANTS[constants]), torch.tensor(go, dtype=F64)]
    which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), lags, shapes, values)
    (out, *state), grads = assert_equal(which, arguments)
    want, want_state = slots_of(which, arguments)
    assert largest_difference(out, want) <= 1e-14
    assert all(largest_difference(a, b) <= 1e-14 for a, b in zip(state, want_state, strict=True))
    given = [t for part in arguments for t in part]
    assert all(g is None or g.shape == t.shape for g, t in zip(grads, given, strict=True))


@comparison
@pytest.mark.parametrize("slots", [SLOTS + 2, SLOTS - 3, 1])
def test_signals_longer_and_shorter_than_the_run(slots):
    which, arguments = hand_made(
        Kernel(leaky, (False, False), 2, 3, F64),
        (1, 0),
        [(slots, 1, 1, N)] * 2,
        [torch.tensor(x).double() for x in (0.8, 2.0, 1.0)],
    )
    (out, *_), _ = assert_equal(which, arguments)
    assert largest_difference(out, slots_of(which, arguments)[0]) <= 1e-14


@comparison
@pytest.mark.parametrize("signals", [(0, 0), (None, 0), (None, None)])
def test_one_signal_for_two_operands_and_operands_of_nothing(signals):
    shapes = [(SLOTS, CHIPS, BATCH, N)] if 0 in signals else []
    constants = [torch.tensor(x).double() for x in (0.8, 2.0, 1.0)]
    which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), (0, 1), shapes, constants, signals=signals)
    assert_equal(which, arguments)


@comparison
def test_without_gradients_and_in_chunks_of_the_default_length(monkeypatch):
    monkeypatch.setattr(cuda, "EVERY", tape.EVERY)
    constants = [torch.tensor(x).double() for x in (0.8, 2.0, 0.0)]
    for needs in (False, True):
        which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), (1, 0), [(SLOTS, 1, 1, 3)] * 2, constants, n=3)
        assert_equal(which, arguments, needs=needs)


@comparison
def test_large_strides_and_views():
    """A signal as runs hand it over, rows side by side in time, and a slice of wider units."""
    constants = [torch.tensor(x).double() for x in (0.8, 2.0, 1.0)]
    which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), (0, 0), [(SLOTS, CHIPS, BATCH, N)] * 2, constants)
    turned = torch.rand(CHIPS, BATCH, SLOTS, 2 * N, dtype=F64).permute(2, 0, 1, 3)
    arguments.signals[:] = [turned[..., ::2], turned[..., N:]]
    assert_equal(which, arguments)
