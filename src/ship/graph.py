"""Pure graph algorithms on numbered nodes. Ties are broken by number: the order in which edges are given never matters."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from .errors import GraphError

EXACT_NODES = 12  # a block of this many nodes is solved exactly, by dynamic programming over subsets


class Edge(NamedTuple):
    source: int
    target: int
    latency: int
    weight: float


def _successors(n: int, edges: Sequence[Edge]) -> list[list[int]]:
    after: list[set[int]] = [set() for _ in range(n)]
    for e in edges:
        after[e.source].add(e.target)
    return [sorted(a) for a in after]


def components(n: int, edges: Sequence[Edge]) -> list[list[int]]:
    """Strongly connected components in topological order, sources first (Tarjan, iterative)."""
    after = _successors(n, edges)
    index, low, on = [-1] * n, [0] * n, [False] * n
    stack: list[int] = []
    found: list[list[int]] = []
    counter = 0
    for root in range(n):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            v, i = work.pop()
            if i == 0:
                index[v] = low[v] = counter
                counter += 1
                stack.append(v)
                on[v] = True
            if i < len(after[v]):
                work.append((v, i + 1))
                w = after[v][i]
                if index[w] < 0:
                    work.append((w, 0))
                elif on[w]:
                    low[v] = min(low[v], index[w])
                continue
            if low[v] == index[v]:
                part = []
                while True:
                    w = stack.pop()
                    on[w] = False
                    part.append(w)
                    if w == v:
                        break
                found.append(sorted(part))
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[v])
    return _in_order(found, edges)


def _in_order(parts: list[list[int]], edges: Sequence[Edge]) -> list[list[int]]:
    """Components in the one topological order with the smallest first members."""
    parts = sorted(parts)
    of = {v: i for i, part in enumerate(parts) for v in part}
    between = [Edge(of[e.source], of[e.target], 0, 0.0) for e in edges if of[e.source] != of[e.target]]
    return [parts[i] for i in topological(len(parts), between)]


def topological(n: int, edges: Sequence[Edge]) -> list[int]:
    """Nodes so that every edge points forward; the smallest number first among those that could be next.

    Raises:
        GraphError: the graph has a cycle.
    """
    after = _successors(n, edges)
    waiting = [0] * n
    for targets in after:
        for t in targets:
            waiting[t] += 1
    ready = [v for v in range(n) if waiting[v] == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        v = heapq.heappop(ready)
        order.append(v)
        for w in after[v]:
            waiting[w] -= 1
            if waiting[w] == 0:
                heapq.heappush(ready, w)
    if len(order) < n:
        raise GraphError("graph", "has a cycle", got=f"{n - len(order)} nodes that wait for each other")
    return order


def is_acyclic(n: int, edges: Sequence[Edge]) -> bool:
    """Whether no cycle exists."""
    try:
        topological(n, edges)
    except GraphError:
        return False
    return True


def slice_length(n: int, edges: Sequence[Edge]) -> int | None:
    """The largest L for which the edges with a latency below L slots are acyclic; None if all edges together are.

    Raises:
        GraphError: the edges of latency 0 have a cycle.
    """
    if is_acyclic(n, edges):
        return None
    levels = sorted({e.latency for e in edges})
    low, high = 0, len(levels) - 1  # the first level at which a cycle closes
    while low < high:
        middle = (low + high) // 2
        if is_acyclic(n, [e for e in edges if e.latency <= levels[middle]]):
            low = middle + 1
        else:
            high = middle
    if levels[low] == 0:
        raise GraphError("graph", "has a loop without latency")
    return levels[low]


def feedback_arcs(n: int, edges: Sequence[Edge]) -> list[int]:
    """Indices of edges whose removal leaves no cycle, of minimum total weight.

    Exact for strongly connected blocks of up to `EXACT_NODES` nodes; beyond, the order of Eades, Lin & Smyth (Inf. Process. Lett.
    47:319, 1993) with weights, improved by moving single nodes.
    """
    removed = [i for i, e in enumerate(edges) if e.source == e.target]
    rest = [i for i, e in enumerate(edges) if e.source != e.target]
    for part in components(n, [edges[i] for i in rest]):
        if len(part) == 1:
            continue
        local = {v: j for j, v in enumerate(part)}
        inner = [i for i in rest if edges[i].source in local and edges[i].target in local]
        weight: dict[tuple[int, int], float] = {}
        for i in sorted(inner, key=lambda i: edges[i]):
            pair = (local[edges[i].source], local[edges[i].target])
            weight[pair] = weight.get(pair, 0.0) + edges[i].weight
        order = _best_order(len(part), weight) if len(part) <= EXACT_NODES else _good_order(len(part), weight)
        place = {v: j for j, v in enumerate(order)}
        removed += [i for i in inner if place[local[edges[i].source]] > place[local[edges[i].target]]]
    return sorted(removed)


def _best_order(n: int, weight: dict[tuple[int, int], float]) -> list[int]:
    """The order with the least weight pointing backward, over all subsets that can stand first."""
    into = [[0.0] * n for _ in range(n)]  # into[v][u]: weight of u -> v
    for (u, v), w in weight.items():
        into[v][u] += w
    best = [0.0] * (1 << n)
    last = [-1] * (1 << n)
    for subset in range(1, 1 << n):
        best[subset] = float("inf")
        for v in range(n):
            if subset >> v & 1:
                before = subset & ~(1 << v)
                # Put v behind all of `before`: its edges into them point backward.
                cost = best[before] + sum(into[u][v] for u in range(n) if before >> u & 1)
                if cost < best[subset] - 1e-12:
                    best[subset], last[subset] = cost, v
    order, subset = [], (1 << n) - 1
    while subset:
        order.append(last[subset])
        subset &= ~(1 << last[subset])
    return order[::-1]


def _good_order(n: int, weight: dict[tuple[int, int], float]) -> list[int]:
    out: list[dict[int, float]] = [{} for _ in range(n)]
    into: list[dict[int, float]] = [{} for _ in range(n)]
    for (u, v), w in weight.items():
        out[u][v] = w
        into[v][u] = w
    gain = [sum(out[v].values()) - sum(into[v].values()) for v in range(n)]
    n_out, n_in = [len(o) for o in out], [len(i) for i in into]
    left: list[int] = []
    right: list[int] = []
    alive = [True] * n
    heap = [(-gain[v], v) for v in range(n)]
    heapq.heapify(heap)
    sinks, sources = [v for v in range(n) if n_out[v] == 0], [v for v in range(n) if n_in[v] == 0]
    remaining = n
    while remaining:
        if sinks:
            v = sinks.pop()
            side = right
        elif sources:
            v = sources.pop()
            side = left
        else:
            while True:
                g, v = heapq.heappop(heap)
                if alive[v] and -g == gain[v]:
                    break
            side = left
        if not alive[v]:
            continue
        alive[v] = False
        remaining -= 1
        side.append(v)
        for u, w in into[v].items():
            if alive[u]:
                gain[u] -= w
                n_out[u] -= 1
                heapq.heappush(heap, (-gain[u], u))
                if n_out[u] == 0:
                    sinks.append(u)
        for u, w in out[v].items():
            if alive[u]:
                gain[u] += w
                n_in[u] -= 1
                heapq.heappush(heap, (-gain[u], u))
                if n_in[u] == 0:
                    sources.append(u)
    return _improved(left + right[::-1], out, into)


def _improved(order: list[int], out: list[dict[int, float]], into: list[dict[int, float]]) -> list[int]:
    """Move single nodes to their best place until nothing is gained (a few passes)."""
    for _ in range(3):
        moved = False
        for v in sorted(order):
            place = {u: i for i, u in enumerate(order)}
            i = place[v]
            marks = sorted((place[u], -w) for u, w in out[v].items() if place[u] < i)
            marks += sorted((place[u], w) for u, w in into[v].items() if place[u] < i)
            # Moving left past u: an edge v -> u turns forward (gain w), an edge u -> v turns backward (loss w).
            total, best, where = 0.0, 1e-12, i
            for position, change in sorted(marks, reverse=True):
                total -= change
                if total > best:
                    best, where = total, position
            if where < i:
                order.insert(where, order.pop(i))
                moved = True
        if not moved:
            break
    return order
