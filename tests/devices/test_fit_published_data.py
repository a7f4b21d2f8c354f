"""Fits of published measurements, where the folder ``SHIP_DATA`` holds them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import ship

DATA = Path(os.environ.get("SHIP_DATA", "nowhere")) / "device"
pytestmark = pytest.mark.usefixtures("no_grad")


def real(name):
    if not (DATA / name).exists():
        pytest.skip(f"SHIP_DATA does not hold device/{name}")
    return DATA / name


def test_gong():
    """Gong et al. 2018: an almost straight branch up and a curved one down; the scatter is of reads, it does not add up."""
    path = real("gong_potentiation_depression.csv")
    with pytest.raises(ship.FitError, match="needs a unit of conductance"):
        ship.fit(path)
    found = ship.fit(path, unit="normalised", g_min=1e-6, g_max=100e-6, scale=(-1, 1), replicates=20)
    by_name = {f.name: f for f in found.ranking}
    assert found.settings["points"] == 2000
    assert by_name["power"].fits
    assert by_name["power"].residual < 0.09
    assert by_name["power"].parameters["gamma_p"].value < 0.4
    assert 0.5 < by_name["power"].parameters["gamma_d"].value < 1.5
    assert by_name["hard"].criterion > by_name["power"].criterion + 20
    assert by_name["power"].parameters["step noise"].value < 0.01
    array = ship.DeviceArray(found.device, 1000, chips=2)
    array.pulse(count=20)
    assert bool(torch.isfinite(array.conductance()).all())


def test_data_below_zero_are_reported():
    """Normalised data called uS: the report is there, and says why no device follows."""
    found = ship.fit(real("gong_potentiation_depression.csv"), unit="uS", replicates=20)
    assert "Models, best first" in str(found)
    with pytest.raises(ship.FitError, match="must be at least 0 S"):
        _ = found.device
    assert "normalised" in found.refusal()


def test_hfo2_figure():
    """The published law against the figure that it was fitted to: 0.7 uS at most, over eight levels."""
    path = real("rram_multilevel_drift_digitised.csv")
    found = ship.fit(path, "retention", columns={"conductance": "value"}, unit="uS", only={"statistic": "mean"}, replicates=20)
    assert found.best.name == "hfo2"
    assert found.summary["published HfO2 law, largest deviation"].value < 0.7e-6
    assert len(found.values["hfo2"]["levels"]) == 8


def test_nbsto():
    """No simple law is close over the decades of a Schottky junction with memory; the states are told apart all the same."""
    path = real("nbsto_iv.npz")
    found = ship.fit(path, "iv", unit={"voltage": "V", "current": "A"}, replicates=20)
    assert found.settings["records"] == 60
    assert found.ranking[0].residual > 0.1
    with pytest.raises(ship.FitError, match="no model follows the data"):
        _ = found.best
    assert found.summary["on/off, median"].value > 5
    assert found.summary["v_set, median"].value > 0 > found.summary["v_reset, median"].value
    assert float(found.device.g_max) > 5 * float(found.device.g_min)


@pytest.mark.slow
def test_sdc():
    """A triangle of 1 kHz, 56 records: almost no loop, hence no device; the shunt's resistance is asked for."""
    path = real("sdc_iv_triangle.npz")
    columns = {"shunt": "volt[0]", "source": "volt[1]"}
    with pytest.raises(ship.FitError, match="shunt"):
        ship.fit(path, "iv", columns=columns, unit="V")
    found = ship.fit(path, "iv", columns=columns, unit="V", shunt=1000.0, replicates=20)
    assert found.settings["records"] == 56
    assert found.settings["sweeps"] > 1000  # periods of the triangle, each out and back
    assert found.summary["on/off, median"].value == pytest.approx(1.0, abs=0.1)
    with pytest.raises(ship.FitError, match="two states"):
        _ = found.device


def test_mos2():
    """Two switching voltages are no statistics, and the currents are several populations: both are said."""
    path = real("mos2_memeffect_sweep.csv")
    with pytest.raises(ship.FitError, match="37 such rows"):
        ship.fit(path)
    with pytest.raises(ship.FitError, match="needs at least 8 values"):
        ship.fit(path, "statistics", skip_empty=True)


def test_sdc_retention():
    """One read a minute of one device: conductances that jump tenfold, no law; rows with NaN are not dropped in silence."""
    with np.load(real("sdc_retention1.npz")) as file:
        volt = file["volt"].astype(np.float64)
    with pytest.raises(ship.FitError, match="NaN"):
        ship.fit({"shunt": volt[..., 0], "source": volt[..., 1]}, "iv", unit="V", shunt=1000.0)
    g = []
    for read in volt:
        good = ~np.isnan(read).any(1)
        g.append(np.polyfit(read[good, 1] - read[good, 0], read[good, 0] / 1000, 1)[0])
    found = ship.fit({"time_min": 1.0 + np.arange(60), "g": np.array(g)}, "retention", unit="S", replicates=20)
    assert not any(f.fits for f in found.ranking)
    assert "the values jump" in found.ranking[0].verdict
