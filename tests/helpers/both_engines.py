"""How the results of the two engines are compared.

With weights on a dyadic grid and at most two charges into a membrane every sum is exact or has one order only, and the engines
must agree bit for bit (a tanh or an exp inside a model differs in its last bit). Where sums have several orders, spikes must be
equal and the rest within 1e-12 of the largest value (float64). Gradients: 1e-9 of the largest in float64, 1e-4 in float32 with
the same spikes.
"""

from __future__ import annotations

import numpy as np
import torch


def dyadic(*shape, seed=0, low=-0.5, high=1.5, grid=16):
    rng = np.random.default_rng(seed)
    return torch.as_tensor(rng.integers(int(low * grid), int(high * grid) + 1, shape) / grid)


def largest_difference(a, b):
    """Return the largest difference relative to the largest value of ``b``; NaN and infinities must be at the same places."""
    a, b = a.detach().double(), b.detach().double()
    assert a.shape == b.shape
    odd = ~torch.isfinite(b)
    assert torch.equal(torch.nan_to_num(a[odd], 7.0), torch.nan_to_num(b[odd], 7.0))
    a, b = a[~odd], b[~odd]
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-300)) if b.numel() else 0.0


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
        assert largest_difference(a, b) <= tolerance, f"{where} {name}"


def recorded(net):
    """Return every record of a network as tensors by ``tag.name``."""
    found = {}
    for tag, record in net.records.items():
        for name in record:
            value = record[name]
            parts = {name: value} if isinstance(value, torch.Tensor) else {f"{name}/{k}": v for k, v in value._asdict().items()}
            found |= {f"{tag}.{k}": v for k, v in parts.items()}
            found[f"{tag}.{name}/time"] = record.time(name)
    return found


def gradients(net):
    return {name: p.grad for name, p in net.named_parameters()}


def states(net):
    """The running state of every group, and what is in flight."""
    found = {}
    for tag, node in net._sim.nodes.items():
        leaves = torch.utils._pytree.tree_flatten(node.state)[0]
        found |= {f"{tag}/{i}": leaf.expand(*net._sim.lead, *leaf.shape[2:]) for i, leaf in enumerate(leaves)}
    for i, (_, line) in enumerate(net._sim.lines):
        for j, item in enumerate(line.pending):
            found[f"line {i}/{j}"] = item.value.expand(*net._sim.lead, -1)
    return found
