"""Izhikevich's simple neuron: a quadratic voltage and a recovery variable.

``dv/dt = 0.04 v^2 + 5 v + 140 - u + I``, ``du/dt = a (b v - u)``; spike where ``v >= 30``: ``v <- c``, ``u <- u + d``, as
published in millivolt and millisecond. Here everything is SI: v is in V, and u and I are in V/s, which has the same number as
mV/ms. So with V and s ``dv/dt = 4e4 v^2 + 5e3 v + 140 - u + I``; ``a`` and ``b`` are in 1/s, a thousand times the published
numbers, ``c`` in V a thousandth, and ``d`` in V/s the same number. `Izhikevich.published` gives the published sets so.

method "exact"      u over half a slot, v exactly over the slot (the quadratic equation with u held, `quadratic_flow`), u over the
                    other half: order 2 in dt below the peak, right in the limit of any dt. Spikes at infinity are seen.
method "published"  the update of the published program: two half steps of v by Euler, then u by Euler with the new v. With
                    dt = 1 ms it is the published model, number for number, which depends on dt. Refused above 2 ms: at rest
                    (-70 mV, slope -600 1/s) Euler's steps are then too long.

v starts at -65 mV and u at -13 V/s, as in the published program with b = 0.2.

Source: Izhikevich, IEEE Trans. Neural Netw. 14:1569 (2003), with its program and Figure 2; Pauli et al., Front. Neuroinform.
12:46 (2018), on what the update changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import Port, State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, Units
from ..integrals import lost
from .peaked import topped
from .quadratic import quadratic_flow

SQUARE, SLOPE, LEVEL = 4e4, 5e3, 140.0  # 1/(V s), 1/s, V/s
MIDDLE = -SLOPE / (2 * SQUARE)  # V, the bottom of the parabola: -62.5 mV
BOTTOM = LEVEL / SQUARE - MIDDLE**2  # V^2
LONGEST = 2e-3  # s
PUBLISHED = {  # a and b in 1/ms, c in mV, d in mV/ms
    "RS": (0.02, 0.2, -65.0, 8.0),  # regular spiking
    "IB": (0.02, 0.2, -55.0, 4.0),  # intrinsically bursting
    "CH": (0.02, 0.2, -50.0, 2.0),  # chattering
    "FS": (0.1, 0.2, -65.0, 2.0),  # fast spiking
    "LTS": (0.02, 0.25, -65.0, 2.0),  # low-threshold spiking
    "TC": (0.02, 0.25, -65.0, 0.05),  # thalamo-cortical
    "RZ": (0.1, 0.26, -65.0, 2.0),  # resonator
}


class IzhikevichState(NamedTuple):
    v: Units  # V
    u: Units  # V/s


class IzhikevichCoeffs(NamedTuple):
    dt: Units  # s
    lost: Units  # of u: 1 - exp(-a dt / 2), or a dt by Euler


@dataclass(frozen=True)
class Izhikevich(SpikingNeuron):
    """Izhikevich's simple neuron, in SI units. In: impulses (V) and charge (V per slot). Out: events, 0 or 1.

    A constant current of 10 V/s is the published I = 10. ``ship.Izhikevich.published("RS")`` gives the published parameters.
    """

    a: Value = param(20.0, unit="1/s", above=0.0, role="adaptation")
    b: Value = param(200.0, unit="1/s", role="adaptation")
    c: Value = param(-65e-3, unit="V", role="voltage")
    d: Value = param(8.0, unit="V/s", role="adaptation")
    v_peak: Value = param(30e-3, unit="V", role="voltage")
    method: str = option("exact", choices=("exact", "published"))

    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}
    states = declare_states(IzhikevichState, v=State(-65e-3, unit="V", held=True), u=State(-13.0, unit="V/s"))

    @classmethod
    def published(cls, kind: str) -> dict[str, float]:
        """Return the published parameters of a kind of neuron, in SI units.

        Args:
            kind: "RS" (regular spiking), "IB" (intrinsically bursting), "CH" (chattering), "FS" (fast spiking), "LTS"
            (low-threshold
                spiking), "TC" (thalamo-cortical) or "RZ" (resonator).

        Raises:
            ParameterError: there is no such kind.
        """
        if kind not in PUBLISHED:
            raise ParameterError(
                "Izhikevich.published", f"must be one of {', '.join(map(repr, PUBLISHED))}", got=repr(kind), fix="E.g. 'RS'."
            )
        a, b, c, d = PUBLISHED[kind]
        return {"a": round(1e3 * a, 9), "b": round(1e3 * b, 9), "c": round(1e-3 * c, 9), "d": d}

    def discretise(self, p: Bag, dt: float) -> IzhikevichCoeffs:
        if self.method == "published" and dt > LONGEST:
            raise ParameterError(
                "Izhikevich.method",
                f"'published' takes Euler steps and needs slots of at most {LONGEST:g} s",
                got=f"dt = {dt:g} s",
                fix="Use dt=1e-3, as published, or method='exact', which holds for any dt.",
            )
        share = p.a * dt if self.method == "published" else lost(p.a * dt / 2)
        return IzhikevichCoeffs(torch.full_like(p.a, dt), share)

    def receive(self, state: IzhikevichState, jump: Units, p: Bag) -> IzhikevichState:
        return state._replace(v=state.v + jump)

    def margin(self, state: IzhikevichState, p: Bag) -> Units:
        return state.v - p.v_peak

    def reset(self, state: IzhikevichState, fired: Units, p: Bag) -> IzhikevichState:
        return IzhikevichState(torch.where(fired, p.c, state.v), torch.where(fired, state.u + p.d, state.u))

    def evolve(self, state: IzhikevichState, x: Bag, p: Bag, c: IzhikevichCoeffs) -> IzhikevichState:
        v, u = state
        current = x.charge / c.dt
        if self.method == "published":
            for _ in range(2):
                v = v + c.dt / 2 * (SQUARE * v * v + SLOPE * v + LEVEL - u + current)
            # The published program lets v run on beyond its peak; the slot's end is at the next comparison, where it is reset.
            return IzhikevichState(v, u + c.lost * (p.b * v - u))
        u = u + (p.b * v - u) * c.lost
        off = v - MIDDLE
        outer = (current - u) / SQUARE
        change, passed = quadratic_flow(off * off + BOTTOM + outer, off, BOTTOM + outer, SQUARE * c.dt)
        v = topped(v + change, passed, p.v_peak, p.c)
        return IzhikevichState(v, u + (p.b * v - u) * c.lost)
