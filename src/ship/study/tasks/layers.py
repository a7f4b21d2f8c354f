"""The network that tasks without one of their own come with: one hidden layer of LIF neurons, read by leaky integrators."""

from __future__ import annotations

from ...base.parameters import Normal
from ...models import LIF, CurrentInput, ExpSynapse, LeakyIntegrator, SpikeInput, WeightedSum
from ...network.network import Network

TAU = 20e-3  # s, time constant of neurons and of the readout


def hidden_layer(
    channels: int,
    hidden: int,
    classes: int,
    *,
    spread: float,
    values: bool = False,
    recurrent: bool = False,
    tau: float = TAU,
    tau_syn: float = 5e-3,
) -> Network:
    """Build a network of one hidden layer: groups "in", "hid" and "out", not initialised.

    Args:
        channels, hidden, classes: number of units of the groups.
        spread: standard deviation of the weights from the input at the start, with mean 0: V for spikes, V/s for values. A
            neuron fires where its input comes to 1 V, so about ``1 / sqrt(spikes of a sample)`` suits spikes.
        values: whether the input is levels (V/s after the weights) instead of spikes.
        recurrent: whether hidden neurons are connected with each other, with a delay of 1 ms.
        tau: time constant of neurons and of the readout, s.
        tau_syn: time constant of synapses, s.
    """
    net = Network()
    net.add(CurrentInput if values else SpikeInput, "in", n=channels)
    net.add(LIF, "hid", n=hidden, tau=tau)
    net.add(LeakyIntegrator, "out", n=classes, tau=tau, output=True)
    if values:
        net.add(WeightedSum, "in>hid", source="in", target="hid", weight=Normal(0.0, spread))
    else:
        net.add(ExpSynapse, "in>hid", source="in", target="hid", tau=tau_syn, weight=Normal(0.0, spread))
    if recurrent:
        net.add(ExpSynapse, "hid>hid", source="hid", target="hid", tau=tau_syn, delay=1e-3, weight=Normal(0.0, 0.05))
    net.add(ExpSynapse, "hid>out", source="hid", target="out", tau=tau_syn, weight=Normal(0.0, 0.1))
    return net
