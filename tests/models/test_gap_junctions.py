"""Gap junctions against the closed form of two coupled leaky cells: coupling coefficient, time constants, order."""

import numpy as np
import pytest
import torch

import ship

D = torch.float64
TAU = 20e-3
pytestmark = pytest.mark.usefixtures("no_grad")


def pair(
    dt, g=30.0, *, drive=0.0, start=(0.0, 0.0), steps=None, length=60e-3, engine="auto", model=ship.LeakyIntegrator, **options
):
    """Two cells with a junction, as one group with a symmetric weight or as two groups; v over time, ``[time, cell]``."""
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=1)
    for tag, v in zip("ab", start, strict=True):
        net.add(model, tag, n=1, tau=TAU, initial={"v": v}, output=True, **options)
    net.add(ship.Link, "drive", source="i", target="a")
    net.add(ship.GapJunction, "ab", source="a.v", target="b", weight=g)
    net.add(ship.GapJunction, "ba", source="b.v", target="a", weight=g)
    net.init(dt=dt, dtype=D, engine=engine)
    for tag in "ab":
        net.monitor(tag, "v")
    net.run(torch.full((1, round(length / dt), 1), drive))
    return torch.cat([net.records[tag].v[0] for tag in "ab"], -1)


@pytest.mark.parametrize("g", [1.0, 30.0, 45.0])
def test_coupling_coefficient(g):
    """A steady current into one cell: v_b / v_a = g tau / (1 + g tau), and v_a + v_b = tau i, at any dt."""
    for dt in (2e-3, 5e-4):
        v = pair(dt, g, drive=50.0, length=0.5)[-1]
        assert float(v[1] / v[0]) == pytest.approx(g * TAU / (1 + g * TAU), rel=1e-9)
        assert float(v.sum()) == pytest.approx(TAU * 50.0, rel=1e-9)


def test_time_constants_and_order_one():
    """What the cells have in common decays with tau (exact at any dt), their difference with tau / (1 + 2 g tau) (order 1)."""
    g, errors = 30.0, []
    for dt in (2e-4, 1e-4, 5e-5):
        v = pair(dt, g, start=(1.0, 0.25)).numpy()
        t = np.arange(len(v)) * dt
        assert np.abs(v.sum(-1) - 1.25 * np.exp(-t / TAU)).max() < 1e-12
        errors.append(np.abs((v[:, 0] - v[:, 1]) - 0.75 * np.exp(-t * (1 + 2 * g * TAU) / TAU)).max())
    orders = np.diff(-np.log2(errors))
    assert np.all(np.abs(orders - 1) < 0.2), (errors, orders)
    assert errors[-1] < 2e-3


def test_one_group_with_a_symmetric_weight_is_two_groups():
    """Within a group, ``[pre, post]`` with 0 on the diagonal; a cell is then joined to all others."""
    net = ship.Network()
    net.add(ship.LeakyIntegrator, "a", n=2, tau=TAU, initial={"v": torch.tensor([1.0, 0.25])})
    net.add(ship.GapJunction, "g", source="a.v", target="a", weight=torch.tensor([[0.0, 30.0], [30.0, 0.0]]))
    net.init(dt=1e-3, dtype=D)
    net.monitor("a", "v")
    net.run(steps=60)
    assert torch.allclose(net.records["a"].v[0], pair(1e-3, start=(1.0, 0.25)), rtol=1e-12, atol=1e-15)


def test_spikes_pass_through_a_junction_and_engines_agree():
    """A cell that fires drags the other up, and its reset pulls it down: at t_k the source's v is that after its spike."""
    records = [
        pair(1e-3, 40.0, drive=80.0, model=ship.LIF, v_th=0.7, t_ref=2e-3, engine=engine) for engine in ("reference", "fused")
    ]
    assert torch.allclose(*records, rtol=1e-12, atol=1e-15)
    a, b = records[0].T
    reset = torch.nonzero((a[1:] == 0) & (a[:-1] > 0.5)).flatten() + 1
    assert len(reset) > 1
    assert float(b.max()) > 0.1
    k = int(reset[0])
    assert b[k + 1] < b[k]  # the first slot in which the source stands at its reset


def test_into_a_port_in_ampere():
    """Between AdEx the weight is a conductance in siemens: 2 nS and 20 mV are 40 pA."""
    net = ship.Network()
    net.add(ship.AdEx, "a", n=1, initial={"v": -50e-3})
    net.add(ship.AdEx, "b", n=1, initial={"v": -70e-3})
    net.add(ship.GapJunction, "g", source="a.v", target="b", port="current", weight=2e-9)
    net.init(dt=1e-4, dtype=D)
    net.monitor("g", "output")
    net.run(steps=2)
    assert float(net.records["g"].output[0, 0, 0]) == pytest.approx(40e-12, rel=1e-9)


def test_errors():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "a", n=1)
    net.add(ship.GapJunction, "g", source="in", target="a")
    with pytest.raises(
        ship.GraphError, match=r"GapJunction 'g': takes values; got events from 'in'. Take a level, e.g. source='TAG.v'."
    ):
        net.init(dt=1e-3)
    net.remove("g")
    net.add(ship.GapJunction, "g", source="a.v", target="a", weight=-1.0)
    with pytest.raises(ship.ParameterError, match=r"GapJunction 'g'.weight: must be at least 0 1/s; got -1"):
        net.init(dt=1e-3)
    net.remove("g")
    net.add(ship.GapJunction, "g", source="a.v", target="a", connect=torch.ones(1, 1))
    with pytest.raises(ship.GraphError, match=r"GapJunction.side: 'post' needs all pairs; got connect=. Use side='connection'."):
        net.init(dt=1e-3)


def test_both_sides_agree():
    """Sums first, or differences one by one; chips with weights of their own."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(4, 4, generator=generator, dtype=D) * 20
    weight = (weight + weight.T) * (1 - torch.eye(4, dtype=D))
    found = []
    for side in ("post", "connection"):
        net = ship.Network()
        net.add(ship.LeakyIntegrator, "a", n=4, initial={"v": torch.linspace(-1, 1, 4)}, output=True)
        net.add(ship.GapJunction, "g", source="a.v", target="a", weight=ship.Varied(weight, d2d=0.2), side=side)
        net.init(dt=1e-3, dtype=D, chips=3)
        found.append(net.run(steps=50))
    assert torch.allclose(*found, rtol=1e-11, atol=1e-14)
    assert float(found[0].std()) > 0.01
