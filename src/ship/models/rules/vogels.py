"""Homeostatic plasticity of inhibition, which brings the target to a rate.

In slot k, with the traces before this slot's spikes, inhibition grows by ``dm = rate (x_pre post + pre (x_post - alpha))``,
``alpha = 2 rho tau``: pairs of either order strengthen it, a presynaptic spike alone weakens it. For spikes without correlation
the mean is ``rate nu_pre (2 nu_post tau - alpha)`` a second, so that it rests where the target fires at ``rho``.

With ``sign=-1`` (the default) weights are negative, as those of an inhibitory synapse into a membrane are in this library, and
``dw = -dm``: their limits are w_min = -1 V and w_max = 0. With ``sign=1`` weights are magnitudes, for a conductance with an
inhibitory reversal potential; give w_min and w_max with it.

Source: Vogels, Sprekeler, Zenke, Clopath & Gerstner, Science 334:1569 (2011), eq. in its fig. 1; its constants: tau 20 ms, rate
1e-2 and rho 3 Hz as in the program of its authors for Brian2.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...base.parameters import State, Value, declare_states, option, param
from ...base.parameters.bag import Bag
from ..contract import Connections, Rule
from ..integrals import lost
from .traces import TraceCoeffs, Traces


@dataclass(frozen=True)
class VogelsSTDP(Rule):
    """A homeostatic rule of inhibitory plasticity: symmetric pairs against a depression at each presynaptic spike."""

    w_min: Value = param(-1.0, unit="V", gradient=False)
    w_max: Value = param(0.0, unit="V", gradient=False)
    rate: Value = param(0.01, unit="V", least=0.0, role="learning rate", gradient=False)
    rho: Value = param(3.0, unit="Hz", least=0.0, gradient=False)
    tau: Value = param(20e-3, unit="s", above=0.0, role="time constant", gradient=False)
    sign: int = option(-1, choices=(-1, 1))

    states = declare_states(Traces, x_pre=State(0.0, on="pre"), x_post=State(0.0, on="post"))

    def discretise(self, p: Bag, dt: float) -> TraceCoeffs:
        return TraceCoeffs(lost(dt / p.tau), lost(dt / p.tau))

    def update(self, state: Traces, x: Bag, w: Connections, p: Bag, c: TraceCoeffs) -> tuple[Connections, Traces]:
        stronger = p.rate * (state.x_pre * x.post + x.pre * (state.x_post - 2 * p.rho * p.tau))
        pre, post = state.x_pre + x.pre, state.x_post + x.post
        return self.sign * stronger, Traces(pre - pre * c.lost_pre, post - post * c.lost_post)
