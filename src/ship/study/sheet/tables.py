"""A requirement sheet as a table and sentences."""

from __future__ import annotations

import math
from typing import Any

from ...base.statistics import Interval
from .axes import KINDS
from .findings import Axis, Findings, Pair, Remedy

STATUS = {"missing": "not measured", "none": "-"}


def table(sheet: Findings) -> Any:
    """Return a `rich` table of the axes, which prints as text."""
    from ...base.display.tables import PrintedTable

    title = (
        f"{sheet.task or 'network'}: what may be for an accuracy of {sheet.target:.1%}, {100 * sheet.drop:g} points below "
        f"floating point, one imperfection at a time"
    )
    made = PrintedTable(title=title)
    for column in ("imperfection", "may be", "95 % interval"):
        made.add_column(column, justify="left" if column == "imperfection" else "right")
    if sheet.device:
        for column in (sheet.device, "times what may be"):
            made.add_column(column, justify="right")
    for axis in sheet.axes:
        cells = [axis.title, axis.demand, ends(axis)]
        made.add_row(*cells, *(marked(axis) if sheet.device else ()))
    return made


def ends(axis: Axis) -> str:
    """Return the interval of a requirement in words."""
    if axis.found != "bracketed":
        return "-"
    return f"{axis.kind.said(axis.required.low)} to {axis.kind.said(axis.required.high)}"


def marked(axis: Axis) -> list[str]:
    """Return where the device stands: its value, how many times what is allowed that is, and whether it was measured."""
    mark = axis.mark
    value = STATUS.get(mark.status, "not told") if math.isnan(mark.value) else axis.kind.said(mark.value)
    if math.isinf(mark.value):
        value = "infinite"
    ratio = "-" if math.isnan(mark.ratio.value) else f"{mark.ratio.value:.2g} ({mark.ratio.low:.2g} to {mark.ratio.high:.2g})"
    whence = f" ({mark.status})" if mark.status in ("measured", "assumed") else ""
    return [value + whence, ratio]


def lines(sheet: Findings) -> list[str]:
    """Return what is to be said beside the table, a sentence or two each."""
    said = [sheet.verdict()] if sheet.device else []
    if sheet.pair is not None:
        said.append(f"{pair_line(sheet)}{_others(sheet.pair)}")
    said += [remedy_line(remedy) for remedy in sheet.remedies]
    low, high = sheet.baseline.low, sheet.baseline.high
    said.append(
        f"Floating point: {sheet.baseline.value:.1%} of {sheet.samples} test samples ({low:.1%} to {high:.1%}); "
        f"{sheet.chips} chips, seed {sheet.seed}."
    )
    said += list(sheet.notes)
    said += [f"{axis.title}: {axis.text}" for axis in sheet.axes if axis.found == "refused"]
    return said


def pair_line(sheet: Findings) -> str:
    """Return what the worst pair is, in a sentence."""
    pair = sheet.pair
    assert pair is not None
    names = f"{KINDS[pair.a].title} with {KINDS[pair.b].title}"
    if pair.found != "bracketed":
        return f"The worst pair is {names}; the share of both requirements that may be is beyond the range that was searched."
    values = " and ".join(KINDS[name].said(value) for name, value in zip((pair.a, pair.b), pair.values, strict=True))
    return f"The worst pair is {names}: together {_share(pair.share)} of what each may be alone, {values}."


def _others(pair: Pair) -> str:
    """Say what the pairs lost that came out worst."""
    others = [f"{KINDS[each.a].title} with {KINDS[each.b].title} ({100 * each.drop:.1f})" for each in pair.close]
    return f" At {pair.at:.0%} of both, points of accuracy were lost by {', '.join(others)}." if pair.found == "bracketed" else ""


def _share(share: Interval) -> str:
    return f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})"


def remedy_line(remedy: Remedy) -> str:
    """Return what a remedy does, in a sentence."""
    if math.isnan(remedy.after.value):
        return f"{remedy.name}: {remedy.how}"
    verdict = {
        "yes": "the requirement is met",
        "no": "not enough",
        "undecided": "whether that is enough, the interval leaves open",
    }
    return f"{remedy.name} ({remedy.how}): {percent(remedy.before)} becomes {percent(remedy.after)}; {verdict[remedy.met]}."


def percent(value: Interval) -> str:
    """Return an accuracy with its interval."""
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"
