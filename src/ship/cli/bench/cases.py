"""What is measured: the name, the sizes and the number of steps of each case. Each kind of work is a function of that name in the
module of every side that can do it.
"""

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
        full: the sizes; times are in s.
        quick: the sizes that differ for a fast look.
        repeat: the number of rounds; in each, every side runs in turn.
        memory: whether memory is what the case is about.
        hours: the sides that would take hours at full size; they get a row that says so.
        readme: whether the table of the README has a line for the case.
    """

    name: str
    kind: str
    about: str
    full: Size
    quick: Size = field(default_factory=dict)
    repeat: int = 7
    memory: bool = False
    hours: tuple[str, ...] = ()
    readme: bool = True

    def size(self, quick: bool) -> dict[str, float]:
        """Return the sizes of a run, the small ones where a fast look is enough."""
        return {**self.full, **(self.quick if quick else {})}


def _lif(n: int, repeat: int) -> Case:
    size = {"n": n, "batch": 10, "steps": 500, "dt": 1e-3}
    return Case(f"lif-{n}", "lif", f"linear {n} to {n} and LIF, forward and backward", size, {"steps": 100}, repeat)


def _crossbar(name: str, kind: str, about: str, *, chips: int, n: int = 128, repeat: int = 5, **more: float) -> Case:
    size = {"chips": chips, "rows": n, "columns": n, **more}
    quick = {"chips": min(chips, 2), "rows": 32, "columns": 32}
    return Case(f"crossbar-{name}", f"crossbar_{kind}", about, size, quick, repeat, readme=False)


def _chips(name: str, about: str) -> Case:
    size = {"chips": 64, "n_in": 64, "n": 128, "n_out": 10, "batch": 8, "steps": 100, "dt": 1e-3, "activity": 0.05}
    return Case(f"chips-{name}", f"chips_{name}", about, size, {"chips": 4}, 5, readme=False)


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
        _crossbar("currents", "currents", "currents of one crossbar of 256 x 256, one input", chips=1, n=256),
        _crossbar("matrix", "matrix", "effective matrix of one crossbar of 256 x 256", chips=1, n=256, repeat=3),
        _crossbar("currents-chips", "currents", "currents of 64 crossbars of 128 x 128, one input each", chips=64, repeat=3),
        _crossbar("matrix-chips", "matrix", "effective matrices of 64 crossbars of 128 x 128", chips=64, repeat=3),
        _crossbar("approximate", "approximate", "the same, approximated, with 2 probes", chips=64, probes=2),
        _crossbar("unprobed", "approximate", "the same, approximated, without probes", chips=64, probes=0),
        _crossbar("currents-gradient", "currents_gradient", "currents of 4 of 128 x 128, with gradient", chips=4),
        _crossbar("matrix-gradient", "matrix_gradient", "effective matrices of 4, with gradient", chips=4, repeat=3),
        _chips("shared", "64 chips with one weight matrix, training step"),
        _chips("neurons", "the same where the neurons of each chip differ"),
        _chips("weights", "64 chips with a weight matrix each, training step"),
        _chips("devices", "64 chips with programmed devices each, inference"),
        Case(
            "pulses",
            "pulses",
            "784 spike trains to 100 LIF, pair STDP by pulses on pairs of devices (peer: the same on weights)",
            {"n_in": 784, "n": 100, "batch": 1, "steps": 350, "dt": 1e-3},
            {"steps": 20},
            5,
            readme=False,
        ),
        Case(
            "sweep",
            "sweep",
            "200 short runs of a network by a process for each core (peer: one after the other)",
            {"taus": 20, "seeds": 10, "n": 400, "steps": 50_000, "dt": 1e-3, "workers": 2},
            {"taus": 5, "seeds": 2, "steps": 100},
            1,
            readme=False,
        ),
    )
}


def choose(names: Sequence[str]) -> list[Case]:
    """Return cases by name; all of them where none is named.

    Raises:
        RunError: there is no such case.
    """
    for name in names:
        if name not in CASES:
            raise RunError("ship bench", f"no case named {name!r}", fix=suggest(name, CASES))
    return [CASES[name] for name in (names or CASES)]


def listing() -> str:
    """Return a paragraph for each case, for the help of the command: its name and what it is about."""
    return "\n\n".join(f"{case.name}: {case.about}" for case in CASES.values())
