"""Every code block of README.md and docs/ runs as written, from the top of its page on: in a folder of its own, with one
namespace, and with nothing that the package does not make itself.
"""

import contextlib
import os
import re
import shlex

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch

from page_figures import IMAGES, drawn, shown
from pages import ROOT, blocks, page, run_python
from ship.cli import main

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
CODE = ("python", "sh")
DRAWN = ("text", "toml", "csv")  # what a program printed, what a file holds
LONG = (
    "ship ask",
    "ship demo",
    "ship bench",
    "ship require",
    "ship study",
)  # minutes; their own tests run them
OTHERS = ("make", "pip", "python")  # of a checkout


def run_shell(text):
    """The lines that call the command ``ship``, through it; a line that ends in a backslash goes on, and ``>`` writes
    what is printed to a file."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        assert words[0] in ("ship", *OTHERS), line
        if words[0] == "ship" and not line.startswith(LONG):
            *words, into = (*words, os.devnull) if ">" not in words else (*words[: words.index(">")], words[-1])
            with open(into, "w") as file, contextlib.redirect_stdout(file):
                main.app(words[1:], standalone_mode=False)


WITH_CODE = [name for name in PAGES if any(b.language in CODE for b in blocks(page(name)))]
SLOW = ("README.md", "docs/from-a-measurement.md")  # they fit a measurement and train


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in WITH_CODE])
def test_every_block_runs(name, tmp_path, monkeypatch, capsys):
    """The page's blocks in their order; warnings are errors here, as in all tests."""
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    before = torch.get_rng_state()
    namespace = {"__name__": "page"}
    for block in blocks(page(name)):
        if block.language == "python":
            run_python(name, block, namespace)
        elif block.language == "sh":
            run_shell(block.text)
    torch.set_rng_state(before)
    plt.close("all")
    assert "Error" not in capsys.readouterr().err


@pytest.mark.parametrize("name", PAGES)
def test_every_block_says_what_it_is(name):
    """A block without a language, or an unclosed one, would be left out in silence."""
    text = page(name)
    found = blocks(text)
    assert len(re.findall(r"^```", text, re.M)) == 2 * len(found)
    for block in found:
        assert block.language in CODE + DRAWN, f"{name}:{block.line}: language {block.language!r}"


@pytest.mark.parametrize("name", PAGES)
def test_every_image_of_a_page_is_there_and_drawn_by_its_blocks(name):
    """``make figures`` draws them anew; a block whose image is not shown would draw for nobody."""
    text = page(name)
    assert sorted(shown(text)) == sorted(set(drawn(text)) & set(shown(text)))
    for image in shown(text):
        assert (IMAGES / image).stat().st_size < 100_000, image
