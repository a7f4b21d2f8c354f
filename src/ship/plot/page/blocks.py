"""What a page is made of: each block is plain values, which the template (`page.html.jinja`) writes as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Answer:
    """The answer, in a box."""

    kind: ClassVar[str] = "answer"
    text: str
    verdict: str  # a word or two, in front
    tone: str
    more: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """The heading of a section, or of a part of one."""

    kind: ClassVar[str] = "section"
    heading: str
    level: int
    name: str  # of the place, for links


@dataclass(frozen=True)
class Text:
    """A paragraph, or a note that stands out."""

    kind: ClassVar[str] = "text"
    text: str
    note: bool


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    kind: ClassVar[str] = "points"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names with what is said of them: as a list, or as tiles of short values."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]
    tiles: bool


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    right: frozenset[int]
    name: str


@dataclass(frozen=True)
class Figure:
    """A figure as the text of an ``svg`` element."""

    kind: ClassVar[str] = "figure"
    svg: str
    narrow: str  # another one for phones; empty: the same
    caption: str
    fixed: bool  # whether it keeps its colours on white, as an image does


@dataclass(frozen=True)
class Grid:
    """Small figures side by side, as many as the width takes."""

    kind: ClassVar[str] = "grid"
    figures: tuple[Figure, ...]


@dataclass
class Details:
    """What is folded away until a reader opens it; print shows it."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: list[Block] = field(default_factory=list)


Block = Answer | Section | Text | Points | Facts | Table | Figure | Grid | Details


def sections(blocks: Sequence[Block]) -> list[Section]:
    """Return the headings of sections, for the list of contents."""
    return [block for block in blocks if isinstance(block, Section) and block.level == 2]
