"""The response of a leaky membrane to one presynaptic unit of weight 1, for rules that follow a gradient.

It is what the voltage of the target would be, without its threshold, if the connection had the weight 1 V: the derivative of the
voltage by the weight. ``synapse="exponential"`` is that of an `ExpSynapse` (``tau_synapse``), whose charge reaches the voltage
at the end of the slot; ``synapse="impulse"`` that of an `ImpulseSynapse`, which acts at t_k. Step for step the arithmetic is
that of the synapse and of the membrane (``tau``).
"""

from __future__ import annotations

from typing import NamedTuple

from ...base.parameters.bag import Bag
from ..contract import Connections
from ..integrals import lost, spread


class ResponseCoeffs(NamedTuple):
    lost_synapse: Connections
    lost: Connections
    spread: Connections


def response_coefficients(p: Bag, dt: float) -> ResponseCoeffs:
    """Return the coefficients of a slot of ``dt`` (s)."""
    z = dt / p.tau
    return ResponseCoeffs(lost(dt / p.tau_synapse), lost(z), spread(z))


def felt(response: Connections, arrived: Connections, synapse: str) -> Connections:
    """Return the response at t_k, after what arrives there."""
    return response + arrived if synapse == "impulse" else response


def flowed(
    charge: Connections, response: Connections, arrived: Connections, synapse: str, c: ResponseCoeffs
) -> tuple[Connections, Connections]:
    """Return the charge still to flow and the response at t_k + dt, from those at t_k (the response as `felt`)."""
    if synapse == "impulse":
        return charge, response - response * c.lost
    full = charge + arrived
    return full - full * c.lost_synapse, response - response * c.lost + full * c.lost_synapse * c.spread
