"""What the checks of the kit found, as a table that reads without knowing the code."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..base.display.notebook import html_table
from ..base.errors import ModelError

Verdict = Literal["pass", "fail", "does not apply"]
WIDEST = (30, 14, 42, 42)  # characters of the columns
HEADS = ("check", "result", "seen", "should be")


class Outcome(NamedTuple):
    """What one check saw, beside what it should have seen."""

    verdict: Verdict
    seen: str
    should: str = ""
    fix: str = ""


def passed(seen: str, should: str = "") -> Outcome:
    """Return the outcome of a check that found nothing wrong."""
    return Outcome("pass", seen, should)


def failed(seen: str, should: str, fix: str) -> Outcome:
    """Return the outcome of a check that found something wrong; ``fix`` is a sentence that says what to do."""
    return Outcome("fail", seen, should, fix)


def skipped(why: str) -> Outcome:
    """Return the outcome of a check that does not apply, and why."""
    return Outcome("does not apply", why)


def judged(good: bool, seen: str, should: str, fix: str) -> Outcome:
    """Return `passed` or `failed`."""
    return Outcome("pass" if good else "fail", seen, should, "" if good else fix)


@dataclass(frozen=True)
class Finding:
    """One line of a report: the check, its verdict, what was seen, what it should be, and how to mend it."""

    check: str
    verdict: Verdict
    seen: str
    should: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """The outcome of all checks of a model, a rule or a part of a device; ``print(report)`` shows a table."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The checks that failed."""
        return tuple(f for f in self.findings if f.verdict == "fail")

    def __getitem__(self, check: str) -> Finding:
        """Return what a check found, by its name."""
        return next(f for f in self.findings if f.check == check)

    def raise_if_failed(self) -> None:
        """Raise an error that names what failed, and how to mend the first of it.

        Raises:
            ModelError: a check failed.
        """
        if self.ok:
            return
        names = "; ".join(f"{f.check}: {f.seen}" for f in self.failures)
        raise ModelError(
            self.subject, "must pass every check", got=f"{len(self.failures)} failed ({names})", fix=self.failures[0].fix
        )

    @property
    def title(self) -> str:
        """The result in one line."""
        counts = {verdict: sum(f.verdict == verdict for f in self.findings) for verdict in ("pass", "fail", "does not apply")}
        return f"{self.subject}: {counts['pass']} passed, {counts['fail']} failed, {counts['does not apply']} do not apply"

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The table, one row for each check."""
        return [(f.check, f.verdict.upper() if f.verdict == "fail" else f.verdict, f.seen, f.should) for f in self.findings]

    def __str__(self) -> str:
        lines = [self.title, "", *_line(HEADS), "  ".join("-" * width for width in WIDEST)]
        for row in self.rows():
            lines += _line(row)
        for f in self.failures:
            lines += ["", *textwrap.wrap(f"{f.check}: {f.fix}", sum(WIDEST) + 6)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return html_table(self.title, HEADS, self.rows())


def _line(cells: Sequence[str]) -> list[str]:
    """Break the cells of a row into lines of their columns."""
    parts = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDEST, strict=True)]
    found = []
    for i in range(max(map(len, parts))):
        texts = [part[i] if i < len(part) else "" for part in parts]
        found.append("  ".join(f"{text:{width}}" for text, width in zip(texts, WIDEST, strict=True)).rstrip())
    return found


def inspect_all(subject: str, checks: Iterable[tuple[str, Callable[[Any], Outcome]]], bench: Any, skip: Sequence[str]) -> Report:
    """Make a report: every check is asked in turn; an error inside one is its failure, and names what was raised."""
    findings = []
    for name, check in checks:
        if name in skip:
            outcome = skipped("left out on request")
        else:
            try:
                outcome = check(bench)
            except Exception as error:
                cause = error.__cause__ or error
                text = " ".join(f"{type(cause).__name__}: {error}".split())[:300]
                outcome = failed(text, "runs without an error", "Mend what the error names; the check could not be done.")
        findings.append(Finding(name, *outcome))
    return Report(subject, tuple(findings))
