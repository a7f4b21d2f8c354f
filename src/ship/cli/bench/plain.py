"""The same work without what a case is about: one network with a batch as large instead of chips, weights instead of devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .networks import chips_network, inference, learning_network, rate_of, training
from .networks import load as load
from .networks import versions as versions
from .sweeps import short_run

Arrays = Mapping[str, Any]
Work = dict[str, Any]
ENGINE = "auto"


def _wide(data: Arrays, size: Arrays) -> tuple[Tensor, Tensor]:
    """The inputs of all chips, and the gradients of their outputs, as one batch."""
    x = torch.from_numpy(data["x"])
    return x.repeat(size["chips"], 1, 1), torch.from_numpy(data["g"]).flatten(0, 1)


def sweep(data: Arrays, size: Arrays) -> Work:
    """Do the runs of a sweep one after the other, in this process, on the threads that there are."""

    def loop() -> float:
        runs = [short_run(tau, seed, size) for tau in data["tau"] for seed in data["seeds"]]
        return sum(runs) / len(runs)

    return {
        "forward": loop,
        "warm": lambda: short_run(data["tau"][0], 0, size),
        "rate": lambda out: out,
        "check": lambda out: out,
    }


def chips_shared(data: Arrays, size: Arrays) -> Work:
    x, g = _wide(data, size)
    net = chips_network(size, ENGINE, chips=None)
    rate = rate_of(net, "hid", x, size["dt"])
    return {**training(net, x, g, size["dt"]), "rate": lambda out: rate}


def chips_neurons(data: Arrays, size: Arrays) -> Work:
    return chips_shared(data, size)


def chips_weights(data: Arrays, size: Arrays) -> Work:
    return chips_shared(data, size)


def chips_devices(data: Arrays, size: Arrays) -> Work:
    x, _ = _wide(data, size)
    net = chips_network(size, ENGINE, chips=None)
    rate = rate_of(net, "hid", x, size["dt"])
    return {**inference(net, x), "rate": lambda out: rate}


def pulses(data: Arrays, size: Arrays) -> Work:
    return learning_network(data, size, ENGINE)
