"""Damaged files of measurements: an error of SHIP's, or the table that an independent reader finds, whatever the bytes are."""

import io
import itertools
import re
import zipfile
from xml.etree import ElementTree

import numpy as np

import ship
from sheets import NUMBERS, ROWS, put, rows_of, workbook
from ship.devices.reading.table import read

STRANGE = [
    "",
    "#",
    '"',
    "x,y",
    "1_000",
    "inf",
    "-",
    " ",
    "a\nb",
    "\u2028",
    "\x85",
    "0" * 40,
    "=1+1",
    "<v>1</v>",
    "é",
    "NaN",
    "1e999",
]


def damaged(data, rng):
    """Bytes flipped, cut out, doubled, exchanged, put in."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        b = min(b, a + 40)
        what = rng.integers(0, 6)
        if what == 0 and a < len(data):
            data[a] ^= 1 << int(rng.integers(0, 8))
        elif what == 1:
            del data[a:b]
        elif what == 2:
            data[a:a] = data[a:b]
        elif what == 3:
            data[a:b] = rng.integers(0, 256, b - a, np.uint8).tobytes()
        elif what == 4:
            data[a:a] = STRANGE[rng.integers(0, len(STRANGE))].encode()
        elif rng.random() < 0.3:
            del data[a:]
    return bytes(data)


def parsed(text, delimiter):
    """Rows of a text, by the rules of RFC 4180, character by character; comments and empty lines between rows are left out."""
    rows, row, cell, quoted, start = [], [], "", False, True
    text = text.replace("\r\n", "\n").replace("\r", "\n") + ("" if text.endswith("\n") else "\n")
    at = 0
    while at < len(text):
        if start and not row and not cell and not quoted:
            line = text[at : text.index("\n", at)]
            if not line.strip() or line.lstrip().startswith("#"):
                at += len(line) + 1
                continue
        c = text[at]
        if quoted:
            if c == '"' and text[at + 1 : at + 2] == '"':
                cell, at = cell + '"', at + 1
            elif c == '"':
                quoted = False
            else:
                cell += c
        elif c == '"' and start:
            quoted = True
        elif c == delimiter:
            row, cell = [*row, cell], ""
        elif c == "\n":
            rows, row, cell = [*rows, [*row, cell]], [], ""
        else:
            cell += c
        start, at = c in (delimiter, "\n") and not quoted, at + 1
    return [r for r in rows if any(c.strip() for c in r)]


def test_damaged_text(tmp_path):
    """1500 damaged CSV files: an error of SHIP's, or the rows that an independent reader finds, all of them."""
    rng, good, compared = np.random.default_rng(1), 0, 0
    text = '# probe\n"time\n(s)",label,"G (uS)"\n' + "\n".join(f'{k},"d{k % 2}",{50 - k / 8}' for k in range(12)) + "\n"
    for _ in range(1500):
        data = damaged(text.encode(), rng)
        try:
            table = read(put(tmp_path, data))
        except ship.ShipError:
            continue
        good += 1
        try:
            plain = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            plain = data.decode("latin-1")
        delimiter = {"comma": ",", "tab-s": "\t", "semic": ";"}.get(table.format[:5])
        if delimiter is None or "block" in table.columns or re.search('[,;\\t] +"', plain):
            continue
        rows = [[c.strip() for c in row] for row in parsed(plain, delimiter)]
        kept = [int(k) - 1 for k in table.positions]
        seen = [[row[i] if i < len(row) else "" for i in kept] for row in rows]
        columns = [[c.replace("\r\n", "\n").replace("\r", "\n").strip() for c in column] for column in table.columns.values()]
        made = [list(row) for row in zip(*columns, strict=True)]
        left_out = sum(
            len(numbers)
            for reason, numbers in table.dropped.items()
            if reason in ("footer", "preamble", "numbers above the header")
        )
        head = re.search(r"header in row (\d+)", table.recognised)
        commented = head is not None and re.split("\r\n|\r|\n", plain)[int(head[1]) - 1].lstrip().startswith("#")
        assert len(made) == len(rows) - (table.header and not commented) - left_out
        assert any(seen[at : at + len(made)] == made for at in range(len(rows)))
        compared += 1
    assert 150 < good < 1450
    assert compared > 0.9 * good


def test_damaged_containers(tmp_path):
    """1000 damaged XLSX and NPZ files: their bytes have checksums, so it is an error of SHIP's, or the same table as before."""
    rng = np.random.default_rng(2)
    file = io.BytesIO()
    np.savez(file, up=np.arange(20.0), label=np.array(["a", "b"] * 10))
    for name, data in (("a.xlsx", workbook(ROWS)), ("a.npz", file.getvalue())):
        whole = read(put(tmp_path, data, name))
        errors = 0
        for _ in range(500):
            try:
                table = read(put(tmp_path, damaged(data, rng), name))
                columns = {head: np.asarray(table.column(head)).tolist() for head in table.columns}
            except ship.ShipError:
                errors += 1
                continue
            for head, column in columns.items():
                assert column == np.asarray(whole.column(head)).tolist()
        assert errors > 200


def cells_of(xml):
    """Cells by their place, from the tree of a sheet in which all have one; None where a place is taken twice or does not fit."""
    found = {}
    for row in ElementTree.fromstring(xml).iter("row"):
        for cell in row.iter("c"):
            place = cell.get("r", "")
            match = re.fullmatch(r"([A-Z]+)(\d+)", place)
            if match is None or match[2] != row.get("r") or place in found:
                return None
            found[place] = "".join(t.text or "" for t in cell.iter() if t.tag in ("v", "t")).strip()
    return found


def test_damaged_sheets(tmp_path):
    """600 sheets with damaged XML and a right checksum: an error, or every cell that an independent reader finds."""
    rng, good = np.random.default_rng(3), 0
    lines = [["a", "b"], *NUMBERS[:8]]
    for _ in range(600):
        rows = rows_of(lines)
        for _ in range(rng.integers(1, 3)):
            i, j = rng.integers(0, len(rows), 2)
            what = rng.integers(0, 6)
            if what == 0:
                rows[i], rows[j] = rows[j], rows[i]
            elif what == 1:
                rows.insert(i, rows[j])
            elif what == 2:
                rows[i] = rows[i].replace(f'r="{i + 1}"', f'r="{rng.integers(0, 12)}"', 1)
            elif what == 3:
                rows[i] = re.sub(r"[AB](?=\d)", lambda _: "ABC"[rng.integers(0, 3)], rows[i])
            elif what == 4:
                rows[i] = damaged(rows[i].encode(), rng).decode("latin-1")
            else:
                del rows[i]
        data = workbook(rows, f"A1:B{rng.integers(1, 9)}")
        try:
            table = read(put(tmp_path, data, "a.xlsx"))
        except ship.ShipError:
            continue
        good += 1
        xml = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")
        expected = cells_of(xml)
        if expected is None:
            assert any(
                'r="' not in row.split(">")[0] or row.count("<c r=") < row.count("<c") for row in rows
            )  # places that follow
            continue
        heads = table.columns if table.header else []  # a sheet that lost its header is one of numbered columns
        seen = sorted(c for c in itertools.chain(heads, *table.columns.values()) if c)
        assert seen == sorted(c for c in expected.values() if c) or table.notes  # a column without a header is a note
    assert good > 60
