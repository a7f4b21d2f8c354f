"""The main job on embedded data: would this network, written to a resistive memory, still read digits, and how good must the
memory be?

Handwritten digits (scikit-learn) become spike times; a recurrent network of LIF neurons learns them in floating point; its
weights are then written to differential pairs of HfO2 devices on virtual chips, with a number of levels of each device and
programming noise, and left to drift.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import data, plot
from ..base.atomic_write import write_figure
from ..base.errors import RunError
from ..base.parameters import Normal
from ..devices import hfo2_memory
from ..devices.weights.mapping import Differential
from ..models import LIF, ExpSynapse, LeakyIntegrator, SpikeInput
from ..network.network import Network
from ..study import drift_curve, sweep, virtual_chips
from ..train import ConfusionMatrix, Interval, Max, Trainer, mean_interval, wilson

STEPS, DT = 20, 1e-3
PIXEL_NOISE = 0.2
LEVELS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
TIMES = (10.0, 31.6, 100.0, 316.0, 1e3, 3.16e3, 1e4)  # s
TAIL = 8


def encode(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Time to first spike: a dark pixel stays silent, a bright one comes early."""
    return data.latency(x, steps=STEPS, dt=DT, tau=8e-3, threshold=0.05)


def encode_noisy(x: Tensor, generator: torch.Generator) -> Tensor:
    """The same for training, with noise on the pixels that are not blank: the network learns not to rely on single spike
    times.
    """
    noise = PIXEL_NOISE * torch.randn(x.shape, generator=generator)
    return encode((x + noise * (x > 0)).clamp(0.0, 1.0))


def build(weights: dict[str, Any]) -> Network:
    """64 pixels, 128 recurrent LIF neurons, 10 leaky readouts."""
    net = Network()
    net.add(SpikeInput, "in", n=64)
    net.add(LIF, "hid", n=128, tau=20e-3)
    net.add(LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    net.add(ExpSynapse, "in>hid", source="in", target="hid", tau=5e-3, weight=weights["in>hid"])
    net.add(ExpSynapse, "hid>hid", source="hid", target="hid", tau=5e-3, delay=1e-3, weight=weights["hid>hid"])
    net.add(ExpSynapse, "hid>out", source="hid", target="out", tau=5e-3, weight=weights["hid>out"])
    return net


def train(digits: data.Split, seed: int, epochs: int, progress: bool) -> tuple[Network, Trainer]:
    """Train in floating point; the test digits are not looked at."""
    net = build({"in>hid": Normal(0.1, 0.3), "hid>hid": Normal(0.0, 0.05), "hid>out": Normal(0.0, 0.2)})
    net.init(dt=DT, seed=seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    trainer = Trainer(net, optimizer=optimizer, schedule=schedule, readout=Max(tail=TAIL))
    trainer.fit(
        data.Batches(digits.x, digits.labels, 64, encode=encode_noisy, shuffle=True, seed=seed), epochs=epochs, progress=progress
    )
    return net, trainer


def logistic_regression(digits: data.Split) -> float:
    """Test accuracy of a logistic regression on the pixels."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000).fit(digits.x.numpy(), digits.labels.numpy())
    return float(model.score(digits.x_test.numpy(), digits.labels_test.numpy()))


def run(out: Path, seed: int = 0, chips: int = 32, epochs: int = 60, progress: bool = True) -> dict[str, Any]:
    """The whole demonstration; returns what its last line prints.

    Args:
        out: folder for the figures.
        seed: of split, initial weights, order and devices.
        chips: virtual chips, at least 2.
        epochs: of training.
        progress: draw progress bars.

    Raises:
        RunError: fewer than two chips.
    """
    from rich.console import Console

    if chips < 2:
        raise RunError("demo: chips", "must be at least 2, for an interval", got=str(chips))
    started, console = time.perf_counter(), Console()
    out.mkdir(parents=True, exist_ok=True)
    digits = data.digits(seed=seed)
    pixels = logistic_regression(digits)
    console.print(
        f"Digits: {len(digits.x)} to train on, {len(digits.x_test)} held out. Logistic regression on the pixels: {pixels:.1%}"
    )
    net, trainer = train(digits, seed, epochs, progress)
    matrix = trainer.evaluate(data.Batches(digits.x_test, digits.labels_test, 360, encode=encode))
    test = wilson(matrix.correct, matrix.total)
    console.print(
        f"Recurrent spiking network in floating point: {test.value:.1%} (95 % interval {test.low:.1%} to {test.high:.1%})"
    )
    _figures(net, trainer, matrix, digits, out)

    test_digits = data.Batches(digits.x_test, digits.labels_test, 120, encode=encode)
    readout = Max(tail=TAIL)

    def quantised(levels: float) -> Network:
        n = int(levels)  # of a device; a pair makes 2 n - 1 weights of them
        made = virtual_chips(net, chips, device=hfo2_memory(levels=2 * n - 1), mapping=Differential(levels=n))
        made.program()
        return made

    def drifting(*, continuous: bool = False) -> Network:
        return virtual_chips(net, chips, device=hfo2_memory(levels=None, continuous=continuous))

    levels = sweep(quantised, LEVELS, test_digits, readout=readout, name="levels of a device")
    drift = drift_curve(drifting(), test_digits, TIMES, readout=readout)
    smooth = mean_interval(drift_curve(drifting(continuous=True), test_digits, TIMES[-1:], readout=readout).chips[0])
    title = f"HfO2 memory, {chips} virtual chips"
    console.print(levels.table(f"{title}: accuracy against the levels of a device"))
    console.print(drift.table(f"{title}: accuracy against time since writing"))
    last = drift.intervals[-1]
    console.print(
        f"The fit of the drift jumps by 1.90 uS at 64.41 uS; with a continuous fit the accuracy at 10^4 s is {smooth.value:.1%} "
        f"({smooth.low:.1%} to {smooth.high:.1%}) instead of {last.value:.1%}. It is used only where it is valid, 10 s to 10^4 s."
    )
    lines = {f"floating point, {test.value:.1%}": test.value, f"logistic regression, {pixels:.1%}": pixels}
    for name, curve in (("levels", levels), ("drift", drift)):
        write_figure(out / f"{name}.png", curve.plot(lines=lines, title=title))
    console.print(f"Figures in {out}/")

    def rounded(interval: Interval) -> list[float]:
        return [round(v, 4) for v in interval]

    result = {
        "test_accuracy": round(test.value, 4),
        "test_interval": [round(test.low, 4), round(test.high, 4)],
        "logistic_regression": round(pixels, 4),
        "levels": {f"{n:g}": rounded(mean) for n, mean in zip(levels.x, levels.intervals, strict=True)},
        "drift": {f"{t:g}": rounded(mean) for t, mean in zip(drift.x, drift.intervals, strict=True)},
        "drift_continuous_fit": rounded(smooth),
        "chips": chips,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(json.dumps(result))
    return result


def _figures(net: Network, trainer: Trainer, matrix: ConfusionMatrix, digits: data.Split, out: Path) -> None:
    net.monitor("hid", "output")
    with torch.no_grad():
        net.run(encode(digits.x_test[:1]), steps=STEPS + TAIL)
    label = int(digits.labels_test[0])
    raster = plot.raster(net.records["hid"].output, net.timeline(), title=f"hidden spikes for a {label}")
    net.unmonitor()
    figures = {
        "raster": raster,
        "network": plot.network(net),
        "training": plot.history(trainer.history),
        "confusion": plot.confusion(matrix.counts, title="held-out digits"),
        "weights": plot.weights(net["in>hid"].value("weight"), title="in>hid"),
    }
    for name, figure in figures.items():
        write_figure(out / f"{name}.png", figure)
