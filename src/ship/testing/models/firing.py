"""What only shows where each port is driven alone, and where a neuron spikes: ports that act, rates, states after spikes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..bench import Bench, Drive, Runs, own
from ..networks import MODEL
from ..report import Outcome, judged, passed, skipped
from .time import REFINED, at_coarse_times, good, named_orders, orders_of

OUT = f"{MODEL}.output"
ENOUGH = 20  # spikes, from which on counts are compared
RATIO = 1.4  # between the counts at dt / 2 and dt / 4: a spike is late by at most a slot


def through(bench: Bench, ports: set[str]) -> Bench:
    """Return the bench with the input of these ports alone."""
    return replace(bench, drive={k: size if k in ports else Drive(0.0, 0.0) for k, size in bench.drive.items()})


def ports_act(bench: Bench) -> Outcome:
    """Check that what enters each port changes something, alone or beside the others."""
    ports = set(bench.drive)
    if not ports:
        return skipped("it has no ports")

    def found(chosen: set[str]) -> Runs:
        return own(through(bench, chosen).go(batch=1))

    none, everything = found(set()), found(ports)
    dead = sorted(p for p in ports if _same(found({p}), none) and _same(found(ports - {p}), everything))
    seen = f"nothing changes with {', '.join(dead)}" if dead else f"ports that act: {', '.join(sorted(ports))}"
    fix = "Use the input: impulses come to receive as `jump`, others as x.NAME; or pass parameters with which the port acts."
    return judged(not dead, seen, "what enters a port changes a state or the output", fix)


def _same(a: Runs, b: Runs) -> bool:
    return all(torch.equal(a[k], b[k]) for k in b)


def rate_is_of_no_slot(bench: Bench) -> Outcome:
    """Check that the number of spikes goes to a limit where slots become shorter."""
    if not bench.spiking or bench.noisy:
        return skipped("it does not spike" if not bench.spiking else "it draws noise")
    counts = []
    for refine in REFINED:
        net = bench.ready(refine=refine)
        x = bench.signals(net, refine=refine)
        counts.append(int(bench.run(net, x, batch=len(next(iter(x.values()), ())) or 1, steps=bench.steps * refine)[OUT].sum()))
    seen = f"{', '.join(map(str, counts))} spikes at dt, dt / 2, dt / 4"
    few, many = sorted(counts[-2:])
    if many < ENOUGH:
        return passed(seen, "as many spikes for shorter slots")
    fix = (
        "It spikes in every slot, or what a spike or a slot does depends on dt. Look at reset: is the state below threshold then?"
    )
    return judged(many <= RATIO * few, seen, "as many spikes for shorter slots", fix)


def relaxes_after_spikes(bench: Bench) -> Outcome:
    """Check that what spikes leave behind (adaptation, a raised threshold) falls with time, not with slots."""
    if not bench.spiking or bench.noisy:
        return skipped("it does not spike" if not bench.spiking else "it draws noise")
    runs, quiet = [], None
    for refine in REFINED:
        net = bench.ready()
        bench.run(net, bench.signals(net))
        x = bench.signals(net, refine=refine, still=True)
        run = bench.run(net, x, steps=bench.steps * refine, dt=bench.dt / refine, reset=False)
        silent = (run[OUT] == 0).all(1, keepdim=True)
        quiet = silent if quiet is None else quiet & silent
        runs.append(at_coarse_times(bench, own(run), refine, bench.steps))
    assert quiet is not None
    if not bool(quiet.any()):
        return skipped("it goes on spiking without input")
    orders = orders_of([{k: _only(v, quiet) for k, v in run.items()} for run in runs])
    fix = "What decays between spikes must depend on dt: return it from discretise, e.g. lost = -torch.expm1(-dt / p.tau)."
    return judged(good(orders), named_orders(orders), "order 1 or more", fix)


def _only(value: Tensor, quiet: Tensor) -> Tensor:
    """Return what units did that were silent, and 0 for others."""
    return torch.where(quiet.expand_as(value), value, torch.zeros_like(value))
