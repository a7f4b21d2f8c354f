"""A network as a mapping of tags."""

import pytest

import ship


def network():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "hid", n=3, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="hid")
    return net


def test_tags_are_a_mapping():
    net = network()
    assert len(net) == 3
    assert len(ship.Network()) == 0
    assert "hid" in net
    assert "hiden" not in net
    assert 0 not in net
    assert list(net) == list(net.keys()) == net.tags == ["in", "hid", "s"]
    with pytest.raises(ship.RunError, match=r"not initialised"):
        net.items()
    net.init()
    assert dict(net) == dict(net.items()) == {tag: net[tag] for tag in net.tags}
    assert [group.tag for group in net.values()] == net.tags
    with pytest.raises(ship.GraphError, match=r"no group named 'hiden'.*Did you mean 'hid'"):
        net["hiden"]
    net.remove("s")
    assert "s" not in net
    assert len(net) == 2
