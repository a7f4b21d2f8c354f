"""`fit`: one call from a measurement to models in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...base.checks import check_choice, check_real, check_whole, is_real, is_whole
from ...base.errors import FitError, suggest
from . import limits
from .columns import Columns, select
from .iv import fit_iv
from .neuron import fit_neuron
from .pulses import fit_pulses
from .report import Found
from .retention import fit_retention
from .roles import NEEDS, kind_of
from .statistics import fit_endurance, fit_statistics
from .table import read
from .trains import rescale

KINDS: Mapping[str, Callable[[Columns, str, str, dict[str, Any]], Found]] = {
    "pulses": fit_pulses,
    "retention": fit_retention,
    "iv": fit_iv,
    "endurance": fit_endurance,
    "statistics": fit_statistics,
    "f-I": fit_neuron,
}


def fit(
    source: Any,
    kind: str | None = None,
    *,
    columns: Mapping[str, Any] | None = None,
    unit: str | Mapping[str, str] | None = None,
    g_min: float | None = None,
    g_max: float | None = None,
    scale: tuple[float, float] | None = None,
    shunt: float | None = None,
    v_read: float | None = None,
    only: Mapping[str, Any] | None = None,
    skip_empty: bool = False,
    decimal: str = ".",
    sheet: str | None = None,
    seed: int = 0,
    replicates: int = 200,
) -> Found:
    """Fit compact models to a measurement.

    Args:
        source: a file (.csv, .tsv, .txt, .xlsx, .npz), a mapping of columns, or an array ``[row, column]``.
        kind: pulses (columns up, down; or conductance, polarity), retention (time, conductance, level), iv (voltage, current,
            sweep; or shunt, source), endurance (cycle, on, off), statistics (v_set, v_reset, i_on, i_off, on, off of each sweep)
            or f-I (current, rate of a neuron). None: by the columns: of the kinds that they fit, the one that needs most of them;
            the report says which, and which else they would fit.
        columns: the header (or number) of each quantity; those left out are found by their usual names, and the report says so.
            Where two columns have a usual name of one quantity, neither is taken: it is an error that asks for this argument.
        unit: of the conductance (current, voltage), or of each quantity: ``{"time": "s", "conductance": "uS"}``. Not needed where
            headers say it (``G (uS)``, ``time_s``). It is never guessed.
        g_min, g_max, scale: for ``unit="normalised"``: the normalised values ``scale`` stand for ``g_min`` and ``g_max`` (S).
        shunt: ohm, for iv measured as the voltages of a shunt and of the source.
        v_read: V, where on and off states of the kind iv are compared.
        only: ``{header: value}``: use only such rows.
        skip_empty: leave rows with empty cells or NaN out (the report counts them); otherwise they are an error.
        decimal: "." or ",".
        sheet: of an XLSX file.
        seed: of the replicates; everything else is deterministic.
        replicates: of the bootstrap.

    Raises:
        FitError: what is wrong with the measurement, and what to give.
        FileError: the file is missing or damaged.
    """
    _settings(kind, shunt, v_read, decimal, seed, replicates)
    _mappings(columns, unit, only, skip_empty)
    table = read(source, sheet=sheet)
    given = {role: str(header) for role, header in (columns or {}).items()}
    chosen, others = (kind, []) if kind is not None else kind_of(table, given)
    if chosen != "iv":
        _for_iv(chosen, shunt, v_read)
    found = select(table, chosen, given, unit, only=only or {}, skip_empty=skip_empty, decimal=decimal)
    if kind is None:
        also = f"; they fit {' and '.join(map(repr, others))} too, which need fewer of them" if others else ""
        found.notes.append(f"read as {chosen!r} by its columns{also}")
    if chosen != "iv":
        limits.check_points(table.name, len(found.rows))
    rescale(found, g_min, g_max, scale)
    settings: dict[str, Any] = {"seed": int(seed), "replicates": int(replicates), "units": found.units}
    settings |= {k: v for k, v in (("shunt", shunt), ("v_read", v_read)) if v is not None}
    return KINDS[chosen](found, table.name, table.sha256, settings)


def _mappings(columns: Any, unit: Any, only: Any, skip_empty: Any) -> None:
    headers = columns.values() if isinstance(columns, Mapping) else () if columns is None else (None,)
    if not all(isinstance(header, str) or is_whole(header) for header in headers):
        raise FitError("fit: columns", "must be a mapping from roles to headers or numbers of columns", got=repr(columns))
    if not (unit is None or isinstance(unit, str | Mapping)):
        raise FitError("fit: unit", "must be text, or a mapping from quantities to text", got=repr(unit))
    if not (only is None or isinstance(only, Mapping)):
        raise FitError("fit: only", "must be a mapping from headers to values", got=repr(only))
    if not isinstance(skip_empty, bool):
        raise FitError("fit: skip_empty", "must be True or False", got=repr(skip_empty))


def _for_iv(kind: str, shunt: Any, v_read: Any) -> None:
    for name, value in (("shunt", shunt), ("v_read", v_read)):
        if value is not None:
            raise FitError(
                f"fit: {name}", "is only for the kind 'iv'", got=f"a measurement of the kind {kind!r}", fix="Leave it out."
            )


def _settings(kind: Any, shunt: Any, v_read: Any, decimal: Any, seed: Any, replicates: Any) -> None:
    if kind == "array":
        raise FitError("fit: kind", "a measured array is no set of curves to fit", fix="Use ship.measured_array(...).")
    if kind is not None and not (isinstance(kind, str) and kind in NEEDS):
        raise FitError("fit: kind", f"no kind {kind!r}", fix=suggest(str(kind), NEEDS))
    check_choice("fit: decimal", decimal, (".", ","), either=True, error=FitError)
    check_whole("fit: seed", seed, error=FitError)
    check_whole("fit: replicates", replicates, 20, most=100_000, error=FitError)
    if shunt is not None:
        check_real("fit: shunt", shunt, "must be a resistance above 0 ohm", above=0.0, error=FitError)
    if v_read is not None and not (is_real(v_read) and v_read != 0):
        raise FitError("fit: v_read", "must be a voltage (V), not 0", got=repr(v_read))
