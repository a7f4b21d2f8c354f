"""The stored outputs of a group, by slot."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import torch
from torch import Tensor


class History:
    """The outputs of one group in the running segment, as windows ``[slot, chip, batch, unit]``, as far back as they are read."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Drop all outputs at the start of a segment."""
        self.starts: list[int] = []
        self.windows: list[Tensor] = []
        self.slots: list[tuple[Tensor, ...] | None] = []  # the single slots of each window, made when the first is read
        self.end = 0

    def put(self, window: Tensor, start: int | None = None) -> None:
        """Append a window; ``start`` is its first slot where slots that are never read were left out before it."""
        self.starts.append(self.end if start is None else start)
        self.windows.append(window)
        self.slots.append(None)
        self.end = self.starts[-1] + len(window)

    def at(self, k: int) -> Tensor:
        """Return the output of slot k."""
        i = bisect_right(self.starts, k) - 1
        alone = k == self.end - 1 and self.slots[i] is None  # the last slot of a segment is often the only one read by itself
        if alone or not self.windows[i].requires_grad:
            return self.windows[i][k - self.starts[i]]
        slots = self.slots[i]
        if slots is None:  # cut all at once, because the gradient of each single slot would be as large as the window
            slots = self.slots[i] = self.windows[i].unbind(0)
        return slots[k - self.starts[i]]

    def window(self, k0: int, n: int) -> Tensor:
        """Return slots k0 .. k0 + n - 1."""
        i, j = bisect_right(self.starts, k0) - 1, bisect_right(self.starts, k0 + n - 1)
        parts = [part_of(w, 0, max(0, k0 - s), k0 + n - s) for s, w in zip(self.starts[i:j], self.windows[i:j], strict=True)]
        if len(parts) == 1:
            return parts[0]
        lead = np.broadcast_shapes(*(part.shape[1:3] for part in parts))  # torch's function of this name imports SymPy
        return torch.cat([part.expand(-1, *lead, -1) for part in parts])

    def trim(self, first: int) -> None:
        """Forget the windows that end before ``first``."""
        drop = 0
        while drop < len(self.starts) - 1 and self.starts[drop + 1] <= first:
            drop += 1
        del self.starts[:drop], self.windows[:drop], self.slots[:drop]


def part_of(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Return a slice, or the tensor itself if the slice is all of it: the gradient of a slice fills and copies a whole tensor."""
    return x if start == 0 and stop >= x.shape[axis] else x.narrow(axis, start, min(stop, x.shape[axis]) - start)
