"""snnTorch: leaky neurons in a loop over time, on linear layers."""

import importlib.metadata
import math

import snntorch
import torch
from snntorch import surrogate

NAME = "snnTorch"
DECAY = math.exp(-1 / 20)  # 1 ms of a membrane of 20 ms


def versions():
    return {"snntorch": importlib.metadata.version("snntorch"), "torch": torch.__version__}


def training(weights, data, size):
    """``v <- decay v + x``, reset to 0."""
    weights = [torch.nn.Parameter(torch.from_numpy(w)) for w in weights]
    cells = [
        snntorch.Leaky(beta=DECAY, spike_grad=surrogate.fast_sigmoid(slope=10), reset_mechanism="zero", reset_delay=False)
        for _ in weights
    ]
    x, g = (torch.from_numpy(data[name]).transpose(0, 1).contiguous() for name in ("x", "g"))  # time first

    def forward():
        out = x
        for weight, cell in zip(weights, cells, strict=True):
            drive, v, spikes = out @ weight, cell.init_leaky(), []
            for now in drive.unbind(0):
                spike, v = cell(now, v)
                spikes.append(spike)
            out = torch.stack(spikes)
        return out

    def backward(out):
        for weight in weights:
            weight.grad = None
        out.backward(g)

    return {"forward": forward, "backward": backward, "rate": lambda out: out.detach().mean() / size["dt"]}


def lif(data, size):
    return training([data["w"]], data, size)


def deep(data, size):
    return training(data["w"], data, size)


def equal_tau(data, size):
    """Synaptic neurons: an exponential current and a membrane."""
    decay = math.exp(-size["dt"] / data["tau_equal"])
    weights = [torch.from_numpy(w * (1 - decay)) for w in data["w"]]
    x = torch.from_numpy(data["x"]).transpose(0, 1).contiguous()

    def forward():
        outs = []
        with torch.no_grad():
            for weight in weights:
                cell = snntorch.Synaptic(alpha=decay, beta=DECAY, reset_mechanism="zero", reset_delay=False)
                current, v = cell.init_synaptic()
                spikes = []
                for now in (x @ weight).unbind(0):
                    spike, current, v = cell(now, current, v)
                    spikes.append(spike)
                outs.append(torch.stack(spikes))
        return torch.stack(outs)

    return {"forward": forward, "rate": lambda out: out.mean() / size["dt"]}
