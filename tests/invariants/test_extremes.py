"""Every model and every part of a device at the extremes of its parameters, in float32 against float64: the same within a stated
tolerance, or refused; never NaN. What is exported is covered: its cases come from its declarations.
"""

import pytest

import ship
from ship import devices
from ship.base.parameters import declared
from ship.models.contract import Connection, Neuron, Rule, Source
from ship.testing.devices.events import PARTS, part_at_extremes
from ship.testing.extremes import classes, declarations, model_at_extremes

pytestmark = pytest.mark.usefixtures("no_grad")
# Options that change the mathematics.
MATHEMATICS = ("side", "drive", "kind", "window_function", "resistance", "additive", "continuous", "devices", "of")
MATHEMATICS += ("pairing", "synapse", "efficacy", "modulation", "sign")
DTS = (1e-9, 1e-6, 1e-3, 1.0, 1e3)  # s: from a nanosecond to a quarter of an hour
MODELS = classes(ship.models, (Neuron, Connection, Rule, Source))


def kinds(found):
    """Each class with its default options, and with every other choice of one that changes the mathematics."""
    for cls in found:
        yield pytest.param(cls, {}, id=cls.__name__)
        for name, option in declared(cls)[1].items():
            for choice in option.choices or () if name in MATHEMATICS else ():
                if choice != option.default:
                    yield pytest.param(cls, {name: choice}, id=f"{cls.__name__}-{choice}")


@pytest.mark.parametrize(("cls", "options"), list(kinds(MODELS)))
def test_models_at_their_extremes(cls, options):
    """Both engines in float32 against the reference in float64."""
    own = {k: p for k, p in declarations(cls).items() if k != "weight"}
    error, where = model_at_extremes(cls, own, options, DTS if own else (), engines=("reference", "fused"))
    assert not where, f"{where}: {error:.2g}"


@pytest.mark.parametrize(("cls", "options"), list(kinds(classes(devices, PARTS))))
def test_parts_at_their_extremes(cls, options):
    error, where = part_at_extremes(cls(**options))
    assert not where, f"{where}: {error:.2g}"
