"""SpikingJelly: multi-step LIF nodes on linear layers."""

import importlib.metadata
import math

import torch
from spikingjelly.activation_based import functional, neuron, surrogate

NAME = "SpikingJelly"
DECAY = math.exp(-1 / 20)  # 1 ms of a membrane of 20 ms


def versions():
    return {"spikingjelly": importlib.metadata.version("spikingjelly"), "torch": torch.__version__}


def node():
    """``v <- decay v + x``, reset to 0."""
    return neuron.LIFNode(
        tau=1 / (1 - DECAY), decay_input=False, surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m"
    )


def linear(weight):
    layer = torch.nn.Linear(*weight.shape, bias=False)
    layer.weight.data = torch.from_numpy(weight.T.copy())
    return layer


def training(net, data, size):
    x, g = (torch.from_numpy(data[name]).transpose(0, 1).contiguous() for name in ("x", "g"))  # time first

    def forward():
        functional.reset_net(net)
        return net(x)

    def backward(out):
        net.zero_grad()
        out.backward(g)

    return {"forward": forward, "backward": backward, "rate": lambda out: out.detach().mean() / size["dt"]}


def lif(data, size):
    return training(torch.nn.Sequential(linear(data["w"]), node()), data, size)


def deep(data, size):
    return training(torch.nn.Sequential(*(part for w in data["w"] for part in (linear(w), node()))), data, size)


def equal_tau(data, size):
    """Current-based LIF; there is one decay for all synapses of a layer."""
    x = torch.from_numpy(data["x"]).transpose(0, 1).contiguous()
    decay = math.exp(-size["dt"] / data["tau_equal"])
    w = data["w"] * (1 - decay)
    layers = []
    for weight in w:
        cell = neuron.CUBALIFNode(c_decay=decay, v_decay=DECAY, v_threshold=1.0, v_reset=0.0)
        cell.step_mode = "m"
        layers.append(torch.nn.Sequential(linear(weight), cell))

    def forward():
        with torch.no_grad():
            for layer in layers:
                functional.reset_net(layer)
            return torch.stack([layer(x) for layer in layers])

    return {"forward": forward, "rate": lambda out: out.mean() / size["dt"]}
