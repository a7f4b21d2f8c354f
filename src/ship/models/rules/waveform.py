"""Memristive plasticity by overlap: pre- and postsynaptic waveforms meet on a device with a threshold.

A spike of either side sends a waveform to its terminal of the device: a short head of ``v_head`` for ``t_head``, then a tail of
the opposite sign that starts at ``v_tail`` and decays with ``tau_pre`` or ``tau_post``. Alone neither reaches the threshold of
the device. When one side spikes, its head adds to the tail of the other side that is still there: ``v = v_head + v_tail x``, x
the trace of the other side (1 at its last spike). The weight moves by the device law over the head,
``dw = t_head gain (exp((v - v_th) / v_0) - 1)`` above ``v_th``, else 0: up with ``gain_plus`` at a postsynaptic spike, down with
``gain_minus`` at a presynaptic one. x is taken in the middle of the head, which makes the error of second order in ``t_head /
tau``.

The window of a pair at lag T is thus ``t_head gain (exp((v_head + v_tail exp(-(T + t_head / 2) / tau) - v_th) / v_0) - 1)``: it
ends where the overlap falls below the threshold, at ``T = tau ln(v_tail / (v_th - v_head)) - t_head / 2``.

Source: Zamarreno-Ramos et al., Front. Neurosci. 5:26 (2011), and Linares-Barranco & Serrano-Gotarredona, Nature Precedings
(2009), for waveforms across a device and its law, there ``sign(v) (exp(|v| / v_0) - exp(v_th / v_0))``; the factor ``exp(v_th /
v_0)`` is in the gain here. Overlap on HfO2 devices: Covi et al., Front. Neurosci. 10:482 (2016). The defaults are round numbers
of no device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ...base.errors import ParameterError
from ...base.parameters import Value, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from ..integrals import lost
from .traces import TraceRule, Traces

STEEPEST = 50.0  # v_0 above threshold: a factor of 5e21


class WaveformCoeffs(NamedTuple):
    lost_pre: Connections
    lost_post: Connections
    middle_pre: Connections  # exp(-t_head / (2 tau_pre))
    middle_post: Connections


@dataclass(frozen=True)
class WaveformSTDP(TraceRule):
    """A rule of memristive plasticity: pre- and postsynaptic waveforms overlap on a device with a threshold."""

    v_head: Value = param(0.8, unit="V", least=0.0, role="voltage", gradient=False)
    v_tail: Value = param(0.8, unit="V", least=0.0, role="voltage", gradient=False)
    t_head: Value = param(1e-3, unit="s", above=0.0, gradient=False)
    v_th: Value = param(1.0, unit="V", above=0.0, role="threshold", gradient=False)
    v_0: Value = param(0.5, unit="V", above=0.0, gradient=False)
    gain_plus: Value = param(10.0, unit="V/s", least=0.0, role="learning rate", gradient=False)
    gain_minus: Value = param(10.0, unit="V/s", least=0.0, role="learning rate", gradient=False)
    pairing: str = option("nearest", choices=("nearest",))

    def check(self, where: str, p: Bag) -> None:
        for name in ("v_head", "v_tail"):
            if bool((getattr(p, name) > p.v_th).any()):
                raise ParameterError(
                    f"{where}.{name}",
                    "must be at most v_th, so that no spike alone changes the device",
                    got=f"{float(getattr(p, name).max()):g} V, with v_th = {float(p.v_th.min()):g} V",
                )
        steep = (p.v_head + p.v_tail - p.v_th) / p.v_0
        if bool((steep > STEEPEST).any()):
            raise ParameterError(
                f"{where}.v_0",
                f"must be at least (v_head + v_tail - v_th) / {STEEPEST:g}: the change grows by exp of that ratio",
                got=f"{float(p.v_0.min()):g} V",
            )

    def discretise(self, p: Bag, dt: float) -> Any:
        before, after = (torch.exp(-p.t_head / (2 * tau)) for tau in (p.tau_pre, p.tau_post))
        return WaveformCoeffs(lost(dt / p.tau_pre), lost(dt / p.tau_post), before, after)

    def update(self, state: Traces, x: Bag, w: Connections, p: Bag, c: WaveformCoeffs) -> tuple[Connections, Traces]:
        def moved(tail: Connections) -> Connections:
            """The change over a head, per unit of gain."""
            above = ((p.v_head + p.v_tail * tail - p.v_th) / p.v_0).clamp(min=0.0)
            return p.t_head * torch.expm1(above)

        up = p.gain_plus * x.post * moved(state.x_pre * c.middle_pre)
        down = p.gain_minus * x.pre * moved(state.x_post * c.middle_post)
        return up - down, self.traces(state, x, c)
