"""Known devices as instruments export them: what is read back is what was measured, and the device has its numbers."""

import numpy as np
import pytest

import instruments
import known_devices
import ship

pytestmark = pytest.mark.usefixtures("no_grad")
MADE = {
    "iv": lambda rng: known_devices.loops(rng, devices=1, cycles=4),
    "statistics": lambda rng: known_devices.switching(rng, n=60),
    "endurance": lambda rng: known_devices.windows(rng, n=80),
    "retention": lambda rng: known_devices.decay(rng, n=40),
    "pulses": lambda rng: known_devices.trains(rng, devices=3, n=15),
}
SEVERAL = {"knowm": lambda rng: known_devices.loops(rng, devices=2, cycles=2)}
CASES = [(form, kind) for form, kinds in instruments.KINDS.items() for kind in kinds]
LOST = {
    "easyexpert": ("cycle", "device"),
    "clarius_text": ("cycle", "device"),
    "clarius_workbook": ("device",),
    "knowm": ("cycle",),
}
FEW = {"replicates": 20}


def known(form, kind, seed):
    return SEVERAL.get(form, MADE[kind])(np.random.default_rng(seed))


def direct(form, measurement):
    """The same measurement without a file, less the labels that the form has no place for."""
    rows = {role: values for role, values in measurement.rows.items() if role not in LOST.get(form, ())}
    if form == "ni_reads":  # its clock is absolute: times count from the first read
        rows["time"] = rows["time"] - rows["time"][0]
    columns = {role: role for role in rows}
    return ship.fit(rows, measurement.kind, unit=measurement.units, columns=columns, **measurement.options, **FEW)


def same(a, b, names):
    for name in names:
        assert a.summary[name].value == pytest.approx(b.summary[name].value, rel=2e-3), name


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("form", "kind"), CASES)
def test_files_are_read_as_measured(tmp_path, form, kind, seed):
    """A fit of the file has the numbers of a fit of the arrays that were written into it."""
    measurement = known(form, kind, seed)
    made = instruments.write(tmp_path, form, measurement, np.random.default_rng(100 + seed))
    found, expected = ship.fit(made.source, kind, **made.options, **FEW), direct(form, measurement)
    reads = 2 if form == "ni_log" else 1  # of each cycle, a row
    assert found.settings["points"] == reads * expected.settings["points"]
    numbers = [n for n, e in expected.summary.items() if np.isfinite(e.value) and n in found.summary]
    assert len(numbers) >= 3
    same(found, expected, numbers)


@pytest.mark.parametrize("form", ["clarius_workbook", "easyexpert", "knowm", "plain"])
def test_a_device_comes_back_within_its_intervals(tmp_path, form):
    """Of 10 exports, no true value lies outside its 95 % interval more than 3 times (by chance 1 in 90 of them would)."""
    outside = {}
    for seed in range(10):
        measurement = known_devices.loops(np.random.default_rng(seed), devices=1, cycles=8)
        made = instruments.write(tmp_path / str(seed), form, measurement, np.random.default_rng(seed))
        found = ship.fit(made.source, "iv", **made.options, **FEW)
        for name, truth in measurement.truth.items():
            if name in found.summary and np.isfinite(found.summary[name].low):
                estimate = found.summary[name]
                outside[name] = outside.get(name, 0) + (not estimate.low <= truth <= estimate.high)
    assert len(outside) >= 4
    assert max(outside.values()) <= 3, outside
