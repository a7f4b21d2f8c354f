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

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import data, study
from ..base.statistics import wilson
from ..data.sets import LabelledSet
from ..data.sets.ecg import CLASSES, RATE
from ..network.audit.sent import sent
from ..network.network import Network
from ..study.record.run import Run
from ..study.reservoir import States, regression, states
from ..study.tasks import ecg as ecg_task
from ..study.tasks.task import Task

FOUR = "RAVF"
NAMES = {"4 classes": FOUR, "18 classes": "".join(CLASSES)}
RESAMPLES = 200  # of the bootstrap over records
POINTS = 100  # of a beat that is stretched to one length for the baselines


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
    """

    taus: tuple[float, ...] = (0.01, 0.03, 0.065, 0.1, 0.33, 1.0, 10.0, 100.0)
    scales: tuple[float, ...] = (0.1, 0.25, 0.375, 0.5, 0.625, 0.75, 0.9)
    most: int = 500
    most_test: int = 200
    kept: float = 0.2
    penalty: float = 2e-3
    steps: int = 60
    most_final: int = 3000
    most_patient: int = 2000
    most_patient_test: int | None = None
    trees: int = 300

    @classmethod
    def quick(cls) -> Config:
        """Return settings for a trial: four networks, few beats."""
        few: dict[str, Any] = {"most": 16, "most_test": 8, "most_final": 24, "most_patient": 24, "most_patient_test": 24}
        return cls(taus=(0.01, 0.03), scales=(0.1, 0.375), trees=50, **few)


class Cell(NamedTuple):
    """One network of the heat map."""

    tau: float
    scale: float
    row: dict[str, Any]  # what is in the table
    states: States  # of training samples, then of those held out


def run(config: Config, run: Run) -> None:
    """Run the study."""
    with run.stage("read and cut the beats"):
        beats = data.load("ecg", run.data)
        run.uses(beats)
        task = ecg_task.divided(beats, seed=run.seed, most=config.most, most_test=config.most_test)
    run.task(task)
    run.note(beats.about.note)
    run.table("classes", classes(beats))

    with run.stage(f"heat map of {len(config.taus) * len(config.scales)} networks"):
        best = heat_map(config, run, task)
    for name in NAMES:
        with run.stage(f"the best network, {name}"):
            whole_network(config, run, beats, task, best[name], name)
    with run.stage("by patient"):
        by_patient(config, run, beats, best["18 classes"])


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


def heat_map(config: Config, run: Run, task: Task) -> dict[str, Cell]:
    """Measure all networks, and return the one that is best on the kept training samples, for 4 and for 18 classes."""
    samples = [*task.train.x, *task.test.x]
    best: dict[str, Cell] = {}
    rows, seconds = [], []
    for tau in config.taus:
        for scale in config.scales:
            start = time.process_time()
            cell = measured(config, task, samples, tau, scale, run.seed)
            rows.append(cell.row)
            seconds.append({"time constant": tau, "scale": scale, "CPU seconds": time.process_time() - start})
            for name in NAMES:
                which = f"kept, {name}"
                if name not in best or cell.row[which] > best[name].row[which]:
                    best[name] = cell
    run.table("heat-map", rows)
    run.table("heat-map-seconds", seconds, measured_time=True)
    spent = sum(row["CPU seconds"] for row in seconds)
    run.number("CPU time of the heat map", spent, unit="s", measured_time=True, n=len(rows), how="sum over all networks")
    for name, columns in HEAT_MAPS.items():
        run.figure(name, heat_figure(config, rows, columns), f"Heat maps over time constant and scale: {', '.join(columns)}.")
    return best


def measured(config: Config, task: Task, samples: Sequence[Tensor], tau: float, scale: float, seed: int) -> Cell:
    """Run one liquid over all samples, and find readouts for 4 and for 18 classes from the training samples that are not kept."""
    net = ecg_task.liquid(tau=tau, scale=scale, seed=seed)
    net.init(dt=task.dt)
    seen = states(net, samples, ecg_task.READ)
    fit, kept = data.split(task.train.labels, [1 - config.kept, config.kept])
    held = torch.arange(len(task.train), len(samples))
    row: dict[str, Any] = {"time constant": tau, "scale": scale}
    for name, symbols in NAMES.items():
        labels = renamed(torch.cat([task.train.labels, task.test.labels]), symbols)
        parts = [index[labels[index] >= 0] for index in (fit, kept, held)]
        weight = readout(config, seen.part(parts[0]), labels[parts[0]], len(symbols))
        for part, index in (("kept", parts[1]), ("held out", parts[2])):
            row[f"{part}, {name}"] = float((choice(seen.part(index), weight) == labels[index]).double().mean())
    row["spikes"] = float(seen.spikes.sum(1).mean())
    counts = torch.stack([sample.sum(0) for sample in samples]).float()
    flown = sent(net, {"in": counts[None], "liquid": seen.spikes[None]}).values()
    row["excitatory charge (V)"] = sum(float(each.excitatory.mean()) for each in flown)
    row["inhibitory charge (V)"] = sum(float(each.inhibitory.mean()) for each in flown)
    return Cell(tau, scale, row, seen)


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


HEAT_MAPS = {
    "heat-map-accuracy": ("held out, 18 classes", "held out, 4 classes"),
    "heat-map-activity": ("spikes", "excitatory charge (V)"),
}


def heat_figure(config: Config, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any:
    """Draw some columns of the table of networks over time constant and scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(columns), 4.2), layout="constrained")
    shape = (len(config.taus), len(config.scales))
    for ax, column in zip(np.atleast_1d(figure.subplots(1, len(columns))), columns, strict=True):
        share = column.startswith("held out")
        values = np.array([row[column] for row in rows]).reshape(shape)
        shown = ax.imshow(values, origin="lower", aspect="auto", cmap="viridis")
        for i, line in enumerate(values):
            for j, value in enumerate(line):
                dark = value < (values.min() + values.max()) / 2
                text = f"{100 * value:.1f}" if share else f"{value:.3g}" if value < 1e3 else f"{value / 1e3:.1f}k"
                ax.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
        ax.set(xlabel="scale of the recurrence", ylabel="membrane time constant (s)")
        ax.set_title(f"accuracy, {column} (%)" if share else f"{column} a sample")
        ax.set_xticks(range(shape[1]), [f"{scale:g}" for scale in config.scales])
        ax.set_yticks(range(shape[0]), [f"{tau:g}" for tau in config.taus])
        figure.colorbar(shown, ax=ax)
    return figure


# -- whole networks ----------------------------------------------------------------------------------------------------------


def whole_network(config: Config, run: Run, beats: LabelledSet, task: Task, cell: Cell, name: str) -> None:
    """Train the chosen network, and run it whole on the beats that were held out."""
    symbols, n = NAMES[name], len(NAMES[name])
    for what, value, unit in (("time constant", cell.tau, "s"), ("scale of the recurrence", cell.scale, "")):
        run.number(f"{name}: {what} of the chosen network", value, unit=unit, how="best on the kept training samples")
    mine = (renamed(task.train.labels, symbols) >= 0).nonzero().flatten()
    weights = {config.most: readout(config, cell.states.part(mine), renamed(task.train.labels, symbols)[mine], n, balanced=True)}
    larger = ecg_task.divided(beats, seed=run.seed, classes=str(n), most=config.most_final, most_test=config.most_test)
    alone = ecg_task.liquid(tau=cell.tau, scale=cell.scale, seed=run.seed)  # quicker than with 20 delayed synapses behind it
    alone.init(dt=task.dt)
    seen = states(alone, larger.train.x, ecg_task.READ)
    weights[config.most_final] = readout(config, seen, larger.train.labels, n, balanced=True)
    said = states(alone, larger.test.x, ecg_task.READ)
    for most, weight in weights.items():
        right = int((choice(said, weight) == larger.test.labels).sum())
        how = f"learnt from at most {most} beats a class"
        run.number(f"{name}: accuracy, {how}", wilson(right, len(larger.test)), n=len(larger.test), how="Wilson, over samples")
    net = ecg_task.build(n, run.seed, tau=cell.tau, scale=cell.scale)
    net.init(dt=task.dt)
    give(net, weights[config.most_final])
    run.network(name, net)
    found = study.behaviour(net, larger.held_out(50), readout=larger.readout)
    run.behaviour(name, found)
    alt = f"Confusion matrix of {name} on held-out beats: accuracy {found.accuracy.value:.1%}."
    run.figure(f"confusion-{n}-classes", confusion(found.confusion.counts, larger.train.classes), alt)
    for model, predicted in baselines(beats, larger.train, larger.test, trees=config.trees).items():
        right = int((predicted == larger.test.labels).sum())
        how = "no spikes: beats stretched to 100 points, and their length before and after"
        run.number(f"{name}: accuracy of a {model}", wilson(right, len(predicted)), n=len(predicted), how=how)
        run.number(f"{name}: macro-F1 of a {model}", macro_f1(larger.test.labels, predicted, n), n=len(predicted), how=how)
    if n == len(FOUR):
        alt = "One beat: its events, the spikes of the liquid, and the voltages of the four readouts."
        run.figure("beat", one_beat(net, beats, larger), alt)


def give(net: Network, weight: Tensor) -> None:
    """Put the weights ``[delay * neuron, class]`` of a regression into the synapses of the readout."""
    parts = weight.view(len(ecg_task.TAGS), -1, weight.shape[1])
    with torch.no_grad():
        for tag, part in zip(ecg_task.TAGS, parts, strict=True):
            synapse: Any = net[tag]
            synapse.weight.copy_(part)


def stretched(beats: LabelledSet, part: LabelledSet) -> np.ndarray[Any, Any]:
    """Return both leads of beats at 100 points between their ends (mV), and how long they last before and after the beat (s)."""
    rows = []
    for number, before in zip(part.by["number"], part.by["before"], strict=True):
        signal = beats.x[int(number)].numpy()
        at = np.linspace(0, len(signal) - 1, POINTS)
        leads = [np.interp(at, np.arange(len(signal)), lead) for lead in signal.T]
        rows.append(np.concatenate([*leads, [int(before) / RATE, (len(signal) - int(before)) / RATE]]))
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
    x, x_test = stretched(beats, train), stretched(beats, test)
    return {name: torch.as_tensor(model.fit(x, train.labels.numpy()).predict(x_test)).long() for name, model in models.items()}


def macro_f1(true: Tensor, predicted: Tensor, n: int) -> float:
    """Return the mean over classes of ``2 TP / (2 TP + FP + FN)``; a class that neither occurs nor is predicted has none."""
    counts = torch.bincount(true * n + predicted, minlength=n * n).view(n, n).double()
    both = counts.sum(0) + counts.sum(1)
    return float((2 * counts.diagonal() / both)[both > 0].mean())


# -- by patient --------------------------------------------------------------------------------------------------------------


def by_patient(config: Config, run: Run, beats: LabelledSet, cell: Cell) -> None:
    """Learn the classes of EC57 from one half of the patients and test on the other, beside a random split."""
    net = ecg_task.liquid(tau=cell.tau, scale=cell.scale, seed=run.seed)
    net.init(dt=ecg_task.DT)
    limits: dict[str, Any] = {"most": config.most_patient, "most_test": config.most_patient_test}
    rows = []
    for split, name in (("patient", "AAMI classes, by patient"), ("random", "AAMI classes, random split")):
        task = ecg_task.divided(beats, seed=run.seed, classes="aami", split=split, **limits)
        run.note(f"{name}: split {task.split}; {task.notes[-1]}")
        n = len(task.train.classes)
        weight = readout(config, states(net, task.train.x, ecg_task.READ), task.train.labels, n, balanced=True)
        pieces = torch.arange(len(task.test)).split(5000)  # so that the states of all of them need not be kept
        said = [choice(states(net, task.test.part(some).x, ecg_task.READ), weight) for some in pieces]
        found = {"network": torch.cat(said)} | baselines(beats, task.train, task.test, trees=config.trees, machine=False)
        for model, predicted in found.items():
            note(run, f"{name}, {model}", task, predicted)
            rows += per_class(task, predicted, split, model)
        if split == "patient":
            counts = torch.bincount(task.test.labels * n + found["network"], minlength=n * n).view(n, n)
            alt = "Confusion matrix of the AAMI classes, by patient."
            run.figure("confusion-aami", confusion(counts, task.train.classes), alt)
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
        drawn.append([float((predicted == true)[some].double().mean()), macro_f1(true[some], predicted[some], n)])
    (low, low_f1), (high, high_f1) = np.quantile(drawn, (0.025, 0.975), axis=0)
    how = f"bootstrap over {len(known)} records"
    run.number(f"{name}: accuracy", right, float(low), float(high), n=len(true), how=how)
    run.number(f"{name}: macro-F1", macro_f1(true, predicted, n), float(low_f1), float(high_f1), n=len(true), how=how)


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


def confusion(counts: Tensor, names: Sequence[str]) -> Any:
    """Draw a confusion matrix with the symbols of the classes; colour is the share of a row."""
    from matplotlib.figure import Figure

    n = len(names)
    figure = Figure(figsize=(1.6 + 0.33 * n, 1.2 + 0.33 * n) if n > 5 else (3.6, 3.2), layout="constrained")
    ax = figure.subplots()
    share = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    ax.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=1)
    for i, j in counts.nonzero().tolist():
        colour = "white" if share[i, j] > 0.5 else "black"
        ax.text(j, i, str(int(counts[i, j])), ha="center", va="center", fontsize=6 if n > 5 else 9, color=colour)
    ax.set(xlabel="predicted", ylabel="true")
    ax.set_xticks(range(n), names)
    ax.set_yticks(range(n), names)
    return figure


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
