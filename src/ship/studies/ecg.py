"""Heart beats: a fixed liquid of 216 neurons over 8 membrane time constants and 7 scales of its recurrence.

1. The two leads of the MIT-BIH arrhythmia database are cut into beats and coded as level crossings (`ship.study.tasks.ecg` has
   the constants). At most 500 beats of each of 18 classes are learnt, at most 200 others held out; a fifth of the training
   samples is kept for the choice of settings.
2. For each of the 56 networks the liquid runs once over all samples, and a readout is found by logistic regression: its accuracy
   for all 18 classes and for R, A, V and F, the spikes, and the synaptic charge of a sample.
3. The network that is best on the kept training samples, for 4 and for 18 classes, is trained on all of them, and on up to 3000
   beats of each class; and then run whole, spikes and readout, on the beats that were held out. Beside it: what a random forest
   and a support vector machine learn from the same beats without spikes.
4. The five classes of ANSI/AAMI EC57, learnt from the 22 records of DS1 and tested on all beats of the 22 records of DS2, beside
   a random split of the same beats: the difference is what a random split flatters.

Source: of steps 1 and 2: Gemo et al., Front. Neurosci. 17:1270090 (2024), sec. 4.3, as its published script sets them; of step 4:
de Chazal et al., IEEE Trans. Biomed. Eng. 51:1196 (2004).
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import data, plot, study
from ..base.errors import RunError
from ..base.statistics import wilson
from ..data import split
from ..data.sets import LabelledSet
from ..data.sets.ecg import CLASSES, RATE
from ..network.audit.sent import sent
from ..network.network import Network
from ..study.record.run import Run
from ..study.reservoir import States, regression, states
from ..study.tasks import ecg as ecg_task
from ..study.tasks.task import Task
from ..train import ConfusionMatrix

FOUR = "RAVF"
NAMES = {"4 classes": FOUR, "18 classes": "".join(CLASSES)}
HEAT_MAPS = {  # column of the table -> title
    "held_out_18": "accuracy, 18 classes",
    "held_out_4": "accuracy, R, A, V and F",
    "spikes": "spikes a sample",
    "excitatory": "excitatory charge a sample (V)",
}
RESAMPLES = 200  # of the bootstrap over records
SEEN = np.linspace(-0.35, ecg_task.AFTER, 100)  # s, around the annotation, where the baselines see a beat


@dataclass(frozen=True)
class Config:
    """The settings of the study.

    Args:
        taus: membrane time constants of the liquid, s.
        scales: factors of the weights of its recurrence.
        most: the most training samples of a class.
        most_test: the most held-out samples of a class, in a random split.
        kept: the share of the training samples by which networks are compared.
        penalty: the penalty on the weights of the readout, see `ship.study.regression`.
        steps: the most steps of the search for them.
        most_final: the most training samples of a class of the chosen networks, which are also trained on ``most``.
        most_patient: the most training samples of a class, in the split by patient.
        most_patient_test: the most held-out samples of a class there; None for all.
        trees: number of trees of the random forests.
        workers: number of processes that the networks are shared out to, 2 GB of memory each; 0 for none but this one.
    """

    taus: tuple[float, ...] = (0.01, 0.03, 0.065, 0.1, 0.33, 1.0, 10.0, 100.0)
    scales: tuple[float, ...] = (0.1, 0.25, 0.375, 0.5, 0.625, 0.75, 0.9)
    most: int = 500
    most_test: int = 200
    kept: float = 0.2
    penalty: float = ecg_task.PENALTY
    steps: int = ecg_task.MOST
    most_final: int = 3000
    most_patient: int = 2000
    most_patient_test: int | None = None
    trees: int = 300
    workers: int = 2

    @classmethod
    def quick(cls) -> Config:
        """Return settings for a trial: four networks, few beats."""
        few: dict[str, Any] = {"most": 16, "most_test": 8, "most_final": 24, "most_patient": 24, "most_patient_test": 24}
        return cls(taus=(0.01, 0.03), scales=(0.1, 0.375), steps=30, trees=50, workers=0, **few)


class Liquid(NamedTuple):
    """A network of the heat map."""

    tau: float  # s
    scale: float


def run(config: Config, run: Run) -> None:
    """Run the study."""
    with run.stage("read and cut the beats"):
        beats = loaded(place(run))
        run.uses(beats)
        task = samples(place(run), beats.hash(), run.seed, config.most, config.most_test)
    run.task(task)
    run.note(beats.about.note)
    run.table("classes", classes(beats))

    networks = run.folder / "networks"
    with run.stage(f"heat map of {len(config.taus) * len(config.scales)} networks"):
        best = heat_map(config, run, beats, networks)
    for name in NAMES:
        with run.stage(f"the best network, {name}"):
            whole_network(config, run, beats, task, best[name], name)
    with run.stage("by patient"):
        by_patient(config, run, beats, best["18 classes"])
    shutil.rmtree(networks)  # all of it is in the tables


def place(run: Run) -> str | None:
    """Return the folder with the data, in a word that other processes understand."""
    return None if run.data is None else str(run.data.absolute())


@lru_cache(maxsize=1)
def loaded(folder: str | None) -> LabelledSet:
    """Load the beats, once in each process."""
    return data.load("ecg", folder, after=ecg_task.AFTER)


@lru_cache(maxsize=1)
def samples(folder: str | None, sha256: str, seed: int, most: int, most_test: int) -> Task:
    """Make the task of 18 classes, once in each process.

    Raises:
        RunError: the data are not those of the study.
    """
    beats = loaded(folder)
    if beats.hash() != sha256:
        raise RunError("study ecg: data", f"must be those that the study began with, SHA-256 {sha256[:16]}...")
    return ecg_task.divided(beats, seed=seed, most=most, most_test=most_test)


def classes(beats: LabelledSet) -> list[dict[str, Any]]:
    """Count the beats of each class, and in how many records they are."""
    rows = []
    records = np.array(beats.by["record"])
    for label, symbol in enumerate(beats.classes):
        names, counts = np.unique(records[(beats.labels == label).numpy()], return_counts=True)
        two = np.sort(counts)[::-1][:2].sum() / max(counts.sum(), 1)
        first = str(names[counts.argmax()]) if len(names) else ""
        rows.append({"class": symbol, "beats": int(counts.sum()), "records": len(names), "most in": first, "in two records": two})
    return rows


# -- the heat map ------------------------------------------------------------------------------------------------------------


def heat_map(config: Config, run: Run, beats: LabelledSet, folder: Path) -> dict[str, Liquid]:
    """Measure all networks, and return the one that is best on the kept training samples, for 4 and for 18 classes.

    Each network is on the disk when it is done, so that a study that was killed goes on with the next one.
    """
    axes = {"tau": config.taus, "scale": config.scales}
    same = {name: getattr(config, name) for name in ("most", "most_test", "kept", "penalty", "steps")}
    same |= {"folder": place(run), "sha256": beats.hash()}
    units = {"tau": "s", "excitatory": "V", "inhibitory": "V", "seconds": "s"}
    options: dict[str, Any] = {"folder": folder, "workers": config.workers, "units": units, "retry": True}
    table = study.grid(network, axes, [run.seed], fixed=same, progress=run.progress, **options).isel(seed=0, drop=True)
    if bool(table.failed.any()):
        fix = f"Look into {folder / 'failures'}; the same call tries them again."
        raise RunError("study ecg", f"{int(table.failed.sum())} of {table.failed.size} networks failed", fix=fix)
    run.table("heat-map", table.drop_vars(["seconds", "failed"]))
    run.table("heat-map-seconds", table[["seconds"]], measured_time=True)
    spent = float(table.seconds.sum())
    run.number("CPU time of the heat map", spent, unit="s", measured_time=True, n=table.failed.size, how="sum over all networks")
    for column, title in HEAT_MAPS.items():
        figure = plot.heat_map(table[column], title=title, share="held_out" in column)
        run.figure(f"heat-map-{column.replace('_', '-')}", figure, f"Heat map over time constant and scale: {title}.")
    best = {}
    for name, symbols in NAMES.items():
        highest = table[f"kept_{len(symbols)}"].stack(network=("tau", "scale")).idxmax().item()
        best[name] = Liquid(*map(float, highest))
    return best


def network(
    tau: float, scale: float, seed: int, *, folder: str | None, sha256: str, most: int, most_test: int, **fit: Any
) -> dict[str, float]:
    """Run one liquid over all samples, and find readouts for 4 and for 18 classes from the training samples that are not kept.

    Raises:
        RunError: as `samples`.
    """
    task = samples(folder, sha256, seed, most, most_test)
    start, config = time.process_time(), Config(most=most, most_test=most_test, **fit)
    net, everything = ecg_task.liquid(tau=tau, scale=scale, seed=seed), [*task.train.x, *task.test.x]
    net.init(dt=task.dt)
    seen = states(net, everything, ecg_task.READ)
    learnt, kept = split(task.train.labels, [1 - config.kept, config.kept])
    held = torch.arange(len(task.train), len(everything))
    row: dict[str, float] = {}
    for symbols in NAMES.values():
        labels = renamed(torch.cat([task.train.labels, task.test.labels]), symbols)
        parts = [index[labels[index] >= 0] for index in (learnt, kept, held)]
        weight = readout(config, seen.part(parts[0]), labels[parts[0]], len(symbols))
        for part, index in (("kept", parts[1]), ("held_out", parts[2])):
            row[f"{part}_{len(symbols)}"] = float((choice(seen.part(index), weight) == labels[index]).double().mean())
    row["spikes"] = float(seen.spikes.sum(1).mean())
    counts = torch.stack([sample.sum(0) for sample in everything]).float()
    flown = sent(net, {"in": counts[None], "liquid": seen.spikes[None]}).values()
    row |= {sign: sum(float(getattr(each, sign).mean()) for each in flown) for sign in ("excitatory", "inhibitory")}
    return row | {"seconds": time.process_time() - start}


def renamed(labels: Tensor, symbols: str) -> Tensor:
    """Return the place of each of the 18 classes among some of them, -1 for the others."""
    places = torch.tensor([symbols.find(symbol) for symbol in CLASSES])
    return places[labels]


def readout(config: Config, seen: States, labels: Tensor, n: int, *, balanced: bool = False) -> Tensor:
    """Find the weights of a readout, ``[delay * neuron, class]``."""
    return regression(seen.x.flatten(1), labels, n, penalty=config.penalty, steps=config.steps, balanced=balanced)


def choice(seen: States, weight: Tensor) -> Tensor:
    """Return the class with the highest score for each sample."""
    return (seen.x.flatten(1) @ weight).argmax(1)


# -- whole networks ----------------------------------------------------------------------------------------------------------


def whole_network(config: Config, run: Run, beats: LabelledSet, task: Task, best: Liquid, name: str) -> None:
    """Train the chosen network, and run it whole on the beats that were held out."""
    symbols, n = NAMES[name], len(NAMES[name])
    for what, value, unit in (("time constant", best.tau, "s"), ("scale of the recurrence", best.scale, "")):
        run.number(f"{name}: {what} of the chosen network", value, unit=unit, how="best on the kept training samples")
    larger = ecg_task.divided(beats, seed=run.seed, classes=str(n), most=config.most_final, most_test=config.most_test)
    alone = ecg_task.liquid(tau=best.tau, scale=best.scale, seed=run.seed)  # quicker than with 20 delayed synapses behind it
    alone.init(dt=task.dt)
    labels = renamed(task.train.labels, symbols)
    few = task.train.part(labels >= 0)
    weights = {}
    for most, x, own in ((config.most, few.x, labels[labels >= 0]), (config.most_final, larger.train.x, larger.train.labels)):
        weights[most] = readout(config, states(alone, x, ecg_task.READ), own, n, balanced=True)
    said = states(alone, larger.test.x, ecg_task.READ)
    for most, weight in weights.items():
        right = int((choice(said, weight) == larger.test.labels).sum())
        how = f"learnt from at most {most} beats a class"
        run.number(f"{name}: accuracy, {how}", wilson(right, len(larger.test)), n=len(larger.test), how="Wilson, over samples")
    net = ecg_task.build(n, run.seed, tau=best.tau, scale=best.scale)
    net.init(dt=task.dt)
    ecg_task.give(net, weights[config.most_final])
    run.network(name, net)
    found = study.behaviour(net, larger.held_out(50), readout=larger.readout)
    run.behaviour(name, found)
    alt = f"Confusion matrix of {name} on held-out beats: accuracy {found.accuracy.value:.1%}."
    run.figure(f"confusion-{n}-classes", plot.confusion(found.confusion.counts, larger.train.classes), alt)
    for model, predicted in baselines(beats, larger.train, larger.test, trees=config.trees).items():
        right = int((predicted == larger.test.labels).sum())
        how = "no spikes: each lead at 100 times around the annotation, and how long the beat lasts before it"
        run.number(f"{name}: accuracy of a {model}", wilson(right, len(predicted)), n=len(predicted), how=how)
        run.number(
            f"{name}: macro-F1 of a {model}", counted(larger.test.labels, predicted, n).macro_f1, n=len(predicted), how=how
        )
    if n == len(FOUR):
        alt = "One beat: its events, the spikes of the liquid, and the voltages of the four readouts."
        run.figure("beat", one_beat(net, beats, larger), alt)


def aligned(beats: LabelledSet, part: LabelledSet) -> np.ndarray[Any, Any]:
    """Return both leads of beats at fixed times around their annotation (mV), and how long they last before it (s)."""
    rows = []
    for number, before in zip(part.by["number"], part.by["before"], strict=True):
        signal = beats.x[int(number)].numpy()
        t = (np.arange(len(signal)) - int(before)) / RATE
        rows.append(np.concatenate([*(np.interp(SEEN, t, lead) for lead in signal.T), [int(before) / RATE]]))
    return np.array(rows)


def baselines(
    beats: LabelledSet, train: LabelledSet, test: LabelledSet, *, trees: int, machine: bool = True
) -> dict[str, Tensor]:
    """Return what a random forest and a support vector machine say of held-out beats; they see the beats without spikes."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    models = {"random forest": RandomForestClassifier(trees, class_weight="balanced", random_state=0)}
    if machine:
        models["support vector machine"] = make_pipeline(StandardScaler(), SVC(C=10, class_weight="balanced"))
    x, x_test = aligned(beats, train), aligned(beats, test)
    return {name: torch.as_tensor(model.fit(x, train.labels.numpy()).predict(x_test)).long() for name, model in models.items()}


def counted(true: Tensor, predicted: Tensor, n: int) -> ConfusionMatrix:
    """Count predictions of n classes."""
    made = ConfusionMatrix(n)
    made.add(true, predicted)
    return made


# -- by patient --------------------------------------------------------------------------------------------------------------


def by_patient(config: Config, run: Run, beats: LabelledSet, best: Liquid) -> None:
    """Learn the classes of EC57 from one half of the patients and test on the other, beside a random split."""
    net = ecg_task.liquid(tau=best.tau, scale=best.scale, seed=run.seed)
    net.init(dt=ecg_task.DT)
    limits: dict[str, Any] = {"most": config.most_patient, "most_test": config.most_patient_test}
    rows = []
    for by, name in (("patient", "AAMI classes, by patient"), ("random", "AAMI classes, random split")):
        task = ecg_task.divided(beats, seed=run.seed, classes="aami", split=by, **limits)
        run.note(f"{name}: split {task.split}; {task.notes[-1]}")
        n = len(task.train.classes)
        weight = readout(config, states(net, task.train.x, ecg_task.READ), task.train.labels, n, balanced=True)
        pieces = torch.arange(len(task.test)).split(5000)  # so that the states of all of them need not be kept
        said = [choice(states(net, task.test.part(some).x, ecg_task.READ), weight) for some in pieces]
        found = {"network": torch.cat(said)} | baselines(beats, task.train, task.test, trees=config.trees, machine=False)
        for model, predicted in found.items():
            note(run, f"{name}, {model}", task, predicted)
            rows += per_class(task, predicted, by, model)
        if by == "patient":
            counts = counted(task.test.labels, found["network"], n).counts
            alt = "Confusion matrix of the AAMI classes, by patient."
            run.figure("confusion-aami", plot.confusion(counts, task.train.classes), alt)
    run.table("aami", rows)


def note(run: Run, name: str, task: Task, predicted: Tensor) -> None:
    """Note accuracy and macro-F1, with an interval over records: beats of one heart are not independent."""
    n, true = len(task.train.classes), task.test.labels
    right = float((predicted == true).double().mean())
    known, record = np.unique(np.array(task.test.by["record"]), return_inverse=True)
    places = [torch.as_tensor(np.flatnonzero(record == i)) for i in range(len(known))]
    rng, drawn = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        some = torch.cat([places[i] for i in rng.integers(0, len(places), len(places))])
        drawn.append([float((predicted == true)[some].double().mean()), counted(true[some], predicted[some], n).macro_f1])
    (low, low_f1), (high, high_f1) = np.quantile(drawn, (0.025, 0.975), axis=0)
    how = f"bootstrap over {len(known)} records"
    run.number(f"{name}: accuracy", right, float(low), float(high), n=len(true), how=how)
    run.number(f"{name}: macro-F1", counted(true, predicted, n).macro_f1, float(low_f1), float(high_f1), n=len(true), how=how)


def per_class(task: Task, predicted: Tensor, split: str, model: str) -> list[dict[str, Any]]:
    """Return sensitivity, positive predictivity and F1 of each class."""
    rows = []
    for label, name in enumerate(task.train.classes):
        mine, said = task.test.labels == label, predicted == label
        hit, both = float((mine & said).sum()), float(mine.sum() + said.sum())
        row = {"split": split, "model": model, "class": name, "beats": int(mine.sum())}
        row |= {"sensitivity": hit / max(float(mine.sum()), 1), "predictivity": hit / max(float(said.sum()), 1)}
        rows.append(row | {"F1": 2 * hit / max(both, 1)})
    return rows


# -- figures -----------------------------------------------------------------------------------------------------------------


def one_beat(net: Network, beats: LabelledSet, task: Task) -> Any:
    """Draw the first held-out beat: the leads, their events, the spikes of the liquid, and the voltages of the readout."""
    from matplotlib.figure import Figure

    events, number = task.test.x[0], int(task.test.by["number"][0])
    net.monitor("liquid", "output", events=True)
    with torch.no_grad():
        out = net.run(events[None].float(), steps=len(events) + 1)[0]
    spikes = net.records["liquid"].output
    net.unmonitor("liquid")
    figure = Figure(figsize=(7, 6.5), layout="constrained")
    top, coded, liquid, read = figure.subplots(4, 1, sharex=True, height_ratios=[1.3, 1, 1.6, 1.3])
    signal, dt = beats.x[number].numpy(), net.dt
    for lead in range(2):
        top.plot(np.arange(len(signal)) / RATE, signal[:, lead], label=f"lead {lead}")
    slot, channel = events.nonzero(as_tuple=True)
    coded.plot((slot * dt).numpy(), channel.numpy(), "|", color="black", markersize=4)
    liquid.plot((spikes.slot * dt).numpy(), spikes.unit.numpy(), ".", color="black", markersize=0.8)
    for j, symbol in enumerate(task.train.classes):
        read.plot(np.arange(len(out)) * dt, out[:, j].numpy(), label=symbol)
    for ax, label in ((top, "mV"), (coded, "channel"), (liquid, "neuron"), (read, "readout (V)")):
        ax.set_ylabel(label)
    top.set_title(f"a beat of class {task.test.classes[int(task.test.labels[0])]}, record {task.test.by['record'][0]}")
    top.legend(loc="upper left", bbox_to_anchor=(1, 1))
    read.legend(loc="upper left", bbox_to_anchor=(1, 1), title="class")
    read.set_xlabel("time (s)")
    return figure
