"""Programs, kernels and their folder: primitives against PyTorch, the exponential, threads, processes, memory."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

import ship
from ship.base.native import cache as compiled_texts
from ship.engine.compiled.emit import texts
from ship.engine.compiled.emit.numba import BLOCK_BYTES
from ship.engine.compiled.kernels.kernel import Kernel
from ship.engine.compiled.run.executor import Executor
from ship.engine.compiled.run.loop import Loop
from ship.engine.compiled.trace.program import Untraceable
from ship.engine.compiled.trace.recorder import trace

DT = 1e-3
F64, F32 = torch.float64, torch.float32


# -- primitives against PyTorch ------------------------------------------------------------------------------------------------


def compiled(function, inputs, dtype):
    """A pointwise function of vectors as a kernel: a function of tensors, and of a cotangent for its gradients."""
    kernel = Kernel(lambda s, x, p: ([function(*x)], []), (), inputs, 0, dtype)
    block = BLOCK_BYTES // dtype.itemsize

    def call(address, operands, rows, length):
        """One slot; each row is as long as all units."""
        for a in range(0, length, block):
            work = torch.zeros(operands + 1, block, dtype=dtype)
            table = torch.tensor([[row.data_ptr() + a * dtype.itemsize, 0] for row in rows])
            kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
            kind(address)(work.data_ptr(), min(block, length - a), 1, table.data_ptr())

    def forward(*x):
        out = torch.empty_like(x[0])
        call(kernel.forward, 0, [*x, out], len(out))
        return out

    def backward(cotangent, *x):
        grads = [torch.empty_like(v) for v in x]
        rows = [*x, torch.empty(0), cotangent, *grads]  # no states
        call(kernel.backward(tuple(range(inputs))), kernel.backward_operands, rows, len(cotangent))
        return grads

    return forward, backward


ODD = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 1.5, 1e-30, -1e-30, 1e30, -1e30]
# Groups of functions, each one kernel: what is written on the left is summed with nothing, all outputs are compared one by one.
ONE = {
    "abs neg": lambda x: -x.abs() - x,
    "exp": lambda x: torch.exp(x),
    "expm1": lambda x: torch.expm1(x),
    "log": lambda x: torch.log(x),
    "log1p": lambda x: torch.log1p(x),
    "sqrt": lambda x: torch.sqrt(x),
    "rsqrt": lambda x: torch.rsqrt(x),
    "sin": lambda x: torch.sin(x.clamp(-100, 100)),
    "cos": lambda x: torch.cos(x.clamp(-100, 100)),
    "tanh": lambda x: torch.tanh(x),
    "atan": lambda x: torch.atan(x),
    "erf": lambda x: torch.erf(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "floor ceil": lambda x: torch.floor(x) + 3 * torch.ceil(x),
    "powers": lambda x: x**2 + x**3 - x**-1 + (x.abs() + 1) ** 0.5 + (x.abs() + 1) ** -0.5 + x**1 + x**0,
    "powers below": lambda x: x**-2 + x**-3,
    "power": lambda x: x.abs() ** 1.7,
    "clamp": lambda x: x.clamp(-0.75, 1.25),
    "clamp one side": lambda x: x.clamp(min=-0.75) - x.clamp(max=0.25),
    "relu": lambda x: torch.relu(x),
    "sign": lambda x: torch.sign(x) * 1.0,
    "square": lambda x: torch.square(x),
    "reciprocal": lambda x: torch.reciprocal(x),
    "rsub": lambda x: torch.rsub(x, 2.0, alpha=3.0),
    "tests": lambda x: torch.isnan(x).to(x.dtype) + torch.isinf(x).to(x.dtype) * 2 + torch.isfinite(x).to(x.dtype) * 4,
    "fill": lambda x: x.masked_fill(x > 0.25, 7.0) + torch.zeros_like(x) + torch.ones_like(x) + torch.full_like(x, 3.0),
    "leaky": lambda x: torch.where(x >= 0, x, 0.1 * x),
    "boolean": lambda x: ((x > 0) & ~(x > 1) | (x == -1)).to(x.dtype) + ((x < 0) ^ (x <= -1)).to(x.dtype),
    "alpha": lambda x: torch.add(x, x, alpha=2.5) - torch.sub(x, x.abs(), alpha=0.5),
}
TWO = {
    "arithmetic": lambda x, y: (x + y) * (x - y) - x / y,
    "maximum": lambda x, y: torch.maximum(x, y),
    "minimum": lambda x, y: torch.minimum(x, y),
    "clamp by tensors": lambda x, y: x.clamp(min=y) + torch.clamp(x, max=2 * y),
    "compare": lambda x, y: sum(2**i * c.to(x.dtype) for i, c in enumerate((x < y, x <= y, x == y, x != y, x > y, x >= y))),
    "where": lambda x, y: torch.where(x > y, x, y),
    "atan2": lambda x, y: torch.atan2(x, y),
    "pow": lambda x, y: x.abs() ** y,
    "addcmul": lambda x, y: torch.addcmul(x, y.clamp(-8, 8), y.clamp(-8, 8), value=0.5),  # PyTorch may fuse: nothing may overflow
}


def operands(count, dtype):
    rng = np.random.default_rng(7)
    odd = torch.tensor(ODD, dtype=dtype)
    x = torch.cat([odd.repeat_interleave(len(odd)), torch.as_tensor(rng.standard_normal(600) * 3).to(dtype)])
    y = torch.cat([odd.repeat(len(odd)), torch.as_tensor(rng.standard_normal(600)).to(dtype)])
    return [x, y][:count]


@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_primitives_equal_those_of_torch(name, dtype):
    """Exact where PyTorch's result is, else to a few units in the last place; NaN, infinities and their gradients included."""
    function = {**ONE, **TWO}[name]
    x = operands(1 if name in ONE else 2, dtype)
    forward, backward = compiled(function, len(x), dtype)
    few = 16 * torch.finfo(dtype).eps
    torch.testing.assert_close(forward(*x), function(*x), rtol=few, atol=few * 1e-3, equal_nan=True)
    smooth = name not in ("tests", "sign", "floor ceil", "boolean", "compare")
    if smooth:
        given = [v.clone().requires_grad_() for v in x]
        cotangent = torch.linspace(-1, 1, len(x[0]), dtype=dtype)
        want = torch.autograd.grad(function(*given), given, cotangent)
        for a, b in zip(backward(cotangent, *x), want, strict=True):
            # 1 - tanh^2 keeps the rounding of tanh where it is close to 1.
            torch.testing.assert_close(a, b, rtol=8 * few, atol=few if name == "tanh" else few * 1e-3, equal_nan=True)


@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "units", "below"), [("exp", 1.5, 0.0), ("expm1", 2.5, -1.0)])
def test_exponentials(name, units, below, dtype):
    """To so many units in the last place of 50-digit arithmetic over the whole range, subnormal results to one step."""
    mpmath = pytest.importorskip("mpmath")
    low, high = (-746.0, 710.0) if dtype == F64 else (-104.5, 89.5)
    rng = np.random.default_rng(1)
    x = torch.as_tensor(
        np.concatenate(
            [rng.uniform(low, high, 3000), rng.uniform(-1, 1, 1500), rng.standard_normal(500) * 1e-6, [low, high, 0.0]]
        )
    ).to(dtype)
    edge = [709.782712893384, 88.72283905206835, -708.4, -745.13, -745.14, -87.34, -103.97, -103.98, 1e-320, -1e-320]
    x = torch.cat([x, torch.tensor(edge, dtype=dtype), torch.arange(-60, 60).to(dtype) * math.log(2) / 2])
    forward, _ = compiled(getattr(torch, name), 1, dtype)
    got = forward(x)
    info = torch.finfo(dtype)
    smallest = info.smallest_normal * info.eps
    with mpmath.workdps(50):
        for a, b in zip(x.tolist(), got.tolist(), strict=True):
            true = getattr(mpmath, name)(mpmath.mpf(a))
            if true > mpmath.mpf(info.max) * (1 + mpmath.mpf(info.eps) / 4):
                assert b == math.inf, a
                continue
            exponent = math.floor(mpmath.log(abs(true), 2)) if true else -2000
            unit = max(mpmath.mpf(2) ** exponent * info.eps, mpmath.mpf(smallest))
            assert abs(mpmath.mpf(b) - true) <= units * unit, (a, b, float(true))
    odd = torch.tensor([math.nan, math.inf, -math.inf, 1e30, -1e30, -0.0], dtype=dtype)
    limits = torch.tensor([math.nan, math.inf, below, math.inf, below, below + 1], dtype=dtype)
    torch.testing.assert_close(forward(odd), limits, equal_nan=True, rtol=0, atol=0)


def test_what_is_no_pointwise_program():
    calls = iter(range(9))
    cases = {
        "in place": lambda x: [x.clone().add_(1)],
        "float32": lambda x: [x.float().to(F64)],
        "not in the table": lambda x: [torch.rand_like(x) + x],
        "sum over units": lambda x: [x / x.sum()],
        "control flow": lambda x: [x if x[0] > 0 else -x],
        "no parameter": lambda x: [x * torch.tensor([1.0, 2.0, 3.0], dtype=F64)[: len(x)]],
        "differs from call to call": lambda x: [x * next(calls)],
    }
    for why, function in cases.items():
        with pytest.raises(Untraceable, match=why):
            trace(function, 1, F64)


# -- the folder ----------------------------------------------------------------------------------------------------------------

PROGRAM = """
import torch
from ship.engine.compiled.kernels.kernel import Kernel
assert Kernel(lambda s, x, p: ([x[0] * 0.3 + torch.exp(x[1])], []), (), 2, 0, torch.float32).forward
"""


def children(folder, count=1):
    """Processes that compile a kernel, at the same time."""
    env = os.environ | {"SHIP_CACHE": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error::UserWarning", "-c", PROGRAM]
    running = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(count)]
    for process in running:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err


def listing(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_several_processes_fill_a_folder_that_the_next_one_reads(tmp_path):
    """A process that finds everything compiled writes nothing. The folder is made, for the user alone."""
    folder = tmp_path / "deep" / "kernels"
    children(folder, 2)
    children(folder)  # where two wrote the same text at once, one of them may have compiled for nothing
    assert folder.stat().st_mode & 0o077 == 0
    before = listing(folder)
    assert any(name.endswith(".nbc") for name in before)
    assert not [name for name in before if name.endswith(".tmp")]
    children(folder)
    assert listing(folder) == before


@pytest.mark.skipif(os.name != "posix", reason="folders have modes")
@pytest.mark.parametrize("how", ["others can write", "others can read", "a file in the way", "another's"])
def test_a_folder_that_is_not_ours_alone_is_not_used(tmp_path, monkeypatch, how):
    """The kernel works all the same."""
    folder = tmp_path / "kernels"
    if how == "a file in the way":
        folder.write_text("a file")
        folder = folder / "below"
    else:
        folder.mkdir(mode=0o700)
    if how.startswith("others"):
        folder.chmod(0o722 if "write" in how else 0o755)
    monkeypatch.setenv("SHIP_CACHE", str(folder))
    if how == "another's":
        monkeypatch.setattr(os, "getuid", lambda: 12345678)
    compiled_texts._load.cache_clear()
    forward, _ = compiled(lambda x: x * 0.3 + 1, 1, F64)
    with pytest.warns(UserWarning, match="kernels are not kept"):
        found = forward(torch.ones(3, dtype=F64))
    assert found.tolist() == [1.3] * 3
    assert not folder.is_dir() or listing(folder) == {}


def test_kernels_are_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SHIP_CACHE", str(tmp_path / "here"))
    assert texts.folder() == tmp_path / "here"
    assert texts.private_folder() == tmp_path / "here"
    assert (texts.contents(), texts.clear()) == ([], 0)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "here")
    monkeypatch.setenv("SHIP_CACHE", str(link))
    with pytest.warns(UserWarning, match="kernels are not kept"):
        assert texts.private_folder() is None
    monkeypatch.delenv("SHIP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert texts.folder() == tmp_path / "xdg" / "ship"


# -- processes, threads, memory ------------------------------------------------------------------------------------------------


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
    """Simulates in the worker."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        net, x = small(batch=1)
        with torch.no_grad():
            yield net.run(x)["out"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker():
    """After the parent has used its kernels and its threads."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        net, x = small(batch=1)
        with torch.no_grad():
            want = net.run(x)["out"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loader = torch.utils.data.DataLoader(
                Samples(), batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=100
            )
            found = list(loader)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], want)


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
