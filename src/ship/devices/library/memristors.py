"""Published memristors, each with a read that it bears and pulses that move it by a small part of its window.

============================  =======================  ==============  =====================================================
device                        window                   read            standard pulses up, down
============================  =======================  ==============  =====================================================
`strukov_tio2`                62.5 uS to 10 mS         1 mV, 100 ns    1 V, -1 V for 10 ms (linear drift, Biolek's window)
`kvatinsky_vteam`             1 mS to 20 mS            10 mV, 100 ns   -212 mV, 100 mV for 100 ns: 7 % of the border's way
`oblea_chalcogenide`          0 to 8.5 mS              0.1 V, 100 ns   0.25 V, -0.25 V for 100 us: 4 %
`nb_srtio3`                   104 uS to 446 uS         0.1 V, 1 ms     1 V, -2 V for 100 ms
`stanford_hfox`               4.5 uS to 1.8 mS         0.1 V, 10 ns    1.4 V, -1.4 V for 10 ns; abrupt below a gap of 0.8 nm
`messaris_tio2`               42 uS to 563 uS          0.1 V, 1 us     -1.2 V, 0.9 V for 100 us; a read disturbs it
`deng_fefet`                  1 uS to 100 uS           0.1 V, 100 ns   2 V, -2 V for 20 ns: random, 21 levels
`usc_diffusive`               0.1 nS to 59 uS          0.1 V, 1 us     1 V, 1 V for 10 ms; volatile, no pulse lowers it
============================  =======================  ==============  =====================================================

A pulse up raises the conductance, whatever its sign. The amplitudes are choices, not part of the published models.
"""

from __future__ import annotations

from ..device import Device
from ..memristor.data_driven import ExponentialWindow
from ..memristor.diffusive import Diffusive
from ..memristor.fefet import FeFET
from ..memristor.linear_ion_drift import LinearDrift
from ..memristor.stanford import Stanford
from ..memristor.vteam import VTEAM
from ..memristor.yakopcic import TwoBranch, Yakopcic


def strukov_tio2() -> Device:
    """Make a TiO2 memristor with linear ion drift; without a threshold: a read with 1 mV moves it by at most 1e-8 of its way."""
    return Device(
        name="strukov_tio2",
        update=LinearDrift(window_function="biolek"),
        v_read=1e-3,
        t_read=100e-9,
        v_set=1.0,
        v_reset=-1.0,
        t_write=10e-3,
    )


def kvatinsky_vteam() -> Device:
    """Make VTEAM's default device; it is read at half its lower threshold, which disturbs nothing."""
    return Device(name="kvatinsky_vteam", update=VTEAM(), v_read=10e-3, v_set=-0.212, v_reset=0.1, t_write=100e-9)


def oblea_chalcogenide() -> Device:
    """Make an Ag chalcogenide memristor; it is read below its thresholds of 0.15 V."""
    return Device(name="oblea_chalcogenide", update=Yakopcic(), v_read=0.1, v_set=0.25, v_reset=-0.25, t_write=100e-6)


def nb_srtio3() -> Device:
    """Make an Nb:SrTiO3 interface memristor; it is read below its thresholds of 0.5 V."""
    return Device(name="nb_srtio3", update=TwoBranch(), v_read=0.1, t_read=1e-3, v_set=1.0, v_reset=-2.0, t_write=0.1)


def stanford_hfox() -> Device:
    """Make a device with an HfOx filament; voltages below 1.05 V move nothing, whatever the gap."""
    return Device(name="stanford_hfox", update=Stanford(), v_read=0.1, t_read=10e-9, v_set=1.4, v_reset=-1.4, t_write=10e-9)


def messaris_tio2() -> Device:
    """Make a TiO2 ReRAM; pulses below 0 V raise the conductance."""
    return Device(
        name="messaris_tio2", update=ExponentialWindow(), v_read=0.1, t_read=1e-6, v_set=-1.2, v_reset=0.9, t_write=100e-6
    )


def deng_fefet() -> Device:
    """Make a ferroelectric transistor of 20 domains."""
    return Device(name="deng_fefet", update=FeFET(), g_min=1e-6, g_max=100e-6, v_read=0.1, v_set=2.0, v_reset=-2.0, t_write=20e-9)


def usc_diffusive() -> Device:
    """Make a diffusive memristor: pulses of either sign raise its conductance, time lowers it."""
    return Device(name="usc_diffusive", update=Diffusive(), v_read=0.1, t_read=1e-6, v_set=1.0, v_reset=1.0, t_write=10e-3)
