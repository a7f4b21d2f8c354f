"""Axial coupling: the current between two neighbouring compartments, unit by unit, from which trees are built.

``dv_j/dt = ... + g (v_source,j - v_j)``, ``g`` the axial conductance over the capacitance of the target (1/s). A compartment is
any neuron: a `LeakyIntegrator` for a passive dendrite, a spiking neuron for the soma. Two of them are coupled by two
connections, one for each direction: ``source="dend", target="soma"`` and ``source="soma.v", target="dend"``. Each unit couples
with the unit of the same number.

The charge of a slot is ``(v_source - v) g dt spread((g + g_back) dt)`` with the voltages of its start, ``g_back`` being the g
of the other direction (see `integrals`): exact for two compartments that exchange charge alone, so that none is lost, and
stable at any dt for chains and for branches of up to three. Order 1 in dt together with leaks and other neighbours. Of passive
compartments, with v_source and the target at rest but for an input into one of them, ``dv/dt = M v`` gives the time constants:
equal compartments have tau, and ``1 / (1 / tau + g + g_back)`` for their difference.

For a tree in one group, exact at any dt, see `MultiCompartmentLIF`.

Source: Gerstner et al., *Neuronal Dynamics* (2014), sec. 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ...base.parameters import Kind, Value, param
from ...base.parameters.bag import Bag
from ..contract import Connection, Units
from ..integrals import spread


class CouplingCoeffs(NamedTuple):
    share: Units  # of the difference, what flows in a slot


@dataclass(frozen=True)
class AxialCoupling(Connection):
    """An axial conductance from each compartment of the source to the same unit of the target. In: values (V). Out: charge."""

    g: Value = param(100.0, unit="1/s", least=0.0, role="conductance")
    g_back: Value = param(100.0, unit="1/s", least=0.0, role="conductance")

    accepts: ClassVar[tuple[Kind, ...]] = ("values",)
    reads: ClassVar[tuple[str, ...]] = ("v",)
    one_to_one: ClassVar[bool] = True

    def discretise(self, p: Bag, dt: float) -> CouplingCoeffs:
        return CouplingCoeffs(p.g * dt * spread((p.g + p.g_back) * dt))

    def step(self, state: Any, x: Bag, p: Bag, c: CouplingCoeffs) -> tuple[Units, Any]:
        return (x.value - x.v) * c.share, state
