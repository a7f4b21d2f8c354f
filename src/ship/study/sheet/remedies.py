"""What would mend the axis on which a device fails: remedies, each measured on the same chips.

write and verify          devices are read and corrected (`ship.study.closed_loop`)
compensation              one factor for each group, from the sum of its read currents (`Network.compensate`)
calibration of columns    one factor for each column, by least squares (`Network.calibrate`)
repair                    the other device of a weight takes over from one that misses its target (`Network.repair`)
hardware-aware training   the network goes on learning with noise on its weights as large as their error on these chips (on the
                          thresholds and time constants, for a mismatch of neurons), and is then written to the same chips
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

from torch import Tensor

from ...base.errors import ShipError
from ...base.statistics import Interval
from ...models.contract import Neuron
from ...network.network import Network
from ...train import Perturb
from .. import ways
from ..measure import weight_error
from .axes import KINDS
from .imperfections import DIFFER, Imperfections, imperfect
from .search import Truth
from .sheet import NOWHERE, Remedy

Retrain = Callable[[Network, Sequence[Perturb]], Network]
Look = Callable[[Network], Tensor]  # hits of chips


def remedies(
    net: Network,
    name: str,
    value: float,
    look: Look,
    truth: Truth,
    *,
    g_max: float,
    seed: int,
    retrain: Retrain | None,
) -> tuple[Remedy, ...]:
    """Measure what each remedy does where one imperfection has a value that is too large.

    Args:
        net: the trained network.
        name, value: the axis and the value on it.
        look: what tells the hits of chips.
        truth: what is compared with.
        g_max, seed: window and seed of the chips.
        retrain: what trains a copy of the network further with noise; None: that remedy is left out.
    """
    kind = KINDS[name]
    chips = truth.chips
    values = Imperfections().with_(**{name: float(max(2, round(value))) if kind.whole else value})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        plain = imperfect(net, chips, values, g_max=g_max, seed=seed)
        before, _ = truth.estimate(look(plain))

        def measured(remedy: str, how: str, make: Callable[[], Network]) -> Remedy:
            try:
                after, fall = truth.estimate(look(make()))
            except ShipError as error:
                return Remedy(remedy, f"refused: {error}", before, NOWHERE, "no", chips)
            return Remedy(remedy, how, before, after, _met(fall, truth.drop), chips)

        found = []
        if kind.of == "neurons":
            return _trained(net, name, values, plain, measured, retrain, g_max, seed, chips)
        verify = ways.closed_loop(values.device(g_max))
        how = f"to {verify.tolerance:.0%} of the window, at most {verify.most} times"
        how += f", each time with the mean of {verify.reads} reads" if verify.reads > 1 else ""
        found.append(
            measured("write and verify", how, lambda: imperfect(net, chips, values, g_max=g_max, seed=seed, verify=verify))
        )
        for remedy, how, act in _VERBS:
            found.append(measured(remedy, how, lambda act=act: _acted(imperfect(net, chips, values, g_max=g_max, seed=seed), act)))
        found += _trained(net, name, values, plain, measured, retrain, g_max, seed, chips)
    return tuple(found)


_VERBS: tuple[tuple[str, str, Callable[[Network], object]], ...] = (
    ("compensation", "one factor a group, from the sum of its reads", lambda made: made.compensate()),
    ("calibration of columns", "one factor a column, from one read of each device", lambda made: made.calibrate()),
    ("repair", "pairs with a device that misses its target by 5 % of the window", lambda made: made.repair()),
)


def _acted(made: Network, act: Callable[[Network], object]) -> Network:
    act(made)
    return made


def _trained(
    net: Network,
    name: str,
    values: Imperfections,
    plain: Network,
    measured: Callable[[str, str, Callable[[], Network]], Remedy],
    retrain: Retrain | None,
    g_max: float,
    seed: int,
    chips: int,
) -> tuple[Remedy, ...]:
    """Measure what training with noise does."""
    if retrain is None:
        return ()
    if KINDS[name].of == "neurons":
        share = getattr(values, name)
        tags = [tag for tag, group in net.simulation("study.require").groups.items() if isinstance(group.spec.model, Neuron)]
        noise = [Perturb(role=role, tags=tags, noise=share) for role in _roles(net, tags)]
        how = f"with noise of {share:.2g} of their value on {' and '.join(f'{role}s' for role in _roles(net, tags))}"
    else:
        error = float(weight_error(plain).square().mean().sqrt())
        noise = [Perturb(noise=error, of="largest")]
        how = f"with noise of {error:.2g} of the largest weight"
    return (
        measured(
            "hardware-aware training", how, lambda: imperfect(retrain(net, noise), chips, values, g_max=g_max, seed=seed)
        ),
    )


def _roles(net: Network, tags: Sequence[str]) -> list[str]:
    groups = net.simulation("study.require").groups
    return [role for role in DIFFER if any(d.role == role for tag in tags for d in groups[tag].declarations.values())]


def _met(fall: Interval, drop: float) -> str:
    """Say whether a fall of the accuracy is within what is allowed."""
    if math.isnan(fall.value):
        return "no"
    return "yes" if fall.high <= drop else "no" if fall.low > drop else "undecided"
