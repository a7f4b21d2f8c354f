"""The memory that a run needs, estimated before it starts, so that a run that would not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ..base.errors import RunError
from ..groups.spec import Spec
from ..groups.wiring import Wiring
from ..models.contract import Connection, Synapse
from .monitor import Request

CHUNK_BYTES = 256 * 2**20  # bytes of outputs held at a time, where no gradient keeps them all
WINDOW_BYTES = 31 * 2**20  # bytes of one group's window: glibc takes blocks of 32 MiB and more from the system page by page
SMALL = 64 * 2**20  # bytes that are taken to be free always
GRAPH_TENSORS = 4  # tensors that the graph of gradients keeps for each unit and slot, at the least


def available_bytes() -> int:
    """Return the memory that a run can have: what is free, or only caches files."""
    import psutil

    return int(psutil.virtual_memory().available)


def chunk_slots(wiring: Wiring, lead: tuple[int, int]) -> int:
    """Return the number of slots whose outputs are held at a time."""
    sizes, rows = wiring.n.values(), lead[0] * lead[1] * 8
    return max(1, min(CHUNK_BYTES // max(1, sum(sizes) * rows), WINDOW_BYTES // max(1, max(sizes, default=0) * rows)))


def foresee_delays(where: str, wiring: Wiring, dtype: torch.dtype) -> None:
    """Refuse delays on single connections that would not fit into memory.

    Each different delay takes a mask of its group's connections, and in loops their weights once more.

    Raises:
        RunError: they need more than the memory that is free.
    """
    for w in wiring.wires:
        if w.delay is None or w.delay.ndim < 2 or w.delay.shape[1] < 2:
            continue
        different = len(torch.unique(w.delay))
        need = different * w.width * w.delay.shape[1] * (1 + dtype.itemsize)
        refuse(
            where,
            need,
            f"{different} different delays from {w.source!r} on the connections of {w.target!r}",
            "Round the delays to fewer values, e.g. to whole slots of dt.",
        )


def refuse(where: str, need: float, what: str, fix: str) -> None:
    """Refuse what needs more bytes than are free.

    Raises:
        RunError: it does.
    """
    if need >= SMALL and need > (available := available_bytes()):
        raise RunError(where, f"needs about {need / 2**30:.1f} GiB for {what}", got=f"{available / 2**30:.1f} GiB free", fix=fix)


def foresee(
    wiring: Wiring,
    specs: Mapping[str, Spec],
    requests: Sequence[Request],
    steps: int,
    lead: tuple[int, int],
    dtype: torch.dtype,
    trainable: bool,
) -> None:
    """Refuse a run whose outputs, records and graph of gradients would not fit.

    Raises:
        RunError: it needs more than the memory that is free.
    """
    values = float(sum(wiring.n[tag] for tag, spec in specs.items() if spec.output))
    for request in requests:
        if not request.events:
            units = len(request.units) if request.units else wiring.n[request.tag]
            values += units / request.every * _per_unit(request, specs[request.tag], wiring)
    if trainable:
        values += GRAPH_TENSORS * sum(wiring.n.values())
    times = 8 * steps * len({request.tag for request in requests})
    need = values * steps * lead[0] * lead[1] * dtype.itemsize + times
    refuse(
        "Network.run",
        need,
        f"{steps} slots x {lead[0]} chips x {lead[1]} samples",
        "Use a smaller batch, fewer monitors, every=, events=True, or torch.no_grad().",
    )


def _per_unit(request: Request, spec: Spec, wiring: Wiring) -> int:
    """Return the values of a variable for each unit: those on connections count once for each pre unit."""
    model = spec.model
    on_connections = (
        isinstance(model, Connection) and not model.one_to_one and (not isinstance(model, Synapse) or model.side == "connection")
    )
    return wiring.n_pre[request.tag] if request.name == "weight" or (on_connections and request.name != "output") else 1
