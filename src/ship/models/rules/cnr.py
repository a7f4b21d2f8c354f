"""Plasticity by identical pulses on a filamentary HfO2 device, with the pulse-number laws of its measurement.

The resistance after the n-th identical pulse: ``R = r0_d + alpha_d ln n`` in depression, ``R = r0_p + alpha_p (n^-beta - 1)`` in
potentiation. The state is R alone: n is what the law gives for it, and a pulse goes from n to n + 1,

depression      ``R <- R + alpha_d ln(1 + 1 / n)``, ``n = exp((R - r0_d) / alpha_d)``
potentiation    ``R <- r0_p - alpha_p + alpha_p (n + 1)^-beta``, ``n^-beta = 1 + (R - r0_p) / alpha_p``

The weight is its conductance: ``w = w_max r_min / R``, so that w_max belongs to ``r_min`` and w_min to the largest resistance.
One pulse each comes by overlap: of potentiation at a postsynaptic spike less than ``window`` after the last presynaptic one, of
depression at a presynaptic spike less than ``window`` after the last postsynaptic one. Two spikes in one slot are no overlap.
The dispersion from pulse to pulse is left out: ``device=`` on the synapse has it.

Source: the laws and constants of CNR's devices, as in teili's MemristiveFusi parameters (3234, 502, 6031.56, 3350, 0.612, 3000
ohm); overlap of spikes on such devices: Covi et al., Front. Neurosci. 10:482 (2016). The window is a choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from ...base.parameters import State, Value, declare_states, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from .traces import check_span


class OverlapState(NamedTuple):
    open_pre: Connections  # [..., pre, 1], the share of the window that is left
    open_post: Connections  # [..., 1, post]


class OverlapCoeffs(NamedTuple):
    step: Connections  # dt / window


def softplus(z: Connections) -> Connections:
    """``ln(1 + exp(z))``, without overflow."""
    return z.clamp(min=0.0) + torch.log1p(torch.exp(-z.abs()))


def depressed(r: Connections, p: Bag) -> Connections:
    """Return the resistance after a pulse of depression."""
    after: Connections = r + p.alpha_d * softplus((p.r0_d - r) / p.alpha_d)
    return after


def potentiated(r: Connections, p: Bag) -> Connections:
    """Return the resistance after a pulse of potentiation."""
    power = (1 + (r - p.r0_p) / p.alpha_p).clamp(min=0.0)  # n^-beta
    after: Connections = r + p.alpha_p * power * torch.expm1(-p.beta * softplus(torch.log(power) / p.beta))
    return after


@dataclass(frozen=True)
class CNRSTDP(Rule):
    """A rule in which overlapping spikes send identical pulses to an HfO2 device with measured pulse-number laws."""

    w_min: Value = param(0.3, unit="V", above=0.0, gradient=False)
    r_min: Value = param(3000.0, unit="ohm", above=0.0, gradient=False)
    r0_d: Value = param(3234.0, unit="ohm", above=0.0, gradient=False)
    alpha_d: Value = param(502.0, unit="ohm", above=0.0, gradient=False)
    r0_p: Value = param(6031.56, unit="ohm", above=0.0, gradient=False)
    alpha_p: Value = param(3350.0, unit="ohm", above=0.0, gradient=False)
    beta: Value = param(0.612, above=0.0, gradient=False)
    window: Value = param(50e-3, unit="s", above=0.0, gradient=False)

    states = declare_states(OverlapState, open_pre=State(0.0, on="pre"), open_post=State(0.0, on="post"))

    def check(self, where: str, p: Bag) -> None:
        check_span(where, p)

    def discretise(self, p: Bag, dt: float) -> OverlapCoeffs:
        return OverlapCoeffs(dt / p.window)

    def update(self, state: OverlapState, x: Bag, w: Connections, p: Bag, c: OverlapCoeffs) -> tuple[Connections, OverlapState]:
        r = p.w_max * p.r_min / w
        # Half a step of slack: what is left is a running difference.
        up = (x.post > 0) & (state.open_pre > c.step / 2)
        down = (x.pre > 0) & (state.open_post > c.step / 2)
        after = torch.where(up, potentiated(r, p), torch.where(down, depressed(r, p), r))
        change = torch.where(up | down, p.w_max * p.r_min / after - w, torch.zeros_like(w))
        pre = torch.where(x.pre > 0, torch.ones_like(state.open_pre), state.open_pre)
        post = torch.where(x.post > 0, torch.ones_like(state.open_post), state.open_post)
        return change, OverlapState((pre - c.step).clamp(min=0.0), (post - c.step).clamp(min=0.0))
