"""Draw the figures of the documents anew: the blocks of each page run, and the images that they save go to docs/images.

``make figures`` calls it; ``python tests/helpers/page_figures.py neurons.md`` draws those of one page.
"""

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib

from pages import ROOT, blocks, page, run_python

IMAGES = ROOT / "docs" / "images"
IMAGE = re.compile(r"!\[[^\]]*\]\(images/([\w.-]+)\)")


def shown(text):
    """The names of the images that a page shows."""
    return IMAGE.findall(text)


def drawn(text):
    """The names of the images that a page's blocks save."""
    return [name for block in blocks(text) for name in re.findall(r"savefig\(\s*\"([\w.-]+)\"", block.text)]


def draw(name):
    """Run the blocks of a page in a folder of its own; keep the images that it shows."""
    text, here = page(f"docs/{name}"), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            namespace = {"__name__": "page"}
            for block in blocks(text):
                if block.language == "python":
                    with contextlib.redirect_stdout(io.StringIO()):
                        run_python(name, block, namespace)
            for image in shown(text):
                shutil.copy(image, IMAGES / image)
                print(f"{name}: {image}")
        finally:
            os.chdir(here)


if __name__ == "__main__":
    matplotlib.use("Agg")
    IMAGES.mkdir(exist_ok=True)
    for path in sorted((ROOT / "docs").glob("*.md")):
        if shown(path.read_text()) and (not sys.argv[1:] or path.name in sys.argv[1:]):
            draw(path.name)
