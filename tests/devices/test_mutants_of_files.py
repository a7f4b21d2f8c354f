"""Mutants of files of each form: a table whose cells are all in the file, or an error that can be read."""

import random

import pytest

import ship
from sheets import put
from ship.devices.reading.table import read

SEEDS = [
    "SetupTitle, x\nTestParameter, Channel.VName, V1\nDataName, V1, I1\n"
    + "".join(f"DataValue, {k}, {k * k}\n" for k in range(9)),
    "Cycle,S#1,S#1\nIndex,ILRS,VSET\n" + "".join(f"{k},{k}E-6,{k / 7:.3f}\n" for k in range(1, 12)) + "Total Cycles,11\n",
    "".join(f"C1,{k}.5,7,SET,2.5,3\nC1,{k}.6,7,READ,1e4,1e-4,2e-5,0.2\nC1,{k}.7,7,RESET,(2, 3),0,1\n" for k in range(6)),
    "".join(f"(A,{k}),tup=0.1,G, " + ", ".join(f"{j}e-6" for j in range(1, 6 + k)) + "\n" for k in range(5)),
    "# note\nSpannung (V);Strom (A)\n" + "".join(f"{k},5;{k * 2},25\n" for k in range(12)),
    "V (V)\tI (A)\n" + "".join(f"0.{k}\t{k}e-6\n" for k in range(10)),
    "".join(f" {k}  {k * k:.4f}   d{k % 3}\n" for k in range(12)),
]
ENCODINGS = ("utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be")
PIECES = [
    '"',
    "#",
    "\n\n",
    ",,,",
    "\t",
    ";",
    "(",
    "[",
    "NaN",
    "\xff",
    "\0",
    "\r",
    "1e999",
    "#REF",
    "key: value\n",
    "=",
    "%",
    "\u2212",
]


def mutant(data, rng):
    """A file with a few changes: bytes, lines, separators, signs, encodings."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        what, i = rng.randrange(10), rng.randrange(len(data) + 1)
        j = min(len(data), i + rng.randint(0, 40))
        lines = bytes(data).split(b"\n")
        if what == 0 and i < len(data):
            data[i] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[i:j]
        elif what == 2:
            data[i:i] = data[i:j]
        elif what == 3:
            data[i:i] = rng.choice(PIECES).encode()
        elif what == 4:
            data = data.replace(b",", rng.choice([b";", b"\t", b" ", b", ", b"|"]))
        elif what == 5:
            data = bytearray(bytes(data).decode("latin-1").encode(rng.choice(["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])))
        elif what == 6:
            del lines[rng.randrange(len(lines))]
            data = bytearray(b"\n".join(lines))
        elif what == 7:
            rng.shuffle(lines)
            data = bytearray(b"\n".join(lines))
        elif what == 8:
            data = data.replace(b".", b",")
        else:
            del data[i:]
    return bytes(data)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_mutants(tmp_path, seed):
    """400 mutants of each form: a table whose cells are all in the file, or an error of SHIP's that can be read."""
    rng, good, longest = random.Random(seed), 0, 0
    for _ in range(400):
        data = mutant(SEEDS[seed].encode(), rng)
        try:
            table = read(put(tmp_path, data))
        except ship.ShipError as error:
            longest = max(longest, len(str(error)))
            continue
        good += 1
        assert all(len(column) == len(table.rows) for column in table.columns.values())
        made = {"pulse", "cycle", "state", "block"}
        cells = {c for head, column in table.columns.items() if head not in made for c in column}
        texts = (data.decode(encoding, "ignore") for encoding in ENCODINGS)
        text = next(t for t in texts if all(clean(c) in clean(t) for c in cells))
        assert text
        assert all(table.column(number) is not None for number in table.positions)
        assert table.row(0)
    assert good > 100
    assert 0 < longest < 1000


def clean(text):
    return text.replace('"', "").replace("\u2212", "-")
