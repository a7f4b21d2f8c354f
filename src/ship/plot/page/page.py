"""A page as one HTML file, for people who were given an answer and for machines.

All is inside: the style, figures as SVG whose text is text, and the numbers as JSON, which a link gives as a file. Nothing is
fetched (a content security policy forbids it), no script runs, and what others wrote, such as names of devices and files, is
always shown as text. It reads on a phone, on paper, on a dark screen and by a screen reader.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ...base.atomic_write import write_whole
from ...base.checks import check_choice
from ...base.errors import ParameterError
from . import blocks as parts
from .drawing import svg_of

TONES = ("plain", "good", "bad", "open")
HOME = Path(__file__).parent
# What a script element may not hold, and what is no whitespace to JavaScript.
HIDDEN = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


class Page:
    """A page is made from top to bottom: each call adds a block, and `write` makes the file.

    Args:
        title: the heading of the page, which is the title of the window as well.
        lead: a sentence below it.
        above: a word or two above it, such as the kind of the document.
    """

    def __init__(self, title: str, lead: str = "", *, above: str = "") -> None:
        self.title, self.lead, self.above = title, lead, above
        self._blocks: list[parts.Block] = []
        self._into = self._blocks
        self._data: tuple[str, str] | None = None
        self._count: Counter[str] = Counter()

    def _name(self, kind: str) -> str:
        self._count[kind] += 1
        return f"{kind}-{self._count[kind]}"

    # -- words ---------------------------------------------------------------------------------------------------------------

    def answer(self, text: str, *more: str, verdict: str = "", tone: str = "plain") -> None:
        """Add the answer, in a box.

        Args:
            text: the answer in one sentence.
            more: sentences that go with it.
            verdict: a word or two in front, such as "Fails"; the colour says the same, never more.
            tone: what the box looks like: plain, good, bad or open.

        Raises:
            ParameterError: an unknown tone.
        """
        check_choice("Page.answer: tone", tone, TONES)
        self._into.append(parts.Answer(text, verdict, tone, more))

    def section(self, heading: str, level: int = 2) -> None:
        """Begin a section, or with a level of 3 a part of one.

        Args:
            heading: its heading.
            level: 2 or 3; a 3 must follow a 2.

        Raises:
            ParameterError: another level, a part without a section, or a section inside of `details`.
        """
        before = parts.sections(self._blocks)
        if level not in (2, 3) or (level == 3 and not before) or (level == 2 and self._into is not self._blocks):
            rule = "must be 2, outside of details, or 3, below a section"
            raise ParameterError(f"Page.section {heading!r}: level", rule, got=str(level))
        self._into.append(parts.Section(heading, level, self._name("section")))

    def text(self, *paragraphs: str) -> None:
        """Add paragraphs of plain text."""
        self._into += [parts.Text(text, note=False) for text in paragraphs]

    def note(self, *paragraphs: str) -> None:
        """Add notes: what a reader must not miss beside a number, such as what was assumed."""
        self._into += [parts.Text(text, note=True) for text in paragraphs]

    def points(self, items: Sequence[str]) -> None:
        """Add a list of sentences; without any, nothing is added."""
        if items:
            self._into.append(parts.Points(tuple(items)))

    def facts(self, pairs: Mapping[str, str], *, tiles: bool = False) -> None:
        """Add names with what is said of them, without those that are empty.

        Args:
            pairs: what is said, by name.
            tiles: whether they are short numbers, which stand side by side.
        """
        kept = tuple((str(name), str(said)) for name, said in pairs.items() if str(said))
        if kept:
            self._into.append(parts.Facts(kept, tiles))

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str, *, right: Sequence[int] | None = None
    ) -> None:
        """Add a table, whose first column names the rows.

        Args:
            columns: the heads of the columns.
            rows: a cell for each column; numbers have four digits, those that are not known a dash.
            caption: what the table is of, in words that are read alone.
            right: the columns at the right, as numbers are; default: those that hold numbers only.

        Raises:
            ParameterError: a row of another length, or no caption.
        """
        for row in rows:
            if len(row) != len(columns):
                raise ParameterError("Page.table: rows", f"must have {len(columns)} cells, as columns", got=str(len(row)))
        if not caption.strip():
            raise ParameterError("Page.table: caption", "must say what the table is of", got=repr(caption))
        if right is None:
            right = [i for i in range(len(columns)) if rows and all(_number(row[i]) for row in rows)]
        cells = tuple(tuple(_said(cell) for cell in row) for row in rows)
        self._into.append(parts.Table(tuple(columns), cells, caption, frozenset(right), self._name("table")))

    @contextlib.contextmanager
    def details(self, summary: str) -> Iterator[None]:
        """Fold away what is added inside of a ``with`` block until a reader opens it; print shows it.

        Args:
            summary: what the reader clicks on.
        """
        made, outside = parts.Details(summary), self._into
        outside.append(made)
        self._into = made.blocks
        try:
            yield
        finally:
            self._into = outside

    # -- pictures and numbers ----------------------------------------------------------------------------------------------

    def figure(self, figure: Any, alt: str, caption: str = "", description: str = "", *, narrow: Any = None) -> None:
        """Add a figure, with words for readers who do not see it.

        A figure is shown in its own size where the page is as wide as that, and smaller on a phone: one of 3.7 inches stays.

        Args:
            figure: a Matplotlib figure, or the content of an SVG file that Matplotlib wrote.
            alt: what it shows, for readers who do not see it.
            caption: what stands below it.
            description: what can be read from it, at length, for readers who do not see it.
            narrow: the same drawn for a phone, best 3.7 inches wide; default: the same figure, made smaller.

        Raises:
            ParameterError: no alt, or neither a figure nor an SVG.
        """
        self._into.append(self._figure(figure, alt, caption, description, narrow))

    def figures(self, several: Sequence[tuple[Any, str, str]]) -> None:
        """Add small figures side by side, each with its alt and its caption; see `figure`.

        Args:
            several: figure, alt and caption of each.
        """
        if several:
            self._into.append(parts.Grid(tuple(self._figure(*each) for each in several)))

    def _figure(self, figure: Any, alt: str, caption: str = "", description: str = "", narrow: Any = None) -> parts.Figure:
        if not alt.strip():
            raise ParameterError("Page.figure: alt", "must say what the figure shows", got=repr(alt))
        svg, fixed = svg_of(figure, self._name("figure"), alt, description)
        small = "" if narrow is None else svg_of(narrow, self._name("figure"), alt, description)[0]
        return parts.Figure(svg, small, caption, fixed)

    def data(self, values: Mapping[str, Any], name: str = "data.json") -> None:
        """Put the numbers of the page inside, as JSON: for machines, and as a file that a link of the page gives.

        Args:
            values: plain values; numbers that are not finite become the words nan, inf and -inf.
            name: the name of the file.
        """
        self._data = (json.dumps(_plain(values), indent=1, ensure_ascii=False, allow_nan=False), name)

    # -- the file ------------------------------------------------------------------------------------------------------------

    def render(self) -> str:
        """Return the page as the text of an HTML file."""
        from ... import __version__

        text, name = self._data or ("", "")
        made: str = _template().render(
            page=self,
            blocks=self._blocks,
            contents=parts.sections(self._blocks),
            css=(HOME / "page.css").read_text(encoding="utf-8"),
            data=text.translate(HIDDEN),
            link=base64.b64encode(text.encode()).decode(),
            name=name,
            version=__version__,
        )
        return made

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, and return its path.

        Raises:
            FileError: the file cannot be written.
        """
        where = Path(path)
        write_whole(where, self.render().encode())
        return where


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(HOME), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["tie"] = _tied
    return made.get_template("page.html.jinja")


def _tied(text: str) -> str:
    """Return a text whose numbers keep their per cent on the same line."""
    return re.sub(r"(?<=\d) ?%", "\u00a0%", text)


def _number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _said(cell: Any) -> str:
    """Return a cell as text."""
    if _number(cell):
        return "\u2013" if math.isnan(cell) else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
    return "" if cell is None else str(cell)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
