"""A reader of AEDAT 3.1, the format of event cameras in which DVS Gesture is published: polarity events only.

A head of text lines that begin with ``#``, from ``#!AER-DAT3.1`` to ``#!END-HEADER``; then packets: a head of 28 bytes (type
and source as 16-bit numbers; size of an event, offset of its time, overflows of the clock, capacity, number of events, number of
valid ones as 32-bit numbers; all little-endian) and the events. Type 1 is the polarity event of 8 bytes: bit 0 of its first word
says whether it is valid, bit 1 is the polarity (1: brighter), bits 2 to 16 are the row, 17 to 31 the column; the second word is
the time in us, to which each overflow of the clock adds 2^31. Packets of other types, and events that are not valid, are passed
over.

Source: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html, and the README of DVS Gesture.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from ...base.errors import FileError

FIRST, LAST = b"#!AER-DAT3.1", b"#!END-HEADER"
HEAD = struct.Struct("<hhiiiiii")
POLARITY, SIZE = 1, 8  # type and bytes of a polarity event


class PolarityEvents(NamedTuple):
    """Events of a camera, each ``[event]``: time in us (int64), column, row, and polarity (1: brighter) in int32."""

    time: np.ndarray
    x: np.ndarray
    y: np.ndarray
    polarity: np.ndarray


def read(data: bytes, where: str) -> PolarityEvents:
    """Read the polarity events of a file.

    Args:
        data: the bytes of the file.
        where: its name, for errors.

    Raises:
        FileError: the file has another format or version, or ends inside a packet.
    """
    at = _head(data, where)
    packets: list[np.ndarray] = []
    times: list[np.ndarray] = []
    while at < len(data):
        if len(data) - at < HEAD.size:
            raise _short(where, f"{len(data) - at} bytes of the head of a packet of {HEAD.size}")
        kind, _, size, _, overflows, _, number, _ = HEAD.unpack_from(data, at)
        at += HEAD.size
        if size < 1 or number < 0 or overflows < 0:
            got = f"events of {size} bytes, {number} events, {overflows} overflows"
            raise FileError(f"{where}: byte {at - HEAD.size}", "must be the head of a packet", got=got, fix="Download it again.")
        if len(data) - at < size * number:
            raise _short(where, f"{len(data) - at} bytes of {number} events of {size} bytes")
        if kind == POLARITY:
            if size != SIZE:
                raise FileError(f"{where}: byte {at - HEAD.size}", f"polarity events must have {SIZE} bytes", got=size)
            words = np.frombuffer(data, "<u4", 2 * number, at).reshape(-1, 2)
            valid = words[(words[:, 0] & 1) == 1]
            packets.append(valid[:, 0])
            times.append(valid[:, 1].astype(np.int64) + (overflows << 31))
        at += size * number
    word = np.concatenate(packets) if packets else np.zeros(0, np.uint32)
    time = np.concatenate(times) if times else np.zeros(0, np.int64)
    x, y, polarity = word >> 17, (word >> 2) & 0x7FFF, (word >> 1) & 1
    return PolarityEvents(time, x.astype(np.int32), y.astype(np.int32), polarity.astype(np.int32))


def _head(data: bytes, where: str) -> int:
    """Return the byte at which the packets begin."""
    if not data.startswith(FIRST):
        got = repr(data[:16].split(b"\n")[0].decode("latin-1").strip())
        raise FileError(where, "must begin with '#!AER-DAT3.1'; other versions of AEDAT are not read", got=got)
    end = data.find(b"\n" + LAST)
    stop = data.find(b"\n", end + 1)
    if end < 0 or stop < 0:
        raise FileError(where, "must have a head of lines that ends with '#!END-HEADER'", fix="Download it again.")
    return stop + 1


def _short(where: str, got: str) -> FileError:
    return FileError(where, "ends inside a packet", got=got, fix="It is cut off: download it again.")
