"""What the tests of devices share: parameters of a part as tensors, and populations drawn with a seed."""

import math

import torch

from ship.base.parameters import declared
from ship.base.parameters.bag import Bag
from ship.devices import Pulse
from ship.devices.contract import Conductance

D = torch.float64


def t(*values):
    """A float64 tensor; a single number has no axis."""
    return torch.tensor(values[0] if len(values) == 1 else values, dtype=D)


def bag(part, g_min=0.0, g_max=1.0, **changed):
    """The nominal parameters of a part in a window."""
    own = {name: getattr(getattr(part, name), "nominal", getattr(part, name)) for name in declared(type(part))[0]}
    return Bag({k: torch.as_tensor(v, dtype=D) for k, v in ({"g_min": g_min, "g_max": g_max} | own | changed).items()})


def pulse(n, v=1.0):
    return Pulse(t(v), t(1e-7), torch.as_tensor(n, dtype=D))


def after(part, g, n, v=1.0, xi=0.0, **window):
    """Conductance after n pulses of v, in one event."""
    p = bag(part, **window)
    x = part.pulse(Conductance(torch.as_tensor(g, dtype=D)), pulse(n, v), p, (torch.as_tensor(xi, dtype=D),))
    return part.conductance(x, p)


def normals(n, seed=0):
    return torch.randn(n, dtype=D, generator=torch.Generator().manual_seed(seed))


def close_mean(x, mean, std):
    """Within 3 standard errors of the mean, std / sqrt(n)."""
    return abs(float(x.mean()) - mean) < 3 * std / math.sqrt(x.numel())


def close_std(x, std):
    """Within 3 standard errors of a Gaussian's standard deviation, std / sqrt(2 n)."""
    return abs(float(x.std()) - std) < 3 * std / math.sqrt(2 * x.numel())
