"""The models of the library, one equation in each file. `gemo2024` has those of the publication, with its update rules."""

from . import gemo2024 as gemo2024
from .dendrites.axial_coupling import AxialCoupling
from .dendrites.compartment import Dendrite
from .dendrites.plateau import PlateauDendrite
from .dendrites.tree import MultiCompartmentLIF
from .neurons.adaptive_lif import AdaptiveLIF, HomeostaticLIF
from .neurons.adex import AdEx
from .neurons.conductance_lif import ConductanceLIF
from .neurons.current_adaptive_lif import CurrentAdaptiveLIF
from .neurons.dpi import DPINeuron
from .neurons.escape_lif import EscapeLIF
from .neurons.exponential import EIF
from .neurons.hodgkin_huxley import HodgkinHuxley
from .neurons.izhikevich import Izhikevich
from .neurons.leaky_integrator import LeakyIntegrator
from .neurons.lif import LIF
from .neurons.linear_leak_lif import LinearLeakLIF
from .neurons.noisy_lif import NoisyLIF
from .neurons.phase_change import PhaseChangeNeuron
from .neurons.quadratic import QIF
from .neurons.relaxation_oscillator import RelaxationOscillator
from .neurons.resonate_and_fire import ResonateAndFire
from .rules.stdp import PairSTDP
from .sources.inputs import CurrentInput, SpikeInput
from .sources.poisson import PoissonSource
from .synapses.alpha import AlphaSynapse
from .synapses.conductance_exponential import ConductanceExp
from .synapses.conductance_rising import ConductanceAlpha, ConductanceDoubleExp
from .synapses.delayed import DelayedSynapse
from .synapses.double_exponential import DoubleExpSynapse
from .synapses.dpi import DPISynapse
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
    "EIF",
    "LIF",
    "QIF",
    "AdEx",
    "AdaptiveLIF",
    "AlphaSynapse",
    "AxialCoupling",
    "ConductanceAlpha",
    "ConductanceDoubleExp",
    "ConductanceExp",
    "ConductanceLIF",
    "CurrentAdaptiveLIF",
    "CurrentInput",
    "DPINeuron",
    "DPISynapse",
    "DelayedSynapse",
    "Dendrite",
    "DoubleExpSynapse",
    "EscapeLIF",
    "ExpSynapse",
    "GapJunction",
    "GradedSynapse",
    "HodgkinHuxley",
    "HomeostaticLIF",
    "ImpulseSynapse",
    "Izhikevich",
    "LeakyIntegrator",
    "LinearLeakLIF",
    "Link",
    "LowPass",
    "MultiCompartmentLIF",
    "NMDASynapse",
    "NoisyLIF",
    "PairSTDP",
    "PhaseChangeNeuron",
    "PlateauDendrite",
    "PoissonSource",
    "RelaxationOscillator",
    "ResonateAndFire",
    "ReversalSynapse",
    "SpikeInput",
    "StochasticSynapse",
    "TsodyksMarkram",
    "VolatileMemristor",
    "WeightedSum",
]
