"""Dendritic compartment between synapses and a soma: a leaky membrane whose saturating current drives the soma.

``tau dv/dt = -v + tau i(t)``; the current into the soma is ``g v_sat tanh(v / v_sat)`` (V/s), ``g v`` where ``v_sat`` is
infinite. The charge of a slot is the trapezium of the current at its two ends (second order). The soma does not act back on the
dendrite.
In the linear case an impulse of charge q gives the soma the double exponential of ``tau`` and its own time constant.

Source: passive two-compartment reduction, Gerstner et al., *Neuronal Dynamics* (2014), sec. 3.2; the saturation is that of a
synapse near its reversal potential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

from ...base.parameters import Kind, Port, State, Value, param
from ...base.parameters.bag import Bag
from ..contract import Connection, Units
from ..integrals import lost, spread


class DendriteState(NamedTuple):
    v: Units  # V


class DendriteCoeffs(NamedTuple):
    lost: Units
    spread: Units
    half: Units  # 1, half a slot times g


@dataclass(frozen=True)
class Dendrite(Connection):
    """A dendritic compartment for each unit of its target. In: impulses (V), charge (V per slot). Out: charge (V per slot)."""

    tau: Value = param(10e-3, unit="s", above=0.0, role="time constant")
    g: Value = param(100.0, unit="1/s", above=0.0, role="conductance")
    v_sat: Value = param(float("inf"), unit="V", above=0.0, role="voltage", gradient=False, infinite=True)

    accepts: ClassVar[tuple[Kind, ...]] = ()
    one_to_one: ClassVar[bool] = True
    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}
    states = DendriteState(v=State(0.0, unit="V"))  # type: ignore[arg-type]

    def discretise(self, p: Bag, dt: float) -> DendriteCoeffs:
        z = dt / p.tau
        return DendriteCoeffs(lost(z), spread(z), 0.5 * dt * p.g)

    def receive(self, state: DendriteState, x: Bag, p: Bag, c: DendriteCoeffs) -> DendriteState:
        return DendriteState(state.v + x.impulse)

    def step(self, state: DendriteState, x: Bag, p: Bag, c: DendriteCoeffs) -> tuple[Units, DendriteState]:
        v = state.v - state.v * c.lost + x.charge * c.spread
        return c.half * (saturated(state.v, p.v_sat) + saturated(v, p.v_sat)), DendriteState(v)


def saturated(v: Units, v_sat: Units) -> Units:
    """Compute ``v_sat tanh(v / v_sat)``; v itself where v_sat is infinite."""
    finite = torch.isfinite(v_sat)
    bound = torch.where(finite, v_sat, torch.ones_like(v_sat))
    return torch.where(finite, bound * torch.tanh(v / bound), v)
