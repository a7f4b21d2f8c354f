"""The axes of a requirement sheet: which imperfections there are, what they mean in a sentence, and where a search looks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..requirement import Search


@dataclass(frozen=True)
class Kind:
    """An axis: one imperfection of `Imperfections`.

    Args:
        name: its field there.
        title: what it is called in tables.
        unit: of the value in tables; "%" for fractions, which are kept as fractions of 1.
        good, bad: the two ends of the range that is searched.
        random: whether chips differ; if not, one of them is enough.
        whole: whether values are whole numbers.
        most: the most chips that are of use, where they differ by what is drawn anew at each read; 0: any number.
        of: what has it: "device", "array" or "neurons".
        means: a sentence that says what the value is.
    """

    name: str
    title: str
    unit: str
    good: float
    bad: float
    random: bool
    means: str
    whole: bool = False
    most: int = 0
    of: str = "device"

    @property
    def less(self) -> bool:
        """Whether less of it is better."""
        return self.good < self.bad

    def search(self, scale: float = 1.0) -> Search:
        """Return the range of values, which is logarithmic.

        Args:
            scale: a factor on both ends.
        """
        low, high = sorted((self.good, self.bad))
        return Search(low * scale, high * scale, whole=self.whole, name=self.title, unit=self.unit)

    def scaled(self, value: float, share: float) -> float:
        """Return a share of an imperfection: half of a spread of 10 % is 5 %, of 8 levels 16, of an on/off ratio of 10, 20."""
        return value * share if self.less else value / share

    def ratio(self, value: float, required: float) -> float:
        """Return how many times worse a value is than the one required."""
        if self.less:
            return value / required
        return required / value if value > 0 else math.inf

    def said(self, value: float) -> str:
        """Spell a value with its unit."""
        if math.isnan(value):
            return "-"
        if math.isinf(value):
            return "beyond"
        if self.whole:
            return f"{math.ceil(value - 1e-9):d}"
        if self.unit == "%":
            return f"{100 * value:.2g} %" if value < 0.0995 else f"{100 * value:.3g} %"
        number = f"{float(f'{value:.3g}'):.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"
        return f"{number} {self.unit}".rstrip()


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "spread",
            "spread from device to device",
            "%",
            0.003,
            1.0,
            True,
            "Standard deviation of the range of a device, of the window.",
        ),
        Kind(
            "scatter",
            "scatter from write to write",
            "%",
            0.002,
            1.0,
            True,
            "Standard deviation of the error of a write, of the window.",
        ),
        Kind(
            "on_off",
            "on/off ratio",
            "",
            1000.0,
            1.1,
            False,
            "Highest over lowest conductance; the scale of the weights follows it.",
        ),
        Kind("levels", "levels of a device", "", 64.0, 2.0, False, "Number of levels of each device, evenly spaced.", whole=True),
        Kind(
            "asymmetry",
            "asymmetry of up and down steps",
            "%",
            0.01,
            0.99,
            True,
            "Difference of the steps up and down over their sum, where weights are rewritten by counts of pulses, unread.",
        ),
        Kind(
            "nonlinearity",
            "non-linearity of the update",
            "%",
            0.005,
            0.8,
            False,
            "Largest distance of the curve of pulses from a straight line, of the window, where weights are written by counts of "
            "pulses as if it were straight, unread.",
        ),
        Kind(
            "drift",
            "drift",
            "%",
            0.005,
            0.95,
            False,
            "Fraction of the conductance that all devices have lost when they are read.",
        ),
        Kind("stuck_low", "devices stuck low", "%", 0.0005, 0.9, True, "Fraction of the devices that is stuck at the low end."),
        Kind(
            "stuck_high", "devices stuck high", "%", 0.0001, 0.3, True, "Fraction of the devices that is stuck at the high end."
        ),
        Kind(
            "read_noise",
            "read noise",
            "%",
            0.005,
            3.0,
            True,
            "Standard deviation of each read, by one spike, of the window.",
            most=8,
        ),
        Kind(
            "mismatch",
            "mismatch of neurons",
            "%",
            0.005,
            1.0,
            True,
            "Standard deviation of thresholds (from rest) and time constants of the neurons, of their value.",
            of="neurons",
        ),
        Kind(
            "line",
            "resistance of a line",
            "ohm",
            1e-6,
            0.1,
            False,
            "Resistance of the wires of rows and columns for each cell.",
            of="array",
        ),
    )
}


def scale_of(kind: Kind, g_max: float) -> float:
    """Return the factor on the range of an axis: wires are sought in units of the resistance of the most conductive device."""
    return 1 / g_max if kind.name == "line" else 1.0


def plain(value: float) -> Any:
    """Return a number as JSON has it: None for what is not finite."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
