"""Dendrites against their closed forms: a second filter that saturates, coupled compartments, trees and cables."""

import itertools
import math

import pytest
import torch

import ship
from circuits import assert_invariant, assert_same_on_both_engines

D = torch.float64
no_grad = pytest.mark.usefixtures("no_grad")


@no_grad
def test_dendrite_is_a_second_filter():
    """Linear: a charge of 1 V gives the soma g tau_d tau_m / (tau_m - tau_d) (e^(-t/tau_m) - e^(-t/tau_d)); order 2 in dt."""
    errors = []
    for dt in (1e-3, 0.5e-3, 0.25e-3):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "soma", n=1, tau=20e-3, v_th=1e9)
        net.add(ship.Dendrite, "dend", target="soma", tau=8e-3, g=100.0)
        net.add(ship.ImpulseSynapse, "s", source="in", target="dend", weight=1.0)
        net.init(dt=dt, dtype=D)
        net.monitor("soma", "v")
        x = torch.zeros(1, round(0.1 / dt), 1)
        x[0, 0] = 1
        net.run(x)
        t = net.timeline()
        exact = 100.0 * 8e-3 * 20e-3 / 12e-3 * (torch.exp(-t / 20e-3) - torch.exp(-t / 8e-3))
        errors.append(float((net.records["soma"].v[0, :, 0] - exact).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.2)


@no_grad
def test_dendrite_saturates():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "soma", n=2, tau=float("inf"), v_th=1e9)
    net.add(ship.Dendrite, "dend", target="soma", v_sat=torch.tensor([0.125, float("inf")]), g=100.0, tau=10.0)
    net.add(ship.ImpulseSynapse, "s", source="in", target="dend", weight=100.0)
    net.init(dt=1e-3, dtype=D)
    net.monitor("dend", "output")
    x = torch.zeros(1, 5, 1)
    x[0, 0] = 1
    net.run(x)
    assert float(net.records["dend"].output[0, 0, 0]) == pytest.approx(100 * 0.125 * 1e-3, rel=1e-9)
    assert float(net.records["dend"].output[0, 0, 1]) == pytest.approx(100 * 100 * 1e-3, rel=1e-3)


# -- two coupled compartments --------------------------------------------------------------------------------------------------

TAU, UP, DOWN = 20e-3, 150.0, 60.0  # s, and axial rates (1/s): into the soma, into the dendrite, whose capacitance is larger
MATRIX = torch.tensor([[-1 / TAU - UP, UP], [DOWN, -1 / TAU - DOWN]], dtype=D)  # soma, dendrite


def pair(dt, *, charge=0.0, impulse=0.0, steps=None, engine="auto", v_th=1e9):
    """A soma and a dendrite, coupled both ways, with an input into the dendrite; returns the network, not run, and its input."""
    net = ship.Network()
    net.add(ship.SpikeInput, "x", n=1)
    net.add(ship.CurrentInput, "i", n=1)
    net.add(ship.LIF, "soma", n=1, tau=TAU, v_th=v_th, output=True)
    net.add(ship.LeakyIntegrator, "dend", n=1, tau=TAU)
    net.add(ship.ImpulseSynapse, "jump", source="x", target="dend", weight=1.0)
    net.add(ship.Link, "l", source="i", target="dend")
    net.add(ship.AxialCoupling, "up", source="dend", target="soma", g=UP, g_back=DOWN, trainable=True)
    net.add(ship.AxialCoupling, "down", source="soma.v", target="dend", g=DOWN, g_back=UP, trainable=True)
    net.init(dt=dt, dtype=D, engine=engine)
    net.monitor("soma", "v")
    net.monitor("dend", "v")
    steps = steps or round(0.1 / dt)
    x = torch.zeros(1, steps, 1, dtype=D)
    x[0, 0] = impulse
    return net, {"x": x, "i": torch.full((1, steps, 1), charge, dtype=D)}


@no_grad
@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_two_compartments_steady_state(engine):
    """``v_inf = -M^-1 b`` for a current b into the dendrite; what flows is that of the start of a slot, so with order 1 in dt."""
    wanted = torch.linalg.solve(MATRIX, torch.tensor([0.0, -50.0], dtype=D))
    assert wanted.tolist() == pytest.approx([0.5769, 0.7692], abs=1e-4)
    errors = []
    for dt in (1e-3, 2.5e-4):
        net, x = pair(dt, charge=50.0, steps=round(0.4 / dt), engine=engine)
        net.run(x)
        found = torch.stack([net.records[tag].v[0, -1, 0] for tag in ("soma", "dend")])
        errors.append(float((found - wanted).abs().max()))
    assert errors[1] < 5e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@no_grad
def test_two_compartments_converge_with_order_1():
    """Against ``exp(M t)``, whose eigenvalues are -1 / tau and -1 / tau - up - down."""
    values = torch.linalg.eigvals(MATRIX).real.sort().values
    assert values.tolist() == pytest.approx([-1 / TAU - UP - DOWN, -1 / TAU])
    errors = []
    for dt in (1e-3, 0.5e-3, 0.25e-3, 0.125e-3):
        net, x = pair(dt, impulse=1.0)
        net.run(x)
        t = net.timeline().double()
        exact = torch.linalg.matrix_exp(MATRIX * t[:, None, None])[:, 0, 1]
        errors.append(float((net.records["soma"].v[0, :, 0] - exact).abs().max()))
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(1, abs=0.2)
    assert errors[0] < 0.05


@no_grad
def test_coupling_alone_is_exact_and_stable():
    """Without leaks the two exchange charge exactly, ``d e^(-(up + down) t)``, at any dt; nothing is lost."""
    for dt in (1e-6, 1e-3, 1.0, 1e3):
        net = ship.Network()
        for tag, start in (("a", 1.0), ("b", 0.0)):
            net.add(ship.LeakyIntegrator, tag, n=1, tau=math.inf, initial={"v": start})
        net.add(ship.AxialCoupling, "ab", source="a", target="b", g=UP, g_back=DOWN)
        net.add(ship.AxialCoupling, "ba", source="b", target="a", g=DOWN, g_back=UP)
        net.init(dt=dt, dtype=D)
        net.monitor("a", "v")
        net.monitor("b", "v")
        net.run(steps=20)
        a, b = net.records["a"].v[0, :, 0], net.records["b"].v[0, :, 0]
        assert torch.allclose(a - b, torch.exp(-(UP + DOWN) * torch.arange(20, dtype=D) * dt), rtol=1e-10, atol=1e-12)
        assert torch.allclose(UP * a + DOWN * b, torch.full_like(a, UP), rtol=1e-12, atol=0)


def test_coupling_on_both_engines():
    def build():
        net = ship.Network()
        net.add(ship.SpikeInput, "x", n=3)
        net.add(ship.LIF, "soma", n=3, v_th=0.2, t_ref=2e-3, output=True)
        net.add(ship.LeakyIntegrator, "dend", n=3)
        net.add(ship.ExpSynapse, "s", source="x", target="dend", weight=0.3, trainable=True)
        net.add(ship.AxialCoupling, "up", source="dend", target="soma", g=UP, trainable=True)
        net.add(ship.AxialCoupling, "down", source="soma.v", target="dend", g=ship.Varied(DOWN, d2d=0.2), trainable=True)
        return net, {"dt": 1e-3}

    x = {"x": (torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(2)) < 0.3).double()}
    assert_same_on_both_engines(build, x, {"soma": ["v"], "dend": ["v"]}, spikes=3)
    with torch.no_grad():
        assert_invariant(build, x)


# -- trees ---------------------------------------------------------------------------------------------------------------------


def tree(parent, *, dt, trees=1, engine="auto", chips=None, **options):
    net = ship.Network()
    n = trees * len(parent)
    net.add(ship.SpikeInput, "x", n=n)
    net.add(ship.CurrentInput, "i", n=n)
    net.add(ship.MultiCompartmentLIF, "cell", n=n, parent=parent, output=True, trainable=True, **options)
    net.add(ship.Link, "jump", source="x", target="cell", port="impulse")
    net.add(ship.Link, "l", source="i", target="cell")
    net.init(dt=dt, dtype=D, engine=engine, chips=chips)
    net.monitor("cell", "v")
    return net


def rates(parent, tau, g, c):
    """``dv/dt = A v`` of one tree, written as Kirchhoff's law."""
    m = len(parent)
    a = -torch.eye(m, dtype=D) / tau
    for i, k in enumerate(parent):
        for row, column in ((i, k), (k, i)) if k >= 0 else ():
            a[row, column] += g[i] / c[row]
            a[row, row] -= g[i] / c[row]
    return a


BRANCHED = (-1, 0, 1, 1, 0)
G, C = torch.tensor([0.0, 200.0, 80.0, 120.0, 60.0], dtype=D), torch.tensor([2.0, 1.0, 0.5, 0.5, 1.0], dtype=D)


@no_grad
@pytest.mark.parametrize("dt", [1e-4, 1e-3, 2e-2])
def test_tree_is_exact_at_any_dt(dt):
    """Impulses and a constant current: ``v(t) = e^(A t) v0 + A^-1 (e^(A t) - 1) b`` to 1e-12; two trees do not interact."""
    net = tree(BRANCHED, dt=dt, trees=2, tau=TAU, g=G.repeat(2), c=C.repeat(2), v_th=1e9)
    steps = round(0.1 / dt)
    x = {"x": torch.zeros(1, steps, 10), "i": torch.zeros(1, steps, 10)}
    x["x"][0, 0, 2] = 1.0
    x["i"][0, :, 3] = 30.0
    net.run(x)
    a, b, start = rates(BRANCHED, TAU, G, C), torch.zeros(5, dtype=D), torch.zeros(5, dtype=D)
    b[3], start[2] = 30.0, 1.0
    grown = torch.linalg.matrix_exp(a * (torch.arange(steps, dtype=D) * dt)[:, None, None])
    wanted = grown @ start + (grown - torch.eye(5, dtype=D)) @ torch.linalg.solve(a, b)
    assert torch.allclose(net.records["cell"].v[0, :, :5], wanted, rtol=0, atol=1e-12)
    assert not net.records["cell"].v[0, :, 5:].any()


@no_grad
def test_trees_may_differ_by_chip_and_sample():
    """A time constant for each chip and a g for each sample: each is the network with these numbers alone."""
    taus, gs = torch.tensor([10e-3, 30e-3]), torch.tensor([50.0, 100.0, 400.0])
    x = {"x": torch.zeros(3, 30, 4), "i": torch.zeros(3, 30, 4)}
    x["x"][:, 0, 1] = 1.0
    net = tree((-1, 0), dt=1e-3, trees=2, chips=2, tau=ship.per_chip(taus[:, None]), g=ship.per_sample(gs[:, None]), v_th=1e9)
    net.run(x)
    for chip, sample in itertools.product(range(2), range(3)):
        one = tree((-1, 0), dt=1e-3, trees=2, tau=float(taus[chip]), g=float(gs[sample]), v_th=1e9)
        one.run({k: v[:1] for k, v in x.items()})
        assert torch.allclose(net.records["cell"].v[chip, sample], one.records["cell"].v[0], rtol=1e-9, atol=1e-15)


@no_grad
def test_epsp_of_a_dendrite():
    """Of two equal compartments an input of 1 V into one shows in the other as ``(e^(-t / tau) - e^(-t / tau')) / 2``, with
    ``1 / tau' = 1 / tau + 2 g`` and the peak at ``ln(tau / tau') tau tau' / (tau - tau')``.
    """
    g, dt = 100.0, 1e-4
    net = tree((-1, 0), dt=dt, tau=TAU, g=g, v_th=1e9)
    x = {"x": torch.zeros(1, 1000, 2), "i": torch.zeros(1, 1000, 2)}
    x["x"][0, 0, 1] = 1.0
    net.run(x)
    soma, t, fast = net.records["cell"].v[0, :, 0], torch.arange(1000, dtype=D) * dt, 1 / (1 / TAU + 2 * g)
    assert torch.allclose(soma, (torch.exp(-t / TAU) - torch.exp(-t / fast)) / 2, rtol=0, atol=1e-12)
    assert int(soma.argmax()) * dt == pytest.approx(math.log(TAU / fast) * TAU * fast / (TAU - fast), abs=dt)


@no_grad
def test_cable_attenuation():
    """A chain with a current into its end: ``v_i / v_0 = cosh((N - 1/2 - i) mu) / cosh((N - 1/2) mu)`` with
    ``2 (cosh mu - 1) = 1 / (g tau)``, the discrete form of ``cosh((L - x) / lambda) / cosh(L / lambda)``, lambda = sqrt(g tau).
    """
    n, g = 20, 2000.0
    net = tree((-1, *range(n - 1)), dt=1.0, tau=TAU, g=g, v_th=1e9)
    x = {"x": torch.zeros(1, 40, n), "i": torch.zeros(1, 40, n)}
    x["i"][..., 0] = 50.0
    net.run(x)
    v, place = net.records["cell"].v[0, -1], torch.arange(n, dtype=D)
    mu = math.acosh(1 + 1 / (2 * g * TAU))
    wanted = torch.cosh((n - 0.5 - place) * mu) / math.cosh((n - 0.5) * mu)
    assert torch.allclose(v / v[0], wanted, rtol=1e-12, atol=0)
    lam = math.sqrt(g * TAU)
    assert torch.allclose(v / v[0], torch.cosh((n - place) / lam) / math.cosh(n / lam), rtol=0, atol=0.02)


@no_grad
def test_tree_at_extreme_slots_and_conductances():
    """Far above all time constants it is at its steady state, far below it moves by A v dt; stiff axial conductances included."""
    a = rates(BRANCHED, TAU, 1e6 * G, C)
    settled = -torch.linalg.solve(a, torch.tensor([0.0, 0.0, 0.0, 30.0, 0.0], dtype=D))
    for dt in (1.0, 1e3):
        net = tree(BRANCHED, dt=dt, tau=TAU, g=1e6 * G, c=C, v_th=1e9)
        i = torch.zeros(1, 30, 5)
        i[..., 3] = 30.0
        net.run({"x": torch.zeros(1, 30, 5), "i": i})
        assert torch.allclose(net.records["cell"].v[0, -1], settled, rtol=1e-5, atol=0)
    net = tree(BRANCHED, dt=1e-9, tau=TAU, g=G, c=C, v_th=1e9)
    x = torch.zeros(1, 2, 5)
    x[0, 0, 3] = 1.0
    net.run({"x": x, "i": torch.zeros(1, 2, 5)})
    moved = net.records["cell"].v[0, 1] - x[0, 0].double()
    wanted = rates(BRANCHED, TAU, G, C) @ x[0, 0].double() * 1e-9
    assert torch.allclose(moved, wanted, rtol=1e-6, atol=2e-14)


@no_grad
def test_only_the_soma_of_a_tree_spikes():
    """It rests for t_ref at v_reset; a dendrite above the threshold says nothing."""
    net = tree((-1, 0), dt=1e-3, trees=2, tau=TAU, g=300.0, t_ref=5e-3, v_reset=-0.2)
    i = torch.zeros(1, 200, 4)
    i[..., 1] = 400.0
    out = net.run({"x": torch.zeros(1, 200, 4), "i": i})
    assert float(out[0, :, 0].sum()) > 10
    assert not out[0, :, 1:].any()
    assert float(net.records["cell"].v[0, :, 1].max()) > 1.0
    v = net.records["cell"].v[0, :, 0]
    for k in out[0, :-6, 0].nonzero().flatten().tolist():
        assert v[k : k + 6].tolist() == [-0.2] * 6
        assert float(v[k + 6]) > -0.2


@no_grad
def test_one_compartment_is_a_lif():
    """``parent=(-1,)`` gives the voltages and spikes of `LIF`."""
    made = []
    for model, own in ((ship.MultiCompartmentLIF, {"parent": (-1,)}), (ship.LIF, {})):
        net = ship.Network()
        net.add(ship.CurrentInput, "i", n=3)
        net.add(model, "cell", n=3, t_ref=2e-3, output=True, **own)
        net.add(ship.Link, "l", source="i", target="cell")
        net.init(dt=1e-3, dtype=D)
        net.monitor("cell", "v")
        out = net.run(torch.linspace(40, 90, 3).expand(1, 300, 3).double())
        made.append((out, net.records["cell"].v))
    assert float(made[0][0].sum()) > 10
    assert torch.equal(made[0][0], made[1][0])
    assert torch.allclose(made[0][1], made[1][1], rtol=0, atol=1e-12)


def test_gradients_of_a_tree():
    """By tau, g and c, against central differences; two equal branches do not make them NaN."""
    net = tree((-1, 0, 0), dt=1e-3, tau=TAU, g=150.0, c=1.5, v_th=1e9)
    net.monitor("cell", "v", detach=False)
    i = torch.zeros(1, 40, 3, dtype=D)
    i[..., 1] = 30.0

    def response():
        net.run({"x": torch.zeros(1, 40, 3, dtype=D), "i": i})
        return net.records["cell"].v[0, -1, 0]

    response().backward()
    for name in ("tau", "g", "c"):
        value = getattr(net["cell"], name)
        start, ends = value.detach().clone(), []
        for factor in (1 + 1e-5, 1 - 1e-5):
            with torch.no_grad():
                value.copy_(start * factor)
                ends.append(float(response()))
        with torch.no_grad():
            value.copy_(start)
        slope = (ends[0] - ends[1]) / 2e-5
        assert float((value.grad * start).sum()) == pytest.approx(slope, rel=1e-5)


def test_trees_on_both_engines_in_batches_pieces_and_chips():
    def build():
        net = ship.Network()
        net.add(ship.SpikeInput, "x", n=4)
        net.add(ship.MultiCompartmentLIF, "cell", n=6, parent=(-1, 0, 1), output=True, tau=ship.Varied(TAU, d2d=0.2), v_th=0.3)
        net.add(ship.ExpSynapse, "s", source="x", target="cell", weight=torch.full((4, 6), 0.3, dtype=D), trainable=True)
        net.add(ship.ExpSynapse, "r", source="cell", target="cell", weight=0.1, delay=2e-3, trainable=True)
        return net, {"dt": 1e-3}

    x = {"x": (torch.rand(2, 60, 4, generator=torch.Generator().manual_seed(5)) < 0.3).double()}
    assert_same_on_both_engines(build, x, {"cell": ["v"]}, spikes=8)
    with torch.no_grad():
        assert_invariant(build, x)


@no_grad
def test_a_tree_is_kept_in_a_file(tmp_path):
    net = tree(BRANCHED, dt=1e-3, tau=TAU, g=G, c=C)
    x = {"x": torch.zeros(1, 60, 5), "i": torch.full((1, 60, 5), 80.0)}
    out = net.run(x)
    ship.save(net, tmp_path / "tree.ship")
    again = ship.load(tmp_path / "tree.ship")
    assert again["cell"].model.parent == BRANCHED
    assert float(out.sum()) > 0
    assert torch.equal(again.run(x), out)


def test_trees_are_refused_with_what_is_wrong():
    for parent in ((0, 0), (-1, 1), (), (-1, -1)):
        net = ship.Network()
        with pytest.raises(ship.ParameterError, match=r"parent: must list an earlier compartment for each but the first"):
            net.add(ship.MultiCompartmentLIF, "c", n=2, parent=parent)
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=3)
    net.add(ship.MultiCompartmentLIF, "c", n=3, parent=(-1, 0), output=True)
    net.add(ship.Link, "l", source="i", target="c")
    wrong = r"'c': .*n must be a multiple of 2; got 3. n counts compartments: 10 trees have n = 20"
    with pytest.raises(ship.ParameterError, match=wrong):
        net.init(dt=1e-3)
