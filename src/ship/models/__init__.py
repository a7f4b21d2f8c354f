"""The models of the library, one equation in each file. `gemo2024` has those of the publication, with its update rules."""

from . import gemo2024 as gemo2024
from .dendrites.compartment import Dendrite
from .neurons.adex import AdEx
from .neurons.leaky_integrator import LeakyIntegrator
from .neurons.lif import LIF
from .neurons.noisy_lif import NoisyLIF
from .rules.stdp import PairSTDP
from .sources.correlated import CorrelatedPoisson
from .sources.inhomogeneous import InhomogeneousPoisson
from .sources.inputs import CurrentInput, SpikeInput
from .sources.ornstein_uhlenbeck import OrnsteinUhlenbeck
from .sources.pink_noise import PinkNoise
from .sources.poisson import PoissonSource
from .sources.regular import GammaSource, RegularSource
from .sources.spike_list import SpikeListSource
from .sources.telegraph import TelegraphNoise
from .sources.white_noise import JohnsonNoise, WhiteNoise
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
    "CorrelatedPoisson",
    "CurrentInput",
    "Dendrite",
    "DoubleExpSynapse",
    "ExpSynapse",
    "GammaSource",
    "ImpulseSynapse",
    "InhomogeneousPoisson",
    "JohnsonNoise",
    "LeakyIntegrator",
    "Link",
    "NoisyLIF",
    "OrnsteinUhlenbeck",
    "PairSTDP",
    "PinkNoise",
    "PoissonSource",
    "RegularSource",
    "SpikeInput",
    "SpikeListSource",
    "TelegraphNoise",
    "VolatileMemristor",
    "WeightedSum",
    "WhiteNoise",
]
