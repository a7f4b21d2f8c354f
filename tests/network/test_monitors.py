"""Monitors: what they record, and that it stays as it was."""

import pytest
import torch

from example_network import build, spikes
from ship.network import monitor


def test_monitors(no_grad):
    net = build()
    x = spikes(batch=2, steps=20)
    net.monitor("hid", "v", every=5, units=[1, 3])
    net.monitor("hid", "output", events=True)
    net.monitor("hid", "margin", "held", "tau")
    net.monitor("mem", "g")
    net.run(x)
    r = net.records["hid"]
    assert r.v.shape == (2, 4, 2)
    assert r.time("v").tolist() == pytest.approx([0, 5e-3, 10e-3, 15e-3])
    assert net.records["mem"].g.shape == (2, 20, 6, 8)
    net.monitor("hid", "output")
    net.run(x)
    dense, events = net.records["hid"].output, r.output
    assert len(events.unit) > 3
    rebuilt = torch.zeros_like(dense)
    rebuilt[events.sample, events.slot, events.unit] = events.counts
    assert torch.equal(rebuilt, dense)
    assert torch.allclose(events.time, events.slot.double() * 1e-3)
    assert torch.equal(dense > 0, net.records["hid"].margin.ge(0) & ~net.records["hid"].held.bool())
    net.unmonitor("hid")
    net.run(x)
    assert list(net.records) == ["mem"]
    net.unmonitor()
    net.run(x)
    assert net.records == {}


@pytest.mark.parametrize("density", [0.0, 0.002, 0.5])
def test_events_of_large_signals(density, monkeypatch):
    """Looked for piece by piece and stretch by stretch, they are those of PyTorch, at all borders."""
    x = (torch.rand(2 * monitor.PIECE + 77, generator=torch.Generator().manual_seed(3)) < density).float()
    x[[0, 63, 64, monitor.PIECE - 1, monitor.PIECE, -78, -77, -1]] = torch.tensor([1.0, 2.0, -1.0, 1.0, 1.0, 3.0, 1.0, 1e-45])
    found = monitor._events(x)
    assert torch.equal(found, x.nonzero().squeeze(1))
    monkeypatch.setattr(monitor.cache, "available", lambda: False)
    assert torch.equal(found, monitor._events(x))


def test_monitored_values_are_not_changed_later(no_grad):
    """Pitfall 38: what was recorded stays as it was."""
    net, x = build(), spikes()
    net.monitor("hid", "v")
    net.run(x)
    kept = net.records["hid"].v
    copied = kept.clone()
    net.run(x * 0)
    assert torch.equal(kept, copied)


def test_monitors_are_detached_unless_asked():
    net = build()
    net.monitor("hid", "v")
    net.monitor("out", "v", detach=False)
    net.run(spikes())
    assert not net.records["hid"].v.requires_grad
    assert net.records["out"].v.requires_grad


def test_xarray(no_grad):
    pytest.importorskip("xarray")
    net = build(chips=2)
    net.monitor("hid", "v", "tau")
    net.run(spikes())
    data = net.records["hid"].to_xarray()
    assert data.v.dims == ("chip", "batch", "time", "unit")
    assert data.v.shape == (2, 3, 60, 8)
