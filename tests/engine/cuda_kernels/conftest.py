"""Conditions of the tests of kernels for CUDA: short chunks, and functions that Triton's interpreter lacks."""

import numpy as np
import pytest
import torch

from ship.engine.compiled.run import cuda
from triton_tapes import EVERY, INTERPRETED


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr(cuda, "EVERY", EVERY)


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    """What Triton's interpreter lacks: the functions of libdevice. Infinite values on the way are no errors."""
    if not INTERPRETED:
        yield
        return
    import triton.language as tl
    from triton.language.extra import libdevice
    from triton.runtime.interpreter import TensorHandle

    def elementwise(function):
        def call(*args):
            data = function(*(a.handle.data for a in args)).astype(args[0].handle.data.dtype)
            return tl.tensor(TensorHandle(data, args[0].handle.dtype), args[0].type)

        return call

    found = {name: getattr(np, name) for name in ("cos", "expm1", "log", "log1p", "sin", "tanh")}
    found |= {"atan": np.arctan, "atan2": np.arctan2, "pow": np.power, "erf": lambda x: torch.erf(torch.as_tensor(x)).numpy()}
    for name, function in found.items():
        monkeypatch.setattr(libdevice, name, elementwise(function))
    with np.errstate(all="ignore"):
        yield
