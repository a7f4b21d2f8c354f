"""Plain, hardware-aware and robust training, on the same virtual chips.

scikit-learn's digits as spike times; 64 LIF neurons; weights on differential pairs whose programming misses its target by a
Gaussian error. One network is trained plainly, one with its weights written to other devices in each batch, one at the worst
change of its weights. All are written to the same 32 dies. Then, for the second: drift and its compensation, stuck devices and
their repair, and how good the programming must be.

``python examples/hardware_aware_training.py`` takes about a minute on two cores;
``python examples/hardware_aware_training.py --quick`` trains for two epochs and takes two chips.
"""

import sys
import time

import torch
from torch import Tensor

import ship
from ship import data
from ship.devices import GaussianProgramming, PowerDrift, Stuck
from ship.study import accuracy, drift_curve, requirement, summary, virtual_chips, yield_at
from ship.train import Max, Trainer, WorstCase

EPOCHS, CHIPS, STEPS, DT, READOUT = 40, 32, 20, 1e-3, Max(tail=8)
G_MIN, G_MAX = 1e-6, 50e-6  # S
SIGMA = 0.15  # of the window
W_MAX = 0.5  # V; what lies beyond is written as that


def device(sigma: float = SIGMA, **parts: object) -> ship.Device:
    """A device whose programming misses its target by ``sigma``, a fraction of the window; 0 asks for exact writes."""
    programming = GaussianProgramming(sigma=sigma * (G_MAX - G_MIN))
    return ship.Device(g_min=G_MIN, g_max=G_MAX, programming=programming, **parts)


def encode(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Time to first spike."""
    return data.latency(x, steps=STEPS, dt=DT, tau=8e-3, threshold=0.05)


def build() -> ship.Network:
    written = {"device": device(), "mapping": ship.Differential(w_max=W_MAX)}
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=64)
    net.add(ship.LIF, "hid", n=64, tau=20e-3)
    net.add(ship.LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", tau=5e-3, weight=ship.Normal(0.1, 0.3), **written)
    net.add(ship.ExpSynapse, "hid>out", source="hid", target="out", tau=5e-3, weight=ship.Normal(0.0, 0.2), **written)
    net.init(dt=DT, seed=0)
    return net


def train(train_set: data.Batches, epochs: int, *, on_devices: bool = False, **options: object) -> ship.Network:
    net = build()
    if on_devices:
        net.sample_devices()  # every batch writes its weights to devices that no chip has
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(net, optimizer=optimizer, schedule=schedule, readout=READOUT, **options)
    trainer.fit(train_set, epochs=epochs, progress=False)
    net.use_weights()
    return net


def written(net: ship.Network, made: ship.Device, chips: int) -> ship.Network:
    """The network on all chips, written to devices of a kind."""
    copies = virtual_chips(net, chips, device=made)
    copies.program()
    return copies


def main(quick: bool = False) -> None:
    start = time.perf_counter()
    epochs, chips = (2, 2) if quick else (EPOCHS, CHIPS)
    digits = data.digits(seed=0)
    batches = data.Batches(digits.x, digits.labels, 64, encode=encode, shuffle=True, seed=0)
    test = data.Batches(digits.x_test, digits.labels_test, len(digits.x_test), encode=encode)
    print(f"programming error {SIGMA:.0%} of the window, {chips} chips, {len(digits.x_test)} test digits")
    ways = {
        "plain": {},
        "hardware-aware": {"on_devices": True},
        "worst case": {"robust": WorstCase(size=0.01, of="largest", share=0.5)},
    }
    nets = {}
    for name, options in ways.items():
        nets[name] = net = train(batches, epochs, **options)
        ideal = float(accuracy(net, test, readout=READOUT))
        found = accuracy(written(net, device(), chips), test, readout=READOUT)
        good = yield_at(found, 0.9)
        print(
            f"{name:17} floating point {ideal:.1%}; chips {summary(found)}; yield at 90 %: {good.value:.0%} "
            f"({good.low:.0%} to {good.high:.0%})"
        )
    study(nets["hardware-aware"], test, chips)
    print(f"{time.perf_counter() - start:.0f} s")


def study(net: ship.Network, test: data.Batches, chips: int) -> None:
    """Drift, faults and the requirement, for one network."""

    def said(copies: ship.Network) -> str:
        return str(summary(accuracy(copies, test, readout=READOUT)))

    drifting = device(0.0, retention=PowerDrift(nu=ship.Varied(0.05, d2d=0.3), t0=1.0))
    times = [1.0, 1e4, 3e7]  # to a year
    for name, before in (("left alone", None), ("compensated", ship.Network.compensate)):
        curve = drift_curve(virtual_chips(net, chips, device=drifting), test, times, readout=READOUT, before=before)
        print(f"drift, {name}: " + "; ".join(f"{t:g} s {i.value:.1%}" for t, i in zip(times, curve.intervals, strict=True)))

    broken = written(net, device(0.0, faults=Stuck(low=0.05, high=0.05)), chips)
    print(f"stuck devices (10 %): {said(broken)}")
    report = broken.repair()["in>hid"]
    print(f"repaired: {said(broken)}; error of the weights {report.before.mean():.3f} V -> {report.after.mean():.3f} V")
    verified = virtual_chips(net, chips, device=device())
    pulses = verified.program(verify=ship.WriteVerify(0.05, most=50))["in>hid"].pulses.mean()
    print(f"write and verify to 5 % of the window: {said(verified)}; {pulses:.1f} writes for each device")
    answer = requirement(
        net, test, device, 0.01, 1.0, drop=0.02, chips=chips, readout=READOUT, name="programming error (of the window)"
    )
    print(answer)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(quick="--quick" in sys.argv)
