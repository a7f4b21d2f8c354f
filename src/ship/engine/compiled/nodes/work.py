"""Kernels on connections: one for each kind of line that connections are visited in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..kernels.kernel import compiled

# An input of the rule's program by number; "sum" of the changes; "batch", how many samples share them; others of `pulses`.
Key = int | str

# For each kind of line the axes along which an operand may differ and still be one number on the whole line.
LINES: dict[str, frozenset[str]] = {"row": frozenset({"pre"}), "column": frozenset({"post"}), "edges": frozenset()}


@dataclass(frozen=True, eq=False)
class Work:
    """A kernel on connections: its operands, and which of them it writes. It is printed for rows of connections, for columns or
    for edges: what is one number for a whole line is read once. It is compiled when it is first asked for.
    """

    keys: tuple[Key, ...]
    written: frozenset[Key]
    text: Callable[[str], str]
    made: dict[str, Any] = field(default_factory=dict)

    def kernel(self, line: str) -> int:
        """Return the address of the kernel for a ``"row"``, a ``"column"`` or ``"edges"``.

        Raises:
            Untraceable: it does not compile.
        """
        if line not in self.made:
            self.made[line] = compiled(self.text(line))
        return int(self.made[line].address)
