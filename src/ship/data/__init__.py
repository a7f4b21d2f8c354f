"""Data: encoders, the embedded digits, batches."""

from .datasets import Batches, LengthBuckets, Split, collate, digits, split
from .encoders import burst, interspike_interval, latency, level_crossing, level_crossing_decode, rate, regular_rate

__all__ = [
    "Batches",
    "LengthBuckets",
    "Split",
    "burst",
    "collate",
    "digits",
    "interspike_interval",
    "latency",
    "level_crossing",
    "level_crossing_decode",
    "rate",
    "regular_rate",
    "split",
]
