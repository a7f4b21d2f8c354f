"""Units chosen by number or by mask, and edges by their ends: what is taken and what is refused."""

import numpy as np
import pytest
import torch

import ship
from plain_network import network

X = (torch.rand(2, 40, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
pytestmark = pytest.mark.usefixtures("no_grad")  # kernels run without a gradient


@pytest.mark.parametrize(
    "units",
    [
        [0, 2],
        (0, 2),
        np.array([0, 2], np.uint8),
        torch.tensor([0, 2]),
        [True, False, True, False],
        np.array([True, False, True, False]),
        torch.tensor([True, False, True, False]),
        [np.int64(0), np.int32(2)],
    ],
)
def test_units_by_number_or_mask(units):
    """A mask means the units where it is True: units 0 and 2 here, not numbers 1, 0, 1, 0."""
    net = network()
    net.monitor("out", "v", units=units)
    net.monitor("out", "output", units=units, events=True)
    out = net.run(X)
    assert out.sum() > 0
    v, events = net.records["out"].v, net.records["out"].output
    net.monitor("out", "v")
    net.run(X)
    assert torch.equal(v, net.records["out"].v[..., [0, 2]])
    assert set(events.unit.tolist()) == {u for u in (0, 2) if out[..., u].any()}


@pytest.mark.parametrize(
    ("units", "text"),
    [
        ([1.7], "must be a list of unit numbers"),
        ([True, 2], "must be a list of unit numbers"),
        (torch.tensor([1.0]), "must be a list of unit numbers"),
        ("01", "must be a list of unit numbers"),
        (1, "must be a list of unit numbers"),
        ([[0, 1]], "must be a list of unit numbers"),
        ([4], r"must be from 0 to 3; got \[4\]"),
        ([-1], r"must be at least 0; got \[-1\]"),
        ([2**64], "must be a list of unit numbers"),
        ([True, False, True], "a mask must have a truth value for each of 4 units; got 3 values"),
        ([False] * 4, "must name at least one unit"),
        ([], "must name at least one unit"),
    ],
)
def test_units_that_are_none(units, text):
    with pytest.raises(ship.RunError, match=f"monitor of LIF 'out': units: {text}"):
        network().monitor("out", "v", units=units)


def test_a_mask_is_checked_once_the_number_of_units_is_known():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=1.0)
    net.add(ship.LIF, "out", n=2, output=True)
    net.monitor("s", "output", units=[True, False, True])
    net.init()
    with pytest.raises(ship.RunError, match="a mask must have a truth value for each of 2 units; got 3 values"):
        net.run(torch.zeros(1, 2, 3))


@pytest.mark.parametrize(
    ("pre", "text"),
    [
        ([True, False], r"Edges\.pre: must be a list of unit numbers"),
        ([0.5, 1.0], r"Edges\.pre: must be a list of unit numbers"),
        ([0, 1, 2], "pre and post must be equally long; got 3 and 2"),
        ([0, -1], r"Edges\.pre: must be at least 0; got \[-1\]"),
    ],
)
def test_edges(pre, text):
    with pytest.raises(ship.ParameterError, match=text):
        ship.Edges(pre, [0, 1])


def test_events_of_no_unit():
    net = network()
    for unit in ([0.5], [True], "a"):
        with pytest.raises(ship.RunError, match="input 'in': unit: must be a list of unit numbers"):
            net.run(ship.Events([1e-3], unit), steps=5)
    with pytest.raises(ship.RunError, match="input 'in': time: must be numbers of seconds"):
        net.run(ship.Events(["soon"], [0]), steps=5)
