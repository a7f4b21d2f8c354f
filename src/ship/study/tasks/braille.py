"""Braille characters, scanned column by column, for a recurrent network of Izhikevich neurons.

An image becomes 28 signals, one a row, along its columns: contrast stretched to [0, 1], cubic interpolation between pixels, 5 ms a
column. Level crossings of each signal, up and down on separate channels, are the input: 56 channels. They reach a column of 5 x 5 x
5 recurrent Izhikevich neurons, a quarter of them inhibitory, then 128 more, then a leaky readout for each letter, whose mean over
time is its score. All weights learn.

Two ways to say a second: ``neurons="milliseconds"`` is Izhikevich's model in its own unit, solved exactly. ``"as published"`` is
the network of the publication, whose script stepped an equation per millisecond by 0.0005, meant as seconds: its neurons are 1000
times too slow beside everything else and hardly leak. Here the same numbers come about the other way round, with everything else
1000 times faster; times of such a network (latency, rates) are those of its neurons.

Source: of the network: Gemo et al., Front. Neurosci. 17:1270090 (2024), section 4.2.2, and the script published with it; of the
neuron: Izhikevich, IEEE Trans. Neural Netw. 14:1569 (2003).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ... import data
from ...base.checks import check_choice, check_whole
from ...data.sets import LabelledSet
from ...groups.connectivity import Edges
from ...models import DoubleExpSynapse, Izhikevich, LeakyIntegrator, SpikeInput
from ...models.gemo2024 import LeakyIntegrator2024, SecondOrder2024
from ...models.surrogate import FastSigmoid, Onset
from ...network.network import Network
from ...network.readout import Max, Mean
from .column import column
from .task import Recipe, Task

SIZE, ROWS = 28, 28  # columns, which pass one after the other, and rows, which are channels
COLUMN_TIME = 5e-3  # s
TAIL_TIME = 15e-3  # s of silence after the last column
SHAPE = (5, 5, 5)
HIDDEN = 128
PARTNERS = 4  # units that a channel reaches
FOLDS = 6  # parts of 10 images of each letter; one is held out
TOPOLOGY = 200  # seed of the column, which is the same in all networks
SLOW = 1000.0  # milliseconds that were taken for seconds
WAYS = ("milliseconds", "as published")
SPLITS = ("random", "augmentation")
