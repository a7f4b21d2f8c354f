"""Two runs of one study compared: every number, table and network, whether it is equal, and what differs around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...base.display.notebook import html_table
from ...train.checkpoint import differences

AROUND = ("source", "versions", "platform", "cpu", "threads")


class Compared(NamedTuple):
    """One result of two runs."""

    kind: str  # "number", "table", "network", "data" or "settings"
    name: str
    equal: bool | None  # None: taken from a clock, not compared
    said: str  # "equal", or the difference in words


@dataclass(frozen=True)
class Replay:
    """The comparison of a run with the one that it repeats; ``print`` shows it.

    Args:
        results: every result of both runs.
        around: what else differs, in words: versions, threads, the file of the study.
    """

    results: tuple[Compared, ...]
    around: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether all results that can be repeated are equal, to the last digit."""
        return all(result.equal is not False for result in self.results)

    def __str__(self) -> str:
        width = max((len(f"{r.kind} {r.name}") for r in self.results), default=0)
        lines = [f"{f'{r.kind} {r.name}':{width}}  {r.said}" for r in self.results]
        lines += [f"not as then: {text}" for text in self.around]
        unequal = sum(r.equal is False for r in self.results)
        compared = sum(r.equal is not None for r in self.results)
        lines.append(f"All {compared} results are equal." if self.equal else f"{unequal} of {compared} results differ.")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        title = "All results are equal." if self.equal else "Results differ."
        return html_table(title, ("result", "kind", "comparison"), [(r.name, r.kind, r.said) for r in self.results])


def compare_runs(then: Mapping[str, Any], now: Mapping[str, Any]) -> Replay:
    """Compare two runs of one study, result by result, to the last digit.

    Args:
        then: the record of the first run, as `ship.study.read_run` returns it.
        now: that of the second one.
    """
    results = [_settings(then, now)]
    data_then, data_now = ({each["name"]: each for each in record["data"]} for record in (then, now))
    for kind, a, b in (
        ("data", data_then, data_now),
        ("network", then["networks"], now["networks"]),
        ("number", then["numbers"], now["numbers"]),
        ("table", then["tables"], now["tables"]),
    ):
        for name in dict.fromkeys((*a, *b)):
            results.append(_compared(kind, name, a.get(name), b.get(name)))
    around = differences({k: then.get(k) for k in AROUND}, {k: now.get(k) for k in AROUND})
    return Replay(tuple(results), tuple(around))


def _settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> Compared:
    found = differences({"seed": then["seed"], **then["config"]}, {"seed": now["seed"], **now["config"]})
    return Compared("settings", "and seed", not found, "; ".join(found) or "equal")


def _compared(kind: str, name: str, a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> Compared:
    if a is None or b is None:
        return Compared(kind, name, False, "only now" if a is None else "only then")
    if a.get("measured_time") or b.get("measured_time"):
        return Compared(kind, name, None, "taken from a clock, not compared")
    if kind != "number":
        same, then, now = a.get("sha256") == b.get("sha256"), str(a.get("sha256"))[:12], str(b.get("sha256"))[:12]
        return Compared(kind, name, same, "equal" if same else f"SHA-256 {then}... then, {now}... now")
    ends = [key for key in ("value", "low", "high") if a.get(key) != b.get(key)]
    return Compared(kind, name, not ends, "; ".join(_unequal(key, a.get(key), b.get(key)) for key in ends) or "equal")


def _unequal(key: str, a: Any, b: Any) -> str:
    both = isinstance(a, int | float) and isinstance(b, int | float)
    return f"{key} {a!r} then, {b!r} now" + (f" (difference {b - a:.3g})" if both else "")
