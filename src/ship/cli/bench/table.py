"""The table of the README, from a file of results: ``python -m ship.cli.bench.table RESULTS README``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...base.atomic_write import write_whole
from ...base.errors import FileError
from .cases import CASES

BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
Row = dict[str, Any]


def amount(row: Row, memory: bool) -> str:
    """Return a time in ms, or memory in MB, with three digits, or why there is none."""
    if "error" in row:
        return "not run" if str(row["error"]).startswith("not run") else "failed"
    value = row["peak_memory_mb" if memory else "total_ms"]
    unit = "MB" if memory else "ms"
    if value >= 10_000 and not memory:
        value, unit = value / 1e3, "s"
    return f"{value:,.0f} {unit}" if value >= 99.95 else f"{value:.3g} {unit}"


def table(rows: Sequence[Row]) -> str:
    """Return the table in Markdown: one line for each case that the README shows, bad ones included."""
    lines = [
        "| case | fused | reference | peers | floor | fused / best peer | fused / floor |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["case"] for row in rows if row["case"] not in CASES or CASES[row["case"]].readme):
        memory = name in CASES and CASES[name].memory
        own = {row["engine"]: row for row in rows if row["case"] == name}
        peers = sorted((r for r in own.values() if r["peer"]), key=lambda r: ("error" in r, r.get("total_ms")))
        fused = own.get("ship-fused", {})
        ratio = fused.get("memory_ratio_to_best_peer" if memory else "ratio_to_best_peer")
        to_floor = None if memory else fused.get("ratio_to_floor")
        cells = [
            f"`{name}`: {CASES[name].about}" if name in CASES else f"`{name}`",
            *(amount(own[e], memory) if e in own else "" for e in ("ship-fused", "ship-reference")),
            ", ".join(f"{r['engine']} {amount(r, memory)}" for r in peers),
            amount(own["floor"], memory) if "floor" in own else "",
            *("" if r is None else f"{r:.3g}" for r in (ratio, to_floor)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def about(rows: Sequence[Row]) -> str:
    """Return one sentence about the machine and the versions."""
    machine = rows[0]["machine"]
    found: dict[str, str] = {}
    for row in rows:
        own = {k: v for k, v in row["versions"].items() if k not in found}
        found |= own
    versions = ", ".join(f"{name} {version}" for name, version in found.items())
    quick = " Small sizes (`--quick`)." if any(row["quick"] for row in rows) else ""
    return f"{machine['cpu']}, {machine['threads']} threads, float32; medians. {versions}.{quick}"


def refresh(results: Path, readme: Path) -> None:
    """Write the table between the markers of the README.

    Raises:
        FileError: there are no results, or no markers.
    """
    rows = [json.loads(line) for line in results.read_text().splitlines() if line.strip()]
    if not rows:
        raise FileError(str(results), "holds no results", fix="Run `make bench`.")
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise FileError(str(readme), f"must have the markers {BEGIN} and {END}, once, in this order")
    head, rest = text.split(BEGIN)
    made = f"{head}{BEGIN}\n{table(rows)}\n\n{about(rows)}\n{END}{rest.split(END)[1]}"
    write_whole(readme, made.encode())


if __name__ == "__main__":
    refresh(Path(sys.argv[1]), Path(sys.argv[2]))
