"""Phase-change memory (PCM): programming error, drift that depends on the state, and 1/f read noise.

With ``g = G / g_max`` of the conductance as written, ln natural, G_max = 25 uS in the fit:

programming  ``sigma = max(0, 0.26348 + 1.9650 g - 1.1731 g^2) uS``, times g_max / 25 uS for another window
drift        ``G(t) = G (1 + t / 20 s)^-nu``, ``nu = |mu + sigma xi|``, xi drawn at the write and kept until the next,
             ``mu = clip(-0.0155 ln g + 0.0244, 0.049, 0.1)``, ``sigma = clip(-0.0125 ln g - 0.0059, 0.008, 0.045)``
read         ``G(t) (1 + Q sqrt(ln((t + 20 s + t_r) / (2 t_r))) xi)``, ``Q = min(0.0088 / g^0.65, 0.2)``, ``t_r = 250 ns``

The fit states nu and Q for the target of the write; here they follow from what the write left, which differs by the programming
error. Age 0 is the first read, 20 s after the write.

Source: Nandakumar et al., ICECS (2019), doi 10.1109/ICECS46596.2019.8964852; Joshi et al., Nat. Commun. 11:2473 (2020), doi
10.1038/s41467-020-16108-9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...base.parameters import Value, param
from ...base.parameters.bag import Bag
from ..contract import ReadNoise, Retention, Xi
from ..device import Device
from ..parts.programming import PolynomialProgramming
from ..parts.read_noise import growth
from ..retention.power_law import power_law

G_REF = 25e-6  # S
SIGMA = (0.26348e-6, 1.9650e-6, -1.1731e-6)  # S
SMALLEST = 1e-3  # of g: from 0.0076 downwards nothing depends on it any more, and ln 0 has no gradient


def relative(g: Tensor, p: Bag) -> Tensor:
    """The conductance as a fraction of g_max."""
    return (g / p.g_max).clamp(min=SMALLEST)


@dataclass(frozen=True)
class PCMDrift(Retention):
    """Drift of mushroom-type PCM; ``scale`` multiplies nu."""

    source: ClassVar[str] = "Joshi et al. 2020, doi 10.1038/s41467-020-16108-9"
    normals: ClassVar[int] = 1

    scale: Value = param(1.0, least=0.0, role="drift")
    t0: Value = param(20.0, unit="s", above=0.0, role="drift")

    def exponent(self, g: Tensor, p: Bag) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of nu before it is folded at 0."""
        log = relative(g, p).log()
        return (-0.0155 * log + 0.0244).clamp(0.049, 0.1), (-0.0125 * log - 0.0059).clamp(0.008, 0.045)

    def drift(self, g: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        mean, std = self.exponent(g, p)
        return power_law(g, age, p.scale * (mean + std * xi[0]).abs(), p.t0)


@dataclass(frozen=True)
class PCMNoise(ReadNoise):
    """1/f noise of mushroom-type PCM; ``scale`` multiplies it."""

    source: ClassVar[str] = "Nandakumar et al. 2019, doi 10.1109/ICECS46596.2019.8964852"

    scale: Value = param(1.0, least=0.0, role="noise")
    t_read: Value = param(250e-9, unit="s", above=0.0, role="noise")
    t0: Value = param(20.0, unit="s", least=0.0, role="noise")

    def strength(self, g: Tensor, p: Bag) -> Tensor:
        """Compute the strength Q of the noise of devices written to ``g`` (S)."""
        return (0.0088 / relative(g, p) ** 0.65).clamp(max=0.2)

    def read(self, g: Tensor, written: Tensor, age: Tensor, p: Bag, xi: Xi) -> Tensor:
        sigma = p.scale * self.strength(written, p) * growth(age + p.t0, p.t_read)
        return g * (1 + sigma * xi[0])


def pcm(*, g_max: float = G_REF) -> Device:
    """Mushroom-type PCM, for writes to a target (its pulses are not fitted: they are those of a `Bounded` device).

    Args:
        g_max: S.
    """
    return Device(
        name="pcm",
        g_min=0.0,
        g_max=g_max,
        t_read=250e-9,
        programming=PolynomialProgramming(coefficients=SIGMA, g_ref=G_REF),
        retention=PCMDrift(),
        noise=PCMNoise(),
    )
