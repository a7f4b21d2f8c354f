"""Memory devices: `contract` (the parts), `device` (a device and what can happen to it), one law a file."""

from .bounded import Bounded
from .contract import IV, Endurance, Faults, Part, Programming, Pulse, ReadNoise, Retention, Thermal, Update
from .data_driven import ExponentialWindow, SquareWindow
from .device import Device
from .diffusive import Diffusive
from .fefet import FeFET
from .linear_drift import LinearDrift
from .mapping import BitSliced, Differential, Mapping, Offset
from .memristor import Memristor
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
from .stanford import Stanford
from .vteam import VTEAM
from .yakopcic import TwoBranch, Yakopcic

__all__ = [
    "IV",
    "VTEAM",
    "BitSliced",
    "Bounded",
    "Device",
    "Differential",
    "Diffusive",
    "Endurance",
    "ExponentialWindow",
    "Faults",
    "FeFET",
    "LinearDrift",
    "Mapping",
    "Memristor",
    "Offset",
    "Part",
    "Programming",
    "Pulse",
    "ReadNoise",
    "Retention",
    "SquareWindow",
    "Stanford",
    "Thermal",
    "TwoBranch",
    "Update",
    "Yakopcic",
    "deng_fefet",
    "kvatinsky_vteam",
    "messaris_tio2",
    "nb_srtio3",
    "oblea_chalcogenide",
    "stanford_hfox",
    "strukov_tio2",
    "usc_diffusive",
]
