"""The power of a crossbar: what the sources give equals what cells and wires dissipate."""

import pytest
import torch

from crossbar_circuits import cells, close, voltages, wires
from ship.crossbar import Crossbar, power

D = torch.float64


@pytest.mark.parametrize("drive", ["left", "both"])
@pytest.mark.parametrize("changes", [{}, {"r_row": 0.0}, {"r_row": 1e-6, "r_col": 1e-6}, {"r_sense": 0.0, "r_col": 0.0}])
def test_power_closes(drive, changes):
    """Tellegen: what the terminals deliver is dissipated, to 1e-10; with floating and held lines."""
    G, v, x = cells(3, 9, 7), voltages(3, 9), wires(drive, "both", **changes)
    rows = torch.zeros(9, dtype=torch.bool)
    rows[4] = True
    for lines in ({}, {"column_v": voltages(7, seed=4), "floating_rows": rows}):
        parts = power(G, v, x, **lines)
        assert bool((parts.cells > 0).all())
        close(sum(parts[1:]), parts.source, 1e-10)


def test_power_of_one_cell():
    """I^2 R in each of the five resistances; a dozen roundings."""
    i = 0.3 / (1e4 + 10 + 20 + 300 + 4000)
    parts = power(torch.tensor([[1e-4]], dtype=D), torch.tensor([0.3], dtype=D), Crossbar(10.0, 20.0, 300.0, 4000.0))
    expected = [0.3 * i] + [i * i * r for r in (1e4, 10, 20, 300, 4000)]
    assert [float(p) for p in parts] == pytest.approx(expected, rel=1e-14)
