"""Norse: LIF cells in a loop over time, on linear layers."""

import math

import norse
import torch
from norse.torch.functional.lif_box import LIFBoxParameters
from norse.torch.module.lif_box import LIFBoxCell

NAME = "Norse"
DECAY = math.exp(-1 / 20)  # 1 ms of a membrane of 20 ms


def versions():
    return {"norse": norse.__version__, "torch": torch.__version__}


def training(weights, data, size):
    """``v <- v + (1 - decay) (x - v)``: weights are scaled, so that an input displaces v by the same."""
    weights = [torch.nn.Parameter(torch.from_numpy(w / (1 - DECAY))) for w in weights]
    dt = size["dt"]
    cells = [LIFBoxCell(p=LIFBoxParameters(tau_mem_inv=torch.tensor((1 - DECAY) / dt)), dt=dt) for _ in weights]
    x, g = (torch.from_numpy(data[name]).transpose(0, 1).contiguous() for name in ("x", "g"))  # time first

    def forward():
        out = x
        for weight, cell in zip(weights, cells, strict=True):
            drive, state, spikes = out @ weight, None, []
            for now in drive.unbind(0):
                spike, state = cell(now, state)
                spikes.append(spike)
            out = torch.stack(spikes)
        return out

    def backward(out):
        for weight in weights:
            weight.grad = None
        out.backward(g)

    return {"forward": forward, "backward": backward, "rate": lambda out: out.detach().mean() / dt}


def lif(data, size):
    return training([data["w"]], data, size)


def deep(data, size):
    return training(data["w"], data, size)


def equal_tau(data, size):
    """LIF cells with an exponential current."""
    dt = size["dt"]
    p = norse.torch.LIFParameters(
        tau_syn_inv=torch.tensor((1 - math.exp(-dt / data["tau_equal"])) / dt), tau_mem_inv=torch.tensor((1 - DECAY) / dt)
    )
    scale = (1 - math.exp(-dt / data["tau_equal"])) / (1 - DECAY)
    weights = [torch.from_numpy(w * scale) for w in data["w"]]
    x = torch.from_numpy(data["x"]).transpose(0, 1).contiguous()

    def forward():
        outs = []
        with torch.no_grad():
            for weight in weights:
                cell, state, spikes = norse.torch.LIFCell(p=p, dt=dt), None, []
                for now in (x @ weight).unbind(0):
                    spike, state = cell(now, state)
                    spikes.append(spike)
                outs.append(torch.stack(spikes))
        return torch.stack(outs)

    return {"forward": forward, "rate": lambda out: out.mean() / dt}
