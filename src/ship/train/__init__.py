"""Training: the trainer, readouts, losses, regularisers, metrics, and robust training."""

from ..base.boundary import guard as _guard
from ..base.statistics import Interval, bootstrap_interval, mean_interval, wilson
from ..network.readout import FirstSpike, Last, Max, Mean, Readout, SpikeCount, first_spike_time
from .losses import L2, RateBounds, cross_entropy, mse_count
from .metrics import ConfusionMatrix, accuracy, macro_f1
from .perturb import Perturb, overlaid
from .progress import History
from .pulse_optimizer import PulseOptimizer
from .robust import WorstCase
from .sharding import Sharded, sharded
from .trainer import Trainer
from .unsupervised import Responses, Votes, assign_labels, responses

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
    "Responses",
    "Sharded",
    "SpikeCount",
    "Trainer",
    "Votes",
    "WorstCase",
    "accuracy",
    "assign_labels",
    "bootstrap_interval",
    "cross_entropy",
    "first_spike_time",
    "macro_f1",
    "mean_interval",
    "mse_count",
    "overlaid",
    "responses",
    "sharded",
    "wilson",
]

_guard(__name__, leave=("Sharded",))
