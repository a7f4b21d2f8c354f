"""Training: trainer, readouts, losses, metrics."""

from ..boundary import guard as _guard
from .losses import L2, RateBounds, cross_entropy, mse_count
from .metrics import ConfusionMatrix, Interval, accuracy, bootstrap_interval, mean_interval, wilson
from .perturb import Perturb, overlaid
from .pulse_optimizer import PulseOptimizer
from .readout import FirstSpike, Last, Max, Mean, Readout, SpikeCount, first_spike_time
from .robust import WorstCase
from .trainer import History, Trainer

__all__ = [
    "L2",
    "ConfusionMatrix",
    "FirstSpike",
    "History",
    "Interval",
    "Last",
    "Max",
    "Mean",
    "Perturb",
    "PulseOptimizer",
    "RateBounds",
    "Readout",
    "SpikeCount",
    "Trainer",
    "WorstCase",
    "accuracy",
    "bootstrap_interval",
    "cross_entropy",
    "first_spike_time",
    "mean_interval",
    "mse_count",
    "overlaid",
    "wilson",
]

_guard(__name__)
