"""Conjugate gradients on the row nodes of a crossbar, preconditioned by its rows; compiled by Numba from this text.

The wires of the columns are eliminated: ``K u = T u + G (u - w)`` with ``(T_c + G) w = G u``, where T and T_c are the tridiagonal
matrices of the wires. The preconditioner ``(T + G)^-1``, one tridiagonal system for each row, is exact where the columns stay at
0 V.
"""

# mypy: ignore-errors
# ruff: noqa: F821

import numpy as np


@njit(inline="always")
def pivots(G, near, far, g, pivot, step):
    """Compute 1 / pivot and g / pivot of ``T + G`` for lines along the last axis, from sums of positive terms."""
    m, n = G.shape
    for i in range(m):
        side = near[i]
        for j in range(n):
            full = side + G[i, j]
            here = full + (g if j < n - 1 else far[i])
            pivot[i, j], step[i, j] = 1 / here, g / here
            side = g * full / (g + full)


@njit(inline="always")
def column_pivots(G, near, far, g, pivot, step):
    """Do what `pivots` does for lines along the first axis."""
    m, n = G.shape
    side = near.copy()
    for i in range(m):
        for j in range(n):
            full = side[j] + G[i, j]
            here = full + (g if i < m - 1 else far[j])
            pivot[i, j], step[i, j] = 1 / here, g / here
            side[j] = g * full / (g + full)


@njit(inline="always")
def column_nodes(G, u, near, far, pivot, step, w):
    """Solve ``(T_c + G) w = G u`` plus the currents ``near`` and ``far`` into both ends of each column."""
    m, n = G.shape
    for j in range(n):
        w[0, j] = G[0, j] * u[0, j] + near[j]
    for i in range(1, m):
        for j in range(n):
            w[i, j] = G[i, j] * u[i, j] + step[i - 1, j] * w[i - 1, j]
    for j in range(n):
        w[m - 1, j] = (w[m - 1, j] + far[j]) * pivot[m - 1, j]
    for i in range(m - 2, -1, -1):
        for j in range(n):
            w[i, j] = w[i, j] * pivot[i, j] + step[i, j] * w[i + 1, j]


@njit(inline="always")
def precondition(r, pivot, step, z):
    """Solve ``(T + G) z = r``, four rows at a time, because each row is a chain of dependent operations."""
    m, n = r.shape
    for i in range(0, m - 3, 4):
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for j in range(n):
            k = max(j - 1, 0)
            a = r[i, j] + step[i, k] * a
            b = r[i + 1, j] + step[i + 1, k] * b
            c = r[i + 2, j] + step[i + 2, k] * c
            d = r[i + 3, j] + step[i + 3, k] * d
            z[i, j], z[i + 1, j], z[i + 2, j], z[i + 3, j] = a, b, c, d
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for j in range(n - 1, -1, -1):
            a = z[i, j] * pivot[i, j] + step[i, j] * a
            b = z[i + 1, j] * pivot[i + 1, j] + step[i + 1, j] * b
            c = z[i + 2, j] * pivot[i + 2, j] + step[i + 2, j] * c
            d = z[i + 3, j] * pivot[i + 3, j] + step[i + 3, j] * d
            z[i, j], z[i + 1, j], z[i + 2, j], z[i + 3, j] = a, b, c, d
    for i in range(m - m % 4, m):
        a = 0.0
        for j in range(n):
            a = r[i, j] + step[i, max(j - 1, 0)] * a
            z[i, j] = a
        a = 0.0
        for j in range(n - 1, -1, -1):
            a = z[i, j] * pivot[i, j] + step[i, j] * a
            z[i, j] = a


@njit(inline="always", fastmath={"reassoc", "contract"})
def dot(a, b):
    """Return the inner product of two matrices."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * b[i, j]
    return total


@njit(inline="always", fastmath={"reassoc", "contract"})
def applied(G, p, w, near, far, g, q):
    """Compute ``q = K p``, where w are the column voltages for p; return the inner product of p and q."""
    m, n = G.shape
    total = 0.0
    for i in range(m):
        for j in range(n):
            q[i, j] = G[i, j] * (p[i, j] - w[i, j])
        q[i, 0] += near[i] * p[i, 0]
        q[i, n - 1] += far[i] * p[i, n - 1]
        for j in range(n - 1):
            q[i, j] += g * (p[i, j] - p[i, j + 1])
        for j in range(1, n):
            q[i, j] += g * (p[i, j] - p[i, j - 1])
        for j in range(n):
            total += p[i, j] * q[i, j]
    return total


@njit(nogil=True, error_model="numpy", cache=CACHE)
def solve(lo, hi, G, rows, columns, v, c, u, w, most, tolerance, steps):
    """Compute the node voltages ``u, w [batch, m, n]`` of networks ``lo .. hi - 1``, in at most ``most`` steps.

    ``rows`` and ``columns`` are the conductances of the connections at both ends of each line, and that between two nodes: near,
    far, ``g`` (S). ``v`` and ``c`` are the voltages of the terminals of rows and columns. ``steps`` is set to how many steps each
    network took, or -1 where ``tolerance`` was not reached.
    """
    row_near, row_far, g_row = rows
    column_near, column_far, g_column = columns
    _, m, n = G.shape
    pivot, step, column_pivot, column_step = np.empty((m, n)), np.empty((m, n)), np.empty((m, n)), np.empty((m, n))
    r, z, p, q = np.empty((m, n)), np.empty((m, n)), np.empty((m, n)), np.empty((m, n))
    none = np.zeros(n)
    for k in range(lo, hi):
        x, y, cells = u[k], w[k], G[k]
        pivots(cells, row_near[k], row_far[k], g_row, pivot, step)
        column_pivots(cells, column_near[k], column_far[k], g_column, column_pivot, column_step)
        into_near, into_far = column_near[k] * c[k], column_far[k] * c[k]
        x[:] = 0.0
        column_nodes(cells, x, into_near, into_far, column_pivot, column_step, y)
        for i in range(m):
            for j in range(n):
                r[i, j] = cells[i, j] * y[i, j]
            r[i, 0] += row_near[k, i] * v[k, i]
            r[i, n - 1] += row_far[k, i] * v[k, i]
        precondition(r, pivot, step, z)
        p[:] = z
        rz = dot(r, z)
        enough, count = rz * tolerance * tolerance, 0
        while rz > enough and count < most:
            column_nodes(cells, p, none, none, column_pivot, column_step, y)
            alpha = rz / applied(cells, p, y, row_near[k], row_far[k], g_row, q)
            for i in range(m):
                for j in range(n):
                    x[i, j] += alpha * p[i, j]
                    r[i, j] -= alpha * q[i, j]
            precondition(r, pivot, step, z)
            before, rz = rz, dot(r, z)
            beta = rz / before
            for i in range(m):
                for j in range(n):
                    p[i, j] = z[i, j] + beta * p[i, j]
            count += 1
        column_nodes(cells, x, into_near, into_far, column_pivot, column_step, y)
        steps[k] = count if rz <= enough else -1
