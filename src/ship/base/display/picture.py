"""A Matplotlib figure that a notebook shows as the picture, without pyplot. Imported where one is drawn: it takes a while."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A `matplotlib.figure.Figure` like any other: ``savefig`` writes it to a file; a notebook shows it as a PNG."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
