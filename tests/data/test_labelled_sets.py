"""Labelled data sets: standard PyTorch data sets that know whose samples are and where they come from."""

from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import ship
from ship.data import About, LabelledSet

ABOUT = About("Toys", "CC0", "nobody", "https://example.org")


@pytest.fixture
def toys():
    x = torch.arange(12.0).reshape(4, 3)
    by = {"speaker": ["a", "b", "a", "c"], "take": torch.tensor([0, 1, 2, 3])}
    return LabelledSet("toys", x, torch.tensor([0, 1, 0, 1]), ("no", "yes"), ABOUT, by, torch.tensor([False, True, False, True]))


def test_it_is_a_data_set_of_pytorch(toys):
    assert isinstance(toys, Dataset)
    x, labels = next(iter(DataLoader(toys, batch_size=3)))
    assert torch.equal(x, toys.x[:3])
    assert labels.tolist() == [0, 1, 0]
    assert len(list(toys)) == 4


def test_a_part_carries_everything_along(toys):
    part = toys.part(toys.test)
    assert part.by["speaker"] == ["b", "c"]
    assert part.by["take"].tolist() == [1, 3]
    assert part.labels.tolist() == [1, 1]
    assert part.about is ABOUT
    listed = replace(toys, x=list(toys.x)).part([3, 0])
    assert [x.tolist() for x in listed.x] == [[9, 10, 11], [0, 1, 2]]


def test_its_hash_is_that_of_the_samples_and_labels(toys):
    assert toys.hash() == replace(toys, by={}, test=None).hash()
    assert toys.hash() != replace(toys, x=toys.x + 1).hash()
    assert toys.hash() != replace(toys, labels=1 - toys.labels).hash()
    assert replace(toys, x=toys.x.reshape(4, 3, 1)).hash() != toys.hash()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"labels": torch.tensor([0, 1])}, "labels: must have one entry for each of 4 samples; got 2"),
        ({"by": {"speaker": ["a"]}}, "speaker: must have one entry"),
        ({"labels": torch.tensor([0, 1, 2, 0])}, "must be from 0 to 1; got 2"),
    ],
)
def test_what_does_not_fit_is_refused(toys, change, text):
    with pytest.raises(ship.RunError, match=text):
        replace(toys, **change)


def test_data_sets_have_names():
    assert all(about.licence and about.citation and about.home for about in ship.data.names().values())
    assert len(ship.data.load("digits")) == 1797
    with pytest.raises(ship.RunError, match=r"no data set named 'digit'.*Did you mean 'digits'"):
        ship.data.load("digit")
