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
from ...reference.block import GroupByGroup, RunsBlock
from ...reference.connection import ConnectionNode
from ...reference.neuron import NeuronNode
from ...reference.node import Node
from ...reference.plastic import learns
from ..nodes import grid
from ..nodes.cell import Cell, NodeSide
from ..trace.program import NotNow, Untraceable
from .assemble import Standing, TapeBlock, outputs_only

LONG_SLICE = 8  # slots from which on a kernel is worth its call
ENGINES = ("auto", "reference", "fused")


def choose_engine(where: str, engine: str) -> str:
    """Return the engine that serves, ``reference`` or ``fused``.

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

    blocks: dict[Planned, RunsBlock]
    feeds: dict[str, str]  # the connections that are part of another group's kernel, and whose


class WithNeighbour:
    """A block whose groups are part of the kernel of another block, and run with that."""

    def run(self, k0: int, n: int, last: bool = False) -> None:
        """Do nothing: it is done elsewhere."""


class AsTape:
    """A block that runs as a tape, or group by group where that cannot serve."""

    def __init__(self, partition: Partition, planned: Planned, tape: TapeBlock) -> None:
        self.partition, self.planned, self.tape = partition, planned, tape

    def run(self, k0: int, n: int, last: bool = False) -> None:
        """Run slots ``k0 .. k0 + n - 1``; ``last`` says whether the segment ends with them, and gradients."""
        if self.partition.execute(self.tape, k0, n, self._kept(), last):
            return
        for feed in (feed.node for cell in self.tape.cells for feed in cell.feeds):
            self.partition.catch_up(feed.tag)
            feed.trace.end = k0
            if feed.tag not in self.planned.tags:
                self.partition.run_group(feed.tag, k0, n)
        self.partition.group_by_group(self.planned).run(k0, n, last)

    def _kept(self) -> list[int]:
        """For each cell how many of the last slots others will read; -1 for all."""
        inside, partition, kept = set(self.planned.tags), self.partition, []
        for cell in self.tape.cells:
            tag = cell.node.tag
            outside = tag in partition.wanted or cell.node.takes or partition.readers[tag] - inside
            kept.append(-1 if outside else partition.reach[tag] + 1)
        return kept


class Partition:
    """Decides how each block of the schedule runs: as kernels where it can."""

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
        self.standing: dict[str, Standing] = {}  # of groups that are behind or ahead of what reference nodes would have done
        self.wanted: Container[str] = ()  # the groups whose outputs are read from outside
        self.reach: Mapping[str, int] = {}  # for each group how many past slots someone still reads
        self.transformed = False  # whether tensors are those of `torch.func`, without memory that a kernel could work on

    def begin(self, plan: Schedule, wanted: Container[str], reach: Mapping[str, int]) -> Mapping[Planned, RunsBlock]:
        """Start a segment.

        Args:
            plan: the schedule.
            wanted: the groups whose outputs are read from outside.
            reach: for each group how many past slots someone still reads.

        Returns:
            What runs each block; an entry changes where a kernel turns out not to serve.
        """
        self.standing.clear()
        self.wanted, self.reach = wanted, reach
        for fused in self.fused.values():
            for structure in fused.structures.values():
                structure.forget()
        self.transformed = torch._C._are_functorch_transforms_active()
        if self.transformed:
            self.layout = Layout({planned: self.group_by_group(planned) for planned in plan.blocks}, {})
            return self.layout.blocks
        watched = frozenset(tag for tag, node in self.nodes.items() if node.takes or tag in wanted)
        key = (plan.blocks, plan.inserted, watched)
        if key not in self.layouts:
            self.layouts[key] = self._layout(plan.blocks, watched)
        self.layout = self.layouts[key]
        return self.layout.blocks

    def finish(self, steps: int) -> None:
        """Do what is left to do after the last slot of a segment of so many slots."""
        for tag in list(self.standing):
            self.catch_up(tag)
        for tag, node in self.nodes.items():
            if not self.standing.get(tag, Standing()).ended:
                node.finish(steps)

    def catch_up(self, tag: str) -> None:
        """Let a group that is behind act in its slot."""
        slot = self.standing.get(tag, Standing()).behind
        if slot is not None:
            del self.standing[tag]
            node = self.nodes[tag]
            node.trace.end = slot
            node.run(slot, 1)

    def describe(self, blocks: Sequence[Planned]) -> dict[str, str]:
        """Say how each group runs, in words; nodes must have begun a segment."""
        said = {}
        layout = self._layout(blocks, frozenset())
        for planned in blocks:
            whole = isinstance(layout.blocks[planned], AsTape)
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
        """Say why a group stays with the reference engine; None for a kernel. Its node must have begun a segment."""
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
        watched |= {tag for tag, node in self.nodes.items() if node.tapped}
        feeds = {tag: target for tag in kernels - watched if (target := self._fed_by(tag)) is not None and target in kernels}
        joined = {}
        for target in set(feeds.values()):
            joined[target] = Cell(self.fused[target], [self.fused[tag] for tag in self.nodes if feeds.get(tag) == target])
            try:
                joined[target].build(False)
            except Untraceable:  # together, though not alone
                del joined[target]
                feeds = {tag: other for tag, other in feeds.items() if other != target}
        made: dict[Planned, RunsBlock] = {}
        for planned in blocks:
            tags = [tag for tag in planned.tags if tag not in feeds]
            cells = [joined.get(tag) or Cell(self.fused[tag], ()) for tag in tags]
            plain = len(cells) == 1 and not cells[0].feeds and planned.length is None and not cells[0].main.worthwhile
            if not cells:
                made[planned] = WithNeighbour()
            elif whole[planned] and not plain:
                made[planned] = AsTape(self, planned, TapeBlock(cells, planned.length))
            else:
                made[planned] = self.group_by_group(planned)
        return Layout(made, feeds)

    def group_by_group(self, planned: Planned) -> GroupByGroup:
        """Return what runs a block that is not one tape."""
        return GroupByGroup(planned, self.run_group)

    def _fed_by(self, tag: str) -> str | None:
        """Return the neuron that a connection feeds, unit by unit, and nothing else; None where there is none."""
        node = self.nodes[tag]
        if not isinstance(node, ConnectionNode) or learns(node) or node.group.side not in ("post", "unit"):
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

    def run_group(self, tag: str, k0: int, n: int) -> None:
        """Run one group of a block that is not one tape: as a kernel, or its reference node."""
        if self.transformed or not (self._run_grid(tag, k0, n) or self._run_tape(tag, k0, n)):
            self.nodes[tag].run(k0, n)

    def _run_grid(self, tag: str, k0: int, n: int) -> bool:
        """Run a group connection by connection, where it has such a kernel; return whether it has."""
        node = self.nodes[tag]
        if self.reason(tag) is not None or tag not in self.grids or not outputs_only(node):
            return False
        assert isinstance(node, ConnectionNode)
        try:
            grid.run(node, self.grids[tag], k0, n)
        except Untraceable as error:
            self.reasons[tag] = str(error)
            return False
        return True

    def _run_tape(self, tag: str, k0: int, n: int) -> bool:
        """Run a group as a tape of its own, where that is worth it; return whether it is."""
        if n < LONG_SLICE or self.reason(tag) is not None or tag in self.grids or not self.fused[tag].worthwhile:
            return False
        return self.execute(TapeBlock([Cell(self.fused[tag], ())], n), k0, n, [-1])

    def execute(self, block: TapeBlock, k0: int, n: int, kept: Sequence[int], last: bool = False) -> bool:
        """Run a tape; return False where it cannot run, this time or for good."""
        try:
            self.standing.update(block.run(k0, n, kept, last))
        except NotNow:
            return False
        except Untraceable as error:
            self._give_up(block, str(error))
            return False
        return True

    def _give_up(self, block: TapeBlock, why: str) -> None:
        """Let the groups of a tape run with the reference engine from now on, and its feeds by themselves."""
        mine = {cell.node.tag for cell in block.cells}
        self.reasons.update(dict.fromkeys(mine, why))
        self.layouts.clear()
        feeds, blocks = self.layout.feeds, self.layout.blocks
        for tag in [tag for tag, target in feeds.items() if target in mine]:
            del feeds[tag]
        for planned, runs in blocks.items():
            joined = isinstance(runs, WithNeighbour) and all(tag in feeds for tag in planned.tags)
            if not joined and not (isinstance(runs, AsTape) and runs.tape is not block):
                blocks[planned] = self.group_by_group(planned)
