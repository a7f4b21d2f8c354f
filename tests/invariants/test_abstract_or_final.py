"""A class of the library that can be made is final: no other one that can be made derives from it."""

import importlib
import inspect
import pkgutil
from abc import ABC

import pytest

import ship
from ship.devices import Mapping, Part
from ship.models.contract import Model
from ship.models.surrogate import Surrogate

BASES = (Model, Part, Surrogate, Mapping)


def below(kind):
    """All classes of the library that derive from a class, however far."""
    for package in (ship.models, ship.devices):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found, left = [], [kind]
    while left:
        found += (new := [c for c in left.pop().__subclasses__() if c.__module__.startswith("ship.") and c not in found])
        left += new
    return found


def is_abstract(kind):
    """Whether a class has functions to give, or says itself that it is a base class."""
    return inspect.isabstract(kind) or ABC in kind.__bases__


def broken(classes):
    """Pairs of a class that can be made and one that derives from it."""
    made = [c for c in classes if not is_abstract(c)]
    return [(a.__name__, b.__name__) for a in made for b in made if a is not b and issubclass(b, a)]


@pytest.mark.parametrize("kind", BASES, ids=lambda kind: kind.__name__)
def test_classes_are_abstract_or_final(kind):
    classes = below(kind)
    assert len([c for c in classes if not is_abstract(c)]) >= 3
    assert broken([kind, *classes]) == []


def test_the_rule_sees_what_it_forbids():
    class Louder(ship.LIF):
        pass

    assert broken([ship.LIF, Louder]) == [("LIF", "Louder")]
