"""`Spec` is the one definition of the arguments of `Network.add`: each is kept by set, copied, saved and loaded."""

import dataclasses
import inspect

import pytest
import torch

import ship
from ship.groups import spec, spec_checks
from ship.groups.spec import ARGUMENTS, Spec
from ship.network import structure
from ship.network.files import files
from ship.study.chips import virtual_chips


@dataclasses.dataclass(frozen=True)
class Gated(ship.Rule):
    """A rule whose steps are gated by a third factor."""

    modulated = True

    def update(self, state, x, w, p, c):
        return x.modulator * x.pre * x.post, state


SYNAPSE = {"source": "in", "target": "hid"}
# For each argument a group with a value that is not the default.
EXAMPLES = {
    "n": (ship.LIF, {"n": 4}),
    "source": (ship.ExpSynapse, SYNAPSE),
    "target": (ship.ExpSynapse, SYNAPSE),
    "port": (ship.ExpSynapse, SYNAPSE | {"port": "charge"}),
    "delay": (ship.ExpSynapse, SYNAPSE | {"delay": 3e-3}),
    "output": (ship.LIF, {"n": 2, "output": True}),
    "trainable": (ship.LIF, {"n": 2, "trainable": ("tau",)}),
    "initial": (ship.LIF, {"n": 2, "initial": {"v": 0.25}}),
    "rule": (ship.ExpSynapse, SYNAPSE | {"rule": ship.PairSTDP(w_max=0.7), "weight": 0.1}),
    "modulator": (ship.ExpSynapse, SYNAPSE | {"rule": Gated(), "weight": 0.1, "modulator": "hid"}),
    "connect": (ship.ExpSynapse, SYNAPSE | {"connect": ship.InDegree(2)}),
    "device": (ship.ExpSynapse, SYNAPSE | {"device": ship.Device(g_max=40e-6)}),
    "mapping": (ship.ExpSynapse, SYNAPSE | {"device": ship.Device(), "mapping": ship.Offset()}),
    "crossbar": (ship.ExpSynapse, SYNAPSE | {"device": ship.Device(), "crossbar": ship.crossbar.Crossbar(r_row=2.0)}),
    "learning": (ship.ExpSynapse, SYNAPSE | {"device": ship.Device(), "learning": ship.Pulsing(step=0.05)}),
}


def network(name):
    """A small network with a group ``it`` that has the argument."""
    model, arguments = EXAMPLES[name]
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "hid", n=3)
    net.add(model, "it", **arguments)
    return net


def test_each_field_is_an_argument_with_its_documentation():
    signature = inspect.signature(ship.Network.add)
    keywords = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert [p.name for p in keywords] == list(ARGUMENTS)
    defaults = {f.name: f.default for f in dataclasses.fields(Spec)}
    assert {p.name: p.default for p in keywords if p.name != "initial"} == {n: defaults[n] for n in ARGUMENTS if n != "initial"}
    assert all(p.annotation is not inspect.Parameter.empty for p in keywords)
    documented = {name for line in ship.Network.add.__doc__.splitlines() for name in line.partition(":")[0].strip().split(", ")}
    assert set(ARGUMENTS) <= documented


def test_each_field_has_an_example_that_is_not_its_default():
    assert set(EXAMPLES) == set(ARGUMENTS)
    for name in ARGUMENTS:
        made, bare = network(name).specs["it"], Spec("it", None, {})
        assert getattr(made, name) != getattr(bare, name), name


@pytest.mark.parametrize("name", ARGUMENTS)
def test_set_keeps_it(name):
    net = network(name)
    before = net.specs["it"]
    own = "tau" if "tau" in [f.name for f in dataclasses.fields(before.model)] else None
    net.set("it", **({own: 0.03} if own else {}))
    assert getattr(net.specs["it"], name) == getattr(before, name)
    assert net.specs["it"].arguments == before.arguments | ({own: 0.03} if own else {})


@pytest.mark.parametrize("name", ARGUMENTS)
def test_removing_and_adding_again_keeps_it(name):
    net = network(name)
    before = net.specs["it"]
    net.remove("it")
    net.add(type(before.model), "it", **before.arguments)
    assert net.specs["it"].arguments == before.arguments


@pytest.mark.parametrize("name", ARGUMENTS)
def test_files_and_virtual_chips_keep_it(name, tmp_path):
    net = network(name)
    net.init()
    ship.save(net, tmp_path / "net.ship")
    loaded, chips = ship.load(tmp_path / "net.ship", models=[Gated]), virtual_chips(net, 2)
    assert getattr(loaded.specs["it"], name) == getattr(net.specs["it"], name)
    if name == "connect":  # copies have the edges that were drawn
        assert torch.equal(chips["it"].pre, net["it"].pre)
    elif name == "rule":  # and the values of a rule as they are now
        assert type(chips.specs["it"].rule) is ship.PairSTDP
        assert float(chips.specs["it"].rule.w_max) == pytest.approx(0.7)
    else:
        assert getattr(chips.specs["it"], name) == getattr(net.specs["it"], name)


def test_a_new_field_is_all_that_a_new_argument_needs(monkeypatch, tmp_path):
    """With a field more in a copy of `Spec` the argument is taken, kept by set, copied, saved and loaded."""
    wider = dataclasses.make_dataclass(
        "Spec", [("note", object, None)], bases=(Spec,), frozen=True, namespace={"arguments": Spec.arguments}
    )
    names = (*ARGUMENTS, "note")
    for module in (spec, spec_checks, structure, files):
        monkeypatch.setattr(module, "ARGUMENTS", names)
    monkeypatch.setattr(spec_checks, "Spec", wider)
    net = network("delay")
    net.remove("it")
    net.add(ship.ExpSynapse, "it", **SYNAPSE, weight=0.5, note=[1.0, 2.0])
    net.set("it", tau=0.02)
    assert net.specs["it"].note == [1.0, 2.0]
    net.init()
    ship.save(net, tmp_path / "net.ship")
    assert ship.load(tmp_path / "net.ship").specs["it"].note.tolist() == [1.0, 2.0]
    assert virtual_chips(net, 2).specs["it"].note == [1.0, 2.0]
    assert net.specs["in"].note is None
