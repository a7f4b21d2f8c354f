"""What circuits of transistors in weak inversion share: currents that are exponentials of voltages over U_T / kappa.

Source: Bartolozzi & Indiveri, Neural Comput. 19:2581 (2007), for the time constant of a differential-pair integrator.
"""

from __future__ import annotations

from torch import Tensor


def time_constant(c: Tensor, u_t: Tensor, kappa: Tensor, i_tau: Tensor) -> Tensor:
    """Compute ``C U_T / (kappa I_tau)`` (s), the time constant of a current-mode integrator.

    Args:
        c: the capacitance (F).
        u_t: the thermal voltage kT/q (V).
        kappa: the subthreshold slope factor.
        i_tau: the leak current (A).
    """
    return c * u_t / (kappa * i_tau)
