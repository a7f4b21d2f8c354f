"""The models of the library, one equation in each file. `gemo2024` has those of the publication, with its update rules."""

from . import gemo2024 as gemo2024
from .dendrites.compartment import Dendrite
from .neurons.adaptive_lif import AdaptiveLIF, HomeostaticLIF
from .neurons.adex import AdEx
from .neurons.conductance_lif import ConductanceLIF
from .neurons.current_adaptive_lif import CurrentAdaptiveLIF
from .neurons.escape_lif import EscapeLIF
from .neurons.exponential import EIF
from .neurons.hodgkin_huxley import HodgkinHuxley
from .neurons.izhikevich import Izhikevich
from .neurons.leaky_integrator import LeakyIntegrator
from .neurons.lif import LIF
from .neurons.noisy_lif import NoisyLIF
from .neurons.quadratic import QIF
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
from .sources.inputs import CurrentInput, SpikeInput
from .sources.poisson import PoissonSource
from .synapses.alpha import AlphaSynapse
from .synapses.double_exponential import DoubleExpSynapse
from .synapses.exponential import ExpSynapse
from .synapses.link import Link
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
    "BraderFusi",
    "ClopathSTDP",
    "ConductanceLIF",
    "CurrentAdaptiveLIF",
    "CurrentInput",
    "DeltaRule",
    "Dendrite",
    "DoubleExpSynapse",
    "EProp",
    "EscapeLIF",
    "ExpSynapse",
    "HodgkinHuxley",
    "HomeostaticLIF",
    "ImpulseSynapse",
    "Izhikevich",
    "LeakyIntegrator",
    "Link",
    "NoisyLIF",
    "OjaRule",
    "OnlineSTDP",
    "PairSTDP",
    "PoissonSource",
    "PowerSTDP",
    "ResonateAndFire",
    "RestrictedSTDP",
    "RewardSTDP",
    "SpikeInput",
    "SynapticScaling",
    "TripletSTDP",
    "VogelsSTDP",
    "VolatileMemristor",
    "WaveformSTDP",
    "WeightedSum",
]
