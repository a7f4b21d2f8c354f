"""The example network of the publication: its orders, its closed form, and what it writes."""

import math

import pytest
import torch
from matplotlib.figure import Figure

from ship.studies import fig8b
from ship.study import compare_runs, conduct


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fig8b")
    return folder, conduct(fig8b, folder, quick=True)


def test_the_orders_are_those_of_the_theory(quick):
    """A charge that is held over its slot: order 2; one that is added at the end of it: order 1."""
    numbers = quick[1]["numbers"]
    assert numbers["order of the voltage below threshold, SHIP"]["value"] == pytest.approx(2.0, abs=0.02)
    assert numbers["order of the voltage below threshold, 2024"]["value"] == pytest.approx(1.0, abs=0.02)
    assert numbers["error below threshold at dt, SHIP"]["value"] < 1e-5 < numbers["error below threshold at dt, 2024"]["value"]


def test_what_it_writes(quick):
    folder, record = quick
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "run.json",
        *(f"{name}.{kind}" for name in ("fig8b", "convergence") for kind in ("png", "svg")),
        *(f"{name}.csv" for name in ("time-constants", "convergence")),
    }
    assert set(record["networks"]) == {"SHIP", "2024"}
    assert len((folder / "time-constants.csv").read_text().splitlines()) == 4
    assert "3 time constants" in record["figures"]["fig8b"]["alt"]


def test_a_replay_is_equal(quick, tmp_path, monkeypatch):
    for name in ("picture", "convergence_picture"):
        monkeypatch.setattr(fig8b, name, lambda *_: Figure())  # figures take longer than the study, and are not compared
    again = conduct(fig8b, tmp_path, then=quick[1])
    assert compare_runs(quick[1], again).equal


def test_the_closed_form_solves_the_equation():
    """``tau dv/dt = -v + tau i`` with ``i = sum gain w exp(-(t - t_j) / tau_s)``, by small steps of Runge and Kutta."""
    config = fig8b.Config(taus=(0.02,), duration=0.04)
    drawn = fig8b.draw(config, 0)
    at, unit = drawn.events.time, drawn.events.unit

    def slope(t, v):
        since = t - at
        current = (config.gain * drawn.weights[unit, 0] * torch.exp(-since / config.tau_syn))[since >= 0].sum()
        return -v / 0.02 + float(current)

    h, v, steps = 1e-5, drawn.start, round(config.duration / 1e-5)
    for k in range(steps):
        t = k * h + 1e-12  # a spike on the grid acts from its own time on
        k1 = slope(t, v)
        k2 = slope(t + h / 2, v + h / 2 * k1)
        k3 = slope(t + h / 2, v + h / 2 * k2)
        v += h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(t + h - 2e-12, v + h * k3))
    assert len(at) > 3
    exact = float(fig8b.closed_form(config, drawn, torch.tensor([config.duration], dtype=torch.float64)))
    assert exact == pytest.approx(v, rel=1e-6)


def test_equal_time_constants_have_their_limit():
    since = torch.linspace(0.0, 0.05, 6, dtype=torch.float64)
    torch.testing.assert_close(
        fig8b.response(since, 5e-3, 5e-3), fig8b.response(since, 5e-3 * (1 + 1e-7), 5e-3), rtol=1e-6, atol=1e-9
    )
    assert float(fig8b.response(since, 20e-3, 5e-3)[1]) == pytest.approx(4 / 3 * (math.exp(-0.5) - math.exp(-2.0)))
