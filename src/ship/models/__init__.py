"""The models of the library, one equation in each file. `gemo2024` has those of the publication, with its update rules."""

import importlib as _importlib
import types as _types
import typing as _typing

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
from .rules.brader_fusi import BraderFusi
from .rules.clopath import ClopathSTDP
from .rules.cnr import CNRSTDP
from .rules.delta import DeltaRule
from .rules.diehl_cook import OnlineSTDP
from .rules.eprop import EProp
from .rules.oja import OjaRule
from .rules.power_stdp import PowerSTDP
from .rules.restricted_stdp import RestrictedSTDP
from .rules.reward_stdp import RewardSTDP
from .rules.scaling import SynapticScaling
from .rules.stdp import PairSTDP
from .rules.triplet_stdp import TripletSTDP
from .rules.vogels import VogelsSTDP
from .rules.waveform import WaveformSTDP
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
    "CNRSTDP",
    "EIF",
    "LIF",
    "QIF",
    "AdEx",
    "AdaptiveLIF",
    "AlphaSynapse",
    "AxialCoupling",
    "BraderFusi",
    "ClopathSTDP",
    "ConductanceAlpha",
    "ConductanceDoubleExp",
    "ConductanceExp",
    "ConductanceLIF",
    "CorrelatedPoisson",
    "CurrentAdaptiveLIF",
    "CurrentInput",
    "DPINeuron",
    "DPISynapse",
    "DelayedSynapse",
    "DeltaRule",
    "Dendrite",
    "DoubleExpSynapse",
    "EProp",
    "EscapeLIF",
    "ExpSynapse",
    "GammaSource",
    "GapJunction",
    "GradedSynapse",
    "HodgkinHuxley",
    "HomeostaticLIF",
    "ImpulseSynapse",
    "InhomogeneousPoisson",
    "Izhikevich",
    "JohnsonNoise",
    "LeakyIntegrator",
    "LinearLeakLIF",
    "Link",
    "LowPass",
    "MultiCompartmentLIF",
    "NMDASynapse",
    "NoisyLIF",
    "OjaRule",
    "OnlineSTDP",
    "OrnsteinUhlenbeck",
    "PairSTDP",
    "PhaseChangeNeuron",
    "PinkNoise",
    "PlateauDendrite",
    "PoissonSource",
    "PowerSTDP",
    "RegularSource",
    "RelaxationOscillator",
    "ResonateAndFire",
    "RestrictedSTDP",
    "ReversalSynapse",
    "RewardSTDP",
    "SpikeInput",
    "SpikeListSource",
    "StochasticSynapse",
    "SynapticScaling",
    "TelegraphNoise",
    "TripletSTDP",
    "TsodyksMarkram",
    "VogelsSTDP",
    "VolatileMemristor",
    "WaveformSTDP",
    "WeightedSum",
    "WhiteNoise",
]

if _typing.TYPE_CHECKING:
    from . import gemo2024 as gemo2024
else:

    def __getattr__(name: str) -> _types.ModuleType:
        if name == "gemo2024":  # imported when it is first used
            return _importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
