"""What neurons with conductance inputs share: their ports, and the step of a membrane under conductances that are held.

``C dv/dt = sum_j g_j (E_j - v) + i``. Over a slot conductances and currents are held; then ``v <- v + (v_inf - v) (1 - exp(-dt
G / C))`` with ``G = sum_j g_j`` and ``v_inf = (sum_j g_j E_j + i) / G`` is exact (exponential Euler).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...base.parameters import Port
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, StateTuple, Units
from ..integrals import lost


@dataclass(frozen=True)
class ConductanceNeuron(SpikingNeuron):
    """The base class of neurons with conductances ``exc`` and ``inh`` (S) and a ``current`` (A) as inputs.

    The neuron declares their reversal potentials, ``e_exc`` and ``e_inh`` (V), among its parameters.
    """

    ports = {"exc": Port("values", "S"), "inh": Port("values", "S"), "current": Port("values", "A")}

    def receive(self, state: StateTuple, jump: Units, p: Bag) -> StateTuple:
        return state  # there is no port for impulses


def relaxed(v: Units, g: Units, drive: Units, x: Bag, p: Bag, rate: Units) -> Units:
    """Return the voltage (V) after a slot.

    Args:
        v: the voltage at its start.
        g: the sum of the neuron's own conductances, S.
        drive: the sum of what they drive, each its conductance times its reversal potential, and of the neuron's own currents, A.
        x: the inputs of the ports.
        p: the parameters.
        rate: ``dt / C``, s/F.
    """
    total = g + x.exc + x.inh
    v_inf = (drive + x.exc * p.e_exc + x.inh * p.e_inh + x.current) / total
    return v + (v_inf - v) * lost(rate * total)
