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
from .synapses.conductance_exponential import ConductanceExp
from .synapses.conductance_rising import ConductanceAlpha, ConductanceDoubleExp
from .synapses.delayed import DelayedSynapse
from .synapses.double_exponential import DoubleExpSynapse
from .synapses.exponential import ExpSynapse
from .synapses.gap_junction import GapJunction
from .synapses.graded import GradedSynapse
from .synapses.link import Link
from .synapses.low_pass import LowPass
from .synapses.nmda import NMDASynapse
from .synapses.reversal import ReversalSynapse
from .synapses.stochastic import StochasticSynapse
from .synapses.tsodyks_markram import TsodyksMarkram
from .synapses.volatile_memristor import VolatileMemristor
from .synapses.weighted_sum import ImpulseSynapse, WeightedSum

__all__ = [
    "LIF",
    "AdEx",
    "AlphaSynapse",
    "ConductanceAlpha",
    "ConductanceDoubleExp",
    "ConductanceExp",
    "CurrentInput",
    "DelayedSynapse",
    "Dendrite",
    "DoubleExpSynapse",
    "ExpSynapse",
    "GapJunction",
    "GradedSynapse",
    "ImpulseSynapse",
    "LeakyIntegrator",
    "Link",
    "LowPass",
    "NMDASynapse",
    "NoisyLIF",
    "PairSTDP",
    "PoissonSource",
    "ReversalSynapse",
    "SpikeInput",
    "StochasticSynapse",
    "TsodyksMarkram",
    "VolatileMemristor",
    "WeightedSum",
]
