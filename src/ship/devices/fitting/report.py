"""The report of a fit: the models in order, with intervals and verdicts, a device where one can be made, and a figure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...base.codec import Plain
from ...base.errors import FileError, FitError, ShipError
from ...base.statistics import Interval
from .. import Device
from . import sentences
from .figures import Panel, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DECISIVE = 10.0  # difference in AICc from which on the worse model has no support (Burnham & Anderson, 2002, sec. 2.6)
CLOSE = 0.005  # of the scale of residuals: who is closer by less is no better in use


Estimate = Interval  # its range is the middle 95 % of the bootstrap replicates


@dataclass(frozen=True)
class Fitted:
    """One model that was fitted to the data, with the verdict on it.

    Args:
        name: the model's name.
        parameters: its parameters, by name.
        residual: how far the model is from the data, see `Found.scale`.
        criterion: the number that the ranking goes by: AICc, lower is better; only differences mean something.
        n_parameters: the number of free parameters.
        verdict: the verdict in words; where ``fits`` is false, the reason.
        fits: whether it keeps within the limit of its kind, and no other model that does is clearly closer and likelier, see
            `compared`.
        open: the names of parameters that the data do not determine: no device takes their numbers.
    """

    name: str
    parameters: Mapping[str, Estimate]
    residual: float
    criterion: float
    n_parameters: int
    verdict: str = "fits"
    fits: bool = True
    open: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The result of `ship.fit`: models in order, a device where the measurement determines one, a figure and a report.

    Args:
        kind: the kind of the measurement.
        source, sha256: the file's name and digest.
        ranking: the models that were fitted: those that fit first, then by their criterion.
        scale: the scale of the residuals, in words.
        summary: facts about the data themselves, by name.
        notes: remarks on what was left out, assumed, or cannot be known.
        panels: the panels of the figure.
        settings: the settings of the fit (seed, replicates, units), for the record.
        values: tables of the fit (parameters of each device, their correlation), by name.
        outcome: the device of the fit, or the error that says why there is none; None: such a measurement determines none.
        measured: the numbers and parts of a `Device` that this measurement determines, by name, also where no whole device
            follows: a retention without a window. A part may be None: it was measured that there is none.
        remarks: what a reader should know of what was measured, by name, such as a law that was assumed.
    """

    kind: str
    source: str
    sha256: str
    ranking: tuple[Fitted, ...]
    scale: str
    summary: dict[str, Estimate]
    notes: list[str]
    panels: list[Panel]
    settings: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    outcome: Device | ShipError | None = field(default=None, repr=False)
    measured: Mapping[str, Any] = field(default_factory=dict, repr=False)
    remarks: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def best(self) -> Fitted:
        """The first model of the ranking that fits.

        Raises:
            FitError: none does.
        """
        return best(self.source, self.ranking)

    @property
    def device(self) -> Device:
        """The device with the parameters of the best model that the library has a part for.

        Raises:
            FitError: the measurement does not determine a device, or no model fits; the message says what is missing.
        """
        if isinstance(self.outcome, Device):
            return self.outcome
        raise self._reason().with_traceback(None)

    def refusal(self) -> str | None:
        """Say why there is no device; None: there is one."""
        return None if isinstance(self.outcome, Device) else str(self._reason())

    def _reason(self) -> ShipError:
        if isinstance(self.outcome, ShipError):
            return self.outcome
        return FitError(f"fit of {self.source}", f"a measurement of the kind {self.kind!r} does not determine a device")

    def figure(self) -> Figure:
        """Draw data, models and residuals as a `matplotlib.figure.Figure`."""
        return draw(self.panels, f"{self.source}: {self.kind}")

    def __str__(self) -> str:
        return "\n".join(sentences.lines(self))

    __repr__ = __str__

    def report(self) -> dict[str, Any]:
        """Return everything but the figure as plain numbers, text and lists (JSON)."""
        models = [
            {"name": f.name, "fits": f.fits, "verdict": f.verdict, "residual": f.residual, "aicc": f.criterion}
            | {"n_parameters": f.n_parameters, "parameters": {k: v.as_dict() for k, v in f.parameters.items()}}
            | {"not_determined": list(f.open)}
            for f in self.ranking
        ]
        made: dict[str, Any] = {"kind": self.kind, "source": self.source, "sha256": self.sha256, "scale": self.scale}
        made["models"] = models
        made["determines"] = sentences.determined(self)
        made |= {status: sentences.named(self, status) for status in ("assumed", "missing")}
        made |= {"summary": {k: v.as_dict() for k, v in self.summary.items()}, "notes": self.notes, "settings": self.settings}
        report: dict[str, Any] = Plain().encode("report", made | {"values": self.values, "no_device": self.refusal()})
        return report

    def origin(self) -> dict[str, Any]:
        """Return what a device file says about the origin of its numbers."""
        return {"source": self.source, "sha256": self.sha256, "kind": self.kind} | {
            k: v for k, v in self.settings.items() if isinstance(v, str | int | float)
        }

    def save(self, folder: str | Path) -> list[Path]:
        """Write report.json, figure.png and, where there is a device, device.toml; return their paths.

        All are of this fit: a device.toml of another one is removed, and report.json comes last, so that a folder with one is
        whole also where a process was killed.

        Raises:
            FileError: the folder cannot be written.
        """
        from ...base.atomic_write import picture, write_together
        from ..files import file_text

        folder = Path(folder)
        report = (json.dumps(self.report(), indent=1, allow_nan=False) + "\n").encode()
        device = file_text(self.device, self.origin(), folder / "device.toml").encode() if self.refusal() is None else None
        files = {"report.json": report, "figure.png": picture(self.figure()), "device.toml": device}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(str(folder), "cannot be made", got=str(error.strerror)) from error
        write_together({folder / name: data for name, data in files.items()})
        return [folder / name for name, data in files.items() if data is not None]


def outcome(make: Callable[[], Device]) -> Device | ShipError:
    """Make the device of a fit; where there is none, return the error that says why."""
    try:
        return make()
    except ShipError as error:
        return error


def best(source: str, ranking: Sequence[Fitted]) -> Fitted:
    """Return the first model of a ranking that fits.

    Raises:
        FitError: none does.
    """
    for fitted in ranking:
        if fitted.fits:
            return fitted
    reasons = "; ".join(f"{f.name}: {f.verdict}" for f in ranking) or "no model was fitted"
    raise FitError(f"fit of {source}", "no model follows the data", got=reasons)


def rank(
    fitted: list[Fitted], of: Callable[[Fitted], str] = lambda _: "", *, decisive: float = DECISIVE, relevant: float = 0.0
) -> tuple[Fitted, ...]:
    """Put models in order: those that fit first, then by their criterion.

    Models within 2 of the first one, or to which it is closer by no more than what matters, are as good as it: of these the one
    with the fewest parameters comes first.

    Args:
        fitted: models with the verdict of their kind: whether they keep within its limit. They are `compared` first.
        of: gives the quantity that a model is of, where there are several: only models of the same one are compared.
        decisive: the difference in the criterion from which on the worse model has no support: `noise.decisive` where the noise
            is known from few points.
        relevant: how much closer to the data, on the scale of the residuals, a model must be for more parameters to matter.
    """
    groups = {of(f): [g for g in fitted if of(g) == of(f)] for f in fitted}
    judged = [f for group in groups.values() for f in compared(group, decisive, max(relevant, CLOSE))]
    ordered = sorted(judged, key=lambda f: (not f.fits, f.criterion))
    if ordered and ordered[0].fits:
        top = ordered[0]
        equal = [f for f in ordered if f.fits and (f.criterion <= top.criterion + 2 or 0 < _closer(top, f) <= relevant)]
        first = min(equal, key=lambda f: f.n_parameters)
        ordered.remove(first)
        ordered.insert(0, first)
    return tuple(ordered)


def _closer(one: Fitted, other: Fitted) -> float:
    """Return by how much a model is closer to the data than another: the root of the difference of their mean squares."""
    return math.sqrt(max(other.residual**2 - one.residual**2, 0.0))


def compared(fitted: list[Fitted], decisive: float = DECISIVE, relevant: float = CLOSE) -> list[Fitted]:
    """Return models with verdicts that take the other models into account.

    A model that keeps within the limit of its kind does not fit all the same where another that does is better by more than a
    decisive difference of the criterion (10: a ratio of likelihoods of 150) and closer to the data by more than what is relevant
    (0.5 % of the scale): by the root of the difference of their mean square residuals. One that is better and closer by less is
    named.
    """
    legal = [f for f in fitted if f.fits and math.isfinite(f.criterion)]
    best = min(legal, key=lambda f: f.criterion, default=None)
    few = "; too few points for AICc"
    return [
        f if not f.fits else _beside(f, best, decisive, relevant) if f in legal and best else replace(f, verdict=f.verdict + few)
        for f in fitted
    ]


def _beside(fitted: Fitted, best: Fitted, decisive: float, relevant: float) -> Fitted:
    behind = fitted.criterion - best.criterion
    if behind <= decisive:
        return fitted
    closer = _closer(best, fitted)
    if closer <= relevant:
        more = f", and closer by {closer:.1%}" if closer > CLOSE else ""
        return replace(fitted, verdict=f"{fitted.verdict}; {best.name!r} is likelier ({sentences.gap(behind)}){more}")
    text = f"has not the shape of your data: {best.name!r} is closer by {closer:.1%} and likelier ({sentences.gap(behind)})"
    return replace(fitted, verdict=text, fits=False)
