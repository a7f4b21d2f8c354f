"""A fixed reservoir and a readout of its filtered spikes: the reservoir is run once, then weights are found for what it said.

A readout unit is a leaky integrator. It hears each neuron of the reservoir through several synapses with delays ``d_k``, so at the
end T of a sample its voltage is ``sum_k sum_j W_kj x_j(T - d_k)``, where ``x_j`` is what a leaky integrator with the same constants
does that hears neuron j alone, by the weight 1. `states` runs the reservoir with such integrators and keeps these numbers; the
weights are then those of a logistic regression, a convex problem without a choice of learning rate or epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..base.checks import check_real, check_whole
from ..base.errors import GraphError, RunError
from ..groups.distance import OneToOne
from ..models import ExpSynapse, LeakyIntegrator
from ..network.network import Network

TRACE = "trace"  # tag of the integrators that `states` adds


class States(NamedTuple):
    """What a reservoir said about samples."""

    x: Tensor  # V, filtered spikes at the delays before the end of each sample, [sample, delay, neuron]
    spikes: Tensor  # number of spikes of each neuron within the sample, [sample, neuron]

    def part(self, index: Tensor) -> States:
        """Return those of some samples."""
        return States(self.x[index], self.spikes[index])


@torch.no_grad()
def states(
    net: Network,
    samples: Sequence[Tensor],
    *,
    dt: float,
    tau: float,
    tau_syn: float,
    delays: Sequence[int],
    step: int,
    reservoir: str = "liquid",
    size: int = 250,
) -> States:
    """Run a reservoir over samples and read it at the end of each one.

    Args:
        net: a network without a readout, not initialised; integrators are added to it.
        samples: events ``[time, unit]`` of each sample; their numbers of slots are multiples of ``step``.
        dt: time step, s.
        tau: membrane time constant of a readout unit, s.
        tau_syn: time constant of its synapses, s.
        delays: how long before the end the reservoir is read, in slots, multiples of ``step``.
        step: every how many slots the state is kept while the reservoir runs.
        reservoir: tag of the group that is read.
        size: number of samples that are run together, which are of about one length.

    Returns:
        The filtered spikes, 0 where a delay reaches beyond the start of a sample, and the number of spikes.

    Raises:
        GraphError: the network has no such group.
        RunError: no samples, or lengths or delays that are no multiples of ``step``.
    """
    if reservoir not in net.tags:
        raise GraphError("study.states: reservoir", f"no group named {reservoir!r}", got=", ".join(net.tags))
    slots = torch.tensor([len(sample) for sample in samples])
    if not len(slots):
        raise RunError("study.states: samples", "needs at least one sample")
    behind = torch.tensor(list(delays))
    if bool((slots % step).any()) or bool((behind % step).any()):
        raise RunError("study.states", f"needs lengths and delays that are multiples of {step} slots")
    n = net.specs[reservoir].arguments["n"]
    net.add(LeakyIntegrator, TRACE, n=n, tau=tau)
    net.add(ExpSynapse, f"{reservoir}>{TRACE}", source=reservoir, target=TRACE, connect=OneToOne(), weight=1.0, tau=tau_syn)
    net.set(reservoir, output=True)
    net.init(dt=dt)
    net.monitor(TRACE, "v", every=step)
    x, spikes = torch.zeros(len(slots), len(behind), n), torch.zeros(len(slots), n)
    for some in slots.argsort(stable=True).split(size):
        padded = torch.nn.utils.rnn.pad_sequence([samples[i] for i in some.tolist()], batch_first=True)
        out = net.run(padded.to(x.dtype), steps=padded.shape[1] + 1)  # the state at the end shows one slot later
        inside = torch.arange(out.shape[1]) < slots[some, None]
        spikes[some] = (out * inside[..., None]).sum(1)
        at = (slots[some, None] - behind) // step  # [sample, delay]
        kept = net.records[TRACE].v.gather(1, at.clamp(min=0)[..., None].expand(-1, -1, n))
        x[some] = kept * (at > 0)[..., None]
    return States(x, spikes)


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
    search = torch.optim.LBFGS([weight], max_iter=steps, line_search_fn="strong_wolfe", tolerance_grad=1e-5, tolerance_change=1e-7)

    def loss() -> Tensor:
        search.zero_grad()
        total = torch.nn.functional.cross_entropy(scaled @ weight, labels, weight=share) + penalty * weight.square().sum()
        total.backward()
        return total

    search.step(loss)
    return weight.detach() / size[:, None]


def charge(net: Network, tag: str, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the charge that a synapse carries: the sum over spikes and connections of the weights of one sign.

    Args:
        net: an initialised network.
        tag: the synapse, with a weight for each connection.
        counts: number of spikes of each source unit, ``[sample, unit]``.

    Returns:
        The excitatory and the inhibitory charge of each sample, in the unit of the weights, ``[sample]``.
    """
    group = net[tag]
    weight, pre = group.weight.detach().to(counts.dtype), group.pre.long()
    made = [torch.zeros(counts.shape[1]).index_add_(0, pre, part) for part in (weight.clamp(min=0), weight.clamp(max=0))]
    return counts @ made[0], counts @ made[1]
