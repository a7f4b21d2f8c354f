"""CMO/HfOx resistive memory: programming within an accepted range, decay and spread with ln t, 1/f read noise. G in uS, t in s.

programming  ``sigma = 0.0112903 G + 0.0112185`` (accepted within 2 %) or ``0.00106879 G + 0.00081107`` (within 0.2 %)
decay        ``G(t) = G - 0.089 ln t + (0.042 ln t + 0.4118) xi``, xi drawn at the write and kept; the same for all conductances
read         ``G + 0.02773 log10(G) sqrt(ln((t + t_r) / (2 t_r))) xi``, ``t_r = 1 us``; none below 1 uS

The fit is for t of at least 1 s. Before, the spread here grows linearly from 0 and the mean stays: a choice of this library.
Nothing is clipped but at 0.

Source: Falcone et al. (CMO/HfOx arrays, IBM Research Zurich), arXiv:2502.04524 (2025); constants of the fit in IBM's toolkit for
analogue hardware.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...base.errors import ParameterError
from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import ReadNoise, Retention, Xi
from ..device import Device
from ..parts.programming import GaussianProgramming
from ..parts.read_noise import growth

ERROR = {0.02: (0.0112185391e-6, 0.01129027418), 0.002: (0.00081107e-6, 0.00106879)}  # accepted: S, and of the target


@dataclass(frozen=True)
class CMODecay(Retention):
    """Decay of the conductance of CMO/HfOx memory.

    Args:
        slope: S, of the mean for each unit of ln t.
        spread, spread_slope: S, standard deviation at 1 s and its growth for each unit of ln t.
    """

    source: ClassVar[str] = "Falcone et al. 2025, arXiv:2502.04524"
    normals: ClassVar[int] = 1

    slope: Value = param(-0.08900206e-6, unit="S", role="drift")
    spread: Value = param(0.41183342e-6, unit="S", least=0.0, role="drift")
    spread_slope: Value = param(0.04201137e-6, unit="S", least=0.0, role="drift")

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        log = age.clamp(min=1.0).log()
        sigma = (p.spread_slope * log + p.spread) * age.clamp(max=1.0)
        return (g + p.slope * log + sigma * xi[0]).clamp(min=0.0)


@dataclass(frozen=True)
class CMONoise(ReadNoise):
    """Read noise of CMO/HfOx memory."""

    source: ClassVar[str] = "Falcone et al. 2025, arXiv:2502.04524"

    strength: Value = param(0.0277316483e-6, unit="S", least=0.0, role="noise")
    t_read: Value = param(1e-6, unit="s", above=0.0, role="noise")

    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        decades = (g * 1e6).clamp(min=1.0).log10()
        return g + p.strength * decades * growth(age, p.t_read) * xi[0]


def cmo_hfox(*, accept: float = 0.02) -> Device:
    """CMO/HfOx resistive memory, 8 to 90 uS.

    Args:
        accept: the range that programming was verified to, as a fraction of the target: 0.02 or 0.002.

    Raises:
        ParameterError: another range.
    """
    if accept not in ERROR:
        raise ParameterError("cmo_hfox: accept", "must be 0.02 or 0.002, for which there are measurements", got=accept)
    sigma, relative = ERROR[accept]
    return Device(
        name="cmo_hfox",
        g_min=8e-6,
        g_max=90e-6,
        t_read=1e-6,
        programming=GaussianProgramming(sigma=sigma, relative=relative),
        retention=CMODecay(),
        noise=CMONoise(),
    )
