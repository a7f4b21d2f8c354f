"""Conductances with a rise: an event opens a conductance whose peak is ``weight`` (S), into a neuron's port for conductances.

``dr/dt = -r / tau_rise``, ``dg/dt = (r - g) / tau``; an event adds ``weight / peak`` to r, where ``peak`` is the largest g that
r = 1 causes: g is largest where g = r, at ``t_peak = tau_rise / spread(q)``, ``q = ln(tau / tau_rise)``, so that
``peak = exp(-1 / spread(q))``. Over a slot, with ``z = dt / tau`` and ``z_r = dt / tau_rise``, all exact (see `integrals`): the
output is the mean of the conductance, ``g spread(z) + r z triple(z, z_r, 0)`` (as in `ConductanceExp`, with its order);
``g <- g e^-z + r z pair(z, z_r)``; ``r <- r e^-z_r``.

Source: Roth & van Rossum, Modeling synapses, in De Schutter (ed.), *Computational Modeling Methods for Neuroscientists* (2009).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from ..integrals import lost, pair, spread, triple
from .conductance_exponential import Conductance


class RisingState(NamedTuple):
    g: Connections  # S, conductance
    rise: Connections  # S, what it follows


class RisingCoeffs(NamedTuple):
    lost: Connections  # 1 - exp(-z)
    lost_rise: Connections  # 1 - exp(-z_r)
    gain: Connections  # 1 / peak
    feed: Connections  # of rise into g
    mean: Connections  # of the slot, per unit of g at its start
    mean_rise: Connections  # and per unit of rise


@dataclass(frozen=True)
class RisingConductance(Conductance):
    """The base class of conductances with a rise: everything but the two time constants."""

    states = declare_states(RisingState, g=State(0.0, unit="S"), rise=State(0.0, unit="S"))

    @abstractmethod
    def times(self, p: Bag) -> tuple[Tensor, Tensor]:
        """Return the time constants of decay and rise (s)."""

    def discretise(self, p: Bag, dt: float) -> RisingCoeffs:
        tau, tau_rise = self.times(p)
        z, r = dt / tau, dt / tau_rise
        zero = torch.zeros_like(z + r)
        peak = torch.exp(-1 / spread(torch.log(tau) - torch.log(tau_rise)))
        return RisingCoeffs(lost(z), lost(r), 1 / peak, z * pair(z, r), spread(z), z * triple(z, r, zero))

    def receive(self, state: RisingState, x: Bag, p: Bag, c: RisingCoeffs) -> RisingState:
        return RisingState(state.g, state.rise + x.value * c.gain)

    def step(self, state: RisingState, x: Bag, p: Bag, c: RisingCoeffs) -> tuple[Connections, RisingState]:
        g, rise = state
        return g * c.mean + rise * c.mean_rise, RisingState(g - g * c.lost + rise * c.feed, rise - rise * c.lost_rise)


@dataclass(frozen=True)
class ConductanceAlpha(RisingConductance):
    """A synapse with a conductance ``weight (t / tau) exp(1 - t / tau)``. In: events. Out: conductance (S).

    It is the conductance with a rise whose two time constants are equal. The output is the mean over the slot.
    """

    tau: Value = param(5e-3, unit="s", above=0.0, role="time constant")

    def times(self, p: Bag) -> tuple[Tensor, Tensor]:
        return p.tau, p.tau


@dataclass(frozen=True)
class ConductanceDoubleExp(RisingConductance):
    """A synapse with a double-exponential conductance. In: events. Out: conductance (S), its mean over the slot."""

    tau: Value = param(10e-3, unit="s", above=0.0, role="time constant")
    tau_rise: Value = param(2e-3, unit="s", above=0.0, role="time constant")

    def times(self, p: Bag) -> tuple[Tensor, Tensor]:
        return p.tau, p.tau_rise
