"""The index of the published devices: the functions that make them, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..device import Device


def library() -> Mapping[str, Callable[..., Device]]:
    """Return the functions that make devices with published constants, by name."""
    from .memristors import (
        deng_fefet,
        kvatinsky_vteam,
        messaris_tio2,
        nb_srtio3,
        oblea_chalcogenide,
        stanford_hfox,
        strukov_tio2,
        usc_diffusive,
    )
    from .phase_change_memory import hermes, pcm, state_independent
    from .processing_units import capacitor, ecram, gokmen_vlasov, reram_es, reram_sb
    from .pulsed_synapses import ag_asi, cnr, fefet_32, gong_2018
    from .resistive_memory import cmo_hfox, hfo2_memory, reram_wan

    made: tuple[Callable[..., Device], ...] = (
        ag_asi,
        capacitor,
        cmo_hfox,
        cnr,
        deng_fefet,
        ecram,
        fefet_32,
        gokmen_vlasov,
        gong_2018,
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
