"""Pure graph algorithms on numbered nodes. Ties are broken by number: the order in which edges are given never matters."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..base.errors import GraphError

EXACT_NODES = 12  # a block of this many nodes is solved exactly, by dynamic programming over subsets
PASSES = 10  # over all nodes, of the improvement of larger blocks; most need 3 to 6


class Edge(NamedTuple):
    """A directed edge between numbered nodes."""

    source: int
    target: int
    latency: int  # slots
    weight: float  # what it costs to cut the edge, at least 0


def _successors(n: int, edges: Sequence[Edge]) -> list[list[int]]:
    after: list[set[int]] = [set() for _ in range(n)]
    for e in edges:
        after[e.source].add(e.target)
    return [sorted(a) for a in after]


def components(n: int, edges: Sequence[Edge]) -> list[list[int]]:
    """Return the strongly connected components in topological order, sources first, each of them sorted.

    Source: Tarjan, SIAM J. Comput. 1:146 (1972), with a stack of its own instead of recursion.
    """
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
    """Return components in the one topological order with the smallest first members."""
    parts = sorted(parts)
    of = {v: i for i, part in enumerate(parts) for v in part}
    between = [Edge(of[e.source], of[e.target], 0, 0.0) for e in edges if of[e.source] != of[e.target]]
    return [parts[i] for i in topological(len(parts), between)]


def topological(n: int, edges: Sequence[Edge]) -> list[int]:
    """Return the nodes so that every edge points forward; of those that could be next, the smallest number comes first.

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
    """Return whether the graph has no cycle."""
    try:
        topological(n, edges)
    except GraphError:
        return False
    return True


def slice_length(n: int, edges: Sequence[Edge]) -> int | None:
    """Return the largest L for which the edges with a latency below L slots are acyclic; None if all edges together are.

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
    if levels[low] <= 0:
        raise GraphError("graph", "has a loop without latency")
    return levels[low]


def feedback_arcs(n: int, edges: Sequence[Edge]) -> list[int]:
    """Return the indices of edges whose removal leaves no cycle, of minimum total weight.

    Exact for strongly connected blocks of up to `EXACT_NODES` nodes; beyond, the order of Eades, Lin & Smyth (Inf. Process. Lett.
    47:319, 1993) with weights, improved by moving nodes. An edge from a node to itself is always among them.
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
    """Find the order with the least weight pointing backward, over all subsets that can stand first."""
    # back[v][S]: weight from v into the set S (bit u for node u), which points backward when v stands behind S.
    back = np.zeros((n, 1 << n))
    for u in range(n):
        for v in range(n):
            back[v, 1 << u : 2 << u] = back[v, : 1 << u] + weight.get((v, u), 0.0)
    subsets = np.arange(1 << n)
    size = sum(subsets >> v & 1 for v in range(n))
    best = np.where(subsets > 0, np.inf, 0.0)
    last = np.full(1 << n, -1)
    tie = 1e-12 * sum(weight.values())  # sums in another order differ by their rounding: the smallest number wins
    for k in range(1, n + 1):
        layer = subsets[size == k]
        for v in range(n):
            with_v = layer[layer >> v & 1 == 1]
            before = with_v ^ 1 << v
            cost = best[before] + back[v, before]
            less = cost < best[with_v] - tie
            best[with_v[less]], last[with_v[less]] = cost[less], v
    order, subset = [], (1 << n) - 1
    while subset:
        order.append(int(last[subset]))
        subset ^= 1 << order[-1]
    return order[::-1]


def _good_order(n: int, weight: dict[tuple[int, int], float]) -> list[int]:
    """Peel off sinks to the right, sources to the left, else the node that gives most more than it takes; then improve."""
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
    order = left + right[::-1]
    for _ in range(2):  # ends with `_restored`, so that every edge left backward closes a cycle
        order = _restored(_improved(order, out, into), out)
    return order


def _improved(order: list[int], out: list[dict[int, float]], into: list[dict[int, float]]) -> list[int]:
    """Move single nodes to their best place until nothing is gained (a few passes)."""
    tie = 1e-12 * sum(sum(o.values()) for o in out)
    place = {v: i for i, v in enumerate(order)}
    for _ in range(PASSES):
        moved = False
        for v in range(len(order)):
            i = place[v]
            # Passing u on the way left turns v -> u forward (a gain) and u -> v backward (a loss); on the way right the reverse.
            change: dict[int, float] = {}
            for sign, edges in ((1.0, out[v]), (-1.0, into[v])):
                for u, w in edges.items():
                    change[place[u]] = change.get(place[u], 0.0) + (sign if place[u] < i else -sign) * w
            best, where = tie, i
            for side in (sorted((q for q in change if q < i), reverse=True), sorted(q for q in change if q > i)):
                total = 0.0
                for q in side:
                    total += change[q]
                    if total > best:
                        best, where = total, q
            if where != i:
                order.insert(where, order.pop(i))
                for q in range(min(i, where), max(i, where) + 1):
                    place[order[q]] = q
                moved = True
        if not moved:
            break
    return order


def _restored(order: list[int], out: list[dict[int, float]]) -> list[int]:
    """Turn forward, the heaviest first, each backward edge that closes no cycle with the forward ones."""
    order = list(order)
    place = {v: i for i, v in enumerate(order)}
    backward = sorted((-w, u, v) for u, edges in enumerate(out) for v, w in edges.items() if place[v] < place[u])
    for _, u, v in backward:
        first, last = place[v], place[u]
        if first > last:  # an earlier turn has turned this one too
            continue
        behind, work = {v}, [v]  # what must stand after v, as far as u
        while work and u not in behind:
            x = work.pop()
            reached = [y for y in out[x] if place[x] < place[y] <= last and y not in behind]
            behind.update(reached)
            work += reached
        if u not in behind:
            window = order[first : last + 1]
            order[first : last + 1] = [x for x in window if x not in behind] + [x for x in window if x in behind]
            for i in range(first, last + 1):
                place[order[i]] = i
    return order
