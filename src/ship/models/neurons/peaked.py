"""What neurons with an upswing of their own share: they spike at a peak, which is a cut rather than a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...base.parameters import Port, Value, param
from ...base.parameters.bag import Bag
from ..contract import SpikingNeuron, StateTuple, Units


@dataclass(frozen=True)
class PeakedNeuron(SpikingNeuron):
    """The base class of neurons whose voltage runs away: a spike where ``v >= v_peak``, then ``v <- v_reset``."""

    v_peak: Value = param(10.0, unit="V", role="voltage")
    v_reset: Value = param(0.0, unit="V", role="voltage")

    ports = {"impulse": Port("events", "V"), "charge": Port("charge", "V")}

    def receive(self, state: StateTuple, jump: Units, p: Bag) -> StateTuple:
        return state._replace(v=state.v + jump)

    def margin(self, state: StateTuple, p: Bag) -> Units:
        margin: Units = state.v - p.v_peak
        return margin

    def reset(self, state: StateTuple, fired: Units, p: Bag) -> StateTuple:
        return state._replace(v=torch.where(fired, p.v_reset, state.v))


def topped(v: Units, passed: Units | None, v_peak: Units, v_reset: Units) -> Units:
    """Return the voltage (V) after a slot, at most as far above the peak as the reset is below it; there where it ran away.

    Args:
        v: the voltage.
        passed: where it has passed infinity; None if it cannot.
        v_peak: the peak.
        v_reset: the voltage after a spike.
    """
    top = v_peak + (v_peak - v_reset).abs()
    above = v >= top if passed is None else passed | (v >= top)
    return torch.where(above, top, v)
