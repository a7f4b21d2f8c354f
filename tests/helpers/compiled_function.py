"""A pointwise function of vectors as a kernel, for the tests of kernels."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import torch

from ship.engine.compiled.emit.numba import BLOCK_BYTES
from ship.engine.compiled.kernels.kernel import Kernel


def compiled(function, inputs, dtype):
    """A pointwise function of vectors as a kernel: a function of tensors, and of a cotangent for its gradients."""
    kernel = Kernel(lambda s, x, p: ([function(*x)], []), (), inputs, 0, dtype)
    block = BLOCK_BYTES // dtype.itemsize

    def call(address, operands, rows, length):
        """One slot; each row is as long as all units."""
        for a in range(0, length, block):
            work = torch.zeros(operands + 1, block, dtype=dtype)
            table = torch.tensor([[row.data_ptr() + a * dtype.itemsize, 0] for row in rows])
            kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
            kind(address)(work.data_ptr(), min(block, length - a), 1, table.data_ptr())

    def forward(*x):
        out = torch.empty_like(x[0])
        call(kernel.forward, 0, [*x, out], len(out))
        return out

    def backward(cotangent, *x):
        grads = [torch.empty_like(v) for v in x]
        rows = [*x, torch.empty(0), cotangent, *grads]  # no states
        call(kernel.backward(tuple(range(inputs))), kernel.backward_operands, rows, len(cotangent))
        return grads

    return forward, backward


ODD = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 1.5, 1e-30, -1e-30, 1e30, -1e30]


def operands(count, dtype):
    rng = np.random.default_rng(7)
    odd = torch.tensor(ODD, dtype=dtype)
    x = torch.cat([odd.repeat_interleave(len(odd)), torch.as_tensor(rng.standard_normal(600) * 3).to(dtype)])
    y = torch.cat([odd.repeat(len(odd)), torch.as_tensor(rng.standard_normal(600)).to(dtype)])
    return [x, y][:count]
