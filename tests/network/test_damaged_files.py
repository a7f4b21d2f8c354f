"""Damaged and hostile files of each kind: a `ship.FileError`, or what was written. Nothing else, and never for long.

``SHIP_FUZZ`` says how often each is tried, 1 by default; the seeds are fixed.
"""

import contextlib
import json
import os
import random
import threading
import time
from functools import cache

import pytest
import torch

import ship
from ship.base.tensor_files import read, write
from ship.train import Trainer

TIMES = int(os.environ.get("SHIP_FUZZ", "1"))
LONGEST = 60.0  # s for one file, on a busy machine; what hangs takes minutes or never ends
VALUES = [None, True, -1, 0, 7, 1.5, -0.0, 1e308, float("nan"), 10**6, 10**12, 10**400, "x", "", [], [[]], {}, {"tensor": "x"}]
DEEP = json.loads("[" * 300 + "]" * 300)

pytestmark = pytest.mark.filterwarnings("ignore:.*the target would")


def network():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LIF, "hid", n=5, tau=ship.Varied(20e-3, d2d=0.1), t_ref=2e-3, surrogate=ship.ATan(2.0))
    net.add(ship.LeakyIntegrator, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "a", source="in", target="hid", weight=ship.Uniform(0.2, 1.0), delay=3e-3, connect=ship.InDegree(2))
    device = ship.Device(update=ship.devices.Bounded(alpha_p=ship.Varied(0.02, d2d=0.1)))
    net.add(ship.ExpSynapse, "b", source="hid", target="out", device=device, mapping=ship.Differential(levels=9))
    net.add(ship.ExpSynapse, "r", source="hid", target="hid", weight=0.1, delay=2e-3, rule=ship.PairSTDP())
    net.init(dt=1e-3, seed=1, chips=2, engine="reference")
    net.program()
    net.run(spikes())
    return net


def spikes():
    return (torch.rand(2, 10, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One good file of each kind, and how it is read."""
    folder = tmp_path_factory.mktemp("files")
    net = network()
    ship.save(net, folder / "net.ship", running=True)
    update = ship.devices.Bounded(alpha_p=ship.Varied(0.02, d2d=0.1), alpha_d=torch.tensor(0.1, dtype=torch.float64))
    pairs = (("update.alpha_p", "v_read", 0.5),)
    low, read_at = ship.LogNormal(1e-6, 0.1), ship.Varied(0.1, d2d=0.01)
    device = ship.Device(name="probe", g_min=low, v_read=read_at, update=update, correlated=pairs)
    ship.save_device(device, folder / "device.toml", origin={"source": "a.csv", "seed": 3})
    columns = ([3, 4], [0.01, 0.02], [0, 0], [1, 0], [2, 1], [0, 1], [-1.0, 1.0], [1e-7, 1e-7], [2, 10])
    ship.save_pulses(folder / "pulses.csv", ship.Pulses(*map(torch.tensor, columns)))
    trainer(net).save(folder / "check.ship")
    return folder


def trainer(net):
    made = Trainer(net)
    made.fit([(spikes(), torch.tensor([0, 1]))], epochs=1, progress=False)
    return made


@cache
def resumed():
    """A trainer for all checkpoints: what does not fit leaves it as it was."""
    return trainer(network())


def load(path):
    """What a file holds, to compare: of a network all that it runs from."""
    if path.name.startswith("check"):
        made = resumed()
        made.resume(path)
        return made.net.state_dict() | made.optimizer.state_dict()["state"].get(0, {})
    if path.suffix == ".ship":
        made = ship.load(path)
        return made.snapshot().tensors | {"out": made.run(spikes())}
    return ship.load_device(path) if path.suffix == ".toml" else ship.load_pulses(path)._asdict()


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    return repr(a) == repr(b)


def tried(path):
    """What a file holds; None where it is refused."""
    start = time.monotonic()
    try:
        return load(path)
    except ship.FileError as error:
        if path.name not in str(error):
            raise
        return None
    finally:
        assert time.monotonic() - start < LONGEST


def damaged(whole, rng):
    """Cut short, a bit flipped, bytes lost, or bytes of another place."""
    i = rng.randrange(len(whole))
    j = min(len(whole), i + rng.randrange(1, 40))
    kinds = [whole[:i], whole[:i] + bytes([whole[i] ^ 1 << rng.randrange(8)]) + whole[i + 1 :], whole[:i] + whole[j:]]
    return rng.choice([*kinds, whole[:i] + whole[:j] + whole[i:]])


@pytest.mark.parametrize(("name", "count"), [("net.ship", 80), ("check.ship", 50), ("pulses.csv", 200)])
def test_damage_is_seen(files, tmp_path, name, count):
    """Files with a checksum: not one damaged file gives another result."""
    whole, right = (files / name).read_bytes(), load(files / name)
    rng, refused = random.Random(name), 0
    for i in range(count * TIMES):
        (tmp_path / name).write_bytes(damaged(whole, rng))
        found = tried(tmp_path / name)
        refused += found is None
        assert found is None or same(found, right), i
    assert refused > 0.9 * count * TIMES


def test_device_files_are_read_or_refused(files, tmp_path):
    """They are text for people to change, and have no checksum."""
    whole, rng, refused = (files / "device.toml").read_bytes(), random.Random(1), 0
    assert load(files / "device.toml").name == "probe"
    for _ in range(300 * TIMES):
        (tmp_path / "device.toml").write_bytes(damaged(whole, rng))
        found = tried(tmp_path / "device.toml")
        refused += found is None
        assert found is None or isinstance(found, ship.Device)
    words = [
        "{}",
        "[]",
        "[[1], 2]",
        "1e400",
        "-1",
        "nan",
        '"x"',
        "true",
        "1979-05-27",
        "9" * 5000,
        "{nominal = 1e-6, d2d = 1e308}",
    ]
    lines = whole.decode().splitlines()
    for i in range(300 * TIMES):
        changed = list(lines)
        k = rng.choice([k for k, line in enumerate(lines) if " = " in line])
        changed[k] = lines[k].split(" = ")[0] + " = " + rng.choice([*words, "[" * 2000, "{a = " * 2000])
        (tmp_path / "device.toml").write_text("\n".join(changed))
        found = tried(tmp_path / "device.toml")
        refused += found is None
        if found is not None and i % 10 == 0:
            with contextlib.suppress(ship.ShipError):
                ship.DeviceArray(found, 100)
    assert refused > 200 * TIMES


def places(value, path=()):
    """All places in nested lists and tables."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, part in inner for p in places(part, (*path, key)))]


def put(value, path, new):
    if not path:
        return new
    value[path[0]] = put(value[path[0]], path[1:], new)
    return value


@pytest.mark.parametrize(("name", "count"), [("net.ship", 120), ("check.ship", 60)])
def test_hostile_structures_are_read_or_refused(files, tmp_path, name, count):
    """Wrong types, huge and nested values, in a file whose checksum is right. What loads can run, or says why it cannot."""
    tensors, structure = read(files / name)
    rng, refused = random.Random(2), 0
    for _ in range(count * TIMES):
        made = json.loads(json.dumps(structure))
        path = rng.choice(places(made)[1:])
        made = put(made, path, rng.choice([*VALUES, DEEP]))
        write(tmp_path / name, tensors, made)
        try:
            found = tried(tmp_path / name)
        except ship.RunError:  # it loads, and says that it cannot run
            continue
        refused += found is None
    assert refused > 0.3 * count * TIMES


@pytest.mark.parametrize(("name", "count"), [("net.ship", 80), ("check.ship", 60)])
def test_hostile_tensors_are_read_or_refused(files, tmp_path, name, count):
    """Other types, shapes, NaN and infinity in the tensors of a file whose checksum is right."""
    tensors, structure = read(files / name)
    rng, refused = random.Random(3), 0
    for _ in range(count * TIMES):
        made = dict(tensors)
        key = rng.choice(sorted(made))
        value = made[key].clone()
        kinds = [
            value.to(torch.int8),
            value[None],
            value.reshape(-1)[:1],
            value.double() * float("nan"),
            torch.full_like(value, -1),
        ]
        made[key] = rng.choice(kinds)
        if value.is_floating_point() and rng.random() < 0.5:
            made[key] = torch.full_like(value, rng.choice([float("nan"), float("inf"), -1e30]))
        write(tmp_path / name, made, structure)
        try:
            found = tried(tmp_path / name)
        except ship.RunError:
            continue
        refused += found is None
    assert refused > 0.3 * count * TIMES


def resized(structure, change):
    made = json.loads(json.dumps(structure))
    change(made)
    return made


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s["settings"].update(chips=10**6), r"chips: must be those of group 'in', \[2\]; got 1000000"),
        (lambda s: s["groups"][0].update(n=10**12), "must ask for at most"),
        (lambda s: s["groups"][1].update(n=10**9), "must"),
        (lambda s: s["running"].update(lead=[2, 10**9]), "must ask for at most"),
        (lambda s: s.update(groups=s["groups"] * 2000), "must have at most 10000 groups; got 12000"),
        (lambda s: s["groups"][3].update(delay=1e300), "at most 1e[+]09 s"),
        (lambda s: s["groups"][3]["connect"]["values"].update(k=10**9), "must have about"),
        (lambda s: s["settings"].update(variation="no"), "variation: must be true or false; got 'no'"),
    ],
)
def test_a_file_cannot_ask_for_much_more_than_it_holds(files, tmp_path, change, match):
    tensors, structure = read(files / "net.ship")
    write(tmp_path / "net.ship", tensors, resized(structure, change))
    with pytest.raises(ship.FileError, match=match):
        ship.load(tmp_path / "net.ship")


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("net/groups.hid.tau", 0.0, r"group 'hid'.tau: must be above 0 s; got 0"),
        ("net/groups.hid.tau", float("nan"), r"group 'hid'.tau: must be above 0 s; got nan"),
        ("net/groups.a.weight", float("nan"), r"group 'a'.weight: must be finite; got nan"),
        ("net/groups.hid.tau/deviate", float("nan"), "must not be NaN"),
        ("net/groups.b.hardware.mode_", -1, "must be from 0 to 2; got -1"),
        ("net/groups.b.hardware.array.age", -1.0, "must be at least 0; got -1"),
        ("net/groups.b.hardware.array.p/update/alpha_p", -1.0, "must be at least 0; got -1"),
        ("net/groups.hid.die_ids", 5, r"must be \[0, 1\]; got \[5, 5\]"),
    ],
)
def test_tensors_obey_the_limits_of_what_they_stand_for(files, tmp_path, name, value, match):
    """As values that are given do; so do their types."""
    tensors, structure = read(files / "net.ship")
    write(tmp_path / "net.ship", tensors | {name: torch.full_like(tensors[name], value)}, structure)
    with pytest.raises(ship.FileError, match=match):
        ship.load(tmp_path / "net.ship")
    write(tmp_path / "net.ship", tensors | {name: tensors[name].to(torch.int8)}, structure)
    with pytest.raises(ship.FileError, match=r"must be (float|int)\d\d; got int8"):
        ship.load(tmp_path / "net.ship")


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    net = network()
    with torch.no_grad():
        net["a"].weight[0] = float("nan")
    with pytest.raises(ship.FileError, match=r"group 'a'.weight: must be finite; got nan"):
        ship.save(net, tmp_path / "net.ship")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_format_before_is_still_read(files, tmp_path):
    from safetensors.torch import save_file

    tensors, structure = read(files / "net.ship")
    save_file(tensors, tmp_path / "net.ship", metadata={"ship": json.dumps(structure | {"format": 1})})
    assert same(load(tmp_path / "net.ship"), load(files / "net.ship"))
    save_file(tensors, tmp_path / "net.ship", metadata={"ship": json.dumps(structure | {"format": 2})})
    with pytest.raises(ship.FileError, match=r"is damaged, truncated.*got no checksum"):
        ship.load(tmp_path / "net.ship")
    save_file(tensors, tmp_path / "net.ship", metadata={"ship": "[" * 100_000})
    with pytest.raises(ship.FileError, match="has no readable structure"):
        ship.load(tmp_path / "net.ship")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["net.ship", "check.ship", "device.toml", "pulses.csv"])
def test_pipes_and_folders_are_no_files(tmp_path, name):
    """A pipe that nobody writes to would be waited for, for ever."""
    os.mkfifo(tmp_path / name)
    (tmp_path / "folder").mkdir()
    os.rename(tmp_path / name, tmp_path / "folder" / name)
    errors = []

    def attempt(path):
        try:
            load(path)
        except ship.FileError as error:
            errors.append(str(error))

    thread = threading.Thread(target=attempt, args=(tmp_path / "folder" / name,), daemon=True)
    thread.start()
    thread.join(LONGEST)
    assert not thread.is_alive()
    (tmp_path / name).mkdir()
    attempt(tmp_path / name)
    assert "must be a regular file; got a pipe" in errors[0]
    assert "must be a regular file; got a folder" in errors[1]


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    """Parts of files that nobody writes any more; not those of a process that lives, nor those of other files."""
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "a.toml"
    names = ("a.toml.abcd1234.part", "a.toml.efgh5678.part", "b.toml.abcd1234.part")
    for name in names:
        (tmp_path / name).write_text("half")
    with (tmp_path / names[1]).open("r+b") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        ship.save_device(ship.Device(), path)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.toml", names[1], names[2]]
    ship.save_device(ship.Device(), path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.toml", names[2]]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_link_is_followed_and_a_pipe_is_not_replaced(tmp_path):
    (tmp_path / "link.toml").symlink_to(tmp_path / "a.toml")
    ship.save_device(ship.Device(name="one"), tmp_path / "link.toml")
    assert (tmp_path / "link.toml").is_symlink()
    assert ship.load_device(tmp_path / "a.toml").name == "one"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ship.FileError, match="is no regular file"):
        ship.save_device(ship.Device(), tmp_path / "pipe")
