"""The one call that leads from a measurement to models in order, `fit`, and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from ...base.checks import check_choice, check_real, check_whole, is_real, is_whole
from ...base.errors import FitError, suggest
from ..reading import limits
from ..reading.columns import Columns, given_headers, select
from ..reading.conditions import conditions
from ..reading.request import Request
from ..reading.roles import NEEDS, ROLES, G, kind_of
from ..reading.suggest import instead, opened
from ..reading.table import Table
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
    series_resistance: float | None
    compliance: float | None
    label: Mapping[str, Any] | None
    only: Mapping[str, Any] | str | Sequence[str] | None
    skip_empty: bool
    decimal: str | None
    sheet: str | Sequence[str] | None
    instrument: str | None
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
    "series_resistance": None,
    "compliance": None,
    "label": None,
    "only": None,
    "skip_empty": False,
    "decimal": None,
    "sheet": None,
    "instrument": None,
    "seed": 0,
    "replicates": 200,
}


def fit(source: Any, kind: str | None = None, **options: Unpack[FitOptions]) -> Found:
    """Fit compact models to a measurement.

    Args:
        source: a file (text, .xlsx, .npz), a pattern (``"runs/*.csv"``) or a list of files (``["a.csv", "b.csv"]``), a mapping of
            columns, or an array ``[row, column]``. Several files are one table, in natural order of a pattern; ``label`` says
            what they are: ``ship.fit(["a.csv", "b.csv"], label={"device": "file"})``.
        kind: the kind of measurement: pulses (columns up, down; or conductance with polarity or pulse_voltage), retention (time
            or stage, conductance, level), iv (voltage, current, sweep; or shunt, source), endurance (cycle, on, off; or cycle,
            conductance, state), statistics (v_set, v_reset, v_forming, i_on, i_off, on, off of each sweep), map (conductance,
            address) or f-I (current, rate of a neuron). None: the kind follows from the columns; where they fit several
            kinds, it is the one that needs most of them, and the report names the others.
        columns: the column of each quantity: its header, its number (from 1), a range ``"3:55"``, a pattern ``"I*"``, or a list
            of these; several columns of one quantity are devices, unless ``label`` says what they are. Those left out are
            found by their usual names, and the report says so. Where two columns have a usual name of one quantity, neither is
            taken: it is an error that asks for this argument.
        unit: the unit of the conductance (current, voltage), or of each quantity: ``{"time": "s", "conductance": "uS"}``. It is
            not needed where headers say it (``G (uS)``, ``time_s``) or the instrument is known. It is never guessed. A
            conductance may be measured as a resistance ("kohm"), or as a current ("uA") at ``v_read``.
        g_min, g_max, scale: for ``unit="normalised"``: the normalised values ``scale`` stand for ``g_min`` and ``g_max`` (S).
        shunt: the resistance (ohm) of the shunt, for iv measured as the voltages of a shunt and of the source.
        v_read: the voltage (V) at which states were read: where currents stand for conductances, and where on and off states of
            the kind iv are compared (default: a tenth of the median sweep). A column ``v_read`` does as well.
        series_resistance: the resistance (ohm) in series with the device, which is taken off: V - I R, 1 / (1 / G - R).
        compliance: the largest current (A) that the instrument let through, for the kind iv.
        label: labels that no column has, by role: ``{"device": "M1"}`` for all rows, ``"file"``, ``"sheet"`` or ``"column"`` for
            its name, or one value for each file or sheet in their order: ``{"stage": "before,after"}``, ``{"time": "0 s,24 h"}``.
        only: the rows to use: conditions such as ``"V>4"`` or ``["state=on", "cycle<=100"]`` (columns by header, number or role,
            numbers as in the file; all must hold), or ``{header: value}``.
        skip_empty: leave rows out that have no value in a column that is used (the report counts them); by default they are an
            error. Other columns may be empty.
        decimal: the decimal sign, "." or ","; None: a comma where the file can be read in no other way, else a point.
        sheet: the sheet of an XLSX file, several, or "all" for those of one form; needed where it has several.
        instrument: the instrument that wrote the file, by name, or a description of it (.toml); None: found by itself.
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
    table = opened(source, asked["sheet"], asked["instrument"])
    with instead(table, source, kind, asked["columns"]):
        request, also = _request(table, kind, asked)
        found = select(table, request)
    found.notes += also
    if request.kind != "iv":
        limits.check_points(table.name, len(found.rows))
    rescale(found, asked["g_min"], asked["g_max"], asked["scale"])
    settings: dict[str, Any] = {"seed": int(asked["seed"]), "replicates": int(asked["replicates"]), "units": found.units}
    settings |= {name: asked[name] for name in ("shunt", "v_read", "series_resistance", "compliance") if asked[name] is not None}
    made = KINDS[request.kind](found, table.name, table.sha256, settings)
    made.notes[:] = dict.fromkeys(made.notes)  # what two steps had to say is said once
    return made


def _request(table: Table, kind: str | None, asked: FitOptions) -> tuple[Request, list[str]]:
    """Return how the table is to be read, of which kind it is, and a note where the kind was found by its columns.

    Raises:
        FitError: the columns fit no kind; then what they look like is suggested.
    """
    columns, label = asked["columns"] or {}, asked["label"] or {}
    v_read, notes = asked["v_read"], []
    if kind is None:
        given = given_headers(table, columns, label)
        kind, others = kind_of(table, given, v_read=v_read is not None or "v_read" in given)
        also = f"; they fit {' and '.join(map(repr, others))} too, which need fewer of them" if others else ""
        notes.append(f"read as {kind!r} by its columns{also}")
    _refuse_options_of_others(kind, asked)
    request = Request(
        kind,
        columns,
        asked["unit"],
        label,
        conditions(asked["only"]),
        asked["skip_empty"],
        asked["decimal"],
        v_read,
        asked["series_resistance"],
        asked["shunt"],
    )
    return request, notes


def _check_mappings(asked: FitOptions) -> None:
    columns, unit, only, label = asked["columns"], asked["unit"], asked["only"], asked["label"]
    headers = columns.values() if isinstance(columns, Mapping) else () if columns is None else (None,)
    if not all(_are_headers(header) for header in headers):
        raise FitError("fit: columns", "must be a mapping from roles to headers or numbers of columns", got=repr(columns))
    if not (unit is None or isinstance(unit, str | Mapping)):
        raise FitError("fit: unit", "must be text, or a mapping from quantities to text", got=repr(unit))
    texts = [only] if isinstance(only, str) else only if isinstance(only, Sequence) else []
    if not (only is None or isinstance(only, Mapping | Sequence)) or not all(isinstance(text, str) for text in texts):
        raise FitError("fit: only", "must be conditions such as 'V>4', or a mapping from headers to values", got=repr(only))
    if not (label is None or isinstance(label, Mapping)):
        raise FitError("fit: label", "must be a mapping from roles to labels", got=repr(label))
    if not isinstance(asked["skip_empty"], bool):
        raise FitError("fit: skip_empty", "must be True or False", got=repr(asked["skip_empty"]))


def _are_headers(said: Any) -> bool:
    several = said if isinstance(said, Sequence) and not isinstance(said, str) else [said]
    return len(several) > 0 and all(isinstance(each, str) or is_whole(each) for each in several)


def _refuse_options_of_others(kind: str, asked: FitOptions) -> None:
    """Refuse options that have no meaning for a kind of measurement."""
    of_device = kind == "iv" or any(role.quantity == G for role in ROLES[kind].values())
    for name, value, meant, whose in (
        ("shunt", asked["shunt"], kind == "iv", "the kind 'iv'"),
        ("compliance", asked["compliance"], kind == "iv", "the kind 'iv'"),
        ("v_read", asked["v_read"], of_device, "measurements of a device"),
        ("series_resistance", asked["series_resistance"], of_device, "measurements of a device"),
    ):
        if value is not None and not meant:
            got = f"a measurement of the kind {kind!r}"
            raise FitError(f"fit: {name}", f"is only for {whose}", got=got, fix="Leave it out.")


def _check_numbers(kind: Any, asked: FitOptions) -> None:
    if kind == "array":
        raise FitError("fit: kind", "a measured array is no set of curves to fit", fix="Use ship.measured_array(...).")
    if kind is not None and not (isinstance(kind, str) and kind in NEEDS):
        raise FitError("fit: kind", f"no kind {kind!r}", fix=suggest(str(kind), NEEDS))
    v_read = asked["v_read"]
    if asked["decimal"] is not None:
        check_choice("fit: decimal", asked["decimal"], (".", ","), either=True, error=FitError)
    check_whole("fit: seed", asked["seed"], error=FitError)
    check_whole("fit: replicates", asked["replicates"], 20, most=100_000, error=FitError)
    for name, value in (("shunt", asked["shunt"]), ("series_resistance", asked["series_resistance"])):
        if value is not None:
            check_real(f"fit: {name}", value, "must be a resistance above 0 ohm", above=0.0, error=FitError)
    if asked["compliance"] is not None:
        check_real("fit: compliance", asked["compliance"], "must be a current above 0 A", above=0.0, error=FitError)
    if v_read is not None and not (is_real(v_read) and v_read != 0):
        raise FitError("fit: v_read", "must be a voltage (V), not 0", got=repr(v_read))
