"""The least that a case can cost on dense hardware primitives: its matrix products, or the bytes it must move.

All numbers stay normal (or exact zeros), however often a floor runs: what it costs must not depend on how a processor handles
denormal numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Arrays = Mapping[str, Any]
Work = dict[str, Any]
BRUNEL_RATE = 32.03  # Hz, by theory


def versions() -> dict[str, str]:
    return {"torch": torch.__version__, "numpy": np.__version__}


def flat(array: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).flatten(0, 1)


def lif(data: Arrays, size: Arrays) -> Work:
    """Two products: forward, and the gradient to the weights."""
    x, w, g = flat(data["x"]), torch.from_numpy(data["w"]), flat(data["g"])
    return {"forward": lambda: x @ w, "backward": lambda out: x.T @ g}


def deep(data: Arrays, size: Arrays) -> Work:
    """Products of all layers: forward, gradients to the weights; apart, gradients to the inputs of the later layers."""
    x, g = flat(data["x"]), flat(data["g"])
    w = torch.from_numpy(data["w"])

    def forward() -> None:
        for layer in w:
            x @ layer

    def backward(out: Any) -> None:
        for _ in w:
            x.T @ g

    def input_gradient() -> None:
        for layer in w[1:]:
            g @ layer.T

    return {"forward": forward, "backward": backward, "extra": {"input_gradient": input_gradient}}


def _reservoir(data: Arrays) -> Work:
    x = flat(data["x"])
    w_in, w_exc, w_inh, w_out = (torch.from_numpy(data[name]) for name in ("w_in", "w_exc", "w_inh", "w_out"))

    def forward() -> Tensor:
        spikes = x @ w_in
        spikes @ w_exc
        spikes @ w_inh
        spikes @ w_out
        return spikes

    return {"forward": forward}


def reservoir(data: Arrays, size: Arrays) -> Work:
    """Four products over all slots at once: input, excitation, inhibition, readout."""
    return _reservoir(data)


def readout(data: Arrays, size: Arrays) -> Work:
    """The same, and the gradient to the readout's weights."""
    g = flat(data["g"])
    return {**_reservoir(data), "backward": lambda spikes: spikes.T @ g}


def own_tau(data: Arrays, size: Arrays) -> Work:
    """One multiplication of every synaptic current in every slot, in place.

    The factors are so near to 1 that a current loses in the whole run what it would lose in a slot: without spikes, currents that
    decay as fast as the case says become denormal numbers, with which processors compute many times slower.
    """
    start, tau = torch.from_numpy(data["w"]), data["tau"]
    state, decay = start.clone(), torch.from_numpy(np.exp(-size["dt"] / tau / size["steps"]))

    def forward() -> Tensor:
        state.copy_(start)
        for _ in range(size["steps"]):
            state.mul_(decay)
        return state

    return {"forward": forward}


def equal_tau(data: Arrays, size: Arrays) -> Work:
    """A product for each layer, over all slots at once."""
    x, w = flat(data["x"]), torch.from_numpy(data["w"])

    def forward() -> None:
        for layer in w:
            x @ layer

    return {"forward": forward}


def stdp(data: Arrays, size: Arrays) -> Work:
    """One product over all slots, as if weights did not change."""
    x, w = flat(data["x"]), torch.from_numpy(data["w"])
    return {"forward": lambda: x @ w}


def brunel(data: Arrays, size: Arrays) -> Work:
    """Four bytes, the number of a target, read once for each synaptic event at the theoretical rate."""
    targets = torch.zeros(data["pre"].size)
    passes = max(1, round(BRUNEL_RATE * size["steps"] * size["dt"]))

    def forward() -> None:
        for _ in range(passes):
            targets.sum()

    return {"forward": forward}


def crossbar_currents(data: Arrays, size: Arrays) -> Work:
    """The product of each chip's inputs and conductances: all that a crossbar with ideal wires does."""
    G, v = torch.from_numpy(data["G"]), torch.from_numpy(data["v"])[:, None]
    return {"forward": lambda: v @ G}


def _moved(data: Arrays, size: Arrays, matrices: int) -> Work:
    """The bytes that a run of chips must move, as one sum over as many: weights are read once, signals are written and read.

    The gradient reads all of them once more.
    """
    n_in, n, n_out, chips = size["n_in"], size["n"], size["n_out"], size["chips"]
    weights = matrices * (n_in * n + n * n_out)
    signals = size["steps"] * size["batch"] * (n_in + chips * (2 * n + 2 * n_out))  # the spikes and the charges of each group
    numbers = torch.ones(weights + 2 * signals)
    return {"forward": lambda: numbers.sum(), "backward": lambda out: numbers.sum()}


def chips_shared(data: Arrays, size: Arrays) -> Work:
    """The bytes of one weight matrix and of the signals of all chips."""
    return _moved(data, size, 1)


def chips_neurons(data: Arrays, size: Arrays) -> Work:
    """The same as for `chips_shared`."""
    return _moved(data, size, 1)


def chips_weights(data: Arrays, size: Arrays) -> Work:
    """The bytes of a weight matrix for each chip and of all signals."""
    return _moved(data, size, size["chips"])


def chips_devices(data: Arrays, size: Arrays) -> Work:
    """The same as for `chips_weights`, without a gradient."""
    return {"forward": _moved(data, size, size["chips"])["forward"]}


def pulses(data: Arrays, size: Arrays) -> Work:
    """One product over all slots, as if weights did not change."""
    return stdp(data, size)
