"""The documents as a user reads them: pages, their code blocks, their tables."""

import itertools
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# Pages and tests import the networks of the examples as a user does who runs Python in that folder.
if str(ROOT / "examples" / "networks") not in sys.path:
    sys.path.append(str(ROOT / "examples" / "networks"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A code block: its language, its text, and the line that it starts on."""

    language: str
    text: str
    line: int


def page(name):
    """The text of README.md or of a page of docs/."""
    return (ROOT / name).read_text()


def blocks(text):
    """The code blocks of a page, in order."""
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 2) for m in BLOCK.finditer(text)]


def run_python(name, block, namespace):
    """Run a block, with the page's own file name and line numbers in tracebacks."""
    exec(compile("\n" * (block.line - 1) + block.text, name, "exec"), namespace)


def table(text, header):
    """The rows of the table whose first line starts with ``header``: cells without their backquotes."""
    lines = text[text.index(f"| {header} |") :].splitlines()
    rows = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    return [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows[2:]]
