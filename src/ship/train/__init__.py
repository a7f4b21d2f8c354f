"""Training: trainer, readouts, losses, metrics."""

from .losses import RateBounds, count_error, cross_entropy
from .metrics import ConfusionMatrix, Interval, mean_interval, wilson
from .readout import FirstSpike, Last, Max, Mean, Readout, SpikeCount
from .trainer import History, Trainer

__all__ = [
    "ConfusionMatrix",
    "FirstSpike",
    "History",
    "Interval",
    "Last",
    "Max",
    "Mean",
    "RateBounds",
    "Readout",
    "SpikeCount",
    "Trainer",
    "count_error",
    "cross_entropy",
    "mean_interval",
    "wilson",
]
