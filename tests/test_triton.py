"""Kernels for CUDA equal those for the CPU: the same tapes, forward and backward.

The tapes are those that networks make. Without a GPU the kernels run in Triton's interpreter, on CPU tensors, in a process of
their own (Triton decides when it is imported); with one, the same tests run on it.
"""

import importlib.util
import inspect
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import ship
from ship.base.native import cache
from ship.engine.compiled.kernels.kernel import Kernel
from ship.engine.compiled.run import cuda
from ship.engine.compiled.run.loop import Loop
from ship.engine.compiled.run.single import Single
from ship.engine.compiled.schedule import assemble
from ship.engine.compiled.tape import tape
from ship.engine.compiled.trace.program import Untraceable

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
F32, F64 = torch.float32, torch.float64
DT = 1e-3
EVERY = 4  # slots between checkpoints here: the interpreter is slow
SLOTS = 2 * EVERY + 3  # two chunks and a part
N = cuda.BLOCK + 3  # a block and a part
CHIPS, BATCH = 2, 2

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the package triton")
on_device = pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="needs a CUDA device")
MARKS = [needs_triton, on_device, *([] if INTERPRETED else [pytest.mark.gpu])]


def comparison(test):
    """A test for the GPU, or for the interpreter."""
    for mark in MARKS:
        test = mark(test)
    return test


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr(cuda, "EVERY", EVERY)


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    """What Triton's interpreter lacks: the functions of libdevice. Infinite values on the way are no errors."""
    if not INTERPRETED:
        yield
        return
    import triton.language as tl
    from triton.language.extra import libdevice
    from triton.runtime.interpreter import TensorHandle

    def elementwise(function):
        def call(*args):
            data = function(*(a.handle.data for a in args)).astype(args[0].handle.data.dtype)
            return tl.tensor(TensorHandle(data, args[0].handle.dtype), args[0].type)

        return call

    found = {name: getattr(np, name) for name in ("cos", "expm1", "log", "log1p", "sin", "tanh")}
    found |= {"atan": np.arctan, "atan2": np.arctan2, "pow": np.power, "erf": lambda x: torch.erf(torch.as_tensor(x)).numpy()}
    for name, function in found.items():
        monkeypatch.setattr(libdevice, name, elementwise(function))
    with np.errstate(all="ignore"):
        yield


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="it is this run")
def test_in_the_interpreter():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "passed" in done.stdout


# -- how two runs are compared -------------------------------------------------------------------------------------------------


def outcome(which, arguments, lead, *, on_triton, needs=True):
    """Signals and final states of a tape, and the gradients of a weighted sum of them."""
    device = DEVICE if on_triton else "cpu"
    flags = [flag for step in which.steps for flag in step.kernel.flags]
    fixed = {len(flags) + len(arguments.signals) + step.go for step in which.steps if step.go >= 0}
    leaves = [t.detach().to(device).requires_grad_(needs) for part in arguments for t in part]
    for i in (*fixed, *(i for i, flag in enumerate(flags) if flag)):
        leaves[i].requires_grad_(False)
    parts = iter(leaves)
    given = tape.Arguments(*([next(parts) for _ in part] for part in arguments))
    result = tape.run(which, given, lead, 0, SLOTS, cuda.CudaScan if on_triton else Single)
    found = [*result.signals, *result.leave]
    if needs:
        generator = torch.Generator().manual_seed(0)
        weights = [torch.randn(t.shape, generator=generator, dtype=t.dtype).to(device) for t in found]
        for i, flag in enumerate(flags):
            if flag:
                weights[len(result.signals) + i].zero_()
        sum((w * t).sum() for w, t in zip(weights, found, strict=True)).backward()
    return [t.detach().cpu() for t in found], [None if t.grad is None else t.grad.cpu() for t in leaves]


def largest_difference(got, want):
    """Relative to the largest value."""
    assert got.shape == want.shape
    assert torch.isfinite(want).all()
    got, want = got.double(), want.double()
    return float((got - want).abs().max() / want.abs().max().clamp(min=1e-300)) if want.numel() else 0.0


def assert_equal(which, arguments, lead=(CHIPS, BATCH), needs=True):
    got, got_grads = outcome(which, arguments, lead, on_triton=True, needs=needs)
    want, want_grads = outcome(which, arguments, lead, on_triton=False, needs=needs)
    tolerance = 1e-12 if which.dtype == F64 else 1e-6
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert largest_difference(a, b) <= tolerance, f"signal or state {i}"
        if b.unique().numel() <= 2:
            assert torch.equal(a, b), "spikes"
    for i, (a, b) in enumerate(zip(got_grads, want_grads, strict=True)):
        assert (a is None) == (b is None), f"gradient {i}"
        # Sums over slots, chips, samples and units, in another order.
        if b is not None:
            assert largest_difference(a, b) <= (1e-12 if which.dtype == F64 else 2e-5), f"gradient {i}"
    return got, got_grads


def captured(monkeypatch, build, dtype=F64, chips=CHIPS):
    """The tapes of a run of a network, by the kernel's states: tape and arguments."""
    found = []

    def spy(which, given, lead, start, stop, *rest):
        if which.alone and stop - start == SLOTS:
            copies = tape.Arguments(*([t.detach().clone() for t in part] for part in given))
            found.append((which, copies, lead))
        return tape.run(which, given, lead, start, stop, *rest)

    monkeypatch.setattr(assemble, "run", spy)
    monkeypatch.setattr(assemble.TapeBlock, "executor", lambda block, tape: Loop)  # which is given sums that are done
    net = ship.Network()
    build(net)
    net.init(dt=DT, dtype=dtype, seed=1, chips=chips, engine="fused")
    generator = torch.Generator().manual_seed(1)
    given = {}
    for tag, rate in (("in", 0.3), ("level", None)):
        if tag in net.tags:
            x = torch.rand(BATCH, SLOTS, 3, generator=generator, dtype=dtype)
            given[tag] = x if rate is None else (x < rate).to(dtype)
    net.run(given)
    return found


def drive(net, model, **options):
    net.add(ship.SpikeInput, "in", n=3)
    net.add(model, "t", n=N, output=True, **options)


def neuron(model, **options):
    def build(net):
        drive(net, model, **options)
        net.add(ship.ImpulseSynapse, "jump", source="in", target="t")
        net.add(ship.ExpSynapse, "s", source="in", target="t", tau=ship.Varied(5e-3, d2d=0.1))

    return build


def adex(net):
    drive(net, ship.AdEx, t_ref=2e-3)
    net.add(ship.CurrentInput, "level", n=3)
    net.add(ship.WeightedSum, "push", source="level", target="t", port="current", weight=1e-9 * torch.rand(3, N))
    net.add(ship.ExpSynapse, "s", source="in", target="t", port="exc", weight=1e-11 * torch.rand(3, N))


def synapse(model, **options):
    def build(net):
        drive(net, ship.LeakyIntegrator)
        net.add(model, "s", source="in", target="t", **options)

    return build


MODELS = {
    "LIF": neuron(ship.LIF, tau=ship.Varied(20e-3, d2d=0.2)),
    "LIF dead": neuron(ship.LIF, t_ref=2e-3, v_reset=-0.25, tau=torch.linspace(5e-3, 30e-3, N)),
    "LIF dead by unit": neuron(ship.LIF, t_ref=torch.arange(N) % 4 * DT),
    "LIF after": neuron(ship.LIF, emit_order="after", t_ref=2e-3),
    "NoisyLIF": neuron(ship.NoisyLIF, sigma=0.3, v_th=ship.Varied(0.5, d2d=0.1)),
    "LeakyIntegrator": neuron(ship.LeakyIntegrator, v_rest=0.125),
    "AdEx": adex,
    "ExpSynapse": synapse(ship.ExpSynapse, tau=ship.Varied(5e-3, d2d=0.1)),
    "ExpSynapse exact": synapse(ship.ExpSynapse, drive="exact"),
    "AlphaSynapse": synapse(ship.AlphaSynapse),
    "DoubleExpSynapse": synapse(ship.DoubleExpSynapse, tau=torch.linspace(5e-3, 30e-3, N)),
}


BOTH = [(name, F64) for name in MODELS] + [(name, F32) for name in ("LIF dead", "NoisyLIF", "AdEx", "AlphaSynapse")]


@comparison
@pytest.mark.parametrize(("name", "dtype"), BOTH, ids=lambda value: str(value).removeprefix("torch."))
def test_models(name, dtype, monkeypatch):
    tapes = captured(monkeypatch, MODELS[name], dtype)
    assert tapes
    which, arguments, lead = tapes[-1] if not name.endswith(("Synapse", "exact")) else tapes[0]
    assert len(arguments.entry) >= 1
    got, grads = assert_equal(which, arguments, lead)
    assert any(g is not None and g.abs().max() > 0 for g in grads)
    if "LIF" in name:
        rate = float(got[0].mean())
        assert 0.01 < rate < 0.5, "silent or saturated: the comparison says little"


# -- tapes by hand -------------------------------------------------------------------------------------------------------------


def leaky(state, x, constants):
    """A state that counts slots, one that decays and takes two inputs if there is a slot to advance over, a product as output."""
    decay, scale, go = constants
    moved = torch.where(go != 0, state[0] * decay + x[0], state[0])
    return [moved * scale + x[1]], [moved, state[1] + 1]


def hand_made(kernel, lags, shapes, constants, *, go=2, n=N, signals=(0, 1), dtype=F64):
    """A tape of one step. ``shapes``: of the external signals; ``signals``: which one each operand reads, None for none."""
    generator = torch.Generator().manual_seed(2)
    operands = tuple(() if q is None else (tape.OperandSource(q, lag, n),) for q, lag in zip(signals, lags, strict=True))
    outs = tuple(range(len(shapes), len(shapes) + kernel.outputs))
    given = [tape.Signal(n, True) for _ in shapes] + [tape.Signal(n, False) for _ in outs]
    which = tape.Tape((tape.TapeStep(kernel, n, operands, outs, go),), tuple(given), dtype, DT)
    entry = [torch.rand(CHIPS, BATCH, n, generator=generator, dtype=dtype) for _ in range(kernel.states)]
    external = [torch.rand(shape, generator=generator, dtype=dtype) for shape in shapes]
    return which, tape.Arguments(entry, external, constants, [])


def slots_of(which, arguments):
    """`leaky` slot by slot in plain PyTorch, as DESIGN's semantics of lags and of the first slot say."""
    state, outs = [*arguments.entry], []
    decay, scale, go = arguments.constants
    for t in range(SLOTS):
        x = []
        for sources in which.steps[0].operands:
            value = torch.zeros(CHIPS, BATCH, N, dtype=F64)
            for s in sources:
                signal = arguments.signals[s.signal]
                if 0 <= t - s.lag < len(signal):
                    value = signal[t - s.lag].expand(CHIPS, BATCH, N)
            x.append(value)
        out, state = leaky(state, x, [decay, scale, go if t == 0 else torch.ones(())])
        outs += out
    return torch.stack(outs), state


CONSTANTS = {
    "scalar": [torch.tensor(0.8), torch.tensor(2.0)],
    "unit": [torch.linspace(0.5, 0.9, N), torch.linspace(1.0, 2.0, N)],
    "chip": [torch.tensor([0.7, 0.8]).reshape(2, 1, 1), torch.rand(2, 1, N)],
    "sample": [torch.rand(1, 2, N), torch.rand(2, 2, 1)],
}


@comparison
@pytest.mark.parametrize(("lags", "go"), [((0, 0), 1.0), ((1, 0), 0.0), ((1, 3), 1.0)])
@pytest.mark.parametrize("constants", CONSTANTS)
def test_lags_first_slot_and_broadcasting(lags, go, constants):
    shapes = [(SLOTS - lags[0], CHIPS, 1, N), (SLOTS - lags[1], 1, BATCH, 1)]
    values = [*(c.double() for c in CONSTANTS[constants]), torch.tensor(go, dtype=F64)]
    which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), lags, shapes, values)
    (out, *state), grads = assert_equal(which, arguments)
    want, want_state = slots_of(which, arguments)
    assert largest_difference(out, want) <= 1e-14
    assert all(largest_difference(a, b) <= 1e-14 for a, b in zip(state, want_state, strict=True))
    given = [t for part in arguments for t in part]
    assert all(g is None or g.shape == t.shape for g, t in zip(grads, given, strict=True))


@comparison
@pytest.mark.parametrize("slots", [SLOTS + 2, SLOTS - 3, 1])
def test_signals_longer_and_shorter_than_the_run(slots):
    which, arguments = hand_made(
        Kernel(leaky, (False, False), 2, 3, F64),
        (1, 0),
        [(slots, 1, 1, N)] * 2,
        [torch.tensor(x).double() for x in (0.8, 2.0, 1.0)],
    )
    (out, *_), _ = assert_equal(which, arguments)
    assert largest_difference(out, slots_of(which, arguments)[0]) <= 1e-14


@comparison
@pytest.mark.parametrize("signals", [(0, 0), (None, 0), (None, None)])
def test_one_signal_for_two_operands_and_operands_of_nothing(signals):
    shapes = [(SLOTS, CHIPS, BATCH, N)] if 0 in signals else []
    constants = [torch.tensor(x).double() for x in (0.8, 2.0, 1.0)]
    which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), (0, 1), shapes, constants, signals=signals)
    assert_equal(which, arguments)


@comparison
def test_without_gradients_and_in_chunks_of_the_default_length(monkeypatch):
    monkeypatch.setattr(cuda, "EVERY", tape.EVERY)
    constants = [torch.tensor(x).double() for x in (0.8, 2.0, 0.0)]
    for needs in (False, True):
        which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), (1, 0), [(SLOTS, 1, 1, 3)] * 2, constants, n=3)
        assert_equal(which, arguments, needs=needs)


@comparison
def test_large_strides_and_views():
    """A signal as runs hand it over, rows side by side in time, and a slice of wider units."""
    constants = [torch.tensor(x).double() for x in (0.8, 2.0, 1.0)]
    which, arguments = hand_made(Kernel(leaky, (False, False), 2, 3, F64), (0, 0), [(SLOTS, CHIPS, BATCH, N)] * 2, constants)
    turned = torch.rand(CHIPS, BATCH, SLOTS, 2 * N, dtype=F64).permute(2, 0, 1, 3)
    arguments.signals[:] = [turned[..., ::2], turned[..., N:]]
    assert_equal(which, arguments)


# -- the op table --------------------------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.3, -0.7, 2.5, -3.5, 1e-3, 700.0, -700.0, 1e30, float("inf"), -float("inf"), float("nan")]
UNARY = {
    "neg": torch.neg,
    "abs": torch.abs,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "atan": torch.atan,
    "erf": torch.erf,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "sin": lambda x: torch.sin(x.clamp(-10, 10)),
    "cos": lambda x: torch.cos(x.clamp(-10, 10)),
    "sigmoid": torch.sigmoid,
    "not": lambda x: (~(x > 0)).to(x.dtype),
    "sign": torch.sign,
    "bool": lambda x: torch.where((x > 0) | (x < -2), x != 1, x == -1).to(x.dtype),
    "literals": lambda x: torch.where(x > 0.1, torch.full_like(x, 0.1), torch.full_like(x, -torch.inf)),
}
BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "pow": torch.pow,
    "atan2": torch.atan2,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "gt": lambda a, b: (a > b).to(a.dtype),
    "ge": lambda a, b: (a >= b).to(a.dtype),
    "lt": lambda a, b: (a < b).to(a.dtype),
    "le": lambda a, b: (a <= b).to(a.dtype),
    "eq": lambda a, b: (a == b).to(a.dtype),
    "ne": lambda a, b: (a != b).to(a.dtype),
    "and": lambda a, b: ((a > 0) & (b > 0)).to(a.dtype),
    "xor": lambda a, b: ((a > 0) ^ (b > 0)).to(a.dtype),
}
CLOSE = {
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "tanh",
    "atan",
    "erf",
    "sin",
    "cos",
    "sigmoid",
    "pow",
    "atan2",
}  # PyTorch's square root is one off in float32


def every_operation(dtype):
    def function(state, x, constants):
        a, b = x
        return [*(f(a) for f in UNARY.values()), *(f(a, b) for f in BINARY.values())], []

    return Kernel(function, (), 2, 0, dtype)


@comparison
@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
def test_operations(dtype):
    """Against PyTorch, infinities and NaN included; 4 units in the last place where a function is not exact."""
    kernel = every_operation(dtype)
    count = len(SPECIAL)
    a = torch.tensor(SPECIAL, dtype=dtype).reshape(count, 1, 1, 1)
    b = torch.tensor(SPECIAL, dtype=dtype)
    which, _ = hand_made(kernel, (0, 0), [(1, 1, 1, count)] * 2, [], go=-1, n=count, dtype=dtype)
    given = tape.Arguments([], [a.to(DEVICE), b.reshape(1, 1, 1, count).expand(count, 1, 1, count).to(DEVICE)], [], [])
    result = tape.run(which, given, (1, 1), 0, count, cuda.CudaScan)
    a, b = a.flatten()[:, None].expand(count, count), b.expand(count, count)
    want = [*(f(a) for f in UNARY.values()), *(f(a, b) for f in BINARY.values())]
    for name, x, y in zip([*UNARY, *BINARY], result.signals, want, strict=True):
        x = x.cpu().reshape(count, count)
        tolerance = 4 * torch.finfo(dtype).eps if name in CLOSE else 0.0
        torch.testing.assert_close(x, y, rtol=tolerance, atol=0.0, equal_nan=True, msg=lambda text, name=name: f"{name}: {text}")
        if name in ("neg", "mul"):
            assert torch.equal(torch.signbit(x[~y.isnan()]), torch.signbit(y[~y.isnan()]))


@comparison
@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
def test_exp_has_the_bits_of_the_cpu(dtype):
    kernel = Kernel(lambda s, x, p: ([torch.exp(x[0])], []), (), 1, 0, dtype)
    which, arguments = hand_made(kernel, (0,), [(SLOTS, CHIPS, BATCH, N)], [], go=-1, signals=(0,), dtype=dtype)
    arguments.signals[0].sub_(0.5).mul_(180.0)
    cpu = tape.run(which, arguments, (CHIPS, BATCH), 0, SLOTS, Single).signals[0]
    moved = tape.Arguments([], [arguments.signals[0].to(DEVICE)], [], [])
    assert torch.equal(tape.run(which, moved, (CHIPS, BATCH), 0, SLOTS, cuda.CudaScan).signals[0].cpu(), cpu)


# -- networks ------------------------------------------------------------------------------------------------------------------


@comparison
def test_a_network_with_fallbacks(monkeypatch):
    """Feed-forward groups run as kernels, a loop, a pre side and plastic synapses do not; outputs and gradients are those of the
    reference engine.
    """
    monkeypatch.setattr(assemble.TapeBlock, "executor", lambda block, tape: cuda.CudaScan)
    weights = [torch.rand(3, 4, generator=torch.Generator().manual_seed(i), dtype=F64) for i in range(3)]
    found = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LIF, "a", n=4, t_ref=2e-3, trainable=True)
        net.add(ship.LIF, "b", n=4)
        net.add(ship.LeakyIntegrator, "out", n=4, output=True)
        net.add(ship.ExpSynapse, "in>a", source="in", target="a", weight=weights[0], trainable=True)
        net.add(ship.ExpSynapse, "a>b", source="a", target="b", weight=weights[1].new_ones(4, 4), side="pre", trainable=True)
        net.add(ship.ImpulseSynapse, "b>b", source="b", target="b", weight=0.1 * torch.eye(4), delay=2 * DT)
        net.add(ship.ExpSynapse, "b>out", source="b", target="out", weight=weights[2].new_ones(4, 4), trainable=True)
        net.init(dt=DT, dtype=F64, seed=0, engine=engine)
        if DEVICE == "cuda" and engine == "fused":
            net.to(DEVICE)
        net.monitor("a", "v")
        x = (torch.rand(BATCH, 30, 3, generator=torch.Generator().manual_seed(5)) < 0.4).to(F64)
        out = net.run(x.to(next(net.parameters()).device))
        out.pow(2).sum().backward()
        found.append([out.detach().cpu(), net.records["a"].v.cpu(), *(p.grad.cpu() for p in net.parameters())])
    reasons = net._sim.fusion.reasons
    assert [tag for tag in ("in>a", "a", "b>out", "out") if reasons[tag] is not None] == []
    assert all("outside of loops" in reasons[tag] for tag in ("b", "a>b"))
    assert found[0][0].abs().max() > 0
    for got, want in zip(found[1], found[0], strict=True):
        assert largest_difference(got, want) <= 1e-9


# -- without a GPU and without the interpreter ---------------------------------------------------------------------------------


def test_refusals():
    device = torch.device
    assert cuda.refusal(device("cpu"), "connection") is None
    assert cuda.refusal(device("mps"), "post") == "no kernels for mps"
    if importlib.util.find_spec("triton") is None:
        assert cuda.refusal(device("cuda"), "post") == "kernels for cuda need the package triton"
        return
    assert cuda.refusal(device("cuda"), "post") is None
    assert "every connection" in cuda.refusal(device("cuda"), "connection")


def test_groups_that_act_on_themselves_are_refused():
    kernel = Kernel(leaky, (False, False), 2, 3, F64)
    which, arguments = hand_made(kernel, (0, 0), [(SLOTS, 1, 1, N)], [torch.tensor(1.0)] * 3, signals=(0, 0))
    step = which.steps[0]
    back = step._replace(operands=(step.operands[0], (tape.OperandSource(step.outs[0], 1, N),)))
    with pytest.raises(Untraceable, match="outside of loops"):
        tape.run(tape.Tape((back,), which.signals, F64, DT), arguments, (CHIPS, BATCH), 0, SLOTS, cuda.CudaScan)


def machine_code(kernel, wanted):
    """Of the Triton kernel of one step, as text and as binary."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler import compile as translate

    made = cuda.compiled(tape.TapeStep(kernel, N, ((),) * kernel.inputs, (), kernel.constants - 1), wanted)
    pointer = "*fp32" if kernel.dtype == F32 else "*fp64"
    kinds = {p.name: "constexpr" if p.is_constexpr else p.annotation_type or pointer for p in made.params}
    fixed = {(i,): True for i, p in enumerate(made.params) if p.is_constexpr}
    source = ASTSource(made, signature=kinds, constexprs=fixed)
    return translate(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": False}).asm


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled in the interpreter")
@pytest.mark.parametrize("dtype", [F64, F32], ids=["float64", "float32"])
def test_kernels_compile_without_a_gpu(dtype):
    """Down to machine code, every operation of the table; what is not a function of libdevice neither contracts products with
    sums nor approximates.
    """

    def plain(state, x, constants):
        outs, after = leaky(state, x, constants)
        return [torch.exp(outs[0]) / state[1], torch.sqrt(outs[0])], after

    def everything(state, x, constants):
        outs, after = leaky(state, x, constants)
        return [outs[0] * f(x[0]) for f in UNARY.values()] + [f(*x) for f in BINARY.values()], after

    assert machine_code(Kernel(everything, (False, False), 2, 3, dtype), None)["cubin"]
    kernel = Kernel(plain, (False, False), 2, 3, dtype)
    for wanted in (None, kernel.wanted((True, True), (True, True, False))):
        made = machine_code(kernel, wanted)
        assert made["cubin"]
        assert not re.search(r"\bfma\.|\.approx|\.ftz", made["ptx"])


def test_texts_are_kept_where_only_the_user_writes(tmp_path, monkeypatch):
    """A kernel's text lies in the private folder; where there is none, it is found all the same."""
    for folder, private in (("own", True), ("open", False)):
        path = tmp_path / folder
        path.mkdir(mode=0o700)
        path.chmod(0o700 if private else 0o777)
        monkeypatch.setenv("SHIP_CACHE", str(path))
        cache._load.cache_clear()
        text = f"def function():\n    return {folder!r}\n"
        if private:
            names = cache.load("scan", text)
        else:
            with pytest.warns(UserWarning, match="kernels are not kept"):
                names = cache.load("scan", text)
        assert inspect.getsource(names["function"]) == text
        assert len(list(path.iterdir())) == int(private)
    cache._load.cache_clear()
