"""A fixed reservoir and a readout of its filtered spikes: the reservoir is run once, then weights are found for what it said.

A readout unit is a leaky integrator. It hears each neuron of the reservoir through several synapses with delays ``d_k``, so at
the end T of a sample its voltage is ``sum_k sum_j W_kj x_j(T - d_k)``, where ``x_j`` is what it would do under neuron j alone, by
a weight of 1. Of a spike that is m slots old x_j holds

    (1 - a) (1 - b) / z * (b^m - a^m) / (b - a),    a = exp(-dt / tau_syn), b = exp(-dt / tau), z = dt / tau,

the response of `ship.LeakyIntegrator` to `ship.ExpSynapse` in slots of dt: a charge (1 - a) a^n in slot n, spread evenly over it.
`states` computes these sums from the spikes; the weights are then those of a logistic regression, a convex problem without a
choice of learning rate or epochs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..base.checks import check_real, check_whole
from ..base.errors import GraphError, RunError
from ..network.network import Network


class States(NamedTuple):
    """What a reservoir said about samples."""

    x: Tensor  # V, filtered spikes at the delays before the end of each sample, [sample, delay, neuron]
    spikes: Tensor  # number of spikes of each neuron within the sample, [sample, neuron]

    def part(self, index: Tensor) -> States:
        """Return those of some samples."""
        return States(self.x[index], self.spikes[index])


class Filter(NamedTuple):
    """What a readout does to the spikes that it hears."""

    tau: float  # s, its membrane
    tau_syn: float  # s, its synapses
    delays: tuple[int, ...]  # slots, of its synapses
    step: int = 1  # slots; delays and lengths of samples are multiples of it


@torch.no_grad()
def states(
    net: Network, samples: Tensor | Sequence[Tensor], read: Filter, *, reservoir: str = "liquid", size: int = 250
) -> States:
    """Run a reservoir over samples and filter its spikes, as a readout would at the end of each one.

    Args:
        net: an initialised network, of which only the reservoir's spikes are looked at.
        samples: events ``[time, unit]`` of each sample.
        read: constants and delays of the readout.
        reservoir: tag of the spiking group that is read.
        size: number of samples that are run together, which are of about one length.

    Returns:
        The filtered spikes, 0 where a delay reaches beyond the start of a sample, and the number of spikes.

    Raises:
        GraphError: the network has no such group.
        RunError: no samples; lengths or delays that are no multiples of the filter's step.
    """
    if reservoir not in net.tags:
        raise GraphError("study.states: reservoir", f"no group named {reservoir!r}", got=", ".join(net.tags))
    slots, behind = torch.tensor([len(sample) for sample in samples]), torch.tensor(read.delays)
    if not len(slots):
        raise RunError("study.states: samples", "needs at least one sample")
    if bool((slots % read.step).any()) or bool((behind % read.step).any()):
        raise RunError("study.states", f"needs lengths and delays that are multiples of {read.step} slots")
    n = net[reservoir].n
    x, spikes = torch.zeros(len(slots), len(behind), n), torch.zeros(len(slots), n)
    with net.keeping_monitors():
        net.monitor(reservoir, "output", events=True)
        for some in slots.argsort(stable=True).split(size):
            padded = torch.nn.utils.rnn.pad_sequence([samples[i] for i in some.tolist()], batch_first=True)
            net.run(padded.to(x.dtype))
            events = net.records[reservoir].output
            mine = events.slot < slots[some][events.sample]  # what comes after the end of a sample is not of it
            slot, place = events.slot[mine], events.sample[mine] * n + events.unit[mine]
            spikes[some] = torch.bincount(place, minlength=len(some) * n).view(len(some), n).to(x.dtype)
            course = _filtered(slot, place, len(some) * n, padded.shape[1] // read.step, read, net.dt)
            at = (slots[some, None] - behind) // read.step  # [sample, delay]
            picked = course.view(-1, len(some), n)[at.clamp(min=0), torch.arange(len(some))[:, None]]
            x[some] = picked * (at > 0)[..., None]
    return States(x, spikes)


def _filtered(slot: Tensor, place: Tensor, places: int, ends: int, read: Filter, dt: float) -> Tensor:
    """Filter spikes; return the course at every ``step``-th slot, ``[0 .. ends, place]``."""
    z = dt / read.tau
    a, b = math.exp(-dt / read.tau_syn), math.exp(-z)
    end = slot // read.step + 1  # the first kept slot in which a spike shows
    age = (end * read.step - slot).double()
    sums = []
    for decay in (b, a):
        new = torch.zeros((ends + 2) * places).index_add_(0, end * places + place, (decay**age).float()).view(-1, places)
        for k in range(1, ends + 1):
            new[k] += decay**read.step * new[k - 1]
        sums.append(new[: ends + 1])
    return (1 - a) * (1 - b) / z / (b - a) * (sums[0] - sums[1])


def regression(x: Tensor, labels: Tensor, classes: int, *, penalty: float, steps: int = 100, balanced: bool = False) -> Tensor:
    """Find the weights of a multinomial logistic regression without an intercept.

    Minimised is ``mean(cross-entropy) + penalty sum_i (W_i s_i)^2``, ``s_i`` the root mean square of feature i, by L-BFGS.

    Args:
        x: features ``[sample, feature]``.
        labels: labels ``[sample]``.
        classes: number of classes.
        penalty: how strongly weights are held back.
        steps: the most steps of the search.
        balanced: whether each class that occurs counts alike, however many samples it has.

    Returns:
        Weights ``[feature, class]``.

    Raises:
        ParameterError: a penalty that is not above 0, or a number of steps below 1.
    """
    check_real("study.regression: penalty", penalty, "must be above 0", above=0.0)
    check_whole("study.regression: steps", steps, 1)
    size = x.square().mean(0).sqrt()
    size = torch.where(size > 0, size, 1.0)
    scaled = x / size
    counts = torch.bincount(labels, minlength=classes).to(x.dtype)
    share = torch.where(counts > 0, len(labels) / (counts.clamp(min=1) * (counts > 0).sum()), 0.0) if balanced else None
    weight = torch.zeros(x.shape[1], classes, dtype=x.dtype, requires_grad=True)
    search = torch.optim.LBFGS([weight], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        total = torch.nn.functional.cross_entropy(scaled @ weight, labels, weight=share) + penalty * weight.square().sum()
        total.backward()
        return total

    search.step(loss)
    return weight.detach() / size[:, None]
