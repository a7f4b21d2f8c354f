"""Spoken digits for a fixed reservoir of 125 neurons and a trained leaky readout.

Recordings of the Free Spoken Digit Dataset go through a gammatone filter bank of 50 channels (`ship.data.cochleagram`) and
become regular trains of spikes, up to 500 Hz (`ship.data.regular_rate`). Each channel drives ten neurons of a column of
5 x 5 x 5 leaky integrate-and-fire neurons, about 20 % of them inhibitory, whose connections are drawn by distance. The weights of
the inputs of a neuron are drawn with both signs, and balanced: their sum is near 0, so that a neuron answers to a contrast
between channels and not to loudness, which all neurons would share. Only the weights of the ten leaky integrators that read the
column are trained; a score is the mean voltage of one.

Source: the structure, the readout (65 ms, synapses 8 ms) and the constants of the column (threshold 20 mV, membrane 64 ms,
refractory 3 ms, synapses 8 and 4 ms, delay 1 ms, connectivity) are those of the spoken digit network of Gemo et al., Front.
Neurosci. 17:1270090 (2024), as its published script sets them. These differ, chosen on takes 5 to 9 of the training samples: the
filter bank (there a passive Lyon ear), the weights of the recurrence (here a fraction of those), number, sizes and signs of the
inputs (there four of a channel, of 0.5 V each), and the mean in place of the largest voltage.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ... import data
from ...base.checks import check_choice
from ...base.errors import RunError, suggest
from ...data.sets import LabelledSet
from ...data.sets.spoken_digits import RATE
from ...groups.connectivity import Edges
from ...models import LIF, ExpSynapse, LeakyIntegrator, SpikeInput
from ...network.network import Network
from ...network.readout import Mean
from .column import column
from .task import Recipe, Task, as_floats

CHANNELS, STEPS, DT = 50, 800, 1e-3  # filters; slots of an input, s
MAX_RATE = 500.0  # Hz, of a channel at its loudest
DEPTH = 45.0  # dB, of the compression
TAIL = 50  # slots of silence after the input
SHAPE, INHIBITORY, PARTNERS = (5, 5, 5), 0.2, 10  # neurons; fraction; neurons that each channel drives
TAU_E, TAU_I, TAU_OUT = 8e-3, 4e-3, 65e-3  # s, synapses, readout
TAU, THRESHOLD, REFRACTORY = 64e-3, 20e-3, 3e-3  # s, V, s
WEIGHT = {"EE": 1.5 * TAU_E, "EI": 3.0 * TAU_E, "IE": -0.5 * TAU_I, "II": -0.5 * TAU_I}  # V, of the publication
SCALE = 0.2  # of these weights, in use here
INPUT, BALANCE = 60e-3, 1.2  # V, mean size of the weights of the input before they are balanced; 1 makes their sum 0
SPLITS = ("official", "speaker", "random")
HELD = 0.1  # of each class, in a random split
BOUND = 0.4  # V, of the weights of the readout
TRAINED = ("res>out",)


def build(seed: int = 0) -> Network:
    """Build the network: 50 channels, the column "res", 10 leaky integrators.

    Args:
        seed: seed of the column and of its inputs.
    """
    draws = torch.Generator().manual_seed(seed)
    made = column(SHAPE, draws, inhibitory=INHIBITORY, weight=WEIGHT)
    n = len(made.inhibitory)
    net = Network()
    net.add(SpikeInput, "in", n=CHANNELS)
    net.add(LIF, "res", n=n, tau=TAU, v_th=THRESHOLD, t_ref=REFRACTORY)
    net.add(LeakyIntegrator, "out", n=10, tau=TAU_OUT, output=True)
    to = torch.cat([torch.randperm(n, generator=draws)[:PARTNERS] for _ in range(CHANNELS)])
    edges = Edges(torch.arange(CHANNELS).repeat_interleave(PARTNERS), to)
    weight = balanced(
        INPUT * 2 * torch.rand(len(to), generator=draws) * (2 * torch.randint(2, (len(to),), generator=draws) - 1), to, n
    )
    net.add(ExpSynapse, "in>res", source="in", target="res", tau=TAU_E, connect=edges, weight=weight, trainable=())
    for kind, tau in (("E", TAU_E), ("I", TAU_I)):
        mine = made.inhibitory[made.pre] == (kind == "I")
        edges, weight = Edges(made.pre[mine], made.post[mine]), SCALE * made.weight[mine]
        net.add(
            ExpSynapse, f"{kind}>res", source="res", target="res", tau=tau, delay=DT, connect=edges, weight=weight, trainable=()
        )
    net.add(ExpSynapse, "res>out", source="res", target="out", tau=TAU_E, weight=0.0)
    return net


def balanced(weight: Tensor, to: Tensor, n: int) -> Tensor:
    """Take from the weights of each neuron's inputs `BALANCE` times their mean; ``to`` is the neuron of each weight."""
    total, number = (torch.zeros(n).index_add_(0, to, values) for values in (weight, torch.ones(len(to))))
    return weight - BALANCE * (total / number.clamp(min=1))[to]


def heard(samples: LabelledSet) -> LabelledSet:
    """Return recordings as the spikes of the filter bank, ``[sample, 800, 50]`` in uint8; what is longer than 0.8 s is cut."""
    levels = data.cochleagram(samples.x, rate=RATE, dt=DT, steps=STEPS, channels=CHANNELS, depth=DEPTH)
    spikes = torch.zeros(levels.shape, dtype=torch.uint8)
    loud = levels.sum(-1) > 0
    slots = torch.where(loud.any(-1), STEPS - loud.flip(-1).int().argmax(-1), 1)
    for some in slots.argsort(stable=True).split(100):  # silence at the end has no spikes, and need not be encoded
        end = int(slots[some].max())
        spikes[some, :end] = data.regular_rate(levels[some, :end], dt=DT, max_rate=MAX_RATE).to(torch.uint8)
    return replace(samples, x=spikes)


def spoken_digits(*, folder: str | Path | None = None, seed: int = 0, split: str = "official", speaker: str = "theo") -> Task:
    """Make the task.

    Args:
        folder: where files are looked for first, see `ship.data.load`.
        seed: seed of the column, and of a random split.
        split: "official": takes 0 to 4 of each speaker and digit are held out; "speaker": all takes of one speaker are; "random":
            a tenth of each digit is.
        speaker: whose takes are held out, by ``split="speaker"``; one name, or several with commas between them.

    Raises:
        ParameterError: another split.
        RunError: no such speaker; the data cannot be had.
        FileError: the data are damaged.
    """
    check_choice("task 'spoken-digits': split", split, SPLITS)
    return divided(heard(data.load("spoken-digits", folder)), seed=seed, split=split, speaker=speaker)


def divided(samples: LabelledSet, *, seed: int = 0, split: str = "official", speaker: str = "theo") -> Task:
    """Make the task of recordings that were `heard` already; arguments as of `spoken_digits`."""
    mask, names = held(samples, split, seed=seed, speaker=speaker), speaker.replace(" ", "").replace(",", " and ")
    how = {"official": "official: takes 0 to 4 are held out", "random": "a tenth of each digit at random"}
    note = (
        "All takes of a speaker are on one side."
        if split == "speaker"
        else "The same speakers are in both parts, which flatters."
    )
    return Task(
        name="spoken-digits",
        train=samples.part(~mask),
        test=samples.part(mask),
        channels=CHANNELS,
        dt=DT,
        encode=as_floats,
        readout=Mean(tail=TAIL),
        build=partial(build, seed),
        recipe=Recipe(epochs=1, size=50, lr=1e-4, trained=TRAINED, once=True, start="linear", bound=BOUND),
        split=how.get(split, f"by speaker: {names} held out"),
        notes=(
            "The Free Spoken Digit Dataset stands in for the recordings of the publication, which are not public.",
            note,
        ),
    )


def held(samples: LabelledSet, split: str, *, seed: int = 0, speaker: str = "theo") -> Tensor:
    """Return which samples a split holds out, bool ``[sample]``; arguments as of `spoken_digits`."""
    if split == "official":
        assert samples.test is not None
        return samples.test
    if split == "random":
        mask = torch.zeros(len(samples), dtype=torch.bool)
        mask[data.split(samples.labels, [1 - HELD, HELD], seed=seed)[1]] = True
        return mask
    known, names = sorted(set(samples.by["speaker"])), [name.strip() for name in speaker.split(",")]
    for name in names:
        if name not in known:
            raise RunError("task 'spoken-digits': speaker", f"no speaker named {name!r}", fix=suggest(name, known))
    return torch.tensor([who in names for who in samples.by["speaker"]])
