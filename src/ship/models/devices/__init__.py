"""Memory devices: `contract` (the parts), `device` (a device and what can happen to it), one law a file, `library` by name."""

from .bounded import Bounded
from .cmo import CMODecay, CMONoise, cmo_hfox
from .contract import IV, Endurance, Faults, Part, Programming, Pulse, ReadNoise, Retention, Thermal, Update
from .device import Device
from .endurance import Wear
from .faults import Stuck
from .hermes import HermesDrift, HermesNoise, hermes
from .hfo2 import HfO2Drift, hfo2_memory
from .iv import PooleFrenkelIV, PowerIV, SinhIV
from .library import capacitor, ecram, gokmen_vlasov, library, reram_es, reram_sb
from .logarithmic import LogarithmicPulses, cnr
from .neurosim import NonlinearPulses, ag_asi, fefet_32
from .phase_change import PCMDrift, PCMNoise, pcm
from .power_law import PowerDrift, state_independent
from .programming import GaussianProgramming, LevelProgramming, PolynomialProgramming
from .read_noise import AdditiveNoise, FlickerNoise, RelativeNoise
from .relaxation import ReRAMRelaxation, reram_wan
from .stepped import ConstantStep, ExpStep, LinearStep, SoftBounds, SoftBoundsPmax, Stepped
from .table import TableUpdate
from .thermal import Arrhenius
from .volatile import VolatileRetention

__all__ = [
    "IV",
    "AdditiveNoise",
    "Arrhenius",
    "Bounded",
    "CMODecay",
    "CMONoise",
    "ConstantStep",
    "Device",
    "Endurance",
    "ExpStep",
    "Faults",
    "FlickerNoise",
    "GaussianProgramming",
    "HermesDrift",
    "HermesNoise",
    "HfO2Drift",
    "LevelProgramming",
    "LinearStep",
    "LogarithmicPulses",
    "NonlinearPulses",
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
    "Stepped",
    "Stuck",
    "TableUpdate",
    "Thermal",
    "Update",
    "VolatileRetention",
    "Wear",
    "ag_asi",
    "capacitor",
    "cmo_hfox",
    "cnr",
    "ecram",
    "fefet_32",
    "gokmen_vlasov",
    "hermes",
    "hfo2_memory",
    "library",
    "pcm",
    "reram_es",
    "reram_sb",
    "reram_wan",
    "state_independent",
]
