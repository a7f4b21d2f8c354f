"""The settings of a crossbar: its wires, drivers, sense amplifiers, tiles, selectors and converters.

Row i is driven from the left through ``r_driver``. Column j is sensed at the bottom, at virtual ground behind ``r_sense``. Each
cell adds one segment of wire to its row and one to its column:

    v_i -- r_driver -- r_row -- (i, 0) -- r_row -- (i, 1) ... (i, n - 1)
    (0, j) -- r_col -- (1, j) ... (m - 1, j) -- r_col -- r_sense -- 0 V

so that a 1 x 1 crossbar without driver and sense resistance carries ``v / (1 / G + r_row + r_col)``. A line contacted at both
ends has one more segment, and one more driver or sense resistance, at its other end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..base.errors import ParameterError, is_real, is_whole
from .adc import ADC
from .selector import Selector


@dataclass(frozen=True)
class Crossbar:
    """Wires, periphery and tiling of crossbars of any size.

    Args:
        r_row: the resistance of a row's wire per cell, in ohm.
        r_col: the resistance of a column's wire per cell, in ohm.
        r_driver: the resistance between a row's voltage and the end of its wire, in ohm.
        r_sense: the resistance between virtual ground and the end of a column's wire, in ohm.
        drive: the driven ends of each row, "left" or "both".
        sense: the sensed ends of each column, "bottom" or "both", whose currents are summed.
        tile: the largest (rows, columns) of one array; larger matrices are cut into tiles with separate lines. None for a single
            array of any size.
        exact: whether `matrix` solves the network; otherwise it uses the approximation, which reports its error.
        selector: the selector in series with each cell; None for none.
        adc: the converter of the column currents of each tile; None to read them unchanged.

    Raises:
        ParameterError: a resistance is negative, a tile has no cells, or a name or kind is wrong.
    """

    r_row: float = 0.0
    r_col: float = 0.0
    r_driver: float = 0.0
    r_sense: float = 0.0
    drive: Literal["left", "both"] = "left"
    sense: Literal["bottom", "both"] = "bottom"
    tile: tuple[int, int] | None = None
    exact: bool = True
    selector: Selector | None = None
    adc: ADC | None = None

    def __post_init__(self) -> None:
        for name in ("r_row", "r_col", "r_driver", "r_sense"):
            value = getattr(self, name)
            if not is_real(value) or value < 0:
                raise ParameterError(f"Crossbar.{name}", "must be at least 0 ohm", got=value)
            object.__setattr__(self, name, float(value))
        for name, known in (("drive", ("left", "both")), ("sense", ("bottom", "both"))):
            if getattr(self, name) not in known:
                raise ParameterError(f"Crossbar.{name}", f"must be {known[0]!r} or {known[1]!r}", got=repr(getattr(self, name)))
        self._check_parts()

    def _check_parts(self) -> None:
        tile = self.tile
        if tile is not None and not (isinstance(tile, tuple) and len(tile) == 2 and all(is_whole(size, 1) for size in tile)):
            raise ParameterError("Crossbar.tile", "must be None or (rows, columns), each at least 1", got=repr(tile))
        if not isinstance(self.exact, bool):
            raise ParameterError("Crossbar.exact", "must be True or False", got=repr(self.exact))
        if self.selector is not None and not isinstance(self.selector, Selector):
            raise ParameterError("Crossbar.selector", "must be None or a Selector", got=repr(self.selector))
        if self.adc is not None and not isinstance(self.adc, ADC):
            raise ParameterError("Crossbar.adc", "must be None or an ADC", got=repr(self.adc))
