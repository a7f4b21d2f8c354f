"""The mitigation of imperfect devices: drift compensation, calibration of columns, repair of faulty weights.

Pure functions come first, then their application to the groups of a network. They use only what a chip can measure: read
currents.

compensate  one factor for each group and chip, the sum of all read currents after programming divided by that sum now
            (Joshi et al., Nat. Commun. 11:2473 (2020), sec. "global drift compensation"); exact where all conductances have
            lost the same share.
calibrate   one factor for each group, chip and column (target unit), by least squares over rows between the wanted weights and
            the weights read from the devices:
            ``a = sum((w_wanted - w_0) (w_read - w_0)) / sum((w_read - w_0)^2)``, where w_0 is the weight of devices that do not
            conduct (0 with pairs).
repair      devices whose reads miss their targets are no longer written; the other devices of the same weight get new targets
            that bring the weight as near as possible to the wanted one (in a pair the healthy device makes up for the other).

A factor acts on the read currents before an offset's reference is subtracted: the reference is not a device of the array and has
not drifted. A repair takes the factors into account, because they also multiply what it writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...base.errors import RunError, is_whole
from ...devices.array.write_verify import WriteVerify
from ...devices.weights.synapse import SynapseDevices
from ...groups.group import Group
from .program import programmed


class RepairReport(NamedTuple):
    """The report of a repair for each chip (``[chip]``)."""

    faulty: Tensor  # the fraction of devices whose reads were outside the tolerance
    rewritten: Tensor  # the fraction of devices that got a new target
    before: Tensor  # V, root mean square of (weight read - weight wanted)
    after: Tensor


def drift_gain(then: Tensor, now: Tensor) -> Tensor:
    """Return the factor that restores a sum of currents; 1 where no current flows any more."""
    return torch.where((now > 0) & (then > 0), then / torch.where(now > 0, now, torch.ones_like(now)), torch.ones_like(now))


def column_gain(wanted: Tensor, read: Tensor) -> Tensor:
    """Return the factor of each column by least squares over rows, ``[..., pre, post] -> [..., 1, post]``; 1 where undefined."""
    product, square = (wanted * read).sum(-2, keepdim=True), (read * read).sum(-2, keepdim=True)
    usable = (square > 0) & (product > 0)
    return torch.where(usable, product / torch.where(usable, square, torch.ones_like(square)), torch.ones_like(square))


def lacking(goal: Sequence[Tensor], there: Sequence[Tensor], signs: Sequence[float]) -> Tensor:
    """Return how far a normalised weight is below its goal.

    The devices are at ``there`` and should be at ``goal``, as fractions of the window.
    """
    total = torch.zeros_like(there[0])
    for sign, should, now in zip(signs, goal, there, strict=True):
        total = total + sign * (should - now)
    return total


def retargeted(
    aim: Sequence[Tensor], missing: Tensor, faulty: Sequence[Tensor], signs: Sequence[float], ends: Sequence[Any] = (0.0, 1.0)
) -> list[Tensor]:
    """Return new targets for the sound devices of a weight that bring the weight as near to its goal as possible.

    Args:
        aim: the present target of each device, as a fraction of the window.
        missing: the difference to the goal of the weight, from `lacking`.
        faulty: a mask for each device, True where it cannot be relied on.
        signs: the change of the weight with each device, from `Mapping.signs`.
        ends: the smallest and the largest target to which a device can be written, as fractions of the window; a present target
            may lie beyond them.

    Returns:
        The new target of each device; the old one where the device is faulty, or nothing is missing.
    """
    made = list(aim)
    for k in sorted(range(len(signs)), key=lambda k: -abs(signs[k])):  # the most significant device first
        moved = (aim[k] + missing / signs[k]).clamp(aim[k].clamp(max=ends[0]), aim[k].clamp(min=ends[1]))
        made[k] = torch.where(faulty[k], aim[k], moved)
        missing = missing - signs[k] * (made[k] - aim[k])
    return made


# -- on a network ----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def compensate(groups: Mapping[str, Group], tags: Sequence[str]) -> dict[str, Tensor]:
    """Set the gain of each group; see `Network.compensate`."""
    made = {}
    for tag, hardware in programmed("Network.compensate", groups, tags).items():
        now = hardware.total(hardware.array._seen())
        hardware.gain.copy_(drift_gain(hardware.reference, now))
        hardware.changed()
        made[tag] = hardware.gain.flatten().clone()
    return made


@torch.no_grad()
def calibrate(groups: Mapping[str, Group], tags: Sequence[str]) -> dict[str, Tensor]:
    """Set the gain of each column; see `Network.calibrate`."""
    made = {}
    where = "Network.calibrate"
    for tag, hardware in programmed(where, groups, tags).items():
        if len(hardware.pairs) != 2:
            raise RunError(where, f"group {tag!r} has sparse edges: it has no columns", fix="Use net.compensate().")
        seen = hardware.array._seen()
        nothing = hardware.as_weight(torch.zeros_like(seen))
        read = hardware.as_weight(seen, hardware.gain)
        wanted = hardware.as_weight(hardware.goal(groups[tag].model_weight())).expand_as(read)
        hardware.column.copy_(column_gain(wanted - nothing, read - nothing))
        hardware.changed()
        made[tag] = hardware.column.squeeze((1, 2)).clone()
    return made


@torch.no_grad()
def repair(
    groups: Mapping[str, Group], tags: Sequence[str], tolerance: float, rounds: int, verify: WriteVerify | None
) -> dict[str, RepairReport]:
    """Write the partners of faulty devices to new targets; see `Network.repair`."""
    where = "Network.repair"
    if not (isinstance(tolerance, int | float) and 0 < tolerance < 1):
        raise RunError(f"{where}: tolerance", "must lie between 0 and 1 (a fraction of the window)", got=repr(tolerance))
    if not is_whole(rounds, 1):
        raise RunError(f"{where}: rounds", "must be a whole number, at least 1", got=repr(rounds))
    made = {}
    for tag, hardware in programmed(where, groups, tags).items():
        factor = (hardware.gain * hardware.column).unsqueeze(2)  # broadcasts with [chip, 1, device, pre, post]
        seen = factor * hardware.array._seen()
        goal = hardware.goal(groups[tag].model_weight()).expand_as(seen)
        if not hardware.aim.numel():
            hardware.aim = goal.clone()
        wanted, before = hardware.as_weight(goal), hardware.as_weight(seen)
        rewritten = torch.zeros_like(seen, dtype=torch.bool)
        for _ in range(rounds):
            faulty, chosen = _round(hardware, goal, seen, factor, tolerance, verify)
            rewritten |= chosen
            if not bool(chosen.any()):
                break
            seen = factor * hardware.array._seen()
        if bool(rewritten.any()):
            hardware.remember()
            hardware.changed()
        each = tuple(range(1, seen.ndim))
        shares = faulty.double().mean(each), rewritten.double().mean(each)
        made[tag] = RepairReport(*shares, _rms(before - wanted), _rms(hardware.as_weight(seen) - wanted))
    return made


def _rms(error: Tensor) -> Tensor:
    return error.square().mean(tuple(range(1, error.ndim))).sqrt()


def _round(
    hardware: SynapseDevices, goal: Tensor, seen: Tensor, factor: Tensor, tolerance: float, verify: WriteVerify | None
) -> tuple[Tensor, Tensor]:
    """Do one round of a repair; return masks of the devices that are faulty, and of those that were written.

    A stuck device that was at its target shows only when it gets a new one. All conductances include ``factor``.
    """
    low, axis, aim = hardware.view.low, -1 - len(hardware.pairs), hardware.aim
    span, signs = hardware.view.high - low, hardware.mapping.signs()

    def fractions(g: Tensor) -> list[Tensor]:
        return list(((g - low) / span).unbind(axis))

    faulty = (seen - aim).abs() > tolerance * span
    there = torch.where(faulty, seen, aim)
    ends = [((factor * end - low) / span).squeeze(axis) for end in (low, hardware.view.high)]
    new = retargeted(fractions(aim), lacking(fractions(goal), fractions(there), signs), list(faulty.unbind(axis)), signs, ends)
    moved = torch.stack(new, dim=axis) * span + low
    chosen = (moved - aim).abs() > 1e-6 * span  # beyond rounding
    if bool(chosen.any()):
        hardware.array.write((moved / factor).squeeze(1), verify=verify, only=chosen.squeeze(1))
        hardware.aim = torch.where(chosen, moved, aim)
    return faulty, chosen
