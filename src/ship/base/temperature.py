"""Temperature: physical constants, the laws that several rooms share, and programmes of temperature over time.

A parameter with the role ``"temperature"`` (K) follows the temperature of the network, one with the role ``"thermal voltage"``
(V) follows ``k T / q``: `FOLLOWS` is the table. Without a temperature of the network each keeps the value that it was given.

Source of the constants: SI (2019), exact: k = 1.380649e-23 J/K, q = 1.602176634e-19 C. Thermally activated rates: Arrhenius
(1889).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import torch
from torch import Tensor

from .checks import is_real
from .clock import Programme, Segment, slots
from .errors import RunError

BOLTZMANN = 1.380649e-23  # J/K
CHARGE = 1.602176634e-19  # C, the elementary charge
BOLTZMANN_EV = BOLTZMANN / CHARGE  # eV/K

Kelvin = float | Sequence[tuple[float, float]]  # one temperature (K), or stretches of (seconds, K)


@overload
def thermal_voltage(kelvin: float) -> float: ...


@overload
def thermal_voltage(kelvin: Tensor) -> Tensor: ...


def thermal_voltage(kelvin: float | Tensor) -> float | Tensor:
    """Return the thermal voltage ``k T / q`` in V: 25.85 mV at 300 K.

    Args:
        kelvin: the temperature, K: a number or a tensor.

    Raises:
        ParameterError: the argument is neither.
    """
    return BOLTZMANN_EV * kelvin


def arrhenius(e_a: Tensor, t_ref: Tensor, kelvin: Tensor) -> Tensor:
    """Return how many times as fast as at ``t_ref`` (K) a process with the activation energy ``e_a`` (eV) runs at ``kelvin``."""
    return torch.exp(e_a / BOLTZMANN_EV * (1 / t_ref - 1 / kelvin))


def _itself(kelvin: float) -> float:
    return kelvin


FOLLOWS: Mapping[str, Callable[[float], float]] = {"temperature": _itself, "thermal voltage": thermal_voltage}


def check_kelvin(where: str, value: Any) -> float:
    """Check one temperature and return it as a float, in K.

    Raises:
        RunError: it is not a number above 0 K.
    """
    if not is_real(value) or value <= 0:
        raise RunError(where, "must be a number above 0 K", got=repr(value), fix="Give kelvin: 27 degrees Celsius are 300.15 K.")
    return float(value)


def stretches(where: str, programme: Programme, kelvin: Kelvin | None) -> tuple[tuple[Segment, float | None], ...]:
    """Cut a programme of dt into segments of one dt and one temperature.

    Args:
        where: the argument's name in errors.
        programme: segments of constant dt.
        kelvin: None, one temperature (K), or stretches ``[(seconds, K), ...]`` from the start of the run on; each begins with
            the slot nearest to its time, and the last one lasts to the end of the run.

    Returns:
        The segments, each with its temperature (K).

    Raises:
        RunError: a temperature or a duration is not a number above 0, or the list has another form.
    """
    if kelvin is None:
        return tuple((segment, None) for segment in programme)
    if not isinstance(kelvin, Sequence):
        one = check_kelvin(where, kelvin)
        return tuple((segment, one) for segment in programme)
    levels, ends, t = [], [], 0.0  # K, s
    for seconds, level in _pairs(where, kelvin):
        t += seconds
        ends.append(t)
        levels.append(level)
    found: list[tuple[Segment, float | None]] = []
    start = 0.0  # s, of the segment
    for dt, steps in programme:
        # The number of slots of this segment that lie before the end of each stretch; the last stretch has no end.
        cuts = [min(max(slots(end - start, dt), 0), steps) for end in ends[:-1]]
        for first, last, level in zip([0, *cuts], [*cuts, steps], levels, strict=True):
            if last > first:
                found.append((Segment(dt, last - first), level))
        start += dt * steps
    return tuple(found)


def _pairs(where: str, given: Sequence[Any]) -> list[tuple[float, float]]:
    """Return the stretches of a programme, checked."""
    fix = "Give seconds and kelvin, e.g. [(0.1, 300.0), (0.1, 350.0)]."
    made = []
    for pair in given:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise RunError(where, "must be a number of K, or a list of (seconds, K)", got=repr(pair), fix=fix)
        seconds, level = pair
        if not is_real(seconds) or seconds <= 0:
            raise RunError(where, "each stretch must last more than 0 s", got=repr(seconds), fix=fix)
        made.append((float(seconds), check_kelvin(where, level)))
    if not made:
        raise RunError(where, "must have at least one stretch (seconds, K)", got="an empty list", fix=fix)
    return made
