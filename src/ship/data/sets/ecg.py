"""Heart beats of the MIT-BIH arrhythmia database: 48 half-hour recordings of 47 patients, two leads at 360 Hz.

Each sample is one beat, cut midway to its neighbours. Lead 0 is MLII except in records 102 and 104 (V5) and 114 (V5, with MLII as
lead 1); lead 1 is V1, V2, V4 or V5. Records 201 and 202 are of one patient.

A folder may hold the files as PhysioNet ships them (``100.hea``, ``100.dat``, ``100.atr``, ...), read with wfdb, or one prepared
file ``mitbih_48.npz`` with the same samples; else the files are downloaded from PhysioNet.

Source: Moody & Mark, IEEE Eng. Med. Biol. 20(3):45 (2001); of patients and leads: the directory of the database at PhysioNet.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...base.errors import FileError, RunError
from ..beats import cut_midway
from . import fetch
from .labelled import About, LabelledSet

ABOUT = About(
    title="MIT-BIH Arrhythmia Database 1.0.0",
    licence="ODC-By 1.0",
    citation="Moody & Mark, IEEE Eng. Med. Biol. 20(3):45-50 (2001); Goldberger et al., Circulation 101:e215 (2000); "
    "doi 10.13026/C2F305",
    home="https://physionet.org/content/mitdb/1.0.0/",
    note="Most of the 18 classes come from one or two patients, so a random split shows the same hearts in training and test.",
)
Array = NDArray[Any]
RATE, GAIN, ZERO = 360.0, 200.0, 1024  # Hz; units of the converter for 1 mV; its value at 0 mV. The same in all records.
RECORDS = (
    *("100", "101", "102", "103", "104", "105", "106", "107", "108", "109", "111", "112", "113", "114", "115", "116", "117"),
    *("118", "119", "121", "122", "123", "124", "200", "201", "202", "203", "205", "207", "208", "209", "210", "212", "213"),
    *("214", "215", "217", "219", "220", "221", "222", "223", "228", "230", "231", "232", "233", "234"),
)
CLASSES = tuple("NLRAaJSVF!ejE/fxQ|")  # the symbols that count as a beat here, in the order of the publication
LONGEST = 0.75  # s, the most that is kept on either side of a beat: our choice, it shortens 1.2 % of the beats


class Record(NamedTuple):
    """One recording: two leads, and the annotations that are beats."""

    name: str
    signal: Tensor  # mV, [time, lead], float32
    leads: tuple[str, str]
    at: Tensor  # the sample of each beat, int64 [beat]
    symbols: tuple[str, ...]  # what it is annotated as


def patient(record: str) -> str:
    """Return a name of the patient that a record is of: that of the record, and of 201 for 202."""
    return "201" if record == "202" else record


def load(folder: Path | None = None, *, longest: float = LONGEST, after: float | None = None) -> LabelledSet:
    """Load all beats of the 18 classes, cut midway between them, or at a fixed time behind each.

    Args:
        folder: where the files are looked for first.
        longest: the most that is kept on either side of a beat, s.
        after: how long each piece goes on behind its annotation, s; None for midway to the next beat.

    Returns:
        A beat a sample, ``[time, lead]`` in mV at 360 Hz (none that the end of a recording would shorten), with the columns
        ``record``, ``patient``, ``at`` (the sample of its annotation in the record), ``before`` (how many samples of the piece
        precede it) and ``number`` (of the beat in this set).

    Raises:
        FileError: a file is damaged, or cannot be had.
        RunError: files of PhysioNet must be read, and wfdb is not installed.
    """
    x: list[Tensor] = []
    labels, names, at, before = [], [], [], []
    for record in records(folder):
        cuts = cut_midway(record.at, longest=longest, rate=RATE, after=after)
        whole = cuts[:, 2] <= len(record.signal)
        cuts = cuts[whole]
        x += [record.signal[first:end] for first, _, end in cuts.tolist()]
        labels += [CLASSES.index(symbol) for symbol, kept in zip(record.symbols[1:-1], whole.tolist(), strict=True) if kept]
        names += [record.name] * len(cuts)
        at.append(cuts[:, 1])
        before.append(cuts[:, 1] - cuts[:, 0])
    by: dict[str, list[str] | Tensor] = {"record": names, "patient": [patient(name) for name in names]}
    by |= {"at": torch.cat(at), "before": torch.cat(before), "number": torch.arange(len(x))}
    return LabelledSet("ecg", x, torch.tensor(labels), CLASSES, ABOUT, by=by)


def records(folder: Path | None = None) -> Iterator[Record]:
    """Read the recordings one after the other, in the order of `RECORDS`.

    Args:
        folder: where the files are looked for first.

    Raises:
        FileError: a file is damaged, or cannot be had.
        RunError: files of PhysioNet must be read, and wfdb is not installed.
    """
    path = fetch.prepared("ecg", "mitbih_48.npz", folder)
    if path is not None:
        yield from _prepared(path)
        return
    names = [f"{record}.{kind}" for record in RECORDS for kind in ("hea", "dat", "atr")]
    remotes = [fetch.Remote(f"https://physionet.org/files/mitdb/1.0.0/{name}", None, name) for name in names]
    found = fetch.files("ecg", remotes, folder)
    for place, record in zip(found[::3], RECORDS, strict=True):
        yield read(place.parent, record)


def read(folder: Path, record: str) -> Record:
    """Read one recording from the files that PhysioNet ships.

    Args:
        folder: the folder with its header, samples and annotations (``100.hea``, ``100.dat``, ``100.atr``).
        record: its name.

    Raises:
        FileError: a file is missing or damaged, or has other leads or another rate than the database.
        RunError: wfdb is not installed.
    """
    try:
        import wfdb
    except ImportError as error:
        raise RunError("data set 'ecg'", "needs wfdb", fix="Install it: pip install ship-snn[data]") from error
    path = folder / record
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # wfdb calls pandas in a way that pandas warns of
            samples, marks = wfdb.rdrecord(str(path), physical=False), wfdb.rdann(str(path), "atr")
        fits = samples.fs == RATE and samples.d_signal.shape[1] == 2
        fits = fits and samples.adc_gain == [GAIN, GAIN] and samples.baseline == [ZERO, ZERO]
    except (OSError, ValueError, IndexError, AttributeError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise FileError(str(path), "cannot be read as a WFDB record", got=reason, fix="Download it again.") from error
    if not fits:
        rule = f"must have two leads at {RATE:g} Hz with {GAIN:g} units for 1 mV and 0 mV at {ZERO}"
        got = f"{samples.n_sig} leads at {samples.fs} Hz, {samples.adc_gain} units, 0 mV at {samples.baseline}"
        raise FileError(str(path), rule, got=got, fix="Is it a record of this database?")
    return _record(record, samples.d_signal, tuple(samples.sig_name), marks.sample, np.array(marks.symbol))


def _prepared(path: Path) -> Iterator[Record]:
    """Read the prepared file: first differences in one byte each, those too large for it apart, and the annotations."""
    try:
        with np.load(path, allow_pickle=False) as file:
            z = dict(file)
        if float(z["fs"]) != RATE or float(z["gain"]) != GAIN or int(z["baseline"]) != ZERO:
            raise ValueError("another rate, gain or zero")
        for i, name in enumerate(z["records"].tolist()):
            steps = z["delta"][i].astype(np.int64)  # [lead, time - 1]
            mine = z["esc_record"] == i
            steps[z["esc_lead"][mine], z["esc_pos"][mine]] = z["esc_value"][mine]
            samples = np.cumsum(np.concatenate([z["first"][i][:, None], steps], axis=1), axis=1)
            part = slice(*z["ann_offsets"][i : i + 2].tolist())
            symbols = z["symbols"][z["ann_symbol"][part]]
            yield _record(name, samples.T, tuple(z["leads"][i].tolist()), z["ann_sample"][part], symbols)
    except (OSError, ValueError, KeyError, IndexError, EOFError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise FileError(str(path), "is not the prepared file of this data set", got=reason) from error


def _record(name: str, samples: Array, leads: tuple[str, ...], at: Array, symbols: Array) -> Record:
    """Bring samples to mV, and keep the annotations that are beats: not rhythms, noise, or starts and ends of flutter."""
    beats = np.isin(symbols, CLASSES)
    signal = torch.as_tensor((samples - ZERO) / GAIN, dtype=torch.float32)
    places = torch.as_tensor(at[beats].astype(np.int64))
    return Record(name, signal, (leads[0], leads[1]), places, tuple(symbols[beats].tolist()))
