"""The update rules of the 2024 publication, slot by slot on plain tensors: what `ship.models.gemo2024` must replay.

Written from the equations: each class has ``advance(x)``, called once a slot, group after group.
"""

import torch


class Synapse:
    """First order (one time constant) or second order (two): a current for each connection, its integral summed over sources."""

    def __init__(self, weight, scale, taus, batch):
        self.w, self.scale, self.taus = weight, scale, taus
        self.i = [torch.zeros(batch, *weight.shape[-2:], dtype=weight.dtype) for _ in taus]

    def advance(self, spikes, dt):
        given = spikes.to(self.w.dtype).unsqueeze(-1) * self.w * self.scale
        total = 0
        for k, tau in enumerate(self.taus):
            keep = torch.exp(-dt / tau)
            self.i[k] = self.i[k] * keep + (given if k == 0 else -given)
            total = total + self.i[k] * (tau * (1 - keep))
        return total.sum(1)


class Summed:
    """One current for each target, returned as it is."""

    def __init__(self, weight, scale, tau, batch):
        self.w, self.scale, self.tau = weight, scale, tau
        self.i = torch.zeros(batch, weight.shape[-1], dtype=weight.dtype)

    def advance(self, spikes, dt):
        self.i = self.i * torch.exp(-dt / self.tau) + (spikes.to(self.w.dtype) @ self.w) * self.scale
        return self.i


class Neuron:
    """Rest at ``rest``, threshold, one blocked slot or a countdown; ``fires=False`` is the integrator."""

    def __init__(self, tau, n, batch, threshold=1.0, rest=0.0, countdown=None, fires=True):
        self.tau, self.threshold, self.rest, self.countdown, self.fires = tau, threshold, rest, countdown, fires
        self.u = torch.zeros(batch, n, dtype=tau.dtype)
        self.free = torch.ones(batch, n, dtype=torch.bool)
        self.left = torch.zeros(batch, n, dtype=tau.dtype)

    def advance(self, charge, dt):
        moved = ((self.u - self.rest) * torch.exp(-dt / self.tau) + charge).clamp(min=-self.rest)
        self.u = self.rest + torch.where(self.free, moved, torch.zeros_like(moved))
        if not self.fires:
            return self.u
        spikes = self.u >= self.threshold
        self.free = ~spikes
        if self.countdown is not None:
            self.left = torch.where(spikes, torch.full_like(self.left, self.countdown), self.left)
            self.free = self.left <= 0
            self.left = torch.where(self.free, self.left, self.left - dt)
        return spikes
