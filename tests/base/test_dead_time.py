"""The dead time: rounded to whole slots for one dt, in declared seconds across a change of dt, and said where it is rounded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ship
from ship.base.clock import dead_slots, nearest_slots

MS = 1e-3
ENGINES = ["reference", "fused"]
pytestmark = pytest.mark.usefixtures("no_grad")


def driven(engine, t_ref, dt=MS, chips=None, n=1, dtype=torch.float64):
    """Neurons that spike at the first slot at which they may: the drive passes the threshold in each slot."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=1)
    net.add(ship.LIF, "cell", n=n, t_ref=t_ref, output=True)
    net.add(ship.WeightedSum, "way", source="in", target="cell", weight=1.0)
    net.init(dt=dt, engine=engine, chips=chips, dtype=dtype)
    return net


def spike_times(engine, t_ref, programme, dtype=torch.float64):
    net = driven(engine, t_ref, dtype=dtype)
    out = net.run(torch.full((1, sum(n for _, n in programme), 1), 1e6), dt=programme)[0, :, 0]
    return net.timeline()[out > 0].numpy()


def expected(t_ref, programme):
    """Independent: a spike at t makes the slots dead that start before t + t_ref, each grid rounding its own end of the dead
    time; the next spike is seen at the end of the first slot that is not dead.
    """
    width = np.concatenate([np.full(n, dt) for dt, n in programme])
    start = np.concatenate([[0.0], np.cumsum(width)[:-1]])
    spikes, dead_until, driven_before = [], -1.0, False
    for t, dt in zip(start, width, strict=True):
        if driven_before:
            spikes.append(t)
            dead_until = t + t_ref
        driven_before = not (dead_until - t >= dt / 2 - 1e-9)
    return spikes


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("t_ref", [0.0, 0.4 * MS, 0.6 * MS, 1.4 * MS, 2 * MS, 2.4 * MS, 2.5 * MS, 2.6 * MS, 9.97 * MS])
@pytest.mark.parametrize(
    "programme",
    [
        [(1 * MS, 24)],
        [(1 * MS, 2), (0.1 * MS, 200)],
        [(1 * MS, 4), (0.1 * MS, 100)],
        [(0.1 * MS, 14), (1 * MS, 12)],
        [(0.1 * MS, 15), (2 * MS, 2), (0.25 * MS, 40), (1 * MS, 9)],
    ],
)
def test_a_dead_time_keeps_its_declared_seconds(engine, dtype, t_ref, programme):
    found = spike_times(engine, t_ref, programme, dtype)
    assert len(found) >= 2
    np.testing.assert_allclose(found, expected(t_ref, programme), atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_clock_ends_after_the_nearest_number_of_slots(dtype):
    """For 10^4 dead times up to 100 slots, ties and their neighbourhood included."""
    slots = torch.cat([torch.linspace(0, 100, 10_001), torch.arange(0, 100) + 0.5, torch.arange(0, 100) + 0.49995]).double()
    wait, ended = dead_slots(slots * MS, MS).to(dtype), torch.zeros_like(slots)
    for _ in range(102):
        held = wait > ship.models.contract.HALF
        ended += held
        wait = (wait - 1).clamp(min=0)
    assert torch.equal(ended, nearest_slots(slots * MS, MS))


@pytest.mark.parametrize(("t_ref", "hertz"), [(0.4 * MS, 1000), (0.6 * MS, 500), (1.4 * MS, 500), (2 * MS, 333)])
def test_rates_with_a_rounded_dead_time_and_the_note_that_says_so(t_ref, hertz):
    """A strong drive spikes every 1 + round(t_ref / dt) slots; what was rounded is said, and nothing else."""
    net = driven("auto", t_ref)
    out = net.run(torch.full((1, 1000, 1), 1e6))
    assert float(out.sum()) == pytest.approx(hertz, abs=1)
    said = f"LIF 'cell': t_ref rounded to whole slots, by at most {abs(round(t_ref / MS) * MS - t_ref):.3g} s"
    assert (said in net.explain()) == (t_ref != 2 * MS)
    assert "t_ref rounded" not in net.explain(dt=0.2 * MS)


def test_the_note_gives_the_standard_deviation_that_acts():
    net = driven("auto", ship.Varied(2 * MS, d2d=0.1), chips=500)
    drawn = net["cell"].value("t_ref").double()
    acting = torch.floor(drawn / MS + 0.5) * MS
    for name, value in (("declared", drawn), ("it acts", acting)):
        assert f"{float(value.std(correction=0)):.3g} s as {name}" in net.explain()
    # 2 ms with 0.2 ms: P(outside 1.5 to 2.5 ms) = P(|xi| > 2.5) = 1.24 %, so the sd acting is 1 ms sqrt(0.0124) = 0.11 ms.
    assert float(acting.std()) == pytest.approx(0.11 * MS, rel=0.45)  # 6 events of 500: 41 % (one sigma of the count)
