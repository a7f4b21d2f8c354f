"""Runs of kernels in processes and threads, their memory, and what autograd may do with them."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

import ship
from ship.engine.compiled.run.executor import Executor
from ship.engine.compiled.run.loop import Loop

DT = 1e-3
F64, F32 = torch.float64, torch.float32


def small(engine="fused", batch=4, steps=40, n=70, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=5)
    net.add(ship.LIF, "a", n=n, output=True, t_ref=2e-3)
    rng = np.random.default_rng(0)
    net.add(ship.ExpSynapse, "s", source="in", target="a", weight=torch.as_tensor(rng.integers(0, 32, (5, n)) / 16))
    net.add(ship.ExpSynapse, "r", source="a", target="a", weight=torch.as_tensor(rng.integers(-8, 8, (n, n)) / 64), delay=DT)
    net.add(ship.LeakyIntegrator, "out", n=n, output=True)
    net.add(ship.ExpSynapse, "o", source="a", target="out", weight=torch.as_tensor(rng.integers(-8, 8, (n, n)) / 16))
    net.init(dt=DT, dtype=F64, engine=engine, **options)
    x = torch.as_tensor((rng.random((batch, steps, 5)) < 0.4) * 1.0)
    return net, x


def learned(net, x):
    net.zero_grad()
    out = net.run(x)
    sum(o.sum() for o in out.values()).backward()
    assert float(out["a"].detach().sum()) > 10
    return [*(o.detach() for o in out.values()), *(p.grad.clone() for p in net.parameters())]


def test_threads_do_not_matter():
    """Neither torch's number of threads nor runs in several threads at once change a bit."""
    net, x = small(n=300)
    want = learned(net, x)
    before = torch.get_num_threads()
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert all(torch.equal(a, b) for a, b in zip(learned(net, x), want, strict=True))
    finally:
        torch.set_num_threads(before)
    results: dict[int, Any] = {}

    def work(i):
        results[i] = learned(*small(n=300))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert len(results) == 4
    for found in results.values():
        for a, b in zip(found, want, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


class Samples(torch.utils.data.IterableDataset):
    """A data set whose samples are simulated in the worker process."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        net, x = small(batch=1)
        with torch.no_grad():
            yield net.run(x)["out"]


def in_a_forked_worker():
    """Run a network, then the same one in a forked worker of a loader."""
    torch.set_num_threads(2)
    net, x = small(batch=1)
    with torch.no_grad():
        want = net.run(x)["out"]
    loader = torch.utils.data.DataLoader(Samples(), batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=200)
    assert torch.equal(next(iter(loader)), want)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker():
    """After its parent has used its kernels and threads. The parent is a process of its own: what other tests have loaded into
    this one (simulators with threads, interpreters) would be forked, too.
    """
    code = "import test_compiled_runs as t; t.in_a_forked_worker()"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def benches():
    return {id(o) for o in gc.get_objects() if issubclass(type(o), Executor)}


def test_memory_of_a_run_is_freed():
    """With the output, without the garbage collector: nothing holds it in a circle."""
    net, x = small()
    learned(net, x)
    gc.collect()
    before = benches()
    gc.disable()
    try:
        out = net.run(x)
        assert len(benches() - before) > 1
        refs = [weakref.ref(o) for o in out.values()]
        sum(o.sum() for o in out.values()).backward()
        del out
        assert [r() for r in refs] == [None, None]
        assert len(benches() - before) == 0
    finally:
        gc.enable()


def test_backward_twice():
    net, x = small()
    out = net.run(x)
    loss = sum(o.sum() for o in out.values())
    loss.backward(retain_graph=True)
    once = [p.grad.clone() for p in net.parameters()]
    loss.backward()
    for p, g in zip(net.parameters(), once, strict=True):
        assert torch.equal(p.grad, 2 * g)
    with pytest.raises(RuntimeError, match=r"second time|already been freed"):
        loss.backward()


def test_gradients_of_weights_keep_their_place():
    """Step after step in the same memory, but never in that of a gradient that somebody has."""
    net, x = small()
    weight = net["o"].weight

    def gradient(scale):
        net.zero_grad()
        (scale * net.run(x)["out"]).sum().backward()
        return weight.grad.data_ptr()

    first = gradient(1.0)
    assert gradient(1.0) == first
    row, before = weight.grad[0], weight.grad.clone()  # a view is enough
    second = gradient(2.0)
    assert second != first
    assert torch.equal(row, before[0])
    assert torch.equal(weight.grad, 2 * before)
    del row
    assert gradient(1.0) == second
    (net.run(x)["out"]).sum().backward()  # adds up
    assert torch.equal(weight.grad, 2 * before)


@pytest.mark.parametrize("how", ["hooks", "checkpoint"])
def test_what_autograd_keeps_may_come_back_elsewhere(how):
    net, x = small()

    def slopes(run):
        net.zero_grad()
        loss = sum(o.sum() for o in run().values())
        junk = [torch.full_like(x, math.nan) for _ in range(100)]  # where something was freed
        loss.backward()
        assert len(junk) == 100
        return [p.grad.clone() for p in net.parameters()]

    def elsewhere():
        if how == "checkpoint":
            return checkpoint(net.run, x, use_reentrant=False)
        with torch.autograd.graph.saved_tensors_hooks(torch.clone, lambda t: t):
            return net.run(x)

    for found, expected in zip(slopes(elsewhere), slopes(lambda: net.run(x)), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("what", ["output", "weight", "input"])
def test_what_the_gradient_needs_must_not_be_changed(what):
    """An error, or the right gradient, but never a wrong one."""
    net, x = small()
    learned(net, x)
    want = net["r"].weight.grad.clone()
    net.zero_grad()
    x = x.clone().requires_grad_()
    out = net.run(x)
    loss = sum(o.sum() for o in out.values())
    with torch.no_grad():
        if what == "output":
            out["a"].zero_()
        elif what == "weight":
            net["r"].weight.zero_()
        else:
            x.zero_()
    try:
        loss.backward()
    except RuntimeError as error:
        assert "inplace" in str(error)  # noqa: PT017
        return
    assert torch.equal(net["r"].weight.grad, want)


def test_without_gradients():
    net, x = small()
    want = net.run(x)
    with torch.no_grad():
        plain = net.run(x)
    with torch.inference_mode():
        quick = net.run(x)
    for tag, o in want.items():
        assert o.requires_grad
        assert not plain[tag].requires_grad
        assert torch.equal(o.detach(), plain[tag])
        assert torch.equal(plain[tag], quick[tag])
    again = learned(net, x)  # and nothing made in inference mode is used later
    assert torch.equal(again[0], plain["a"])


@pytest.mark.parametrize("synapse", [ship.ExpSynapse, ship.AlphaSynapse, ship.DoubleExpSynapse])
@pytest.mark.parametrize("loop", [False, True])
def test_gradcheck_of_smooth_networks(synapse, loop):
    """The gradient is that of the numbers: finite differences through weights, time constants and inputs."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.CurrentInput, "level", n=2)
    net.add(ship.LeakyIntegrator, "out", n=2, output=True, trainable=["tau"])
    net.add(ship.Link, "drive", source="level", target="out", gain=100.0)
    net.add(synapse, "s", source="in", target="out", delay=[0.0, DT], trainable=["weight"])
    if loop:
        net.add(ship.WeightedSum, "back", source="out", target="out", weight=torch.tensor([[3.0, -5.0], [2.0, 1.0]]), delay=DT)
    net.init(dt=DT, dtype=F64, engine="fused")
    spikes = torch.ones(2, 9, 2, dtype=F64)
    x = torch.rand(2, 9, 2, dtype=F64, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def run(weight, tau, x):
        return torch.func.functional_call(net, {"groups.s.weight": weight, "groups.out.tau": tau}, ({"in": spikes, "level": x},))

    weight, tau = (t.detach().clone().requires_grad_() for t in (net["s"].weight, net["out"].tau))
    assert torch.autograd.gradcheck(run, (weight, tau, x), eps=1e-7, atol=1e-5)
    assert all(net._sim.fusion.reasons[t] is None for t in ("s", "out"))


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("delays", [(5e-3, 3e-3), (2e-3, 0.0)], ids=["long slices", "short slices"])
def test_units_of_few_rows_are_spread_over_threads(monkeypatch, threads, delays):
    """Slice by slice, each part with its own list of spikes, also from the chunk before: whatever the threads, the reference."""
    monkeypatch.setattr("ship.engine.compiled.run.loop.WIDE_UNITS", 100)
    monkeypatch.setattr("ship.engine.compiled.run.loop.WIDE_SLOTS", 1)
    rng = np.random.default_rng(3)
    n = 700
    pre, post = rng.integers(0, n, 20 * n), rng.integers(0, n, 20 * n)
    own = torch.as_tensor(rng.integers(-3, 9, 20 * n) / 32)
    dense = torch.as_tensor((rng.random((n, n)) < 0.02) * rng.integers(-3, 9, (n, n)) / 32)
    x = torch.as_tensor((rng.random((1, 60, n)) < 0.1) * 1.0)

    def run(engine):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=n)
        net.add(ship.LIF, "a", n=n, output=True, t_ref=2e-3)
        net.add(ship.LIF, "b", n=n, output=True)
        net.add(ship.ImpulseSynapse, "in>a", source="in", target="a", weight=torch.eye(n) * 1.5)
        net.add(ship.ImpulseSynapse, "a>b", source="a", target="b", weight=own, connect=ship.Edges(pre, post), delay=delays[1])
        net.add(ship.ImpulseSynapse, "b>a", source="b", target="a", weight=dense, delay=delays[0])
        net.add(
            ship.ExpSynapse, "a>a", source="a", target="a", weight=own, connect=ship.Edges(post, pre), delay=delays[0], tau=4e-3
        )
        net.init(dt=DT, dtype=F64, engine=engine)
        with torch.no_grad():
            return net.run(x)

    slices, spread_out = [], Loop._wide
    monkeypatch.setattr(Loop, "_wide", lambda loop, *rest: (slices.append(loop.tape.slice), spread_out(loop, *rest)))
    want = run("reference")
    assert all(out.sum() > 100 for out in want.values())
    monkeypatch.setattr("ship.network.network.chunk_slots", lambda wiring, lead: 23)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for _ in range(3):
            found = run("fused")
            for tag, out in want.items():
                assert torch.equal(found[tag], out)
        assert len(slices) == 9
    finally:
        torch.set_num_threads(before)
