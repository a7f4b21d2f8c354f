"""Oja's rule on spikes: Hebbian growth, with a decay that normalises the weights onto each target.

At each postsynaptic spike, with traces before this slot's spikes, ``dw = rate (w_norm x_pre - x_post w)``. For a target whose
rate is linear in its weighted inputs the weights onto it turn into the first principal component of the rates, and their length
stays finite; with one input, which fires n times as often as the target, w rests at ``w_norm n``.

Source: Oja, J. Math. Biol. 15:267 (1982), eq. 3, with traces of spikes (20 ms, as of the pair rules) in the place of rates.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import Connections
from ..integrals import spread
from .traces import TraceCoeffs, TraceRule, Traces


@dataclass(frozen=True)
class OjaRule(TraceRule):
    """A Hebbian rule with Oja's decay, which finds the first principal component of its inputs."""

    rate: Value = param(0.01, least=0.0, role="learning rate", gradient=False)
    w_norm: Value = param(0.5, unit="V", least=0.0, gradient=False)

    def update(self, state: Traces, x: Bag, w: Connections, p: Bag, c: TraceCoeffs) -> tuple[Connections, Traces]:
        # Over the spike the weight relaxes exactly, so that no rate makes it overshoot.
        relaxed = spread(p.rate * state.x_post)
        change = p.rate * x.post * (p.w_norm * state.x_pre - state.x_post * w) * relaxed
        return change, self.traces(state, x, c)
