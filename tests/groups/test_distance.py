"""Connectivity by distance and one to one."""

import math

import pytest
import torch

import ship
from ship.base.errors import ParameterError


def edges(rule, n_pre, n_post, key=1):
    return rule.edges("here", n_pre, n_post, key)


def test_the_probability_falls_with_the_distance_as_declared():
    """Edges at each squared distance of a 6 x 6 x 6 column, over 40 draws: within 5 sigma of peak exp(-(d / width)^2)."""
    places = ship.grid(6, 6, 6)
    rule = ship.ByDistance(places, places, peak=0.45, width=2.0)
    square = ((places[:, None] - places[None]) ** 2).sum(-1).round().long()
    pairs, found = torch.bincount(square.flatten()), torch.zeros(int(square.max()) + 1)
    for key in range(40):
        made = edges(rule, 216, 216, key)
        found += torch.bincount(square[made.pre.long(), made.post.long()], minlength=len(found))
    tried = 40 * pairs
    checked = 0
    for d2 in range(13):
        if pairs[d2] == 0:
            continue
        p = 0.45 * math.exp(-d2 / 4)
        sigma = math.sqrt(float(tried[d2]) * p * (1 - p))
        assert abs(float(found[d2]) - float(tried[d2]) * p) < 5 * sigma
        checked += 1
    assert checked > 8
    assert rule.expected(216, 216) == pytest.approx(float(found.sum()) / 40, rel=0.02)


def test_edges_depend_on_the_key_alone_and_can_leave_units_at_one_place_out():
    places = ship.grid(5, 5)
    rule = ship.ByDistance(places, places, peak=1.0, width=3.0, itself=False)
    one, two = edges(rule, 25, 25), edges(rule, 25, 25)
    assert torch.equal(one.pre, two.pre)
    assert torch.equal(one.post, two.post)
    assert not bool((one.pre == one.post).any())
    other = edges(rule, 25, 25, 2)
    assert len(other.pre) != len(one.pre) or not torch.equal(other.post, one.post)
    assert bool((edges(ship.ByDistance(places, places, peak=1.0, width=3.0), 25, 25).pre >= 0).all())


def test_one_to_one_has_a_weight_for_each_unit(tmp_path):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LIF, "out", n=4, v_th=0.5, output=True)
    net.add(
        ship.ImpulseSynapse, "s", source="in", target="out", connect=ship.OneToOne(), weight=torch.tensor([0.2, 0.6, 0.7, 0.1])
    )
    net.init()
    x = torch.eye(4).repeat(1, 1, 1)
    assert torch.equal(net.run(x)[0], torch.diag(torch.tensor([0.0, 1.0, 1.0, 0.0])))
    ship.save(net, tmp_path / "n.ship")
    assert torch.equal(ship.load(tmp_path / "n.ship").run(x), net.run(x))


def test_a_column_of_places_is_saved_with_its_network(tmp_path):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=27)
    net.add(ship.LIF, "out", n=8, output=True)
    rule = ship.ByDistance(ship.grid(3, 3, 3), ship.grid(2, 2, 2) + 0.5, peak=0.9, width=1.5)
    net.add(ship.ExpSynapse, "s", source="in", target="out", connect=rule)
    net.init()
    ship.save(net, tmp_path / "n.ship")
    again = ship.load(tmp_path / "n.ship")
    assert torch.equal(again["s"].pre, net["s"].pre)
    assert len(net["s"].pre) == pytest.approx(rule.expected(27, 8), abs=5 * math.sqrt(27 * 8))


def test_errors_name_the_value_and_the_fix():
    places = ship.grid(3, 3)
    with pytest.raises(ParameterError, match=r"ByDistance.peak: must be from 0 to 1; got 1.5"):
        ship.ByDistance(places, places, peak=1.5)
    with pytest.raises(ParameterError, match=r"must be finite places \[unit, axis\]; got shape \[9\]"):
        ship.ByDistance(places[:, 0], places)
    with pytest.raises(ParameterError, match="pre and post must have the same axes; got 2 and 3"):
        ship.ByDistance(places, ship.grid(2, 2, 2))
    with pytest.raises(ParameterError, match="must have a place for each of 9 and 5 units; got 9 and 9"):
        edges(ship.ByDistance(places, places), 9, 5)
    with pytest.raises(ParameterError, match="needs as many source as target units; got 3 and 4"):
        edges(ship.OneToOne(), 3, 4)
    with pytest.raises(ParameterError, match=r"grid: sizes"):
        ship.grid(0, 3)
