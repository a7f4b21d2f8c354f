"""Which groups of a network run as kernels, and why the others do not."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from ....base.errors import RunError
from ....base.native import cache
from ....groups.schedule import Block as Planned
from ....groups.schedule import Schedule
from ....groups.wiring import Wire
from ...reference.connection import ConnectionNode
from ...reference.neuron import NeuronNode
from ...reference.node import Node
from ...reference.plastic import PlasticNode
from ..nodes import grid
from ..nodes.cell import Cell, NodeSide
from ..trace.program import NotNow, Untraceable
from .assemble import TapeBlock, outputs_only

LONG_SLICE = 8  # slots from which on a kernel is worth its call
ENGINES = ("auto", "reference", "fused")


def choose_engine(where: str, engine: str) -> str:
    """``reference`` or ``fused``.

    Raises:
        RunError: an unknown name, or ``fused`` without Numba.
    """
    if engine not in ENGINES:
        raise RunError(f"{where}: engine", "must be one of " + ", ".join(map(repr, ENGINES)), got=repr(engine))
    found = cache.available()
    if engine == "fused" and not found:
        raise RunError(f"{where}: engine", "'fused' needs the package numba", fix="Install it: pip install numba")
    return "reference" if engine == "reference" or not found else "fused"


class Layout(NamedTuple):
    """How the blocks of a schedule run."""

    blocks: dict[Planned, TapeBlock | None]  # the tape of each; None where reference nodes run
    feeds: dict[str, str]  # the connections that are part of another group's kernel, and whose


class Partition:
    """Decides for each block of the schedule, and runs those that are kernels."""

    def __init__(self, nodes: Mapping[str, Node], wires: Sequence[Wire]) -> None:
        self.nodes, self.wires = nodes, wires
        self.readers = {tag: {wire.target for wire in wires if wire.source == tag} for tag in nodes}
        self.forget()

    def __reduce__(self) -> tuple[Any, ...]:
        return Partition, (self.nodes, self.wires)  # a copy makes its own kernels

    def forget(self) -> None:
        """Decide afresh, for another float type or device."""
        self.fused = {tag: NodeSide(node) for tag, node in self.nodes.items()}
        self.reasons: dict[str, str | None] = {}
        self.layouts: dict[Any, Layout] = {}
        self.grids: dict[str, grid.Grid] = {}
        self.behind: dict[str, int] = {}  # groups that have yet to act in a slot, see `fused.Cell`
        self.ended: set[str] = set()  # groups that have done what follows the last slot
        self.transformed = False  # whether tensors are those of `torch.func`, without memory that a kernel could work on

    def begin(self, plan: Schedule, wanted: Container[str]) -> None:
        """Start a segment. ``wanted``: the groups whose outputs are read from outside."""
        self.behind.clear()
        self.ended.clear()
        for fused in self.fused.values():
            for structure in fused.structures.values():
                structure.forget()
        self.transformed = torch._C._are_functorch_transforms_active()
        if self.transformed:
            self.layout = Layout(dict.fromkeys(plan.blocks), {})
            return
        watched = frozenset(tag for tag, node in self.nodes.items() if node.takes or tag in wanted)
        key = (plan.blocks, plan.inserted, watched)
        if key not in self.layouts:
            self.layouts[key] = self._layout(plan.blocks, watched)
        self.layout = self.layouts[key]

    def settle(self) -> None:
        """What is left to do after the last slot of a segment."""
        for tag in list(self.behind):
            self._catch_up(tag)

    def _catch_up(self, tag: str) -> None:
        if tag in self.behind:
            node, slot = self.nodes[tag], self.behind.pop(tag)
            node.trace.end = slot
            node.run(slot, 1)

    def describe(self, blocks: Sequence[Planned]) -> dict[str, str]:
        """How each group runs, in words; nodes must have begun a segment."""
        said = {}
        layout = self._layout(blocks, frozenset())
        for planned in blocks:
            whole = layout.blocks[planned] is not None
            for tag in planned.tags:
                why = self.reason(tag)
                if tag in layout.feeds:
                    said[tag] = f"part of the kernel of {layout.feeds[tag]}"
                elif whole:
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
                    self.grids[tag] = grid.build(node)
                else:
                    Cell(fused, ()).build(False)
                    fused.learner()
            except Untraceable as error:
                why = str(error)
        return why

    def _layout(self, blocks: Sequence[Planned], watched: frozenset[str]) -> Layout:
        whole = {planned: all(self.reason(tag) is None and tag not in self.grids for tag in planned.tags) for planned in blocks}
        kernels = {tag for planned in blocks if whole[planned] for tag in planned.tags}
        feeds = {tag: target for tag in kernels - watched if (target := self._fed_by(tag)) is not None and target in kernels}
        joined = {}
        for target in set(feeds.values()):
            joined[target] = Cell(self.fused[target], [self.fused[tag] for tag in self.nodes if feeds.get(tag) == target])
            try:
                joined[target].build(False)
            except Untraceable:  # together, though not alone
                del joined[target]
                feeds = {tag: other for tag, other in feeds.items() if other != target}
        made: dict[Planned, TapeBlock | None] = {}
        for planned in blocks:
            tags = [tag for tag in planned.tags if tag not in feeds]
            cells = [joined.get(tag) or Cell(self.fused[tag], ()) for tag in tags]
            plain = len(cells) == 1 and not cells[0].feeds and planned.length is None and not cells[0].main.worthwhile
            made[planned] = TapeBlock(cells, planned.length) if whole[planned] and cells and not plain else None
        return Layout(made, feeds)

    def _fed_by(self, tag: str) -> str | None:
        """The neuron that a connection feeds, unit by unit, and nothing else."""
        node = self.nodes[tag]
        if not isinstance(node, ConnectionNode) or isinstance(node, PlasticNode) or node.group.side not in ("post", "unit"):
            return None
        if not node.group.model.accepts or len(self.readers[tag]) != 1:  # type: ignore[attr-defined]
            return None
        (reader,) = self.readers[tag]
        target = self.nodes[reader]
        lines = [entry for entries in target.ports.values() for entry in entries if entry[0].trace is node.trace]
        if not isinstance(target, NeuronNode) or len(lines) != 1:
            return None
        line, offset, width = lines[0]
        whole = offset == 0 and width == target.group.n == node.group.n
        return reader if whole and not line.lag else None

    def run_one(self, tag: str, k0: int, n: int) -> bool:
        """Run one group of a block that is not one tape; False where the reference node must."""
        node = self.nodes[tag]
        if self.transformed:
            return False
        if self.reason(tag) is None and tag in self.grids and outputs_only(node):
            assert isinstance(node, ConnectionNode)
            try:
                grid.run(node, self.grids[tag], k0, n)
            except Untraceable as error:
                self.reasons[tag] = str(error)
                return False
            return True
        if n < LONG_SLICE or self.reason(tag) is not None or tag in self.grids or not self.fused[tag].worthwhile:
            return False
        return self._execute(TapeBlock([Cell(self.fused[tag], ())], n), k0, n, [-1])

    def run(
        self, planned: Planned, k0: int, n: int, reach: Mapping[str, int], wanted: Container[str], *, last: bool = False
    ) -> bool:
        """Run a block of the schedule; False where it is not for kernels. ``last``: whether the segment ends with it, and
        gradients.
        """
        block = self.layout.blocks.get(planned)
        if block is None:
            return all(tag in self.layout.feeds for tag in planned.tags)  # which run where they belong
        inside = set(planned.tags)
        keep = []
        for cell in block.cells:
            tag = cell.node.tag
            outside = tag in wanted or cell.node.takes or self.readers[tag] - inside
            keep.append(-1 if outside else reach[tag] + 1)
        if self._execute(block, k0, n, keep, last):
            return True
        for feed in (feed.node for cell in block.cells for feed in cell.feeds):
            self._catch_up(feed.tag)
            feed.trace.end = k0
            if feed.tag not in inside and not self.run_one(feed.tag, k0, n):
                feed.run(k0, n)
        return False

    def _execute(self, block: TapeBlock, k0: int, n: int, keep: Sequence[int], last: bool = False) -> bool:
        """Run a tape; False where it cannot run, this time or for good."""
        try:
            ended = block.run(k0, n, keep, last)
        except NotNow:
            return False
        except Untraceable as error:
            for cell in block.cells:
                self.reasons[cell.node.tag] = str(error)
            self.layouts.clear()
            blocks = {planned: None if b is block else b for planned, b in self.layout.blocks.items()}
            mine = {cell.node.tag for cell in block.cells}
            self.layout = Layout(blocks, {tag: target for tag, target in self.layout.feeds.items() if target not in mine})
            return False
        if ended:
            self.ended |= {cell.node.tag for cell in block.cells}
            self.behind = {tag: slot for tag, slot in self.behind.items() if self.nodes[tag] not in block.cells[0].behind}
        else:
            self.behind.update({node.tag: k0 + n - 1 for cell in block.cells for node in cell.behind})
        return True
