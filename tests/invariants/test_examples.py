"""Every example runs in its quick form, which its docstring shows; it prints what it found and leaves no warning."""

import ast
import runpy
import sys

import pytest

from pages import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_there_are_examples():
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_docstring_shows_how_it_is_called(path):
    said = ast.get_docstring(ast.parse(path.read_text()))
    for command in (f"``python examples/{path.name}``", f"``python examples/{path.name} --quick``"):
        assert command in said


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs_in_its_quick_form(path, tmp_path, monkeypatch, capsys):
    if "data.digits" in path.read_text():
        pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path), "--quick"])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()
    for figure in tmp_path.rglob("*.png"):
        assert figure.stat().st_size > 5000
