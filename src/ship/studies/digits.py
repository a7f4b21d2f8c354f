"""Spoken digits: a fixed reservoir of 125 neurons, a trained leaky readout, and how many levels its weights need.

1. The recordings of the Free Spoken Digit Dataset, which stands in for the unpublished ones of the publication, become spikes of
   50 channels; the column of 125 neurons runs once over all of them (`ship.study.tasks.spoken_digits` has the constants).
2. The weights of the readout are trained on the official training samples, and tested on takes 0 to 4. Beside it: what a logistic
   regression and a support vector machine reach without a spiking network, on the same split; columns drawn with other seeds;
   and a random split.
3. Each speaker in turn is held out: the other five train the readout, all takes of the sixth test it.
4. The trained weights are put on 2 to 64 levels from -max|w| to max|w|, with a normal scatter of a sixth of a step
   (sigma = 2 max|w| / n / 6), in ten draws; and on pairs of devices that have as many levels each.

Source: of steps 2 and 4: Gemo et al., Front. Neurosci. 17:1270090 (2024), sec. 4.2.1, as its published scripts set them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .. import data, plot, study
from ..base.errors import RunError
from ..base.parameters import per_chip
from ..base.statistics import Interval, mean_interval, wilson
from ..data.sets import LabelledSet
from ..network.network import Network
from ..study.linear_start import logistic
from ..study.record.run import Run
from ..study.tasks import spoken_digits as digits
from ..study.tasks.once import Short
from ..study.tasks.task import Task

READOUT = digits.TRAINED[0]
BINS = 10  # stretches of time whose mean levels the support vector machine sees


@dataclass(frozen=True)
class Config:
    """The settings of the study.

    Args:
        takes: number of takes of each digit and speaker that are used, from take 0 on, 50 in all; the first five are the test.
        levels: numbers of levels of a weight.
        draws: number of draws of the scatter, at each number of levels, at least 2.
        columns: number of columns, drawn with as many seeds, at least 1.
        speakers: number of speakers that are held out in turn, in alphabetical order; 0 leaves the split by speaker out.
    """

    takes: int = 50
    levels: tuple[int, ...] = (*range(2, 17), 24, 32, 48, 64)
    draws: int = 10
    columns: int = 5
    speakers: int = 6

    @classmethod
    def quick(cls) -> Config:
        """Return settings for a trial: fewer recordings, levels, columns and speakers."""
        return cls(takes=15, levels=(2, 3, 4, 6, 8, 16, 64), columns=2, speakers=2)


def run(config: Config, run: Run) -> None:
    """Run the study."""
    with run.stage("turn recordings into spikes"):
        recordings = data.load("spoken-digits", run.data)
        run.uses(recordings)
        recordings = recordings.part(recordings.by["take"] < config.takes)
        sounds = digits.heard(recordings)
    for text in (recordings.about.note, *digits.divided(sounds).notes[:1]):
        run.note(text)

    with run.stage("train the readout, official split"):
        task = digits.divided(sounds, seed=run.seed)
        net = task.network(run.seed)
        short = trained(task, net)
    run.network("column and readout", net)
    with run.stage("test it"):
        found = study.behaviour(net, task.held_out(100))
    run.behaviour("official split", found)
    run.figure("raster", raster(net, task), "Spikes of the 50 channels and of the 125 neurons, and the ten voltages, for one digit.")

    with run.stage("other columns, a random split, and baselines"):
        splits(config, run, sounds, task, found.accuracy)
    with run.stage("each speaker held out in turn"):
        by_speaker(config, run, sounds)
    with run.stage("levels of the weights"):
        levels(config, run, short, found.accuracy)


def trained(task: Task, net: Network) -> Short:
    """Train the readout on what the column says to each recording; return the task and the network of the readout alone."""
    short = study.shortened(task, net)
    study.linear_start(short.net, READOUT, short.task.in_order(short.task.train), readout=short.task.readout)
    short.task.fit(short.net)
    short.cut.give(net)
    net.readout = task.readout
    return short


def tested(task: Task, seed: int) -> tuple[int, int]:
    """Train a readout for a task, with the column of a seed; return how many held-out recordings it reads rightly, of how many."""
    short = trained(task, task.network(seed))
    right = float(study.accuracy(short.net, short.task.held_out(), readout=short.task.readout))
    return round(right * len(task.test)), len(task.test)
