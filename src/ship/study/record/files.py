"""The files of a run: ``run.json`` read, an old run removed, tables and figures as the content of files."""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ...base.atomic_write import regular_file
from ...base.errors import FileError, RunError
from ...base.statistics import Interval

RECORD = "ship run 1"
LARGEST = 64 << 20  # bytes of a run.json that is read
PARTS = {"study": str, "config": dict, "seed": int, "data": list, "networks": dict, "numbers": dict, "tables": dict}
PARTS |= {"figures": dict, "notes": list, "versions": dict}


def read_run(path: Path | str) -> dict[str, Any]:
    """Read the record of a run.

    Args:
        path: ``run.json``, or the folder that it lies in.

    Returns:
        Its content: ``study``, ``config``, ``seed``, ``data``, ``networks``, ``numbers``, ``tables``, ``figures``, ``notes``,
        ``stages``, ``seconds``, ``versions``, ``platform``, ``cpu`` and ``threads``.

    Raises:
        FileError: no such file, or none that a run of a study has written.
    """
    path = Path(path)
    path = regular_file(path / "run.json" if path.is_dir() else path, LARGEST)
    try:
        made = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FileError(str(path), "is no record of a run: it is not JSON", got=str(error)) from error
    if not isinstance(made, dict) or made.get("format") != RECORD:
        got = made.get("format") if isinstance(made, dict) else type(made).__name__
        raise FileError(str(path), f"is no record of a run of a study: its format must be {RECORD!r}", got=repr(got))
    for name, kind in PARTS.items():
        if not isinstance(made.get(name), kind):
            raise FileError(str(path), f"is damaged: {name!r} must be of type {kind.__name__}", got=repr(made.get(name))[:80])
    return made


def clear(folder: Path) -> None:
    """Make the folder of a run, without what an earlier run has left there; its ``run.json`` goes first.

    Raises:
        FileError: it cannot be made, or holds a ``run.json`` that no run has written.
    """
    old = folder / "run.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not old.exists():
            return
        try:
            record = read_run(old)
        except FileError as error:
            raise FileError(str(folder), f"has a run.json that would be lost: {error}", fix="Choose another folder.") from error
        old.unlink()
        for part in (*record["tables"].values(), *record["figures"].values()):
            for name in part.get("files", ()):
                if Path(name).name == name:
                    (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(str(folder), "cannot be made the folder of a run", got=error.strerror or str(error)) from error


def table_files(where: str, name: str, rows: Sequence[Mapping[str, Any]] | Any) -> dict[str, bytes]:
    """Return a table as the content of its files, by name: CSV, and NetCDF of an ``xarray.Dataset``.

    Raises:
        RunError: no rows, or what is neither rows nor a Dataset.
    """
    if hasattr(rows, "to_netcdf") and hasattr(rows, "to_dataframe"):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "table.nc"
            try:
                rows.to_netcdf(path, engine="h5netcdf")
            except (ImportError, ValueError) as error:
                if "h5netcdf" not in str(error):
                    raise
                raise RunError(where, "needs h5netcdf to write NetCDF", fix="pip install ship-snn[study]") from error
            content = path.read_bytes()
        text = rows.to_dataframe().reset_index().to_csv(index=False, lineterminator="\n")
        return {f"{name}.csv": text.encode(), f"{name}.nc": content}
    if isinstance(rows, str | bytes | Mapping) or not all(isinstance(row, Mapping) for row in rows):
        raise RunError(where, "must be rows, each a mapping from column to value, or an xarray.Dataset", got=type(rows).__name__)
    flat = [_flat(row) for row in rows]
    if not flat:
        raise RunError(where, "needs at least one row", got="none")
    made = io.StringIO()
    writer = csv.DictWriter(made, list(dict.fromkeys(key for row in flat for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return {f"{name}.csv": made.getvalue().encode()}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Interval):
            made |= {str(key): value.value, f"{key} low": value.low, f"{key} high": value.high}
        elif isinstance(value, Tensor | np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
            made[str(key)] = value.item()
        else:
            made[str(key)] = value
    return made


def figure_files(name: str, figure: Any, alt: str) -> dict[str, bytes]:
    """Return a figure as the content of a PNG and an SVG file, by name, and close it if pyplot has opened it."""
    import matplotlib as mpl

    made = {}
    for kind, metadata in (("png", {"Description": alt}), ("svg", {"Description": alt, "Date": None})):
        content = io.BytesIO()
        with mpl.rc_context({"svg.hashsalt": name}):
            figure.savefig(content, format=kind, metadata=metadata)
        made[f"{name}.{kind}"] = content.getvalue()
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(figure)
    return made
