"""How good must a device be for a network and its task: a requirement sheet.

For each imperfection the value is sought at which the mean accuracy of chips has fallen by a chosen amount, all others ideal;
then the pair of them that together needs the tightest values. A device is marked on each axis, with where its number is from, and
what would mend the axis on which it fails is measured.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ...base.checks import check_choice, check_real, check_whole
from ...base.display.stages import Stages
from ...base.errors import RunError, ShipError
from ...base.statistics import Interval, wilson
from ...devices.device import Device
from ...devices.weights.gain import view_of
from ...network.network import Network
from ...network.readout import Readout
from ..measure import hits
from .axes import KINDS, Kind, scale_of
from .findings import NOWHERE, Axis, Mark
from .imperfections import Imperfections, imperfect
from .marks import Bench, mark
from .pairs import worst_pair
from .remedies import Retrain, remedies
from .search import Truth, locate
from .sheet import Sheet

WHERE = "study.require"
FEW = 8  # chips on which a search begins
WAIT = 86400.0  # s, after which the drift of a device is marked


def require(
    net: Network,
    batches: Iterable[Sequence[Any]],
    *,
    device: Device | None = None,
    drop: float = 0.02,
    chips: int = 32,
    axes: Sequence[str] = tuple(KINDS),
    pair: bool = True,
    wait: float = WAIT,
    retrain: Retrain | None = None,
    readout: Readout | None = None,
    seed: int = 0,
    stages: Stages | None = None,
) -> Sheet:
    """Find how good devices, arrays and neurons must be for a trained network, one imperfection at a time and for the worst pair.

    Args:
        net: a trained network; its weights are held by differential pairs.
        batches: test data; they are read once.
        device: a device to mark on the axes; its ``g_max`` is that of all chips. None: that of `ship.Device`, which a note says.
        drop: the fall of the accuracy that is allowed, as a fraction of 1: 0.02 for two points.
        chips: the number of chips of each value near the required one, at least 2; a search begins on 8 of them.
        axes: names of `Imperfections`; default: all.
        pair: whether the worst pair is sought.
        wait: s after writing at which the drift of the device is marked.
        retrain: function ``(net, noise) -> network`` that trains a copy of the network further, with the noise on its parameters
            (see `ship.train.Perturb`); None: hardware-aware training is left out of the remedies.
        readout: function from the output to scores; default: the one that the network was trained with.
        seed: seed of the chips and of the resamples.
        stages: what announces and times each piece of work; None: nothing is announced.

    Returns:
        The sheet: ``print`` shows it, `Sheet.save` writes it.

    Raises:
        RunError: an unknown axis, a drop outside (0, 1), fewer than two chips, or a network that is not better than the
            drop.
    """
    held = _checked(batches, drop, chips, axes)
    exact = hits(net, held, readout=readout)
    if exact.ndim > 1:
        raise RunError(WHERE, "needs a network without a chip axis", got=f"{net.chips} chips", fix="Give the trained network.")
    truth = Truth(exact, drop, chips, min(FEW, chips), seed)
    if truth.target <= 0:
        got = f"{float(exact.double().mean()):.3g}"
        raise RunError(WHERE, f"needs a network with an accuracy above the drop of {drop:g}", got=got)
    g_max = view_of(device or Device()).high
    clock = stages or Stages(show=False)
    before = len(clock.done)
    work = _Work(net, held, readout, g_max, seed, truth)
    bench = None if device is None else Bench(net, device, g_max, seed, wait)
    sheet = work.axes([KINDS[name] for name in axes], bench, clock)
    if pair:
        with clock.stage("worst pair"):
            half = replace(truth, chips=max(truth.few, chips // 2))
            worst, more = worst_pair(sheet.axes, work.see, half)
        sheet = replace(sheet, pair=worst, notes=(*sheet.notes, *more))
    failing = next((axis for axis in sheet.marked if axis.mark.fails), None)
    if failing is not None:
        with clock.stage(f"what would mend {failing.title}"):
            own = _of(KINDS[failing.name], truth)
            place: dict[str, Any] = {"g_max": g_max, "seed": seed, "retrain": retrain}
            mended = remedies(net, failing.name, failing.mark.value, work.look, own, **place)
        sheet = replace(sheet, fails=failing.name, remedies=mended)
    return replace(sheet, seconds=tuple((timed.what, round(timed.cpu, 2)) for timed in clock.done[before:]))


def _checked(batches: Iterable[Sequence[Any]], drop: float, chips: int, axes: Sequence[str]) -> list[Sequence[Any]]:
    """Refuse what cannot be searched; return the test data, which are read once."""
    check_real(f"{WHERE}: drop", drop, "must lie between 0 and 1: 0.02 for two points", above=0.0, below=1.0, error=RunError)
    check_whole(f"{WHERE}: chips", chips, 2, error=RunError)
    for name in axes:
        check_choice(f"{WHERE}: axes", name, tuple(KINDS))
    return [tuple(batch) for batch in batches]


def _of(kind: Kind, truth: Truth) -> Truth:
    """Return the numbers of chips of an axis: one where chips do not differ, a few where they differ by each read only."""
    most = 1 if not kind.random else kind.most or truth.chips
    return replace(truth, chips=min(most, truth.chips), few=min(most, truth.few))


@dataclass(frozen=True)
class _Work:
    """What stays the same on all axes."""

    net: Network
    batches: Sequence[Sequence[Any]]
    readout: Readout | None
    g_max: float
    seed: int
    truth: Truth

    def look(self, made: Network) -> Tensor:
        """Return the hits of chips, ``[chip, sample]``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what is ideal is said on the sheet
            return hits(made, self.batches, readout=self.readout)

    def see(self, values: Imperfections, chips: int) -> Tensor:
        """Return the hits of chips with imperfections."""
        return self.look(imperfect(self.net, chips, values, g_max=self.g_max, seed=self.seed))

    def axes(self, kinds: Sequence[Kind], bench: Bench | None, clock: Stages) -> Sheet:
        """Search all axes; the sheet has no pair and no remedies yet."""
        found = []
        for kind in kinds:
            with clock.stage(kind.title):
                found.append(self.axis(kind, bench))
        exact = self.truth.hits
        device = None if bench is None else bench.device
        return Sheet(
            device="" if device is None else device.name,
            drop=self.truth.drop,
            chips=self.truth.chips,
            samples=len(exact),
            seed=self.seed,
            g_max=self.g_max,
            baseline=wilson(int(exact.sum()), len(exact)),
            axes=tuple(found),
            notes=tuple(_notes(found, device, self.g_max)),
        )

    def axis(self, kind: Kind, bench: Bench | None) -> Axis:
        """Search one axis, and mark the device on it."""
        truth = _of(kind, self.truth)
        seek = kind.search(scale_of(kind, self.g_max))
        marked = Mark(status="none", text="no device was given") if bench is None else mark(kind.name, bench)
        text = "" if kind.random else "All chips are alike, so one stands for them; the interval is over test samples."
        try:
            found = locate(
                lambda value, chips: self.see(Imperfections().with_(**{kind.name: value}), chips), seek, truth, less=kind.less
            )
            required, how, curve = found.required, found.found, found.curve
        except ShipError as error:
            required, how, curve, text = NOWHERE, "refused", (), f"refused: {error}"
        return Axis(
            name=kind.name,
            title=kind.title,
            unit=kind.unit,
            better="less" if kind.less else "more",
            means=kind.means,
            required=required,
            found=how,
            low=seek.low,
            high=seek.high,
            text=text,
            curve=curve,
            mark=replace(marked, ratio=_ratio(kind, marked.value, required, how)),
        )


def _ratio(kind: Kind, value: float, required: Interval, found: str) -> Interval:
    """Return how many times worse than required a value is; NaN where the two cannot be compared."""
    if math.isnan(value) or found != "bracketed":
        return NOWHERE
    ends = sorted(_times(kind, value, end) for end in (required.low, required.high))
    return Interval(kind.ratio(value, required.value), ends[0], ends[1])


def _times(kind: Kind, value: float, end: float) -> float:
    if math.isinf(end):
        return 0.0 if (end > 0) == kind.less else math.inf
    return kind.ratio(value, end)


def _notes(axes: Sequence[Axis], device: Device | None, g_max: float) -> list[str]:
    said = [
        "On each axis all other imperfections are ideal: weights in pairs of devices that are written exactly, do not drift and "
        "are read without noise, wires without resistance, equal neurons.",
        "Intervals (95 %) are over chips and test samples, for this one trained network; another training differs by more.",
    ]
    if device is None:
        said.append(f"No device was given: the window ends at {g_max:g} S, the default of ship.Device, on which the ohms depend.")
    if any(axis.name == "on_off" and axis.found == "never" for axis in axes):
        said.append(
            "A pair takes the difference of two devices, so that the on/off ratio alone costs nothing; it matters through the "
            "errors that grow as the window shrinks, which the other axes give as fractions of the window."
        )
    if any(axis.name in ("asymmetry", "nonlinearity") for axis in axes):
        said.append(
            "Asymmetry and non-linearity count where counts of pulses are not checked and the curve is taken as straight; what "
            "they cost a network that learns on the chip is another question (ship ask --learn)."
        )
    return said
