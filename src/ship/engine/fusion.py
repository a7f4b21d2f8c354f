"""Which groups of a network run as kernels, and why the others do not."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from .. import compiled
from ..errors import RunError
from ..plan import Block as Planned
from ..plan import Wire
from . import connections
from .fused import Block, Fused, outputs_only
from .program import NotNow, Untraceable
from .reference import ConnectionNode, Node

LONG_SLICE = 8  # slots from which on a kernel is worth its call
ENGINES = ("auto", "reference", "fused")


def choose_engine(where: str, engine: str) -> str:
    """``reference`` or ``fused``.

    Raises:
        RunError: an unknown name, or ``fused`` without Numba.
    """
    if engine not in ENGINES:
        raise RunError(f"{where}: engine", "must be one of " + ", ".join(map(repr, ENGINES)), got=repr(engine))
    found = compiled.available()
    if engine == "fused" and not found:
        raise RunError(f"{where}: engine", "'fused' needs the package numba", fix="Install it: pip install numba")
    return "reference" if engine == "reference" or not found else "fused"


class Fusion:
    """Decides for each block of the schedule, and runs those that are kernels."""

    def __init__(self, nodes: Mapping[str, Node], wires: Sequence[Wire]) -> None:
        self.nodes, self.wires = nodes, wires
        self.readers = {tag: {wire.target for wire in wires if wire.source == tag} for tag in nodes}
        self.forget()

    def __reduce__(self) -> tuple[Any, ...]:
        return Fusion, (self.nodes, self.wires)  # a copy makes its own kernels

    def forget(self) -> None:
        """Decide afresh, for another float type or device."""
        self.fused = {tag: Fused(node) for tag, node in self.nodes.items()}
        self.reasons: dict[str, str | None] = {}
        self.blocks: dict[Planned, Block | None] = {}
        self.grids: dict[str, connections.Grid] = {}

    def describe(self, blocks: Sequence[Planned]) -> dict[str, str]:
        """How each group runs, in words; nodes must have begun a segment."""
        said = {}
        for planned in blocks:
            whole = self.block(planned) is not None
            for tag in planned.tags:
                why = self.reason(tag)
                if whole:
                    said[tag] = "kernel" if len(planned.tags) == 1 else f"kernel, one loop of {len(planned.tags)} groups"
                elif why is not None:
                    said[tag] = f"PyTorch: {why}"
                elif tag in self.grids:
                    said[tag] = "kernel, connection by connection"
                elif planned.length is None:
                    said[tag] = "PyTorch: one sum over all slots"
                else:
                    others = [other for other in planned.tags if self.reason(other) is not None or other in self.grids]
                    said[tag] = f"PyTorch, slice by slice: {', '.join(others)} of its loop cannot join the kernel"
        return said

    def reason(self, tag: str) -> str | None:
        """Why a group stays with the reference engine; None for a kernel. Its node must have begun a segment."""
        if tag not in self.reasons:
            self.reasons[tag] = self._find_out(tag)
        return self.reasons[tag]

    def _find_out(self, tag: str) -> str | None:
        fused = self.fused[tag]
        why = fused.refusal()
        if why is None:
            try:
                if fused.grid:
                    node = self.nodes[tag]
                    assert isinstance(node, ConnectionNode)
                    self.grids[tag] = connections.build(node)
                else:
                    fused.build(False)
                    fused.learner()
            except Untraceable as error:
                why = str(error)
        return why

    def block(self, planned: Planned) -> Block | None:
        """The tape for a block: all of a loop, or one group with a state; None where the reference nodes run."""
        tags = planned.tags
        if planned not in self.blocks:
            found = None
            if all(self.reason(tag) is None and tag not in self.grids for tag in tags):
                found = Block([self.nodes[tag] for tag in tags], [self.fused[tag] for tag in tags], planned.length)
                if planned.length is None and not self.fused[tags[0]].worthwhile:
                    found = None
            self.blocks[planned] = found
        return self.blocks[planned]

    def run_one(self, tag: str, k0: int, n: int) -> bool:
        """Run one group of a block that is not one tape; False where the reference node must."""
        node = self.nodes[tag]
        if self.reason(tag) is None and tag in self.grids and outputs_only(node):
            assert isinstance(node, ConnectionNode)
            try:
                connections.run(node, self.grids[tag], k0, n)
            except Untraceable as error:
                self.reasons[tag] = str(error)
                return False
            return True
        if n < LONG_SLICE or self.reason(tag) is not None or tag in self.grids or not self.fused[tag].worthwhile:
            return False
        return self.run(Planned((tag,), n), k0, n, {tag: 0}, (tag,))

    def run(self, planned: Planned, k0: int, n: int, reach: Mapping[str, int], wanted: Container[str]) -> bool:
        """Run a block of the schedule; False where it is not for kernels."""
        block = self.block(planned)
        if block is None:
            return False
        inside = set(planned.tags)
        keep = [
            -1 if tag in wanted or self.nodes[tag].takes or self.readers[tag] - inside else reach[tag] + 1 for tag in planned.tags
        ]
        try:
            block.run(k0, n, keep)
        except NotNow:
            return False
        except Untraceable as error:
            for tag in planned.tags:
                self.reasons[tag] = str(error)
            self.blocks[planned] = None
            return False
        return True
