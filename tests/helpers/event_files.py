"""Files of events and archives, written byte by byte after the published descriptions."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile


def aedat(packets: list[bytes], head: bytes = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n") -> bytes:
    return head + b"".join(packets)


def packet(events_of: list[tuple[int, int, int, int]], kind: int = 1, overflows: int = 0, valid: int = 1) -> bytes:
    """Write a packet as the description of AEDAT 3.1 says; an event is (time, x, y, polarity)."""
    head = struct.pack("<hhiiiiii", kind, 1, 8, 4, overflows, len(events_of), len(events_of), len(events_of) * valid)
    return head + b"".join(struct.pack("<Ii", x << 17 | y << 2 | p << 1 | valid, t) for t, x, y, p in events_of)


def atis(events_of: list[tuple[int, int, int, int]]) -> bytes:
    """Write events (time, x, y, polarity) in 40 bits each, as the home page of N-MNIST says."""
    return b"".join((x << 32 | y << 24 | p << 23 | t).to_bytes(5, "big") for t, x, y, p in events_of)


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as box:
        for name, data in files.items():
            box.writestr(name, data)
    return file.getvalue()


def tarred(files: dict[str, bytes], folder: str = "DvsGesture") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tape:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(data)
            tape.addfile(entry, io.BytesIO(data))
    return file.getvalue()
