"""The energy ledger: networks by hand, both engines, delays, edges, writes, bands; and does it close?"""

import copy
import json
import math
from dataclasses import dataclass, replace

import pytest
import torch

import ship
from ship.network.energy.row_reads import ways

D = torch.float64
NEAR = {"rtol": 1e-12, "atol": 0.0}  # sums of some numbers in float64
V, T, LOW, HIGH = 0.2, 50e-9, 1e-6, 50e-6
pytestmark = pytest.mark.usefixtures("no_grad")


@dataclass(frozen=True)
class Fading(ship.devices.Retention):
    """``g exp(-age / 1e4 s)``."""

    def drift(self, g, age, p, xi):
        return g * torch.exp(-age / 1e4)


@dataclass(frozen=True)
class Scattered(ship.devices.Programming):
    """Ten percent."""

    def write(self, target, p, xi):
        return target * (1 + 0.1 * xi[0])


@dataclass(frozen=True)
class Cubic(ship.devices.IV):
    """``i = g v (1 + 5 v^2)``."""

    def current(self, g, v, p):
        return g * v * (1 + 5 * v**2)


@dataclass(frozen=True)
class Noisy(ship.devices.ReadNoise):
    """Ten percent."""

    def read(self, g, written, age, p, xi):
        return g * (1 + 0.1 * xi[0])


def device(**change):
    return ship.Device(**{"g_min": LOW, "g_max": HIGH, "v_read": V, "t_read": T} | change)


WEIGHT = torch.tensor([[0.5, -0.2], [0.1, 0.3], [-0.4, 0.0]], dtype=D)
X = torch.zeros(2, 6, 3, dtype=D)
X[0, 0, 0] = X[0, 3, 0] = X[0, 5, 2] = 1  # sample 0: unit 0 twice, unit 2 in the last slot
X[1, 1, 1], X[1, 4, 2] = 3, 1  # sample 1: three events at once


def small(*, programmed=True, chips=None, engine="reference", dtype=D, costs=None, **synapse):
    """Three inputs and two neurons, metered."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.ImpulseSynapse, "syn", source="in", target="out", **({"weight": WEIGHT.clone(), "device": device()} | synapse))
    net.add(ship.LIF, "out", n=2, v_th=0.55, output=True)
    net.init(dt=1e-3, dtype=dtype, chips=chips, engine=engine)
    if programmed:
        net.program()
    net.meter(**(costs or {}))
    return net


def row_energies(net):
    """``v^2 G t``, from the conductances that are there: ``[pre]`` or ``[chip, pre]``."""
    rows = V * V * T * net["syn"].hardware.array.conductance().sum((-3, -1))
    return rows if net.chips else rows[0]


# -- reads ---------------------------------------------------------------------------------------------------------------------


def test_reads_by_hand():
    """``E = count v^2 G t``; of a pair one device has ``low + |w| / w_max span``, the other ``low``: w_max is 0.5."""
    net = small()
    net.run(X)
    rows = [V * V * T * (4 * LOW + (abs(a) + abs(b)) / 0.5 * (HIGH - LOW)) for a, b in WEIGHT.tolist()]
    expected = torch.tensor([2 * rows[0] + rows[2], 3 * rows[1] + rows[2]], dtype=D)
    made = net.energy
    torch.testing.assert_close(made.energy("syn", "read").low, expected, **NEAR)
    assert made.events.tolist() == [[6.0, 8.0]]  # three and four arrivals, at two targets each
    assert made.per_synaptic_event.low == made.per_synaptic_event.high == pytest.approx(float(expected.sum()) / 14, rel=1e-12)
    assert made.per_inference.low == pytest.approx(float(expected.mean()), rel=1e-12)
    (supply,) = made.supplies
    assert supply.name == "syn.v_read"
    assert supply.charge.low * V == pytest.approx(float(expected.sum()), rel=1e-12)
    assert made.closing.closed
    assert made.closing.gap < 1e-14


def test_current_voltage_curve_and_read_noise_are_those_of_the_run():
    """``i = g v (1 + 5 v^2)`` takes ``1 + 5 v^2`` times as much; with noise, what each trial reads is what it takes."""
    plain, curved, noisy = small(), small(device=device(iv=Cubic())), small(device=device(noise=Noisy()))
    for net in (plain, curved, noisy):
        net.run(X)
    energy = plain.energy.energy().low
    torch.testing.assert_close(curved.energy.energy().low, energy * (1 + 5 * V**2), **NEAR)
    noisy.run(X, trial=1)
    first, second = noisy.energy.energy().low.split(2)
    assert 0.5 < float((first / energy).mean()) < 1.5
    assert float((first / second - 1).abs().min()) > 1e-3
    assert noisy.energy.closing.closed


def test_only_what_arrived_is_read():
    """With a delay of two slots the events of unit 2 are still in flight; the run that continues reads them, at any dt."""
    net = small(delay=2e-3)
    rows = row_energies(net)
    net.run(X)
    torch.testing.assert_close(net.energy.energy("syn").low, torch.stack([2 * rows[0], 3 * rows[1]]), **NEAR)
    assert net.energy.events.tolist() == [[4.0, 6.0]]
    net.run(torch.zeros(2, 10, 3, dtype=D), reset=False, dt=0.5e-3)
    torch.testing.assert_close(net.energy.energy("syn").low, torch.stack([2 * rows[0] + rows[2], 3 * rows[1] + rows[2]]), **NEAR)
    net.run(X)  # two other samples
    assert net.energy.energy("syn").low.shape == (4,)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_pieces_equal_the_whole(engine):
    """Programmes of dt and continued runs count what one run does, whose spikes are the same."""
    whole, pieces = (small(delay=1.5e-3, engine=engine) for _ in range(2))
    quiet = torch.zeros(2, 8, 3, dtype=D)
    whole.run(torch.cat([X, quiet], 1), dt=[(1e-3, 6), (0.25e-3, 8)])
    pieces.run(X[:, :2])
    pieces.run(X[:, 2:], reset=False)
    pieces.run(quiet, reset=False, dt=0.25e-3)
    torch.testing.assert_close(whole.energy.energy("syn").low, pieces.energy.energy("syn").low, **NEAR)
    assert float(whole.energy.events.sum()) == 14


def test_chips_and_drift():
    """Each chip reads its own conductances as they are now; K chips at once are K runs."""

    def run(chips):
        net = small(chips=chips, device=device(retention=Fading(), programming=Scattered()))
        net.run(X)
        net.wait(1e4)
        rows = row_energies(net)  # before the run: it takes time, too
        net.run(X)
        torch.testing.assert_close(net.energy.energy("syn").low[:, 3], 3 * rows[:, 1] + rows[:, 2], **NEAR)
        assert net.energy.closing.closed
        return net.energy.energy("syn", "read").low

    together = run(3)
    assert together.shape == (3, 4)
    assert float((together[0] - together[1]).abs().min()) > 0
    torch.testing.assert_close(together[:, 2:], together[:, :2] * math.exp(-1 - 6e-7), rtol=1e-9, atol=0.0)  # 6 ms of run before
    torch.testing.assert_close(torch.cat([run([die]) for die in range(3)]), together, **NEAR)


DELAYS = torch.tensor([[0.0, 1e-3], [2e-3, 2e-3], [1e-3, 3e-3]], dtype=D)


@pytest.mark.parametrize(
    "synapse",
    [
        {},
        {"delay": torch.tensor([0.0, 2e-3, 1e-3], dtype=D)},
        {"delay": DELAYS},
        {"delay": DELAYS, "side": "connection"},
        {"side": "pre", "delay": torch.tensor([0.0, 2e-3, 1e-3], dtype=D)},
        {"connect": torch.tensor([[1, 0], [1, 1], [0, 1]])},
        {"connect": torch.tensor([[1, 0], [1, 1], [0, 1]]), "delay": DELAYS},
        {"connect": torch.tensor([[1, 0], [1, 1], [0, 1]]), "side": "pre", "delay": 1e-3},
        {"mapping": ship.BitSliced(slices=2)},
        {"mapping": ship.Offset()},
    ],
)
def test_what_is_read_is_what_arrives_at_each_connection(synapse):
    """Against the engine's own arrivals, slot by slot and connection by connection: ``sum count v^2 G t``."""
    net = small(**synapse)
    node, found = net._sim.nodes["syn"], []
    take = type(node).run

    def run(k0, n):
        take(node, k0, n)
        found.append(node.feed.dense(k0, n, node.like).sum(0))

    node.run = run
    net.run(X)
    dense = sum(found)[0]  # [batch, pre, post or 1], or [batch, edge]; with edges on the pre side [batch, pre, 1]
    power = V * V * T * net["syn"].hardware.array.conductance()[0].sum(0)
    if synapse.get("side") == "pre" and "connect" in synapse:
        dense = dense.squeeze(-1)[:, net["syn"].pre]
    expected = (dense * power).flatten(1).sum(1)
    torch.testing.assert_close(net.energy.energy("syn", "read").low, expected, **NEAR)
    ones = torch.ones_like(power)
    torch.testing.assert_close(net.energy.events[0], (dense * ones).flatten(1).sum(1), **NEAR)
    assert net.energy.closing.closed
    assert float(expected.min()) > 0


def deep(engine, chips=None, dtype=D, programmed=True):
    """Two layers and a loop with delays; most neurons fire."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    net.add(ship.ExpSynapse, "a", source="in", target="hid", weight=ship.Uniform(0.0, 0.5), device=device(), delay=2e-3)
    net.add(ship.LIF, "hid", n=30, t_ref=2e-3)
    net.add(ship.ImpulseSynapse, "b", source="hid", target="hid", device=device(), delay=3e-3, connect=ship.InDegree(5))
    net.add(ship.ImpulseSynapse, "c", source="hid", target="out", weight=ship.Uniform(0.0, 0.3), device=device())
    net.add(ship.LIF, "out", n=4, output=True)
    net.init(dt=1e-3, dtype=dtype, engine=engine, chips=chips)
    if programmed:
        net.program()
    return net


COSTS = {
    "neurons": ship.Costs(v_dd=1.0, c_spike=(50e-15, 200e-15), p_leak=1e-10),
    "synapses": ship.Costs(c_line=20e-15, c_cell=0.2e-15, e_event=(0.0, 1e-12), p_idle=0.0),
}


def noise(batch=3, steps=100, n=20):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(1)) < 0.1).double()


def test_engines_agree():
    ledgers = []
    for engine in ("reference", "fused"):
        net = deep(engine, chips=2)
        net.meter(**COSTS)
        net.run(noise())
        ledgers.append(net.energy)
        assert net.energy.closing.closed
    one, two = ledgers
    assert float(one.spikes.min()) > 100
    torch.testing.assert_close(one.events, two.events, rtol=0, atol=0)
    for group in ("a", "b", "c", "hid", "out"):
        for a, b in zip(one.energy(group), two.energy(group), strict=True):
            torch.testing.assert_close(a, b, **NEAR)


def test_batch_is_single_samples_and_long_runs_are_taken_in_chunks(monkeypatch):
    net = deep("fused")
    net.meter(**COSTS)
    net.run(noise())
    whole = net.energy
    monkeypatch.setattr("ship.network.network.chunk_slots", lambda *_: 7)
    net.meter(**COSTS)
    for sample in noise():
        net.run(sample[None])
    torch.testing.assert_close(net.energy.energy().high, whole.energy().high, **NEAR)


# -- writes --------------------------------------------------------------------------------------------------------------------


def test_pulses_by_hand():
    """n pulses take ``n v w (i_before + i_after) / 2`` in each device; here ``i = G v``."""
    net = small(programmed=False)
    array = net["syn"].hardware.array
    before = array.conductance()
    energy = array.pulse(0.8, width=20e-9, count=3)
    expected = 3 * 20e-9 * 0.8**2 * (before + array.conductance()) / 2
    assert bool((array.conductance() > before).all())
    torch.testing.assert_close(energy, expected, **NEAR)
    array.pulse(-0.5, count=2)
    made = net.energy
    assert float(made.energy("syn", "write").low) > float(expected.sum())
    assert {s.name for s in made.supplies} == {"syn.v_set", "syn.v_reset"}
    assert made.supplies[0].energy.low == pytest.approx(float(expected.sum()), rel=1e-12)
    assert made.closing.closed


@pytest.mark.parametrize("by", ["rewrite", "pulse"])
def test_write_and_verify(by):
    """The ledger has what `Written` says, and the reads of verification: ``v^2 G t`` of the devices that were looked at."""
    net = small(
        programmed=False, chips=2, device=device(g_max=ship.Varied(HIGH, d2d=0.2)), costs={"synapses": ship.Costs(e_write=1e-12)}
    )
    written = net.program(verify=ship.WriteVerify(0.05, by=by))["syn"]
    made = net.energy
    pulses = written.pulses.flatten(1).sum(1)
    assert float(pulses.min()) > 0
    torch.testing.assert_close(made.energy("syn", "write").low, written.energy.flatten(1).sum(1) + 1e-12 * pulses, **NEAR)
    checks = made.energy("syn", "verify").low
    assert float(checks.min()) >= V * V * T * LOW * float(pulses.min())  # one look for each attempt, at the least
    net.read("syn")
    looked = V * V * T * net["syn"].hardware.array.conductance().flatten(1).sum(1)
    torch.testing.assert_close(net.energy.energy("syn", "verify").low - checks, looked, rtol=1e-9, atol=0.0)  # a difference
    assert net.energy.closing.closed
    assert made.per_inference is None


def test_verification_by_hand():
    """Ideal devices need one write and one look at what it left; pulse by pulse, all are looked at before as well."""
    for by, looks_before in (("rewrite", 0.0), ("pulse", 12 * V * V * T * LOW)):
        net = small(programmed=False)
        written = net.program(verify=ship.WriteVerify(0.02, most=1, by=by))["syn"]
        after = V * V * T * float((net["syn"].hardware.array.conductance()[0] * (written.pulses > 0)).sum())
        assert float(net.energy.energy("syn", "verify").low) == pytest.approx(looks_before + after, rel=1e-12)


# -- circuits ------------------------------------------------------------------------------------------------------------------


def test_spikes_lines_and_leakage_by_hand():
    """``C v_dd^2`` for a spike, ``(c_line + cells c_cell) v_read^2`` for an arrival, ``P t`` for each neuron and device."""
    net = small(
        costs={
            "neurons": ship.Costs(v_dd=1.2, c_spike=100e-15, p_leak=2e-9, p_idle=1e-9),
            "synapses": ship.Costs(c_line=20e-15, c_cell=1e-15, e_event=3e-15, p_leak=1e-12),
            "groups": {"in": ship.Costs(v_dd=0.9, c_spike=10e-15)},
        }
    )
    net["out"].v_th.fill_(1e-3)  # every positive impulse fires
    out = net.run(X)
    net.wait(10.0)
    made, counts = net.energy, torch.tensor([3.0, 4.0], dtype=D)
    assert 0 < float(out.sum()) == float(made.spikes.sum())
    torch.testing.assert_close(made.energy("out", "spikes").low, 100e-15 * 1.2**2 * out.sum((1, 2)), **NEAR)
    torch.testing.assert_close(made.energy("in", "spikes").low, 10e-15 * 0.9**2 * counts, **NEAR)
    torch.testing.assert_close(made.energy("syn", "periphery").low, ((20e-15 + 4 * 1e-15) * V**2 + 3e-15) * counts, **NEAR)
    assert made.energy("out", "leak").low.tolist() == pytest.approx([2 * 2e-9 * 6e-3] * 2, rel=1e-12)
    assert made.energy("syn", "leak").low.tolist() == pytest.approx([12 * 1e-12 * 6e-3] * 2, rel=1e-12)
    assert float(made.energy("out", "idle").low) == pytest.approx(2 * 1e-9 * 10.0, rel=1e-12)
    assert made.closing.closed
    assert made.per_spike.low == pytest.approx(float(made.energy().low.sum()) / float(made.spikes.sum()), rel=1e-12)


def test_bands_propagate():
    """The ends of the total are those of the parts; what is known stays a number."""
    net = small(
        costs={"groups": {"in": ship.Costs(v_dd=(0.8, 1.0), c_spike=(10e-15, 30e-15)), "syn": ship.Costs(p_leak=(0, 1e-12))}}
    )
    net.run(X)
    made, counts = net.energy, torch.tensor([3.0, 4.0], dtype=D)
    low, high = made.energy("in")
    torch.testing.assert_close(low, 10e-15 * 0.8**2 * counts, **NEAR)
    torch.testing.assert_close(high, 30e-15 * 1.0**2 * counts, **NEAR)
    read = made.energy("syn", "read")
    assert torch.equal(read.low, read.high)
    assert made.total.high - made.total.low == pytest.approx(float((high - low).sum()) + 2 * 12 * 1e-12 * 6e-3, rel=1e-12)
    assert made.per_inference.low < made.per_inference.high
    group, phase, share = made.dominant
    assert (group, phase) == ("syn", "read")
    assert 0 < share[0] < share[1] < 1


def test_scope_names_what_is_missing():
    net = small(programmed=False, costs={"neurons": ship.Costs(p_leak=1e-9)})
    net.run(X)
    made = net.energy
    assert "out: p_leak" in made.included
    assert {"out: c_spike", "out: p_idle", "syn: c_line"} <= set(made.missing)
    assert any("model weights" in text for text in made.missing)  # it was not programmed: nothing is read
    assert made.energy("syn").low.tolist() == [0.0, 0.0]
    assert made.per_synaptic_event is not None
    net.program()
    net.run(X)
    assert float(net.energy.energy("syn").low[2:].min()) > 0


# -- closing -------------------------------------------------------------------------------------------------------------------


def everything():
    net = deep("reference", chips=2, programmed=False)
    net.meter(neurons=COSTS["neurons"], synapses=replace(COSTS["synapses"], p_leak=1e-12, p_idle=(1e-12, 2e-12), e_write=1e-13))
    net.program(verify=ship.WriteVerify(0.01, by="pulse"))
    net.run(noise())
    net.wait(1.0)
    return net


def test_it_closes_and_notices_each_part_that_is_left_out():
    made = everything().energy
    assert made.closing.closed
    assert made.closing.gap < 1e-12
    phases = {part.phase for part in made.parts}
    assert phases == {"read", "periphery", "spikes", "leak", "write", "verify", "idle"}
    for i, part in enumerate(made.parts):
        if float(part.energy.high.sum()):
            assert not replace(made, parts=made.parts[:i] + made.parts[i + 1 :]).closing.closed, part.phase
    for i in range(len(made.supplies)):
        assert not replace(made, supplies=made.supplies[:i] + made.supplies[i + 1 :]).closing.closed


def test_it_notices_a_row_that_is_summed_wrongly(monkeypatch):
    net = small()
    monkeypatch.setattr("ship.network.energy.meter.along_rows", lambda node, way, cells: cells[..., 0])  # the first column alone
    net.run(X)
    assert not net.energy.closing.closed
    assert "NOT within" in str(net.energy)


def test_float32_closes_within_its_digits():
    net = deep("fused", dtype=torch.float32)
    net.meter(**COSTS)
    net.program(verify=ship.WriteVerify(0.02))
    net.run(noise().float())
    assert net.energy.closing.closed
    assert net.energy.tolerance == 1e-5


# -- use -----------------------------------------------------------------------------------------------------------------------


def test_results_are_the_same_with_and_without():
    plain, metered = deep("fused"), deep("fused")
    metered.meter(**COSTS)
    x = noise()
    assert torch.equal(plain.run(x), metered.run(x))
    assert plain._meter is None
    assert plain["a"].hardware.array.watch is None
    metered.unmeter()
    assert metered["a"].hardware.array.watch is None
    with pytest.raises(ship.RunError, match="nothing is metered"):
        _ = metered.energy


def test_training_is_metered_without_touching_gradients():
    grads = []
    for on in (False, True):
        net = deep("fused")
        net.use_weights()
        if on:
            net.meter(**COSTS)
        with torch.enable_grad():
            net.run(noise()).sum().backward()
        grads.append(net["a"].weight.grad)
    assert float(grads[0].abs().max()) > 0
    assert torch.equal(*grads)


def test_an_interrupted_run_counts_nothing(monkeypatch):
    net = small()
    segment = type(net._sim).segment

    def interrupted(*given, **options):
        segment(*given, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(net._sim), "segment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.run(X)
    assert net.energy.events.shape == (1, 0)


def test_copies_and_tuning_count_for_themselves():
    net = small(engine="fused")
    other = copy.deepcopy(net)
    other.run(X)
    net.tune(X)
    assert net.energy.events.numel() == 0
    assert other.energy.events.numel() == 2
    other.program()
    assert not [p for p in net.energy.parts if p.phase == "write"]
    assert [p for p in other.energy.parts if p.phase == "write"]


def test_meter_before_init_and_again():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.ImpulseSynapse, "syn", source="in", target="out", weight=1.0, device=device())
    net.add(ship.LIF, "out", n=2, output=True)
    net.meter()
    net.init(dtype=D)
    net.program()
    net.run(X)
    assert float(net.energy.total.low) > 0
    net.meter()
    assert float(net.energy.total.low) == 0
    net.init(dtype=D, keep=False)
    assert net.energy.events.numel() == 0
    net.step(X[:, 0])
    net.step(X[:, 1])
    assert net.energy.events.shape == (1, 2)


def test_intervals_are_over_chips_or_samples():
    """Student's t: with two chips half the 95 % interval is ``12.706 |a - b| / 2``."""
    net = small(chips=2, device=device(programming=Scattered()))
    net.run(X)
    made = net.energy.per_inference
    a, b = net.energy.energy().low.mean(1).tolist()
    assert (made.over, made.n) == ("chips", 2)
    assert made.interval[1] - made.low == pytest.approx(12.7062047 * abs(a - b) / 2, rel=1e-6)
    alone = small()
    alone.run(X[:1])
    assert alone.energy.per_inference.interval is None


def test_text_and_json():
    made = everything().energy
    text = str(made)
    for word in (
        "read",
        "periphery",
        "J per inference",
        "J per synaptic event",
        "closing",
        "not in the estimate",
        "most in runs",
    ):
        assert word in text
    table = json.loads(json.dumps(made.to_dict()))
    assert table["closing"]["closed"] is True
    assert table["total"]["high"] == pytest.approx(made.total.high)


def test_graded_signals_are_said_to_be_missing():
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=3)
    net.add(ship.WeightedSum, "syn", source="in", target="out", weight=1.0, device=device())
    net.add(ship.LIF, "out", n=2, output=True)
    net.init(dtype=D)
    net.meter()
    net.program()
    net.run(X)
    assert "syn: what graded signals take" in net.energy.missing
    assert net.energy.events.sum() == 0
    assert float(net.energy.energy("syn", "write").low) > 0


ERRORS = [
    (lambda: ship.Costs(v_dd=1.0, c_spike=-1e-15), "Costs.c_spike: must be at least 0 F; got -1e-15."),
    (lambda: ship.Costs(c_line=(2e-15, 1e-15)), "Costs.c_line: must be (least, most); got (2e-15, 1e-15)."),
    (lambda: ship.Costs(c_line="1f"), "Costs.c_line: must be a number, tuple[float, float] or None; got '1f'."),
    (lambda: ship.Costs(c_line=float("nan")), "Costs.c_line: must be a number of F, or (least, most); got nan."),
    (lambda: ship.Costs(v_dd=0.0), "Costs.v_dd: must be above 0 V; got 0."),
    (lambda: ship.Costs(c_spike=1e-15), "Costs.c_spike: needs the voltage that it is charged to. Give v_dd as well."),
    (lambda: small().meter(groups={"sin": ship.Costs()}), "Network.meter: no group named 'sin'. Known: 'in', 'syn', 'out'."),
    (lambda: small().meter(neurons=1e-12), "Network.meter: neurons: must be Costs or None; got 1e-12."),
    (lambda: small().meter(neurons=ship.Costs(c_line=1e-15)), "Network.meter: c_line: is a cost of synapses; got LIF 'out'."),
    (lambda: small(programmed=False, device=None), "Network.meter: there is nothing to meter: no group has devices"),
    (
        lambda: small(programmed=False, device=None, costs={"synapses": ship.Costs(c_cell=1e-15)}),
        "Network.meter: c_cell: needs the voltage that it is charged to; got ImpulseSynapse 'syn', without devices.",
    ),
    (lambda: ship.Network().energy, "Network.energy: nothing is metered."),
    (lambda: small().energy.energy("hid"), "Ledger.energy: group: no group 'hid' was metered."),
    (lambda: small().energy.energy(phase="reed"), "Ledger.energy: phase: no phase 'reed' was metered."),
]


@pytest.mark.parametrize(("wrong", "text"), ERRORS)
def test_errors(wrong, text):
    with pytest.raises(ship.ShipError) as caught:
        wrong()
    assert str(caught.value).startswith(text)


def test_ways_cover_each_cell_once():
    net = small(delay=DELAYS)
    assert sum(way.mask.expand(3, 2) for way in ways(net._sim.nodes["syn"])).tolist() == [[1.0, 1.0]] * 3
