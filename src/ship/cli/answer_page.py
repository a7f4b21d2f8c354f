"""The answer of ``ship ask`` as a page: the answer, the conditions, what limits, and where each number of the device is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..base.statistics import Interval
from ..plot import Page
from ..study import Conditions, Row, summary, yield_at
from ..study.conditions import percent
from . import answer

BLUE, ORANGE, GREY, INK = "#2166ac", "#d95f02", "#777777", "#000000"


def answer_page(
    found: Conditions,
    rows: Sequence[Row],
    exact: Interval,
    lines: Mapping[str, float],
    numbers: Mapping[str, Any],
    how: Mapping[str, str],
) -> Page:
    """Return the page of a device.

    Args:
        found: the conditions of the device.
        rows: the rows, with those that were measured besides.
        exact: the accuracy in floating point.
        lines: accuracies to compare with, by name.
        numbers: the answer for a machine, with what was asked: task, network, samples, notes.
        how: how it was made, by name.
    """
    device = found.device.name
    lead = f"What {numbers['network']} reaches on the task {numbers['task']} when its weights sit in {device}."
    made = Page(f"How well would a network do in {device}?", lead, above="Answer of ship ask")
    _answer(made, found, rows, exact)
    measured = [row for row in rows if row.chips is not None]
    if measured:
        made.section("The chips in each condition")
        _figure(made, found, measured, lines)
    _conditions(made, found, rows, exact)
    _limits(made, found)
    _known(made, found)
    made.section("Beside all numbers")
    made.points([*found.notes, *answer.effort(found), *numbers["notes"]])
    made.section("How it was measured")
    made.facts(
        {
            "Task": str(numbers["task"]),
            "Network": str(numbers["network"]),
            "Floating point": f"{_percent(exact)}, of {numbers['samples']} test samples".replace("%", " %"),
            "Chips": f"{found.chips} in each condition; intervals are of the mean over chips",
            "Seed": str(numbers["seed"]),
            "Time": f"{numbers['seconds']:.0f} s",
            **how,
        }
    )
    made.data(numbers, "answer.json")
    return made


def _answer(made: Page, found: Conditions, rows: Sequence[Row], exact: Interval) -> None:
    """Say what the chips reach in the condition of use, and what limits it."""
    unknown = [f"Not known: {row.name}, {row.text}." for row in rows if row.chips is None]
    if not found.base:
        made.answer(f"Nothing can be said of {found.device.name}: no condition has a number.", *unknown, tone="open")
        return
    chips = found.row(found.base).chips
    assert chips is not None
    mean, worst, *_ = summary(chips)
    text = f"{found.base}, {len(chips)} virtual chips of {found.device.name} reach {_percent(mean)} on average; "
    text += f"floating point {exact.value:.1%}."
    made.answer(text[0].upper() + text[1:], f"Limits: {found.limiting()}.", *unknown)
    share, least, most = yield_at(chips, answer.GOOD * exact.value)
    tiles = {
        "accuracy in floating point": f"{exact.value:.1%}",
        f"mean of the chips, {found.base}": f"{mean.value:.1%}",
        "worst chip": f"{worst:.1%}",
        f"of the chips reach {answer.GOOD * exact.value:.1%} ({least:.0%} to {most:.0%})": f"{share:.0%}",
    }
    made.facts(tiles, tiles=True)


def _percent(value: Interval) -> str:
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"


def _figure(made: Page, found: Conditions, rows: Sequence[Row], lines: Mapping[str, float]) -> None:
    said = [f"{row.name}: {summary(row.chips)}." for row in rows if row.chips is not None]
    made.figure(
        drawn(rows, lines, wide=True),
        f"Accuracy of {found.chips} virtual chips of {found.device.name} in {len(rows)} conditions",
        "Each small dot is a chip, the large one their mean with its 95 % interval.",
        " ".join(said),
        narrow=drawn(rows, lines, wide=False),
    )


def drawn(rows: Sequence[Row], lines: Mapping[str, float], *, wide: bool) -> Any:
    """Draw the chips of each condition on a line, conditions below each other.

    Args:
        rows: conditions with numbers.
        lines: accuracies to compare with, by name.
        wide: for a desktop, names at the left; else for a phone, names above.
    """
    from ..base.display.picture import Picture

    height = (0.4 if wide else 0.55) * len(rows) + 0.75 + 0.18 * len(lines)
    figure = Picture(figsize=(9.2 if wide else 3.72, height), layout="constrained", dpi=120)
    frame = figure.add_subplot()
    for at, row in enumerate(rows):
        assert row.chips is not None
        mean, values = summary(row.chips).mean, (100 * row.chips).tolist()
        frame.plot(values, [at] * len(values), ".", color=GREY, alpha=0.4, ms=4)
        ends = [[100 * (mean.value - mean.low)], [100 * (mean.high - mean.value)]]
        frame.errorbar([100 * mean.value], [at], xerr=ends, fmt="o", color=BLUE, ms=5.5, capsize=3)
        if not wide:
            frame.text(0.0, at - 0.3, row.name, transform=frame.get_yaxis_transform(), fontsize=8.5, va="bottom", color=INK)
    for (name, level), dashes in zip(lines.items(), ("--", ":", "-."), strict=False):
        frame.axvline(100 * level, ls=dashes, color=ORANGE, lw=1.3, label=name.replace("%", " %"))
    frame.set_ylim(len(rows) - 0.5, -0.5 if wide else -0.9)
    frame.set_yticks(range(len(rows)), [row.name for row in rows] if wide else [], fontsize=9.5)
    frame.set_xlabel("test accuracy (%)", fontsize=8.5)
    frame.tick_params(axis="x", labelsize=8.5)
    frame.tick_params(axis="y", length=0)
    frame.grid(axis="x", color="#cccccc", lw=0.5)
    frame.set_axisbelow(True)
    for name, side in frame.spines.items():
        side.set_visible(name == "bottom")
        side.set_color(GREY)
    if lines:
        figure.legend(loc="outside upper left", fontsize=8.5, frameon=False)
    return figure


def _conditions(made: Page, found: Conditions, rows: Sequence[Row], exact: Interval) -> None:
    made.section("All conditions")
    columns = [
        "weights",
        "mean (95 % interval)",
        "worst",
        "best",
        f"yield at {answer.GOOD * exact.value:.1%}",
        "weight error",
        "how",
    ]
    cells: list[list[str]] = [["floating point", _percent(exact), "", "", "", "", "no device"]]
    for row in rows:
        if row.chips is None:
            cells.append([row.name, "\u2013", "", "", "", "", row.text])
            continue
        mean, worst, best, *_ = summary(row.chips)
        share, least, most = yield_at(row.chips, answer.GOOD * exact.value)
        off = "" if row.off is None else percent(row.off)
        good = f"{share:.0%} ({least:.0%} to {most:.0%})"
        cells.append([row.name, _percent(mean), f"{worst:.1%}", f"{best:.1%}", good, off, row.text])
    caption = f"Accuracy of {found.chips} virtual chips. A dash: there is no number, and the last column says why."
    made.table(columns, cells, caption, right=[2, 3])


def _limits(made: Page, found: Conditions) -> None:
    if not found.limits:
        return
    made.section("What limits")
    made.text("On the same chips one property of the device at a time was made ideal: what that gives back is what it costs.")
    rows = []
    for limit in found.limits:
        value, low, high = (100 * each for each in limit.gain)
        rows.append(
            [limit.name, f"{value:+.1f} ({low:.1f} to {high:.1f})", "yes" if limit.counts else "no", limit.row, limit.chips]
        )
    columns = ["property made ideal", "points gained (95 % interval)", "limits", "condition", "chips"]
    made.table(columns, rows, f"What each property of {found.device.name} costs, the largest first.", right=[4])


def _known(made: Page, found: Conditions) -> None:
    """Say of each number and part of the device where it is from."""
    made.section("Where the numbers of the device are from")
    known = found.device.known()
    if known.rows:
        rows = [[name, value, status, source] for name, value, status, source in known.rows]
        made.table(["part", "value", "status", "from"], rows, f"What was measured, or assumed by name, of {found.device.name}.")
    made.points(known.rest)
