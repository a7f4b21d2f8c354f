"""What a table could be, by what its numbers look like: kinds of measurement with the call that reads it so.

A suggestion is printed with its reason and never applied: whoever measured knows better. Names of columns come first; where
there are none, a voltage is what runs smoothly up and down, a pulse voltage what has a few levels in blocks, a cycle what rises
in whole numbers, a conductance what is positive and small. Units are suggested by size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from ...base.errors import FitError
from .guesses import RULES, Suggestion, missing_units, sources
from .melt import headers
from .places import SOURCES, origins
from .profile import Profile, profiles
from .roles import NEEDS, ROLES, ColumnsError, G, assign, candidates
from .spelling import call
from .table import Table, read

WORDS = {
    "pulses": ("pulse", "ltp", "potentiation", "conductance_"),
    "retention": ("retention", "drift", "relax"),
    "iv": ("iv", "sweep", "loop", "hysteresis", "dc"),
    "endurance": ("endurance", "cycling", "cycles"),
    "map": ("map", "array", "bitmap"),
}  # in the name of a file, which tells between two kinds that look alike
RUNS = ("run", "cycle", "append", "sweep", "zyklus")  # in the names of sheets and files that are repetitions on one device
MOST = 3  # suggestions


@contextlib.contextmanager
def instead(table: Table, source: Any, kind: str | None, columns: Mapping[str, Any] | None) -> Iterator[None]:
    """Put what the columns look like into the error that says that they are not known, where nothing was said of them.

    Raises:
        ColumnsError: as raised within this context, with the suggestion.
    """
    try:
        yield
    except ColumnsError as error:
        found = [] if columns or not isinstance(source, str | PurePath | list | tuple) else suggest(table)
        found = [each for each in found if kind in (None, each.kind)]
        if not found:
            raise
        raise ColumnsError(error.where, error.rule, got=error.got, fix=f"{error.fix} {_in_words(found[0], source)}") from error


def opened(source: Any, sheet: Any, instrument: str | None) -> Table:
    """Read a table; where a file has several sheets and none was named, the error suggests how all of them could be read.

    Raises:
        FitError: as `read`.
        FileError: as `read`.
    """
    try:
        return read(source, sheet=sheet, instrument=instrument)
    except FitError as error:
        if sheet is not None or not several_sheets(error):
            raise
        found = suggest(read(source, sheet="all", instrument=instrument))
        if not found:
            raise
        raise FitError(error.where, error.rule, got=error.got, fix=f"{error.fix} {_in_words(found[0], source)}") from error


def several_sheets(error: FitError) -> bool:
    """Return whether an error asks which of several sheets is meant."""
    return "has several sheets" in error.rule


def _in_words(made: Suggestion, source: Any) -> str:
    return f"{call('look', sources(source), {})} shows what is in it. It looks like {made.kind}: {made.call(source)}"


def suggest(table: Table, decimal: str | None = None) -> list[Suggestion]:
    """Return what a table could be, the most plausible first.

    Args:
        table: the table.
        decimal: the decimal sign of its cells; None: what the table shows.
    """
    every = [p for p in profiles(table, decimal) if p.header not in SOURCES and p.content != "empty"]
    used = [p for p in every if p.content != "single"]
    found = _by_name(table, used) if table.header else []
    if not found:
        found = [made for rule in RULES if (made := rule(table, used)) is not None]
    name = table.name.lower()
    hinted = [each for each in found if any(word in name for word in WORDS.get(each.kind, ()))]
    if len(found) > 1 and hinted and len(hinted) < len(found):
        first = replace(hinted[0], reason=f"{hinted[0].reason}; the name of the file says {hinted[0].kind}")
        found = [first, *(each for each in found if each is not hinted[0])]
    looks = {p.header: p for p in every}
    return [_withmissing_units(table, _labelled(table, each), looks) for each in found[:MOST]]


def _withmissing_units(table: Table, made: Suggestion, looks: Mapping[str, Profile]) -> Suggestion:
    """Add the units of columns that will be found by name, where neither header nor instrument says them."""
    try:
        given = {role: headers(table, said) for role, said in made.columns.items()}
        labels = dict.fromkeys(made.options.get("label", {}), ())
        chosen, _ = assign(table, made.kind, {**given, **labels})
    except FitError:
        return made
    known = {ROLES[made.kind][role].quantity for role in made.unit if role in ROLES[made.kind]} | set(made.unit)
    others = {role: looks[heads[0]] for role, heads in chosen.items() if heads and heads[0] in looks}
    wanted = {r: p for r, p in others.items() if r not in made.unit and ROLES[made.kind][r].quantity not in known}
    states = {G, "resistance", "current"} & set(made.unit)
    wanted = {r: p for r, p in wanted.items() if not (states and ROLES[made.kind][r].quantity == G)}
    return replace(made, unit={**made.unit, **missing_units(table, wanted, made.kind)})


def _labelled(table: Table, made: Suggestion) -> Suggestion:
    """Add the labels of files and sheets, and the sheets where all were read."""
    several = origins(table)
    options = dict(made.options)
    label = dict(options.get("label", {}))
    reason = made.reason
    if len(table.sources) == 1 and "sheet" in several:
        options["sheet"] = "all"
    for name, values in several.items():
        if name in label.values():
            continue
        runs = all(any(word in value.lower() for word in RUNS) for value in values)
        role, other = ("cycle", "device") if runs else ("device", "cycle")
        if role in made.columns or role in label:
            role, other = other, role
        if role not in ROLES[made.kind]:
            continue
        label[role] = name
        reason += f"; the {name}s are taken as {role}s (if they are {other}s: {other}={name})"
    return replace(made, options=options | ({"label": label} if label else {}), reason=reason)


def _by_name(table: Table, used: Sequence[Profile]) -> list[Suggestion]:
    """Return the kinds whose columns are known by name, the first of several where two have one name."""
    profile = {p.header: p for p in used}
    found: list[tuple[int, Suggestion]] = []
    for kind, roles in ROLES.items():
        known = candidates(table, kind, {}, v_read=False)
        known = {role: [h for h in heads if h in profile] for role, heads in known.items()}
        known = {role: heads for role, heads in known.items() if heads}
        needs = [need for need in NEEDS[kind] if all(role in known for role in need)]
        if not needs or (kind == "map" and (found or "pulse" in candidates(table, "pulses", {}, v_read=False))):
            continue
        if kind == "iv" and all(profile[h].content == "constant" for h in known.get("voltage", ["shunt"]) if h in profile):
            continue
        need = max(needs, key=len)
        doubtful = {role: heads for role, heads in known.items() if len(heads) > 1}
        every = {role for each in needs for role in each} if kind == "statistics" else set(need)
        columns = {role: _of_group(heads, known) for role, heads in doubtful.items()}
        unit = missing_units(table, {r: profile[known[r][0]] for r in every}, kind)
        reason = f"columns have the names of {', '.join(role for role in roles if role in every)}"
        if doubtful:
            reason += f"; of several that could be {', '.join(doubtful)}, the first is taken"
        found.append((len(need), Suggestion(kind, columns, reason, unit)))
    return [each for _, each in sorted(found, key=lambda pair: -pair[0])]


def _of_group(heads: Sequence[str], known: Mapping[str, Sequence[str]]) -> str:
    """Return the first header of those for a role; in the group from which other columns come, where there is one."""
    sure = {h.rpartition(".")[0] for several in known.values() if len(several) == 1 for h in several}
    return next((head for head in heads if head.rpartition(".")[0] in sure), heads[0])
