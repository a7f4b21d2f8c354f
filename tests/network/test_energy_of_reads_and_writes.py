"""The energy of reads and writes: networks by hand, both engines, delays and edges, pulses and verification."""

import math
from dataclasses import dataclass

import pytest
import torch

import ship
from energy_networks import COSTS, DELAYS, WEIGHT, Scattered, X, deep, device, noise, small

D = torch.float64
NEAR = {"rtol": 1e-12, "atol": 0.0}  # sums of some numbers in float64
V, T, LOW, HIGH = 0.2, 50e-9, 1e-6, 50e-6
# Devices far from their targets are meant: what it costs to look at them is the subject.
pytestmark = [pytest.mark.usefixtures("no_grad"), pytest.mark.filterwarnings("ignore:Network.program:UserWarning")]


@dataclass(frozen=True)
class Fading(ship.devices.Retention):
    """A conductance that falls as ``g exp(-age / 1e4 s)``."""

    def drift(self, g, age, p, xi):
        return g * torch.exp(-age / 1e4)


@dataclass(frozen=True)
class Cubic(ship.devices.IV):
    """``i = g v (1 + 5 v^2)``."""

    def current(self, g, v, p):
        return g * v * (1 + 5 * v**2)


@dataclass(frozen=True)
class Noisy(ship.devices.ReadNoise):
    """Reads that differ from what is there by ten percent."""

    def read(self, g, written, age, p, xi):
        return g * (1 + 0.1 * xi[0])


def row_energies(net):
    """``v^2 G t``, from the conductances that are there: ``[pre]`` or ``[chip, pre]``."""
    rows = V * V * T * net["syn"].hardware.array.conductance().sum((-3, -1))
    return rows if net.chips else rows[0]


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
