"""Pulse trains that laboratories published, as arrays; read with a few lines that share nothing with the library."""

import re
import zipfile
from xml.etree import ElementTree

import numpy as np

NS = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def cells(path):
    """The numbers of the first sheet, a dictionary from column to number for each row."""
    with zipfile.ZipFile(path) as file:
        tree = ElementTree.fromstring(file.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in tree.iter(NS + "row"):
        found = {}
        for cell in row.iter(NS + "c"):
            column = 0
            for letter in re.match("[A-Z]+", cell.get("r")).group():
                column = 26 * column + ord(letter) - 64
            if (value := cell.find(NS + "v")) is not None:
                found[column - 1] = float(value.text)
        rows.append(found)
    return rows


def currents(path):
    """Pulse voltage, read voltage, then the currents of devices."""
    rows = [row for row in cells(path) if 0 in row and 1 in row]
    voltage, read = (np.array([row[k] for row in rows]) for k in (0, 1))
    devices = max(map(max, rows)) - 1
    g = np.array([[row[k] for row in rows] for k in range(2, 2 + devices)]) / read
    return {
        "conductance": g.ravel(),
        "pulse_voltage": np.tile(voltage, devices),
        "device": np.repeat([f"d{k + 1}" for k in range(devices)], len(rows)),
    }


def trains(path, most=None):
    """One train a line: device, width and kind of the pulses, then conductances."""
    g, word, device, width = [], [], [], []
    for line in path.read_text().splitlines()[: None if most is None else 2 * most]:
        name, rest = re.match(r"\((.*?)\),(.*)", line).groups()
        first, _, *values = rest.split(",")
        values = [float(v) for v in values if v.strip()]
        g += values
        word += [first.split("=")[0][1:]] * len(values)
        width += [float(first.split("=")[1])] * len(values)
        device += [name] * len(values)
    return {"conductance": np.array(g), "polarity": np.array(word), "device": np.array(device), "pulse_width": np.array(width)}
