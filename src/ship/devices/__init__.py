"""Memory devices: `contract` (the parts), `device` (a device and what can happen to it), one law a file, `library` by name."""

from ..base.boundary import guard as _guard
from .array.open_loop import OpenLoop
from .assume import assume
from .contract import IV, Endurance, Faults, Part, Programming, Pulse, ReadNoise, Retention, Thermal, Update
from .device import Device
from .library.index import library
from .library.memristors import (
    deng_fefet,
    kvatinsky_vteam,
    messaris_tio2,
    nb_srtio3,
    oblea_chalcogenide,
    stanford_hfox,
    strukov_tio2,
    usc_diffusive,
)
from .library.phase_change_memory import hermes, pcm, state_independent
from .library.processing_units import capacitor, ecram, gokmen_vlasov, reram_es, reram_sb
from .library.pulsed_synapses import ag_asi, cnr, fefet_32, gong_2018
from .library.resistive_memory import cmo_hfox, hfo2_memory, reram_wan
from .materials.cmo import CMODecay, CMONoise
from .materials.hermes import HermesDrift, HermesNoise
from .materials.hfo2 import HfO2Drift
from .materials.phase_change import PCMDrift, PCMNoise
from .materials.relaxation import ReRAMRelaxation
from .memristor.data_driven import ExponentialWindow, SquareWindow
from .memristor.diffusive import Diffusive
from .memristor.fefet import FeFET
from .memristor.linear_ion_drift import LinearDrift
from .memristor.memristor import Memristor
from .memristor.stanford import Stanford
from .memristor.vteam import VTEAM
from .memristor.yakopcic import TwoBranch, Yakopcic
from .parts.endurance import Wear
from .parts.faults import Stuck
from .parts.iv import PooleFrenkelIV, PowerIV, SinhIV
from .parts.programming import GaussianProgramming, LevelProgramming, PolynomialProgramming, TwoStateProgramming
from .parts.read_noise import AdditiveNoise, FlickerNoise, MixedNoise, RelativeNoise
from .parts.thermal import Arrhenius
from .provenance import Origin
from .retention.log_drift import LogDrift
from .retention.power_law import PowerDrift, PowerTrend
from .retention.volatile import VolatileRetention
from .update.bounded import Bounded
from .update.log_bounded import LogBounded
from .update.logarithmic import LogarithmicPulses
from .update.nonlinear import NonlinearPulses
from .update.stepped import ConstantStep, ExpStep, LinearStep, SoftBounds, SoftBoundsPmax, Stepped
from .update.table import TableUpdate
from .update.unmeasured import Unmeasured
from .weights.mapping import BitSliced, Differential, Mapping, Offset

__all__ = [
    "IV",
    "VTEAM",
    "AdditiveNoise",
    "Arrhenius",
    "BitSliced",
    "Bounded",
    "CMODecay",
    "CMONoise",
    "ConstantStep",
    "Device",
    "Differential",
    "Diffusive",
    "Endurance",
    "ExpStep",
    "ExponentialWindow",
    "Faults",
    "FeFET",
    "FlickerNoise",
    "GaussianProgramming",
    "HermesDrift",
    "HermesNoise",
    "HfO2Drift",
    "LevelProgramming",
    "LinearDrift",
    "LinearStep",
    "LogBounded",
    "LogDrift",
    "LogarithmicPulses",
    "Mapping",
    "Memristor",
    "MixedNoise",
    "NonlinearPulses",
    "Offset",
    "OpenLoop",
    "Origin",
    "PCMDrift",
    "PCMNoise",
    "Part",
    "PolynomialProgramming",
    "PooleFrenkelIV",
    "PowerDrift",
    "PowerIV",
    "PowerTrend",
    "Programming",
    "Pulse",
    "ReRAMRelaxation",
    "ReadNoise",
    "RelativeNoise",
    "Retention",
    "SinhIV",
    "SoftBounds",
    "SoftBoundsPmax",
    "SquareWindow",
    "Stanford",
    "Stepped",
    "Stuck",
    "TableUpdate",
    "Thermal",
    "TwoBranch",
    "TwoStateProgramming",
    "Unmeasured",
    "Update",
    "VolatileRetention",
    "Wear",
    "Yakopcic",
    "ag_asi",
    "assume",
    "capacitor",
    "cmo_hfox",
    "cnr",
    "deng_fefet",
    "ecram",
    "fefet_32",
    "gokmen_vlasov",
    "gong_2018",
    "hermes",
    "hfo2_memory",
    "kvatinsky_vteam",
    "library",
    "messaris_tio2",
    "nb_srtio3",
    "oblea_chalcogenide",
    "pcm",
    "reram_es",
    "reram_sb",
    "reram_wan",
    "stanford_hfox",
    "state_independent",
    "strukov_tio2",
    "usc_diffusive",
]

_guard(__name__)
