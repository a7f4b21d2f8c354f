"""The cortical microcircuit of Potjans and Diesmann at a tenth of its size: eight populations, each with its own rate.

Potjans & Diesmann, Cereb. Cortex 24:785 (2014): four layers of excitatory and inhibitory leaky integrate-and-fire units, 77,169
in all. Numbers of units and inputs, probabilities of connection, weights, delays and initial voltages are those of the published
tables, as in the reference implementation for NEST (github.com/INM-6/microcircuit). Here both the units and the inputs of each
are a tenth. Fewer inputs bring less of mean and variance: weights grow by ``1 / sqrt(0.1)``, which keeps the variance, and a
constant current makes up for the mean, as in that implementation; it follows from the rates of the full network. As there, the
number of connections between two populations is fixed, and source and target of each are drawn at random. The variance of inputs
that are not independent is not kept, so that rates are lower than in the full network, most of all the low ones.

``python examples/networks/microcircuit.py`` takes half a minute on a free core, prints rates beside those of the full network and
draws ``microcircuit.png``; ``python examples/networks/microcircuit.py --quick`` simulates a tenth of the time.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

import ship
from measures import Spikes, activity, spikes

NAMES = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
N_FULL = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
K_EXTERNAL = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz, of the full network by NEST
SMALL = np.array([0.47, 2.17, 4.05, 5.06, 6.98, 7.80, 0.86, 7.02])  # Hz, of a tenth by NEST 3.10: 3 s of one network
P = np.array(  # of a connection, [target, source]
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443],
    ]
)
V0_MEAN = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43]) * 1e-3  # V
V0_STD = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48]) * 1e-3
TAU, TAU_S, V_TH, V_REST, T_REF = 10e-3, 0.5e-3, -50e-3, -65e-3, 2e-3  # s, s, V, V, s
PSP, G, SPREAD = 0.15e-3, -4.0, 0.1  # V, of an excitatory potential; inhibition relative to it; relative deviation
DELAY = {"E": 1.5e-3, "I": 0.75e-3}  # s, with a relative deviation of 0.5
BACKGROUND = 8.0  # Hz, of each external input
DT, SKIP = 1e-4, 0.3  # s


def displacement(peak: float) -> float:
    """Return the weight (V without leak) of a potential of this peak: ``peak / (a^(a / (1 - a)))``, ``a = TAU_S / TAU``."""
    a = TAU_S / TAU
    return float(peak / a ** (a / (1 - a)))


def connections_full() -> np.ndarray:
    """Return the number of connections of the full network, ``[target, source]``.

    With so many, each drawn at random, a pair is connected at least once with the probability P.
    """
    return np.log1p(-P) / np.log1p(-1 / np.outer(N_FULL, N_FULL))


def weights_full() -> np.ndarray:
    """Return the mean weights (V without leak), ``[target, source]``; those from L4E to L23E are doubled."""
    weights = displacement(PSP) * np.tile([1.0, G], 4) * np.ones((8, 1))
    weights[0, 2] *= 2
    return weights


def compensation(scale: float) -> np.ndarray:
    """Return the constant current (V/s) onto each population that makes up for ``1 - sqrt(scale)`` of its mean input."""
    recurrent = connections_full() / N_FULL[:, None] * weights_full() @ RATES
    return (1 - scale**0.5) * (recurrent + K_EXTERNAL * displacement(PSP) * BACKGROUND)


def build(scale: float = 0.1, seed: int = 1) -> ship.Network:
    """Build the circuit with ``scale`` of its units and of the inputs of each unit."""
    sizes, weights = np.rint(scale * N_FULL).astype(int), weights_full() / scale**0.5
    connections = np.rint(connections_full() * scale**2).astype(int)
    draws = np.random.default_rng(seed)
    outer = displacement(PSP) / scale**0.5
    rest = V_REST + TAU * compensation(scale)  # a constant current of c V/s is a resting voltage that is tau c higher
    net = ship.Network()
    for j, name in enumerate(NAMES):
        start = {"v": ship.Normal(float(V0_MEAN[j]), float(V0_STD[j]))}
        n = int(sizes[j])
        net.add(ship.PoissonSource, f"background {name}", n=n, rate=float(K_EXTERNAL[j]) * scale * BACKGROUND)
        net.add(ship.LIF, name, n=n, tau=TAU, v_th=V_TH, v_rest=float(rest[j]), v_reset=V_REST, t_ref=T_REF, initial=start)
        net.add(
            ship.ExpSynapse,
            f"background>{name}",
            source=f"background {name}",
            target=name,
            connect=ship.OneToOne(),
            weight=outer,
            tau=TAU_S,
            drive="exact",
            trainable=(),
        )
    for i, target in enumerate(NAMES):
        for j, source in enumerate(NAMES):
            k = int(connections[i, j])
            if k == 0:
                continue
            pre, post = (draws.integers(0, int(sizes[m]), k) for m in (j, i))
            w, d = float(weights[i, j]), DELAY[source[-1]]
            net.add(
                ship.ExpSynapse,
                f"{source}>{target}",
                source=source,
                target=target,
                connect=ship.Edges(pre, post),
                weight=ship.Normal(w, SPREAD * abs(w)),
                delay=ship.Normal(d, 0.5 * d),
                tau=TAU_S,
                drive="exact",
                trainable=(),
            )
    net.init(dt=DT, seed=seed)
    for name in NAMES:
        net.monitor(name, "output", events=True)
    return net


def simulate(scale: float = 0.1, duration: float = 2.0, seed: int = 1) -> dict[str, Spikes]:
    """Run the circuit; return the spikes of each population after the first SKIP seconds."""
    net = build(scale, seed)
    with torch.no_grad():
        net.run(duration=SKIP + duration)
    return {name: spikes(net, name, SKIP) for name in NAMES}


def figure(found: dict[str, Spikes], shown: float = 0.2, units: int = 60):
    """Draw a raster with some units of each population, and the rates beside those of the full network and of NEST."""
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", width_ratios=(2, 1), sharey=True)
    for j, (name, part) in enumerate(found.items()):
        colour = "C0" if name[-1] == "E" else "C3"
        some = (part.unit < units) & (part.time < shown)
        left.plot(1e3 * part.time[some], j - 0.4 + 0.8 * part.unit[some] / units, ".", color=colour, markersize=2)
        right.barh(j, len(part.unit) / part.n / part.duration, color=colour)
    right.plot(RATES, range(8), "k|", markersize=10, label="full network")
    right.plot(SMALL, range(8), "k.", label="a tenth, NEST")
    left.set(xlabel="time (ms)", xlim=(0, 1e3 * shown))
    left.set_yticks(range(8), NAMES)
    left.invert_yaxis()
    right.set(xlabel="rate (Hz)")
    right.legend(fontsize=8)
    return fig


def main(quick: bool) -> None:
    """Print the table and draw the figure."""
    started = time.perf_counter()
    found = simulate(duration=0.3 if quick else 3.0)
    print("| population | units | full network | a tenth by NEST | a tenth here | CV | synchrony |\n| " + "--- | " * 7)
    for name, full, small in zip(NAMES, RATES, SMALL, strict=True):
        a = activity(found[name])
        rates = f"{full:.2f} Hz | {small:.2f} Hz | {a.rate:.2f} +- {a.half_width:.2f} Hz"
        print(f"| {name} | {found[name].n} | {rates} | {a.cv:.2f} | {a.synchrony:.1f} |")
    print(f"{time.perf_counter() - started:.1f} s", file=sys.stderr)
    figure(found).savefig("microcircuit.png", dpi=80)


if __name__ == "__main__":
    main("--quick" in sys.argv)
