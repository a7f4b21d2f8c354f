"""The reference networks are active, and NEST and the plain loop agree on every spike."""

from dataclasses import replace

import numpy as np
import pytest

from nest_networks import comparable, described, inputs_of, nest_spikes, plain_spikes, rates

CASES = [(kind, seed) for kind in ("delta", "exponential") for seed in (1, 2, 3)]


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_network_is_active(kind, seed):
    """More than half of the units fire, at 1 to 30 Hz; connections, delays and inputs each matter to the spikes."""
    d = described(kind, seed)
    spikes = plain_spikes(d)
    per_unit = rates(d, spikes)
    assert (per_unit >= 1).sum() > len(d.v0) / 2
    assert per_unit.max() <= 30
    assert len(spikes) > 300
    assert set(np.unique(d.delays[d.weights != 0])) == set(range(1, 31))
    assert int(inputs_of(d).sum()) == len(d.input_spikes) > 300
    others = (
        replace(d, weights=0 * d.weights),
        replace(d, input_weights=0 * d.input_weights),
        replace(d, delays=np.full_like(d.delays, 15)),
    )
    for other in others:
        assert not np.array_equal(plain_spikes(other), spikes)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_nest_equals_the_plain_loop(kind, seed):
    pytest.importorskip("nest")
    d = described(kind, seed)
    theirs, ours = comparable(d, nest_spikes(d)), comparable(d, plain_spikes(d))
    assert len(ours) > 300
    np.testing.assert_array_equal(ours, theirs)
