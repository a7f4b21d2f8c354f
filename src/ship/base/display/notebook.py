"""How objects look in a notebook and at a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Lines(str):
    """Text of several lines that a prompt or a notebook shows as lines. It is a ``str`` in all else."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self)}</pre>"


def html_table(title: str, heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table for a notebook: a title, heads of columns, and rows whose first cell is a head, too."""
    lines = [f"<table><caption>{escape(title)}</caption>"]
    lines.append("<tr>" + "".join(f"<th>{escape(str(head))}</th>" for head in heads) + "</tr>")
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        lines.append(f"<tr><th>{escape(str(first))}</th>{cells}</tr>")
    return "\n".join([*lines, "</table>"])
