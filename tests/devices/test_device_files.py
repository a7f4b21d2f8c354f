"""Device files: what is written comes back to the bit, and nothing in a file is trusted."""

import math
import os
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import ship
from ship.base.parameters import option, param
from ship.devices import files
from ship.devices.contract import ReadNoise

Bounded = ship.devices.Bounded


@dataclass(frozen=True)
class Hum(ReadNoise):
    """A part of a user's own: one value, one word."""

    size: object = param(0.01, least=0.0)
    colour: str = option("pink", choices=("pink", "white"))
    lags: tuple = option(())
    base: object = option(None)

    def read(self, g, written, age, p, xi):
        return g * (1 + p.size * xi[0])


def device(**more):
    update = Bounded(
        alpha_p=ship.Varied(0.1 + 0.2, d2d=1 / 3, c2c=0.02), alpha_d=1e-300, gamma_p=ship.LogNormal(0.7, 0.1), noise=0.003
    )
    given = {"name": 'probe "3"\n\N{GREEK SMALL LETTER MU}\\', "g_min": 1e-6 / 3, "g_max": ship.Varied(1e-4, d2d_abs=1e-5)}
    return ship.Device(update=update, correlated=(("update.alpha_p", "g_max", -0.5),), **(given | more))


def test_round_trip_is_exact(tmp_path):
    path, made = tmp_path / "a.toml", device()
    ship.save_device(made, path, origin={"source": "a.csv", "sha256": "0" * 64, "seed": 3, "aicc": 0.1})
    again = ship.load_device(path)
    assert vars(again.update.gamma_p) == vars(made.update.gamma_p)
    plain = {"gamma_p": 0.0}
    one, two = (ship.Device(**{**vars(d), "update": Bounded(**{**vars(d.update), **plain})}) for d in (made, again))
    assert one == two
    assert files.load_origin(path) == {"source": "a.csv", "sha256": "0" * 64, "seed": 3, "aicc": 0.1}
    text = path.read_text(encoding="utf-8")
    ship.save_device(again, path, origin=files.load_origin(path))
    assert path.read_text(encoding="utf-8") == text
    assert "alpha_p = {nominal = 0.30000000000000004, d2d = 0.3333333333333333, c2c = 0.02}" in text


def test_loaded_device_emulates_the_same(tmp_path):
    made = device(g_min=1e-6)
    ship.save_device(made, tmp_path / "a.toml")
    seen = []
    for d in (made, ship.load_device(tmp_path / "a.toml")):
        array = ship.DeviceArray(d, 50, chips=3, seed=1)
        array.pulse(count=7)
        seen.append(array.conductance())
    assert torch.equal(*seen)
    assert float(seen[0].std()) > 0


def test_parts_of_ones_own_and_all_kinds_of_values(tmp_path):
    path = tmp_path / "a.toml"
    made = ship.Device(noise=Hum(size=0.02, colour="white", lags=(1, 2.5, "x", (True,))), g_min=np.float32(2e-6), g_max=1)
    ship.save_device(made, path)
    with pytest.raises(ship.FileError, match=r"\[noise\]: no device part named 'Hum'.*parts=\[\.\.\.\]"):
        ship.load_device(path)
    again = ship.load_device(path, parts=[Hum])
    assert again == made
    tensors = ship.Device(g_min=torch.tensor([1e-6, 2e-6]), g_max=ship.Varied(np.array([1e-4, 2e-4]), d2d=0.1))
    ship.save_device(tensors, path)
    again = ship.load_device(path)
    assert torch.equal(again.g_min, tensors.g_min)
    assert again.g_min.dtype == torch.float32
    assert torch.equal(again.g_max.nominal, torch.as_tensor(tensors.g_max.nominal))


def test_every_part_of_the_library_comes_back(tmp_path):
    """Whatever `ship.devices` exports, as made by default."""
    from ship.devices.device import KINDS

    tried = 0
    for name, cls in files.device_parts().items():
        kind = next((slot for slot, base in KINDS.items() if issubclass(cls, base)), None)
        if kind is None:
            continue
        try:
            made = ship.Device(**{kind: cls()})
        except (TypeError, ship.ShipError):
            continue  # a part that has no defaults
        ship.save_device(made, tmp_path / "a.toml")
        again = ship.load_device(tmp_path / "a.toml")
        assert type(getattr(again, kind)) is cls, name
        ship.save_device(again, tmp_path / "b.toml")
        assert (tmp_path / "a.toml").read_text() == (tmp_path / "b.toml").read_text()
        tried += 1
    assert tried >= 1


GOOD = 'format = "ship-device"\nversion = 1\nclass = "Device"\ng_min = 1e-6\n[update]\nclass = "Bounded"\nalpha_p = 0.1\n'


def test_by_hand(tmp_path):
    (tmp_path / "a.toml").write_text(GOOD)
    made = ship.load_device(tmp_path / "a.toml")
    assert made == ship.Device(g_min=1e-6, update=Bounded(alpha_p=0.1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Bounded"', '"os.system"', "no device part named 'os.system'"),
        ('"Bounded"', '"__import__"', "no device part named '__import__'"),
        ('"Bounded"', '"Bound"', "Did you mean 'Bounded'?"),
        ('"Bounded"', '"Update"', "no device part named 'Update'"),
        ('"Bounded"', '"Device"', "no device part named 'Device'"),
        ('"Bounded"', "3", "no device part named 3"),
        ('class = "Device"', 'class = "Bounded"', "no device part named 'Bounded'"),
        ("version = 1", "version = 2", "must have version 1; got 2"),
        ("version = 1", "version = true", "must have version 1"),
        ('"ship-device"', '"x"', "must say format = 'ship-device'"),
        ("alpha_p", "alpha_q", "Bounded has no parameter 'alpha_q'. Known"),
        ("alpha_p", "pulse", "Bounded has no parameter 'pulse'"),
        ("alpha_p", "__class__", "has no parameter '__class__'"),
        ("alpha_p = 0.1", "alpha_p = -0.1", "[update].alpha_p: must be at least 0; got -0.1"),
        ("alpha_p = 0.1", "alpha_p = nan", "must be at least 0; got nan"),
        ("alpha_p = 0.1", 'alpha_p = "0.1"', "must be a number"),
        ("alpha_p = 0.1", "alpha_p = true", "must be a number"),
        ("alpha_p = 0.1", "alpha_p = {nominal = 0.1, d2e = 1}", "has no 'd2e'"),
        ("alpha_p = 0.1", "alpha_p = {nominal = 0.1, d2d = -1}", "d2d: must be at least 0"),
        ("alpha_p = 0.1", 'alpha_p = {distribution = "Evil"}', "no distribution 'Evil'"),
        ("alpha_p = 0.1", 'alpha_p = {distribution = "Normal", x = 1}', "does not hold a valid device"),
        ("alpha_p = 0.1", 'alpha_p = {tensor = ["a"], dtype = "float32"}', "does not hold a valid device"),
        ("alpha_p = 0.1", "alpha_p = {x = 1}", "must be a number, text"),
        ("alpha_p = 0.1", "alpha_p = [0.1]", "must be a number"),
        ("alpha_p = 0.1", "alpha_p = 1979-05-27", "must not be a date"),
        ("alpha_p = 0.1", f"alpha_p = 1{'0' * 400}", "does not hold a valid device"),
        ("alpha_p = 0.1", f"alpha_p = 1{'0' * 5000}", "is no readable TOML"),
        ("alpha_p = 0.1", 'alpha_p = {tensor = [0.1, nan], dtype = "float32"}', "alpha_p: must be at least 0; got nan"),
        ("alpha_p = 0.1", 'alpha_p = {tensor = [[1.0], [1.0, 2.0]], dtype = "float32"}', "does not hold a valid device"),
        ("g_min = 1e-6", "g_min = 1e-6\ncorrelated = 5", "Device.correlated: must be Sequence[Sequence[Any]]; got 5"),
        ("g_min = 1e-6", 'g_min = 1e-6\ncorrelated = [["a", "b"]]', "device.correlated: must list pairs of parameters"),
        ("g_min = 1e-6", "g_min = 1e-6\nname = 5", "name: must be text; got 5"),
        ("g_min = 1e-6", f"g_min = 1e-6\n{'a.' * 100_000}a = 1", "must not have 32 names or more joined by dots; got line 5"),
        (
            "g_min = 1e-6",
            "g_min = 1e-6\nx = {" + "'a' . \"b\" ." * 20 + "c = 1}",
            "must not have 32 names or more joined by dots",
        ),
        ("[update]", "[updates]", "has no parameter 'updates'"),
        ("g_min = 1e-6\n[update]", "g_min = 1e-6\nupdate = 3\n[x]", "must be a table with a class"),
        ("g_min = 1e-6", "g_min = ", "is no readable TOML"),
    ],
)
def test_wrong_files(tmp_path, old, new, message):
    assert old in GOOD
    path = tmp_path / "a.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ship.FileError) as caught:
        ship.load_device(path)
    assert message in str(caught.value)
    assert "a.toml" in str(caught.value)


def test_a_damaged_file_and_none(tmp_path):
    with pytest.raises(ship.FileError, match="no such file"):
        ship.load_device(tmp_path / "no.toml")
    with pytest.raises(ship.FileError, match=r"must be a regular file; got a folder"):
        ship.load_device(tmp_path)
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ship.FileError, match="is no readable TOML"):
        ship.load_device(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(ship.FileError, match="is no readable TOML"):
        ship.load_device(tmp_path / "a.toml")


def test_what_cannot_be_written(tmp_path):
    path = tmp_path / "a.toml"
    ship.save_device(ship.Device(), path)
    before = path.read_text()
    with pytest.raises(ship.FileError, match=r"update.alpha_p: cannot be written"):
        ship.save_device(ship.Device(update=Bounded(alpha_p=lambda shape, generator: 1)), path)
    assert path.read_text() == before
    with pytest.raises(ship.FileError, match="cannot be written"):
        ship.save_device(ship.Device(), tmp_path / "no/a.toml")
    with pytest.raises(ship.ParameterError, match=r"save_device: device: must be Device; got Bounded"):
        ship.save_device(Bounded(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.toml"]


def test_text_with_many_dots_is_no_key(tmp_path):
    """31 names are few enough; a sentence has other signs between its words."""
    made = ship.Device(name=". ".join(["one and two"] * 50) + "a." * 30 + "a")
    ship.save_device(made, tmp_path / "a.toml", origin={"source": "0.1.2.3"})
    assert ship.load_device(tmp_path / "a.toml") == made


def test_infinities(tmp_path):
    made = ship.Device(noise=Hum(lags=(math.inf, -math.inf)))
    ship.save_device(made, tmp_path / "a.toml")
    assert ship.load_device(tmp_path / "a.toml", parts=[Hum]) == made


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_others_may_read_what_they_may_read(tmp_path):
    """A device file has the permissions of any other new file, and keeps those of the file that it replaces."""
    path, plain = tmp_path / "device.toml", tmp_path / "plain.txt"
    plain.write_text("")
    ship.save_device(ship.Device(), path)
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    ship.save_device(ship.Device(), path)
    assert path.stat().st_mode & 0o777 == 0o640
