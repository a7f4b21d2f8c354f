"""The sizes that files, functions and lists of parameters may have, and the explicit list of what is still above them.

An exception has its reason and ends by itself: a test fails where it is no longer needed.
"""

import ast

import pytest

from pages import ROOT

FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 80, 12

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
MANY_PARAMETERS = {
    "src/ship/network/structure.py: add": "each is what a user may say of a group, and `help` shows all of them",
    "src/ship/cli/main.py: fit": "a parameter of a command is one of its options",
    "src/ship/cli/main.py: ask": "a parameter of a command is one of its options",
    "src/ship/cli/require_command.py: require": "a parameter of a command is one of its options",
}


def functions(text):
    """Every function and method of a text, also inner ones: its name, its lines, and its parameters without ``self``."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            a = node.args
            named = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if p is not None]
            yield node.name, node.end_lineno - node.lineno + 1, len([name for name in named if name not in ("self", "cls")])


def sizes():
    """By measure, what is measured: files by path, functions by path and name, the largest of a name."""
    lines, long, many = {}, {}, {}
    for folder in ("src", "tests", "examples", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name, text = path.relative_to(ROOT).as_posix(), path.read_text()
            lines[name] = len(text.splitlines())
            for function, length, parameters in functions(text):
                key = f"{name}: {function}"
                long[key], many[key] = max(length, long.get(key, 0)), max(parameters, many.get(key, 0))
    return {"lines of a file": lines, "lines of a function": long, "parameters of a function": many}


RULES = {
    "lines of a file": (FILE_LINES, LONG_FILES),
    "lines of a function": (FUNCTION_LINES, LONG_FUNCTIONS),
    "parameters of a function": (PARAMETERS, MANY_PARAMETERS),
}


@pytest.fixture(scope="module")
def found():
    return sizes()


@pytest.mark.parametrize("measure", RULES)
def test_nothing_is_above_the_limits_but_what_is_listed(found, measure):
    limit, listed = RULES[measure]
    above = {name: size for name, size in found[measure].items() if size > limit and name not in listed}
    assert not above, f"more than {limit} {measure}: cut it where a reader would look for the parts"


@pytest.mark.parametrize("measure", RULES)
def test_every_exception_is_still_needed(found, measure):
    limit, listed = RULES[measure]
    over = [name for name in listed if found[measure].get(name, 0) <= limit]
    assert not over, "no longer above the limit, or gone: take it from the list"
    assert all(len(reason.split()) > 3 for reason in listed.values())


def test_the_measures_see_what_they_forbid():
    """A function of 81 lines with 13 parameters, one of them after the star, inside another one."""
    names = ", ".join(f"p{i}" for i in range(11))
    text = "def outer():\n    def inner(self, " + names + ", *, last, **rest):\n" + "        pass\n" * 80
    assert {name: (lines, parameters) for name, lines, parameters in functions(text)} == {"outer": (82, 0), "inner": (81, 13)}
