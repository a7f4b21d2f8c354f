"""Text and tables that a notebook and a prompt show well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Lines(str):
    """A ``str`` of several lines that a prompt or a notebook shows as lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self)}</pre>"


def html_table(title: str, heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table with a title, column headings, and rows whose first cell is a heading, too."""
    lines = [f"<table><caption>{escape(title)}</caption>"]
    lines.append("<tr>" + "".join(f"<th>{escape(str(head))}</th>" for head in heads) + "</tr>")
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        lines.append(f"<tr><th>{escape(str(first))}</th>{cells}</tr>")
    return "\n".join([*lines, "</table>"])
