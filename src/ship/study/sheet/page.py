"""A requirement sheet as a page, for the engineer of the device: the answer, all axes at a glance, then what stands behind."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...plot import Page
from . import figures
from .findings import Axis, Findings, Remedy
from .tables import ends, marked, pair_line, percent, remedy_line

MET = {"yes": "yes", "no": "no", "undecided": "the interval leaves it open"}


def page_of(sheet: Findings, how: Mapping[str, str] | None = None) -> Page:
    """Return the page of a sheet; see `Sheet.page`."""
    about = sheet.device or "a device"
    on = f" on the task {sheet.task}" if sheet.task else ""
    lead = f"What {sheet.network or 'a network'} asks of devices, wires and neurons, so that its accuracy{on} falls by at most "
    made = Page(f"How good must {about} be?", f"{lead}{100 * sheet.drop:g} points.", above="Requirement sheet")
    _answer(made, sheet)
    _glance(made, sheet)
    _table(made, sheet)
    _mend(made, sheet)
    _pair(made, sheet)
    _curves(made, sheet)
    _unknown(made, sheet)
    _how(made, sheet, how or {})
    made.data(sheet.as_dict(), "require.json")
    return made


def _answer(made: Page, sheet: Findings) -> None:
    """Say which axis fails first, by how much, and what mends it."""
    more = [_mends(sheet)] if sheet.remedies else []
    if sheet.pair is not None:
        more.append(pair_line(sheet))
    if not sheet.device:
        made.answer(_tightest(sheet), *more)
    else:
        verdict, tone = verdict_of(sheet)
        made.answer(sheet.verdict(), *more, *_silent(sheet), verdict=verdict, tone=tone)
    facts = {
        "accuracy in floating point": f"{sheet.baseline.value:.1%}",
        "least accuracy allowed": f"{sheet.target:.1%}",
        "test samples": str(sheet.samples),
        "virtual chips at each value": f"up to {sheet.chips}",
    }
    made.facts(facts, tiles=True)


def verdict_of(sheet: Findings) -> tuple[str, str]:
    """Return a word or two, and the tone of the box."""
    if not sheet.marked:
        return "Not known", "open"
    worst = sheet.marked[0].mark
    if worst.fails:
        return ("Fails", "bad") if worst.sure else ("Undecided", "open")
    if any(not axis.mark.sure for axis in sheet.marked):
        return "Undecided", "open"
    return ("Passes where it is known", "open") if _silent(sheet) else ("Passes, one at a time", "good")


def _silent(sheet: Findings) -> list[str]:
    """Say on which axes with a requirement nothing is known of the device."""
    lacking = [axis.title for axis in _required(sheet) if math.isnan(axis.mark.value)]
    return [f"Not known of it, though required: {', '.join(lacking)}."] if lacking else []


def _required(sheet: Findings) -> list[Axis]:
    return [axis for axis in sheet.axes if axis.bracketed and axis.kind.of == "device"]


def _tightest(sheet: Findings) -> str:
    """Return the requirements in a sentence, where no device is compared with them."""
    found = [f"{axis.title} {axis.demand}" for axis in sheet.axes if axis.bracketed]
    if not found:
        return "No imperfection costs the accuracy that is allowed in the range that was searched, one at a time."
    return f"One imperfection at a time, the network allows: {'; '.join(found)}."


def _mends(sheet: Findings) -> str:
    """Say what mends the axis that fails."""
    good = [remedy for remedy in sheet.remedies if remedy.met == "yes"]
    if good:
        best = max(good, key=lambda remedy: remedy.after.value)
        others = [remedy.name for remedy in good if remedy is not best]
        also = f" So {'does' if len(others) == 1 else 'do'} {' and '.join(others)}." if others else ""
        return f"What mends it: {remedy_line(best)}{also}"
    tried = [remedy for remedy in sheet.remedies if not math.isnan(remedy.after.value)]
    if not tried:
        return "No remedy could be tried."
    best = max(tried, key=lambda remedy: remedy.after.value)
    return f"None of {len(tried)} remedies is sure to mend it. The best: {remedy_line(best)}"


def _glance(made: Page, sheet: Findings) -> None:
    made.section("All axes at a glance")
    device = f" Diamonds show {sheet.device}; triangles say that it lies beyond the end of a range." if sheet.device else ""
    said = [f"{axis.title}: {axis.demand}{_also(sheet, axis)}." for axis in figures.ordered(sheet)]
    made.figure(
        figures.overview(sheet, wide=True),
        f"Ranges of {len(sheet.axes)} imperfections, each from best to worst, with the required value"
        + (f" and where {sheet.device} stands" if sheet.device else ""),
        "One imperfection at a time, all others ideal. Each range is logarithmic, from the best value that was searched to the "
        f"worst, at the right. The line is the value at which the accuracy has fallen by {100 * sheet.drop:g} points." + device,
        " ".join(said),
        narrow=figures.overview(sheet, wide=False),
    )


def _also(sheet: Findings, axis: Axis) -> str:
    has = figures.device_has(sheet, axis)
    return f"; {has}" if has else ""


def _table(made: Page, sheet: Findings) -> None:
    made.section("What is required")
    columns = ["imperfection", "may be"]
    columns += [sheet.device, "times what may be (95 % interval)"] if sheet.device else []
    columns.append("95 % interval of what may be")
    rows = [[axis.title, axis.demand, *(marked(axis) if sheet.device else ()), ends(axis)] for axis in figures.ordered(sheet)]
    caption = f"What may be for an accuracy of {sheet.target:.1%}, one imperfection at a time"
    if sheet.device:
        caption += f", and what {sheet.device} has. Above 1 times, it fails"
    made.table(columns, [[_dash(cell) for cell in row] for row in rows], f"{caption}.")
    with made.details("What each imperfection means"):
        made.facts({axis.title: axis.means for axis in sheet.axes})


def _spaced(text: str) -> str:
    """Return a text with a space in front of per cent, as in all of a page."""
    return text.replace("%", " %")


def _dash(cell: str) -> str:
    return "\u2013" if cell == "-" else cell


def _mend(made: Page, sheet: Findings) -> None:
    if not sheet.remedies:
        return
    axis = sheet[sheet.fails]
    made.section("What would mend it")
    before = percent(sheet.remedies[0].before)
    made.text(
        f"Chips that have {axis.kind.said(axis.mark.value)} on {axis.title}, as {sheet.device} has, and are ideal otherwise, "
        f"were measured without and with each remedy. Without one they reach {before}; the least allowed is {sheet.target:.1%}."
    )
    columns = ["remedy", "accuracy with it", "enough", "chips", "how"]
    rows = [_mended(remedy) for remedy in sheet.remedies]
    made.table(columns, rows, f"Remedies for {axis.title}, with 95 % intervals over chips and test samples.", right=[3])


def _mended(remedy: Remedy) -> list[object]:
    if math.isnan(remedy.after.value):
        return [remedy.name, "\u2013", "cannot be applied", remedy.chips, remedy.how]
    return [remedy.name, percent(remedy.after), MET[remedy.met], remedy.chips, remedy.how]


def _pair(made: Page, sheet: Findings) -> None:
    pair = sheet.pair
    if pair is None:
        return
    made.section("The worst pair")
    made.text(
        pair_line(sheet),
        "Independent errors that add as squares would allow 71 % of each requirement, errors that add 50 %.",
    )
    a, b = sheet[pair.a].title, sheet[pair.b].title
    figure = figures.pair_curve(sheet, pair)
    made.figure(
        figure,
        f"Accuracy of chips with {a} and {b} together, against the share of both requirements",
        "Mean accuracy of chips with both, against the share of both requirements. Dashed: the least accuracy allowed. Band: "
        "the 95 % interval of the share.",
    )
    rows = [[f"{sheet[close.a].title} with {sheet[close.b].title}", 100 * close.drop] for close in pair.close]
    if rows:
        made.table(
            ["pair", "fall of the accuracy (points)"],
            [[name, f"{fall:.1f}"] for name, fall in rows],
            f"The pairs that cost most at {pair.at:.0%} of both requirements.",
            right=[1],
        )
    if pair.text:
        made.note(pair.text)


def _curves(made: Page, sheet: Findings) -> None:
    drawn = [axis for axis in figures.ordered(sheet) if axis.curve]
    if not drawn:
        return
    made.section("The curves")
    device = f" The dotted line with a diamond is {sheet.device}." if sheet.device else ""
    made.text(
        "Mean accuracy of chips with 95 % intervals, each imperfection alone, worse to the right. Dashed: the least accuracy "
        f"allowed. Solid line and band: the required value with its 95 % interval.{device}"
    )
    made.figures([(figures.curve(sheet, axis), f"Accuracy against {axis.title}: {axis.demand}", "") for axis in drawn])


def _unknown(made: Page, sheet: Findings) -> None:
    """Say what was assumed, what was not measured, and where each number of the device is from."""
    made.section("What was assumed, and what was not measured")
    groups = {"assumed": "Assumed, not measured", "missing": "Not measured", "measured": "Measured"}
    own = [axis for axis in sheet.axes if axis.kind.of == "device"] if sheet.device else []
    for status, heading in groups.items():
        found = {axis.title: axis.mark.text or "no more is said of it" for axis in own if axis.mark.status == status}
        if found:
            made.section(heading, 3)
            made.facts(found)
    other = [axis for axis in sheet.axes if axis.kind.of != "device"]
    if sheet.device and other:
        made.section("Not a property of the device", 3)
        made.facts({axis.title: axis.mark.text for axis in other})
    refused = {axis.title: axis.text for axis in sheet.axes if axis.found == "refused"}
    if refused:
        made.section("Refused by the network", 3)
        made.facts(refused)
    made.section("Beside all numbers", 3)
    made.points(
        [
            *sheet.notes,
            "One imperfection at a time, and pairs: what all of a device does at once, ship ask measures.",
        ]
    )


def _how(made: Page, sheet: Findings, how: Mapping[str, str]) -> None:
    made.section("How it was measured")
    baseline = sheet.baseline
    seconds = sum(each for _, each in sheet.seconds)
    facts = {
        "Task": sheet.task,
        "Network": sheet.network,
        "Floating point": f"{_spaced(percent(baseline))}, of {sheet.samples} test samples",
        "Allowed fall": f"{100 * sheet.drop:g} points",
        "Chips": f"up to {sheet.chips} at each value, each weight a pair of devices, window up to {sheet.g_max:g} S",
        "Seed": str(sheet.seed),
        "Time": f"{seconds:.0f} s of CPU" if sheet.seconds else "",
    }
    made.facts(facts | dict(how))
    texts = [f"{axis.title}: {axis.text}" for axis in sheet.axes if axis.text and axis.found != "refused"]
    if texts:
        with made.details("Remarks on single axes"):
            made.points(texts)
