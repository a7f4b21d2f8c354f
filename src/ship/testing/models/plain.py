"""What a model declares, whether it responds at all, and whether its functions are pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

import torch

from ...base.parameters import Parameter, Varied, declared
from ...groups.describe import describe
from ...models.contract import Model
from ...network.network import Network
from ..bench import BATCH, Bench, named, nominal
from ..compare import worst_gap
from ..networks import MODEL
from ..report import Outcome, failed, judged, passed, skipped
from ..spy import Spy, kept_on

ROLES = {
    "time constant": ("s",),
    "refractory time": ("s",),
    "pulse width": ("s",),
    "delay": ("s",),
    "capacitance": ("F", ""),  # without unit: a ratio
    "resistance": ("ohm", ""),
    "reversal potential": ("V",),
}
PREFIXED = re.compile(r"(?:[munpfkMG]|μ|µ|c)(?:s|V|A|F|S|Hz|ohm|Ohm|Ω|W|J|m|K)(?:$|[/^*· ])")


def declarations(cls: type) -> tuple[int, list[str]]:
    """Return how many parameters a class declares, and what is wrong with its declarations, in words."""
    found = []
    if not dataclasses.is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        found.append("the class is no frozen dataclass (write @dataclass(frozen=True) above it)")
    parameters, options = declared(cls)
    for f in dataclasses.fields(cls):
        if f.name not in parameters and f.name not in options and f.metadata.get("ship") is None and f.name not in IGNORED:
            found.append(f"{f.name} is neither declared with ship.param nor with ship.option")
    for name, p in parameters.items():
        found += [f"{name}: {text}" for text in wrong_with(p)]
    for name, option in options.items():
        if option.choices is not None and option.default not in option.choices:
            found.append(f"the default of {name} is not among its choices")
    for name, state in zip(getattr(cls.states, "_fields", ()), cls.states, strict=True) if hasattr(cls, "states") else ():
        for what, value in (("initial value", state.initial), ("least", state.least), ("most", state.most)):
            if isinstance(value, str) and value not in parameters and value not in WINDOW:
                found.append(f"the {what} of the state {name} is {value!r}, which is no parameter")
        if PREFIXED.match(state.unit):
            found.append(f"the unit of the state {name} is {state.unit}, not SI")
    if not (cls.__doc__ or "").strip() or (cls.__doc__ or "").startswith(f"{cls.__name__}("):
        found.append("it has no docstring")
    return len(parameters), found


IGNORED = ("origins",)
WINDOW = ("g_min", "g_max")  # of the device that a part belongs to


def wrong_with(p: Parameter) -> list[str]:
    """Return what is wrong with the declaration of one parameter, in words."""
    found = []
    value = nominal(p)
    if value is not None and not p.all_inside(torch.tensor([value], dtype=torch.float64)):
        found.append(f"its default {value:g} {p.unit} breaks its own limits ({p.rule})")
    if PREFIXED.match(p.unit):
        found.append(f"its unit is {p.unit}, not SI (1 ms is written 1e-3 with the unit s)")
    wanted = ROLES.get(p.role)
    if wanted and p.unit not in wanted:
        found.append(f"its role is {p.role}, its unit {p.unit or 'none'} in the place of {wanted[0]}")
    low = [x for x in (p.above, p.least) if x is not None]
    high = [x for x in (p.below, p.most) if x is not None]
    if low and high and max(low) >= min(high):
        found.append("its lower limit is not below its upper one")
    if isinstance(p.default, Varied) and value is None:
        found.append("the nominal value of its spread is no number")
    return found


def declared_well(bench: Bench) -> Outcome:
    """Check the declarations of a model."""
    return declaration_outcome(bench.model)


def declaration_outcome(cls: type) -> Outcome:
    """Check the declarations of a class: units, limits, defaults, states; a model is also described."""
    count, wrong = declarations(cls)
    if issubclass(cls, Model):
        describe(cls)
    should = "SI units, defaults inside their limits, frozen"
    return judged(not wrong, "; ".join(wrong) or f"parameters declared: {count}", should, "Mend the declarations that are named.")


def responds(bench: Bench) -> Outcome:
    """Check that something happens when there is an input, and that a spiking neuron spikes."""
    net = bench.ready()
    still = bench.run(net, bench.signals(net, still=True), batch=1)
    busy = bench.run(net, bench.signals(net), batch=1)
    output = busy[f"{MODEL}.output"]
    sizes = ", ".join(f"{name} {size.strong:.3g}" for name, size in bench.drive.items())
    fix = "Pass drive={port: size} with a size in the port's unit that makes it respond, or a dt= that fits it" + (
        f" (tried: {sizes})." if sizes else "."
    )
    if bench.spiking:
        spikes = int(output.sum())
        fix = f"No size of input from 1e-6 to 1e6 times the usual one made it spike. {fix}" if not spikes else fix
        return judged(spikes > 0, f"{spikes} spikes", "spikes under a strong input", f"It did not respond to its input. {fix}")
    moved = [named(k) for k, v in busy.items() if v.numel() and not torch.equal(v[:1], still[k][:1].expand_as(v[:1]))]
    if not moved and not net.specs[MODEL].model.ports and bool((output != 0).any()):  # a source that nothing drives
        return passed(f"mean output {float(output.mean()):.3g}")
    seen = "moves " + ", ".join(moved) if moved else "did not respond to its input: output and states are what they are without"
    return judged(bool(moved), seen, "output or a state moves under its input", fix)


def pure(bench: Bench) -> Outcome:
    """Check that no function changes its arguments."""
    net = bench.ready()
    spy = Spy()
    spy.watch(net[MODEL].model)
    bench.run(net, bench.signals(net, steps=40), steps=40, batch=2)
    seen = "; ".join(f"{name} changed {label} in place" for name, label in spy.changed.items())
    fix = "Return new tensors: torch.where(...), state._replace(...); no +=, no x[...] = y, no functions that end in _."
    return judged(not seen, seen or f"{len(spy.calls)} calls, no argument changed", "arguments stay what they are", fix)


def nothing_hidden(bench: Bench) -> Outcome:
    """Check that nothing is kept on the class or the instance while it runs."""
    net = bench.ready()
    return kept_outcome(net[MODEL].model, lambda: used(bench, net))


def used(bench: Bench, net: Network) -> Iterator[None]:
    """Run a network without and then with its input, and stop after each."""
    for still in (True, False):
        bench.run(net, bench.signals(net, steps=40, still=still), steps=40, batch=2)
        yield


def kept_outcome(model: object, use: Callable[[], Iterator[None]]) -> Outcome:
    """Check that what is kept on a model and its classes is the same after each step of its use."""
    before, changed = kept_on(model), []
    for _ in use():
        after = kept_on(model)
        changed += [k for k in after if (k not in before or after[k] != before[k]) and k not in changed]
    fix = "Keep it as a state (ship.State): the network then resets it, saves it, and gives each sample and chip its own."
    return judged(not changed, ", ".join(changed) + " changed" if changed else "nothing kept", "no state outside the states", fix)


def starts_over(bench: Bench) -> Outcome:
    """Check that a run from the initial states repeats itself to the last bit."""
    net = bench.ready()
    x = bench.signals(net)
    first = bench.run(net, x, batch=BATCH)
    bench.run(net, bench.signals(net, still=True), batch=BATCH)  # something else in between
    second = bench.run(net, x, batch=BATCH)
    size, name = worst_gap(second, first)
    fix = "Something outlives the reset: a tensor kept in a closure, on the class or in a module, or torch's own random numbers."
    return judged(size == 0, _said(size, name), "run after run the same bits", fix)


def _said(size: float, name: str) -> str:
    return "the same bits" if size == 0 else f"{named(name)} differs by {size:.2g} of its largest value"


def parameters_from_p(bench: Bench) -> Outcome:
    """Check that functions read parameters from ``p``: units that differ are each what a group of such units is."""
    spread = bench.varied()
    if not spread:
        return skipped("no parameter is well inside its limits")
    net = bench.ready(n=4, calm=True, values=spread)
    steps = min(bench.calm_steps or bench.steps, 40)
    x = {k: v[..., :1].expand_as(v) if v.shape[-1] == 4 else v for k, v in bench.signals(net, batch=1, steps=steps).items()}
    together = bench.run(net, x, batch=1, steps=steps)
    if bench.noisy:
        return passed("runs with its own value in each unit (its noise keeps units from being compared)")
    drawn = {name: net[MODEL].value(name).reshape(-1) for name in spread}
    for unit in range(4):
        mine = {k: float(v[unit % v.numel()]) for k, v in drawn.items()}
        alone = bench.ready(n=4, calm=True, values=mine)
        found = bench.run(alone, x, batch=1, steps=steps)
        size, name = worst_gap({k: v[..., unit] for k, v in found.items()}, {k: v[..., unit] for k, v in together.items()})
        if size > 1e-9:
            fix = "Read every parameter from p (p.tau, not self.tau), and let no function mix units (no mean, no sum over units)."
            return failed(
                f"{named(name)} of a unit among others differs by {size:.2g} from that of such units alone",
                "a unit with its own parameters behaves as they say",
                fix,
            )
    return passed("4 units with their own parameters", "a unit with its own parameters behaves as they say")
