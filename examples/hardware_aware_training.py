"""Plain, hardware-aware and robust training, on the same virtual chips.

scikit-learn's digits as spike times; 64 LIF neurons; weights on differential pairs whose programming misses its target by a
Gaussian error. One network is trained plainly, one with its weights written to other devices in each batch, one at the worst
change of its weights. All are written to the same 32 dies. Then, for the second: drift and its compensation, stuck devices and
their repair, and how good the programming must be. About a minute on two cores.
"""

import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor

import ship
from ship import data
from ship.base.parameters import Value, param
from ship.devices.contract import Faults, Programming, Retention, Xi, as_uniform
from ship.study import accuracy, drift_curve, requirement, summary, virtual_chips, yield_at
from ship.train import Max, Trainer, WorstCase

CHIPS, STEPS, DT, READOUT = 32, 20, 1e-3, Max(tail=8)
SIGMA = 0.15  # of the window
W_MAX = 0.5  # V; what lies beyond is written as that


@dataclass(frozen=True)
class Gaussian(Programming):
    """A write leaves ``target + sigma (g_max - g_min) xi``."""

    sigma: Value = param(SIGMA, least=0.0, role="noise")

    def write(self, target: Tensor, p: ship.Bag, xi: Xi) -> Tensor:
        return target + p.sigma * (p.g_max - p.g_min) * xi[0]


@dataclass(frozen=True)
class PowerLaw(Retention):
    """``g (1 + age / t0)^-nu``."""

    nu: Value = param(0.05, least=0.0)
    t0: Value = param(1.0, unit="s", above=0.0)

    def drift(self, g: Tensor, age: Tensor, p: ship.Bag, xi: Xi) -> Tensor:
        return g * (1 + age / p.t0) ** (-p.nu)


@dataclass(frozen=True)
class Stuck(Faults):
    """So many devices are stuck at the top of the window, as many at the bottom."""

    share: Value = param(0.05, least=0.0, most=0.5)

    def broken(self, g: Tensor, p: ship.Bag, xi: Xi) -> Tensor:
        u = as_uniform(xi[0])
        return torch.where(u < p.share, p.g_max, torch.where(u > 1 - p.share, p.g_min, g))


def device(**parts: object) -> ship.Device:
    return ship.Device(g_min=1e-6, g_max=50e-6, **parts)


def encode(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Time to first spike."""
    return data.latency(x, steps=STEPS, dt=DT, tau=8e-3, threshold=0.05)


def build() -> ship.Network:
    written = {"device": device(programming=Gaussian()), "mapping": ship.Differential(w_max=W_MAX)}
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


def written(net: ship.Network, made: ship.Device, **options: object) -> ship.Network:
    """The network on all chips, written to devices of a kind."""
    chips = virtual_chips(net, CHIPS, device=made, **options)
    chips.program()
    return chips


def main(epochs: int = 40) -> None:
    start = time.perf_counter()
    digits = data.digits(seed=0)
    batches = data.Batches(digits.x, digits.labels, 64, encode=encode, shuffle=True, seed=0)
    test = data.Batches(digits.x_test, digits.labels_test, len(digits.x_test), encode=encode)
    print(f"programming error {SIGMA:.0%} of the window, {CHIPS} chips, {len(digits.x_test)} test digits")
    ways = {
        "plain": {},
        "hardware-aware": {"on_devices": True},
        "worst case": {"robust": WorstCase(size=0.01, of="largest", share=0.5)},
    }
    nets = {}
    for name, options in ways.items():
        nets[name] = net = train(batches, epochs, **options)
        ideal = float(accuracy(net, test, readout=READOUT))
        found = accuracy(written(net, device(programming=Gaussian())), test, readout=READOUT)
        good = yield_at(found, 0.9)
        print(
            f"{name:17} floating point {ideal:.1%}; chips {summary(found)}; yield at 90 %: {good.value:.0%} "
            f"({good.low:.0%} to {good.high:.0%})"
        )
    study(nets["hardware-aware"], test)
    print(f"{time.perf_counter() - start:.0f} s")


def study(net: ship.Network, test: data.Batches) -> None:
    """Drift, faults and the requirement, for one network."""

    def said(chips: ship.Network) -> str:
        return str(summary(accuracy(chips, test, readout=READOUT)))

    drifting = device(retention=PowerLaw(nu=ship.Varied(0.05, d2d=0.3)))
    times = [1.0, 1e4, 3e7]  # to a year
    for name, before in (("left alone", None), ("compensated", lambda chips: chips.compensate())):
        curve = drift_curve(virtual_chips(net, CHIPS, device=drifting), test, times, readout=READOUT, before=before)
        print(f"drift, {name}: " + "; ".join(f"{t:g} s {i.value:.1%}" for t, i in zip(times, curve.intervals, strict=True)))

    broken = written(net, device(faults=Stuck()))
    print(f"stuck devices (10 %): {said(broken)}")
    report = broken.repair()["in>hid"]
    print(f"repaired: {said(broken)}; error of the weights {report.before.mean():.3f} V -> {report.after.mean():.3f} V")
    verified = virtual_chips(net, CHIPS, device=device(programming=Gaussian()))
    pulses = verified.program(verify=ship.WriteVerify(0.05, most=50))["in>hid"].pulses.mean()
    print(f"write and verify to 5 % of the window: {said(verified)}; {pulses:.1f} writes for each device")
    answer = requirement(
        net, test, lambda sigma: device(programming=Gaussian(sigma=sigma)), 0.01, 1.0, drop=0.02, chips=CHIPS, readout=READOUT,
        name="programming error (of the window)",
    )  # fmt: skip
    print(answer)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
