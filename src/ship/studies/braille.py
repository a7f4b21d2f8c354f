"""Braille characters, read by recurrent Izhikevich neurons whose weights sit in drifting HfO2 memories.

Ten letters (and all 26) are scanned column by column and learnt by surrogate gradients. The weights are then written to pairs of
HfO2 devices on many virtual chips, and left alone for up to 10^4 s. Beside every accuracy stand a support vector machine and the
nearest neighbour, on the pixels of the same images. The 60 images of a letter are changed versions of one photograph: a split at
random flatters, and one by the kind of change is given beside it.

Source: Gemo et al., Front. Neurosci. 17:1270090 (2024), section 4.2.2; the drift is that of `ship.devices.hfo2_memory`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .. import study
from ..base.statistics import wilson
from ..devices import hfo2_memory
from ..network.network import Network
from ..study.record.run import Run
from ..study.tasks import braille as braille_task
from ..train import Trainer

HALF_DECADES = tuple(round(10 ** (k / 2), 3) for k in range(9))  # s, from 1 s to 10^4 s


@dataclass(frozen=True)
class Config:
    """What is trained and measured.

    Args:
        letters: number of letters of the main task, from "a" on.
        folds: how many of the six folds are trained and tested, each by itself; no two of them share a test image.
        epochs: number of epochs of each of these trainings, and of those below.
        copies: how many augmented versions of each image the readout's start is found on.
        all_letters: number of letters of the larger task, trained on the first fold; 0 leaves it out.
        held: kinds of change (dim, rot, whs) that are held out, one after the other, in place of a fold.
        published: whether the network is trained with the neurons of the publication, too, with their slip of units.
        train, test: number of training and of test images that are kept; 0 keeps all.
        chips: number of virtual chips.
        levels: the number of levels of a weight whose distance sets the error of writing; weights are not rounded to them.
        times: times since writing, s. The fit of the drift begins at 10 s; devices are as written before.
    """

    letters: int = 10
    folds: int = 3
    epochs: int = 10
    copies: int = 8
    all_letters: int = 26
    held: tuple[str, ...] = ("whs",)
    published: bool = True
    train: int = 0
    test: int = 0
    chips: int = 20
    levels: int = 16
    times: tuple[float, ...] = (0.0, *HALF_DECADES)

    @classmethod
    def quick(cls) -> Config:
        """Return settings for a look at all parts but the larger ones: 200 images, few epochs, few chips, three times."""
        return cls(
            folds=1,
            epochs=2,
            copies=3,
            all_letters=0,
            held=(),
            published=False,
            train=200,
            test=50,
            chips=4,
            times=(0.0, 10.0, 1e4),
        )


def run(config: Config, run: Run) -> None:
    """Train and compare with methods without spikes; write to devices, and let them drift."""
    main = f"{config.letters} letters"
    with run.stage(f"train on {main}"):
        trained = [learn(config, run, config.letters, fold=fold) for fold in range(config.folds)]
    score(run, f"{main}, {config.folds} of 6 folds", trained)
    by_kind(run, trained)

    part, net = trained[0][0], trained[0][1].net
    run.task(part)
    run.network(main, net)
    with run.stage("what the network does"):
        run.behaviour(main, study.behaviour(net, part.held_out(), readout=part.readout))
        run.figure(
            "sample", sample(part, net), "An image of a letter, its events by row and time, and the spikes of the reservoir."
        )
    with run.stage(f"drift of {config.chips} chips"):
        drift(config, run, part, net)

    for kind in config.held:
        with run.stage(f"hold out {kind}"):
            score(run, f"{main}, {kind} held out", [learn(config, run, config.letters, split="augmentation", held=kind)])
    if config.all_letters:
        with run.stage(f"train on {config.all_letters} letters"):
            score(run, f"{config.all_letters} letters", [learn(config, run, config.all_letters)])
    if config.published:
        with run.stage("neurons as published"):
            old = learn(config, run, config.letters, neurons="as published")
            score(run, f"{main}, neurons as published", [old], compare=False)
    run.note("Intervals are over test images or over chips; trainings with other seeds of a network are not in them.")


def learn(config: Config, run: Run, letters: int, **options: Any) -> tuple[study.Task, Trainer]:
    """Train the task's own network, and return both."""
    made = braille_task.braille(folder=run.data, seed=run.seed, classes=letters, copies=config.copies, **options)
    if config.train or config.test:
        made = made.reduced(config.train or len(made.train), config.test or len(made.test), run.seed)
    net = made.network(run.seed)
    return made, made.fit(net, seed=run.seed, epochs=config.epochs, progress=run.progress)


def score(run: Run, name: str, trained: Sequence[tuple[study.Task, Trainer]], *, compare: bool = True) -> None:
    """Note the accuracy over the test images of all splits, and those of methods without spikes on the same images."""
    n = sum(len(part.test) for part, _ in trained)
    matrices = [trainer.evaluate(part.held_out()) for part, trainer in trained]
    if len(trained) > 1:
        rows = [{"fold": k, "accuracy": wilson(m.correct, m.total), "images": m.total} for k, m in enumerate(matrices)]
        run.table("by-fold", rows)
    run.number(f"{name}: accuracy", wilson(sum(m.correct for m in matrices), n), n=n, how="Wilson, over images")
    for method in ("support vector machine", "nearest neighbour") if compare else ():
        hits = sum(without_spikes(method, part) for part, _ in trained)
        run.number(f"{name}: {method} on pixels", wilson(hits, n), n=n, how="Wilson, over images")


def without_spikes(method: str, part: study.Task) -> int:
    """Return how many test images a method of scikit-learn reads rightly, from the pixels as they are."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    train, test = part.train.x, part.test.x
    assert isinstance(train, Tensor)
    assert isinstance(test, Tensor)
    model = SVC(C=10.0) if method == "support vector machine" else KNeighborsClassifier(1)
    model.fit(train.flatten(1).numpy(), part.train.labels.numpy())
    return int((torch.as_tensor(model.predict(test.flatten(1).numpy())) == part.test.labels).sum())


def by_kind(run: Run, trained: Sequence[tuple[study.Task, Trainer]]) -> None:
    """Write a table of the accuracy by the kind of change that made an image."""
    rows = []
    for kind in ("dim", "rot", "whs"):
        right = total = 0
        for part, trainer in trained:
            chosen = torch.tensor([each == kind for each in part.test.by["augmentation"]])
            if chosen.any():
                matrix = trainer.evaluate(replace(part, test=part.test.part(chosen)).held_out())
                right, total = right + matrix.correct, total + matrix.total
        if total:
            rows.append({"kind of change": kind, "accuracy": wilson(right, total), "images": total})
    run.table("by-kind", rows)


def drift(config: Config, run: Run, part: study.Task, net: Network) -> None:
    """Write the weights to chips and measure their accuracy against time, written with an error and, as published, without."""
    batches = list(part.held_out())
    kept = study.accuracy(net, batches).item()
    rows = []
    for name, levels in (("written with an error", config.levels), ("written exactly", None)):
        memory = hfo2_memory(levels=levels, continuous=True, outside="scale")
        chips = study.virtual_chips(net, config.chips, device=memory, seed=run.seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*written exactly")  # it is meant, and noted below
            curve = study.drift_curve(chips, batches, config.times)
        for time, mean, dies in zip(curve.x, curve.intervals, curve.chips, strict=True):
            rows.append({"written": name, "time": time, "accuracy": mean, "worst": dies.min().item(), "best": dies.max().item()})
        if levels:
            for time, mean in zip(curve.x, curve.intervals, strict=True):
                if time in (0.0, 10.0, config.times[-1]):
                    run.number(f"HfO2 after {time:g} s: accuracy", mean, n=config.chips, how="Student's t, over chips")
            shown = study.Curve(curve.name, curve.unit, curve.x[1:], curve.chips[1:])
            lines = {"as written (t = 0)": curve.intervals[0].value, "floating point": kept}
            run.figure(
                "drift",
                shown.plot(lines=lines, title="Braille on drifting HfO2"),
                "Accuracy of chips against time since writing.",
            )
    run.table("drift", rows)
    run.note(
        f"Devices: hfo2_memory(continuous=True), a pair a weight, errors of writing of {config.levels} levels. The drift is "
        "a fit from 10 s to 10^4 s, without its jump at 64.41 uS; what devices do before 10 s is not known. "
        "The table has chips that were written exactly, as the publication's were, too."
    )


def sample(part: study.Task, net: Network) -> Any:
    """Draw an image, its events, and the spikes of the reservoir."""
    from matplotlib.figure import Figure

    x, labels = next(iter(part.held_out(1)))
    with torch.no_grad(), net.keeping_monitors():
        net.monitor("res", "output")
        net.run(x)
        spikes = net.records["res"].output[0]
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    image, events, raster = figure.subplots(1, 3, width_ratios=(1, 1.6, 1.6))
    image.imshow(part.test.x[0].numpy(), cmap="gray", vmin=0, vmax=1)
    image.set(title=f"letter {part.classes[int(labels[0])]}", xlabel="column", ylabel="row")
    for axes, matrix, title in ((events, x[0], "events"), (raster, spikes, "spikes of the reservoir")):
        slot, unit = matrix.nonzero(as_tuple=True)
        axes.plot(1e3 * part.dt * slot.numpy(), unit.numpy(), ".", ms=2)
        axes.set(
            title=title, xlabel="time (ms)", ylabel="channel" if axes is events else "unit", xlim=(0, 1e3 * part.dt * len(matrix))
        )
    return figure
