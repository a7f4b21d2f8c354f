"""Sinabs: LIF layers on linear layers."""

import importlib.metadata
import math

import sinabs.layers
import torch
from sinabs.activation import MembraneReset, SingleExponential, SingleSpike

NAME = "Sinabs"


def versions():
    return {"sinabs": importlib.metadata.version("sinabs"), "torch": torch.__version__}


def node(**options):
    """``v <- decay v + x``, reset to 0, one spike a step."""
    return sinabs.layers.LIF(
        tau_mem=20.0,
        norm_input=False,
        spike_fn=SingleSpike,
        reset_fn=MembraneReset(),
        surrogate_grad_fn=SingleExponential(),
        **options,
    )


def fix_taus(net):
    """Gradients go to the weights alone."""
    for part in net.modules():
        if isinstance(part, sinabs.layers.LIF):
            for parameter in part.parameters():
                parameter.requires_grad = False
    return net


def linear(weight):
    layer = torch.nn.Linear(*weight.shape, bias=False)
    layer.weight.data = torch.from_numpy(weight.T.copy())
    return layer


def training(net, data, size):
    fix_taus(net)
    x, g = torch.from_numpy(data["x"]), torch.from_numpy(data["g"])

    def forward():
        for part in net.modules():
            if isinstance(part, sinabs.layers.LIF):
                part.reset_states()
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
    """LIF layers with an exponential current, which decays before it acts."""
    steps = data["tau_equal"] / size["dt"]
    layers = [torch.nn.Sequential(linear(w * math.expm1(1 / steps)), node(tau_syn=steps)) for w in data["w"]]
    x = torch.from_numpy(data["x"])

    def forward():
        with torch.no_grad():
            for layer in layers:
                layer[1].reset_states()
            return torch.stack([layer(x) for layer in layers])

    return {"forward": forward, "rate": lambda out: out.mean() / size["dt"]}
