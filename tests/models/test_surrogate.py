"""Surrogate gradients: an exact step forward, the stated formula backward, traceable to pointwise operations."""

import math
from dataclasses import FrozenInstanceError

import pytest
import torch
from scipy import integrate
from torch.fx.experimental.proxy_tensor import make_fx

from ship.base.errors import ParameterError
from ship.models.surrogate import SURROGATES, Gaussian, MultiGaussian, Rectangle, Sigmoid, Surrogate, Tanh, Triangle

D = torch.float64
EDGE = [0.0, 0.25, 0.5, 1.0, 3.0]  # with the default widths, the corners of Rectangle (0.5) and Triangle (1.0) are among these
GRID = torch.cat([torch.linspace(-4, 4, 401, dtype=D), torch.tensor([-v for v in EDGE] + EDGE, dtype=D)])
FAR = torch.tensor([-1e6, 1e6], dtype=D)
every = pytest.mark.parametrize("spike", [c() for c in SURROGATES.values()], ids=list(SURROGATES))

# The pseudo-derivatives once more, from their papers, at default parameters.
FORMULA = {
    "ATan": lambda x: 1 / (1 + (math.pi * x) ** 2),
    "Exponential": lambda x: math.exp(-abs(x) / 0.5),
    "FastSigmoid": lambda x: 1 / (10 * abs(x) + 1) ** 2,
    "Gaussian": lambda x: math.exp(-2 * x * x) * math.sqrt(2 / math.pi),
    "LeakyReLU": lambda x: 1.0 if x >= 0 else 0.1,
    "MultiGaussian": lambda x: (
        1.15 * math.sqrt(2 / math.pi) * math.exp(-2 * x * x)
        - 0.15 / (3 * math.sqrt(2 * math.pi)) * (math.exp(-((x - 0.5) ** 2) / 18) + math.exp(-((x + 0.5) ** 2) / 18))
    ),
    "Rectangle": lambda x: 1.0 if abs(x) < 0.5 else 0.0,
    "Sigmoid": lambda x: 1 / math.cosh(min(2 * abs(x), 300)) ** 2,  # a s (1 - s) = a / 4 sech^2(a x / 2), a = 4
    "SquaredSoftsign": lambda x: (1 + 4 * x * x) ** -1.5,
    "StraightThrough": lambda x: 1.0,
    "Tanh": lambda x: 1 / math.cosh(min(2 * abs(x), 300)) ** 2,
    "Triangle": lambda x: 0.3 * max(0.0, 1 - abs(x)),
}


def slope(spike, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(spike(x).sum(), x)[0]


def test_table():
    assert len(SURROGATES) >= 10
    assert set(FORMULA) == set(SURROGATES)
    assert all(issubclass(c, Surrogate) and c.__name__ == name and c.__doc__ for name, c in SURROGATES.items())
    with pytest.raises(TypeError, match="abstract"):
        Surrogate()


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_forward_is_exactly_a_step(spike, dtype):
    x = torch.cat([GRID, FAR, torch.tensor([1e-30, -1e-30], dtype=D)]).to(dtype)
    s = spike(x)
    assert s.dtype == dtype
    assert torch.equal(s, torch.where(x < 0, 0.0, 1.0).to(dtype))  # at threshold (and at -0.0) it spikes
    assert 0 < s.sum() < len(s)


@every
def test_backward_is_the_formula(spike):
    x = torch.cat([GRID, FAR])
    want = torch.tensor([FORMULA[type(spike).__name__](v) for v in x.tolist()], dtype=D)
    assert want[200] > 0  # the grid has 0 at 200, where no surrogate may be flat
    torch.testing.assert_close(spike.derivative(x), want, rtol=0, atol=1e-12)
    torch.testing.assert_close(slope(spike, x), want, rtol=0, atol=1e-12)


@every
def test_backward_multiplies_the_incoming_gradient(spike):
    x, g = GRID.clone().requires_grad_(), torch.linspace(-2, 3, len(GRID), dtype=D)
    (got,) = torch.autograd.grad(spike(x), x, g)
    torch.testing.assert_close(got, spike.derivative(GRID) * g, rtol=0, atol=1e-12)


@every
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # PyTorch's own
def test_transforms_of_functions(spike):
    """Forward mode, and a batch of gradients."""
    tangent = torch.linspace(-2, 3, len(GRID), dtype=D)
    value, moved = torch.func.jvp(spike, (GRID,), (tangent,))
    assert torch.equal(value, spike(GRID))
    torch.testing.assert_close(moved, spike.derivative(GRID) * tangent, rtol=0, atol=1e-12)
    each = torch.func.vmap(torch.func.grad(lambda x: spike(x) * 3.0))(GRID)
    torch.testing.assert_close(each, 3 * spike.derivative(GRID), rtol=0, atol=1e-12)


@every
def test_float32_far_away(spike):
    x = torch.tensor([-1e6, -1e3, 1e3, 1e6], dtype=torch.float32)
    got = slope(spike, x)
    assert torch.isfinite(got).all()
    torch.testing.assert_close(got, spike.derivative(x), rtol=1e-4, atol=1e-7)


@every
def test_not_a_number_stays_visible(spike):
    assert torch.isnan(spike(torch.tensor([math.nan]))).all()


@every
def test_second_order_is_finite(spike):
    x = GRID.clone().requires_grad_()
    (first,) = torch.autograd.grad((spike(x) ** 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first**2).sum(), x, allow_unused=True, materialize_grads=True)
    assert torch.isfinite(second).all()


@every
def test_traces_to_pointwise_operations(spike):
    def backward(x, g):
        value, pull = torch.func.vjp(spike, x)
        return value, pull(g)[0]

    g = torch.linspace(1, 2, len(GRID), dtype=D)
    graph = make_fx(backward)(GRID, g)
    value, got = graph(GRID, g)
    assert torch.equal(value, spike(GRID))
    torch.testing.assert_close(got, g * spike.derivative(GRID), rtol=0, atol=1e-12)
    calls = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    assert calls
    assert all(isinstance(call, torch._ops.OpOverload) and call.namespace == "aten" for call in calls)
    creating = ("detach", "_to_copy", "zeros_like", "ones_like", "full_like", "scalar_tensor", "alias", "copy", "lift_fresh_copy")
    names = {call._schema.name.removeprefix("aten::") for call in calls if torch.Tag.pointwise not in call.tags}
    assert names <= set(creating)


@every
def test_settings_are_checked(spike):
    with pytest.raises(FrozenInstanceError):
        spike.height = 2.0
    for name in spike.__dataclass_fields__:
        for bad, rule in (
            (0.0, "finite number above 0"),
            (-1.0, "finite"),
            (math.nan, "finite"),
            (math.inf, "finite"),
            ("1", "number"),
        ):
            with pytest.raises(ParameterError, match=rf"{type(spike).__name__}\.{name}: must be a {rule}"):
                type(spike)(**{name: bad})
        with pytest.raises(ParameterError, match=rf"{type(spike).__name__}\.{name}: must be a number; got True"):
            type(spike)(**{name: True})


@pytest.mark.parametrize("name", ["ATan", "Gaussian", "Rectangle", "Sigmoid", "SquaredSoftsign", "Tanh"])
def test_densities_have_area_one(name):
    spike = SURROGATES[name]()
    if name == "Rectangle":
        x = torch.linspace(-1, 1, 200001, dtype=D)
        assert torch.trapezoid(spike.derivative(x), x).item() == pytest.approx(1, abs=2e-5)  # one cell at each edge
    else:
        area, _ = integrate.quad(lambda v: spike.derivative(torch.tensor(v, dtype=D)).item(), -math.inf, math.inf)
        assert area == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize(
    ("spike", "area"),
    [
        (Gaussian(0.3), (math.erf(1 / 0.3 / 2**0.5) + math.erf(1.5 / 0.3 / 2**0.5)) / 2),
        (Triangle(2.0, 0.7), 0.7 * (2.5 - (1.5**2 + 1.0**2) / 4)),
        (Sigmoid(7.0), 1 / (1 + math.exp(-7)) - 1 / (1 + math.exp(10.5))),
        (Tanh(3.0), (math.tanh(3.0) + math.tanh(4.5)) / 2),
        (MultiGaussian(0.3, 0.2, 4.0), None),
    ],
)
def test_settings_enter_the_derivative(spike, area):
    """Its integral from -1.5 to 1 is that of the function it belongs to."""
    found, _ = integrate.quad(lambda v: spike.derivative(torch.tensor(v, dtype=D)).item(), -1.5, 1.0, points=[0.0], epsabs=1e-12)
    assert area is None or found == pytest.approx(area, abs=1e-10)
    torch.testing.assert_close(slope(spike, GRID), spike.derivative(GRID), rtol=0, atol=1e-12)


def test_relations():
    torch.testing.assert_close(Tanh(1.7).derivative(GRID), Sigmoid(3.4).derivative(GRID), rtol=0, atol=1e-14)
    assert MultiGaussian().derivative(torch.tensor(2.0, dtype=D)) < 0
    inside = Rectangle(0.4).derivative(torch.tensor([-0.2, -0.19, 0.19, 0.2], dtype=D))
    assert inside.tolist() == [0.0, 2.5, 2.5, 0.0]
