"""Devices with published constants, by name.

The resistive processing units here are those of the analogue training literature, where a weight w runs from w_min to w_max and
has no conductance: the window of 25 to 75 uS is a choice of this library, and makes room for bounds that differ by a third.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...base.parameters import Varied
from ..device import Device
from ..materials.cmo import cmo_hfox
from ..materials.hermes import hermes
from ..materials.hfo2 import hfo2_memory
from ..materials.phase_change import pcm
from ..materials.relaxation import reram_wan
from ..retention.power_law import state_independent
from ..retention.volatile import VolatileRetention
from ..update.logarithmic import cnr
from ..update.nonlinear import ag_asi, fefet_32
from ..update.stepped import ConstantStep, ExpStep, LinearStep, SoftBounds, Stepped
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


def _unit(name: str, update: Stepped, retention: VolatileRetention | None = None) -> Device:
    return Device(name=name, g_min=25e-6, g_max=75e-6, update=update, retention=retention)


def gokmen_vlasov() -> Device:
    """The processing unit that Gokmen & Vlasov (2016) ask for: constant steps, 1250 from end to end, 30 % noise and variation."""
    return _unit(
        "gokmen_vlasov",
        ConstantStep(
            step=Varied(0.0008, d2d=0.3),
            asymmetry=Varied(0.0, d2d_abs=0.01),
            top=Varied(1.0, d2d_abs=0.15),
            bottom=Varied(0.0, d2d_abs=0.15),
            noise=0.3,
        ),
    )


def reram_sb() -> Device:
    """ReRAM as soft bounds, a loose fit to Gong et al., Nat. Commun. 9:2102 (2018), w from -0.75 to 1.25, noise of 3.75 steps.

    The additional noise between what is written and what is seen (56 steps) is left out: this library has no hidden weight.
    """
    return _unit(
        "reram_sb",
        SoftBounds(
            step=Varied(0.001, d2d=0.3),
            asymmetry=Varied(0.0, d2d_abs=0.01),
            centre=0.375,
            top=Varied(1.0, d2d_abs=0.15),
            bottom=Varied(0.0, d2d_abs=0.15),
            noise=3.75,
            additive=True,
        ),
    )


def reram_es() -> Device:
    """ReRAM as exponential steps, fit to Gong et al., Nat. Commun. 9:2102 (2018), noise of 5 steps.

    What `reram_sb` leaves out is left out.
    """
    return _unit(
        "reram_es",
        ExpStep(
            step=Varied(0.000675, d2d=0.2),
            asymmetry=Varied(0.259359, d2d_abs=0.05),
            top=Varied(1.0, d2d_abs=0.15),
            bottom=Varied(0.0, d2d_abs=0.15),
            noise=5.0,
            a_up=-1.18445,
            a_down=-0.081404,
            gamma_up=5.0,
            gamma_down=5.0,
            slope=-0.5,
            offset=-0.5,
        ),
    )


def ecram() -> Device:
    """Lithium ECRAM as linear steps, fit to Tang et al., IEDM (2018), w from -0.8276 to 1.1724."""
    return _unit(
        "ecram",
        LinearStep(
            step=Varied(0.001, d2d=0.1),
            asymmetry=Varied(0.0, d2d_abs=0.01),
            centre=0.4138,
            top=Varied(1.0, d2d_abs=0.02931),
            bottom=Varied(0.0, d2d_abs=0.02069),
            gamma_up=Varied(0.1153, d2d_abs=0.05),
            gamma_down=Varied(0.5085, d2d_abs=0.05),
            noise=0.3,
        ),
    )


def capacitor(*, tau: float | None = None) -> Device:
    """A capacitor with current sources, as linear steps, fit to Li et al., VLSI (2018).

    Args:
        tau: s, of its leak to the middle of the window; None: it keeps its charge. The source gives the leak in training steps
            (10^6 mini-batches, 30 % variation), whose duration is the user's.
    """
    return _unit(
        "capacitor",
        LinearStep(
            step=Varied(0.0025, d2d=0.1),
            asymmetry=Varied(0.0, d2d_abs=0.06),
            top=Varied(1.0, d2d_abs=0.035),
            bottom=Varied(0.0, d2d_abs=0.035),
            gamma_up=Varied(0.05, d2d_abs=0.01),
            gamma_down=Varied(0.05, d2d_abs=0.01),
            noise=0.3,
            additive=True,
        ),
        None if tau is None else VolatileRetention(tau=Varied(tau, d2d=0.3), rest=0.5),
    )


def library() -> Mapping[str, Callable[..., Device]]:
    """The functions that make devices with published constants, by name."""
    made: tuple[Callable[..., Device], ...] = (
        ag_asi,
        capacitor,
        cmo_hfox,
        cnr,
        deng_fefet,
        ecram,
        fefet_32,
        gokmen_vlasov,
        hermes,
        hfo2_memory,
        kvatinsky_vteam,
        messaris_tio2,
        nb_srtio3,
        oblea_chalcogenide,
        pcm,
        reram_es,
        reram_sb,
        reram_wan,
        stanford_hfox,
        state_independent,
        strukov_tio2,
        usc_diffusive,
    )
    return {function.__name__: function for function in made}
