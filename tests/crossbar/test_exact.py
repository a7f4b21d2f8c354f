"""Exact currents of a crossbar: closed forms, a dense oracle, both solvers, gradients, sneak paths, and error texts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar_circuits import STRONG, cells, close, voltages, wires
from ship.base.errors import ParameterError
from ship.base.native import cache
from ship.crossbar import Crossbar, approximate, currents, effective, nodes
from ship.crossbar import exact as nodal

D = torch.float64
SIZES = [(1, 1), (1, 6), (6, 1), (4, 7), (7, 4), (9, 9)]
NEEDS_NUMBA = pytest.mark.skipif(not cache.available(), reason="conjugate gradients are compiled")


def oracle(G, v, x, column_v=None, floating_rows=(), floating_columns=()):
    """Kirchhoff's current law at all 2 m n nodes, dense, written node by node. All resistances above 0."""
    m, n = G.shape
    K, b = np.zeros((2 * m * n, 2 * m * n)), np.zeros(2 * m * n)
    row, column = lambda i, j: i * n + j, lambda i, j: m * n + i * n + j

    def link(p, q, g):
        K[p, p] += g
        K[q, q] += g
        K[p, q] -= g
        K[q, p] -= g

    def drive(p, g, volt):
        K[p, p] += g
        b[p] += g * volt

    for i in range(m):
        for j in range(n):
            link(row(i, j), column(i, j), float(G[i, j]))
            if j + 1 < n:
                link(row(i, j), row(i, j + 1), 1 / x.r_row)
            if i + 1 < m:
                link(column(i, j), column(i + 1, j), 1 / x.r_col)
    for i in set(range(m)) - set(floating_rows):
        for j in [0, n - 1] if x.drive == "both" else [0]:
            drive(row(i, j), 1 / (x.r_driver + x.r_row), float(v[i]))
    for j in set(range(n)) - set(floating_columns):
        for i in [0, m - 1] if x.sense == "both" else [m - 1]:
            drive(column(i, j), 1 / (x.r_sense + x.r_col), 0.0 if column_v is None else float(column_v[j]))
    found = np.linalg.solve(K, b)
    u, w = (torch.from_numpy(part.reshape(m, n)) for part in (found[: m * n], found[m * n :]))
    return (G * (u - w)).sum(0), u, w


@pytest.fixture(params=["as chosen", "elimination"])
def solver(request, monkeypatch):
    """Both ways to solve for given voltages."""
    if request.param == "elimination":
        monkeypatch.setattr(nodal, "STEEP", 0.0)


def test_one_cell():
    """I = V / (1 / G + 2 r) and with driver and sense resistances: the convention of the wires. Four divisions: 4 eps."""
    G, v = torch.tensor([[25e-6]], dtype=D), torch.tensor([0.3], dtype=D)
    assert float(currents(G, v, Crossbar(10.0, 10.0))) == pytest.approx(0.3 / (1 / 25e-6 + 20.0), rel=1e-15)
    x = Crossbar(10.0, 20.0, 300.0, 4000.0)
    assert float(currents(G, v, x)) == pytest.approx(0.3 / (1 / 25e-6 + 4330.0), rel=1e-15)
    both = Crossbar(10.0, 20.0, 300.0, 4000.0, drive="both", sense="both")
    assert float(currents(G, v, both)) == pytest.approx(0.3 / (1 / 25e-6 + 155.0 + 2010.0), rel=1e-15)


def test_uniform_ladder():
    """A row of N equal cells to ideal columns. Discrete: v_k = cosh((N - k + 1/2) a) / cosh((N + 1/2) a) with cosh a = 1 + r G
    / 2, for node k = 1 .. N (no current leaves the last node). Continuum: 1 / cosh(N sqrt(r G)) = 0.652, from which the
    discrete line differs by a half segment in N sqrt(r G) = 0.99: 1e-3.
    """
    N, r, g = 512, 0.15, 25e-6
    G = torch.full((1, N), g, dtype=D)
    _, at = nodes(G, torch.ones(1, dtype=D), Crossbar(r_row=r))
    a = math.acosh(1 + r * g / 2)
    exact = torch.tensor([math.cosh((N - k + 0.5) * a) / math.cosh((N + 0.5) * a) for k in range(1, N + 1)], dtype=D)
    # acosh near 1 loses digits: its error is eps / a = 1e-13, times N in the exponent.
    close(at.row[0], exact, 1e-10)
    assert float(at.row[0, -1]) == pytest.approx(1 / math.cosh(N * math.sqrt(r * g)), rel=1e-3)
    assert round(float(at.row[0, -1]), 3) == pytest.approx(0.652, abs=1.1e-3)


@pytest.mark.parametrize("sense", ["bottom", "both"])
@pytest.mark.parametrize("drive", ["left", "both"])
@pytest.mark.parametrize(("m", "n"), SIZES)
def test_dense_oracle(m, n, drive, sense, solver):
    """Currents, all nodes and the effective matrix. The oracle's condition number is about 1e3: 1e-12."""
    G, v, c, x = cells(m, n) + 1e-6, voltages(m), voltages(n, seed=2), wires(drive, sense)
    out, u, w = oracle(G, v, x, c)
    found, at = nodes(G, v, x, column_v=c)
    close(found, out, 1e-12)
    close(at.row, u, 1e-12)
    close(at.column, w, 1e-12)
    close(v @ effective(G, x), oracle(G, v, x)[0], 1e-12)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    m=st.integers(1, 6),
    n=st.integers(1, 6),
    logs=st.tuples(*[st.floats(-3, 5)] * 4),
    seed=st.integers(0, 10**6),
    drive=st.sampled_from(["left", "both"]),
    sense=st.sampled_from(["bottom", "both"]),
)
def test_dense_oracle_on_any_wires(m, n, logs, seed, drive, sense):
    """Resistances from 1 mohm to 100 kohm. The oracle, a general solver, has condition numbers up to 1e8 G_wire / G_cell."""
    x = Crossbar(*(10**e for e in logs), drive=drive, sense=sense)
    G, v = cells(m, n, seed=seed) + 1e-6, voltages(m, seed=seed)
    out = oracle(G, v, x)[0]
    scale = float((G.T @ v.abs()).max())  # of the terms that the oracle sums
    assert float((currents(G, v, x) - out).abs().max()) <= 1e-7 * scale
    assert float((v @ effective(G, x) - currents(G, v, x)).abs().max()) <= 1e-11 * scale


@NEEDS_NUMBA
@pytest.mark.parametrize("r", [1e-9, 1e-3, 1.0, 30.0, 100.0])
@pytest.mark.parametrize("r_driver", [0.0, 100.0, 1e4])
def test_solvers_agree(r, r_driver, monkeypatch):
    """Conjugate gradients, elimination and the effective matrix from no to overwhelming IR drop (r G N^2 up to 20): the promised
    1e-10 with two digits to spare.
    """
    G, v = cells(3, 64, 48), voltages(3, 64).abs()
    x = Crossbar(r, r, r_driver, 50.0)
    iterated = currents(G, v, x)
    monkeypatch.setattr(nodal, "STEEP", 0.0)
    eliminated = currents(G, v, x)
    assert not torch.equal(iterated, eliminated)  # two methods were at work
    close(iterated, eliminated, 1e-12)
    close((v.unsqueeze(-2) @ effective(G, x)).squeeze(-2), eliminated, 1e-12)


def test_unconverged_is_eliminated(monkeypatch):
    G, v, x = cells(2, 9, 9), voltages(2, 9), wires()
    true = currents(G, v, x)
    monkeypatch.setattr(nodal, "MOST_STEPS", 1)
    close(currents(G, v, x), true, 1e-12)


def test_without_numba(monkeypatch):
    G, v, x = cells(2, 9, 9), voltages(2, 9), wires()
    true = currents(G, v, x)
    monkeypatch.setattr(cache, "available", lambda: False)
    close(currents(G, v, x), true, 1e-12)


@pytest.mark.parametrize("r", [0.0, 1e-12, 1e-9, 1e-6])
def test_good_wires_are_ideal(r, solver):
    """I = V @ G exactly at r = 0. All rows at 1 V: a row drops at most r 1e-4 (1 + .. + 12), a column r 1e-4 (1 + .. + 16)."""
    G, v = cells(16, 12), torch.ones(16, dtype=D)
    for found in (currents(G, v, Crossbar(r, r)), v @ effective(G, Crossbar(r, r))):
        close(found, v @ G, 1e-4 * (78 + 136) * r + 1e-13)


@pytest.mark.parametrize("drive", ["left", "both"])
@pytest.mark.parametrize(
    "names", [("r_row",), ("r_col",), ("r_driver",), ("r_sense",), ("r_row", "r_sense"), ("r_col", "r_driver")]
)
def test_zero_is_the_limit(names, drive):
    """Each resistance at 0, alone and in pairs, is the limit of 1e-7 ohm; their drop is below 1e-7 / 1e3 of the whole."""
    G, v = cells(7, 5), voltages(7)
    zero = wires(drive, "both", **dict.fromkeys(names, 0.0))
    tiny = wires(drive, "both", **dict.fromkeys(names, 1e-7))
    close(currents(G, v, zero), currents(G, v, tiny), 1e-9)
    close(effective(G, zero), effective(G, tiny), 1e-9)


def test_driver_alone():
    """Row conductance sum s behind R_d: u = v / (1 + R_d s)."""
    G, v = cells(6, 8), voltages(6)
    close(currents(G, v, Crossbar(r_driver=1e3)), (v / (1 + 1e3 * G.sum(-1))) @ G, 1e-14)


@pytest.mark.parametrize("drive", ["left", "both"])
def test_batch_is_a_loop(drive, solver):
    """Chips and inputs, broadcast; bit for bit, as each network is solved alone. Elimination may use batched products: 1e-14."""
    G, v, x = cells(3, 1, 5, 6), voltages(2, 5), wires(drive)
    found, matrix = currents(G, v, x), effective(G, x)
    assert found.shape == (3, 2, 6)
    for chip in range(3):
        close(matrix[chip, 0], effective(G[chip, 0], x), 1e-14)
        for k in range(2):
            close(found[chip, k], currents(G[chip, 0], v[k], x), 1e-14)


def test_many_small_are_cut_in_chunks(monkeypatch):
    G, x = cells(7, 5, 6), wires()
    true, weight = effective(G, x), cells(7, 5, 6, seed=3)
    gradient = torch.autograd.grad((effective(G.requires_grad_(), x) * weight).sum(), G)[0]
    monkeypatch.setattr(nodal, "CHUNK", 2 * 5 * 5 * 6)
    close(effective(G, x).detach(), true, 1e-14)
    close(torch.autograd.grad((effective(G, x) * weight).sum(), G)[0], gradient, 1e-14)


def test_dtype():
    """Inputs in float32 give results in float32, solved in float64."""
    G, v, x = cells(5, 6).float(), voltages(5).float(), wires()
    assert effective(G, x).dtype == currents(G, v, x).dtype == torch.float32
    assert torch.equal(effective(G, x), effective(G.double(), x).float())
    assert approximate(G, x).matrix.dtype == torch.float32


@pytest.mark.parametrize("r", [0.1, 1.0, 10.0, 100.0])
def test_more_resistance_less_current(r):
    """From positive inputs, in every wire and end."""
    G, v = cells(20, 20), voltages(20).abs()
    base = dict.fromkeys(STRONG, r)
    before = currents(G, v, Crossbar(**base))
    for name in STRONG:
        assert bool((currents(G, v, Crossbar(**(base | {name: 2 * r}))) < before).all())


def test_reciprocity():
    """Driving columns and sensing rows gives the transposed matrix; rounding alone: 1e-13."""
    G, x = cells(8, 5), Crossbar(2e3, 1e3, 500.0, 300.0, drive="both")
    turned = Crossbar(1e3, 2e3, 300.0, 500.0, sense="both")
    close(effective(G.flip(-2, -1).mT, turned).flip(-2, -1).mT, effective(G, x), 1e-13)


def test_far_corner_is_worst():
    """Equal cells: the cell next to driver and sense amplifier reads best, the opposite one worst, all below the ideal."""
    G_eff = effective(torch.full((12, 12), 5e-5, dtype=D), Crossbar(20.0, 20.0))
    assert int(G_eff.argmax()) == 11 * 12
    assert int(G_eff.argmin()) == 11
    assert float(G_eff.max()) < 5e-5


@pytest.mark.parametrize("sense", ["bottom", "both"])
def test_floating_lines(sense, solver):
    """Masks against the oracle; nothing flows into a floating column."""
    G, v, x = cells(6, 5) + 1e-6, voltages(6), wires("both", sense)
    rows, columns = torch.zeros(6, dtype=torch.bool), torch.zeros(5, dtype=torch.bool)
    rows[[1, 2, 5]], columns[[0, 3]] = True, True
    out, u, _ = oracle(G, v, x, None, [1, 2, 5], [0, 3])
    found, at = nodes(G, v, x, floating_rows=rows, floating_columns=columns)
    close(found, out, 1e-12)
    close(at.row, u, 1e-12)
    assert float(found[[0, 3]].abs().max()) <= 1e-14 * float(found.abs().max())


@pytest.mark.parametrize("r", [0.0, 1e-3])
def test_sneak_path_of_three_cells(r, solver):
    """In a crossbar of 2 x 2 with one cell read and the other lines floating, the other three cells are a series beside it.

    Wires of 1 mohm change the current by 1e-6.
    """
    G = torch.tensor([[1e-6, 1e-4], [5e-5, 2e-5]], dtype=D)
    mask = torch.tensor([False, True])
    found = currents(G, torch.ones(2, dtype=D), Crossbar(r, r), floating_rows=mask, floating_columns=mask)
    sneak = 1 / (1 / 1e-4 + 1 / 2e-5 + 1 / 5e-5)
    assert float(found[0]) == pytest.approx(1e-6 + sneak, rel=1e-12 + r * 1e-3)


@pytest.mark.parametrize("scheme", [(1 / 2, 1 / 2), (1 / 3, 2 / 3)])
def test_half_select(scheme, solver):
    """V/2 and V/3 reading against the oracle: with ideal wires the selected column has only V_row - 0 across its cells."""
    row, column = scheme
    v, c = torch.full((5,), row, dtype=D), torch.full((4,), column, dtype=D)
    v[2], c[1] = 1.0, 0.0
    G, x = cells(5, 4) + 1e-6, wires()
    close(currents(G, v, x, column_v=c), oracle(G, v, x, c)[0], 1e-12)
    assert float(currents(G, v, Crossbar(), column_v=c)[1]) == pytest.approx(float(v @ G[:, 1]), rel=1e-14)


@pytest.mark.parametrize("changes", [{}, {"r_row": 0.0}, {"r_col": 0.0, "r_driver": 0.0}])
@pytest.mark.parametrize("drive", ["left", "both"])
@pytest.mark.parametrize(("m", "n"), [(3, 4), (4, 3)])
def test_gradients(m, n, drive, changes, solver):
    """Adjoint solves against finite differences; in units of 100 uS, so that gradcheck's step is small and its tolerance is
    tight.
    """
    x = wires(drive, "both", **changes)
    G = (cells(2, m, n) * 1e4 + 0.1).requires_grad_()
    v, c = voltages(2, m).requires_grad_(), voltages(2, n, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda g: effective(g * 1e-4, x) * 1e4, (G,), atol=1e-7, rtol=1e-6)
    assert torch.autograd.gradcheck(lambda g, a, b: currents(g * 1e-4, a, x, column_v=b) * 1e4, (G, v, c), atol=1e-7, rtol=1e-6)
    assert torch.autograd.gradcheck(lambda g: approximate(g * 1e-4, x, probes=0).matrix * 1e4, (G,), atol=1e-7, rtol=1e-6)


def test_gradient_with_floating_lines(solver):
    G = (cells(4, 3) * 1e4 + 0.1).requires_grad_()
    rows, columns = torch.tensor([True, False, True, False]), torch.tensor([False, True, False])
    x = wires()

    def solved(g, v):
        return currents(g * 1e-4, v, x, floating_rows=rows, floating_columns=columns) * 1e4

    assert torch.autograd.gradcheck(solved, (G, voltages(4).requires_grad_()), atol=1e-7, rtol=1e-6)


def test_gradient_of_ideal_wires():
    """dI_j / dG_ij = v_i, also through the solver: driver and sense of 1e-9 ohm change 1e-12."""
    G, v = cells(4, 3).requires_grad_(), voltages(4)
    for x in (Crossbar(), Crossbar(r_driver=1e-9)):
        found = torch.autograd.grad(currents(G, v, x).sum(), G)[0]
        close(found, v.unsqueeze(-1).expand(4, 3), 1e-11)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Crossbar(r_row=-1.0), "Crossbar.r_row: must be at least 0 ohm; got -1.0."),
        (lambda: Crossbar(r_sense=float("nan")), "Crossbar.r_sense: must be at least 0 ohm; got nan."),
        (lambda: Crossbar(drive="right"), "Crossbar.drive: must be 'left' or 'both'; got 'right'."),
        (lambda: Crossbar(tile=(64, 0)), "Crossbar.tile: must be None or (rows, columns), each at least 1; got (64, 0)."),
        (lambda: Crossbar(exact=1), "Crossbar.exact: must be True or False; got 1."),
        (lambda: Crossbar(adc=8), "Crossbar.adc: must be ADC or None; got 8."),
        (lambda: Crossbar(selector=1e3), "Crossbar.selector: must be Selector or None; got 1000.0."),
        (lambda: effective(-cells(2, 2), wires()), "effective: G: must be finite and at least 0 S; got from"),
        (lambda: effective(cells(2, 2) * float("nan"), wires()), "effective: G: must be finite and at least 0 S; got from nan"),
        (lambda: effective(cells(4), wires()), "effective: G: must be a tensor of real numbers [..., m, n]"),
        (lambda: currents(cells(2, 3), voltages(3), wires()), "currents: v: must have a last axis of 2; got [3]."),
        (lambda: currents(cells(2, 3), voltages(2) / 0, wires()), "currents: v: must be finite voltages of dtype torch.float64"),
        (lambda: currents(cells(4, 2, 3), voltages(3, 2), wires()), "currents: leading axes: must fit together"),
        (
            lambda: currents(cells(2, 3), voltages(2), wires(), floating_rows=torch.ones(2)),
            "currents: floating_rows: must be truth",
        ),
        (
            lambda: currents(cells(2, 3) * 0, voltages(2), wires(), floating_columns=torch.tensor([True, False, False])),
            "currents: floating lines: must be connected to a driven line by cells above 0 S; got 1 that are not.",
        ),
        (
            lambda: approximate(cells(2, 2), wires(), probes=-1),
            "approximate: probes: must be a whole number of at least 0; got -1.",
        ),
    ],
)
def test_errors(call, text):
    with pytest.raises(ParameterError) as caught:
        call()
    assert str(caught.value).startswith(text)
