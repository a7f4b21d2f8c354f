"""Encoders, the embedded digits, batches, and a small measurement made by a virtual device."""

from ..base.boundary import guard as _guard
from .datasets import Batches, LengthBuckets, SpikeDataset, Split, collate, digits, from_events, split
from .encoders import burst, interspike_interval, latency, level_crossing, level_crossing_decode, rate, regular_rate
from .example import example_device, example_pulses

__all__ = [
    "Batches",
    "LengthBuckets",
    "SpikeDataset",
    "Split",
    "burst",
    "collate",
    "digits",
    "example_device",
    "example_pulses",
    "from_events",
    "interspike_interval",
    "latency",
    "level_crossing",
    "level_crossing_decode",
    "rate",
    "regular_rate",
    "split",
]

_guard(__name__)
