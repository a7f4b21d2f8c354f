"""Latencies, delays, loops, inserted slots: exact, at any dt, whatever the order of insertion."""

import itertools
import subprocess
import sys
import time

import pytest
import torch

import ship
from ship.engine.signals.line import Pending, route

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
INSTANT = {"tau": float("inf"), "v_th": 0.5}  # one impulse of 1 makes it spike at once


def chain(delays, dt=1e-3, tags=None):
    """in -> c0 -> c1 ... with impulse synapses; each cell spikes for each impulse."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    names = tags or [f"c{i}" for i in range(len(delays))]
    for name in names:
        net.add(ship.LIF, name, n=1, output=True, **INSTANT)
    for pre, post, delay in zip(["in", *names], names, delays, strict=False):
        net.add(ship.ImpulseSynapse, f"{pre}>{post}", source=pre, target=post, weight=1.0, delay=delay)
    net.init(dt=dt)
    return net


def first(out):
    return int(out[0, :, 0].argmax()) if bool(out.any()) else None


def pulse(steps, at=0, n=1):
    x = torch.zeros(1, steps, n)
    x[0, at] = 1
    return x


def test_chain_of_eight_latency_is_the_sum_of_delays():
    delays = [0.0, 1e-3, 0.0, 2e-3, 5e-3, 0.0, 1e-3, 3e-3]
    net = chain(delays)
    out = net.run(pulse(40, at=4))
    total = 0
    for i, delay in enumerate(delays):
        total += round(delay / 1e-3)
        assert first(out[f"c{i}"]) == 4 + total
    assert "none: every latency is the declared delay" in net.explain()


def test_chain_with_one_delay_is_not_reversed():
    """The original reversed the whole network once a delay was declared (science A2)."""
    net = chain([0.0, 1e-3, 0.0])
    order = net.explain()
    positions = [order.index(f". {tag}  ") for tag in ("in", "in>c0", "c0", "c0>c1", "c1", "c1>c2", "c2")]
    assert positions == sorted(positions)


@pytest.mark.parametrize("delay", [1, 2, 7])
def test_loop_of_eight_period_is_the_sum_of_delays(delay):
    """A spike runs round a loop of 8 cells; it returns after exactly the declared delays."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    for i in range(8):
        net.add(ship.LIF, f"c{i}", n=1, output=i == 0, **INSTANT)
    net.add(ship.ImpulseSynapse, "start", source="in", target="c0", weight=1.0)
    for i in range(8):
        net.add(
            ship.ImpulseSynapse,
            f"s{i}",
            source=f"c{i}",
            target=f"c{(i + 1) % 8}",
            weight=1.0,
            delay=delay * 1e-3 if i in (2, 5) else 0.0,
        )
    net.init(dt=1e-3)
    k = net.run(pulse(100))[0, :, 0].nonzero().flatten()
    assert len(k) > 3
    assert set(torch.diff(k).tolist()) == {2 * delay}
    assert "none: every latency" in net.explain()


def test_onset_of_a_current_through_a_chain_of_currents():
    """A current synapse without delay acts during the slot of its event: the membrane moves at the next slot's start, in loops
    too.
    """
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "a", n=1, v_th=10.0)
    net.add(ship.ExpSynapse, "s", source="in", target="a", weight=1.0, delay=3e-3)
    net.add(ship.ExpSynapse, "loop", source="a", target="a", weight=1.0)
    net.init(dt=1e-3)
    net.monitor("a", "v")
    net.monitor("s", "i")
    net.run(pulse(12, at=2))
    assert int((net.records["s"].i[0, :, 0] > 0).float().argmax()) == 5
    assert int((net.records["a"].v[0, :, 0] > 0).float().argmax()) == 6


def test_instantaneous_loop_gets_one_slot_and_says_so():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "a", n=1, output=True, **INSTANT)
    net.add(ship.LIF, "b", n=1, output=True, **INSTANT)
    net.add(ship.ImpulseSynapse, "start", source="in", target="a", weight=1.0)
    net.add(ship.ImpulseSynapse, "ab", source="a", target="b", weight=1.0)
    net.add(ship.ImpulseSynapse, "ba", source="b", target="a", weight=1.0, delay=0.3e-3)
    net.init(dt=1e-3)
    text = net.explain()
    assert "b -> ba: one slot (0.001 s)" in text  # cut where a delay was declared
    assert text.count("one slot (") == 1
    assert "delay rounded to whole slots, by at most 0.0003 s" in text
    out = net.run(pulse(6))
    assert out["a"][0, :, 0].tolist() == [1, 1, 1, 1, 1, 1]
    assert out["b"][0, :, 0].tolist() == [1, 1, 1, 1, 1, 1]
    net.init(dt=1e-4)
    assert "none: every latency" in net.explain()


def test_loop_through_a_membrane_needs_no_slot():
    net = ship.Network()
    net.add(ship.LIF, "a", n=3)
    net.add(ship.ExpSynapse, "aa", source="a", target="a")
    net.init()
    assert "none: every latency" in net.explain()


def reservoir(order):
    """The same recurrent network, its groups added in some order."""
    groups = {
        "in": (ship.SpikeInput, {"n": 5}),
        "r": (ship.LIF, {"n": 20, "output": True}),
        "o": (ship.LIF, {"n": 3, "output": True}),
        "in>r": (ship.ExpSynapse, {"source": "in", "target": "r", "weight": ship.Normal(1.0, 1.0)}),
        "r>r": (ship.ImpulseSynapse, {"source": "r", "target": "r", "weight": ship.Normal(0.0, 0.3)}),
        "r>o": (ship.ExpSynapse, {"source": "r", "target": "o", "delay": 2e-3, "weight": ship.Normal(0.3, 0.2)}),
        "o>r": (ship.ImpulseSynapse, {"source": "o", "target": "r", "weight": ship.Normal(0.0, 0.3)}),
    }
    net = ship.Network()
    for tag in order:
        model, options = groups[tag]
        net.add(model, tag, **options)
    net.init(dt=1e-3, seed=3)
    return net


def test_insertion_order_does_not_matter():
    tags = ["in", "r", "o", "in>r", "r>r", "r>o", "o>r"]
    x = (torch.rand(2, 60, 5, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    with torch.no_grad():
        want = reservoir(tags).run(x)
        assert float(want["o"].sum()) > 5
        for order in itertools.islice(itertools.permutations(tags), 0, 5040, 700):
            got = reservoir(order).run(x)
            assert torch.equal(got["r"], want["r"])
            assert torch.equal(got["o"], want["o"])


def test_hash_seed_does_not_matter():
    code = (
        "import ship; net = ship.Network(); net.add(ship.LIF, 'b', n=3); net.add(ship.LIF, 'a', n=2);"
        "net.add(ship.ImpulseSynapse, 'x', source='a', target='b'); net.add(ship.ImpulseSynapse, 'y', source='b', target='a');"
        "net.init(); print(net.explain(), net['x'].weight.tolist())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1
    assert "one slot" in texts.pop()


def test_a_thousand_groups_with_loops_are_planned():
    """1,000 groups, 40 instantaneous edges in one loop and many small loops; no combinatorial growth (the suite's time limit is
    the judge).
    """
    net = ship.Network()
    for i in range(400):
        net.add(ship.LIF, f"n{i}", n=1)
    for i in range(600):
        a, b = (i * 7919) % 400, (i * 104729 + 13) % 400
        net.add(ship.ImpulseSynapse, f"s{i}", source=f"n{a}", target=f"n{b}", weight=0.1)
    net.init()
    started = time.perf_counter()
    net._plans = {}
    text = net.explain()
    print(f"planned in {time.perf_counter() - started:.2f} s")
    assert "one slot (" in text


@pytest.mark.parametrize("kind", ["scalar", "unit", "connection"])
def test_delays_scalar_per_unit_per_connection(kind):
    slots = {
        "scalar": torch.full((2, 3), 4),
        "unit": torch.tensor([[1], [5]]).expand(2, 3),
        "connection": torch.tensor([[0, 1, 2], [3, 9, 5]]),
    }[kind]
    given = {"scalar": 4e-3, "unit": torch.tensor([1e-3, 5e-3]), "connection": slots * 1e-3}[kind]
    for side in ("post", "connection"):
        for j in range(2):
            net = ship.Network()
            net.add(ship.SpikeInput, "in", n=2)
            net.add(ship.LIF, "b", n=3, output=True, v_th=1e-3)
            net.add(ship.ExpSynapse, "s", source="in", target="b", weight=1.0, delay=given, side=side)
            net.init(dt=1e-3)
            x = torch.zeros(1, 20, 2)
            x[0, 2, j] = 1
            out = net.run(x)
            assert out[0].argmax(0).tolist() == (2 + slots[j] + 1).tolist()


@pytest.mark.parametrize("model", [ship.ImpulseSynapse, ship.ExpSynapse])
@pytest.mark.parametrize(("coarse", "fine"), [(1e-3, 0.1e-3), (0.1e-3, 1e-3)])
def test_delay_across_a_change_of_dt(model, coarse, fine):
    """A spike in flight when dt changes acts at its absolute time, exactly the declared delay after it was sent."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "b", n=1, output=True, v_th=1e-6)
    net.add(model, "s", source="in", target="b", weight=1.0, delay=6e-3)
    net.init(dt=coarse)
    first_steps, sent = round(5e-3 / coarse), round(2e-3 / coarse)
    second = round(10e-3 / fine)
    x = torch.zeros(1, first_steps + second, 1)
    x[0, sent] = 1
    for split in (False, True):
        if split:
            a = net.run(x[:, :first_steps], dt=coarse)
            b = net.run(x[:, first_steps:], dt=fine, reset=False)
            out, times = torch.cat([a, b], 1), torch.cat([torch.arange(first_steps, dtype=D) * coarse, net.timeline()])
        else:
            out = net.run(x, dt=[(coarse, first_steps), (fine, second)])
            times = net.timeline()
        k = int(out[0, :, 0].argmax())
        late = 0.0 if model is ship.ImpulseSynapse else fine
        assert float(times[k]) == pytest.approx(8e-3 + late, abs=1e-12)
        assert float(out.sum()) >= 1


def test_nothing_is_lost_or_doubled_across_changes_of_dt():
    """Counts through a delay line: as many arrive as were sent, over three changes of dt; values hold their level."""
    gen = torch.Generator().manual_seed(0)
    x = torch.poisson(torch.full((1, 60, 1), 0.7), generator=gen)
    programme = [(1e-3, 10), (0.25e-3, 20), (2e-3, 10), (0.1e-3, 20)]
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.CurrentInput, "level", n=1)
    net.add(ship.Link, "late", source="in", delay=4e-3, output=True)
    net.add(ship.Link, "held", source="level", delay=4e-3, output=True)
    net.init(dt=1e-3)
    level = torch.arange(60.0).reshape(1, 60, 1)
    out = net.run({"in": x, "level": level}, dt=[*programme[:-1], (0.1e-3, 20)])
    more = net.run({"in": torch.zeros(1, 100, 1), "level": torch.zeros(1, 100, 1)}, dt=1e-3, reset=False)
    assert float(out["late"].sum() + more["late"].sum()) == float(x.sum())
    times = torch.cat([torch.arange(n, dtype=D) * dt + t for (dt, n), t in zip(programme, (0, 0.01, 0.015, 0.035), strict=True)])
    stamps = times.double()
    for k in range(60):
        then = times[k] - 4e-3
        want = 0.0 if then < -1e-9 else float(level[0, int((stamps <= then + 1e-9).sum()) - 1, 0])
        assert float(out["held"][0, k, 0]) == want, k


def test_charge_in_flight_is_shared_by_overlap():
    assert route(Pending(1.25e-3, 1e-3, torch.ones(1)), "charge", 1e-3) == pytest.approx({1: 0.75, 2: 0.25})
    assert route(Pending(1e-3, 2e-3, torch.ones(1)), "charge", 0.5e-3) == pytest.approx(dict.fromkeys((2, 3, 4, 5), 0.25))


def test_several_sources_and_targets():
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=2)
    net.add(ship.SpikeInput, "y", n=1)
    net.add(ship.LIF, "a", n=2, output=True, **INSTANT)
    net.add(ship.LIF, "b", n=1, output=True, **INSTANT)
    weight = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    net.add(ship.ImpulseSynapse, "s", source=["x", "y"], target=["a", "b"], weight=weight, delay=torch.tensor([0, 1e-3, 2e-3]))
    net.init()
    x, y = torch.zeros(1, 5, 2), torch.zeros(1, 5, 1)
    x[0, 0] = 1
    y[0, 0] = 1
    out = net.run({"x": x, "y": y})
    assert out["a"][0].nonzero().tolist() == [[0, 0], [1, 1]]
    assert out["b"][0].nonzero().tolist() == [[2, 0]]


def test_durations_and_timeline():
    net = ship.Network()
    net.add(ship.PoissonSource, "p", n=2, output=True)
    net.init(dt=0.1)
    assert net.run(duration=0.3).shape == (1, 3, 2)  # pitfall 7
    assert net.timeline().tolist() == [0.0, 0.1, 0.2]
    net.run(dt=[(0.1, 2), (0.01, 3)])
    assert net.timeline().tolist() == pytest.approx([0, 0.1, 0.2, 0.21, 0.22])
    net.run(dt=0.5, steps=2, reset=False)
    assert net.timeline().tolist() == pytest.approx([0.23, 0.73])  # goes on where the last run ended
    assert net.dt == 0.1  # a programme leaves the default alone (pitfall 9)


@pytest.mark.parametrize("ring", [False, True])
def test_onset_of_currents_in_eight_layers(ring):
    """Each current starts exactly its declared delay after the spike that causes it, in a chain and round a loop."""
    delays = [0, 1, 0, 2, 5, 0, 1, 3]
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    for i in range(8):
        net.add(ship.LIF, f"c{i}", n=1, t_ref=4e-3)
        net.monitor(f"c{i}", "output")
    net.add(ship.ImpulseSynapse, "start", source="in", target="c0", weight=2.0)
    for i in range(8 if ring else 7):
        net.add(ship.ExpSynapse, f"s{i}", source=f"c{i}", target=f"c{(i + 1) % 8}", weight=20.0, delay=delays[i] * 1e-3, tau=1e-3)
        net.monitor(f"s{i}", "i")
    net.init(dt=1e-3, dtype=D)
    assert "none: every latency" in net.explain()
    net.run(pulse(120, at=3))
    slot = 3
    for i in range(8):
        spikes = net.records[f"c{i}"].output[0, :, 0].nonzero().flatten().tolist()
        assert spikes[0] == slot
        if f"s{i}" not in net.records:
            break
        current = net.records[f"s{i}"].i[0, :, 0]
        started = ((current[1:] > current[:-1]).nonzero().flatten() + 1).tolist()
        assert started == [k + delays[i] for k in spikes if k + delays[i] < 120]
        slot += delays[i] + 1  # the current flows during its slot; the membrane has crossed at the next slot's start
    if ring:
        again = net.records["c0"].output[0, :, 0].nonzero().flatten()
        assert len(again) > 2
        assert set(torch.diff(again).tolist()) == {sum(delays) + 8}


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("delay", [1e9, 0.5, 0.03])
def test_a_delay_far_longer_than_the_run_takes_no_memory(engine, delay):
    """A loop keeps the slots of the run, not of the delay (1e12 slots of 50 units: 200 TB); it acts too late."""
    made = []
    for looped in (False, True):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LIF, "hid", n=50, output=True)
        net.add(ship.ExpSynapse, "s", source="in", target="hid", weight=ship.Uniform(0.5, 1.0))
        if looped:
            net.add(ship.ExpSynapse, "loop", source="hid", target="hid", delay=delay, weight=ship.Uniform(1.0, 2.0))
        net.init(dt=1e-3, engine=engine)
        x = (torch.rand(2, 40, 3, generator=torch.Generator().manual_seed(0)) < 0.3).float()
        with torch.no_grad():
            made.append(net.run(x))
            assert torch.equal(torch.cat([net.run(x[:, :17]), net.run(x[:, 17:], reset=False)], 1), made[-1])
    assert torch.equal(*made) == (delay > 0.04)
    assert made[0].sum() > 100
