"""The approximation of a crossbar: its bound holds, and it is close to the exact matrix."""

import pytest
import torch

from crossbar_circuits import cells, close
from ship.crossbar import Crossbar, approximate, effective

D = torch.float64


@pytest.mark.parametrize("drive", ["left", "both"])
@pytest.mark.parametrize(("r", "r_driver"), [(0.15, 0.0), (1.0, 500.0), (20.0, 100.0), (300.0, 0.0)])
def test_approximation_is_honest(r, r_driver, drive):
    """The bound covers the error of any input from 0 to 1 V (the worst one takes all entries of one sign), and is
    always better than to neglect the wires. The typical error, from two random inputs, is within a factor of 3 of the true root
    mean square.
    """
    G, x = cells(2, 48, 40), Crossbar(r, r, r_driver, r_driver / 5, drive=drive)
    found, exact = approximate(G, x), effective(G, x)
    error = found.matrix - exact
    worst = torch.maximum(error.clamp(min=0).sum(-2), (-error).clamp(min=0).sum(-2))
    assert bool((worst <= found.bound + 1e-12 * exact.max()).all())
    assert bool((found.bound < (G - exact).sum(-2)).all())
    rms = error.square().sum(-2).mean(-1).sqrt()
    assert bool((found.typical < 3 * rms).all())
    assert bool((found.typical > rms / 3).all())


def test_approximation_is_good():
    """Of an IR drop of half of the current, less than 1 % of the current stays; its column sums are exact."""
    G, x = cells(64, 64), Crossbar(5.0, 5.0, 100.0, 20.0)
    v = torch.ones(64, dtype=D)
    v[::3] = 0
    exact, found = v @ effective(G, x), approximate(G, x).matrix
    assert float((v @ G - exact).abs().max()) > 0.5 * float(exact.max())
    close(v @ found, exact, 0.01)
    close(found.sum(0), effective(G, x).sum(0), 1e-12)


def test_approximation_of_ideal_wires():
    G = cells(2, 5, 6)
    found = approximate(G, Crossbar())
    close(found.matrix, G, 1e-15)
    assert float(found.bound.max()) <= 1e-16 * float(G.sum(-2).max()) * 4
    assert bool(approximate(G, Crossbar(1.0), probes=0).typical.isnan().all())
