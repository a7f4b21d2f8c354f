"""The models of the library, one equation in each file. `gemo2024` has those of the publication, with its update rules."""

from . import gemo2024 as gemo2024
from .dendrites.compartment import Dendrite
from .neurons.adex import AdEx
from .neurons.leaky_integrator import LeakyIntegrator
from .neurons.lif import LIF
from .neurons.noisy_lif import NoisyLIF
from .rules.stdp import PairSTDP
from .sources.inputs import CurrentInput, SpikeInput
from .sources.poisson import PoissonSource
from .synapses.alpha import AlphaSynapse
from .synapses.double_exponential import DoubleExpSynapse
from .synapses.exponential import ExpSynapse
from .synapses.link import Link
from .synapses.volatile_memristor import VolatileMemristor
from .synapses.weighted_sum import ImpulseSynapse, WeightedSum

__all__ = [
    "LIF",
    "AdEx",
    "AlphaSynapse",
    "CurrentInput",
    "Dendrite",
    "DoubleExpSynapse",
    "ExpSynapse",
    "ImpulseSynapse",
    "LeakyIntegrator",
    "Link",
    "NoisyLIF",
    "PairSTDP",
    "PoissonSource",
    "SpikeInput",
    "VolatileMemristor",
    "WeightedSum",
]
