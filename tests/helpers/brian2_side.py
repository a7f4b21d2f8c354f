"""What Brian2 says of networks that are given as arrays: a program of its own, since Brian2 2.9 needs NumPy before 2.4.

``python brian2_side.py CASE.npz FOUND.npz``: the first file has the arrays of one case, and its name as ``case``; the second gets
what Brian2 found. It imports nothing of SHIP. Times are in s, voltages in V, everything else in SI or as the case says.
"""

from __future__ import annotations

import sys

import brian2 as b
import numpy as np

# The state of t_k is compared before it moves, as in SHIP (docs/coming-from.md).
COMPARE_FIRST = ["start", "thresholds", "resets", "synapses", "groups", "end"]
# The same, with impulses of slot k added before the comparison; what is sent in a slot then leaves in the next.
IMPULSES_FIRST = ["start", "synapses", "thresholds", "resets", "groups", "end"]


def fresh(dt, schedule=COMPARE_FIRST):
    b.start_scope()
    b.seed(1)
    b.prefs.codegen.target = "numpy"
    b.prefs.core.network.default_schedule = schedule
    b.defaultclock.dt = float(dt) * b.second


def slots(monitor, dt):
    """Slot and unit of each spike, ``[spike, 2]``."""
    return np.stack([np.rint(np.asarray(monitor.t / b.second) / dt).astype(np.int64), np.asarray(monitor.i)], axis=1)


def connected(source, target, weights, delays, dt, effect, early=0):
    """A connection for each weight that is not 0, delays in slots."""
    i, j = np.nonzero(weights)
    synapses = b.Synapses(source, target, "w : 1", on_pre=effect)
    synapses.connect(i=i, j=j)
    synapses.w = weights[i, j]
    synapses.delay = (delays[i, j] - early) * dt * b.second
    return synapses


def lif(x):
    """A recurrent network of `nest_networks.described`: spikes."""
    dt, exponential = float(x["dt"]), str(x["kind"]) == "exponential"
    fresh(dt, COMPARE_FIRST if exponential else IMPULSES_FIRST)
    names = {"tau": x["tau"] * b.second, "tau_s": x["tau_s"] * b.second}
    current = " + syn" if exponential else ""
    equations = f"dv/dt = -v / tau + bias{current} : 1 (unless refractory)\nbias : Hz"
    if exponential:
        equations += "\ndsyn/dt = -syn / tau_s : Hz"
    n = len(x["v0"])
    cells = b.NeuronGroup(
        n,
        equations,
        threshold=f"v >= {float(x['v_th'])}",
        reset="v = 0",
        refractory=x["t_ref"] * b.second,
        method="exact",
        namespace=names,
    )
    cells.v, cells.bias = x["v0"], x["bias"] * b.Hz
    lines = b.SpikeGeneratorGroup(x["input_weights"].shape[0], x["input_spikes"][:, 1], x["input_spikes"][:, 0] * dt * b.second)
    effect = f"syn_post += w / ({float(x['tau_s'])}*second)" if exponential else "v_post += w"
    early = 0 if exponential else 1
    parts = [
        connected(cells, cells, x["weights"], x["delays"], dt, effect, early),
        # A generator speaks in the stage of thresholds, too.
        connected(lines, cells, x["input_weights"], x["input_delays"], dt, effect, early),
    ]
    spikes = b.SpikeMonitor(cells)
    b.Network(cells, lines, spikes, *parts).run(int(x["steps"]) * dt * b.second)
    return {"spikes": slots(spikes, dt)}


# Numbers in SI, without units; the current i is given for each cell. Equations, threshold, reset, refractory, initial values.
SINGLE = {
    "adex": (  # Brette & Gerstner 2005, cut at -40 mV: beyond it a step of v is so long that w would feel it
        """dv/dt = (30e-9 * (-70.6e-3 - v + up) - w + drive) / 281e-12 / second : 1
        up = 2e-3 * exp((clip(v, -1, -40e-3) + 50.4e-3) / 2e-3) : 1
        dw/dt = (4e-9 * (v + 70.6e-3) - w) / (144*ms) : 1
        drive : 1""",
        "v >= -40e-3",
        "v = -70.6e-3\nw += 80.5e-12",
        False,
        {"v": -70.6e-3, "w": 0.0},
    ),
    "izhikevich": (  # Izhikevich 2003, regular spiking
        """dv/dt = (4e4 * v**2 + 5e3 * v + 140 - u + drive) / second : 1
        du/dt = 20 * (200 * v - u) / second : 1
        drive : 1""",
        "v >= 30e-3",
        "v = -65e-3\nu += 8",
        False,
        {"v": -65e-3, "u": -13.0},
    ),
    "hh": (  # Hodgkin & Huxley 1952 with rest at -65 mV, 20,000 um^2; vm is v in mV
        """dv/dt = (channels + 60e-9 * (-54.387e-3 - v) + drive) / 200e-12 / second : 1
        channels = 24e-6 * m**3 * h * (50e-3 - v) + 7.2e-6 * n**4 * (-77e-3 - v) : 1
        vm = 1e3 * v : 1
        dm/dt = ((1 - m) / exprel(-(vm + 40) / 10) - 4 * exp(-(vm + 65) / 18) * m) / ms : 1
        dh/dt = (0.07 * exp(-(vm + 65) / 20) * (1 - h) - h / (1 + exp(-(vm + 35) / 10))) / ms : 1
        dn/dt = (0.1 * (1 - n) / exprel(-(vm + 55) / 10) - 0.125 * exp(-(vm + 65) / 80) * n) / ms : 1
        drive : 1""",
        "v >= 0",
        "",
        "v >= 0",
        {"v": -65e-3, "m": 0.0529324852572496, "h": 0.596120753508460, "n": 0.317676914060697},
    ),
}


def single(x):
    """Unconnected cells of one model under constant currents: the spikes, by Runge-Kutta steps of order 4."""
    dt = float(x["dt"])
    fresh(dt)
    equations, threshold, reset, refractory, start = SINGLE[str(x["model"])]
    cells = b.NeuronGroup(len(x["current"]), equations, threshold=threshold, reset=reset, refractory=refractory, method="rk4")
    for name, value in start.items():
        setattr(cells, name, value)
    cells.drive = x["current"]
    spikes = b.SpikeMonitor(cells)
    b.Network(cells, spikes).run(int(x["steps"]) * dt * b.second)
    return {"spikes": slots(spikes, dt)}


def stp(x):
    """Trains through Tsodyks-Markram synapses, one each, onto leaky cells: the voltages ``[slot, cell]``."""
    dt = float(x["dt"])
    fresh(dt)
    names = {name: x[name] * b.second for name in ("tau", "tau_s", "tau_rec", "tau_fac")} | {"use": float(x["use"])}
    n = int(x["n"])
    cells = b.NeuronGroup(n, "dv/dt = -v / tau + syn : 1\ndsyn/dt = -syn / tau_s : Hz", method="exact", namespace=names)
    trains = b.SpikeGeneratorGroup(n, x["spikes"][:, 1], x["spikes"][:, 0] * dt * b.second)
    synapses = b.Synapses(
        trains,
        cells,
        "du/dt = -u / tau_fac : 1 (event-driven)\ndx/dt = (1 - x) / tau_rec : 1 (event-driven)\nw : 1",
        on_pre="u += use * (1 - u)\nsyn_post += w * u * x / tau_s\nx -= u * x",
        namespace=names,
        method="exact",
    )
    synapses.connect(j="i")
    synapses.w, synapses.u, synapses.x = float(x["w"]), 0.0, 1.0
    seen = b.StateMonitor(cells, "v", record=True)
    b.Network(cells, trains, synapses, seen).run(int(x["steps"]) * dt * b.second)
    return {"v": np.asarray(seen.v).T}


def stdp(x):
    """Pair plasticity between trains of both sides, all to all: the weights at the end, ``[pre, post]``."""
    dt = float(x["dt"])
    fresh(dt)
    names = {name: x[name] * b.second for name in ("tau_pre", "tau_post")}
    names |= {name: float(x[name]) for name in ("a_plus", "a_minus", "w_min", "w_max")}
    sides = [b.SpikeGeneratorGroup(int(x[f"n_{side}"]), x[side][:, 1], x[side][:, 0] * dt * b.second) for side in ("pre", "post")]
    synapses = b.Synapses(
        *sides,
        "dp/dt = -p / tau_pre : 1 (event-driven)\ndq/dt = -q / tau_post : 1 (event-driven)\nw : 1",
        on_pre="p += 1\nw = clip(w - a_minus * q, w_min, w_max)",
        on_post="q += 1\nw = clip(w + a_plus * p, w_min, w_max)",
        namespace=names,
        method="exact",
    )
    synapses.connect()
    synapses.w = x["w"].ravel()
    b.Network(*sides, synapses).run(int(x["steps"]) * dt * b.second)
    return {"w": np.asarray(synapses.w).reshape(x["w"].shape)}


def coba(x):
    """The network of Vogels and Abbott with conductances: the spikes of all units, the excitatory ones first."""
    dt = float(x["dt"])
    fresh(dt)
    b.seed(int(x["seed"]))
    n, n_exc = int(x["n"]), int(x["n_exc"])
    cells = b.NeuronGroup(
        n,
        """dv/dt = (10*nS * (-60*mV - v) + g_e * (0*mV - v) + g_i * (-80*mV - v)) / (200*pF) : volt (unless refractory)
        dg_e/dt = -g_e / (5*ms) : siemens
        dg_i/dt = -g_i / (10*ms) : siemens""",
        threshold="v >= -50*mV",
        reset="v = -60*mV",
        refractory=5 * b.ms,
        method="exponential_euler",
    )
    cells.v = "-65*mV + 5*mV * randn()"
    cells.g_e, cells.g_i = "clip(40 + 15 * randn(), 0, 1e9) * nS", "clip(200 + 120 * randn(), 0, 1e9) * nS"
    parts = []
    for source, effect in ((cells[:n_exc], "g_e_post += 6*nS"), (cells[n_exc:], "g_i_post += 67*nS")):
        synapses = b.Synapses(source, cells, on_pre=effect)
        synapses.connect(p=float(x["p"]))
        parts.append(synapses)
    spikes = b.SpikeMonitor(cells)
    b.Network(cells, spikes, *parts).run(int(x["steps"]) * dt * b.second)
    return {"spikes": slots(spikes, dt)}


CASES = {f.__name__: f for f in (lif, single, stp, stdp, coba)}

if __name__ == "__main__":
    with np.load(sys.argv[1], allow_pickle=False) as file:
        given = dict(file)
    np.savez(sys.argv[2], **CASES[str(given.pop("case"))](given))
