"""Memory devices: `contract` (the parts), `device` (a device and what can happen to it), one law a file, `library` by name.

Laws and published devices are loaded when they are first used: see `base/later.py`.
"""

import typing as _typing

from ..base.boundary import guard as _guard
from ..base.later import later as _later
from .assume import assume as assume
from .contract import IV as IV
from .contract import Endurance as Endurance
from .contract import Faults as Faults
from .contract import Part as Part
from .contract import Programming as Programming
from .contract import Pulse as Pulse
from .contract import ReadNoise as ReadNoise
from .contract import Retention as Retention
from .contract import Thermal as Thermal
from .contract import Update as Update
from .device import Device as Device
from .library.index import library as library
from .provenance import Origin as Origin
from .weights.mapping import BitSliced as BitSliced
from .weights.mapping import Differential as Differential
from .weights.mapping import Mapping as Mapping
from .weights.mapping import Offset as Offset

if _typing.TYPE_CHECKING:
    from .array.open_loop import OpenLoop as OpenLoop
    from .library.memristors import deng_fefet as deng_fefet
    from .library.memristors import kvatinsky_vteam as kvatinsky_vteam
    from .library.memristors import messaris_tio2 as messaris_tio2
    from .library.memristors import nb_srtio3 as nb_srtio3
    from .library.memristors import oblea_chalcogenide as oblea_chalcogenide
    from .library.memristors import stanford_hfox as stanford_hfox
    from .library.memristors import strukov_tio2 as strukov_tio2
    from .library.memristors import usc_diffusive as usc_diffusive
    from .library.phase_change_memory import hermes as hermes
    from .library.phase_change_memory import pcm as pcm
    from .library.phase_change_memory import state_independent as state_independent
    from .library.processing_units import capacitor as capacitor
    from .library.processing_units import ecram as ecram
    from .library.processing_units import gokmen_vlasov as gokmen_vlasov
    from .library.processing_units import reram_es as reram_es
    from .library.processing_units import reram_sb as reram_sb
    from .library.pulsed_synapses import ag_asi as ag_asi
    from .library.pulsed_synapses import cnr as cnr
    from .library.pulsed_synapses import fefet_32 as fefet_32
    from .library.pulsed_synapses import gong_2018 as gong_2018
    from .library.resistive_memory import cmo_hfox as cmo_hfox
    from .library.resistive_memory import hfo2_memory as hfo2_memory
    from .library.resistive_memory import reram_wan as reram_wan
    from .materials.cmo import CMODecay as CMODecay
    from .materials.cmo import CMONoise as CMONoise
    from .materials.hermes import HermesDrift as HermesDrift
    from .materials.hermes import HermesNoise as HermesNoise
    from .materials.hfo2 import HfO2Drift as HfO2Drift
    from .materials.phase_change import PCMDrift as PCMDrift
    from .materials.phase_change import PCMNoise as PCMNoise
    from .materials.relaxation import ReRAMRelaxation as ReRAMRelaxation
    from .memristor.data_driven import ExponentialWindow as ExponentialWindow
    from .memristor.data_driven import SquareWindow as SquareWindow
    from .memristor.diffusive import Diffusive as Diffusive
    from .memristor.fefet import FeFET as FeFET
    from .memristor.linear_ion_drift import LinearDrift as LinearDrift
    from .memristor.memristor import Memristor as Memristor
    from .memristor.stanford import Stanford as Stanford
    from .memristor.vteam import VTEAM as VTEAM
    from .memristor.yakopcic import TwoBranch as TwoBranch
    from .memristor.yakopcic import Yakopcic as Yakopcic
    from .parts.endurance import Wear as Wear
    from .parts.faults import Stuck as Stuck
    from .parts.iv import PooleFrenkelIV as PooleFrenkelIV
    from .parts.iv import PowerIV as PowerIV
    from .parts.iv import SinhIV as SinhIV
    from .parts.programming import GaussianProgramming as GaussianProgramming
    from .parts.programming import LevelProgramming as LevelProgramming
    from .parts.programming import PolynomialProgramming as PolynomialProgramming
    from .parts.programming import TwoStateProgramming as TwoStateProgramming
    from .parts.read_noise import AdditiveNoise as AdditiveNoise
    from .parts.read_noise import FlickerNoise as FlickerNoise
    from .parts.read_noise import MixedNoise as MixedNoise
    from .parts.read_noise import RelativeNoise as RelativeNoise
    from .parts.thermal import Arrhenius as Arrhenius
    from .retention.log_drift import LogDrift as LogDrift
    from .retention.power_law import PowerDrift as PowerDrift
    from .retention.power_law import PowerTrend as PowerTrend
    from .retention.volatile import VolatileRetention as VolatileRetention
    from .update.bounded import Bounded as Bounded
    from .update.log_bounded import LogBounded as LogBounded
    from .update.logarithmic import LogarithmicPulses as LogarithmicPulses
    from .update.nonlinear import NonlinearPulses as NonlinearPulses
    from .update.stepped import ConstantStep as ConstantStep
    from .update.stepped import ExpStep as ExpStep
    from .update.stepped import LinearStep as LinearStep
    from .update.stepped import SoftBounds as SoftBounds
    from .update.stepped import SoftBoundsPmax as SoftBoundsPmax
    from .update.stepped import Stepped as Stepped
    from .update.table import TableUpdate as TableUpdate
    from .update.unmeasured import Unmeasured as Unmeasured
else:
    _WHERE = {
        "VTEAM": "memristor.vteam",
        "AdditiveNoise": "parts.read_noise",
        "Arrhenius": "parts.thermal",
        "Bounded": "update.bounded",
        "CMODecay": "materials.cmo",
        "CMONoise": "materials.cmo",
        "ConstantStep": "update.stepped",
        "Diffusive": "memristor.diffusive",
        "ExpStep": "update.stepped",
        "ExponentialWindow": "memristor.data_driven",
        "FeFET": "memristor.fefet",
        "FlickerNoise": "parts.read_noise",
        "GaussianProgramming": "parts.programming",
        "HermesDrift": "materials.hermes",
        "HermesNoise": "materials.hermes",
        "HfO2Drift": "materials.hfo2",
        "LevelProgramming": "parts.programming",
        "LinearDrift": "memristor.linear_ion_drift",
        "LinearStep": "update.stepped",
        "LogBounded": "update.log_bounded",
        "LogDrift": "retention.log_drift",
        "LogarithmicPulses": "update.logarithmic",
        "Memristor": "memristor.memristor",
        "MixedNoise": "parts.read_noise",
        "NonlinearPulses": "update.nonlinear",
        "OpenLoop": "array.open_loop",
        "PCMDrift": "materials.phase_change",
        "PCMNoise": "materials.phase_change",
        "PolynomialProgramming": "parts.programming",
        "PooleFrenkelIV": "parts.iv",
        "PowerDrift": "retention.power_law",
        "PowerIV": "parts.iv",
        "PowerTrend": "retention.power_law",
        "ReRAMRelaxation": "materials.relaxation",
        "RelativeNoise": "parts.read_noise",
        "SinhIV": "parts.iv",
        "SoftBounds": "update.stepped",
        "SoftBoundsPmax": "update.stepped",
        "SquareWindow": "memristor.data_driven",
        "Stanford": "memristor.stanford",
        "Stepped": "update.stepped",
        "Stuck": "parts.faults",
        "TableUpdate": "update.table",
        "TwoBranch": "memristor.yakopcic",
        "TwoStateProgramming": "parts.programming",
        "Unmeasured": "update.unmeasured",
        "VolatileRetention": "retention.volatile",
        "Wear": "parts.endurance",
        "Yakopcic": "memristor.yakopcic",
        "ag_asi": "library.pulsed_synapses",
        "capacitor": "library.processing_units",
        "cmo_hfox": "library.resistive_memory",
        "cnr": "library.pulsed_synapses",
        "deng_fefet": "library.memristors",
        "ecram": "library.processing_units",
        "fefet_32": "library.pulsed_synapses",
        "gokmen_vlasov": "library.processing_units",
        "gong_2018": "library.pulsed_synapses",
        "hermes": "library.phase_change_memory",
        "hfo2_memory": "library.resistive_memory",
        "kvatinsky_vteam": "library.memristors",
        "messaris_tio2": "library.memristors",
        "nb_srtio3": "library.memristors",
        "oblea_chalcogenide": "library.memristors",
        "pcm": "library.phase_change_memory",
        "reram_es": "library.processing_units",
        "reram_sb": "library.processing_units",
        "reram_wan": "library.resistive_memory",
        "stanford_hfox": "library.memristors",
        "state_independent": "library.phase_change_memory",
        "strukov_tio2": "library.memristors",
        "usc_diffusive": "library.memristors",
    }
    __getattr__, __dir__, __all__ = _later(__name__, _WHERE)

_guard(__name__)
