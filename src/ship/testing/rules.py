"""A learning rule on the bench: a plastic synapse whose spikes on both sides are given, and the checks that only rules have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..base.parameters import declared
from ..models import LIF, CurrentInput, ExpSynapse, LeakyIntegrator, Link, SpikeInput
from ..models.contract import Rule
from ..network.network import Network
from .bench import BATCH, UNITS, Bench, nominal
from .compare import worst_gap
from .models import plain
from .networks import INPUT, MODEL, TARGET, learns_without_spikes, modulator
from .report import Outcome, failed, judged, skipped
from .spy import Spy

PRE, FORCE = 2, "force"  # units before the synapse; the tag of what makes the target spike
ABOVE = 20.0  # the threshold of the target, in units of the largest weight: only what is forced makes it spike
WEIGHT = f"{MODEL}.weight"


@dataclass(frozen=True)
class RuleBench(Bench):
    """A rule with its settings on the bench: ``model`` is the rule's class."""

    def network(self, n: int = UNITS, *, calm: bool = False, values: Mapping[str, Any] | None = None) -> Network:
        cls = self.model
        assert issubclass(cls, Rule)
        rule = cls(**{**self.options, **self.values, **(values or {})})
        low, high = (nominal(self.parameters[k]) for k in ("w_min", "w_max"))
        low = 0.0 if low is None or not math.isfinite(low) else low
        high = low + 1.0 if high is None or not math.isfinite(high) else high
        part = np.random.default_rng(self.seed).uniform(0.35, 0.65, (n, PRE)).T
        threshold = ABOVE * max(abs(low), abs(high))
        net, quiet = Network(), learns_without_spikes(cls)
        net.add(SpikeInput, INPUT, n=PRE)
        if quiet:
            net.add(CurrentInput, FORCE, n=n)
            net.add(LeakyIntegrator, TARGET, n=n)
        else:
            net.add(SpikeInput, FORCE, n=n)
            net.add(LIF, TARGET, n=n, v_th=threshold)
        net.add(Link, f"{FORCE}_link", source=FORCE, target=TARGET, gain=10.0 if quiet else 2 * threshold)
        weight = low + (high - low) * part
        net.add(ExpSynapse, MODEL, source=INPUT, target=TARGET, weight=weight, rule=rule, modulator=modulator(net, cls))
        return net


def rule_of(net: Network) -> Rule:
    """Return the rule of the plastic synapse of a bench."""
    rule = net[MODEL].spec.rule
    assert rule is not None
    return rule


def declared_well(bench: Bench) -> Outcome:
    """Check the declarations of a rule: also that each state says which side has it."""
    outcome = plain.declaration_outcome(bench.model)
    states = bench.model.states
    loose = [k for k, s in zip(states._fields, states, strict=True) if s.on == "unit"] if states else []
    if outcome.verdict == "pass" and loose:
        fix = 'Write ship.State(0.0, on="pre"), on="post" or on="connection".'
        return failed(f"the states {', '.join(loose)} say no side", "each state is of a side", fix)
    return outcome


def learns(bench: Bench) -> Outcome:
    """Check that spikes on both sides change weights."""
    found = bench.go()
    weight = found[WEIGHT]
    changed = float((weight[:, -1] - weight[:, 0]).abs().max())
    fix = "It did not respond to its input: return a change of weight for pairs of spikes (x.pre, x.post and traces of them)."
    good = not math.isnan(changed) and changed > 0
    return judged(good, f"largest change {changed:.3g} V" if good else "no weight changed", "spikes change weights", fix)


def pure(bench: Bench) -> Outcome:
    """Check that ``update`` changes none of its arguments."""
    net = bench.ready()
    spy = Spy()
    spy.watch(rule_of(net))
    bench.run(net, bench.signals(net, steps=32), steps=32, batch=2)
    seen = "; ".join(f"{name} changed {label} in place" for name, label in spy.changed.items())
    fix = "Return new tensors: the change of weight and the new traces; no +=, no functions that end in _."
    return judged(not seen, seen or f"{len(spy.calls)} calls, no argument changed", "arguments stay what they are", fix)


def nothing_hidden(bench: Bench) -> Outcome:
    """Check that nothing is kept on the rule or its class."""
    net = bench.ready()
    return plain.kept_outcome(rule_of(net), lambda: plain.used(bench, net))


def silent_without_spikes(bench: Bench) -> Outcome:
    """Check that weights stay what they are where neither side spikes."""
    if not bench.asked.get("silent", True) or learns_without_spikes(bench.model):  # type: ignore[arg-type]
        return skipped("it changes weights without spikes, as it says")
    net = bench.ready()
    weight = bench.run(net, bench.signals(net, batch=1, still=True), batch=1)[WEIGHT]
    changed = float((weight - weight[:, :1]).abs().max())
    fix = "Multiply each term by x.pre or x.post; where the rule changes weights in silence by intention, pass silent=False."
    return judged(changed == 0, f"largest change {changed:.3g} V", "no change without spikes", fix)


def changes_are_sound(bench: Bench) -> Outcome:
    """Check that changes are finite, and that weights stay within ``[w_min, w_max]``."""
    net = bench.ready()
    spy = Spy()
    spy.watch(rule_of(net))
    x = bench.signals(net, steps=4 * bench.steps)
    weight = bench.run(net, {k: v.clamp(max=1.0) for k, v in x.items()}, batch=BATCH, steps=4 * bench.steps)[WEIGHT]
    changes = [call.result[0] for call in spy.calls if call.name == "update"]
    if not all(bool(torch.isfinite(change).all()) for change in changes) or not bool(torch.isfinite(weight).all()):
        return failed("a change is not a number", "finite changes", "Look for a division by a trace or a weight that can be 0.")
    low, high = net[MODEL].value("rule.w_min"), net[MODEL].value("rule.w_max")
    if bool((weight < low).any()) or bool((weight > high).any()):
        text = f"weights from {float(weight.min()):.6g} to {float(weight.max()):.6g} V"
        fix = "Return the change, and leave the weight alone: w is an argument, not a place to write to."
        return failed(text, f"from {float(low.min()):g} to {float(high.max()):g} V", fix)
    room = high - low
    largest = max(float((c.abs() / room).max()) for c in changes)
    seen = f"{len(changes)} updates, the largest {largest:.2g} of the range"
    fix = "Scale the change to the range w_max - w_min: one slot may not cross it."
    reads = bool(bench.model.reads)  # type: ignore[attr-defined]  # in the voltages of the bench, not those it is made for
    return judged(largest <= 1.0 or reads, seen, "finite, within [w_min, w_max], no slot crosses the range", fix)


def states_on_their_sides(bench: Bench) -> Outcome:
    """Check that ``update`` returns a change for each connection, and each state with the shape of its side."""
    net = bench.ready()
    spy, rule = Spy(), rule_of(net)
    spy.watch(rule)
    bench.run(net, bench.signals(net, steps=16), steps=16, batch=2)
    change, states = spy.calls[-1].result
    sides = {"pre": (PRE, 1), "post": (1, UNITS), "connection": (PRE, UNITS)}
    wrong = []
    if any(a not in (1, b) for a, b in zip(change.shape[-2:], (PRE, UNITS), strict=True)):
        wrong.append(f"the change has shape {list(change.shape[-2:])} for {PRE} x {UNITS} connections")
    for name, state, value in zip(rule.states._fields, rule.states, states, strict=True) if rule.states else ():
        shape = tuple(value.shape[-2:])
        if state.on in sides and any(a not in (1, b) for a, b in zip(shape, sides[state.on], strict=True)):
            wrong.append(f'{name} (on="{state.on}") has shape {list(shape)}')
    fix = 'A trace of x.pre is on="pre", one of x.post on="post", and what has both in it on="connection".'
    return judged(not wrong, "; ".join(wrong) or "shapes as declared", "[pre, 1], [1, post] or [pre, post], by side", fix)


def batch_is_reduced_as_said(bench: Bench) -> Outcome:
    """Check that copies of one sample change weights as one does (mean), or so many times in the first slot (sum)."""
    found = {}
    for reduce, batch in (("mean", 1), ("mean", 3), ("sum", 3)):
        own = replace(bench, options=dict(bench.options) | {"reduce": reduce, "per_sample": False})
        net = own.ready()
        x = {k: v[:1].expand(batch, -1, -1) for k, v in own.signals(net, batch=1).items()}
        weight = own.run(net, x, batch=batch)[WEIGHT]
        found[reduce, batch] = weight[:1]
    one, mean, total = found.values()
    size, _ = worst_gap({"w": mean}, {"w": one})
    first = next((k for k in range(one.shape[1]) if bool((one[:, k] != one[:, 0]).any())), None)
    fix = "update may sum or average over no leading axis: the engine adds the samples up as reduce= says."
    should = "3 copies: as one (mean), three times its first change (sum)"
    if size > 1e-12 or first is None:
        return judged(first is None, f"the mean over 3 copies is off by {size:.2g}", should, fix)
    single, triple = one[:, first] - one[:, 0], total[:, first] - total[:, 0]
    inside = (total[:, first] > net[MODEL].value("rule.w_min")) & (total[:, first] < net[MODEL].value("rule.w_max"))
    allowed = 1e-9 * float(single.abs().max()) + 1e-15 * float(one.abs().max())  # weights are rounded
    off = float(((triple - 3 * single).abs() * inside).max())
    return judged(off <= allowed, f"off by {off:.2g} V", should, fix)


def settings_of(rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the options that a rule was made with."""
    parameters, options = declared(type(rule))
    return {k: getattr(rule, k) for k in parameters}, {k: getattr(rule, k) for k in options}
