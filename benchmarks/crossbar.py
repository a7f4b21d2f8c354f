"""Times of crossbar solutions, beside SciPy's sparse LU: one JSON line for each case.

    python benchmarks/crossbar.py

Wall time and, as a machine may be shared, processor time: the median of the rounds, after one that is not counted.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu, spsolve

from ship.crossbar import Crossbar, approximate, currents, effective

WIRES = Crossbar(1.0, 1.0, 100.0, 100.0)
ROUNDS = 5


def timed(case: str, work: Callable[[], Any], rounds: int = ROUNDS, **more: float) -> Any:
    """Run, print one line, return the last result."""
    result = work()
    wall, used = [], []
    for _ in range(rounds):
        start, before = time.perf_counter(), time.process_time()
        result = work()
        wall.append(time.perf_counter() - start)
        used.append(time.process_time() - before)
    times = {"wall_s": round(statistics.median(wall), 5), "cpu_s": round(statistics.median(used), 5)}
    print(json.dumps({"case": case, **times, "threads": torch.get_num_threads(), **more}), flush=True)
    return result


def assembled(G: np.ndarray, x: Crossbar) -> tuple[Any, np.ndarray, np.ndarray]:
    """Kirchhoff's current law as a sparse matrix, with row sources and the nodes that the sense amplifiers hold."""
    m, n = G.shape
    row, column = np.arange(m * n).reshape(m, n), m * n + np.arange(m * n).reshape(m, n)
    links = [
        (row, column, G),
        (row[:, :-1], row[:, 1:], np.full((m, n - 1), 1 / x.r_row)),
        (column[:-1], column[1:], np.full((m - 1, n), 1 / x.r_col)),
    ]
    a, b, g = (np.concatenate([link[k].ravel() for link in links]) for k in range(3))
    ends = np.concatenate([row[:, 0], column[-1]])
    g_ends = np.concatenate([np.full(m, 1 / (x.r_row + x.r_driver)), np.full(n, 1 / (x.r_col + x.r_sense))])
    i, j = np.concatenate([a, b, a, b, ends]), np.concatenate([a, b, b, a, ends])
    K = coo_array((np.concatenate([g, g, -g, -g, g_ends]), (i, j)), shape=(2 * m * n,) * 2).tocsc()
    return K, row[:, 0], column[-1]


def sparse(G: np.ndarray, v: np.ndarray, x: Crossbar, *, factor: bool) -> np.ndarray:
    """Column currents by SciPy."""
    K, sources, sinks = assembled(G, x)
    b = np.zeros(K.shape[0])
    b[sources] = v / (x.r_row + x.r_driver)
    found = splu(K).solve(b) if factor else spsolve(K, b)
    return np.asarray(found[sinks] / (x.r_col + x.r_sense))


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    G = torch.rand(256, 256, dtype=torch.float64, generator=generator) * 1e-4
    v = torch.rand(256, dtype=torch.float64, generator=generator)
    true = torch.from_numpy(
        timed("scipy splu, 256 x 256, one input", lambda: sparse(G.numpy(), v.numpy(), WIRES, factor=True), 2)
    )
    timed("scipy spsolve, 256 x 256, one input", lambda: sparse(G.numpy(), v.numpy(), WIRES, factor=False), 2)
    found = timed("currents, 256 x 256, one input", lambda: currents(G, v, WIRES))
    matrix = timed("effective, 256 x 256", lambda: effective(G, WIRES), 2)
    error = {
        "currents": float((found - true).abs().max() / true.max()),
        "effective": float((v @ matrix - true).abs().max() / true.max()),
    }
    print(json.dumps({"case": "largest difference from splu, of the largest current", **error}))

    chips = torch.rand(64, 128, 128, dtype=torch.float64, generator=generator) * 1e-4
    exact = timed("effective, 64 chips of 128 x 128", lambda: effective(chips, WIRES), 2)
    found = timed("approximate, 64 chips of 128 x 128", lambda: approximate(chips, WIRES))
    timed("approximate without probes, 64 chips of 128 x 128", lambda: approximate(chips, WIRES, probes=0))
    timed("currents, 64 chips of 128 x 128, one input each", lambda: currents(chips, v[:128], WIRES))
    half = (v[:128] > 0.5).double()
    reference = half @ exact
    errors = {
        "ideal": float((half @ chips - reference).abs().max() / reference.max()),
        "approximate": float((half @ found.matrix - reference).abs().max() / reference.max()),
        "bound": float(found.bound.max() / reference.max()),
    }
    print(json.dumps({"case": "largest error of a current, half of the rows at 1 V, of the largest current", **errors}))

    four = chips[:4].clone().requires_grad_()
    timed("effective with gradient, 4 chips of 128 x 128", lambda: torch.autograd.grad(effective(four, WIRES).sum(), four), 2)
    timed("currents with gradient, 4 chips of 128 x 128", lambda: torch.autograd.grad(currents(four, half, WIRES).sum(), four))


if __name__ == "__main__":
    main()
