"""The reference networks are active, and NEST and the plain loop agree on every spike."""

import numpy as np
import pytest
from nest_networks import comparable, described, nest_spikes, plain_spikes, rates


@pytest.mark.parametrize("kind", ["delta", "exponential"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_active(kind, seed):
    """At least half of the units fire, none above 30 Hz, and the network matters: without it the spikes are others."""
    d = described(kind, seed)
    spikes = plain_spikes(d)
    per_unit = rates(d, spikes)
    print(kind, seed, len(spikes), (per_unit > 0).sum(), np.sort(per_unit))
    assert (per_unit >= 1).sum() > len(d.v0) / 2
    assert per_unit.max() <= 30


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["delta", "exponential"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nest_equals_the_plain_loop(kind, seed):
    pytest.importorskip("nest")
    d = described(kind, seed)
    theirs, ours = comparable(d, nest_spikes(d)), comparable(d, plain_spikes(d))
    assert len(ours) > 200
    np.testing.assert_array_equal(ours, theirs)
