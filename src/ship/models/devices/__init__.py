"""Memory devices: `contract` (the parts), `device` (a device and what can happen to it), one law a file, `library` by name."""

from ...boundary import guard as _guard
from .bounded import Bounded
from .cmo import CMODecay, CMONoise, cmo_hfox
from .contract import IV, Endurance, Faults, Part, Programming, Pulse, ReadNoise, Retention, Thermal, Update
from .data_driven import ExponentialWindow, SquareWindow
from .device import Device
from .diffusive import Diffusive
from .endurance import Wear
from .faults import Stuck
from .fefet import FeFET
from .hermes import HermesDrift, HermesNoise, hermes
from .hfo2 import HfO2Drift, hfo2_memory
from .iv import PooleFrenkelIV, PowerIV, SinhIV
from .library import capacitor, ecram, gokmen_vlasov, library, reram_es, reram_sb
from .linear_drift import LinearDrift
from .log_drift import LogDrift
from .logarithmic import LogarithmicPulses, cnr
from .mapping import BitSliced, Differential, Mapping, Offset
from .memristor import Memristor
from .neurosim import NonlinearPulses, ag_asi, fefet_32
from .phase_change import PCMDrift, PCMNoise, pcm
from .physical import (
    deng_fefet,
    kvatinsky_vteam,
    messaris_tio2,
    nb_srtio3,
    oblea_chalcogenide,
    stanford_hfox,
    strukov_tio2,
    usc_diffusive,
)
from .power_law import PowerDrift, state_independent
from .programming import GaussianProgramming, LevelProgramming, PolynomialProgramming
from .read_noise import AdditiveNoise, FlickerNoise, RelativeNoise
from .relaxation import ReRAMRelaxation, reram_wan
from .stanford import Stanford
from .stepped import ConstantStep, ExpStep, LinearStep, SoftBounds, SoftBoundsPmax, Stepped
from .table import TableUpdate
from .thermal import Arrhenius
from .volatile import VolatileRetention
from .vteam import VTEAM
from .yakopcic import TwoBranch, Yakopcic

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
    "LogDrift",
    "LogarithmicPulses",
    "Mapping",
    "Memristor",
    "NonlinearPulses",
    "Offset",
    "PCMDrift",
    "PCMNoise",
    "Part",
    "PolynomialProgramming",
    "PooleFrenkelIV",
    "PowerDrift",
    "PowerIV",
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
    "Update",
    "VolatileRetention",
    "Wear",
    "Yakopcic",
    "ag_asi",
    "capacitor",
    "cmo_hfox",
    "cnr",
    "deng_fefet",
    "ecram",
    "fefet_32",
    "gokmen_vlasov",
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
