"""Kernels for CUDA equal those for the CPU on the tapes that networks make: every model, fallbacks, and refusals."""

import importlib.util

import pytest
import torch

import ship
from ship.engine.compiled.kernels.kernel import Kernel
from ship.engine.compiled.run import cuda
from ship.engine.compiled.run.loop import Loop
from ship.engine.compiled.schedule import assemble
from ship.engine.compiled.tape import tape
from ship.engine.compiled.trace.program import Untraceable
from triton_tapes import (
    BATCH,
    CHIPS,
    DEVICE,
    DT,
    F32,
    F64,
    SLOTS,
    N,
    assert_equal,
    comparison,
    hand_made,
    largest_difference,
    leaky,
)


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
