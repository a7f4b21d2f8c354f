r"""The effective matrix of a crossbar in closed form, with its error.

Take one line at a time, with the others at 0 V: ``alpha_ij`` is the voltage at node j of row i for 1 V at its terminal while the
columns are at 0 V, and ``beta_ij`` is the same for column j. Then

    ``first = G alpha beta``

neglects that the column voltages rise, which lifts the row nodes by ``K^-1 rho``: rho = G w >= 0 is the residual of Kirchhoff's
current law there, and K^-1 has no negative entry, so no entry of the exact matrix lies below ``first``. Two exact solutions, one
with all rows at 1 V and, by reciprocity, one with all columns at 1 V, give the sums of the remainder over columns and rows:
``c_j`` and ``d_i``, which both have the sum s. Because all rows mix the current that flows back through the columns,

    ``G_eff ~ first + d c^T / s``

is the approximation. Its column sums are exact. The remainder and its replacement both contribute from 0 to c_j to a column, so
that currents for inputs from 0 to 1 V are wrong by at most ``c_j``, and for inputs of both signs by at most twice that: this is
the bound. In random arrays the true error is a tenth of it or less, as exact solutions for random inputs show.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..base.errors import ParameterError, is_whole
from .exact import currents
from .network_form import Lines, check_conductances, network
from .settings import Crossbar


class Approximation(NamedTuple):
    """An effective matrix with its error; the errors carry no gradient."""

    matrix: Tensor  # S, [..., m, n]
    bound: Tensor  # A/V, [..., n]; the largest error of a column current for inputs from 0 to 1 V
    typical: Tensor  # A/V, [...]; root mean square error of the column currents for the probes: inputs of 1 V and random sign


def approximate(G: Tensor, wires: Crossbar, *, probes: int = 2, seed: int = 0) -> Approximation:
    """Approximate the effective matrix: lines are taken one at a time, and the result is corrected to exact sums.

    Args:
        G: conductances in S, ``[..., m, n]``.
        wires: wires and periphery, as for `effective`.
        probes: the number of inputs from which `Approximation.typical` is estimated; each costs one solution. With 0 it is NaN.
        seed: the seed of the probes' signs.

    Returns:
        The matrix, differentiable once in ``G``, and its errors.

    Raises:
        ParameterError: ``G`` is refused as by `effective`, or probes or seed is not a whole number of at least 0.
    """
    check_conductances("approximate", G)
    for name, value in (("probes", probes), ("seed", seed)):
        if not is_whole(value):
            raise ParameterError(f"approximate: {name}", "must be a whole number of at least 0", got=repr(value))
    exact = G.double()
    lower = _first(exact, wires)
    m, n = G.shape[-2:]
    columns = (currents(exact, exact.new_ones(m), wires) - lower.sum(-2)).clamp(min=0)
    flipped = exact.flip(-2, -1).mT
    rows = (currents(flipped, exact.new_ones(n), _transposed(wires)).flip(-1) - lower.sum(-1)).clamp(min=0)
    total = columns.sum(-1, keepdim=True)
    share = rows / torch.where(total > 0, total, 1.0)
    matrix = lower + share.unsqueeze(-1) * columns.unsqueeze(-2)
    with torch.no_grad():
        typical = _probed(exact, matrix, wires, probes, seed)
    return Approximation(matrix.to(G.dtype), columns.detach().to(G.dtype), typical.to(G.dtype))


def _first(G: Tensor, wires: Crossbar) -> Tensor:
    """Return the lower bound ``G alpha beta``."""
    m, n = G.shape[-2:]
    net = network(G[(0,) * (G.ndim - 2)].unsqueeze(0) if G.numel() else G.new_zeros(1, m, n), wires)
    alpha = attenuation(G, net.rows)
    beta = attenuation(G.flip(-2).mT, net.columns).mT.flip(-2)
    return G * alpha * beta


def attenuation(g: Tensor, lines: Lines) -> Tensor:
    """Return the voltages along lines whose cells ``g [..., lines, nodes]`` (S) lead to 0 V, for 1 V at the end terminals."""
    from_near = _from_end(g, lines.r, lines.near[0], lines.far[0])
    if not bool(lines.far.isfinite().any()):
        return from_near
    return from_near + _from_end(g.flip(-1), lines.r, lines.far[0], lines.near[0]).flip(-1)


def _from_end(g: Tensor, r: float, near: Tensor, far: Tensor) -> Tensor:
    """Return the voltages along lines for 1 V at the near terminal and 0 V at the far one."""
    side, transfer = (1 / far).expand(g.shape[:-1]), []
    for cell in reversed(g.unbind(-1)):
        full = side + cell
        transfer.append(1 / (1 + r * full))
        side = full * transfer[-1]
    v = [1 / (1 + near * full)]
    for ratio in reversed(transfer[:-1]):
        v.append(v[-1] * ratio)
    return torch.stack(v, -1)


def _transposed(wires: Crossbar) -> Crossbar:
    """Return the crossbar with the roles of its lines exchanged: columns are driven, rows sensed."""
    return Crossbar(
        wires.r_col,
        wires.r_row,
        wires.r_sense,
        wires.r_driver,
        "both" if wires.sense == "both" else "left",
        "both" if wires.drive == "both" else "bottom",
    )


def _probed(G: Tensor, matrix: Tensor, wires: Crossbar, probes: int, seed: int) -> Tensor:
    """Return the root mean square error over columns and probes, ``[...]``; the signs are the same for all chips."""
    if probes == 0:
        return G.new_full(G.shape[:-2], float("nan"))
    generator = torch.Generator().manual_seed(seed)
    errors = []
    for _ in range(probes):
        signs = torch.randint(0, 2, (G.shape[-2],), generator=generator).to(G) * 2 - 1
        errors.append(currents(G, signs, wires) - signs @ matrix)
    return torch.stack(errors, -1).square().mean((-2, -1)).sqrt()
