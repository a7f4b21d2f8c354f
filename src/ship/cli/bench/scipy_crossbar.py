"""SciPy's side of the cases of crossbars: Kirchhoff's current law as a sparse matrix, solved by LU factorisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

Arrays = Mapping[str, Any]
Work = dict[str, Any]


def versions() -> dict[str, str]:
    return {"scipy": scipy.__version__, "numpy": np.__version__}


def assembled(G: np.ndarray, data: Arrays) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the matrix of all nodes, the nodes that row sources drive, and those that sense amplifiers hold."""
    m, n = G.shape
    row, column = np.arange(m * n).reshape(m, n), m * n + np.arange(m * n).reshape(m, n)
    links = [
        (row, column, G),
        (row[:, :-1], row[:, 1:], np.full((m, n - 1), 1 / data["r_row"])),
        (column[:-1], column[1:], np.full((m - 1, n), 1 / data["r_col"])),
    ]
    a, b, g = (np.concatenate([link[k].ravel() for link in links]) for k in range(3))
    ends = np.concatenate([row[:, 0], column[-1]])
    g_rows, g_columns = 1 / (data["r_row"] + data["r_driver"]), 1 / (data["r_col"] + data["r_sense"])
    g_ends = np.concatenate([np.full(m, g_rows), np.full(n, g_columns)])
    i, j = np.concatenate([a, b, a, b, ends]), np.concatenate([a, b, b, a, ends])
    K = coo_array((np.concatenate([g, g, -g, -g, g_ends]), (i, j)), shape=(2 * m * n,) * 2).tocsc()
    return K, row[:, 0], column[-1]


def solved(G: np.ndarray, v: np.ndarray, data: Arrays) -> np.ndarray:
    """Return the column currents (A) of one crossbar for one input (V)."""
    K, sources, sinks = assembled(G, data)
    b = np.zeros(K.shape[0])
    b[sources] = v / (data["r_row"] + data["r_driver"])
    return np.asarray(splu(K).solve(b)[sinks] / (data["r_col"] + data["r_sense"]))


def crossbar_currents(data: Arrays, size: Arrays) -> Work:
    """One factorisation and one solution for each chip."""

    def forward() -> np.ndarray:
        return np.stack([solved(G, v, data) for G, v in zip(data["G"], data["v"], strict=True)])

    return {"forward": forward, "check": lambda out: float(out.sum())}
