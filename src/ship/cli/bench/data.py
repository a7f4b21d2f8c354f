"""The numbers that all sides of a case share: NumPy arrays drawn from fixed seeds, float32 but for crossbars (float64).

This file imports nothing of SHIP, so that it runs in any environment that has NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Arrays = dict[str, Any]
TAU = 20e-3  # s, membrane of the feed-forward cases


def make(kind: str, size: Mapping[str, float]) -> Arrays:
    """Make the arrays of a kind of work at a size."""
    makers = {
        "lif": lif,
        "deep": deep,
        "reservoir": reservoir,
        "readout": reservoir,
        "own_tau": taus,
        "equal_tau": taus,
        "stdp": stdp,
        "brunel": brunel,
        "pulses": pulses,
        "crossbar": crossbar,
        "chips": chips,
        "sweep": sweep,
    }
    whole = {name: int(value) if float(value).is_integer() else value for name, value in size.items()}
    return makers[kind if kind in makers else kind.partition("_")[0]](whole)


def lif(size: Mapping[str, Any]) -> Arrays:
    """Make ``x`` and the gradient ``g [batch, time, unit]``; ``w [pre, post]`` in V a slot, for about 50 Hz."""
    rng = np.random.default_rng(0)
    n, shape = size["n"], (size["batch"], size["steps"], size["n"])
    return {
        "x": rng.standard_normal(shape, np.float32),
        "w": rng.standard_normal((n, n), np.float32) * np.float32(0.8 / n**0.5),
        "g": rng.standard_normal(shape, np.float32),
    }


def deep(size: Mapping[str, Any]) -> Arrays:
    """Make spikes ``x [batch, time, unit]``; ``w [layer, pre, post]`` in V a spike, so that layers keep the activity; ``g``."""
    rng = np.random.default_rng(0)
    n, shape = size["n"], (size["batch"], size["steps"], size["n"])
    std = 0.47 / (n * size["activity"]) ** 0.5
    return {
        "x": (rng.random(shape, np.float32) < size["activity"]).astype(np.float32),
        "w": rng.standard_normal((size["layers"], n, n), np.float32) * np.float32(std),
        "g": rng.standard_normal(shape, np.float32),
    }


def reservoir(size: Mapping[str, Any]) -> Arrays:
    """Make weights in V (the displacement by a spike) and time constants in s. A fifth of the units inhibit.

    ``w_in [in, unit]``; ``w_exc``, ``w_inh [unit, unit]``, each zero in the other's rows; ``w_out [unit, out]``; spikes ``x``.
    """
    rng = np.random.default_rng(0)
    n, shape = size["n"], (size["batch"], size["steps"], size["n_in"])
    x = (rng.random(shape) < 0.05).astype(np.float32)
    inhibits = rng.random(n) < 0.2
    joined = rng.random((n, n)) < size["connectivity"]
    return {
        "x": x,
        "w_in": (rng.random((size["n_in"], n)) * 4e-3).astype(np.float32),
        "w_exc": (joined & ~inhibits[:, None]).astype(np.float32) * np.float32(4e-3),
        "w_inh": (joined & inhibits[:, None]).astype(np.float32) * np.float32(-2e-3),
        "w_out": (0.24 * (1 - 2 * rng.random((n, size["n_out"])))).astype(np.float32),
        "g": rng.standard_normal((size["batch"], size["steps"], size["n_out"]), np.float32),
        "tau": 65e-3,
        "tau_exc": 8e-3,
        "tau_inh": 4e-3,
        "delay": 1e-3,
        "v_th": 20e-3,
        "t_ref": 2e-3,
    }


def taus(size: Mapping[str, Any]) -> Arrays:
    """Make spikes ``x [batch, time, pre]`` at 10 %; ``w [layer, pre, post]`` in V; ``tau`` of the same shape, in s."""
    rng = np.random.default_rng(0)
    n, shape = size["n"], (size["layers"], size["n"], size["n"])
    return {
        "x": (rng.random((size["batch"], size["steps"], n)) < 0.1).astype(np.float32),
        "w": (rng.random(shape, np.float32) * np.float32(1.25 / n)),
        "tau": rng.uniform(2e-3, 10e-3, shape).astype(np.float32),
        "tau_equal": 5e-3,
        "tau_membrane": TAU,
    }


def stdp(size: Mapping[str, Any]) -> Arrays:
    """Make spikes ``x [batch, time, pre]`` at 20 Hz and ``w [pre, post]`` in V, for about 15 Hz.

    A pair of spikes changes a weight by up to a hundredth of ``w_max``.
    """
    rng = np.random.default_rng(0)
    w_max = np.float32(5.2 / size["n_in"])
    return {
        "x": (rng.random((size["batch"], size["steps"], size["n_in"])) < 0.02).astype(np.float32),
        "w": rng.random((size["n_in"], size["n"]), np.float32) * w_max,
        "w_max": float(w_max),
        "a_plus": 0.01 * float(w_max),
        "a_minus": 0.0105 * float(w_max),
        "tau_trace": 20e-3,
        "tau_membrane": TAU,
    }


def brunel(size: Mapping[str, Any]) -> Arrays:
    """Make ``pre [unit, in-degree]``, the units that project to each unit.

    Weights and thresholds are in mV, times in s, the external rate in Hz.

    Source: Brunel, J. Comput. Neurosci. 8:183 (2000), model A, with a reset to 0 mV. Smaller networks keep the in-degree times
    the weight, so that threshold rate and regime stay.
    """
    rng = np.random.default_rng(1)
    n = size["n"]
    n_exc = n * 4 // 5
    k_exc, k_inh = int(n_exc * size["connectivity"]), int((n - n_exc) * size["connectivity"])
    j = 0.1 * 1000 / k_exc
    return {
        "pre": np.concatenate(
            [rng.integers(0, n_exc, (n, k_exc), dtype=np.int32), rng.integers(n_exc, n, (n, k_inh), dtype=np.int32)], 1
        ),
        "n_exc": n_exc,
        "k_exc": k_exc,
        "k_inh": k_inh,
        "j": j,
        "g": 5.0,
        "rate": 2.0 * 20.0 / (j * 20e-3),  # of all external spikes onto a unit: eta times the rate that reaches threshold
        "tau": 20e-3,
        "v_th": 20.0,
        "t_ref": 2e-3,
        "delay": 1.5e-3,
    }


def crossbar(size: Mapping[str, Any]) -> Arrays:
    """Make conductances ``G [chip, row, column]`` up to 100 uS and inputs ``v [chip, row]`` up to 1 V; wires are in ohm."""
    rng = np.random.default_rng(0)
    return {
        "G": rng.random((size["chips"], size["rows"], size["columns"])) * 1e-4,
        "v": rng.random((size["chips"], size["rows"])),
        "r_row": 1.0,
        "r_col": 1.0,
        "r_driver": 100.0,
        "r_sense": 100.0,
    }


def chips(size: Mapping[str, Any]) -> Arrays:
    """Make spikes ``x [batch, time, in]``, the same for all chips, and the gradient ``g [chip, batch, time, out]``."""
    rng = np.random.default_rng(0)
    return {
        "x": (rng.random((size["batch"], size["steps"], size["n_in"])) < size["activity"]).astype(np.float32),
        "g": rng.standard_normal((size["chips"], size["batch"], size["steps"], size["n_out"]), np.float32),
    }


def pulses(size: Mapping[str, Any]) -> Arrays:
    """Make what `stdp` has: on a pair of devices with steps of a hundredth, a pair of spikes is up to one pulse."""
    return stdp(size)


def sweep(size: Mapping[str, Any]) -> Arrays:
    """Make the values of the two axes of a sweep: time constants in s, and seeds."""
    return {"tau": np.linspace(5e-3, 50e-3, size["taus"]), "seeds": np.arange(size["seeds"])}
