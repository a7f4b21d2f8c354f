"""Data sets, encoders, the embedded digits, batches, and small measurements made by virtual devices."""

from ..base.boundary import guard as _guard
from .datasets import Batches, LengthBuckets, SpikeDataset, Split, collate, digits, from_events, split
from .encoders import burst, interspike_interval, latency, level_crossing, level_crossing_decode, rate, regular_rate
from .example import example_device, example_pulses
from .exports import example_export, example_loops
from .filterbank import cochleagram, erb_spaced, gammatone_bank
from .sets import About, LabelledSet, load, names

__all__ = [
    "About",
    "Batches",
    "LabelledSet",
    "LengthBuckets",
    "SpikeDataset",
    "Split",
    "burst",
    "cochleagram",
    "collate",
    "digits",
    "erb_spaced",
    "example_device",
    "example_export",
    "example_loops",
    "example_pulses",
    "from_events",
    "gammatone_bank",
    "interspike_interval",
    "latency",
    "level_crossing",
    "level_crossing_decode",
    "load",
    "names",
    "rate",
    "regular_rate",
    "split",
]

_guard(__name__)
