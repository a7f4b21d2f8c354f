"""Memory devices: `contract` (the parts), `device` (a device and what can happen to it), one law a file."""

from .bounded import Bounded
from .contract import IV, Endurance, Faults, Part, Programming, Pulse, ReadNoise, Retention, Thermal, Update
from .device import Device
from .mapping import BitSliced, Differential, Mapping, Offset

__all__ = [
    "IV",
    "BitSliced",
    "Bounded",
    "Device",
    "Differential",
    "Endurance",
    "Faults",
    "Mapping",
    "Offset",
    "Part",
    "Programming",
    "Pulse",
    "ReadNoise",
    "Retention",
    "Thermal",
    "Update",
]
