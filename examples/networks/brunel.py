"""Excitation and inhibition in a sparse random network, in its four regimes, with the rates that theory predicts.

The network of Brunel, J. Comput. Neurosci. 8:183 (2000), model A: 10,000 excitatory and 2,500 inhibitory leaky
integrate-and-fire units, each with 1,000 excitatory and 250 inhibitory inputs drawn at random, impulses of 0.1 mV and -g 0.1 mV
after 1.5 ms, and 1,000 external Poisson trains at eta times the rate that would just reach the threshold. In its mean field all
units fire at the rate of a neuron under white noise (`ship.study.siegert`) whose mean and strength follow from that rate.

``python examples/networks/brunel.py`` takes half a minute on a free core, prints rates beside theory and measures of the regimes,
and draws ``brunel.png``; ``python examples/networks/brunel.py --quick`` simulates 5,000 units for a tenth of the time.
"""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

import torch

import ship
from measures import Activity, Spikes, activity, join, spikes
from ship.study import siegert

TAU, V_TH, V_RESET, T_REF, DELAY, J = 20e-3, 20e-3, 10e-3, 2e-3, 1.5e-3, 0.1e-3  # s, V, V, s, s, V
C_E, GAMMA = 1000, 0.25  # excitatory inputs; inhibitory ones for each of them
DT = 1e-4  # s


class Regime(NamedTuple):
    """A point of the plane of the paper's figure 8, and how long it is simulated."""

    name: str
    g: float  # strength of inhibition relative to excitation
    eta: float  # external rate relative to the one that just reaches the threshold
    duration: float  # s, after the first SKIP


SKIP = 0.2  # s, until the transient has gone
REGIMES = {
    "SR": Regime("synchronous regular", 3.0, 2.0, 0.3),
    "fast SI": Regime("synchronous irregular, fast oscillation", 6.0, 4.0, 1.0),
    "AI": Regime("asynchronous irregular", 5.0, 2.0, 2.0),
    "slow SI": Regime("synchronous irregular, slow oscillation", 4.5, 0.9, 4.0),
}


def external_rate(eta: float) -> float:
    """Return the rate (Hz) of all external spikes onto one unit: ``eta`` times the threshold over ``J tau``."""
    return eta * V_TH / (J * TAU)


def mean_field(rate: float, g: float, eta: float, v_reset: float = V_RESET) -> float:
    """Return the rate (Hz) of a unit whose recurrent inputs fire at ``rate``."""
    excitatory, inhibitory = C_E * rate + external_rate(eta), GAMMA * C_E * rate
    mean = TAU * J * (excitatory - g * inhibitory)
    std = (TAU * J**2 * (excitatory + g**2 * inhibitory)) ** 0.5
    return siegert(mean, std, tau=TAU, v_th=V_TH, v_reset=v_reset, t_ref=T_REF)


def theory(g: float, eta: float, v_reset: float = V_RESET) -> float:
    """Solve for the rate (Hz) at which a unit fires as its inputs do: the largest one, where there are several."""
    from scipy.optimize import brentq

    def excess(rate: float) -> float:
        return mean_field(rate, g, eta, v_reset) - rate

    high = 1 / T_REF
    low = high * 0.98
    while excess(low) < 0:  # downwards from the highest rate there is
        high, low = low, low * 0.98
    return float(brentq(excess, low, high, xtol=1e-9))


def build(g: float, eta: float, n: int = 12_500, seed: int = 1, v_reset: float = V_RESET) -> ship.Network:
    """Build the network of ``n`` units, four of five excitatory, each with C_E and C_E / 4 inputs however large n is."""
    sizes = {"E": n * 4 // 5, "I": n // 5}
    net = ship.Network()
    for name, size in sizes.items():
        net.add(ship.PoissonSource, f"external {name}", n=size, rate=external_rate(eta))
        net.add(ship.LIF, name, n=size, tau=TAU, v_th=V_TH, v_reset=v_reset, t_ref=T_REF)
        net.add(ship.Link, f"drive {name}", source=f"external {name}", target=name, gain=J)
    for target in sizes:
        for source, k, weight in (("E", C_E, J), ("I", round(GAMMA * C_E), -g * J)):
            net.add(
                ship.ImpulseSynapse,
                f"{source}>{target}",
                source=source,
                target=target,
                connect=ship.InDegree(k),
                weight=weight,
                trainable=(),
                delay=DELAY,
            )
    net.init(dt=DT, seed=seed)
    for name in sizes:
        net.monitor(name, "output", events=True)
    return net


def simulate(regime: Regime, n: int = 12_500, duration: float | None = None, seed: int = 1) -> tuple[Activity, Spikes]:
    """Run a regime; return the measures of all units, and their spikes."""
    net = build(regime.g, regime.eta, n, seed)
    with torch.no_grad():
        net.run(duration=SKIP + (duration or regime.duration))
    found = join(spikes(net, "E", SKIP), spikes(net, "I", SKIP))
    return activity(found), found


def figure(found: dict[str, Spikes], units: int = 30):
    """Draw rasters of some units and the activity of all, a column for each regime; at most 0.1 s, or 0.3 s of the slow one."""
    import matplotlib.pyplot as plt

    from measures import population

    fig, axes = plt.subplots(2, len(found), figsize=(8, 2.8), layout="constrained", sharex="col", squeeze=False)
    for (top, bottom), (name, part) in zip(axes.T, found.items(), strict=True):
        shown = min(0.3 if name == "slow SI" else 0.1, part.duration)
        some = (part.unit < units) & (part.time < shown)
        top.plot(1e3 * part.time[some], part.unit[some], "k.", markersize=1.5)
        counts = population(part, 1e-3)[: round(shown * 1e3)]
        bottom.plot(counts / part.n * 1e3, linewidth=0.8)
        top.set_title(name)
        bottom.set(xlabel="time (ms)", xlim=(0, 1e3 * shown), ylim=(0, None))
    axes[0, 0].set_ylabel("unit")
    axes[1, 0].set_ylabel("activity (Hz)")
    return fig


def main(quick: bool) -> None:
    """Print the table and draw the figure."""
    kept = {}
    print("| regime | g | eta | theory | simulated | CV | synchrony | peak of the spectrum |\n| " + "--- | " * 8)
    for name, regime in REGIMES.items():
        started = time.perf_counter()
        n, duration = (5000, regime.duration / 10) if quick else (12_500, None)
        found, kept[name] = simulate(regime, n, duration)
        print(
            f"| {name} | {regime.g:g} | {regime.eta:g} | {theory(regime.g, regime.eta):.2f} Hz | "
            f"{found.rate:.2f} +- {found.half_width:.2f} Hz | {found.cv:.2f} | "
            f"{found.synchrony:.1f} | {found.frequency:.0f} Hz |",
            flush=True,
        )
        print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    figure(kept).savefig("brunel.png", dpi=80)


if __name__ == "__main__":
    main("--quick" in sys.argv)
