"""One neuron, ten time constants at once: a batch sweeps a parameter.

The example network of Gemo et al., Front. Neurosci. 17:1270090 (2024), Fig. 8b: three Poisson inputs of 20 Hz, the same for all
samples, drive a refractory LIF neuron through exponential synapses; tau goes from 10 to 100 ms over the batch.

``python examples/sweep_time_constant.py`` writes input, current, membrane and spikes as figures into the folder ``sweep``;
``python examples/sweep_time_constant.py --quick`` runs a tenth of the time.
"""

import sys
from pathlib import Path

import torch

import ship
from ship import plot

TAUS = torch.linspace(10e-3, 100e-3, 10)  # s


def build() -> ship.Network:
    """Three inputs and a neuron, whose time constant differs from sample to sample."""
    net = ship.Network()
    net.add(ship.PoissonSource, "in", n=3, rate=20.0, shared=True)
    net.add(
        ship.LIF,
        "lif",
        n=1,
        tau=ship.per_sample(TAUS),
        t_ref=10e-3,
        initial={"v": lambda shape, generator: torch.randn(shape, generator=generator).abs()},
        output=True,
    )
    # The publication's current of 150 w e^(-t/tau) V/s is a weight of 150 w tau: what one spike would displace without leak.
    net.add(ship.ExpSynapse, "s", source="in", target="lif", tau=5e-3, weight=ship.Uniform(0.0, 150 * 5e-3))
    net.init(dt=1e-4, seed=4)
    return net


def main(quick: bool = False, out: Path = Path("sweep")) -> None:
    net = build()
    net.monitor("in", "output")
    net.monitor("s", "i")
    net.monitor("lif", "v")
    with torch.no_grad():
        spikes = net.run(duration=0.01 if quick else 0.1)
    time = net.timeline()

    def samples_as_units(x: torch.Tensor) -> torch.Tensor:
        return x[..., 0].T[None]  # [1, time, sample]: a figure shows one line or row for each sample

    of_each = "unit k: tau of 10 (k + 1) ms"
    figures = {
        "input": plot.raster(net.records["in"].output, time, title="input"),
        "current": plot.traces(net.records["s"].i, time, label="current (V/s)"),
        "membrane": plot.traces(samples_as_units(net.records["lif"].v), time, label="v (V)", title=of_each),
        "spikes": plot.raster(samples_as_units(spikes), time, title=of_each),
    }
    out.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png")
    print("spikes by tau:", spikes.sum(1).flatten().int().tolist())


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
