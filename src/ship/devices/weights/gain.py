"""The physical gain of a synapse's devices: how one spike that reads a conductance becomes a voltage on the target.

A spike reads a device of conductance G with ``v_read`` for ``t_read``; its charge on the membrane's capacitor moves the target by
``G v_read t_read / c_mem``. All numbers here are those of the nominal device; see `mapping` for how weights become conductances.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..array.array import DeviceArray
from ..device import Device
from .mapping import Mapping

MOST_STEPS = 20  # a full-scale weight of so many thresholds saturates its target


class View(NamedTuple):
    """The nominal device as a read sees it."""

    low: float  # S, the window at a small voltage
    high: float
    read_low: float  # S, current over voltage at v_read
    read_high: float
    v_read: float  # V
    t_read: float  # s


def view_of(device: Device) -> View:
    """Return window and read of the nominal device as made, without what time, wear, noise and faults do to it."""
    array = DeviceArray(device.bare, 2, variation=False, dtype=torch.float64)
    low, high = (float(end[0]) for end in array.window())
    array.write(torch.tensor([low, high], dtype=torch.float64))
    own = array.values.of("")
    v = float(own.v_read)
    seen = array.current(v) / v
    return View(low, high, float(seen[0]), float(seen[1]), v, float(own.t_read))


class Calibration(NamedTuple):
    """The way from a weight to a voltage on the target, in numbers for the nominal device."""

    w_max: float  # V, the weight at full scale
    g_low: float  # S, the window as it is read
    g_high: float
    v_read: float  # V
    t_read: float  # s
    current: float  # A, through the most conductive device
    charge: float  # C, of one read of it
    c_mem: float  # F, the capacitor that makes this gain
    clipped: float  # share of the weights beyond w_max, written as w_max

    def __str__(self) -> str:
        return (
            f"weight {self.w_max:.3g} V <-> {self.g_low:.3g} to {self.g_high:.3g} S; one spike reads {self.v_read:g} V for "
            f"{self.t_read:g} s: up to {self.current:.3g} A, {self.charge:.3g} C; c_mem = {self.c_mem:.3g} F"
            + (f"; {self.clipped:.2%} of the weights are clipped" if self.clipped else "")
        )


def full_charge(mapping: Mapping, view: View) -> float:
    """Return the charge (C) of a read at full scale."""
    return (view.read_high - view.read_low) * mapping.reach * view.v_read * view.t_read


def full_scale(mapping: Mapping, view: View, weight: Tensor) -> float:
    """Return the weight at full scale (V), for these model weights."""
    if mapping.c_mem is not None:
        return full_charge(mapping, view) / mapping.c_mem
    if mapping.w_max is not None:
        return float(mapping.w_max)
    most = float(weight.detach().abs().max()) if weight.numel() else 0.0
    return most or 1.0


def calibration(mapping: Mapping, view: View, weight: Tensor) -> Calibration:
    """Return how a weight becomes a voltage, for these model weights."""
    w_max = full_scale(mapping, view, weight)
    clipped = float((weight.detach().abs() > w_max * (1 + 1e-6)).double().mean()) if weight.numel() else 0.0
    i = view.read_high * view.v_read
    c_mem = full_charge(mapping, view) / w_max
    return Calibration(w_max, view.read_low, view.read_high, view.v_read, view.t_read, i, i * view.t_read, c_mem, clipped)


def out_of_proportion(w_max: float, weight: Tensor, reach: float | None, *, grows: bool) -> str:
    """Say what is wrong with a gain: a target that one spike fires, or that all spikes together do not; empty: nothing.

    Args:
        w_max: the weight at full scale, V.
        weight: model weights ``[..., pre, post]``, V.
        reach: the voltage (V) from rest to threshold of the target; None where it has none.
        grows: whether a rule may still raise the weights: then they count at full scale.
    """
    if reach is None or not reach > 0 or not weight.numel():
        return ""
    acts = torch.full_like(weight, w_max) if grows else weight.detach().clamp(-w_max, w_max)
    every = float(acts.clamp(min=0).sum(-2).max())
    if every < reach:
        return f"the target would starve: all inputs at once move it by at most {every:.3g} V, threshold is {reach:.3g} V away"
    if w_max > MOST_STEPS * reach:
        return f"the target would saturate: one spike moves it by up to {w_max:.3g} V, threshold is {reach:.3g} V away"
    return ""
