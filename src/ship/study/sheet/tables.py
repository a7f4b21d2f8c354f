"""A requirement sheet as a table and sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...base.statistics import Interval
from .axes import KINDS

if TYPE_CHECKING:
    from .sheet import Axis, Remedy, Sheet

STATUS = {"missing": "not measured", "none": "-"}


def table(sheet: Sheet) -> Any:
    """Return a `rich` table of the axes, which prints as text."""
    from ...base.display.tables import PrintedTable

    title = (
        f"{sheet.task or 'network'}: what may be for an accuracy of {sheet.target:.1%}, {100 * sheet.drop:g} points below "
        f"floating point, one imperfection at a time"
    )
    made = PrintedTable(title=title)
    for column in ("imperfection", "required", "95 % interval"):
        made.add_column(column, justify="left" if column == "imperfection" else "right")
    if sheet.device:
        for column in (sheet.device, "times what is allowed", "from"):
            made.add_column(column, justify="left" if column == "from" else "right")
    for axis in sheet.axes:
        cells = [axis.title, axis.demand, _ends(axis)]
        made.add_row(*cells, *(_marked(axis) if sheet.device else ()))
    return made


def _ends(axis: Axis) -> str:
    if axis.found != "bracketed":
        return "-"
    return f"{axis.kind.said(axis.required.low)} to {axis.kind.said(axis.required.high)}"


def _marked(axis: Axis) -> list[str]:
    mark = axis.mark
    value = STATUS.get(mark.status, "not told") if math.isnan(mark.value) else axis.kind.said(mark.value)
    if math.isinf(mark.value):
        value = "infinite"
    ratio = "-" if math.isnan(mark.ratio.value) else f"{mark.ratio.value:.2g} ({mark.ratio.low:.2g} to {mark.ratio.high:.2g})"
    return [value, ratio, mark.status if mark.status in ("measured", "assumed") else "-"]


def lines(sheet: Sheet) -> list[str]:
    """Return what is to be said beside the table, a sentence or two each."""
    said = [sheet.verdict()] if sheet.device else []
    if sheet.pair is not None:
        said.append(_pair(sheet))
    said += [_remedy(sheet, remedy) for remedy in sheet.remedies]
    low, high = sheet.baseline.low, sheet.baseline.high
    said.append(
        f"Floating point: {sheet.baseline.value:.1%} of {sheet.samples} test samples ({low:.1%} to {high:.1%}); "
        f"{sheet.chips} chips, seed {sheet.seed}."
    )
    said += list(sheet.notes)
    said += [f"{axis.title}: {axis.text}" for axis in sheet.axes if axis.found == "refused"]
    return said


def _pair(sheet: Sheet) -> str:
    pair = sheet.pair
    assert pair is not None
    names = f"{KINDS[pair.a].title} with {KINDS[pair.b].title}"
    if pair.found != "bracketed":
        return f"The worst pair is {names}; the share of both requirements that may be is beyond the range that was searched."
    values = " and ".join(KINDS[name].said(value) for name, value in zip((pair.a, pair.b), pair.values, strict=True))
    return f"The worst pair is {names}: together {_share(pair.share)} of what each may be alone, {values}."


def _share(share: Interval) -> str:
    return f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})"


def _remedy(sheet: Sheet, remedy: Remedy) -> str:
    if math.isnan(remedy.after.value):
        return f"{remedy.name}: {remedy.how}"
    verdict = {
        "yes": "the requirement is met",
        "no": "not enough",
        "undecided": "whether that is enough, the interval leaves open",
    }
    return f"{remedy.name} ({remedy.how}): {_percent(remedy.before)} becomes {_percent(remedy.after)}; {verdict[remedy.met]}."


def _percent(value: Interval) -> str:
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"
