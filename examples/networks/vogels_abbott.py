"""Self-sustained irregular activity in the network of Vogels and Abbott, with currents and with conductances as synapses.

Vogels & Abbott, J. Neurosci. 25:10786 (2005), with the parameters of benchmarks 1 (COBA) and 2 (CUBA) of Brette et al., J.
Comput. Neurosci. 23:349 (2007), appendix 2: 3,200 excitatory and 800 inhibitory leaky integrate-and-fire units of 20 ms,
threshold at -50 mV, reset to -60 mV, dead time 5 ms; each pair is connected with a probability of 2 %, without a delay. CUBA:
rest at -49 mV, currents of 5 and 10 ms that jump by 1.62 and -9 mV. COBA: rest at -60 mV, conductances of 5 and 10 ms that jump
by 6 and 67 nS. There is no external input: initial values start the activity (those of COBA are of Brian2's example), which may
end by itself.

``python examples/networks/vogels_abbott.py`` takes ten seconds on a free core, prints rates and irregularity over three seeds and
draws ``vogels_abbott.png``; ``python examples/networks/vogels_abbott.py --quick`` takes one seed, and a quarter of the time.
"""

from __future__ import annotations

import sys
import time

import torch

import ship
from measures import Spikes, activity, join, spikes

N = {"E": 3200, "I": 800}
P = 0.02  # of a connection
TAU, TAU_S = 20e-3, {"E": 5e-3, "I": 10e-3}  # s, membrane and synapses
V_TH, V_RESET, T_REF = -50e-3, -60e-3, 5e-3  # V, V, s
JUMP = {"E": 1.62e-3, "I": -9e-3}  # V: CUBA, what a spike adds to the current in ``tau dv/dt = v_rest - v + i``
G = {"E": 6e-9, "I": 67e-9}  # S: COBA
DT, SKIP = 1e-4, 0.3  # s


def cuba(seed: int = 1, dt: float = DT) -> ship.Network:
    """Build the network with current-based synapses; voltages start between reset and threshold."""
    net = ship.Network()
    for name, n in N.items():
        start = {"v": ship.Uniform(V_RESET, V_TH)}
        net.add(ship.LIF, name, n=n, tau=TAU, v_th=V_TH, v_rest=-49e-3, v_reset=V_RESET, t_ref=T_REF, initial=start)
    for source in N:
        weight = JUMP[source] * TAU_S[source] / TAU  # V, what a spike displaces without leak
        for target in N:
            options = {"weight": weight, "tau": TAU_S[source], "drive": "exact", "connect": ship.Probability(P), "trainable": ()}
            net.add(ship.ExpSynapse, f"{source}>{target}", source=source, target=target, **options)
    return ready(net, seed, dt)


def coba(seed: int = 1, dt: float = DT) -> ship.Network:
    """Build the network with conductance-based synapses; conductances start high, and with them the activity."""
    net = ship.Network()
    for name, n in N.items():
        start = {"v": ship.Normal(-65e-3, 5e-3)}
        net.add(ship.ConductanceLIF, name, n=n, v_th=V_TH, v_reset=V_RESET, t_ref=T_REF, initial=start)
    first = {"E": ship.Normal(40e-9, 15e-9), "I": ship.Normal(200e-9, 120e-9)}  # S
    for source in N:
        for target in N:
            options = {"weight": G[source], "tau": TAU_S[source], "connect": ship.Probability(P), "trainable": ()}
            port = "exc" if source == "E" else "inh"
            start = {"g": first[source]}
            net.add(ship.ConductanceExp, f"{source}>{target}", source=source, target=target, port=port, initial=start, **options)
    return ready(net, seed, dt)


def ready(net: ship.Network, seed: int, dt: float) -> ship.Network:
    """Initialise a network and ask for its spikes."""
    net.init(dt=dt, seed=seed)
    for name in N:
        net.monitor(name, "output", events=True)
    return net


def simulate(build, seed: int = 1, duration: float = 1.0) -> dict[str, Spikes]:
    """Run a network; return the spikes of each population after the first SKIP seconds."""
    net = build(seed)
    with torch.no_grad():
        net.run(duration=SKIP + duration)
    return {name: spikes(net, name, SKIP) for name in N}


def psp(source: str, dt: float = DT, duration: float = 60e-3) -> tuple[float, float]:
    """Return the time (s) and height (V) of the peak of the potential that one spike evokes in CUBA."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "cell", n=1, tau=TAU, v_th=1.0)
    net.add(
        ship.ExpSynapse,
        "s",
        source="in",
        target="cell",
        tau=TAU_S[source],
        drive="exact",
        weight=JUMP[source] * TAU_S[source] / TAU,
    )
    net.init(dt=dt, dtype=torch.float64)
    net.monitor("cell", "v")
    x = torch.zeros(1, round(duration / dt), 1)
    x[0, 0] = 1.0
    with torch.no_grad():
        net.run(x)
    v = net.records["cell"].v[0, :, 0]
    k = int(v.abs().argmax())
    return float(net.timeline("cell")[k]), float(v[k])


def figure(found: dict[str, dict[str, Spikes]], shown: float = 0.3):
    """Draw rasters of 80 excitatory and 20 inhibitory units, and the activity of all, a column for each network."""
    import matplotlib.pyplot as plt

    from measures import population

    fig, axes = plt.subplots(2, len(found), figsize=(7, 3), layout="constrained", sharex=True, squeeze=False)
    for (top, bottom), (name, parts) in zip(axes.T, found.items(), strict=True):
        for offset, colour, (label, part) in zip((0, 80), ("C0", "C3"), parts.items(), strict=True):
            some = (part.unit < (80 if label == "E" else 20)) & (part.time < shown)
            top.plot(1e3 * part.time[some], offset + part.unit[some], ".", color=colour, markersize=2, label=label)
        both = join(*parts.values())
        bottom.plot(population(both, 1e-3)[: round(shown * 1e3)] / both.n * 1e3, "k", linewidth=0.8)
        top.set_title(name)
        bottom.set(xlabel="time (ms)", xlim=(0, 1e3 * shown), ylim=(0, None))
    axes[0, 0].set_ylabel("unit")
    axes[1, 0].set_ylabel("activity (Hz)")
    return fig


def main(quick: bool) -> None:
    """Print the potentials and the rates, and draw the figure."""
    for source in N:
        at, height = psp(source, 1e-6)
        print(f"CUBA, one spike of {source}: {1e3 * height:.5f} mV after {1e3 * at:.3f} ms")
    print("| network | seed | E | I | CV of E | synchrony |\n| " + "--- | " * 6)
    kept = {}
    for name, build in {"CUBA": cuba, "COBA": coba}.items():
        for seed in (1,) if quick else (1, 2, 3):
            started = time.perf_counter()
            found = simulate(build, seed, 0.5 if quick else 2.0)
            kept.setdefault(name, found)
            e, i, both = activity(found["E"]), activity(found["I"]), activity(join(*found.values()))
            print(f"| {name} | {seed} | {e.rate:.2f} Hz | {i.rate:.2f} Hz | {e.cv:.2f} | {both.synchrony:.1f} |", flush=True)
            print(f"{name} {seed}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    figure(kept).savefig("vogels_abbott.png", dpi=80)


if __name__ == "__main__":
    main("--quick" in sys.argv)
