"""One neuron, ten time constants at once: a batch sweeps a parameter.

The example network of Gemo et al., Front. Neurosci. 17:1270090 (2024), Fig. 8b: three Poisson inputs of 20 Hz, the same for all
samples, drive a refractory LIF neuron through exponential synapses; tau goes from 10 to 100 ms over the batch. Writes
``sweep_time_constant.png``.
"""

import torch
from matplotlib.figure import Figure

import ship

net = ship.Network()
net.add(ship.PoissonSource, "in", n=3, rate=20.0, shared=True)
net.add(
    ship.LIF,
    "lif",
    n=1,
    tau=ship.per_sample(torch.linspace(10e-3, 100e-3, 10)),
    t_ref=10e-3,
    initial={"v": lambda shape, generator: torch.randn(shape, generator=generator).abs()},
    output=True,
)
# The publication's current of 150 w e^(-t/tau) V/s is a weight of 150 w tau: what one spike would displace without leak.
net.add(ship.ExpSynapse, "s", source="in", target="lif", tau=5e-3, weight=ship.Uniform(0.0, 150 * 5e-3))
net.init(dt=1e-4, seed=4)
net.monitor("in", "output")
net.monitor("s", "i")
net.monitor("lif", "v")

with torch.no_grad():
    spikes = net.run(duration=0.1)
time = net.timeline() * 1e3

figure = Figure(figsize=(8, 8), layout="constrained", dpi=120)
rows = figure.subplots(4, 1, sharex=True, height_ratios=[1, 2, 3, 2])
k, unit = net.records["in"].output[0].nonzero(as_tuple=True)
rows[0].plot(time[k], unit, "|k", ms=12)
rows[0].set(ylabel="input", ylim=(-0.6, 2.6), yticks=range(3))
rows[1].plot(time, net.records["s"].i[0, :, 0], "k")
rows[1].set(ylabel="current (V/s)")
for b in range(10):
    color = f"C{b}"
    rows[2].plot(time, net.records["lif"].v[b, :, 0], color=color, lw=1, label=f"{10 * (b + 1)} ms")
    k = spikes[b, :, 0].nonzero().flatten()
    rows[3].plot(time[k], [10 * (b + 1)] * len(k), "|", color=color, ms=9)
rows[2].axhline(1.0, color="grey", ls=":")
rows[2].set(ylabel="v (V)")
rows[2].legend(title="tau", fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
rows[3].set(ylabel="tau (ms)", xlabel="time (ms)", ylim=(0, 110))
figure.savefig("sweep_time_constant.png")
print("spikes by tau:", spikes.sum(1).flatten().int().tolist())
