"""A measured array as one chip: its conductances, and which of its devices are broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base.errors import FitError
from ..contract import FAULTS, OPEN, SOUND
from ..reading import units
from ..reading.columns import LARGEST
from ..reading.table import Table, number, plain, read


@dataclass(frozen=True)
class MeasuredArray:
    """The conductances and faults of one measured chip.

    Args:
        conductance: the conductances, S, ``[row, column]``, float64; 0 where a device is open.
        faults: the map of faults, ``[row, column]``, int8: 0 sound, 1 stuck low, 2 stuck high, 3 open.
        source, sha256: the file's name and digest.
        notes: remarks on what was changed.
    """

    conductance: Tensor
    faults: Tensor
    source: str
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The number of devices of each kind."""
        return {name: int((self.faults == code).sum()) for code, name in FAULTS.items()}

    def __str__(self) -> str:
        sound = self.conductance[self.faults == SOUND]
        rows, columns = self.conductance.shape
        text = f"{self.source}: {rows} x {columns} devices, " + ", ".join(f"{n} {name}" for name, n in self.counts.items())
        if len(sound):
            text += f"\n  sound ones: {float(sound.min()):.4g} to {float(sound.max()):.4g} S, mean {float(sound.mean()):.4g} S"
        return "\n".join([text, *(f"Note: {note}" for note in self.notes)])

    __repr__ = __str__


def measured_array(
    source: Any, *, unit: str | None = None, faults: Any = None, sheet: str | None = None, decimal: str = "."
) -> MeasuredArray:
    """Import the conductances of an array, and the map of its faults.

    Args:
        source: ``[row, column]``: an array, or a file: CSV or XLSX with a header (names of the columns), or NPZ with
            ``conductance`` and, where there is one, ``faults``.
        unit: the unit of the conductances (``"uS"``), or of resistances (``"kohm"``). It is never guessed.
        faults: the map of faults, ``[row, column]``, as an array or a file: 0 sound, 1 stuck low, 2 stuck high, 3 open. None: all
            are sound, unless the NPZ says otherwise.
        sheet: the sheet of an XLSX file; needed where it has several.
        decimal: the decimal sign, "." or ",".

    Raises:
        FitError: no unit, cells that are no numbers, negative conductances, a map of another shape or with other codes.
        FileError: the file is missing or damaged.
    """
    if decimal not in (".", ","):
        raise FitError("measured_array: decimal", "must be '.' or ','", got=repr(decimal))
    if unit is None:
        raise FitError(
            "measured_array: unit",
            "is needed: units are never guessed",
            fix="Give unit='uS', or another of conductance or resistance.",
        )
    _options(source, unit, sheet, decimal)
    quantity = "resistance" if units.spelled(unit) in units.UNITS["resistance"] else "conductance"
    if units.spelled(unit) == units.NORMALISED:
        raise FitError("measured_array: unit", "must be physical", got=repr(unit), fix="Convert the values to siemens.")
    scale = units.factor("measured_array: unit", quantity, unit)
    values, table = _matrix(source, "conductance", sheet, decimal)
    given = faults
    if given is None and table is not None and "faults" in table.columns and str(table.name).endswith(".npz"):
        given = table.columns["faults"]
    codes = np.zeros(values.shape) if given is None else _matrix(given, "faults", None, decimal)[0]
    if codes.shape != values.shape:
        raise FitError("measured_array: faults", f"must be {list(values.shape)}, as the conductances", got=f"{list(codes.shape)}")
    if not np.isin(codes, list(FAULTS)).all():
        wrong = codes[~np.isin(codes, list(FAULTS))].flat[0]
        raise FitError("measured_array: faults", "must be 0 (sound), 1 (stuck low), 2 (stuck high) or 3 (open)", got=f"{wrong:g}")
    return _checked(values, codes.astype(np.int8), quantity, scale, table)


def _options(source: Any, unit: Any, sheet: Any, decimal: Any) -> None:
    if not isinstance(unit, str):
        raise FitError("measured_array: unit", "must be text", got=repr(unit), fix="E.g. unit='uS'.")
    if decimal not in (".", ","):
        raise FitError("measured_array: decimal", "must be '.' or ','", got=repr(decimal))
    if sheet is not None and not isinstance(source, str | Path):
        raise FitError("measured_array: sheet", "is only for XLSX files", got=repr(sheet), fix="Leave it out.")


def _checked(values: np.ndarray, codes: np.ndarray, quantity: str, scale: float, table: Table | None) -> MeasuredArray:
    name, sha, notes = (table.name, table.sha256, table.notes) if table is not None else ("memory", "", [])
    broken = codes == OPEN
    bad = ~np.isfinite(values) & ~broken
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise FitError(
            f"{name}: device [{row}, {column}]",
            "must be a finite number",
            got=str(values[row, column]),
            fix="Mark it open (3) in faults.",
        )
    g = np.where(broken, 0.0, values) * scale
    if quantity == "resistance":
        if (g[~broken] <= 0).any():
            raise FitError(name, "resistances must be above 0 ohm", got=f"{g[~broken].min():g}")
        with np.errstate(over="ignore"):
            g = np.where(broken, 0.0, 1 / np.where(broken, 1.0, g))
    if (g < 0).any():
        row, column = np.argwhere(g < 0)[0]
        raise FitError(f"{name}: device [{row}, {column}]", "must be at least 0 S", got=f"{g[row, column]:g}")
    if (g >= LARGEST).any():
        raise FitError(name, f"must be below {LARGEST:g} S", got=f"{g.max():g}")
    if broken.any():
        notes = [*notes, f"{int(broken.sum())} open devices were set to 0 S"]
    return MeasuredArray(torch.tensor(g, dtype=torch.float64), torch.tensor(codes), name, sha, tuple(notes))


def _matrix(source: Any, name: str, sheet: str | None, decimal: str) -> tuple[np.ndarray, Table | None]:
    if not isinstance(source, str | Path):
        array = plain("source", source)
        if array.ndim != 2 or array.dtype.kind not in "fiub" or not array.size:
            raise FitError(
                f"measured_array: {name}", "must be numbers [row, column]", got=f"{array.dtype}, shape {list(array.shape)}"
            )
        return array.astype(np.float64), None
    table = read(source, sheet=sheet)
    if table.rows is None:
        array = np.asarray(table.column(name))
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            raise FitError(
                f"{table.name}: {name}", "must be numbers [row, column]", got=f"{array.dtype}, shape {list(array.shape)}"
            )
        return array.astype(np.float64), table
    named = {head: column for head, column in table.columns.items() if head not in table.unnamed}  # the others: an index
    if table.unnamed:
        table.notes.append(f"columns without a name were left out: {', '.join(table.unnamed)}")
    cells = [[number(table, head, k, c, decimal) for k, c in enumerate(column)] for head, column in named.items()]
    return np.array(cells).T, table
