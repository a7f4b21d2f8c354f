"""Cells, voltages and wires of small crossbars, drawn with a seed, for the tests of `ship.crossbar`."""

import torch

from ship.crossbar import Crossbar

D = torch.float64
# 2 kohm against cells of about 50 uS: r G N^2 is about 8 at N = 9, a strong IR drop; all four resistances differ.
STRONG = {"r_row": 2e3, "r_col": 1e3, "r_driver": 500.0, "r_sense": 300.0}


def cells(*shape, seed=0):
    """Conductances from 0 to 100 uS, about a tenth of them 0."""
    generator = torch.Generator().manual_seed(seed)
    G = torch.rand(*shape, dtype=D, generator=generator) * 1e-4
    return torch.where(G < 1e-5, 0.0, G)


def voltages(*shape, seed=1):
    return torch.randn(*shape, dtype=D, generator=torch.Generator().manual_seed(seed))


def wires(drive="left", sense="bottom", **changes):
    return Crossbar(drive=drive, sense=sense, **(STRONG | changes))


def close(found, true, tolerance):
    assert found.shape == true.shape
    assert float((found - true).abs().max()) <= tolerance * float(true.abs().max())
