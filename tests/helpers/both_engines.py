"""How the results of the two engines are compared in tests: `ship.testing.compare`, with assertions."""

from __future__ import annotations

import numpy as np
import torch

from ship.testing.compare import gap, gradients, recorded, states

__all__ = ["assert_agree", "dyadic", "gradients", "recorded", "states"]


def dyadic(*shape, seed=0, low=-0.5, high=1.5, grid=16):
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.integers(int(low * grid), int(high * grid) + 1, shape) / grid)


def assert_agree(got, want, tolerance, where=""):
    """Assert that two results agree within a tolerance; 0 asks for equality bit for bit."""
    assert got.keys() == want.keys()
    for name in want:
        a, b = got[name], want[name]
        assert (a is None) == (b is None), f"{where} {name}: a gradient in one engine only"
        if b is None:
            continue
        assert a.shape == b.shape, f"{where} {name}: {a.shape} {b.shape}"
        assert a.dtype == b.dtype, f"{where} {name}: {a.dtype} {b.dtype}"
        # The largest difference first: it says more than "not equal".
        assert gap(a, b) <= tolerance, f"{where} {name}"
