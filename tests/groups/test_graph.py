"""Graph algorithms against brute force on small graphs, and against structure that is known on large ones."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ship.base.errors import GraphError
from ship.groups import graph
from ship.groups.graph import Edge

relaxed = settings(deadline=None, derandomize=True)  # brute force takes as long as the machine lets it
WEIGHTS = [0.0, 0.5, 1.0, 2.0]  # exact in binary: sums in any order are equal


@st.composite
def graphs(draw, most_nodes=7, most_edges=14, least_latency=0):
    """A graph with loops, parallel edges and edges from a node to itself, and the same edges in another order."""
    n = draw(st.integers(1, most_nodes))
    node = st.integers(0, n - 1)
    edge = st.builds(Edge, node, node, st.integers(least_latency, 4), st.sampled_from(WEIGHTS))
    edges = draw(st.lists(edge, max_size=most_edges))
    return n, edges, draw(st.permutations(edges))


def reach(n, edges):
    """reach[u][v]: whether a path of at least one edge leads from u to v (Warshall)."""
    known = [[False] * n for _ in range(n)]
    for e in edges:
        known[e.source][e.target] = True
    for k, u, v in itertools.product(range(n), repeat=3):
        known[u][v] = known[u][v] or (known[u][k] and known[k][v])
    return known


def acyclic(n, edges):
    known = reach(n, edges)
    return not any(known[v][v] for v in range(n))


def weight(edges, chosen):
    return sum(edges[i].weight for i in chosen)


def without(edges, chosen):
    return [e for i, e in enumerate(edges) if i not in set(chosen)]


def least_cut(n, edges):
    """The least weight that must go, over all orders of the nodes."""
    orders = (dict(zip(p, range(n), strict=True)) for p in itertools.permutations(range(n)))
    return min(sum(e.weight for e in edges if place[e.source] >= place[e.target]) for place in orders)


def scattered(n, m, seed):
    rng = random.Random(seed)
    return [Edge(rng.randrange(n), rng.randrange(n), rng.randrange(1, 9), 1 + rng.random()) for _ in range(m)]


def ring(n, latency=1, weight=1.0):
    return [Edge(v, (v + 1) % n, latency, weight) for v in range(n)]


@relaxed
@given(graphs())
def test_components(case):
    n, edges, permuted = case
    parts = graph.components(n, edges)
    known = reach(n, edges)
    assert sorted(v for part in parts for v in part) == list(range(n))
    of = {v: i for i, part in enumerate(parts) for v in part}
    for u, v in itertools.product(range(n), repeat=2):
        assert (of[u] == of[v]) == (u == v or (known[u][v] and known[v][u]))
        assert not known[u][v] or of[u] <= of[v]
    assert all(part == sorted(part) for part in parts)
    assert graph.components(n, permuted) == parts


@relaxed
@given(graphs())
def test_topological(case):
    n, edges, permuted = case
    if not acyclic(n, edges):
        with pytest.raises(GraphError, match="has a cycle"):
            graph.topological(n, edges)
        assert not graph.is_acyclic(n, edges)
        return
    valid = (p for p in itertools.permutations(range(n)) if all(p.index(e.source) < p.index(e.target) for e in edges))
    assert graph.topological(n, edges) == list(next(valid))  # the smallest number first is the first in the dictionary
    assert graph.topological(n, permuted) == graph.topological(n, edges)
    assert graph.is_acyclic(n, edges)


def test_topological_examples():
    assert graph.topological(0, []) == []
    assert graph.topological(3, []) == [0, 1, 2]
    assert graph.topological(4, [Edge(3, 0, 1, 1.0), Edge(3, 0, 1, 1.0), Edge(2, 1, 1, 1.0)]) == [2, 1, 3, 0]
    with pytest.raises(GraphError, match="has a cycle"):
        graph.topological(1, [Edge(0, 0, 1, 1.0)])


def test_components_of_long_graphs_without_recursion():
    n = 5_000
    chain = ring(n)[:-1]
    assert graph.components(n, chain) == [[v] for v in range(n)]
    assert graph.components(n, [Edge(e.target, e.source, 1, 1.0) for e in chain]) == [[v] for v in reversed(range(n))]
    assert graph.components(n, ring(n)) == [list(range(n))]
    assert graph.feedback_arcs(n, chain) == []
    assert graph.slice_length(n, chain) is None


@relaxed
@given(graphs(most_nodes=6))
def test_feedback_arcs_are_minimum(case):
    n, edges, permuted = case
    cut = graph.feedback_arcs(n, edges)
    assert cut == sorted(set(cut))
    assert acyclic(n, without(edges, cut))
    assert weight(edges, cut) == least_cut(n, edges)
    assert {i for i, e in enumerate(edges) if e.source == e.target} <= set(cut)
    other = graph.feedback_arcs(n, permuted)
    assert sorted(permuted[i] for i in other) == sorted(edges[i] for i in cut)


@relaxed
@given(graphs(most_nodes=6))
def test_heuristic_is_a_minimal_cut(case):
    n, edges, permuted = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "EXACT_NODES", 1)
        cut, other = graph.feedback_arcs(n, edges), graph.feedback_arcs(n, permuted)
    assert acyclic(n, without(edges, cut))
    assert weight(edges, cut) >= least_cut(n, edges)
    assert sorted(permuted[i] for i in other) == sorted(edges[i] for i in cut)
    # No edge is cut for nothing; parallel edges are cut together.
    for i in cut:
        same = {j for j in cut if edges[j][:2] == edges[i][:2]}
        assert not acyclic(n, without(edges, set(cut) - same))


def test_heuristic_is_close_to_the_minimum(monkeypatch):
    rng = random.Random(3)
    best = good = right = 0
    for _ in range(200):
        n = rng.randrange(5, 11)
        edges = [Edge(rng.randrange(n), rng.randrange(n), 0, rng.choice(WEIGHTS)) for _ in range(3 * n)]
        monkeypatch.setattr(graph, "EXACT_NODES", 12)
        least = weight(edges, graph.feedback_arcs(n, edges))
        monkeypatch.setattr(graph, "EXACT_NODES", 1)
        found = weight(edges, graph.feedback_arcs(n, edges))
        assert found >= least
        best, good, right = best + least, good + found, right + (found == least)
    assert best > 500  # the graphs have loops to cut
    assert good <= 1.02 * best
    assert right >= 180


def test_feedback_arcs_examples():
    assert graph.feedback_arcs(3, ring(3)) == [0]  # a tie: of equal orders, the one whose last node has the smallest number
    assert graph.feedback_arcs(3, [*ring(3)[:1], Edge(1, 2, 1, 0.4), *ring(3)[2:]]) == [1]
    assert graph.feedback_arcs(1, [Edge(0, 0, 3, 1.0)]) == [0]
    assert graph.feedback_arcs(2, [Edge(0, 1, 1, 1.0), Edge(0, 1, 1, 1.0), Edge(1, 0, 1, 1.5)]) == [2]  # 2 against 1.5
    # Weights of any size: 1e-15 against 3e-15.
    assert graph.feedback_arcs(2, [Edge(0, 1, 1, 1e-15), Edge(1, 0, 1, 3e-15)]) == [0]


def test_feedback_arcs_of_large_graphs():
    n = 1_000
    edges = ring(n)
    edges[617] = edges[617]._replace(weight=0.5)
    assert graph.feedback_arcs(n, edges) == [617]  # one edge cuts the ring; the lightest is found
    both = edges + [Edge(e.target, e.source, 1, 0.1) for e in ring(n)[:-1]]
    assert weight(both, graph.feedback_arcs(n, both)) <= 0.1 * (n - 1) + 0.5 + 1e-9  # forward against backward neighbours
    edges = scattered(n, 3 * n, 1)
    cut = graph.feedback_arcs(n, edges)
    graph.topological(n, without(edges, cut))
    assert 0 < weight(edges, cut) < 0.1 * weight(edges, range(len(edges)))
    turned = edges[::-1]
    assert sorted(len(edges) - 1 - i for i in graph.feedback_arcs(n, turned)) == cut


@relaxed
@given(graphs())
def test_slice_length(case):
    n, edges, permuted = case
    if not acyclic(n, [e for e in edges if e.latency == 0]):
        with pytest.raises(GraphError, match="loop without latency"):
            graph.slice_length(n, edges)
        return
    fitting = [L for L in range(1, 6) if acyclic(n, [e for e in edges if e.latency < L])]
    assert fitting  # L = 1 always fits here
    want = None if acyclic(n, edges) else max(fitting)
    assert graph.slice_length(n, edges) == want
    assert graph.slice_length(n, permuted) == want


@relaxed
@given(graphs(least_latency=1))
def test_slice_length_and_feedback_arcs_agree(case):
    n, edges, _ = case
    assert (graph.slice_length(n, edges) is None) == (graph.feedback_arcs(n, edges) == [])
    assert graph.slice_length(n, without(edges, graph.feedback_arcs(n, edges))) is None


def test_slice_length_examples():
    assert graph.slice_length(0, []) is None
    assert graph.slice_length(1, [Edge(0, 0, 7, 1.0)]) == 7
    # Of each loop the largest latency counts, of all loops the smallest of these.
    loops = [Edge(0, 1, 0, 1.0), Edge(1, 0, 9, 1.0), Edge(1, 2, 4, 1.0), Edge(2, 1, 2, 1.0)]
    assert graph.slice_length(3, loops) == 4
    assert graph.slice_length(1_000, [*ring(1_000, latency=0)[:-1], Edge(999, 0, 50, 1.0)]) == 50
    for latency in (0, -1):
        with pytest.raises(GraphError, match="loop without latency"):
            graph.slice_length(2, [Edge(0, 1, latency, 1.0), Edge(1, 0, latency, 1.0)])
