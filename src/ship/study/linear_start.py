"""A start for a readout whose score is linear in its weights: the weights that minimise the cross-entropy, found at once.

Where a leaky integrator that never spikes is read as its mean over time (or as its last value), the score of a class is a sum
over the sources of ``weight * feature``. The feature of a source is the score of an integrator that this source alone drives by
the weight 1, and the network itself computes it: one integrator for each source. The weights are then those of a multinomial
logistic regression without an intercept, with the penalty ``penalty / 2 * sum_i (s weight_i)^2 / samples``, s the root mean
square over the sources of the standard deviation of their features; L-BFGS-B finds them. All weights are held back alike, in
volts, so that none stands out that a device of few levels would have to make room for. Training goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.checks import check_real
from ..base.errors import GraphError, ParameterError, RunError
from ..groups.distance import OneToOne
from ..models import LeakyIntegrator, SpikeInput
from ..network.network import Network
from ..network.readout import Last, Mean, Readout
from ..train.batches import parts_of

LINEAR = (Mean, Last)  # readouts that are linear in the output
STEPS = 300  # of L-BFGS-B, at most
PENALTY = 1.0


@torch.no_grad()
def features(
    net: Network, tag: str, batches: Iterable[Sequence[Any]], *, readout: Readout | None = None
) -> tuple[Tensor, Tensor]:
    """Compute what each source of a linear readout adds to a score, by the weight 1.

    Args:
        net: an initialised network of an input, a synapse and a `ship.LeakyIntegrator` that is the output, such as
            `ship.study.cut` leaves of one with a fixed reservoir.
        tag: the synapse.
        batches: ``(x, labels)`` or ``(x, labels, lengths)``.
        readout: what makes scores of the output, linear in it; default: the network's own.

    Returns:
        Features ``[sample, source]`` and labels ``[sample]``.

    Raises:
        GraphError: the network has other groups, or the readout is not linear.
        RunError: no batches.
    """
    read = readout or net.readout
    spec, output = _linear(net, tag, read)
    bank = Network()
    (source,) = spec.source
    n = net[source].n
    bank.add(SpikeInput, source, n=n)
    bank.add(LeakyIntegrator, output, **(net.specs[output].arguments | {"n": n, "v_rest": 0.0}))
    bank.add(type(spec.model), tag, **(spec.arguments | {"weight": 1.0, "connect": OneToOne(), "device": None, "mapping": None}))
    bank.init(net.dt, dtype=net.settings["dtype"], engine=net.settings["engine"])
    made, labels = [], []
    for batch in batches:
        x, label, lengths = parts_of("study.linear_start", batch)
        out = bank.run(x, steps=x.shape[-2] + read.tail)
        made.append(read(out, bank.lengths if lengths is None else lengths))
        labels.append(torch.as_tensor(label))
    if not made:
        raise RunError("study.linear_start", "got no batches", fix="Give a list or Batches, not a generator that is used up.")
    return torch.cat(made), torch.cat(labels)


def linear_start(
    net: Network,
    tag: str,
    batches: Iterable[Sequence[Any]],
    *,
    readout: Readout | None = None,
    penalty: float = PENALTY,
    bound: float = math.inf,
) -> float:
    """Give a linear readout the weights that minimise the cross-entropy of its scores.

    Args:
        net, tag, batches, readout: as in `features`.
        penalty: how strongly large weights are held back; 0 lets them grow up to the bound where classes can be parted.
        bound: the largest size of a weight, V. A small one makes weights use all of their range, as devices of few levels want.

    Returns:
        The loss at those weights, the penalty included.

    Raises:
        GraphError, RunError: as `features`.
        ParameterError: a negative penalty, or a bound that is not above 0.
    """
    if not bound > 0:
        raise ParameterError("study.linear_start: bound", "must be above 0 V", got=f"{bound:g}")
    check_real("study.linear_start: penalty", penalty, "must be at least 0", least=0.0)
    x, labels = features(net, tag, batches, readout=readout)
    weight, loss = logistic(x, labels, net[net.outputs[0]].n, penalty=penalty, bound=bound)
    own = net[tag].get_parameter("weight")
    with torch.no_grad():
        own.copy_(weight.reshape(own.shape))
    return loss


def logistic(
    x: Tensor, labels: Tensor, classes: int, *, penalty: float = PENALTY, bound: float = math.inf
) -> tuple[Tensor, float]:
    """Return the weights ``[source, class]`` of a logistic regression without an intercept, and its loss; see the module.

    Args:
        x: features ``[sample, source]``.
        labels: ``[sample]``.
        classes: number of classes.
        penalty, bound: as of `linear_start`.
    """
    from scipy.optimize import minimize

    spread = x.double().std(0, correction=0).square().mean().sqrt()
    size = float(spread) or 1.0
    scaled, shape = x.double() / size, (x.shape[1], classes)

    def loss(flat: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        weight = torch.from_numpy(flat).reshape(shape).requires_grad_()
        with torch.enable_grad():
            total = torch.nn.functional.cross_entropy(scaled @ weight, labels) + penalty / 2 / len(x) * weight.square().sum()
            total.backward()
        assert weight.grad is not None
        return float(total.detach()), weight.grad.flatten().numpy()

    limits = None if math.isinf(bound) else [(-bound * size, bound * size)] * (shape[0] * shape[1])
    start = np.zeros(shape[0] * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": STEPS})
    return (torch.from_numpy(found.x).reshape(shape) / size).to(x.dtype), float(found.fun)


def _linear(net: Network, tag: str, readout: Any) -> Any:
    """Check that a score is linear in the weights of a synapse, and return its specification and the tag of the output."""
    where = "study.linear_start"
    if not isinstance(readout, LINEAR):
        raise GraphError(where, "needs a readout that is linear in the output", got=repr(readout), fix="Mean or Last.")
    if len(net.outputs) != 1 or tag not in net.tags:
        raise GraphError(where, f"needs a network with one output and a synapse {tag!r}", got=f"{net.outputs}")
    spec, output = net.specs[tag], net.outputs[0]
    plain = isinstance(net.specs[output].model, LeakyIntegrator) and spec.target == (output,) and spec.rule is None
    if not plain or len(net.tags) != 3 or len(spec.source) != 1 or spec.connect is not None:
        got = ", ".join(net.specs[each].where for each in net.tags)
        fix = "Cut the network before the synapse first: ship.study.cut."
        raise GraphError(where, "needs an input, a synapse of all pairs and a LeakyIntegrator", got=got, fix=fix)
    return spec, output
