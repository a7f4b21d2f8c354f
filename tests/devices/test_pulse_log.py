"""Lists of pulses: what was done, as CSV, and played back."""

from dataclasses import dataclass, replace

import pytest
import torch

import ship
from ship.base.parameters import Value, param
from ship.devices.contract import Retention
from ship.devices.update.bounded import Bounded
from ship.devices.weights.pulse_log import HEADER

pytestmark = pytest.mark.usefixtures("no_grad")
QUIET = ship.Device(update=Bounded(alpha_p=ship.Varied(0.02, d2d=0.2), alpha_d=0.03, gamma_p=1.0, gamma_d=0.5))
NOISY = ship.Device(update=Bounded(alpha_p=ship.Varied(0.02, d2d=0.2, c2c=0.3), alpha_d=0.03, gamma_p=1.0, noise=0.01))
SOUND = 0.5  # of the weights, before learning


@dataclass(frozen=True)
class Fading(Retention):
    tau: Value = param(0.05, unit="s", above=0.0)

    def drift(self, g, age, p, xi):
        return g * torch.exp(-age / p.tau)


def made(device, *, chips=None, seed=3, bias=None, dtype=torch.float64, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    net.add(
        ship.ExpSynapse,
        "syn",
        source="in",
        target="out",
        weight=SOUND,
        device=device,
        rule=ship.PairSTDP(w_min=-1.0),
        learning=ship.Pulsing(bias=bias),
        mapping=ship.Differential(w_max=1.0),
        **options,
    )
    net.init(dt=1e-3, seed=seed, chips=chips, dtype=dtype)
    net.program()
    return net


def learnt(device, **given):
    net = made(device, **given)
    net.record_pulses("syn")
    x = (torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(0)) < 0.3).to(given.get("dtype", torch.float64))
    net.run(x)
    net.run(x, trial=1)
    return net


def conductance(net):
    return net["syn"].hardware.array.conductance()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [None, "V/2", "V/3"])
@pytest.mark.parametrize("device", [QUIET, NOISY], ids=["quiet", "noisy"])
def test_a_file_played_back_leaves_the_same_conductances(device, bias, dtype, tmp_path):
    """Also with noise, from the same seed: what an event draws depends on its number, which the file has."""
    net = learnt(device, chips=[4, 7], bias=bias, dtype=dtype)
    pulses = net.pulses("syn")
    assert len(pulses.event) > 100
    assert set(pulses.chip.tolist()) == {4, 7}
    ship.save_pulses(tmp_path / "pulses.csv", pulses)
    again = made(device, chips=[4, 7], bias=bias, dtype=dtype)
    assert not torch.equal(conductance(again), conductance(net))
    again.replay("syn", ship.load_pulses(tmp_path / "pulses.csv"))
    assert torch.equal(conductance(again), conductance(net))
    assert torch.equal(again["syn"].hardware.array.cycles, net["syn"].hardware.array.cycles)
    assert torch.allclose(again["syn"].plastic_weight, net["syn"].plastic_weight, rtol=0, atol=1e-7)


def test_another_seed_gives_the_same_statistics():
    """Noise alone differs: the mean over 12 devices moves by the same, to 4 standard errors of it."""
    device = ship.Device(update=Bounded(alpha_p=0.02, alpha_d=0.03, gamma_p=1.0, noise=0.002))
    net, again = learnt(device), made(device, seed=9)
    again.replay("syn", net.pulses("syn"))
    a, b = conductance(net) / 99e-6, conductance(again) / 99e-6
    assert not torch.equal(a, b)
    n = float(net["syn"].hardware.array.cycles.max())
    # Each pulse adds 0.002 xi to w, and soft bounds only shrink what was added: at most 0.002 sqrt(2 n / 12) for the difference.
    assert abs(float(a.mean() - b.mean())) < 4 * 0.002 * (2 * n / 12) ** 0.5


def test_devices_that_fade_age_between_events():
    device = replace(QUIET, retention=Fading())
    net, again = learnt(device), made(device)
    pulses = net.pulses("syn")
    assert float(pulses.time.max()) <= 0.1 + 1e-12
    assert float(pulses.time.min()) > 0
    again.replay("syn", pulses)
    again["syn"].hardware.array.wait(0.1 - float(pulses.time.max()))
    # Ages are sums of the same times in another order; exp(-t / tau) of them, pulse after pulse: some 1e-13 in 100 events.
    assert torch.allclose(conductance(again), conductance(net), rtol=1e-11)
    before = net["syn"].plastic_weight.clone()
    net.wait(10.0)
    again.wait(10.0)
    assert not torch.allclose(net["syn"].plastic_weight, before)
    assert torch.allclose(again["syn"].plastic_weight, net["syn"].plastic_weight)


def test_the_list_says_what_was_done():
    net = learnt(QUIET)
    pulses, own = net.pulses("syn"), net["syn"].hardware.array.values.of("")
    assert set(pulses.voltage.tolist()) == {float(own.v_set), float(own.v_reset)}
    assert set(pulses.device.tolist()) == {0, 1}
    assert int(pulses.row.max()) == 2
    assert int(pulses.column.max()) == 1
    assert (pulses.event.diff() >= 0).all()
    assert pulses.number.sum() >= float((net["syn"].hardware.array.cycles - 1).sum())  # some move nothing
    net.record_pulses("syn")
    assert len(net.pulses("syn").event) == 0
    net.record_pulses("syn", on=False)
    with pytest.raises(ship.RunError, match="nothing was recorded"):
        net.pulses("syn")


def test_edges_are_listed_by_number():
    edges = torch.tensor([[1, 0], [1, 1], [0, 1]])
    net, again = learnt(QUIET, connect=edges), made(QUIET, connect=edges)
    pulses = net.pulses("syn")
    assert int(pulses.row.max()) == 3
    assert not pulses.column.any()
    again.replay("syn", pulses)
    assert torch.equal(conductance(again), conductance(net))


GOOD = ["3", "0.01", "0", "1", "2", "0", "-1.0", "1e-07", "2"]


@pytest.mark.parametrize(
    ("column", "text", "match"),
    [
        (0, "2", r"row 2: event: must not be below that of the row before; got 2"),
        (0, "x", r"row 2: event: must be a whole number; got 'x'"),
        (1, "-1", r"row 2: time \(s\): must be at least 0"),
        (2, "-1", r"row 2: chip: must be at least 0"),
        (4, "1.5", r"row 2: row: must be a whole number"),
        (6, "nan", r"row 2: voltage \(V\): must be finite"),
        (6, "0", r"row 2: voltage \(V\): must not be 0"),
        (7, "0", r"row 2: width \(s\): must be above 0 s"),
        (8, "0", r"row 2: count: must be at least 1"),
        (None, "", r"row 2: must have 9 columns; got 8"),
    ],
)
def test_every_row_is_checked(column, text, match, tmp_path):
    row = GOOD[:-1] if column is None else [text if i == column else value for i, value in enumerate(GOOD)]
    path = tmp_path / "pulses.csv"
    path.write_text("\n".join(",".join(line) for line in (HEADER, GOOD, row)))
    with pytest.raises(ship.FileError, match=match):
        ship.load_pulses(path)


def test_files_that_are_no_lists(tmp_path):
    path = tmp_path / "pulses.csv"
    with pytest.raises(ship.FileError, match="no such file"):
        ship.load_pulses(path)
    for text in ("", "time,voltage\n1,2\n"):
        path.write_text(text)
        with pytest.raises(ship.FileError, match="must begin with the header"):
            ship.load_pulses(path)
    path.write_text(",".join(HEADER) + "\n")
    assert len(ship.load_pulses(path).event) == 0


def test_a_list_must_fit_the_array():
    net = made(QUIET)
    one = ship.Pulses(*(torch.tensor([float(v)]) if i in (1, 6, 7) else torch.tensor([int(v)]) for i, v in enumerate(GOOD)))
    before = conductance(net)
    for name, value in (("chip", 1), ("device", 2), ("row", 3), ("column", 2)):
        with pytest.raises(ship.RunError, match="row 1: must name one of 1 chips, 2 devices, 3 rows and 2 columns"):
            net.replay("syn", one._replace(**{name: torch.tensor([value])}))
    with pytest.raises(ship.RunError, match="one row in an event"):
        net.replay("syn", ship.Pulses(*(torch.cat([part, part]) for part in one)))
    with pytest.raises(ship.RunError, match="bias: must be one of"):
        ship.replay(net["syn"].hardware.array, one, bias="V")
    assert torch.equal(conductance(net), before)
    net.replay("syn", one)
    assert int((conductance(net) != before).sum()) == 0  # two pulses down on a device at the bottom
    net.replay("syn", one._replace(device=torch.tensor([0])))
    assert (conductance(net) != before).nonzero().tolist() == [[0, 0, 2, 0]]
    net.use_weights()
    with pytest.raises(ship.RunError, match="must be programmed"):
        net.replay("syn", one)


def written(path):
    one = [torch.tensor([float(v), float(v)]) if i in (1, 6, 7) else torch.tensor([int(v)] * 2) for i, v in enumerate(GOOD)]
    one[3] = torch.tensor([0, 1])
    ship.save_pulses(path, ship.Pulses(*one))
    return path.read_bytes()


def test_a_list_that_was_cut_short_or_changed_is_no_list(tmp_path):
    """A row less, half a count (``2`` of ``2``, a ``0`` of ``10``), another digit: each is a valid row by itself."""
    path = tmp_path / "pulses.csv"
    whole = written(path)
    assert len(ship.load_pulses(path).event) == 2
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(ship.FileError):
            ship.load_pulses(path)
    for i in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :])
            try:
                again = ship.load_pulses(path)
            except ship.FileError:
                continue
            path.write_bytes(whole)
            assert all(map(torch.equal, again, ship.load_pulses(path))), (i, bit)


def test_a_list_of_ones_own_needs_no_first_line(tmp_path):
    """So is a list of the version before."""
    path = tmp_path / "pulses.csv"
    whole = written(path)
    made = ship.load_pulses(path)
    path.write_bytes(whole.split(b"\n", 1)[1])
    assert all(map(torch.equal, ship.load_pulses(path), made))
    path.write_bytes(whole.replace(b"sha256 ", b"sha256 0")[:-4])
    with pytest.raises(ship.FileError, match="must begin with the header"):
        ship.load_pulses(path)


def test_a_list_is_written_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "pulses.csv"
    whole = written(path)
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ship.FileError, match="cannot be written; got No space left on device"):
        written(path)
    assert path.read_bytes() == whole
    assert [p.name for p in tmp_path.iterdir()] == ["pulses.csv"]
