"""Time at the boundary of a run: durations, lists of events, ragged inputs, what monitors keep of pieces, what is foreseen."""

from __future__ import annotations

import gc
import math
import tracemalloc

import numpy as np
import pytest
import torch

import ship
from ship.base.clock import steps_of
from ship.data import from_events
from ship.train import first_spike_time

MS = 1e-3
ENGINES = ["reference", "fused"]
pytestmark = pytest.mark.usefixtures("no_grad")


def network(engine="auto", emit="before", n=2, **init):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=n)
    net.add(ship.LIF, "cell", n=n, v_th=0.5, emit_order=emit, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="cell", weight=torch.eye(n))
    net.init(dt=MS, engine=engine, dtype=torch.float64, **init)
    return net


# -- durations -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duration", [500.0004, 0.5004, 5000.0002])
def test_a_duration_is_a_whole_number_of_slots_however_long_it_is(duration):
    with pytest.raises(ship.ShipError, match=r"must be a whole number of slots of dt = 0\.001 s"):
        steps_of("run", duration, MS)


def test_durations_that_are_rounded_numbers_are_accepted():
    """Sums and products of 0.1 are off by roundings, and float32 numbers by theirs."""
    assert steps_of("run", 0.1 + 0.2, 0.1) == 3
    assert steps_of("run", 1e5 * 0.1, 1e-4) == 10**8
    assert steps_of("run", math.fsum([0.1] * 7), 1e-6) == 700_000
    assert steps_of("run", np.float32(0.3), MS) == 300
    assert steps_of("run", np.float32(500.1), 1e-4) == 5_001_000
    with pytest.raises(ship.ShipError, match="whole number of slots"):
        steps_of("run", np.float32(500.1), 1e-6)  # a float32 near 500 is off by up to 15 us


# -- monitors ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cuts", [[23], [7, 16], list(range(1, 24))])
def test_every_counts_from_the_last_reset(engine, cuts):
    """Pieces of a run keep the same slots as the run, also where a piece keeps none."""
    net = network(engine)
    net.monitor("cell", "v", every=5)
    net.monitor("cell", "output", every=3, events=True)
    x = (torch.rand(2, 23, 2, generator=torch.Generator().manual_seed(0)) < 0.6).double()
    net.run(x, dt=[(MS, 10), (MS / 2, 13)])
    whole, times, spikes = net.records["cell"].v, net.records["cell"].time("v"), net.records["cell"].output
    assert whole.shape == (2, 5, 2)
    assert len(spikes.slot) > 3
    v, t, found, first = [], [], [], 0
    for last in [*cuts, 23] if cuts[-1] < 23 else cuts:
        dts = [MS] * 10 + [MS / 2] * 13
        net.run(x[:, first:last], dt=[(d, 1) for d in dts[first:last]], reset=first == 0)
        record = net.records["cell"]
        v, t, first = [*v, record.v], [*t, record.time("v")], last
        found.append(record.output.time)
    assert torch.equal(torch.cat(v, 1), whole)
    np.testing.assert_allclose(torch.cat(t), times, rtol=1e-12)
    np.testing.assert_allclose(torch.cat(found).sort().values, spikes.time.sort().values, rtol=1e-12)


def test_steps_record_every_nth_slot():
    net = network()
    net.monitor("cell", "v", every=4)
    kept = []
    for _ in range(9):
        net.step(torch.ones(1, 2))
        kept.append(net.records["cell"].v.shape[1])
    assert kept == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert net.records["cell"].v.shape == (1, 1, 2)


# -- lists of events -----------------------------------------------------------------------------------------------------------


def test_an_event_in_the_last_half_slot_is_refused_with_advice():
    with pytest.raises(ship.ShipError, match=r"got 0.0096 s. From 0.0095 s on they belong to slot 10: use steps=11, or leave"):
        from_events([0.001, 0.0096], [0, 1], n=2, steps=10, dt=MS)
    assert from_events([0.001, 0.0096], [0, 1], n=2, steps=11, dt=MS).nonzero().tolist() == [[1, 0], [10, 1]]
    with pytest.raises(ship.ShipError, match=r"inside 10 slots of 0.001 s; got 0.0096 s. Times are rounded .* use steps=11, or"):
        network().run(ship.Events([0.001, 0.0096], [0, 1]), steps=10)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_times_that_are_no_numbers_are_shown_as_they_are(bad):
    for call in (
        lambda: from_events([bad], [0], n=2, steps=10, dt=MS),
        lambda: network().run(ship.Events([0.0, bad], [0, 0]), steps=10),
    ):
        with pytest.raises(ship.ShipError, match=f"got {bad:g} s"):
            call()


def test_an_empty_list_of_events_is_silence():
    assert float(from_events([], [], n=2, steps=10, dt=MS).sum()) == 0
    out = network().run(ship.Events([], [], batch=3), steps=10)
    assert out.shape == (3, 10, 2)
    assert float(out.sum()) == 0
    with pytest.raises(ship.ShipError, match="batch: must be a whole number, at least 1; got 0"):
        network().run(ship.Events([], [], batch=0), steps=10)


def test_recorded_events_given_again():
    """Those of a record count from the last reset, those of an input from the run's start: `timeline` says the difference."""
    x = (torch.rand(1, 20, 2, generator=torch.Generator().manual_seed(1)) < 0.4).double()
    net, again = network(), network()
    net.monitor("in", "output", events=True)
    net.run(x[:, :8])
    want = net.run(x[:, 8:], reset=False)
    record = net.records["in"].output
    assert float(record.time.min()) >= 8 * MS - 1e-12
    again.run(x[:, :8])
    same = again.run(ship.Events(record.time - net.timeline()[0], record.unit, record.sample), steps=12, reset=False)
    assert float(want.sum()) > 3
    assert torch.equal(same, want)


# -- first spikes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("emit", ["before", "after"])
def test_first_spike_times_are_those_of_the_timeline(emit):
    net = network(emit=emit)
    x = torch.zeros(1, 6, 2, dtype=torch.float64)
    x[0, 3, 0] = 1
    out = net.run(x)
    found = first_spike_time(out, MS, emit_order=emit)
    assert float(found[0, 0]) == pytest.approx(float(net.timeline("cell")[int(out[0, :, 0].argmax())]), abs=1e-12)
    assert float(found[0, 0]) == pytest.approx((3 if emit == "before" else 4) * MS)
    assert float(found[0, 1]) == math.inf
    with pytest.raises(ship.ShipError, match="first_spike_time: emit_order: must be 'before' or 'after'; got 'end'"):
        first_spike_time(out, MS, emit_order="end")


# -- ragged inputs -------------------------------------------------------------------------------------------------------------


def test_a_sample_is_as_long_as_its_longest_ragged_input():
    net = ship.Network()
    net.add(ship.SpikeInput, "a", n=1, output=True)
    net.add(ship.SpikeInput, "b", n=2, output=True)
    net.init(dt=MS)
    a = [torch.ones(t, 1) for t in (5, 2, 3)]
    b = [torch.ones(t, 2) for t in (4, 7, 3)]
    for x in ({"a": a, "b": b}, {"b": b, "a": a}):
        out = net.run(x)
        assert net.lengths.tolist() == [5, 7, 3]
        assert out["a"].shape == (3, 7, 1)
        assert out["a"].sum((1, 2)).tolist() == [5, 2, 3]
        assert out["b"].sum((1, 2)).tolist() == [8, 14, 6]
    net.run({"a": a, "b": torch.ones(3, 5, 2)})  # what is padded already says nothing of lengths
    assert net.lengths.tolist() == [5, 2, 3]
    with pytest.raises(ship.ShipError, match="the batch sizes differ"):
        net.run({"a": a, "b": b[:2]})


# -- memory --------------------------------------------------------------------------------------------------------------------


def test_inputs_are_foreseen_before_they_are_made():
    """16 TB of zeros, and as much for a list of events, or for the times of a monitor: refused at once."""
    net = network()
    with pytest.raises(ship.ShipError, match=r"Network.run: needs about .* GiB for input 'in': 1000000000000 slots x 1"):
        net.run(torch.zeros(1, 1, 2), steps=10**12)
    with pytest.raises(ship.ShipError, match=r"needs about .* GiB for input 'in'"):
        net.run(ship.Events([0.0], [0]), steps=10**12)
    quiet = ship.Network()
    quiet.add(ship.PoissonSource, "p", n=1)
    quiet.monitor("p", "output", every=10**9)
    quiet.init(dt=MS)
    with pytest.raises(ship.ShipError, match=r"needs about .* GiB for 1000000000000 slots"):
        quiet.run(steps=10**12)


def test_a_meter_takes_the_numbers_of_its_samples_and_no_more():
    """A few numbers of 8 bytes for each sample, and some ten objects of a few kB: together below 300 bytes a run, where objects
    for each run took 6,800.
    """
    net = network()
    net.meter(neurons=ship.Costs(e_spike=1e-12, p_leak=1e-9))
    x = torch.ones(1, 3, 2, dtype=torch.float64)

    def runs(n):
        for _ in range(n):
            net.run(x)

    runs(512)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    runs(512)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    episodes = net._meter.episodes
    assert len(episodes) <= 11  # powers of two
    assert sum(e.lead[1] for e in episodes) == 1024
    tensors = [t for e in episodes for sums in e.sums.values() for t in sums.values()]
    assert sum(t.nbytes for t in tensors) / 1024 + 8 < 100
    assert grown / 512 < 300
    assert net.energy.spikes.shape[-1] == 1024
    net.run(x[:, :1], reset=False)  # still continues the last sample
    assert net.energy.spikes.shape[-1] == 1024
