"""The direction of imports between the rooms of the package, the weight of `import ship`, and a complete `__all__`."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ship

ROOT = Path(ship.__file__).parent
# A folder imports only from itself and from rooms to its left; rooms that share a place do not see each other.
ORDER = "base < models crossbar < devices < groups data < engine < network < train < plot < study < testing < studies < cli"
COMPILED = "trace < emit < kernels < tape < run < nodes < schedule"  # inside engine/compiled


def level_of(order):
    return {room: i for i, rooms in enumerate(order.split("<")) for room in rooms.split()}


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


def test_rooms_are_those_of_the_order():
    rooms = {p.name for p in ROOT.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms == set(level_of(ORDER))
    assert {p.name for p in ROOT.iterdir() if p.is_file()} == {"__init__.py", "py.typed"}
    inner = {p.name for p in (ROOT / "engine" / "compiled").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert inner == set(level_of(COMPILED))


@pytest.mark.parametrize("path", FILES, ids=lambda p: "/".join(p.relative_to(ROOT).parts))
def test_imports_point_to_the_left(path):
    room, own = level_of(ORDER), module_name(path)
    for target in imports(path):
        assert target[0] == own[0] or room[target[0]] < room[own[0]], f"{own} imports {'.'.join(target)}, to its right"


@pytest.mark.parametrize("path", [p for p in FILES if module_name(p)[:2] == ("engine", "compiled")], ids=lambda p: p.name)
def test_imports_inside_the_compiled_engine_point_to_the_left(path):
    room, own = level_of(COMPILED), module_name(path)
    for target in imports(path):
        if len(own) > 2 and target[:2] == ("engine", "compiled"):
            assert room[target[2]] <= room[own[2]], f"{own} imports {'.'.join(target)}, to its right"


def test_the_reference_engine_knows_nothing_of_kernels():
    for path in FILES:
        if module_name(path)[:2] == ("engine", "reference"):
            assert not any(target[:2] == ("engine", "compiled") for target in imports(path)), path.name


def test_the_rules_see_what_they_forbid():
    """An order that is turned round must be broken by the files that are there: the tests above can fail."""
    room = {name: -i for name, i in level_of(ORDER).items()}
    found = {(module_name(p)[0], target[0]) for p in FILES for target in imports(p)}
    assert sum(room[b] > room[a] for a, b in found) > 20


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


def loaded_by(code):
    """The modules that a new process has loaded after some code, beyond those of PyTorch."""
    code = f"import sys, torch; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


HEAVY = {
    "dask",
    "distributed",
    "h5netcdf",
    "h5py",
    "llvmlite",
    "lightning",
    "matplotlib",
    "networkx",
    "numba",
    "openpyxl",
    "optuna",
}
HEAVY |= {"pandas", "platformdirs", "pooch", "psutil", "rich", "scipy", "sklearn", "tomlkit", "tqdm", "triton", "typeguard"}
HEAVY |= {"openpyxl", "typer", "wfdb", "xarray"}
LATER = re.compile(
    r"ship\.(models\.(neurons|synapses|sources|rules|dendrites|gemo2024)|devices\.(fitting|memristor|materials|retention)"
    r"|devices\.(library|reading)\.(?!index|spelling)|cli|data|plot|studies|study|testing|train)\b"
)


def test_import_is_light():
    """`import ship` draws nothing and loads nothing heavy beyond what torch itself loads, and no model before it is used."""
    found = loaded_by("import ship")
    assert not {name.partition(".")[0] for name in found} & HEAVY
    assert not [name for name in found if LATER.match(name)]
    assert {"ship.network.network", "ship.models.contract", "ship.devices.device"} <= found
    used = {name for name in loaded_by("import ship; ship.LIF") if LATER.match(name)}
    assert used == {"ship.models.neurons", "ship.models.neurons.lif"}
    assert any(LATER.match(name) for name in loaded_by("from ship import *"))


def where(package):
    """What an `__init__` says to type checkers, and what it says to its own `later`: the module of each name."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    block = next(node.body for node in tree.body if isinstance(node, ast.If))
    return {a.name: node.module for node in block if isinstance(node, ast.ImportFrom) and node.module for a in node.names}


@pytest.mark.parametrize("room", [ship, ship.models, ship.devices], ids=lambda room: room.__name__)
def test_type_checkers_see_what_is_loaded_later(room):
    package = "/".join(room.__name__.split(".")[1:])
    assert where(package) == room._WHERE
    names = set(room._WHERE)
    assert names <= set(room.__all__) <= set(dir(room))
    # An import of such a module would put the module in the place of the name.
    assert not names & {p.stem for p in (ROOT / package).iterdir()}
    with pytest.raises(AttributeError, match=f"module '{room.__name__}' has no attribute 'Lfi'") as caught:
        _ = room.Lfi
    assert caught.value.obj is room


def test_all_is_complete():
    public = {name for name in dir(ship) if not name.startswith("_") and not isinstance(getattr(ship, name), type(sys))}
    assert set(ship.__all__) == public
