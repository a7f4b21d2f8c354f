"""Sets of events: units and slots, what is kept in the cache, and readers against files written byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from event_files import aedat, packet
from ship.base.errors import FileError, RunError
from ship.data.sets import events


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SHIP_DATA", raising=False)
    return tmp_path / "cache" / "data"


def test_units_and_pixels_are_two_ways_to_say_one_thing() -> None:
    x, y, p = np.array([0, 4, 2]), np.array([0, 2, 1]), np.array([0, 1, 1])
    unit = events.units_of(x, y, p, 5, 3)
    assert unit.tolist() == [0, (3 + 2) * 5 + 4, (3 + 1) * 5 + 2]
    found = events.pixels(torch.tensor([[7, u] for u in unit]), 5, 3)
    assert [v.tolist() for v in found] == [[7, 7, 7], x.tolist(), y.tolist(), p.tolist()]


def test_pixels_are_pooled_by_the_formula() -> None:
    """Each pixel (x, y) of 5 x 3 falls into (x // 2, y // 2) of 3 x 2."""
    every = torch.tensor([[0, u] for u in range(2 * 5 * 3)])
    _, x, y, p = events.pixels(every, 5, 3)
    assert events.pooled(every, 5, 3, 2)[:, 1].tolist() == ((p * 2 + y // 2) * 3 + x // 2).tolist()
    assert torch.equal(events.pooled(every, 5, 3, 1), every)


def test_events_are_counted_into_the_nearest_slot() -> None:
    """Slot t / dt, rounded half up, as `ship.data.from_events` counts them; what comes later is left out."""
    sample = torch.tensor([[0, 0], [499, 1], [500, 1], [501, 1], [1400, 2], [2499, 0], [2500, 0]])
    counts = events.to_slots(sample, 3, 3, 1e-3)
    inside = sample[sample[:, 0] < 2500]
    wanted = ship.data.from_events(inside[:, 0].double() * 1e-6, inside[:, 1], n=3, steps=3, dt=1e-3)
    assert torch.equal(counts, wanted)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 1], [1, 0, 0]]
    assert events.to_slots(sample[:0], 3, 2, 1e-3).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize("bad", [[0, 3], [0, -1], [-5000, 0]])
def test_events_outside_are_refused(bad: list[int]) -> None:
    with pytest.raises(RunError, match="units must be from 0 to 2, and times at least 0"):
        events.to_slots(torch.tensor([[0, 1], bad]), 3, 3, 1e-3)


def test_what_is_kept_is_read_once_and_whole(cache: Path) -> None:
    reads = []

    def rows():
        reads.append(1)
        for i in (2, 0, 1):
            yield np.full((i, 2), i, np.int32), {"label": i, "who": f"p{i}"}

    for _ in range(2):
        found = events.kept("trial", ["a"], rows, order="label")
        assert [x.tolist() for x in found.samples] == [[], [[1, 1]], [[2, 2], [2, 2]]]
        assert found.columns == {"label": [0, 1, 2], "who": ["p0", "p1", "p2"]}
    events.kept("trial", ["b"], rows)
    assert len(reads) == 2
    store = next(path for path in (cache / "trial").glob("*.i32"))
    store.write_bytes(store.read_bytes()[:-1])
    with pytest.raises(FileError, match="is damaged"):
        [events.kept("trial", [key], rows) for key in "ab"]


def test_a_reader_that_fails_leaves_nothing(cache: Path) -> None:
    def rows():
        yield np.zeros((1, 2), np.int32), {}
        raise FileError("x", "is damaged")

    for _ in range(2):
        with pytest.raises(FileError, match="x: is damaged"):
            events.kept("trial", ["a"], rows)
    assert [path.name for path in (cache / "trial").iterdir()] == [".lock"]


def test_aedat_is_read_as_described() -> None:
    from ship.data.sets import aedat as reader

    one, two = [(10, 3, 127, 1), (12, 127, 0, 0)], [(5, 1, 2, 1)]
    data = aedat([packet(one), packet([(11, 9, 9, 1)], kind=0), packet([(11, 9, 9, 1)], valid=0), packet(two, overflows=1)])
    found = reader.read(data, "x")
    assert found.time.tolist() == [10, 12, 5 + 2**31]
    assert found.x.tolist() == [3, 127, 1]
    assert found.y.tolist() == [127, 0, 2]
    assert found.polarity.tolist() == [1, 0, 1]
    assert len(reader.read(aedat([]), "x").time) == 0


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (aedat([packet([(1, 1, 1, 1)])])[:-1], "x: ends inside a packet; got 7 bytes of 1 events of 8 bytes"),
        (aedat([packet([(1, 1, 1, 1)])[:20]]), "x: ends inside a packet; got 20 bytes of the head of a packet of 28"),
        (b"#!AER-DAT2.0\r\n", "must begin with '#!AER-DAT3.1'.*got '#!AER-DAT2.0'"),
        (aedat([], head=b"#!AER-DAT3.1\r\n#Format: RAW\r\n"), "must have a head of lines that ends with '#!END-HEADER'"),
        (aedat([struct.pack("<hhiiiiii", 1, 1, 0, 4, 0, 1, 1, 1)]), "must be the head of a packet; got events of 0 bytes"),
        (aedat([struct.pack("<hhiiiiii", 1, 1, 12, 4, 0, 1, 1, 1) + b"0" * 12]), "polarity events must have 8 bytes; got 12"),
        (b"", "must begin with"),
    ],
)
def test_a_damaged_aedat_file_is_refused(data: bytes, text: str) -> None:
    from ship.data.sets import aedat as reader

    with pytest.raises(FileError, match=text):
        reader.read(data, "x")
