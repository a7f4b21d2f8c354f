"""The public reading face of a network, which is all that rooms outside network/ use of it; and what `import ship` loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

import ship
from ship.network.network import Network

ROOT = Path(ship.__file__).parent
LATER = ("data", "plot", "study", "testing", "train")


def own_privates():
    """The private attributes and methods that a network has beyond those of any module."""
    names = {name for cls in Network.__mro__ if cls.__module__.startswith("ship.") for name in vars(cls)} | set(vars(Network()))
    return {n for n in names if n.startswith("_") and not n.startswith("__")} - set(dir(nn.Module())) - set(vars(nn.Module()))


def reaches(source, private):
    """The places where a text names a private member of something that is not the object itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in private:
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if owner in ("net", "network", "made", "chips", "twin"):
                found.append(f"{node.lineno}: {owner}.{node.attr}")
        if isinstance(node, ast.Constant) and node.value in private:
            found.append(f"{node.lineno}: {node.value!r}")
    return found


@pytest.fixture
def net():
    made = ship.Network()
    made.add(ship.SpikeInput, "in", n=2)
    made.add(ship.LIF, "hid", n=3, output=True)
    made.add(ship.ExpSynapse, "syn", source="in", target="hid", weight=0.5, delay=2e-3)
    return made


def test_no_other_room_reaches_into_a_network():
    private = own_privates()
    assert {"_specs", "_settings", "_requests", "_wiring", "_sim", "_plan", "_ready"} <= private
    files = [p for p in ROOT.rglob("*.py") if p.relative_to(ROOT).parts[0] != "network"]
    found = {str(p.relative_to(ROOT)): said for p in files if (said := reaches(p.read_text(), private))}
    assert not found


@pytest.mark.parametrize("text", ["net._specs", "self.net._requests", "f(network._plan(1))", "getattr(net, '_settings')"])
def test_the_scan_sees_what_it_forbids(text):
    assert reaches(text, own_privates())


def test_what_was_asked_for_reads_before_init(net):
    assert net.outputs == ["hid"]
    assert list(net.specs) == net.tags == ["in", "hid", "syn"]
    assert net.specs["syn"].source == ("in",)
    with pytest.raises(TypeError):
        net.specs["hid"] = None
    assert net.settings == {}


@pytest.mark.parametrize(
    ("read", "where"),
    [
        (lambda net: net.wiring, "Network.wiring"),
        (lambda net: net.schedule(), "Network.schedule"),
        (lambda net: net.simulation(), "Network.simulation"),
        (lambda net: net.simulation("Mine"), "Mine"),
    ],
)
def test_what_init_makes_needs_an_init(net, read, where):
    with pytest.raises(ship.RunError, match=f"^{where}: the network is not initialised"):
        read(net)


def test_what_init_makes_reads_afterwards(net):
    net.init(1e-3, seed=4, chips=[3, 5])
    assert (net.settings["dt"], net.settings["seed"], net.settings["chips"]) == (1e-3, 4, [3, 5])
    net.settings["seed"] = 7
    assert net.settings["seed"] == 4
    assert net.wiring.n == {"in": 2, "hid": 3, "syn": 3}
    assert net.schedule().dt == 1e-3
    assert net.schedule(5e-4).dt == 5e-4
    assert list(net.simulation().groups) == net.tags


def test_monitors_come_back(net):
    net.init()
    net.monitor("hid", "v")
    net.run(steps=3, x=[[[0, 1]] * 3])
    before = net.records["hid"].v.clone()
    with net.unwatched():
        net.monitor("hid", "output")
        net.run(steps=5, x=[[[1, 1]] * 5])
        assert list(net.records["hid"]) == ["output"]
    assert list(net.records["hid"]) == ["v"]
    assert net.records["hid"].v.equal(before)
    assert len(net.timeline()) == 3
    with net.keeping_monitors():
        net.monitor("syn", "output")
        net.run(steps=4, x=[[[1, 1]] * 4])
    assert list(net.records) == ["hid", "syn"]
    net.run(steps=4, x=[[[1, 1]] * 4])
    assert list(net.records) == ["hid"]


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_the_later_packages_on_first_use():
    loaded = "[n for n in ('data', 'plot', 'study', 'testing', 'train') if 'ship.' + n in sys.modules]"
    assert run(f"import sys, ship; print({loaded})") == "[]"
    assert run(f"import sys, ship; ship.data; print({loaded})") == "['data']"
    assert run("import ship; print(ship.train.Trainer.__name__, ship.study.accuracy.__name__)") == "Trainer accuracy"


def test_later_packages_are_listed_and_mistakes_are_named():
    assert set(LATER) <= set(dir(ship))
    assert set(ship.__all__) <= set(dir(ship))
    with pytest.raises(AttributeError, match=r"module 'ship' has no attribute 'trian'"):
        _ = ship.trian
