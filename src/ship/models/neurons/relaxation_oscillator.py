"""Relaxation oscillator: a volatile threshold switch in parallel with a capacitor.

``C dv/dt = i(t) + (V - v) / R_load - v / R``: the capacitor is charged by a current i, or by a supply V through a load
resistor, and discharged by the switch, whose resistance R is R_off until v reaches v_th, then R_on until v has fallen to
v_hold. A spike is a switching on.

Within a slot i and V are constant and v is piecewise exponential, ``v <- v + (v_inf - v) (1 - exp(-t / tau))`` with
``1 / tau = (1 / R + 1 / R_load) / C``, and it meets its next switching after ``tau ln((v_inf - v) / (v_inf - v_switch))``. Up to
two switchings in a slot are followed exactly, wherever they lie in it: a discharge may be far shorter than a slot. The period is
exact,

``T = tau_off ln((v_off - v_hold) / (v_off - v_th)) + tau_on ln((v_th - v_on) / (v_hold - v_on))``, v_off and v_on the two v_inf,

for slots shorter than T; a switching on is stamped with the end of its slot, and there is at most one in a slot. The unit is
silent where v_off <= v_th (the current does not reach the threshold), and stays on where v_on >= v_hold (it latches).

The refractory time t_ref mutes spikes only; the circuit goes on meanwhile.

Sources: Pickett, Medeiros-Ribeiro & Williams, Nat. Mater. 12:114 (2013), for switches and capacitors as neurons; Parihar, Jerry,
Datta & Raychowdhury, Front. Neurosci. 12:210 (2018), for the piecewise linear circuit with a load. The defaults are round
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import Port, State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, Units
from ..integrals import lost

PIECES = 3  # of the orbit in a slot: two switchings are all that there can be in less than a period


class OscillatorState(NamedTuple):
    v: Units  # V
    on: Units  # 1 while the switch is on, else 0
    peak: Units  # V, the highest voltage that the last slot led to, or would have without a switching


class OscillatorCoeffs(NamedTuple):
    z_off: Units  # dt / tau with the switch off
    z_on: Units
    r_off: Units  # ohm, of the switch and the load in parallel
    r_on: Units
    g_load: Units  # S


@dataclass(frozen=True)
class RelaxationOscillator(SpikingNeuron):
    """A capacitor in parallel with a volatile threshold switch. In: ``current`` (A), ``supply`` (V). Out: events, 0 or 1."""

    c_m: Value = param(100e-12, unit="F", above=0.0, role="capacitance")
    r_off: Value = param(100e3, unit="ohm", above=0.0, role="resistance")
    r_on: Value = param(1e3, unit="ohm", above=0.0, role="resistance")
    r_load: Value = param(float("inf"), unit="ohm", above=0.0, role="resistance", gradient=False, infinite=True)
    v_th: Value = param(1.0, unit="V", role="threshold")
    v_hold: Value = param(0.5, unit="V", role="threshold")

    ports = {
        "current": Port("values", "A"),
        "supply": Port("values", "V", "the voltage at the far end of the load resistor"),
    }
    states = declare_states(OscillatorState, v=State(0.0, unit="V"), on=State(0.0), peak=State("v_hold", unit="V"))

    def check(self, where: str, p: Bag) -> None:
        for name, low, high, of in (("v_hold", p.v_hold, p.v_th, "v_th"), ("r_on", p.r_on, p.r_off, "r_off")):
            low, high = torch.broadcast_tensors(low, high)
            bad = low >= high
            if bool(bad.any()):
                raise ParameterError(
                    f"{where}.{name}",
                    f"must be below {of}",
                    got=f"{float(low[bad][0]):g} with {of} = {float(high[bad][0]):g}",
                    fix="A switch that turns on at v_th and off at v_hold needs both.",
                )

    def discretise(self, p: Bag, dt: float) -> OscillatorCoeffs:
        g_load = 1 / p.r_load
        g_off, g_on = 1 / p.r_off + g_load, 1 / p.r_on + g_load
        return OscillatorCoeffs(dt * g_off / p.c_m, dt * g_on / p.c_m, 1 / g_off, 1 / g_on, g_load)

    def receive(self, state: OscillatorState, jump: Units, p: Bag) -> OscillatorState:
        return state

    def margin(self, state: OscillatorState, p: Bag) -> Units:
        return state.peak - p.v_th

    def reset(self, state: OscillatorState, fired: Units, p: Bag) -> OscillatorState:
        return state._replace(peak=torch.where(fired, p.v_hold, state.peak))

    def evolve(self, state: OscillatorState, x: Bag, p: Bag, c: OscillatorCoeffs) -> OscillatorState:
        v, on = state.v, state.on > 0
        i = x.current + x.supply * c.g_load
        v_off, v_on = i * c.r_off, i * c.r_on
        peak, left = p.v_hold, torch.ones_like(v)  # slots
        for _ in range(PIECES):
            z, v_inf, goal = torch.where(on, c.z_on, c.z_off), torch.where(on, v_on, v_off), torch.where(on, p.v_hold, p.v_th)
            free = v + (v_inf - v) * lost(z * left)  # where this piece would end without a switching
            switches = torch.where(on, free <= goal, free >= goal)
            peak = torch.where(on, peak, torch.maximum(peak, free))
            beyond = torch.where(switches & (v_inf != goal), v_inf - goal, torch.ones_like(v))
            way = torch.where(switches, (goal - v) / beyond, torch.zeros_like(v)).clamp(min=0.0)
            left = torch.where(switches, (left - torch.log1p(way) / z).clamp(min=0.0), torch.zeros_like(v))
            v, on = torch.where(switches, goal, free), on ^ switches
        return OscillatorState(v, torch.where(on, torch.ones_like(v), torch.zeros_like(v)), peak)
