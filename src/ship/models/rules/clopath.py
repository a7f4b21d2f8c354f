"""Voltage-based plasticity: the voltage of the target decides, itself and low-pass filtered, not only its spikes.

``x`` follows the presynaptic spikes with tau_x; ``u_minus`` and ``u_plus`` follow the voltage u of the target with tau_minus and
tau_plus. A presynaptic spike depresses by ``a_ltd [u_minus - theta_minus]``, and
``dw/dt = a_ltp x / tau_x [u - theta_plus] [u_plus - theta_minus]``, where ``[.]`` is 0 below 0.

Here u is the voltage v of the target (after its reset), and at each of its spikes a pulse of the height ``v_spike`` and the width
``t_spike``, because neurons of the library have no shape of a spike. In slot k:

spikes of t_k   1. depression    ``dw = -a_ltd pre [u_minus - theta_minus]``
                2. the pulse     ``dw = a_ltp post x t_spike / tau_x [v_spike - theta_plus] [u_plus - theta_minus]``
                3. traces        x takes the arrivals; u_minus and u_plus go towards v_spike for t_spike where the target spiked
the slot        4. potentiation  ``dw = a_ltp x (1 - exp(-dt / tau_x)) [v - theta_plus] [u_plus - theta_minus]``
                5. filters       u_minus and u_plus go towards v for dt; x decays

Both filters start at theta_minus. At a held voltage each presynaptic spike changes the weight by ``[v - theta_minus] (a_ltp [v -
theta_plus] - a_ltd)``.

Source: Clopath, Buesing, Vasilaki & Gerstner, Nat. Neurosci. 13:344 (2010), eq. 1 to 3, without the homeostatic change of a_ltd.
The defaults are its visual cortex (table 1b): thresholds -70.6 and -45.3 mV, a_ltd 14e-5 / mV, a_ltp 8e-5 / mV^2, 15, 10 and 7
ms. The pulse is that of NEST's aeif_psc_delta_clopath: 33 mV for 2 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost


class ClopathState(NamedTuple):
    x: Connections  # [..., pre, 1]
    u_minus: Connections  # [..., 1, post], V above theta_minus, so that small changes keep their digits
    u_plus: Connections


class ClopathCoeffs(NamedTuple):
    lost_x: Connections
    lost_minus: Connections
    lost_plus: Connections
    pulse_x: Connections  # t_spike / tau_x
    pulse_minus: Connections  # 1 - exp(-t_spike / tau_minus)
    pulse_plus: Connections


@dataclass(frozen=True)
class ClopathSTDP(Rule):
    """A rule of voltage-based plasticity, which reads the voltage ``v`` of its target."""

    a_ltd: Value = param(0.14, least=0.0, role="learning rate", gradient=False)
    a_ltp: Value = param(80.0, unit="1/V", least=0.0, role="learning rate", gradient=False)
    theta_minus: Value = param(-70.6e-3, unit="V", role="threshold", gradient=False)
    theta_plus: Value = param(-45.3e-3, unit="V", role="threshold", gradient=False)
    tau_x: Value = param(15e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_minus: Value = param(10e-3, unit="s", above=0.0, role="time constant", gradient=False)
    tau_plus: Value = param(7e-3, unit="s", above=0.0, role="time constant", gradient=False)
    v_spike: Value = param(33e-3, unit="V", role="voltage", gradient=False)
    t_spike: Value = param(2e-3, unit="s", least=0.0, gradient=False)

    reads: ClassVar[tuple[str, ...]] = ("v",)
    states = declare_states(
        ClopathState,
        x=State(0.0, on="pre"),
        u_minus=State(0.0, unit="V", on="post"),
        u_plus=State(0.0, unit="V", on="post"),
    )

    def discretise(self, p: Bag, dt: float) -> ClopathCoeffs:
        x, minus, plus = (lost(dt / tau) for tau in (p.tau_x, p.tau_minus, p.tau_plus))
        return ClopathCoeffs(x, minus, plus, p.t_spike / p.tau_x, lost(p.t_spike / p.tau_minus), lost(p.t_spike / p.tau_plus))

    def update(self, state: ClopathState, x: Bag, w: Connections, p: Bag, c: ClopathCoeffs) -> tuple[Connections, ClopathState]:
        open_minus, open_plus = state.u_minus.clamp(min=0.0), state.u_plus.clamp(min=0.0)
        pulse = x.post * state.x * c.pulse_x * (p.v_spike - p.theta_plus).clamp(min=0.0)
        arrived = state.x + x.pre
        steady = arrived * c.lost_x * (x.v - p.theta_plus).clamp(min=0.0)
        change = p.a_ltp * (pulse + steady) * open_plus - p.a_ltd * x.pre * open_minus
        spike, v = p.v_spike - p.theta_minus, x.v - p.theta_minus
        # Each term is small by itself: a sum of large ones that cancel would lose digits.
        minus = state.u_minus - x.post * state.u_minus * c.pulse_minus + x.post * spike * c.pulse_minus
        plus = state.u_plus - x.post * state.u_plus * c.pulse_plus + x.post * spike * c.pulse_plus
        minus, plus = minus - minus * c.lost_minus + v * c.lost_minus, plus - plus * c.lost_plus + v * c.lost_plus
        return change, ClopathState(arrived - arrived * c.lost_x, minus, plus)
