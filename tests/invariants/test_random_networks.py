"""Random networks against an independent simulation, and all ways of running that must agree. Few examples, always the same ones.

The simulation here shares no code with the library: NumPy, one slot after the other, a queue of arrivals by absolute slot for
each connection, time constants and dead times as the semantics define them. Weights lie on a dyadic grid.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ship
from slotwise import build, recipes, simulate

DT = 1e-3
STEPS = 24
pytestmark = pytest.mark.usefixtures("no_grad")
few = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
fewer = settings(few, max_examples=12)


@few
@given(recipes(), st.sampled_from([None, None, 2]))
def test_random_networks_agree_with_an_independent_simulation(recipe, chips):
    groups, x = recipe
    net = build(groups, chips, vary=0.2 if chips else 0.0)
    out = net.run(x)
    for chip in range(chips or 1):
        for sample in range(2):
            expected = simulate(groups, net, x, sample, chip)
            for model, tag, _ in groups:
                got = (out[tag][chip] if chips else out[tag])[sample].numpy()
                if model == "LIF":
                    np.testing.assert_array_equal(got, expected[tag], err_msg=tag)
                else:
                    np.testing.assert_allclose(got, expected[tag], rtol=1e-11, atol=1e-12, err_msg=tag)


def assert_same(a, b, exact=False):
    assert a.keys() == b.keys()
    for tag in a:
        if exact:
            assert torch.equal(a[tag], b[tag]), tag
        else:
            torch.testing.assert_close(a[tag], b[tag], rtol=1e-12, atol=1e-13, msg=lambda m, tag=tag: f"{tag}: {m}")


def cut(x, *slices):
    return {t: v[..., s, :] for t, v in x.items() for s in slices}


def joined(a, b):
    return {t: torch.cat([a[t], b[t]], -2) for t in a}


@fewer
@given(recipes(), st.randoms(use_true_random=False))
def test_order_of_insertion_does_not_matter(recipe, rnd):
    groups, x = recipe
    out = build(groups).run(x)
    mixed = list(groups)
    rnd.shuffle(mixed)
    again = build(mixed).run(x)
    assert_same(dict(sorted(out.items())), dict(sorted(again.items())), exact=True)


@fewer
@given(recipes(), st.integers(1, STEPS - 1))
def test_pieces_batches_and_programmes_equal_one_run(recipe, at):
    groups, x = recipe
    net = build(groups)
    out = net.run(x)
    head, tail = cut(x, slice(None, at)), cut(x, slice(at, None))
    assert_same(joined(net.run(head), net.run(tail, reset=False)), out)
    assert_same(net.run(x, dt=[(DT, at), (DT, STEPS - at)]), out)
    for b in range(2):
        assert_same(net.run({t: v[b : b + 1] for t, v in x.items()}), {t: v[b : b + 1] for t, v in out.items()})


@fewer
@given(recipes())
def test_steps_equal_a_run(recipe):
    groups, x = recipe
    net = build(groups)
    out = net.run(x)
    net.reset()
    slots = [net.step({t: v[:, k] for t, v in x.items()}) for k in range(STEPS)]
    assert_same({t: torch.stack([s[t] for s in slots], -2) for t in out}, out)


@fewer
@given(recipes())
def test_chips_equal_single_dies(recipe):
    groups, x = recipe
    out = build(groups, chips=3, vary=0.3).run(x)
    for die in range(3):
        assert_same(build(groups, chips=[die], vary=0.3).run(x), {t: v[die : die + 1] for t, v in out.items()})


@fewer
@given(recipes(), st.integers(1, STEPS - 1), st.sampled_from([None, 2]))
def test_snapshots_copies_and_files_continue_bit_for_bit(tmp_path_factory, recipe, at, chips):
    groups, x = recipe
    net = build(groups, chips, vary=0.2)
    head, tail = cut(x, slice(None, at)), cut(x, slice(at, None))
    net.run(head)
    kept, twin = net.snapshot(), copy.deepcopy(net)
    path = tmp_path_factory.mktemp("p") / "net.ship"
    ship.save(net, path, running=True)
    out = net.run(tail, reset=False)
    net.run(head, reset=False)  # something else in between
    net.restore(kept)
    for other in (net, twin, ship.load(path)):
        assert_same(other.run(tail, reset=False), out, exact=True)
