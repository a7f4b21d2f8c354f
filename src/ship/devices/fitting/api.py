"""The one call that leads from a measurement to models in order, `fit`, and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, Unpack

from ...base.checks import check_choice, check_real, check_whole, is_real, is_whole
from ...base.errors import FitError, suggest
from ..reading import limits
from ..reading.columns import Columns, select
from ..reading.roles import NEEDS, kind_of
from ..reading.table import read
from .endurance import fit_endurance
from .iv import fit_iv
from .neuron import fit_neuron
from .pulses import fit_pulses
from .report import Found
from .retention import fit_retention
from .states import fit_states
from .switching import fit_statistics
from .trains import rescale

KINDS: Mapping[str, Callable[[Columns, str, str, dict[str, Any]], Found]] = {
    "pulses": fit_pulses,
    "retention": fit_retention,
    "iv": fit_iv,
    "endurance": fit_endurance,
    "statistics": fit_statistics,
    "map": fit_states,
    "f-I": fit_neuron,
}


class FitOptions(TypedDict, total=False):
    """The options of `fit`, which says what they mean."""

    columns: Mapping[str, Any] | None
    unit: str | Mapping[str, str] | None
    g_min: float | None
    g_max: float | None
    scale: tuple[float, float] | None
    shunt: float | None
    v_read: float | None
    only: Mapping[str, Any] | None
    skip_empty: bool
    decimal: str
    sheet: str | None
    seed: int
    replicates: int


DEFAULTS: FitOptions = {
    "columns": None,
    "unit": None,
    "g_min": None,
    "g_max": None,
    "scale": None,
    "shunt": None,
    "v_read": None,
    "only": None,
    "skip_empty": False,
    "decimal": ".",
    "sheet": None,
    "seed": 0,
    "replicates": 200,
}


def fit(source: Any, kind: str | None = None, **options: Unpack[FitOptions]) -> Found:
    """Fit compact models to a measurement.

    Args:
        source: a file (.csv, .tsv, .txt, .xlsx, .npz), a mapping of columns, or an array ``[row, column]``.
        kind: the kind of measurement: pulses (columns up, down; or conductance, polarity), retention (time, conductance, level),
            iv (voltage, current, sweep; or shunt, source), endurance (cycle, on, off), statistics (v_set, v_reset, i_on, i_off,
            on, off of each sweep), map (conductance of each cell of an array; address, or row and column; state) or f-I (current,
            rate of a neuron). None: the kind follows from the columns; where they fit
            several kinds, it is the one that needs most of them, and the report names the others.
        columns: the header (or number) of each quantity; those left out are found by their usual names, and the report says so.
            Where two columns have a usual name of one quantity, neither is taken: it is an error that asks for this argument.
        unit: the unit of the conductance (current, voltage), or of each quantity: ``{"time": "s", "conductance": "uS"}``. Not
            needed where headers say it (``G (uS)``, ``time_s``). It is never guessed.
        g_min, g_max, scale: for ``unit="normalised"``: the normalised values ``scale`` stand for ``g_min`` and ``g_max`` (S).
        shunt: the resistance (ohm) of the shunt, for iv measured as the voltages of a shunt and of the source.
        v_read: the voltage (V) where on and off states of the kind iv are compared; default: a tenth of the median sweep. For the
            kind statistics: the voltage at which the currents i_on and i_off were read.
        only: ``{header: value}``: use only rows with this value.
        skip_empty: leave rows with empty cells or NaN out (the report counts them); by default they are an error.
        decimal: the decimal sign, "." (the default) or ",".
        sheet: the sheet of an XLSX file; needed where it has several.
        seed: the seed of the replicates, 0 by default; everything else is deterministic.
        replicates: the number of bootstrap replicates, 200 by default.

    Raises:
        FitError: what is wrong with the measurement, and what to give.
        FileError: the file is missing or damaged.
    """
    if unknown := sorted(set(options) - set(DEFAULTS)):
        raise TypeError(f"fit() got an unexpected keyword argument {unknown[0]!r}")
    asked = DEFAULTS | options
    _check_numbers(kind, asked)
    _check_mappings(asked)
    table = read(source, sheet=asked["sheet"])
    given = {role: str(header) for role, header in (asked["columns"] or {}).items()}
    chosen, others = (kind, []) if kind is not None else kind_of(table, given)
    if chosen != "iv":
        _refuse_iv_options(chosen, asked)
    found = select(
        table,
        chosen,
        given,
        asked["unit"],
        only=asked["only"] or {},
        skip_empty=asked["skip_empty"],
        decimal=asked["decimal"],
    )
    if kind is None:
        also = f"; they fit {' and '.join(map(repr, others))} too, which need fewer of them" if others else ""
        found.notes.append(f"read as {chosen!r} by its columns{also}")
    if chosen != "iv":
        limits.check_points(table.name, len(found.rows))
    rescale(found, asked["g_min"], asked["g_max"], asked["scale"])
    settings: dict[str, Any] = {"seed": int(asked["seed"]), "replicates": int(asked["replicates"]), "units": found.units}
    settings |= {k: v for k, v in (("shunt", asked["shunt"]), ("v_read", asked["v_read"])) if v is not None}
    return KINDS[chosen](found, table.name, table.sha256, settings)


def _check_mappings(asked: FitOptions) -> None:
    columns, unit, only, skip_empty = asked["columns"], asked["unit"], asked["only"], asked["skip_empty"]
    headers = columns.values() if isinstance(columns, Mapping) else () if columns is None else (None,)
    if not all(isinstance(header, str) or is_whole(header) for header in headers):
        raise FitError("fit: columns", "must be a mapping from roles to headers or numbers of columns", got=repr(columns))
    if not (unit is None or isinstance(unit, str | Mapping)):
        raise FitError("fit: unit", "must be text, or a mapping from quantities to text", got=repr(unit))
    if not (only is None or isinstance(only, Mapping)):
        raise FitError("fit: only", "must be a mapping from headers to values", got=repr(only))
    if not isinstance(skip_empty, bool):
        raise FitError("fit: skip_empty", "must be True or False", got=repr(skip_empty))


def _refuse_iv_options(kind: str, asked: FitOptions) -> None:
    for name, value in (("shunt", asked["shunt"]), ("v_read", asked["v_read"])):
        if value is not None and not (name == "v_read" and kind == "statistics"):
            raise FitError(
                f"fit: {name}", "is only for the kind 'iv'", got=f"a measurement of the kind {kind!r}", fix="Leave it out."
            )


def _check_numbers(kind: Any, asked: FitOptions) -> None:
    if kind == "array":
        raise FitError("fit: kind", "a measured array is no set of curves to fit", fix="Use ship.measured_array(...).")
    if kind is not None and not (isinstance(kind, str) and kind in NEEDS):
        raise FitError("fit: kind", f"no kind {kind!r}", fix=suggest(str(kind), NEEDS))
    shunt, v_read = asked["shunt"], asked["v_read"]
    check_choice("fit: decimal", asked["decimal"], (".", ","), either=True, error=FitError)
    check_whole("fit: seed", asked["seed"], error=FitError)
    check_whole("fit: replicates", asked["replicates"], 20, most=100_000, error=FitError)
    if shunt is not None:
        check_real("fit: shunt", shunt, "must be a resistance above 0 ohm", above=0.0, error=FitError)
    if v_read is not None and not (is_real(v_read) and v_read != 0):
        raise FitError("fit: v_read", "must be a voltage (V), not 0", got=repr(v_read))
