"""The models of the library, one equation in each file, loaded when they are first used: see `base/later.py`.

`gemo2024` has those of the publication, with its update rules.
"""

import typing as _typing

from ..base.later import later as _later

if _typing.TYPE_CHECKING:
    from . import gemo2024 as gemo2024
    from .dendrites.axial_coupling import AxialCoupling as AxialCoupling
    from .dendrites.compartment import Dendrite as Dendrite
    from .dendrites.plateau import PlateauDendrite as PlateauDendrite
    from .dendrites.tree import MultiCompartmentLIF as MultiCompartmentLIF
    from .neurons.adaptive_lif import AdaptiveLIF as AdaptiveLIF
    from .neurons.adaptive_lif import HomeostaticLIF as HomeostaticLIF
    from .neurons.adex import AdEx as AdEx
    from .neurons.conductance_lif import ConductanceLIF as ConductanceLIF
    from .neurons.current_adaptive_lif import CurrentAdaptiveLIF as CurrentAdaptiveLIF
    from .neurons.dpi import DPINeuron as DPINeuron
    from .neurons.escape_lif import EscapeLIF as EscapeLIF
    from .neurons.exponential import EIF as EIF
    from .neurons.hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
    from .neurons.izhikevich import Izhikevich as Izhikevich
    from .neurons.leaky_integrator import LeakyIntegrator as LeakyIntegrator
    from .neurons.lif import LIF as LIF
    from .neurons.linear_leak_lif import LinearLeakLIF as LinearLeakLIF
    from .neurons.noisy_lif import NoisyLIF as NoisyLIF
    from .neurons.phase_change import PhaseChangeNeuron as PhaseChangeNeuron
    from .neurons.quadratic import QIF as QIF
    from .neurons.relaxation_oscillator import RelaxationOscillator as RelaxationOscillator
    from .neurons.resonate_and_fire import ResonateAndFire as ResonateAndFire
    from .rules.brader_fusi import BraderFusi as BraderFusi
    from .rules.clopath import ClopathSTDP as ClopathSTDP
    from .rules.cnr import CNRSTDP as CNRSTDP
    from .rules.delta import DeltaRule as DeltaRule
    from .rules.diehl_cook import OnlineSTDP as OnlineSTDP
    from .rules.eprop import EProp as EProp
    from .rules.oja import OjaRule as OjaRule
    from .rules.power_stdp import PowerSTDP as PowerSTDP
    from .rules.restricted_stdp import RestrictedSTDP as RestrictedSTDP
    from .rules.reward_stdp import RewardSTDP as RewardSTDP
    from .rules.scaling import SynapticScaling as SynapticScaling
    from .rules.stdp import PairSTDP as PairSTDP
    from .rules.triplet_stdp import TripletSTDP as TripletSTDP
    from .rules.vogels import VogelsSTDP as VogelsSTDP
    from .rules.waveform import WaveformSTDP as WaveformSTDP
    from .sources.correlated import CorrelatedPoisson as CorrelatedPoisson
    from .sources.inhomogeneous import InhomogeneousPoisson as InhomogeneousPoisson
    from .sources.inputs import CurrentInput as CurrentInput
    from .sources.inputs import SpikeInput as SpikeInput
    from .sources.ornstein_uhlenbeck import OrnsteinUhlenbeck as OrnsteinUhlenbeck
    from .sources.pink_noise import PinkNoise as PinkNoise
    from .sources.poisson import PoissonSource as PoissonSource
    from .sources.regular import GammaSource as GammaSource
    from .sources.regular import RegularSource as RegularSource
    from .sources.spike_list import SpikeListSource as SpikeListSource
    from .sources.telegraph import TelegraphNoise as TelegraphNoise
    from .sources.white_noise import JohnsonNoise as JohnsonNoise
    from .sources.white_noise import WhiteNoise as WhiteNoise
    from .synapses.alpha import AlphaSynapse as AlphaSynapse
    from .synapses.conductance_exponential import ConductanceExp as ConductanceExp
    from .synapses.conductance_rising import ConductanceAlpha as ConductanceAlpha
    from .synapses.conductance_rising import ConductanceDoubleExp as ConductanceDoubleExp
    from .synapses.delayed import DelayedSynapse as DelayedSynapse
    from .synapses.double_exponential import DoubleExpSynapse as DoubleExpSynapse
    from .synapses.dpi import DPISynapse as DPISynapse
    from .synapses.exponential import ExpSynapse as ExpSynapse
    from .synapses.gap_junction import GapJunction as GapJunction
    from .synapses.graded import GradedSynapse as GradedSynapse
    from .synapses.link import Link as Link
    from .synapses.low_pass import LowPass as LowPass
    from .synapses.nmda import NMDASynapse as NMDASynapse
    from .synapses.reversal import ReversalSynapse as ReversalSynapse
    from .synapses.stochastic import StochasticSynapse as StochasticSynapse
    from .synapses.tsodyks_markram import TsodyksMarkram as TsodyksMarkram
    from .synapses.volatile_memristor import VolatileMemristor as VolatileMemristor
    from .synapses.weighted_sum import ImpulseSynapse as ImpulseSynapse
    from .synapses.weighted_sum import WeightedSum as WeightedSum
else:
    _WHERE = {
        "CNRSTDP": "rules.cnr",
        "EIF": "neurons.exponential",
        "LIF": "neurons.lif",
        "QIF": "neurons.quadratic",
        "AdEx": "neurons.adex",
        "AdaptiveLIF": "neurons.adaptive_lif",
        "AlphaSynapse": "synapses.alpha",
        "AxialCoupling": "dendrites.axial_coupling",
        "BraderFusi": "rules.brader_fusi",
        "ClopathSTDP": "rules.clopath",
        "ConductanceAlpha": "synapses.conductance_rising",
        "ConductanceDoubleExp": "synapses.conductance_rising",
        "ConductanceExp": "synapses.conductance_exponential",
        "ConductanceLIF": "neurons.conductance_lif",
        "CorrelatedPoisson": "sources.correlated",
        "CurrentAdaptiveLIF": "neurons.current_adaptive_lif",
        "CurrentInput": "sources.inputs",
        "DPINeuron": "neurons.dpi",
        "DPISynapse": "synapses.dpi",
        "DelayedSynapse": "synapses.delayed",
        "DeltaRule": "rules.delta",
        "Dendrite": "dendrites.compartment",
        "DoubleExpSynapse": "synapses.double_exponential",
        "EProp": "rules.eprop",
        "EscapeLIF": "neurons.escape_lif",
        "ExpSynapse": "synapses.exponential",
        "GammaSource": "sources.regular",
        "GapJunction": "synapses.gap_junction",
        "GradedSynapse": "synapses.graded",
        "HodgkinHuxley": "neurons.hodgkin_huxley",
        "HomeostaticLIF": "neurons.adaptive_lif",
        "ImpulseSynapse": "synapses.weighted_sum",
        "InhomogeneousPoisson": "sources.inhomogeneous",
        "Izhikevich": "neurons.izhikevich",
        "JohnsonNoise": "sources.white_noise",
        "LeakyIntegrator": "neurons.leaky_integrator",
        "LinearLeakLIF": "neurons.linear_leak_lif",
        "Link": "synapses.link",
        "LowPass": "synapses.low_pass",
        "MultiCompartmentLIF": "dendrites.tree",
        "NMDASynapse": "synapses.nmda",
        "NoisyLIF": "neurons.noisy_lif",
        "OjaRule": "rules.oja",
        "OnlineSTDP": "rules.diehl_cook",
        "OrnsteinUhlenbeck": "sources.ornstein_uhlenbeck",
        "PairSTDP": "rules.stdp",
        "PhaseChangeNeuron": "neurons.phase_change",
        "PinkNoise": "sources.pink_noise",
        "PlateauDendrite": "dendrites.plateau",
        "PoissonSource": "sources.poisson",
        "PowerSTDP": "rules.power_stdp",
        "RegularSource": "sources.regular",
        "RelaxationOscillator": "neurons.relaxation_oscillator",
        "ResonateAndFire": "neurons.resonate_and_fire",
        "RestrictedSTDP": "rules.restricted_stdp",
        "ReversalSynapse": "synapses.reversal",
        "RewardSTDP": "rules.reward_stdp",
        "SpikeInput": "sources.inputs",
        "SpikeListSource": "sources.spike_list",
        "StochasticSynapse": "synapses.stochastic",
        "SynapticScaling": "rules.scaling",
        "TelegraphNoise": "sources.telegraph",
        "TripletSTDP": "rules.triplet_stdp",
        "TsodyksMarkram": "synapses.tsodyks_markram",
        "VogelsSTDP": "rules.vogels",
        "VolatileMemristor": "synapses.volatile_memristor",
        "WaveformSTDP": "rules.waveform",
        "WeightedSum": "synapses.weighted_sum",
        "WhiteNoise": "sources.white_noise",
    }
    __getattr__, __dir__, __all__ = _later(__name__, _WHERE, packages=("gemo2024",))
