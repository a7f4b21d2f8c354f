"""Measurements on a network that leave its records, settings and weights as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..network.network import Network


@contextmanager
def measuring(net: Network, *, held: bool = False) -> Iterator[None]:
    """Switch a network to evaluation mode without monitors, and restore it at the end.

    Mode, monitors, records, timeline and lengths are restored, and so are plastic weights and persistent states, which runs
    change. The running state stays that of the last batch.

    Args:
        net: an initialised network.
        held: whether its devices do not age in the meantime.
    """
    kept = ("_requests", "records", "_programme", "_run_start", "lengths")
    before, training = {name: getattr(net, name) for name in kept}, net.training
    groups = net._ready("measuring").groups.values()
    devices, stored = [group.hardware for group in groups if group.hardware is not None], [group.stored() for group in groups]
    net.eval()
    net._requests = []
    for hardware in devices:
        hardware.held = held
    try:
        yield
    finally:
        for hardware in devices:
            hardware.held = False
        for name, value in before.items():
            setattr(net, name, value)
        for group, own in zip(groups, stored, strict=True):
            for name, tensor in own.items():
                setattr(group, name, tensor)
        net.train(training)
