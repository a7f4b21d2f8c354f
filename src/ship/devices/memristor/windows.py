"""Windows: factors F(x) that slow the ions of a drift model down near its electrodes, x in [0, 1].

Joglekar      ``F = 1 - (2 x - 1)^(2 p)``                    0 at both ends, whatever the direction
Biolek        ``F = 1 - (x - 1)^(2 p)`` for a current below 0, ``F = 1 - x^(2 p)`` else    0 at the end that x moves to only
Prodromakis   ``F = j (1 - [(x - 1/2)^2 + 3/4]^p)``          0 at both ends, at most j (1 - (3/4)^p)

Two traps. The power of Joglekar's belongs to (2 x - 1), that of Prodromakis' to the bracket; simulators are in use that have it
elsewhere (``(1 - (2 x - 1))^(2 p)`` is 4 at x = 0, p = 1). And where F = 0 at both ends, a device that is exactly at an end stays
there for good: start it inside.

Source: Joglekar & Wolf, Eur. J. Phys. 30:661 (2009); Biolek et al., Radioengineering 18:210 (2009); Prodromakis et al., IEEE
Trans. Electron Devices 58:3099 (2011).
"""

from __future__ import annotations

import torch
from torch import Tensor


def joglekar(x: Tensor, p: Tensor) -> Tensor:
    """``1 - (2 x - 1)^(2 p)``; p need not be whole."""
    return 1 - (2 * x - 1).abs().pow(2 * p)


def biolek(x: Tensor, i: Tensor, p: Tensor) -> Tensor:
    """``1 - (x - step(-i))^(2 p)``; of the current ``i`` only the sign counts."""
    return 1 - torch.where(i < 0, 1 - x, x).pow(2 * p)


def prodromakis(x: Tensor, p: Tensor, j: Tensor) -> Tensor:
    """``j (1 - [(x - 1/2)^2 + 3/4]^p)``."""
    return j * (1 - ((x - 0.5).square() + 0.75).pow(p))
