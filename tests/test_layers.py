"""The direction of imports, the weight of `import ship`, and a complete `__all__`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ship

ROOT = Path(ship.__file__).parent
LAYERS = [
    {"errors", "boundary", "busy", "indices", "show", "picture", "tables", "patience", "surrogate", "compiled", "kept", "threads"}
    | {"whole", "tensor_files"},
    {"random", "parameters", "resolve", "sound", "clock", "graph", "connect", "draws", "sift"},
    {"models", "devices", "crossbar"},
    {
        "declarations",
        "group",
        "plan",
        "explain",
        "remarks",
        "adoption",
        "arrays",
        "hardware",
        "verify",
        "sweeps",
        "pulses",
        "pulse_list",
        "select",
        "blame",
    },
    {"engine"},
    {
        "specs",
        "inputs",
        "monitor",
        "frames",
        "memory",
        "network",
        "keeping",
        "snapshot",
        "programming",
        "mitigation",
        "energy",
        "verbs",
    },
    {"train", "data", "plot", "files", "study", "fitting", "device_files", "hardware_files", "file_checks"},
    {"demo", "bench", "cli", "question"},
]


def layer(name):
    found = [i for i, names in enumerate(LAYERS) if name in names]
    assert found, f"module ship.{name} is in no layer: add it to LAYERS, at the lowest level that it needs"
    return found[0]


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return tuple(p for p in parts if p != "__init__")


def imports(path):
    """The modules of ship, as tuples of names, that a file imports."""
    here = module_name(path)
    package = here if path.name == "__init__.py" else here[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "ship" for alias in node.names), "use relative imports"
        if not isinstance(node, ast.ImportFrom):
            continue
        if not node.level:
            assert (node.module or "").split(".")[0] != "ship", "use relative imports"
            continue
        base = package[: len(package) - node.level + 1] + tuple((node.module or "").split(".") if node.module else ())
        for alias in node.names:
            whole = (*base, alias.name)
            is_module = (ROOT.joinpath(*whole).with_suffix(".py")).exists() or ROOT.joinpath(*whole).is_dir()
            found.add(whole if is_module else base)
    return {f for f in found if f}


FILES = [p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: "/".join(p.relative_to(ROOT).parts))
def test_imports_point_downwards(path):
    own = layer(module_name(path)[0])
    for target in imports(path):
        assert layer(target[0]) <= own, f"{path.name} imports {'.'.join(target)}, which lies above it"


def test_no_import_cycles():
    graph = {module_name(p): imports(p) for p in FILES}
    done, path = set(), []

    def visit(node):
        assert node not in path, f"import cycle: {[*path[path.index(node) :], node]}"
        if node in done:
            return
        path.append(node)
        for after in sorted(graph.get(node, ())):
            visit(after)
        path.pop()
        done.add(node)

    for node in sorted(graph):
        visit(node)


def test_import_is_light():
    """Nothing is drawn, nothing heavy is loaded beyond what torch itself loads."""
    code = (
        "import sys, torch; before = set(sys.modules); import ship; new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(' '.join(sorted(new & {'matplotlib', 'sklearn', 'typer', 'rich', 'tqdm', 'numba', 'pandas', 'xarray', 'scipy'})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_all_is_complete():
    public = {name for name, value in vars(ship).items() if not name.startswith("_") and not isinstance(value, type(sys))}
    assert set(ship.__all__) == public
