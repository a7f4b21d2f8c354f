"""Network files: what is saved comes back, and what is damaged or cannot be saved is refused."""

import json

import pytest
import torch

import ship
from example_network import build, spikes
from ship.network.files.files import read, write


@pytest.mark.parametrize("plastic", [False, True])
@pytest.mark.parametrize("chips", [None, 2])
def test_snapshot_continues_bit_for_bit(no_grad, chips, plastic):
    net, x = build(chips=chips, plastic=plastic), spikes()
    net.run(x[:, :25], trial=3)
    kept = net.snapshot()
    want = net.run(x[:, 25:], reset=False)
    net.run(x)
    net.restore(kept)
    assert torch.equal(net.run(x[:, 25:], reset=False), want)


@pytest.mark.parametrize("plastic", [False, True])
def test_save_and_load(no_grad, tmp_path, plastic):
    net, x = build(chips=3, plastic=plastic), spikes()
    net.run(x[:, :25])
    ship.save(net, tmp_path / "n.ship", running=True)
    want = net.run(x[:, 25:], reset=False)
    again = ship.load(tmp_path / "n.ship")
    assert torch.equal(again.run(x[:, 25:], reset=False), want)
    ship.save(net, tmp_path / "n.ship")
    fresh = ship.load(tmp_path / "n.ship")
    assert torch.equal(fresh.run(x), net.run(x)) or plastic
    assert fresh.explain() == net.explain()
    assert list(tmp_path.iterdir()) == [tmp_path / "n.ship"]


def test_what_cannot_be_saved_is_refused_while_saving(tmp_path):
    class Mine(ship.ATan):
        pass

    net = ship.Network()
    net.add(ship.LIF, "a", n=1, surrogate=Mine())
    net.init()
    with pytest.raises(ship.FileError, match="a surrogate of one's own cannot be saved; got Mine"):
        ship.save(net, tmp_path / "n.ship")
    assert list(tmp_path.iterdir()) == []


def test_crash_while_saving_keeps_the_old_file(tmp_path, monkeypatch):
    net = build()
    path = tmp_path / "n.ship"
    ship.save(net, path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ship.FileError, match=r"n\.ship: cannot be written; got disk full"):
        ship.save(net, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_and_hostile_files(tmp_path):
    net = build()
    path = tmp_path / "n.ship"
    ship.save(net, path)
    whole = path.read_bytes()
    for cut in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ship.FileError, match="damaged, truncated"):
            ship.load(path)
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'echo'\ntR.")  # a pickle
    with pytest.raises(ship.FileError):
        ship.load(path)
    path.write_bytes(whole)
    tensors, structure = read(path)

    def changed(change):
        bad = json.loads(json.dumps(structure))
        change(bad)
        write(path, tensors, bad)
        with pytest.raises(ship.FileError) as error:
            ship.load(path)
        return str(error.value)

    assert "format 2" in changed(lambda s: s.update(format=99))
    assert "model 'os' that is not known" in changed(lambda s: s["groups"][0].update(model="os"))
    assert "no parameter" in changed(lambda s: s["groups"][2]["given"].update(__class__=1))
    assert "must ask for at most" in changed(lambda s: s["groups"][0].update(n=10**9))
    changed(lambda s: s.pop("settings"))
    changed(lambda s: s["settings"].update(dt="1e-3"))
    changed(lambda s: s["groups"][4].update(source=["nobody"]))
    changed(lambda s: s.update(groups=7))
    with pytest.raises(ship.FileError, match="no such file"):
        ship.load(tmp_path / "none.ship")
    with pytest.raises(ship.FileError, match="cannot be written"):
        ship.save(net, tmp_path / "no" / "folder.ship")
