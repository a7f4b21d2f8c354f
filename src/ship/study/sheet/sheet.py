"""A requirement sheet: what a network asks of its devices, where one device stands, and what would mend it, as plain values.

**The file** (`Sheet.save`) is JSON, the fields of the classes here by name. A number that is not known is null, one beyond the
range that was searched is the string "inf" or "-inf", an interval is ``{"value", "low", "high"}``, and fractions are fractions of
1. ``schema`` counts changes of this form that a reader would notice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base.atomic_write import write_whole
from ...base.errors import FileError, RunError
from ...plot import Page
from .figures import curve
from .findings import SCHEMA, Findings
from .page import page_of
from .plain import from_plain
from .tables import lines, table


@dataclass(frozen=True, repr=False)
class Sheet(Findings):
    """What a network asks of its devices.

    Args:
        device: the name of the device that is marked; empty: none.
        drop: the fall of the accuracy that is allowed.
        chips, samples, seed: numbers of chips and test samples, and the seed of the chips.
        g_max: S, the upper end of the window in which the weights are held.
        baseline: the accuracy in floating point on the test samples, with its 95 % interval (Wilson).
        axes: the imperfections, one at a time.
        pair: the worst pair; None: it was left out, or there are no two axes with a requirement.
        fails: the name of the axis on which the device is worst; empty: it fails on none that has a mark.
        remedies: what would mend it.
        notes: what a reader must know beside the numbers.
        seconds: by stage, CPU seconds of this process.
        task, network: what was asked about, in words.
        schema: the form of the file.
    """

    def table(self) -> Any:
        """Return a `rich` table of the axes, which prints as text."""
        return table(self)

    def lines(self) -> list[str]:
        """Return what is to be said beside the table, a sentence or two each."""
        return lines(self)

    def plot(self, name: str) -> Any:
        """Return a Matplotlib figure of an axis: the accuracy against the value, what is required, and where the device is.

        Args:
            name: the name of an axis that has a curve.

        Raises:
            RunError: it has none.
        """
        axis = self[name]
        if not axis.curve:
            raise RunError("Sheet.plot", f"needs a curve, and {axis.title} has none", got=axis.text)
        return curve(self, axis, large=True)

    def __str__(self) -> str:
        return "\n".join([str(self.table()), *self.lines()])

    def page(self, how: Mapping[str, str] | None = None) -> Page:
        """Return the sheet as a page: ``sheet.page().write("require.html")`` writes one file that a browser shows.

        Args:
            how: what else is to be said of how it was measured, by name: the command, versions, data.
        """
        return page_of(self, how)

    def __repr__(self) -> str:
        about = f"{self.task or 'network'}{f', {self.device}' if self.device else ''}"
        return f"Sheet({about}: {len(self.axes)} axes, {100 * self.drop:g} points, {self.chips} chips)"

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Sheet:
        """Make a sheet of what `as_dict` returned.

        Raises:
            FileError: a field is missing or is not what it must be, or the form is a newer one.
        """
        if values.get("schema") != SCHEMA:
            raise FileError("Sheet", f"must be of schema {SCHEMA}", got=repr(values.get("schema")))
        made: Sheet = from_plain(cls, values, "Sheet")
        return made

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the sheet to a JSON file; return its path."""
        where = Path(path)
        write_whole(where, (json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n").encode())
        return where

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Sheet:
        """Read a sheet from a file that `save` wrote.

        Raises:
            FileError: it is no such file.
        """
        try:
            values = json.loads(Path(path).read_text())
        except (OSError, ValueError) as error:
            raise FileError(f"Sheet.load: {path}", "must be a file that Sheet.save wrote", got=str(error)) from error
        if not isinstance(values, dict):
            raise FileError(f"Sheet.load: {path}", "must be a JSON object", got=type(values).__name__)
        return cls.from_dict(values)
