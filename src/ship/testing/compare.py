"""How two results are compared, and what of a network is compared: records, gradients, states.

With weights on a dyadic grid and at most two charges into a membrane every sum is exact or has one order only, and the engines
must agree bit for bit (a tanh or an exp inside a model differs in its last bit). Where sums have several orders, spikes must be
equal and the rest within 1e-12 of the largest value (float64). Gradients: 1e-9 of the largest in float64, 1e-4 in float32 with
the same spikes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from ..network.network import Network

Named = Mapping[str, Tensor]


def gap(a: Tensor, b: Tensor) -> float:
    """Return the largest difference relative to the largest value of ``b``: infinite where shapes, NaN or infinities differ."""
    a, b = a.detach().double(), b.detach().double()
    if a.shape != b.shape:
        return math.inf
    odd = ~torch.isfinite(b)
    if not torch.equal(torch.nan_to_num(a[odd], 7.0), torch.nan_to_num(b[odd], 7.0)):
        return math.inf
    a, b = a[~odd], b[~odd]
    if not b.numel():
        return 0.0
    found = float((a - b).abs().max() / b.abs().max().clamp(min=1e-300))
    return math.inf if math.isnan(found) else found


def worst_gap(got: Named, want: Named) -> tuple[float, str]:
    """Return the largest `gap` of two results by name, and the name that it belongs to."""
    worst = (0.0, "")
    for name in want:
        a, b = got.get(name), want[name]
        if (a is None) != (b is None):
            return math.inf, name
        if a is not None:
            worst = max(worst, (gap(a, b), name))
    return worst


def recorded(net: Network) -> dict[str, Tensor]:
    """Return every record of a network as tensors by ``tag.name``."""
    found: dict[str, Tensor] = {}
    for tag, record in net.records.items():
        for name in record:
            value = record[name]
            parts = {name: value} if isinstance(value, Tensor) else {f"{name}/{k}": v for k, v in value._asdict().items()}
            found |= {f"{tag}.{k}": v for k, v in parts.items()}
            found[f"{tag}.{name}/time"] = record.time(name)
    return found


def gradients(net: Network) -> dict[str, Tensor | None]:
    """Return the gradient of every parameter that is trained, by name; None where there is none."""
    return {name: p.grad for name, p in net.named_parameters()}


def states(net: Network) -> dict[str, Tensor]:
    """Return the running state of every group, and what is in flight."""
    sim = net.simulation()
    found: dict[str, Tensor] = {}
    for tag, node in sim.nodes.items():
        leaves = tree_leaves(node.state)
        lead = sim.lead or (1, 1)
        found |= {f"{tag}/{i}": leaf.expand(*lead, *leaf.shape[2:]) for i, leaf in enumerate(leaves)}
    for i, (_, line) in enumerate(sim.lines):
        for j, item in enumerate(line.pending):
            found[f"line {i}/{j}"] = item.value.expand(*(sim.lead or (1, 1)), -1)
    return found
