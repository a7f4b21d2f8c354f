"""Dendrite with plateau potentials: coinciding inputs start a plateau of fixed duration, as NMDA spikes do.

``tau dv/dt = -v + tau i(t)`` until v >= v_th; then a plateau starts: a current ``level`` (V/s) flows into the soma for
``duration``, while v stands at 0 and what arrives is lost. After it the dendrite integrates again. So inputs count together if
they arrive within some tau, and once over the threshold their number and timing no longer matter. In slot k:

at t_k          1. impulses   ``v <- v + jump``, lost during a plateau
                2. compare    a plateau starts where ``v >= v_th``
over the slot   3. output     the charge ``level dt`` during a plateau, which includes this slot
                4. decay      ``v <- v (1 - lost) + charge spread``, exact for any dt (see `integrals`)

A plateau lasts ``floor(duration / dt + 1/2)`` slots; one of less than half a slot does not happen. Its clock counts slots, so
that errors do not add up, and is converted where dt changes, so that it keeps the declared seconds. A dendrite may be the
target of another one: a plateau then helps the next one to start, so that a chain detects a sequence. The gradient goes through
the start of a plateau, by the surrogate, and not through its end.

Sources: Bouhadjar et al., PLoS Comput. Biol. 18:e1010233 (2022), and Jahnke, Timme & Memmesheimer, Phys. Rev. X 2:041016 (2012),
for a rectangular dendritic action potential that starts where the dendritic input passes a threshold; Leugering, Nieters & Pipa,
Front. Cognit. 2:1044216 (2023), for plateaus in chains and their duration, 100 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import Kind, Port, State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import HALF, Connection, Units
from ..integrals import lost, spread
from ..surrogate import FastSigmoid, Surrogate


class PlateauState(NamedTuple):
    v: Units  # V
    on: Units  # 1 during a plateau, else 0
    left: Units  # slots and a fraction, what is still to come of the plateau
    grid: Units  # slots in a plateau, for the dt in which `left` counts


class PlateauCoeffs(NamedTuple):
    lost: Units  # 1 - exp(-dt / tau)
    spread: Units
    slots: Units  # duration / dt
    charge: Units  # V, charge of a slot of plateau


@dataclass(frozen=True)
class PlateauDendrite(Connection):
    """A dendrite with plateau potentials, for each unit of its target. In: impulses (V), charge (V per slot). Out: charge."""

    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant", infinite=True)
    v_th: Value = param(1.0, unit="V", role="threshold", above=0.0)
    duration: Value = param(100e-3, unit="s", above=0.0, role="plateau", gradient=False)
    level: Value = param(10.0, unit="V/s", role="plateau")
    surrogate: Surrogate = option(FastSigmoid())

    accepts: ClassVar[tuple[Kind, ...]] = ()
    one_to_one: ClassVar[bool] = True
    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}
    states = declare_states(PlateauState, v=State(0.0, unit="V"), on=State(0.0), left=State(0.0), grid=State(0.0))

    def discretise(self, p: Bag, dt: float) -> PlateauCoeffs:
        z = dt / p.tau
        return PlateauCoeffs(lost(z), spread(z), p.duration / dt, dt * p.level)

    def receive(self, state: PlateauState, x: Bag, p: Bag, c: PlateauCoeffs) -> PlateauState:
        v, on, left, grid = state
        busy = on > 0
        v = torch.where(busy, v, v + x.impulse)
        # A plateau shorter than half a slot would have no slot.
        starts = torch.where(busy | (c.slots < HALF), torch.zeros_like(v), self.surrogate(v - p.v_th))
        begins = starts > 0
        return PlateauState(
            torch.where(begins, torch.zeros_like(v), v),
            on + starts,
            torch.where(begins, c.slots, left),
            torch.where(begins, c.slots, grid),
        )

    def step(self, state: PlateauState, x: Bag, p: Bag, c: PlateauCoeffs) -> tuple[Units, PlateauState]:
        v, on, left, grid = state
        busy = on > 0
        other = busy & (grid != c.slots)  # it began with another dt
        left = torch.where(other, left * (c.slots / torch.where(other, grid, torch.ones_like(grid))), left) - 1
        ends = left < HALF
        passive = v - v * c.lost + x.charge * c.spread
        return c.charge * on, PlateauState(
            torch.where(busy, v, passive),
            torch.where(ends, torch.zeros_like(on), on),
            left.clamp(min=0.0),
            torch.where(ends, torch.zeros_like(grid), c.slots),
        )
