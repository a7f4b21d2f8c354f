"""One codec for the values in files: what older versions wrote is read, and a new kind of value is saved by one definition."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from ship.base import codec
from ship.base.parameters import Distribution
from ship.base.tensor_files import read
from ship.devices import files
from ship.train import Max, Trainer

OLDER = Path(__file__).parent / "older"  # written by the version before there was one codec
pytestmark = pytest.mark.filterwarnings("ignore:.*the target would starve")


def device():
    update = ship.devices.Bounded(alpha_p=ship.Varied(0.02, d2d=0.1))
    return ship.Device(name="probe", update=update, g_min=ship.LogNormal(1e-6, 0.1))


def network():
    """The network of the older file: each kind of value once."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    given = {"tau": ship.Varied(20e-3, d2d=0.1), "surrogate": ship.ATan(2.0), "v_th": ship.per_chip([1.0, 1.1])}
    net.add(ship.LIF, "hid", n=5, t_ref=2e-3, **given)
    net.add(ship.LeakyIntegrator, "out", n=2, output=True, tau=float("inf"))
    net.add(ship.ExpSynapse, "a", source="in", target="hid", weight=ship.Uniform(0.2, 1.0), delay=3e-3, connect=ship.InDegree(2))
    net.add(ship.ExpSynapse, "e", source="in", target="hid", weight=[0.1, 0.2, 0.3], connect=ship.Edges([0, 1, 3], [0, 2, 4]))
    drawn = {"weight": lambda shape, generator: torch.full(shape, 0.25), "connect": torch.eye(4, 5)}
    net.add(ship.ExpSynapse, "m", source="in", target="hid", **drawn)
    lines = ship.crossbar.Crossbar(r_row=2.0, tile=(4, 4), adc=ship.crossbar.ADC(6, 1e-5, bipolar=True))
    held = {"device": device(), "mapping": ship.Differential(levels=9), "crossbar": lines}
    net.add(ship.ExpSynapse, "b", source="hid", target="out", **held)
    plastic = {"weight": ship.Uniform(0.1, 0.4), "delay": 2e-3, "rule": ship.PairSTDP()}
    net.add(ship.ExpSynapse, "r", source="hid", target="hid", **plastic)
    net.init(dt=1e-3, seed=1, chips=2, engine="reference")
    net.program()
    return net


def spikes():
    return (torch.rand(2, 10, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()


def test_an_older_network_file_is_read_and_written_alike(tmp_path):
    net, again = network(), ship.load(OLDER / "net.ship")
    net.readout = Max(tail=1)
    net.run(spikes())
    assert again.readout == Max(tail=1)
    assert torch.equal(again.run(spikes()), net.run(spikes()))
    assert again["hid"].spec.given["surrogate"] == ship.ATan(2.0)
    assert again["b"].spec.crossbar.adc.full_scale == 1e-5
    ship.save(ship.load(OLDER / "net.ship"), tmp_path / "net.ship", running=True)
    (old, theirs), (new, own) = read(OLDER / "net.ship"), read(tmp_path / "net.ship")
    added = {name for name in new if name.endswith("rule/total")}  # a parameter of rules that came later
    assert own["settings"].pop("temperature") is None
    rules = [entry["rule"]["given"] for entry in own["groups"] if "rule" in entry]
    assert [given.pop("pairing") for given in rules] == ["all"]
    assert all(given.pop("total") for given in rules)
    assert own == theirs
    assert old.keys() == new.keys() - added
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_an_older_checkpoint_goes_on():
    made = [Trainer(network(), readout=Max(tail=1)) for _ in range(2)]
    batches = [(spikes(), torch.tensor([0, 1]))]
    made[0].fit(batches, epochs=1, progress=False)
    made[1].resume(OLDER / "check.ship")
    for each in made:
        each.fit(batches, epochs=2, progress=False)
    assert made[0].history == made[1].history
    states = [each.net.state_dict() for each in made]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_an_older_device_file_is_read():
    made = ship.load_device(OLDER / "device.toml")
    assert made.v_read == ship.Varied(0.1, d2d=0.01)
    assert torch.equal(made.update.alpha_d, torch.tensor([0.1, 0.2], dtype=torch.float64))
    assert files.load_origin(OLDER / "device.toml") == {"source": "a.csv", "seed": 3}
    assert files.device_text(made, {"source": "a.csv", "seed": 3}) == (OLDER / "device.toml").read_text()


@dataclass(frozen=True)
class Triangular(Distribution):
    """A distribution that the library does not have."""

    peak: float

    def draw(self, key, shape, attempt, chip=0):
        return torch.full(shape, self.peak, dtype=torch.float64)


def test_a_new_distribution_is_saved_everywhere_by_one_line(tmp_path, monkeypatch):
    """In a network file, a device file, a device in a network file, and in what a checkpoint states."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    held = ship.Device(name="probe", g_max=Triangular(1e-4))
    net.add(ship.ExpSynapse, "a", source="in", target="out", weight=Triangular(0.5), device=held)
    net.init()
    for save in (lambda: ship.save(net, tmp_path / "net.ship"), lambda: ship.save_device(held, tmp_path / "a.toml")):
        with pytest.raises(ship.FileError, match="a distribution of one's own cannot be saved; got Triangular"):
            save()
    monkeypatch.setitem(codec.DISTRIBUTIONS.classes, "Triangular", Triangular)
    ship.save(net, tmp_path / "net.ship")
    ship.save_device(held, tmp_path / "a.toml")
    again = ship.load(tmp_path / "net.ship")
    assert again["a"].spec.given["weight"] == Triangular(0.5)
    assert again["a"].spec.device == held == ship.load_device(tmp_path / "a.toml")


@dataclass(frozen=True)
class Schedule:
    """A record of a new kind."""

    steps: tuple
    start: object
    name: str | None = None


SCHEDULES = codec.Kind("schedule", codec.by_name((Schedule,)), Schedule)


def test_a_new_kind_is_one_definition_for_all_notations():
    """What is read comes back through the text of its file; what is not is JSON that tells values apart."""
    value = Schedule((1, 2.5, float("inf"), None), ship.Varied(torch.tensor([1.0, 2.0]), d2d=0.1))
    tensors = {}
    beside = codec.Beside(tensors, (codec.DISTRIBUTIONS, SCHEDULES))
    inline = codec.Inline((codec.DISTRIBUTIONS, SCHEDULES))
    texts = [json.dumps(made.encode("here", value, "x"), allow_nan=made is inline) for made in (beside, inline)]
    for made, text in zip((beside, inline), texts, strict=True):
        again = made.decode("here", json.loads(text))
        assert (again.steps, again.name, again.start.d2d) == (value.steps, None, 0.1)
        assert torch.equal(again.start.nominal, value.start.nominal)
    assert list(tensors) == ["x/start"]
    plain = codec.Plain((SCHEDULES,)).encode("here", value)
    assert plain["steps"] == [1, 2.5, None, None]
    digests = [json.dumps(codec.Digest().encode("here", v)) for v in (value, Schedule(value.steps, torch.tensor([1.0, 2.1])))]
    assert digests[0] != digests[1]
    with pytest.raises(ship.FileError, match=r"here: no schedule 'Sched'. Known: 'Schedule'. Did you mean 'Schedule'\?"):
        beside.decode("here", {"schedule": "Sched", "values": {}})


def test_nested_states_come_back_with_their_types():
    tensors, state = {}, {0: {"betas": (0.9, 0.999), "step": torch.tensor(3.0)}, "rates": [1, float("-inf"), None, True, "x"]}
    made = codec.Beside(tensors)
    again = made.decode("here", json.loads(json.dumps(made.encode("here", state, "s"), allow_nan=False)))
    assert torch.equal(again[0].pop("step"), state[0].pop("step"))
    assert again == state
    with pytest.raises(ship.FileError, match="here: a class of one's own cannot be saved; got object"):
        made.encode("here", {"x": object()})


@pytest.mark.parametrize("number", [np.float32(0.5), np.int16(3), np.bool_(True), np.float64("nan")])
def test_numbers_of_numpy_are_numbers(number):
    for made in (codec.Beside({}), codec.Inline(), codec.Digest(), codec.Plain()):
        assert json.dumps(made.encode("here", number)) == json.dumps(made.encode("here", number.item()))


def test_what_has_no_form_is_refused():
    with pytest.raises(ship.FileError, match="cannot be written to a device file"):
        codec.Inline().encode("here", ship.per_chip([1.0, 2.0]))
    for made, entry in ((codec.Beside({}), {"x": 1}), (codec.Inline((codec.DISTRIBUTIONS,)), {"x": 1})):
        with pytest.raises(ship.FileError, match="here: must be a number, text,"):
            made.decode("here", entry)


BY_HAND = """# wafer 7, die 3

format = "ship-device"
version = 1
class = "Device"
name = "old"   # by hand
g_max = 1e-4  # S, at 0.1 V

# pulses of 100 ns
[update]
class = "Bounded"
alpha_p = 0.1

[retention]  # of another device
class = "LogDrift"
"""


class TestComments:
    """A device file belongs to whoever wrote it: saving over it changes numbers, not remarks."""

    def test_units_stand_beside_numbers(self, tmp_path):
        ship.save_device(device(), tmp_path / "a.toml")
        text = (tmp_path / "a.toml").read_text()
        assert "g_max = 0.0001  # S\n" in text
        assert 'g_min = {distribution = "LogNormal", median = 1e-06, sigma = 0.1}  # S\n' in text
        assert "#" not in files.device_text(device())

    def test_comments_and_layout_stay(self, tmp_path):
        path = tmp_path / "a.toml"
        path.write_text(BY_HAND)
        ship.save_device(device(), path, origin={"source": "a.csv"})
        text = path.read_text()
        assert text.startswith("# wafer 7, die 3\n\n")
        for line in ('name = "probe"   # by hand', "g_max = 1e-4  # S, at 0.1 V", "# pulses of 100 ns", 'source = "a.csv"'):
            assert line in text.split("\n")
        assert "[retention]" not in text
        assert ship.load_device(path) == device()
        ship.save_device(device(), path)
        assert "[origin]" not in path.read_text()
        assert "# wafer 7" in path.read_text()

    @pytest.mark.parametrize(
        "before",
        [
            "# remark\na = 1\n",
            "\xff\xfe",
            'format = "ship-device"\n' + "a." * 100 + "b = 1",
            'format = "ship-device"\nupdate.class = "Bounded"  # dotted\nupdate.alpha_p = 0.1\n',
            'format = "ship-device"\nupdate = {class = "Bounded"}  # in one line\n',
            'format = "ship-device"\n[update.x]\na = 1\n[noise]\n[update.y]\nb = 2\n',
            'format = "ship-device"\n[[update]]\na = 1\n',
        ],
    )
    def test_whatever_was_there_the_device_is_right(self, tmp_path, before):
        path = tmp_path / "a.toml"
        path.write_text(before, encoding="latin-1")
        ship.save_device(device(), path)
        assert ship.load_device(path) == device()
