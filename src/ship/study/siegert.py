"""The rate of a leaky integrate-and-fire neuron under white noise (Siegert's formula), to compare simulated networks with.

``tau dv/dt = -v + mean + std sqrt(tau) xi(t)``, xi white noise of unit density, so that v without a threshold has the standard
deviation ``std / sqrt(2)``. The mean interval between spikes is

``1 / rate = t_ref + tau sqrt(pi) int_a^b exp(x^2) (1 + erf(x)) dx``, ``a = (v_reset - mean) / std``, ``b = (v_th - mean) / std``.

The integrand is ``erfcx(-x)``, which SciPy has without cancellation. Below -1 the integral runs over the logarithm of -x, where
the integrand is smooth over any number of decades, so that the limit of vanishing noise above threshold, ``tau ln((mean -
v_reset) / (mean - v_th))``, is reached without loss. Where the integral exceeds the range of float64, the rate is 0.

Spikes that arrive at the rate r, each of which displaces v by w, have ``mean = tau r w`` and ``std^2 = tau r w^2``, where they
are many and w is small beside ``v_th - v_reset`` (diffusion approximation).

Sources: Siegert, Phys. Rev. 81:617 (1951); Brunel, J. Comput. Neurosci. 8:183 (2000), the stationary states of model A.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..base.checks import check_real
from ..base.errors import RunError

SEAM = -1.0  # below it the integral runs over a logarithm
FULL = 26.5  # exp(x^2) is near the end of float64 there
WHERE = "study.siegert"


def siegert(mean: float, std: float, *, tau: float = 20e-3, v_th: float = 1.0, v_reset: float = 0.0, t_ref: float = 0.0) -> float:
    """Compute the rate (Hz) at which a leaky integrate-and-fire neuron spikes under white noise.

    Args:
        mean: the voltage (V, from rest) that the mean input would hold, ``tau r w`` for spikes of the rate r and weight w.
        std: the strength of the noise (V), ``sqrt(tau r w^2)``, or 0; without a threshold the voltage has ``std / sqrt(2)``.
        tau: the membrane time constant (s).
        v_th: the threshold (V, from rest).
        v_reset: the voltage after a spike (V, from rest), below the threshold.
        t_ref: the dead time after a spike (s).

    Returns:
        The rate (Hz); 0 where it is below the range of float64, and without noise where the mean does not exceed the threshold.

    Raises:
        ParameterError: a value that is not finite, ``std`` or ``t_ref`` below 0, ``tau`` not above 0.
        RunError: the reset is not below the threshold.
    """
    for name, value in (("mean", mean), ("v_th", v_th), ("v_reset", v_reset)):
        check_real(f"{WHERE}: {name}", value, "must be a finite number", least=-math.inf)
    check_real(f"{WHERE}: std", std, "must be at least 0 V", least=0.0)
    check_real(f"{WHERE}: tau", tau, "must be above 0 s", above=0.0)
    check_real(f"{WHERE}: t_ref", t_ref, "must be at least 0 s", least=0.0)
    if v_reset >= v_th:
        raise RunError(f"{WHERE}: v_reset", f"must be below the threshold of {v_th:g} V", got=f"{v_reset:g}")
    if std == 0:
        if mean <= v_th:
            return 0.0
        return 1 / (t_ref + tau * math.log((mean - v_reset) / (mean - v_th)))
    interval = t_ref + tau * math.sqrt(math.pi) * _passage((v_reset - mean) / std, (v_th - mean) / std)
    return 1 / interval if interval < math.inf else 0.0


def _passage(low: float, high: float) -> float:
    """Integrate ``exp(x^2) (1 + erf(x))`` from ``low`` to ``high``."""
    from scipy.special import erfcx

    if high > FULL:
        return math.inf
    total = 0.0
    if high > SEAM:
        total += _integral(lambda x: float(erfcx(-x)), max(low, SEAM), high)
    if low < SEAM:
        total += _integral(lambda s: math.exp(s) * float(erfcx(math.exp(s))), math.log(-min(high, SEAM)), math.log(-low))
    return total


def _integral(f: Callable[[float], float], low: float, high: float) -> float:
    from scipy.integrate import quad

    value: float = quad(f, low, high, epsabs=0.0, epsrel=1e-10, limit=200)[0]
    return value
