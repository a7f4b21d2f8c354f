"""Published synaptic devices that learn by equal pulses: Ag:a-Si, a ferroelectric transistor, and two of HfO2.

Their laws, with equations and sources, are in `ship.devices.update`: `nonlinear` (NeuroSim) and `logarithmic` (CNR).
"""

from __future__ import annotations

from ..device import Device
from ..parts.read_noise import AdditiveNoise
from ..provenance import DEFAULT, FACTS, MISSING, NUMBERS, Origin
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


GONG = "Gong et al., Nat. Commun. 9:2102 (2018)"


def gong_2018(*, g_min: float = 1e-6, g_max: float = 100e-6) -> Device:
    """Make a resistive memory with the law of the pulses published by Gong et al. (2018); normalised, so without a window.

    The law is fitted to 1000 pulses up and 1000 pulses down of one device of Gong et al., Nat. Commun. 9:2102 (2018), as IBM's
    analog hardware kit (aihwkit, MIT licence) has them among its examples: numbers from -1.36 to 1.41, without a unit. Made by
    ``ship.fit("gong_potentiation_depression.csv", unit="normalised", ...)`` with 200 replicates: of five laws the exponential
    one (`NonlinearPulses`) is the likeliest, with a residual of 8.4 % of the window and a systematic deviation of 2.6 %.

    ============  =======  ==================  ================================================
    NL up         -1.18    -2.29 to -0.24      (95 % of the replicates)
    NL down       3.22     2.49 to 3.71
    step noise    0        0 to 0.42 %         of the window, each pulse
    read noise    9.5 %    8.4 to 10.5 %       of the window, each read
    ============  =======  ==================  ================================================

    Nothing else was published for this device in numbers that can be used here: voltages and widths of its pulses are defaults,
    and one device tells no spread from device to device.

    Args:
        g_min, g_max: the window, S, which is the caller's choice.
    """
    digest = "ad89318fec36b222391ce516eed69f23ebcc1f385dfc43c2feec7755a044bc98"
    measured = Origin("measured", "fit of ship, law exponential", "pulses", GONG, digest, "1000 pulses up, 1000 down")
    chosen = Origin("assumed", "the publication is normalised: the caller's choice")
    origins = {name: DEFAULT if name in NUMBERS else MISSING for name in FACTS}
    origins |= {"g_min": chosen, "g_max": chosen} | dict.fromkeys(("update", "noise", "c2c"), measured)
    return Device(
        name="gong_2018",
        g_min=g_min,
        g_max=g_max,
        update=NonlinearPulses(nl_up=-1.18, nl_down=3.22, pulses_up=1000.0, pulses_down=1000.0),
        noise=AdditiveNoise(sigma=0.095 * (g_max - g_min)),
        origins=origins,
    )
