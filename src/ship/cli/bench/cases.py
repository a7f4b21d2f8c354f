"""What is measured: names, sizes and step counts. Each kind of work is a function of that name on every side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...base.errors import RunError, suggest

Size = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """One line of the comparison.

    Args:
        name: what a user types.
        kind: the function that does the work, on every side.
        about: one line for people.
        full: sizes; times in s.
        quick: what differs for a fast look.
        repeat: rounds, each a run of every engine in turn.
        memory: whether memory is what the case is about.
        hours: sides that would take hours at full size: they get a row that says so.
    """

    name: str
    kind: str
    about: str
    full: Size
    quick: Size = field(default_factory=dict)
    repeat: int = 7
    memory: bool = False
    hours: tuple[str, ...] = ()

    def size(self, quick: bool) -> dict[str, float]:
        return {**self.full, **(self.quick if quick else {})}


def _lif(n: int, repeat: int) -> Case:
    size = {"n": n, "batch": 10, "steps": 500, "dt": 1e-3}
    return Case(f"lif-{n}", "lif", f"linear {n} to {n} and LIF, forward and backward", size, {"steps": 100}, repeat)


_RESERVOIR = {"n_in": 12, "n": 216, "n_out": 18, "batch": 16, "steps": 1000, "dt": 0.5e-3, "connectivity": 0.1}
_TAU = {"layers": 4, "n": 500, "batch": 1, "steps": 1000, "dt": 1e-3}

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        _lif(128, 15),
        _lif(512, 9),
        _lif(2048, 5),
        Case(
            "deep-sparse",
            "deep",
            "3 layers of 1000 LIF fed by spikes at 5 %, training step",
            {"n": 1000, "layers": 3, "batch": 64, "steps": 100, "dt": 1e-3, "activity": 0.05},
            {"batch": 16},
        ),
        Case("reservoir", "reservoir", "recurrent reservoir of 216 refractory LIF, inference", _RESERVOIR, {"steps": 200}),
        Case("reservoir-readout", "readout", "the same, training step of its readout", _RESERVOIR, {"steps": 200}, 5),
        Case("own-tau", "own_tau", "10^6 synapses, a time constant each, inference", _TAU, {"steps": 100}, 5),
        Case("equal-tau", "equal_tau", "10^6 synapses, one time constant, inference", _TAU, {"steps": 100}, 5),
        Case(
            "stdp",
            "stdp",
            "784 spike trains to 100 LIF, pair STDP on all weights, one run that learns",
            {"n_in": 784, "n": 100, "batch": 1, "steps": 1000, "dt": 1e-3},
            {"steps": 100},
            5,
        ),
        Case(
            "brunel",
            "brunel",
            "Brunel network (g 5, eta 2), 12,500 units, 1 s",
            {"n": 12_500, "steps": 10_000, "dt": 1e-4, "connectivity": 0.1},
            {"n": 1000, "steps": 1000},
            2,
            hours=("ship-reference",),
        ),
        Case(
            "memory-2048",
            "lif",
            "memory of training at 2048 units",
            {"n": 2048, "batch": 10, "steps": 500, "dt": 1e-3},
            {"steps": 100},
            1,
            memory=True,
        ),
    )
}


def choose(names: Sequence[str]) -> list[Case]:
    """Cases by name; all of them where none is named.

    Raises:
        RunError: there is no such case.
    """
    for name in names:
        if name not in CASES:
            raise RunError("ship bench", f"no case named {name!r}", fix=suggest(name, CASES))
    return [CASES[name] for name in (names or CASES)]
