"""Heart beats of the MIT-BIH database for a fixed liquid of 216 neurons and a trained leaky readout.

Two leads, brought to slots of 0.5 ms, are coded as levels of 0.01 mV that they cross: three bits for each direction and lead, so
12 channels. They drive a column of 6 x 6 x 6 leaky integrate-and-fire neurons, 20 % of them inhibitory, with connections by
distance, that do not learn. The readout, a leaky integrator for each class, hears the column through synapses with delays of 0 to
1.14 s, and is read at the end of the sample, 0.4 s behind the annotation of the beat. Only these synapses are trained.

Source: structure and constants (threshold 20 mV, refractory 2 ms, synapses of the input 8 ms, of excitatory neurons 4 ms, of
inhibitory ones 8 ms, readout 65 ms, levels, dt, classes, at most 500 training samples a class) are those of the ECG network of
Gemo et al., Front. Neurosci. 17:1270090 (2024), section 4.3, as its published script sets them. These are our choice, made on a
validation part of the training samples: the end of a sample (there midway to the next beat; a fixed time puts all beats in the
same place for the delays, and a decision need not wait for the next beat), the delays and the reading at the end (there one
synapse and the largest voltage), the number of partners and the weight of an input, and membrane time constant and scale of the
recurrence out of the published ranges.
Of the patients: de Chazal, O'Dwyer & Reilly, IEEE Trans. Biomed. Eng. 51:1196 (2004), table II; of the classes: ANSI/AAMI EC57.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ... import data
from ...base.checks import check_choice, check_whole
from ...base.random.philox import key
from ...data.beats import crossings
from ...data.sets import LabelledSet
from ...data.sets.ecg import CLASSES, RATE
from ...groups.connectivity import Edges
from ...models import LIF, ExpSynapse, LeakyIntegrator, SpikeInput
from ...network.network import Network
from ...network.readout import Last
from ..frozen import cut
from ..reservoir import Filter, regression, states
from .column import column
from .task import Recipe, Task

AFTER = 0.4  # s, how long a sample goes on behind the annotation of its beat
DT, STEP = 5e-4, 20  # s; a sample lasts a multiple of so many slots
LEVEL, BITS, CHANNELS = 0.01, 3, 12  # mV; bits for each of two directions and two leads
SHAPE, INHIBITORY = (6, 6, 6), 0.2  # neurons; fraction
THRESHOLD, REFRACTORY = 20e-3, 2e-3  # V, s
TAU_IN, TAU_E, TAU_I, DELAY = 8e-3, 4e-3, 8e-3, 1e-3  # s, of synapses; of the recurrence
WEIGHT = {"EE": 1.5 * TAU_E, "EI": 3.0 * TAU_E, "IE": -0.5 * TAU_I, "II": -0.5 * TAU_I}  # V, times the scale
TAU, SCALE = 30e-3, 0.375  # s, of the membranes; of the recurrence
PARTNERS, INPUT = 24, 12e-3  # neurons that a channel drives; V, the weight, negative onto inhibitory neurons
TAU_OUT, TAU_READ = 65e-3, 8e-3  # s, the readout and its synapses
DELAYS = tuple(0.06 * k for k in range(20))  # s, of the synapses of the readout

AAMI: Mapping[str, str] = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}  # class -> symbols
PACED = ("102", "104", "107", "217")  # left out, as EC57 says
DS1 = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122", "124", "201", "203", "205", "207", "208"),
    *("209", "215", "220", "223", "230"),
)
DS2 = (
    *("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210", "212", "213", "214", "219", "221", "222"),
    *("228", "231", "232", "233", "234"),
)
READ = Filter(TAU_OUT, TAU_READ, tuple(round(delay / DT) for delay in DELAYS), STEP)
PENALTY, MOST = 2e-3, 60  # of the regression that finds the weights of the readout, see `ship.study.reservoir.regression`; steps
TAGS = tuple(f"read {round(1e3 * delay)} ms" for delay in DELAYS)


def liquid(*, tau: float = TAU, scale: float = SCALE, weight: float = INPUT, partners: int = PARTNERS, seed: int = 0) -> Network:
    """Build the input and the column "liquid", without a readout.

    Args:
        tau: membrane time constant, s.
        scale: factor of the weights of the recurrence.
        weight: size of the weight of an input, V.
        partners: number of neurons that each input channel drives.
        seed: seed of the column and of the inputs.
    """
    draws = torch.Generator().manual_seed(seed)
    made = column(SHAPE, draws, inhibitory=INHIBITORY, weight=WEIGHT)
    n = len(made.inhibitory)
    net = Network()
    net.add(SpikeInput, "in", n=CHANNELS)
    net.add(LIF, "liquid", n=n, tau=tau, v_th=THRESHOLD, t_ref=REFRACTORY, trainable=())
    post = torch.cat([torch.randperm(n, generator=draws)[:partners] for _ in range(CHANNELS)])
    edges = Edges(torch.arange(CHANNELS).repeat_interleave(partners), post)
    signed = torch.where(made.inhibitory[post], -weight, weight)
    net.add(ExpSynapse, "input", source="in", target="liquid", tau=TAU_IN, connect=edges, weight=signed, trainable=())
    for kind, tag, tau_syn in ((False, "excitation", TAU_E), (True, "inhibition", TAU_I)):
        mine = made.inhibitory[made.pre] == kind
        edges, own = Edges(made.pre[mine], made.post[mine]), scale * made.weight[mine]
        options: dict[str, Any] = {"tau": tau_syn, "delay": DELAY, "connect": edges, "weight": own, "trainable": ()}
        net.add(ExpSynapse, tag, source="liquid", target="liquid", **options)
    return net


def build(classes: int, seed: int = 0, *, tau: float = TAU, scale: float = SCALE) -> Network:
    """Build the network: the column of `liquid` and a leaky readout with delayed synapses, whose weights are 0 until trained."""
    net = liquid(tau=tau, scale=scale, seed=seed)
    net.add(LeakyIntegrator, "out", n=classes, tau=TAU_OUT, output=True, trainable=())
    for tag, delay in zip(TAGS, DELAYS, strict=True):
        net.add(ExpSynapse, tag, source="liquid", target="out", tau=TAU_READ, delay=delay, weight=0.0, trainable=("weight",))
    return net


def solve(task: Task, net: Network, _: int = 0) -> None:
    """Give the readout the weights of a logistic regression, in which each class counts alike; the liquid runs once."""
    seen = states(cut(net, TAGS).front, task.train.x, READ)
    give(net, regression(seen.x.flatten(1), task.train.labels, len(task.classes), penalty=PENALTY, steps=MOST, balanced=True))


@torch.no_grad()
def give(net: Network, weight: Tensor) -> None:
    """Put weights ``[delay * neuron, class]`` into the synapses of the readout."""
    for tag, part in zip(TAGS, weight.view(len(TAGS), -1, weight.shape[1]), strict=True):
        net[tag].get_parameter("weight").copy_(part)


def encode(x: Tensor, _: torch.Generator | None = None) -> Tensor:
    """Return the events of a beat as numbers."""
    return x.to(torch.get_default_dtype())


def ecg(
    *,
    folder: str | Path | None = None,
    seed: int = 0,
    classes: Literal[4, 18, "4", "18", "aami"] = 18,
    split: str = "random",
    most: int = 500,
    most_test: int | None = 200,
) -> Task:
    """Make the task.

    Args:
        folder: where files are looked for first, see `ship.data.load`.
        seed: seed of the column, and of the choice of beats.
        classes: 18 for all; 4 for R, A, V and F; "aami" for the five classes of EC57.
        split: "random": beats are held out; "patient": all beats of the patients of DS2 are, those of DS1 are learnt from.
        most: the most training samples of a class.
        most_test: the most held-out samples of a class (in a random split no more than a quarter of them); None for all.

    Raises:
        ParameterError: another split or other classes.
        RunError: wfdb is needed and not installed.
        FileError: the data cannot be had, or are damaged.
    """
    beats = data.load("ecg", folder, after=AFTER)
    return divided(beats, seed=seed, classes=str(classes), split=split, most=most, most_test=most_test)


def divided(
    beats: LabelledSet, *, seed: int = 0, classes: str = "18", split: str = "random", most: int = 500, most_test: int | None = 200
) -> Task:
    """Make the task of beats that were loaded already, with ``after=AFTER``; arguments as of `ecg`."""
    check_choice("task 'ecg': classes", classes, ("4", "18", "aami"))
    check_choice("task 'ecg': split", split, ("random", "patient"))
    check_whole("task 'ecg': most", most, 1)
    chosen = relabelled(beats, classes)
    train, test = (_random if split == "random" else _by_patient)(chosen, seed, most, most_test)
    patients = "of 22 patients (DS1), tested on 22 others (DS2)"
    notes = [
        f"A sample ends {AFTER:g} s behind the annotation of its beat, so a detector of beats is taken for granted.",
        "Lead 0 is MLII except in records 102, 104 and 114.",
    ]
    if split == "random":
        notes.append("Most classes come from one or two patients, who are in both parts: a random split flatters.")
    else:
        notes.append("Records 201 (DS1) and 202 (DS2) are of one patient: the published division shares him.")
    return Task(
        name="ecg",
        train=coded(train),
        test=coded(test),
        channels=CHANNELS,
        dt=DT,
        encode=encode,
        readout=Last(tail=1),
        build=partial(build, len(chosen.classes), seed),
        recipe=Recipe(epochs=0, size=50, lr=1e-4, trained=TAGS, start=solve),
        split="by beat, at random within each class" if split == "random" else f"by patient: learnt from beats {patients}",
        notes=tuple(notes),
        at_once=4,  # 20 delayed synapses on 32 chips take 0.1 GB a sample
    )


def relabelled(beats: LabelledSet, classes: str) -> LabelledSet:
    """Return the beats of some classes, with the labels of these: "18", "4" or "aami" (without the paced records)."""
    if classes == "18":
        return beats
    groups: Mapping[str, str] = AAMI if classes == "aami" else {symbol: symbol for symbol in "RAVF"}
    number = torch.full((len(CLASSES),), -1)
    for i, symbols in enumerate(groups.values()):
        number[[CLASSES.index(symbol) for symbol in symbols]] = i
    labels = number[beats.labels]
    kept = labels >= 0
    if classes == "aami":
        kept &= torch.tensor([name not in PACED for name in beats.by["record"]])
    part = beats.part(kept)
    return replace(part, labels=labels[kept], classes=tuple(groups))


def coded(beats: LabelledSet) -> LabelledSet:
    """Return beats as the events of their level crossings, ``[slot, 12]`` each; lengths are multiples of 10 ms."""
    assert isinstance(beats.x, list)
    return replace(beats, x=crossings(beats.x, rate=RATE, dt=DT, delta=LEVEL, bits=BITS, whole=STEP) if len(beats) else [])


def _drawn(beats: LabelledSet, label: int, seed: int, mask: Tensor) -> Tensor:
    """Return the samples of one class inside a mask, in an order that depends on seed and class alone."""
    index = ((beats.labels == label) & mask).nonzero().flatten()
    draws = torch.Generator().manual_seed(key(seed, "ecg", beats.classes[label]))
    return index[torch.randperm(len(index), generator=draws)]


def _random(beats: LabelledSet, seed: int, most: int, most_test: int | None) -> tuple[LabelledSet, LabelledSet]:
    train, test = [], []
    for label in range(len(beats.classes)):
        index = _drawn(beats, label, seed, torch.ones(len(beats), dtype=torch.bool))
        held = min(len(index) // 4 + 1, len(index) if most_test is None else most_test)
        test.append(index[:held])
        train.append(index[held : held + most])
    return beats.part(torch.cat(train).sort().values), beats.part(torch.cat(test).sort().values)


def _by_patient(beats: LabelledSet, seed: int, most: int, most_test: int | None) -> tuple[LabelledSet, LabelledSet]:
    made = []
    for names, limit in ((DS1, most), (DS2, most_test)):
        inside = torch.tensor([name in names for name in beats.by["record"]])
        parts = [_drawn(beats, label, seed, inside)[:limit] for label in range(len(beats.classes))]
        made.append(beats.part(torch.cat(parts).sort().values))
    return made[0], made[1]
