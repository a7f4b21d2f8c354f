"""A Matplotlib figure that a notebook shows as a picture, without pyplot. Import this module late: Matplotlib takes a while."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A `matplotlib.figure.Figure` that a notebook shows as a PNG; ``savefig`` writes it to a file, as usual."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
