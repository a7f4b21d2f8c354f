"""What would mend the axis on which a device fails: remedies, each measured on the same chips.

write and verify          devices are read and corrected (`ship.study.closed_loop`)
compensation              one factor for each group, from the sum of its read currents (`Network.compensate`)
calibration of columns    one factor for each column, by least squares (`Network.calibrate`)
repair                    the other device of a weight takes over from one that misses its target (`Network.repair`)
hardware-aware training   the network goes on learning with noise on its weights as large as their error on these chips (on the
                          thresholds and time constants, for a mismatch of neurons), and is then written to the same chips
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ...base.errors import ShipError
from ...base.statistics import Interval
from ...devices.array.write_verify import WriteVerify
from ...models.contract import Neuron
from ...network.network import Network
from ...train import Perturb
from .. import ways
from ..measure import weight_error
from .axes import KINDS
from .findings import NOWHERE, Remedy
from .imperfections import DIFFER, Imperfections, imperfect
from .search import Truth

Retrain = Callable[[Network, Sequence[Perturb]], Network]
Look = Callable[[Network], Tensor]  # hits of chips
REPAIRED = 0.05  # of the window: a device that misses its target by more is repaired


def remedies(
    net: Network, name: str, value: float, look: Look, truth: Truth, *, g_max: float, seed: int, retrain: Retrain | None
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
    values = Imperfections().with_(**{name: float(max(2, round(value))) if kind.whole else value})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        bench = _Bench(net, name, values, look, truth, g_max, seed)
        found = [] if kind.of == "neurons" else bench.on_devices()
        return (*found, *([] if retrain is None else [bench.trained(retrain)]))


@dataclass(frozen=True)
class _Bench:
    """The chips on which remedies are measured."""

    net: Network
    name: str
    values: Imperfections
    look: Look
    truth: Truth
    g_max: float
    seed: int

    def made(self, net: Network | None = None, verify: WriteVerify | None = None) -> Network:
        """Return the chips, of another network or written otherwise."""
        return imperfect(net or self.net, self.truth.chips, self.values, g_max=self.g_max, seed=self.seed, verify=verify)

    @cached_property
    def plain(self) -> Network:
        """The chips without a remedy."""
        return self.made()

    @cached_property
    def before(self) -> Interval:
        """Their accuracy."""
        return self.truth.estimate(self.look(self.plain))[0]

    def measured(self, remedy: str, how: str, make: Callable[[], Network]) -> Remedy:
        """Measure the chips that a remedy makes."""
        try:
            after, fall = self.truth.estimate(self.look(make()))
        except ShipError as error:
            return Remedy(remedy, f"refused: {error}", self.before, NOWHERE, "no", self.truth.chips)
        return Remedy(remedy, how, self.before, after, _met(fall, self.truth.drop), self.truth.chips)

    def on_devices(self) -> list[Remedy]:
        """Measure what is done to devices and their currents."""
        verify = ways.closed_loop(self.values.device(self.g_max))
        how = f"to {verify.tolerance:.0%} of the window, at most {verify.most} times"
        how += f", each time with the mean of {verify.reads} reads" if verify.reads > 1 else ""
        per_group, per_column = (
            "one factor a group, from the sum of its reads",
            "one factor a column, from one read of each device",
        )
        pairs = f"of weights with a device that misses its target by {REPAIRED:.0%} of the window"
        return [
            self.measured("write and verify", how, lambda: self.made(verify=verify)),
            self.measured("compensation", per_group, lambda: _done(self.made(), Network.compensate)),
            self.measured("calibration of columns", per_column, lambda: _done(self.made(), Network.calibrate)),
            self.measured("repair", pairs, lambda: _done(self.made(), lambda net: net.repair(tolerance=REPAIRED))),
        ]

    def trained(self, retrain: Retrain) -> Remedy:
        """Measure what training with noise does."""
        noise, how = self._noise()
        return self.measured("hardware-aware training", how, lambda: self.made(retrain(self.net, noise)))

    def _noise(self) -> tuple[list[Perturb], str]:
        if KINDS[self.name].of != "neurons":
            error = float(weight_error(self.plain).square().mean().sqrt())
            return [Perturb(noise=error, of="largest")], f"with noise of {error:.2g} of the largest weight"
        share, groups = getattr(self.values, self.name), self.net.simulation("study.require").groups
        tags = [tag for tag, group in groups.items() if isinstance(group.spec.model, Neuron)]
        roles = [role for role in DIFFER if any(d.role == role for tag in tags for d in groups[tag].declarations.values())]
        said = " and ".join(f"{role}s" for role in roles)
        return [
            Perturb(role=role, tags=tags, noise=share) for role in roles
        ], f"with noise of {share:.2g} of their value on {said}"


def _done(made: Network, act: Callable[[Network], object]) -> Network:
    act(made)
    return made


def _met(fall: Interval, drop: float) -> str:
    """Say whether a fall of the accuracy is within what is allowed."""
    return "yes" if fall.high <= drop else "no" if fall.low > drop else "undecided"
