"""Every model is pure and traces to pointwise operations: what a fused engine will print kernels from.

The functions of each model run under `make_fx`, forward and backward (`torch.func.vjp`), on real parameters and states. The graph
may hold pointwise operations only: nothing in place, nothing that reads a value into Python.
"""

import pytest
import torch
from torch.func import vjp
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

import ship
from ship.base.parameters.bag import Bag
from ship.models.contract import Connection, Neuron

# sum and view: gradients of what broadcasts.
POINTWISE = {
    "isnan",
    "_to_copy",
    "abs",
    "add",
    "alias",
    "atan",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clone",
    "cos",
    "detach",
    "div",
    "eq",
    "erf",
    "exp",
    "expand",
    "expm1",
    "full",
    "full_like",
    "ge",
    "gt",
    "isfinite",
    "isinf",
    "le",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "new_zeros",
    "ones",
    "ones_like",
    "pow",
    "reciprocal",
    "rsub",
    "scalar_tensor",
    "sgn",
    "sigmoid",
    "sigmoid_backward",
    "sign",
    "sin",
    "sqrt",
    "squeeze",
    "sub",
    "sum",
    "tanh",
    "tanh_backward",
    "to",
    "unsqueeze",
    "view",
    "where",
    "zeros",
    "zeros_like",
}


def network(model, **options):
    """One group of the model between an input and a neuron."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.CurrentInput, "level", n=3)
    neuron = issubclass(model, Neuron)
    net.add(model if neuron else ship.LIF, "t", n=3, **(options if neuron else {"t_ref": 2e-3}))
    if model is ship.AdEx:
        net.add(ship.Link, "in>t", source="level", target="t", port="exc")
    elif not neuron and not model.accepts:
        net.add(model, "s", target="t", **options)
        net.add(ship.ExpSynapse, "in>s", source="in", target="s")
    elif not neuron:
        net.add(model, "s", source="in", target="t", **options)
    net.init(dt=1e-3, dtype=torch.float64)
    net.run({"in": torch.ones(2, 3, 3), "level": torch.ones(2, 3, 3)})
    node = net._sim.nodes["t" if neuron else "s"]
    node.begin(1e-3, net._sim.clock)
    return node


def functions(node):
    """Yield name, function of (state, inputs, parameters, coefficients) and example inputs for a node's model."""
    model, size = node.group.model, (1, 2, 3)
    if node.group.spec.rule is not None:
        x = {"pre": torch.ones(1, 2, 3, 1, dtype=torch.float64), "post": torch.ones(1, 2, 1, 3, dtype=torch.float64)}
        rule, w = node.group.spec.rule, node.weight
        yield "update", lambda s, x, p, c: rule.update(s, Bag(x), w, Bag(p), c), x, node.rule_state, node.rule_p, node.rule_c
    if isinstance(model, Neuron):
        jump = {"jump": torch.full(size, 0.3, dtype=torch.float64)}
        yield "emit", lambda s, x, p, c: model.emit(s, x["jump"], Bag(p), c), jump, node.state, node.p, node.c
        names = [k for k, port in model.ports.items() if port.kind != "events"] + list(model.noise)
        flows = {name: torch.full(size, 0.2, dtype=torch.float64) for name in names}
        yield "advance", lambda s, x, p, c: model.advance(s, Bag(x), Bag(p), c), flows, node.state, node.p, node.c
        return
    names = list(model.ports) or ["value"]
    shape = (
        (1, 2, 3, 1)
        if node.group.side == "connection" and not model.weighted
        else ((1, 2, 3, 3) if node.group.side == "connection" else size)
    )
    x = {name: torch.ones(shape, dtype=torch.float64) for name in names}
    if node.group.side == "connection" and model.weighted:
        x["arrival"] = torch.ones(1, 2, 3, 1, dtype=torch.float64)

    def step(s, x, p, c):
        return model.step(model.receive(s, Bag(x), Bag(p), c), Bag(x), Bag(p), c)

    yield "step", step, x, node.state, node.p, node.c


MODELS = [
    (ship.LIF, {"t_ref": 2e-3}),
    (ship.LIF, {}),
    (ship.LIF, {"emit_order": "after", "t_ref": 1e-3, "surrogate": ship.ATan()}),
    (ship.NoisyLIF, {"t_ref": 2e-3}),
    (ship.LeakyIntegrator, {}),
    (ship.AdEx, {"t_ref": 2e-3}),
    (ship.ExpSynapse, {}),
    (ship.ExpSynapse, {"side": "pre"}),
    (ship.ExpSynapse, {"side": "connection", "drive": "exact"}),
    (ship.DoubleExpSynapse, {}),
    (ship.AlphaSynapse, {}),
    (ship.WeightedSum, {"bias": 1.0}),
    (ship.ImpulseSynapse, {}),
    (ship.Link, {}),
    (ship.VolatileMemristor, {}),
    (ship.TsodyksMarkram, {"tau_fac": 0.1}),
    (ship.TsodyksMarkram, {"side": "connection"}),
    (ship.DelayedSynapse, {"lag": 1.3e-3}),
    (ship.Dendrite, {"v_sat": 0.1}),
    (ship.ExpSynapse, {"weight": 0.5, "rule": ship.PairSTDP()}),
]


@pytest.mark.parametrize(
    ("model", "options"), MODELS, ids=lambda v: v.__name__ if isinstance(v, type) else "-".join(map(str, v)) or "default"
)
def test_model_traces_to_pointwise_operations(model, options):
    node = network(model, **options)
    assert isinstance(node.group.model, Neuron | Connection)
    for name, function, x, state, p, c in functions(node):
        tensors = {k: v.detach().clone() for k, v in vars(p).items()}
        leaves, tree = tree_flatten((state, x, tensors, c))
        smooth = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]

        def flat(*given, tree=tree, function=function, leaves=tuple(leaves), smooth=smooth):
            whole = list(leaves)
            for i, tensor in zip(smooth, given, strict=True):
                whole[i] = tensor
            return tuple(
                t for t in tree_flatten(function(*tree_unflatten(whole, tree)))[0] if t is not None and t.is_floating_point()
            )

        def backward(*given, flat=flat):
            out, pull = vjp(flat, *given)
            return pull(tuple(torch.ones_like(o) for o in out))

        leaves = [leaves[i].detach().clone() for i in smooth]
        before = [leaf.clone() for leaf in leaves]
        want = flat(*leaves)
        assert all(torch.equal(a, b) for a, b in zip(before, leaves, strict=True)), "a model must not change its arguments"
        for traced, direct in ((make_fx(flat)(*leaves), flat), (make_fx(backward)(*leaves), backward)):
            targets = [n.target for n in traced.graph.nodes if n.op == "call_function"]
            used = {t._schema.name.split("::")[1] for t in targets}
            assert used <= POINTWISE, f"{name}: {sorted(used - POINTWISE)}"
            assert not [t for t in targets if t._schema.is_mutable]
            got = traced(*leaves)
            for a, b in zip(got, direct(*leaves), strict=True):
                assert torch.allclose(a, b, rtol=1e-12, atol=0, equal_nan=True)
        assert want
