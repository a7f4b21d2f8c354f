"""Limits of a file of measurements, so that a damaged or hostile one ends in an error, not in a full memory."""

from __future__ import annotations

from ...base.errors import FileError, FitError
from .spelling import argument

FILE = 200 * 2**20  # bytes of a file
PART = 64 * 2**20  # bytes of one part of an XLSX file, unpacked
ARRAY = 400 * 2**20  # bytes of one array of an NPZ file, unpacked
MEMBERS = 10_000  # of a ZIP container
CELLS = 4_200_000  # of a table: an array of 2048 x 2048 devices
COLUMNS = 16_384  # of a table, as in Excel
LINE = 4 * 2**20  # characters of a line of text
CELL = 32_767  # characters of a cell of a sheet, as in Excel
HEADER = 1000  # characters of a header
POINTS = (
    50_000  # that models are fitted to: some minutes; sweeps of a voltage are reduced to medians first and have no such limit
)
FEWER = "Save only what is to be fitted, or read the file yourself and give arrays."


def check_points(name: str, count: int) -> None:
    """Refuse a fit of more points than can be fitted in minutes.

    Raises:
        FitError: they are too many.
    """
    if count > POINTS:
        fix = f"Fit every so many of them, or some of the devices ({argument('only')})."
        raise FitError(name, f"must have at most {POINTS} points to be fitted", got=str(count), fix=fix)


def check_cells(name: str, count: int) -> None:
    """Refuse a table of more cells than are read.

    Raises:
        FileError: they are too many.
    """
    if count > CELLS:
        raise FileError(name, f"must have at most {CELLS} cells", got="more", fix=FEWER)
