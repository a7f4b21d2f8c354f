"""Known devices as instruments export them: each form of a file with random names, units, orders and preambles.

``write(path, form, measurement, rng)`` writes a measurement of `known_devices` and returns what a user gives to `ship.fit` for
it: the file (or files) and the options that no such file says itself.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from known_devices import Known

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
# Names of quantities as laboratories write them, and their units with the number of them in one SI unit.
NAMES: Mapping[str, Sequence[str]] = {
    "voltage": ("Voltage", "V", "Spannung", "tension", "tensione", "DrainV"),
    "current": ("Current", "I", "Strom", "courant", "corrente", "DrainI"),
    "time": ("Time", "t", "Zeit", "temps", "tempo"),
    "conductance": ("Conductance", "G", "Leitwert", "conductance"),
    "cycle": ("Cycle", "cycle", "run"),
    "device": ("Device", "device", "DUT"),
    "polarity": ("polarity", "direction"),
    "v_set": ("V_set", "VSET"),
    "v_reset": ("V_reset", "VRESET"),
    "on": ("R_LRS", "R_on"),
    "off": ("R_HRS", "R_off"),
}
UNITS: Mapping[str, Mapping[str, float]] = {
    "voltage": {"V": 1.0, "mV": 1e3},
    "current": {"A": 1.0, "uA": 1e6, "mA": 1e3, "nA": 1e9},
    "time": {"s": 1.0, "ms": 1e3},
    "conductance": {"S": 1.0, "uS": 1e6, "nS": 1e9},
    "resistance": {"ohm": 1.0, "kohm": 1e-3},
}
QUANTITY = {"v_set": "voltage", "v_reset": "voltage", "on": "resistance", "off": "resistance"}


class Export(NamedTuple):
    """What a user gives to `ship.fit`: a file or several, and the options that they do not say themselves."""

    source: Any
    options: dict[str, Any]


def write(path: Path, form: str, measurement: Known, rng: np.random.Generator) -> Export:
    """Write a measurement into a folder in one of `FORMS`; return the file and the options for it."""
    if measurement.kind not in KINDS[form]:
        raise ValueError(f"{form} holds {', '.join(KINDS[form])}; got {measurement.kind}")
    path.mkdir(parents=True, exist_ok=True)
    made = FORMS[form](path, measurement.rows, rng)
    return Export(made.source, measurement.options | made.options)


def engineering(x: float) -> str:
    """Return a number as a Keithley 4200A writes it into text: 125.8467E-6."""
    if x == 0:
        return "000.0000E+0"
    exponent = int(np.floor(np.log10(abs(x)) / 3)) * 3
    return f"{x / 10.0**exponent:.6f}E{exponent:+d}"


def _put(file: Path, lines: Sequence[str], encoding: str = "utf-8") -> Path:
    file.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    return file


def easyexpert(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """A Keysight B1500A (EasyEXPERT) export: all sweeps in one record after a preamble."""
    names = [("DrainV", "DrainI"), ("V1", "I1"), ("GateV", "GateI")][rng.integers(3)]
    head = ["SetupTitle, IV Channel Sweep", "PrimitiveTest, I/V Sweep", "TestParameter, Context.MainFrame, B1500A"]
    head += [f"TestParameter, Channel.IName, {names[1]}, SrcI", f"TestParameter, Channel.VName, {names[0]}, SrcV"]
    head += [f"TestParameter, Note{k}, " for k in range(int(rng.integers(0, 40)))]
    head += ["MetaData, TestRecord.EntryPoint, true", f"AnalysisSetup, Analysis.Setup.Title, loop {rng.integers(9)}"]
    n = len(rows["voltage"])
    head += [f"Dimension1, {n}, {n}", "Dimension2, 1, 1", f"DataName, {names[0]}, {names[1]}"]
    data = [f"DataValue, {v:.12g}, {i:.17E}" for v, i in zip(rows["voltage"], rows["current"], strict=True)]
    columns = {"voltage": names[0], "current": names[1]} if names[0] == "GateV" else {}
    return Export(_put(path / "sweep.csv", ["", *head, *data]), {"columns": columns} if columns else {})


def clarius_text(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """A run of a Keithley 4200A (Clarius) as text: engineering notation, scalars in the first row, #REF."""
    lines = ["Time\tAI\tAV\tILRS\tIMAX\tRATIO_SET_NEG"]
    first = ["108.9703E-6", "#REF", "338.5337E+0"]
    for k, (v, i) in enumerate(zip(rows["voltage"], rows["current"], strict=True)):
        cells = [engineering(4.1 + 0.029 * k), engineering(float(i)), engineering(float(v))]
        lines.append("\t".join(cells + (first if k == 0 else ["", ""] if rng.random() < 0.5 else [])))
    return Export(_put(path / "run.txt", [BOM + lines[0], *lines[1:]]), {})


def clarius_workbook(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """Runs of a Keithley 4200A as a workbook: the last run first, then Calc and Settings."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    cycles = list(dict.fromkeys(rows["cycle"]))
    label = np.array(rows["cycle"])
    start = int(rng.integers(1, 500))
    for k, cycle in reversed(list(enumerate(cycles))):
        sheet = book.create_sheet(f"Run{start + k}")
        sheet.append(["Time", "AI", "AV", "VSET"])
        index = np.flatnonzero(label == cycle)
        for j, row in enumerate(index):
            cells: list[Any] = [0.03 * j, float(rows["current"][row]), float(rows["voltage"][row])]
            sheet.append(cells + ([1.43] if j == 0 else []))
    book.create_sheet("Calc")
    settings = book.create_sheet("Settings")
    settings.append(["Test Name", "set_run"])
    settings.append(["Speed", "Normal"])
    file = path / "runs.xlsx"
    book.save(file)
    return Export(file, {"sheet": "all", "label": {"cycle": "sheet"}})


def clarius_cycles(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """The summary over cycles of a Keithley 4200A: groups over names, empty columns, a footer."""
    v_read = 0.2
    groups = ["Cycle", *["SET_negative#1"] * 3, *["SET_positive#1"] * 2, *["RESET_positive#1"] * 3]
    names = ["Index", "ILRS", "IHRS", "VSET", "ILRS", "VSET", "ILRS", "IHRS", "VRESET"]
    lines = [",".join(groups), ",".join(names)]
    for k in range(len(rows["v_set"])):
        on, off = float(rows["on"][k]) * v_read, float(rows["off"][k]) * v_read
        after = [f"{x * (1 + 0.01 * rng.standard_normal()):.12g}" for x in (on, off)]
        cells = [str(k + 1), f"{on:.12g}", f"{off:.12g}", f"{rows['v_set'][k]:.12g}", "", "", *after]
        lines.append(",".join([*cells, f"{rows['v_reset'][k]:.12g}"]))
    lines += ["", "Subsite Name,subsite", f"Total Cycles,{len(rows['v_set'])}", "Last Executed,12/06/2025 03:42:25"]
    columns = {"v_set": "SET_negative#1.VSET", "v_reset": "RESET_positive#1.VRESET"}
    columns |= {"on": "SET_negative#1.ILRS", "off": "SET_negative#1.IHRS"}
    unit = {"voltage": "V", "on": "A", "off": "A"}
    return Export(_put(path / "cycles.csv", [BOM + lines[0], *lines[1:]]), {"columns": columns, "unit": unit, "v_read": v_read})


def ni_endurance(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """A table without a header: address, R_LRS, R_HRS (ohm), cycle."""
    address = rng.integers(1000)
    data = zip(rows["on"], rows["off"], rows["cycle"], strict=True)
    lines = [f"{address}\t{1 / on:.14g}\t{1 / off:.14g}\t{cycle:.0f}" for on, off, cycle in data]
    columns = {"on": "2", "off": "3", "cycle": "4"}
    return Export(_put(path / "endurance.tsv", lines), {"columns": columns, "unit": {"resistance": "ohm"}})


def ni_log(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """A log of operations of different lengths, with a tuple without quotes: cycling, reset, read, set, read."""
    t, lines, last = 1.6e9 + 1e7 * rng.random(), [], 0.0
    for on, off, cycle in zip(rows["on"], rows["off"], rows["cycle"], strict=True):
        for words in (
            f"ENDURANCE,(2.5, 1.3),3,3,1e-06,{cycle - last:.0f}",
            "RESET,2.5,0,3,1e-06",
            f"READ,{1 / off},{off},{0.19 * off},0.19",
            "SET,1.3,3,0,1e-06",
            f"READ,{1 / on},{on},{0.19 * on},0.19",
        ):
            t += 0.004 * (1 + rng.random())
            lines.append(f"C4,{t},778,{words}")
        last = cycle
    return Export(_put(path / "log.csv", lines), {})


def ni_reads(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """Reads of one cell without a header: address, unix time, R, G, I, V."""
    start = 1.6e9 + 1e7 * rng.random()
    t = start + rows["time"] - rows["time"][0]
    lines = [f"{16984},{x:.6f},{1 / g:.14g},{g:.14g},{0.19 * g:.14g},0.19" for x, g in zip(t, rows["conductance"], strict=True)]
    return Export(
        _put(path / "reads.csv", lines),
        {"columns": {"time": "2", "conductance": "4"}, "unit": {"time": "s", "conductance": "S"}},
    )


def knowm(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """Voltage (V) and current (uA) without a header; a device a file."""
    label, files = np.array(rows["device"]), []
    for device in dict.fromkeys(rows["device"]):
        index = np.flatnonzero(label == device)
        lines = [
            f"{rows['voltage'][k]!r},{rows['current'][k] * 1e6!r}".replace("np.float64(", "").replace(")", "") for k in index
        ]
        files.append(str(_put(path / f"{device}.csv", lines)))
    unit = {"voltage": "V", "current": "uA"}
    options: dict[str, Any] = {"columns": {"voltage": "1", "current": "2"}, "unit": unit}
    return Export(files, options | {"label": {"device": "file"}}) if len(files) > 1 else Export(files[0], options)


def trains(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """A train a line: a tuple for the device, the width of the pulses, a word, then conductances."""
    g, label, polarity = rows["conductance"], np.array(rows["device"]), np.array(rows["polarity"])
    lines = []
    for k, device in enumerate(dict.fromkeys(rows["device"])):
        for words, branch in (("tprog=0.0002,Gprog", "up"), ("terase=0.0001,Gerase", "down")):
            values = ", ".join(f"{x:.10g}" for x in g[(label == device) & (polarity == branch)])
            lines.append(f"(U2,{k // 12},{k % 12}),{words}, {values}")
    columns = {"conductance": "value", "polarity": "series", "device": "label"}
    return Export(_put(path / "trains.txt", lines), {"columns": columns, "unit": {"conductance": "S", "time": "s"}})


def currents(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """A sheet without a header: the voltage of the pulse, that of the read, then the currents (A) of many devices."""
    from openpyxl import Workbook

    v_read, label = 0.5, np.array(rows["device"])
    devices = list(dict.fromkeys(rows["device"]))
    first = label == devices[0]
    voltage = np.where(np.array(rows["polarity"])[first] == "up", 4.0, -2.0)
    current = np.stack([rows["conductance"][label == d] * v_read for d in devices], axis=1)
    book = Workbook()
    for v, line in zip(voltage, current, strict=True):
        book.active.append([float(v), v_read, *(float(x) for x in line)])
    file = path / "currents.xlsx"
    book.save(file)
    columns = {"pulse_voltage": "1", "v_read": "2", "conductance": f"3:{2 + len(devices)}"}
    return Export(file, {"columns": columns, "unit": {"voltage": "V", "conductance": "A"}})


def plain(path: Path, rows: Mapping[str, Any], rng: np.random.Generator) -> Export:
    """A spreadsheet as text: names in some language, units in headers, any order, decimal commas, encodings, a preamble."""
    comma = bool(rng.random() < 0.4)
    separator = [";", "\t"][rng.integers(2)] if comma else [",", ";", "\t"][rng.integers(3)]
    encoding = ["utf-8", "utf-8-sig", "utf-16", "latin-1"][rng.integers(4)]
    columns, names, cells = {}, [], []
    for role in rng.permutation(list(rows)).tolist():
        values, quantity = rows[role], QUANTITY.get(role, role)
        name = NAMES[role][rng.integers(len(NAMES[role]))]
        if quantity in UNITS:
            unit = list(UNITS[quantity])[rng.integers(len(UNITS[quantity]))]
            name = [f"{name} ({unit})", f"{name} [{unit}]", f"{name}_{unit}"][rng.integers(3)]
            values = np.asarray(values) if quantity != "resistance" else 1 / np.asarray(values)
            texts = [f"{x * UNITS[quantity][unit]:.12g}" for x in values]
        else:
            texts = [f"{x:.12g}" if isinstance(x, float) else str(x) for x in values]
        columns[role] = name
        names.append(name)
        cells.append([t.replace(".", ",") if comma else t for t in texts])
    head = [[], ["# measured by hand"], ["Operator: somebody", "Date: 2024-05-01"]][rng.integers(3)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*cells, strict=True))
    file = _put(path / "mine.csv", [*head, *text.getvalue().splitlines()], encoding)
    return Export(file, {"columns": columns} | ({"decimal": ","} if comma else {}))


FORMS: Mapping[str, Callable[[Path, Mapping[str, Any], np.random.Generator], Export]] = {
    f.__name__: f
    for f in (
        easyexpert,
        clarius_text,
        clarius_workbook,
        clarius_cycles,
        ni_endurance,
        ni_log,
        ni_reads,
        knowm,
        trains,
        currents,
        plain,
    )
}
KINDS: Mapping[str, tuple[str, ...]] = {
    "easyexpert": ("iv",),
    "clarius_text": ("iv",),
    "clarius_workbook": ("iv",),
    "clarius_cycles": ("statistics",),
    "ni_endurance": ("endurance",),
    "ni_log": ("endurance",),
    "ni_reads": ("retention",),
    "knowm": ("iv",),
    "trains": ("pulses",),
    "currents": ("pulses",),
    "plain": ("iv", "statistics", "endurance", "retention", "pulses"),
}
