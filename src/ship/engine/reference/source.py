"""The reference node of a source."""

from __future__ import annotations

import torch
from torch import Tensor

from ...base.parameters.bag import Bag
from ...models.contract import Source
from .clock import Clock
from .node import Node

NOISE_VALUES = 2**17  # numbers that a source draws at a time, so that they stay in the cache


class SourceNode(Node):
    """The reference node of an input or an autonomous source."""

    signal: Tensor | None = None  # [time, chip or 1, batch, unit] of this segment
    before = 0.0  # s, the slot before this segment

    def begin(self, dt: float, clock: Clock) -> None:
        self.before = self.dt
        super().begin(dt, clock)

    def run(self, k0: int, n: int) -> None:
        model = self.group.model
        assert isinstance(model, Source)
        if not model.states:  # models see trailing axes only, so that many slots can be done at once
            pieces = any(kind != "poisson" for kind in model.noise.values())  # counts are drawn without a second buffer
            slots = max(1, NOISE_VALUES // (self.lead[1] * self.group.n)) if pieces else n
            whole = self._slots(k0, min(slots, n))
            if slots < n:
                first, whole = whole, whole.new_empty((n, *whole.shape[1:]))
                whole[:slots] = first
                for k in range(slots, n, slots):
                    whole[k : k + slots] = self._slots(k0 + k, min(slots, n - k))
            self.trace.put(whole)
            for take in self.takes:
                take(k0, n, self.window_lookup(k0, n))
            return
        for k in range(k0, k0 + n):
            x = self.inputs(k, [])
            if model.external:
                assert self.signal is not None
                x.__dict__["value"] = self.signal[k]
            out, self.state = model.emit(self.state, x, self.p, self.c)
            self.trace.put(out.to(self.group.dtype).unsqueeze(0))
            self.record(k)

    def _draw(self, name: str, k: int) -> Tensor:
        model = self.group.model
        assert isinstance(model, Source)
        if name in model.at_start and self.clock.slot + k:
            return self.like
        return super()._draw(name, k)

    def _slots(self, k0: int, n: int) -> Tensor:
        """Return the output of n slots of a source without a state."""
        model = self.group.model
        assert isinstance(model, Source)
        x = Bag({name: self.noise(name, k0, n) for name in model.noise})
        if model.timed:
            x.__dict__.update(self._times(k0, n))
        if model.external:
            assert self.signal is not None
            x.__dict__["value"] = self.signal[k0 : k0 + n]
        out = model.emit((), x, self.p, self.c)[0].to(self.group.dtype)
        return out if out.ndim == 4 else out.expand(n, 1, 1, self.group.n)  # without noise and signal there is no slot axis

    def _times(self, k0: int, n: int) -> dict[str, Tensor]:
        """Return when n slots begin and end (s since the last reset), how long the slot before each was, and the units."""
        device = self.group.die_ids.device
        k = torch.arange(k0, k0 + n, dtype=torch.float64, device=device).reshape(-1, 1, 1, 1)
        before = torch.full_like(k, self.dt)
        if k0 == 0 and n:
            before[0] = self.before
        times = {"start": self.clock.time + k * self.dt, "stop": self.clock.time + (k + 1) * self.dt, "before": before}
        return times | {"unit": torch.arange(self.group.n, device=device)}
