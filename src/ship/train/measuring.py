"""Measuring a network without disturbing what its user looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..network.network import Network


@contextmanager
def measuring(net: Network, *, held: bool = False) -> Iterator[None]:
    """Evaluation mode without monitors. Afterwards mode, monitors, records, timeline and lengths are those from before, and so
    are plastic weights and persistent states, which runs change; the running state is that of the last batch.

    Args:
        net: an initialised network.
        held: whether its devices stand still in time meanwhile.
    """
    training, groups = net.training, net.simulation("measuring").groups.values()
    devices, stored = [group.hardware for group in groups if group.hardware is not None], [group.stored() for group in groups]
    net.eval()
    for hardware in devices:
        hardware.held = held
    try:
        with net.unwatched():
            yield
    finally:
        for hardware in devices:
            hardware.held = False
        for group, own in zip(groups, stored, strict=True):
            for name, tensor in own.items():
                setattr(group, name, tensor)
        net.train(training)
