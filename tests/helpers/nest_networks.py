"""A recurrent network as plain arrays, and its spikes: by NEST, and by a loop over slots in NumPy.

Both take the same description, so a third simulator can be compared with either. 50 units, 30 % connectivity, one delay of 1 to
30 slots a connection, 20 input lines, a constant current a unit, 10^4 slots of 0.1 ms; nothing is drawn while it runs.

Voltages are in mV, times in s (delays and spikes in slots). SHIP takes the numbers as they are, a mV read as a V.

========================  ==============================================  ===================================================
described                 SHIP                                            NEST
========================  ==============================================  ===================================================
slot k                    [t_k, t_k + dt), an event acts at t_k           stamp k dt
delay d slots             ``delay=d * dt``                                ``delay = d dt``, at least 1 slot
weight w, delta           ImpulseSynapse, ``weight=w``                    ``iaf_psc_delta``, weight w mV
weight w, exponential     ExpSynapse, ``weight=w``, ``drive="exact"``     ``iaf_psc_exp``, weight ``w C_m / tau_s`` pA
bias b (mV/s)             CurrentInput and Link, level b                  ``I_e = b C_m / 1000`` pA (C_m in pF)
v0                        ``initial={"v": v0}``                           ``V_m``
inputs                    SpikeInput, 1 at [slot, line]                   ``spike_generator`` with the times slot dt
========================  ==============================================  ===================================================

w is the displacement in mV that one spike would cause without leak: a current ``w / tau_s e^(-t / tau_s)`` in mV/s moves v by w
in all, and one that starts at J pA by ``J tau_s / C_m`` (ms, pF). SHIP also tests slot 0, NEST also the end of the run:
compare slots 1 to steps - 1 (`comparable`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["delta", "exponential"]

C_M = 250.0  # pF; it cancels out, any value gives the same spikes
MS = 1e3  # ms per s


@dataclass(frozen=True)
class Described:
    """A network of leaky integrate-and-fire units with rest and reset at 0 mV, driven by spikes and a constant current."""

    kind: Kind
    weights: Floats  # mV, [pre, post], 0 where there is no connection
    delays: Ints  # slots, [pre, post], at least 1
    input_weights: Floats  # mV, [line, post]
    input_delays: Ints  # slots, [line, post], at least 1
    input_spikes: Ints  # [event, 2]: slot (at least 1) and line, sorted, each pair at most once
    v0: Floats  # mV, [unit], below v_th
    bias: Floats  # mV/s, [unit]
    dt: float = 1e-4  # s
    steps: int = 10_000
    tau: float = 20e-3  # s, membrane
    tau_s: float = 5e-3  # s, synapse, of the exponential kind
    v_th: float = 15.0  # mV
    t_ref: float = 2e-3  # s


def described(kind: Kind, seed: int, *, n: int = 50, lines: int = 20, steps: int = 10_000) -> Described:
    """A network that is active: 1 to 30 Hz in most units, excitation and inhibition (a fifth of the units, 4 times as strong).

    Args:
        kind: of the synapses.
        seed: of NumPy's default generator; everything is a function of it.
        n: units.
        lines: input lines, of 20 Hz each.
        steps: slots.

    Returns:
        The network. Biases spread from far below threshold, where the input must help, to just above it.
    """
    rng = np.random.default_rng(seed)
    sign = np.where(rng.random((n, 1)) < 0.8, 1.0, -4.0)
    weights = (rng.random((n, n)) < 0.3) * sign * rng.uniform(0.1, 0.5, (n, n))
    input_weights = (rng.random((lines, n)) < 0.3) * rng.uniform(0.4, 1.4, (lines, n))
    tau = Described.tau
    return Described(
        kind=kind,
        weights=weights,
        delays=rng.integers(1, 31, (n, n)),
        input_weights=input_weights,
        input_delays=rng.integers(1, 31, (lines, n)),
        input_spikes=np.argwhere(rng.random((steps, lines)) < 20.0 * Described.dt).astype(np.int64),
        v0=rng.uniform(0.0, 14.0, n),
        bias=rng.uniform(8.0, 15.2, n) / tau,
        steps=steps,
    )


def inputs_of(d: Described) -> Floats:
    """The input spikes as 0 and 1, ``[slot, line]``."""
    dense = np.zeros((d.steps, len(d.input_weights)))
    dense[d.input_spikes[:, 0], d.input_spikes[:, 1]] = 1.0
    return dense


def comparable(d: Described, spikes: Ints) -> Ints:
    """The spikes of the slots that every simulator tests, 1 to steps - 1, sorted by slot and unit; ``[spike, 2]``."""
    kept = spikes[(spikes[:, 0] >= 1) & (spikes[:, 0] < d.steps)]
    return kept[np.lexsort((kept[:, 1], kept[:, 0]))]


def nest_spikes(d: Described) -> Ints:
    """What NEST says: slot and unit of each spike, ``[spike, 2]``.

    Raises:
        ImportError: NEST is not installed; a test says ``pytest.importorskip("nest")`` first.
    """
    import nest

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution = d.dt * MS
    exponential = d.kind == "exponential"
    n = len(d.v0)
    params = {"C_m": C_M, "tau_m": d.tau * MS, "E_L": 0.0, "V_reset": 0.0, "V_th": d.v_th, "t_ref": d.t_ref * MS}
    if exponential:
        params |= {"tau_syn_ex": d.tau_s * MS, "tau_syn_in": d.tau_s * MS}
    cells = nest.Create("iaf_psc_exp" if exponential else "iaf_psc_delta", n, params)
    cells.set([{"V_m": float(v), "I_e": float(b * C_M / MS)} for v, b in zip(d.v0, d.bias, strict=True)])
    lines = nest.Create("spike_generator", len(d.input_weights))
    stamps = [d.input_spikes[d.input_spikes[:, 1] == line, 0] * (d.dt * MS) for line in range(len(lines))]
    lines.set([{"spike_times": np.round(times, 6)} for times in stamps])
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    scale = C_M / (d.tau_s * MS) if exponential else 1.0  # pA per mV
    _connect(nest, cells, cells, d.weights * scale, d.delays, d.dt)
    _connect(nest, lines, cells, d.input_weights * scale, d.input_delays, d.dt)
    nest.Simulate(d.steps * d.dt * MS)
    events = recorder.events
    slots = np.rint(events["times"] / (d.dt * MS)).astype(np.int64)
    return np.stack([slots, events["senders"].astype(np.int64) - cells.tolist()[0]], axis=1)


def _connect(nest: Any, sources: Any, targets: Any, weights: Floats, delays: Ints, dt: float) -> None:
    """One connection for each weight that is not 0; delays in slots of dt (s)."""
    pre, post = np.nonzero(weights)
    source_ids, target_ids = np.asarray(sources.tolist()), np.asarray(targets.tolist())
    synapse = {
        "synapse_model": "static_synapse",
        "weight": weights[pre, post],
        "delay": np.round(delays[pre, post] * (dt * MS), 6),
    }
    nest.Connect(source_ids[pre], target_ids[post], {"rule": "one_to_one"}, synapse)


def plain_spikes(d: Described) -> Ints:
    """The same by a loop over slots, emit first: slot and unit of each spike, ``[spike, 2]``.

    In slot k: what arrives at t_k adds to v (delta) or to the current (exponential); v is compared and reset; v and the current
    advance to t_k + dt by their exact solution. A refractory unit holds v = 0 and loses impulses up to and including
    t_spike + t_ref; its current goes on.
    """
    n, depth = len(d.v0), int(max(d.delays.max(), d.input_delays.max())) + 1
    coming = np.zeros((depth, n))  # mV that arrive, by slot modulo depth
    dead = round(d.t_ref / d.dt)
    keep, keep_s = np.exp(-d.dt / d.tau), np.exp(-d.dt / d.tau_s)
    # v after dt for each mV/s of current at its start, and for each mV/s of bias
    pair = d.tau_s * d.tau / (d.tau - d.tau_s) * (keep - keep_s)
    level = d.tau * (1.0 - keep)
    v, current, last = d.v0.copy(), np.zeros(n), np.full(n, -d.steps - dead)
    targets = [(np.flatnonzero(row), row[row != 0], delay[row != 0]) for row, delay in zip(d.weights, d.delays, strict=True)]
    entries = [
        (np.flatnonzero(row), row[row != 0], delay[row != 0]) for row, delay in zip(d.input_weights, d.input_delays, strict=True)
    ]
    arriving: list[list[int]] = [[] for _ in range(d.steps)]
    for slot, line in d.input_spikes.tolist():
        arriving[slot].append(line)
    found: list[tuple[int, int]] = []
    for k in range(d.steps):
        jump = coming[k % depth].copy()
        coming[k % depth] = 0.0
        if d.kind == "delta":
            v = np.where(k - last > dead, v + jump, v)
        else:
            current = current + jump / d.tau_s
        fired = np.flatnonzero((v >= d.v_th) & (k - last > dead))
        last[fired], v[fired] = k, 0.0
        found += [(k, unit) for unit in fired.tolist()]
        for post, weight, delay in [targets[unit] for unit in fired] + [entries[line] for line in arriving[k]]:
            np.add.at(coming, ((k + delay) % depth, post), weight)
        v = np.where(k - last < dead, 0.0, v * keep + current * pair + d.bias * level)
        current = current * keep_s
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def rates(d: Described, spikes: Ints) -> Floats:
    """Spikes a second of each unit, Hz, ``[unit]``."""
    return np.bincount(spikes[:, 1], minlength=len(d.v0)) / (d.steps * d.dt)
