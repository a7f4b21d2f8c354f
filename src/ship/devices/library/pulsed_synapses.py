"""Published synaptic devices that learn by equal pulses: Ag:a-Si, a ferroelectric transistor, and HfO2.

Their laws, with equations and sources, are in `ship.devices.update`: `nonlinear` (NeuroSim) and `logarithmic` (CNR).
"""

from __future__ import annotations

from ..device import Device
from ..update.logarithmic import LogarithmicPulses
from ..update.nonlinear import NonlinearPulses


def ag_asi() -> Device:
    """Make the Ag:a-Si memristor, MLP+NeuroSim's default: 97 pulses up, 100 down, NL 2.4 and -4.88, noise 3.5 % of the window."""
    return Device(
        name="ag_asi",
        g_min=3.0769e-9,
        g_max=38.462e-9,
        v_set=3.2,
        v_reset=-2.8,
        t_write=300e-6,
        update=NonlinearPulses(nl_up=2.4, nl_down=4.88, pulses_up=97.0, pulses_down=100.0, noise=0.035),
    )


def fefet_32(*, g_min: float = 1e-6, g_max: float = 100e-6) -> Device:
    """Make a FeFET with 32 levels, NL 1.75 and 1.46, noise 0.3 % (DNN+NeuroSim 2.1); published for weights, without a window.

    Args:
        g_min, g_max: the window, S, which is the caller's choice.
    """
    return Device(
        name="fefet_32",
        g_min=g_min,
        g_max=g_max,
        update=NonlinearPulses(nl_up=1.75, nl_down=1.46, pulses_up=32.0, pulses_down=32.0, noise=0.003),
    )


def cnr(*, dispersion: bool = True) -> Device:
    """Make the HfO2 device of CNR, from 2681.56 Ohm (the end of potentiation) to 6031.56 Ohm (where it starts).

    Args:
        dispersion: whether pulses scatter as fitted (C_p 286, D_p 17, D_d 139 Ohm).
    """
    c_p, d_p, d_d = (286.0, 17.0, 139.0) if dispersion else (0.0, 0.0, 0.0)
    return Device(name="cnr", g_min=1 / 6031.56, g_max=1 / 2681.56, update=LogarithmicPulses(c_p=c_p, d_p=d_p, d_d=d_d))
