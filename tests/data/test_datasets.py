"""Data sets, splits and batches: nothing lost, nothing twice, the same for the same seed, no global random state."""

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ship import data
from ship.base.errors import ParameterError, RunError


@pytest.fixture(autouse=True)
def global_generator_untouched():
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state())


# -- digits --


def test_digits_are_all_there_and_split_by_class():
    d = data.digits()
    assert d.x.shape[1] == d.x_test.shape[1] == 64
    assert len(d.x) + len(d.x_test) == 1797
    assert (d.x.dtype, d.labels.dtype) == (torch.float32, torch.int64)
    assert float(d.x.min()) == 0
    assert float(d.x.max()) == 1
    train, test = torch.bincount(d.labels, minlength=10), torch.bincount(d.labels_test, minlength=10)
    # A fifth of each class, rounded: at most half a sample from it.
    assert bool(((test - 0.2 * (train + test)).abs() <= 0.5).all())
    assert not {tuple(r) for r in d.x.tolist()} & {tuple(r) for r in d.x_test.tolist()}  # the digits are all different


def test_digits_follow_the_seed():
    first, same, other = data.digits(seed=0), data.digits(seed=0), data.digits(seed=1)
    assert torch.equal(first.x_test, same.x_test)
    assert not torch.equal(first.x_test, other.x_test)


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(RunError) as error:
        data.digits()
    assert str(error.value) == "digits: needs scikit-learn. Install it: pip install ship-snn[demo]"


def test_digits_fraction():
    with pytest.raises(ParameterError) as error:
        data.digits(test_fraction=1.0)
    assert str(error.value) == "digits: test_fraction: must lie between 0 and 1; got 1."


# -- split --


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4), max_size=60),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 3),
    st.booleans(),
)
def test_split_is_disjoint_exhaustive_and_deterministic(labels, weights, seed, stratify):
    labels, fractions = torch.tensor(labels, dtype=torch.int64), [w / sum(weights) for w in weights]
    parts = data.split(labels, fractions, seed=seed, stratify=stratify)
    assert len(parts) == len(fractions)
    assert sorted(torch.cat(parts).tolist()) == list(range(len(labels)))
    again = data.split(labels, fractions, seed=seed, stratify=stratify)
    assert all(torch.equal(a, b) for a, b in zip(parts, again, strict=True))


def test_split_divides_each_class():
    labels = torch.tensor([0] * 60 + [1] * 10)
    train, test = data.split(labels, [0.8, 0.2], seed=0)
    assert torch.bincount(labels[train]).tolist() == [48, 8]
    assert torch.bincount(labels[test]).tolist() == [12, 2]
    assert not torch.equal(test, data.split(labels, [0.8, 0.2], seed=1)[1])
    whole = data.split(labels, [0.5, 0.5], stratify=False)
    assert [len(p) for p in whole] == [35, 35]


def test_split_takes_a_data_set():
    labels = torch.arange(20) % 2
    found = data.split(data.SpikeDataset(torch.zeros(20, 3), labels), [0.5, 0.5])
    assert all(torch.equal(a, b) for a, b in zip(found, data.split(labels, [0.5, 0.5]), strict=True))


@pytest.mark.parametrize("fractions", [[0.5, 0.6], [1.5, -0.5], [float("nan"), 1.0], []])
def test_split_fractions(fractions):
    with pytest.raises(ParameterError, match=r"split\.fractions: must be at least 0 and sum to 1; got"):
        data.split(torch.zeros(4, dtype=torch.int64), fractions)


def test_split_shape():
    with pytest.raises(RunError, match=r"split: needs labels \[sample\]; got shape \[4, 2\]"):
        data.split(torch.zeros(4, 2), [1.0])


# -- data set --


def encode(x, generator):
    return data.rate(x, steps=30, dt=1e-3, max_rate=300.0, generator=generator)


def test_a_sample_is_encoded_alike_wherever_it_is_drawn():
    x, labels = torch.rand(6, 5, generator=torch.Generator().manual_seed(1)), torch.arange(6)
    first, second = (data.SpikeDataset(x, labels, encode=encode, seed=0) for _ in range(2))
    assert first[3][0].shape == (30, 5)
    assert torch.equal(first[3][0], first[3][0])
    forwards, backwards = [first[i][0] for i in range(6)], [second[i][0] for i in reversed(range(6))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert torch.equal(first[-1][0], first[5][0])


def test_noise_depends_on_index_epoch_and_seed():
    x, labels = torch.full((2, 5), 0.5), torch.tensor([0, 1])
    a = data.SpikeDataset(x, labels, encode=encode, seed=0)
    b = data.SpikeDataset(x, labels, encode=encode, seed=1)
    spikes = a[0][0]
    assert not torch.equal(spikes, a[1][0])
    assert not torch.equal(spikes, b[0][0])
    a.set_epoch(1)
    assert not torch.equal(spikes, a[0][0])
    a.set_epoch(0)
    assert torch.equal(spikes, a[0][0])


def test_data_set_in_a_loader_and_a_loop():
    samples = [torch.ones(t, 3) * t for t in (4, 1, 6, 2, 3)]
    dataset = data.SpikeDataset(samples, [0, 1, 2, 3, 4])
    assert [int(label) for _, label in dataset] == [0, 1, 2, 3, 4]
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_sampler=data.LengthBuckets([4, 1, 6, 2, 3], 2, buckets=2),
        collate_fn=data.collate,
        generator=torch.Generator(),
    )
    seen = {}
    for x, labels, lengths in loader:
        for i, label in enumerate(labels.tolist()):
            seen[label] = (x[i, : lengths[i]], float(x[i, lengths[i] :].sum()))
    assert len(seen) == 5
    assert all(torch.equal(seen[i][0], samples[i]) and seen[i][1] == 0 for i in range(5))


def test_data_set_needs_a_label_each():
    with pytest.raises(RunError) as error:
        data.SpikeDataset(torch.zeros(3, 2), [0, 1])
    assert str(error.value) == "SpikeDataset: needs one label for each sample; got 3 samples, 2 labels."


# -- batches --


def test_batches_drop_nothing():
    """Ten samples in batches of 4 are 4, 4 and 2 samples."""
    x, labels = torch.arange(10.0)[:, None], torch.arange(10)
    for shuffle in (False, True):
        batches = data.Batches(x, labels, 4, shuffle=shuffle)
        found = list(batches)
        assert [len(b[1]) for b in found] == [4, 4, 2]
        assert len(batches) == 3
        assert sorted(torch.cat([b[1] for b in found]).tolist()) == list(range(10))
        assert all(torch.equal(b[0][:, 0].long(), b[1]) for b in found)


def test_batches_change_with_epoch_and_seed():
    x, labels = torch.zeros(50, 1), torch.arange(50)

    def order(seed, epoch):
        batches = data.Batches(x, labels, 8, shuffle=True, seed=seed)
        batches.set_epoch(epoch)
        return torch.cat([b[1] for b in batches]).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(s, e)) for s in range(3) for e in range(3)}) == 9


def test_batches_encode():
    x, _ = next(iter(data.Batches(torch.rand(6, 5, generator=torch.Generator()), torch.arange(6), 4, encode=encode)))
    assert x.shape == (4, 30, 5)


def test_batches_errors():
    with pytest.raises(ParameterError, match=r"Batches.size: must be a whole number, at least 1; got 0\."):
        data.Batches(torch.zeros(2, 1), torch.arange(2), 0)
    with pytest.raises(RunError, match="Batches: needs one label for each sample; got 2 samples, 3 labels"):
        data.Batches(torch.zeros(2, 1), torch.arange(3), 1)


def test_collate_pads_with_silence():
    x, labels, lengths = data.collate([(torch.ones(2, 3), 5), (torch.ones(4, 3), 1)])
    assert x.shape == (2, 4, 3)
    assert x.sum((1, 2)).tolist() == [6, 12]
    assert x[0, 2:].sum() == 0
    assert (labels.tolist(), lengths.tolist(), labels.dtype) == ([5, 1], [2, 4], torch.int64)
    assert data.collate([(torch.ones(2, 3), 0.5)])[1].tolist() == [0.5]  # targets keep their kind


def test_collate_errors():
    with pytest.raises(RunError, match="collate: needs at least one sample"):
        data.collate([])
    with pytest.raises(RunError, match=r"collate: sample 1: must be \[time, 3\]; got shape \[4, 2\]"):
        data.collate([(torch.ones(2, 3), 0), (torch.ones(4, 2), 0)])


# -- length buckets --


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=50), st.integers(1, 9), st.integers(1, 12), st.integers(0, 5))
def test_length_buckets_hold_every_sample_once(lengths, size, buckets, epoch):
    sampler = data.LengthBuckets(lengths, size, buckets=buckets)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(i for b in batches for i in b) == list(range(len(lengths)))
    assert max(map(len, batches)) <= size
    assert len(sampler) == len(batches)
    assert batches == list(sampler)


def test_length_buckets_group_and_shuffle():
    """100 lengths in 5 buckets: a batch spans at most one bucket, 20 lengths; without buckets it would span most of 100."""
    lengths = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    sampler = data.LengthBuckets(lengths, 8, buckets=5)
    first = list(sampler)
    assert max(int(lengths[b].max() - lengths[b].min()) for b in first) < 20
    assert sorted(map(len, first)) == [4] * 5 + [8] * 10
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_length_buckets_errors():
    with pytest.raises(ParameterError, match=r"LengthBuckets\.size: must be a whole number, at least 1; got 0"):
        data.LengthBuckets([1], 0)
    with pytest.raises(ParameterError, match=r"LengthBuckets\.buckets: must be a whole number, at least 1; got 0"):
        data.LengthBuckets([1], 1, buckets=0)
    with pytest.raises(RunError, match="LengthBuckets: needs the length of at least one sample"):
        data.LengthBuckets([], 1)


# -- event lists --


def test_from_events_counts_and_rounds_half_up():
    """0.3 s at 0.1 s is slot 3 although 0.3 / 0.1 < 3; 2.5 slots are 3; two events in a slot are 2."""
    dense = data.from_events([0.3, 0.25, 0.0, 0.04, 0.05], [1, 1, 0, 0, 0], n=3, steps=4, dt=0.1)
    assert dense.dtype == torch.float32
    assert dense.tolist() == [[2, 0, 0], [1, 0, 0], [0, 0, 0], [0, 2, 0]]
    assert data.from_events([], [], n=2, steps=3, dt=1e-3).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize(
    ("kind", "args", "text"),
    [
        (
            RunError,
            ([0.4], [0], 2, 4, 0.1),
            "from_events: times: must lie inside 4 slots of 0.1 s; got 0.4 s. "
            "From 0.35 s on they belong to slot 4: use steps=5, or leave them out.",
        ),
        (RunError, ([-0.1], [0], 2, 4, 0.1), "from_events: times: must lie inside 4 slots of 0.1 s; got -0.1 s."),
        (RunError, ([float("nan")], [0], 2, 4, 0.1), "from_events: times: must lie inside 4 slots of 0.1 s; got nan s."),
        (RunError, ([0.1], [2], 2, 4, 0.1), "from_events: units: must be from 0 to 1; got [2]."),
        (RunError, ([0.1], [-1], 2, 4, 0.1), "from_events: units: must be from 0 to 1; got [-1]."),
        (RunError, ([0.1], [0.5], 2, 4, 0.1), "from_events: units: must be a list of unit numbers, from 0 on; got [0.5]."),
        (
            RunError,
            ([0.1, 0.2], [0], 2, 4, 0.1),
            "from_events: times and units must be lists of one length; got shapes [2] and [1].",
        ),
        (RunError, ([0.1], [0], 2, 4, 0.0), "from_events: dt: must be a number above 0 s; got 0.0. Give seconds, e.g. dt=1e-3."),
        (ParameterError, ([0.1], [0], 0, 4, 0.1), "from_events: n: must be a whole number, at least 1; got 0."),
        (ParameterError, ([0.1], [0], 2, 0, 0.1), "from_events: steps: must be a whole number, at least 1; got 0."),
    ],
)
def test_from_events_errors(kind, args, text):
    times, units, n, steps, dt = args
    with pytest.raises(kind) as error:
        data.from_events(times, units, n=n, steps=steps, dt=dt)
    assert str(error.value) == text


def test_all_is_complete():
    public = {k for k, v in vars(data).items() if not k.startswith("_") and getattr(v, "__module__", "").startswith("ship.data")}
    assert public == set(data.__all__)
