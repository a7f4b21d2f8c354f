"""What the documents draw of the code is what the code is: the order of rooms, their table, the stages of a group, paths."""

import ast
import re
from pathlib import Path

import pytest

import ship

PACKAGE = Path(ship.__file__).parent
ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").exists())
TEXT = (ROOT / "docs" / "architecture.md").read_text()
DRAWINGS = [
    re.findall(r"^(?:net\.\w+\(\.\.\.\))?\s*([\w/]+\.py)\s+(\w+)\s{2,}\S", block, re.M)
    for block in re.findall(r"^```text\n(.*?)^```", TEXT, re.M | re.S)
]
STAGES, KERNEL_STAGES = DRAWINGS[1], DRAWINGS[2]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def constant(name):
    """A constant of the test of the order of imports, as its source says it."""
    source = next((ROOT / "tests").rglob("test_layers.py")).read_text()
    return next(
        ast.literal_eval(n.value) for n in ast.parse(source).body if isinstance(n, ast.Assign) and n.targets[0].id == name
    )


def imported(path):
    """The files of the package that a file imports when it is loaded."""
    package = path.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = PACKAGE.joinpath(*package[: len(package) - node.level + 1], *(node.module or "").split("."))
            found |= {base.with_suffix(".py"), *(base / f"{alias.name}.py" for alias in node.names)}
    return found


def test_the_line_of_rooms_is_the_tested_order():
    assert f"```text\n{constant('ORDER')}\n```" in TEXT
    assert f"`{constant('COMPILED')}`" in TEXT


def test_the_table_has_all_rooms_in_their_order():
    rooms = re.findall(r"^\| `(\w+)/` \|", TEXT, re.M)
    assert rooms == constant("ORDER").replace("<", " ").split()


@pytest.mark.parametrize(("path", "name"), [*STAGES, *KERNEL_STAGES])
def test_a_stage_is_defined_in_the_file_beside_it(path, name):
    defined = {n.name for n in ast.parse((PACKAGE / path).read_text()).body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert name in defined, f"{path} defines no {name}"


def test_the_drawings_are_read():
    assert len(STAGES) == 10
    assert len(KERNEL_STAGES) == 17
    assert ("groups/spec.py", "Spec") in STAGES


@pytest.mark.parametrize("stages", [STAGES[:4], KERNEL_STAGES], ids=["groups", "kernels"])
def test_a_stage_is_made_of_those_above_it(stages):
    files = list(dict.fromkeys(PACKAGE / path for path, _ in stages))
    for i, path in enumerate(files):
        later = imported(path) & set(files[i + 1 :])
        assert not later, f"{path.name} imports {sorted(p.name for p in later)}, which stand below it"
    assert sum(len(imported(path) & set(files)) for path in files) >= len(files) - 2  # they do hang together


@pytest.mark.parametrize("name", [page for page in PAGES if (ROOT / page).exists()])
def test_every_path_that_a_page_names_exists(name):
    """Paths in code marks, as they are written: from the root, from the package, from a room; and links to other pages."""
    text = re.sub(r"^```.*?^```", "", (ROOT / name).read_text(), flags=re.M | re.S)
    known = {
        str(p.relative_to(ROOT))
        for top in ("src", "tests", "docs", "examples", "benchmarks", ".ci")
        for p in (ROOT / top).rglob("*")
    }
    for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|md))`", text):
        wanted = "/" + path.rstrip("/")
        assert any(("/" + k).endswith(wanted) for k in known) or path in OUTPUTS, f"{name} names {path}, which is not there"
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), f"{name} links to {link}"


OUTPUTS = {"demo-output/", "answer/", "fitted/report.json", "fitted/figure.png", "fitted/device.toml"}  # what commands write
