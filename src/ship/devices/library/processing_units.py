"""Published resistive processing units, for training in memory by equal pulses.

They are those of the analogue training literature, where a weight w runs from w_min to w_max and has no conductance: the window
of 25 to 75 uS is a choice of this library, and makes room for bounds that differ by a third. Their laws are in
`ship.devices.update.stepped`.
"""

from __future__ import annotations

from ...base.parameters import Varied
from ..device import Device
from ..retention.volatile import VolatileRetention
from ..update.stepped import ConstantStep, ExpStep, LinearStep, SoftBounds, Stepped


def _unit(name: str, update: Stepped, retention: VolatileRetention | None = None) -> Device:
    return Device(name=name, g_min=25e-6, g_max=75e-6, update=update, retention=retention)


def gokmen_vlasov() -> Device:
    """Make the unit that Gokmen & Vlasov (2016) ask for: constant steps, 1250 from end to end, 30 % noise and variation."""
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
    """Make a ReRAM as soft bounds, a loose fit to Gong et al., Nat. Commun. 9:2102 (2018).

    There, w runs from -0.75 to 1.25, and the noise is 3.75 steps.

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
    """Make a ReRAM as exponential steps, fit to Gong et al., Nat. Commun. 9:2102 (2018), noise of 5 steps.

    It leaves out what `reram_sb` leaves out.
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
    """Make a lithium ECRAM as linear steps, fit to Tang et al., IEDM (2018), w from -0.8276 to 1.1724."""
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
    """Make a capacitor with current sources, as linear steps, fit to Li et al., VLSI (2018).

    Args:
        tau: the time constant (s) of its leak to the middle of the window; None: it keeps its charge. The source gives the leak
            in training steps (10^6 mini-batches, 30 % variation), whose duration is the user's.
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
