"""The page of a requirement sheet: the answer first, each axis at its place, and what is not known said."""

import dataclasses
import json
import math

import pytest

from reading_html import Tree
from sheet_by_hand import axis, sheet
from ship.base.statistics import Interval
from ship.study import Sheet
from ship.study.sheet import KINDS, Mark
from ship.study.sheet.figures import curve, ordered, overview, place
from ship.study.sheet.page import verdict_of


@pytest.fixture(scope="module")
def page():
    return sheet().page({"Command": "ship require a.toml"}).render()


@pytest.fixture(scope="module")
def tree(page):
    return Tree(page)


def test_places_of_values_are_shares_of_the_way_from_best_to_worst():
    """On a logarithmic axis a value lies at ``log(v / best) / log(worst / best)``."""
    less, more = axis("spread"), axis("levels")  # 0.3 % to 100 %; 64 to 2 levels
    assert place(less, 0.03).x == pytest.approx(math.log(0.03 / 0.003) / math.log(1 / 0.003))
    assert place(more, 8).x == pytest.approx(3 / 5)  # 64 = 2^6, 8 = 2^3, 2 = 2^1
    assert place(less, 0.0) == (0.0, -1)  # nothing of it is better than all of the range
    assert place(less, 7.0) == (1.0, 1)
    assert place(more, 10_000) == (0.0, -1)
    assert place(more, 1.0) == (1.0, 1)
    assert place(less, math.inf) == (1.0, 1)
    assert place(axis("on_off"), math.inf) == (0.0, -1)


def test_the_axis_that_fails_comes_first(tree):
    found = sheet()
    assert [a.name for a in ordered(found)][:3] == ["spread", "nonlinearity", "scatter"]  # 2.1, 1.1, 0.69 times
    assert {a.name for a in ordered(found)} == set(KINDS)
    rows = [e.text.split("\n")[1] for e in tree.of("tr") if e.inside("tbody")][: len(KINDS)]
    assert rows == [a.title for a in ordered(found)]


def test_the_answer_is_first_and_says_what_mends(tree):
    box = next(e for e in tree.of("div") if (e.get("class") or "").startswith("answer"))
    assert box.get("class") == "answer bad"
    assert "Fails my_oxide fails first on spread from device to device: 2.1 times (1.7 to 2.5)" in " ".join(box.text.split())
    assert "What mends it: write and verify" in box.text
    assert "The worst pair is spread from device to device with devices stuck high" in box.text
    assert "Not known of it, though required: drift, devices stuck high." in box.text
    first = next(e for e in tree.all if e.tag in ("h2", "div"))
    assert first is box


def with_marks(**marks):
    """The sheet with other marks: a ratio with its interval for each axis, and none elsewhere."""
    found = sheet(pair=False, remedies=False)
    none = Mark(status="missing", text="not measured")
    axes = [
        dataclasses.replace(
            a, mark=Mark(a.required.value, "measured", "x", Interval(*marks[a.name])) if a.name in marks else none
        )
        for a in found.axes
    ]
    return dataclasses.replace(found, axes=tuple(axes), fails="")


ALL = {name: (0.3, 0.2, 0.4) for name, kind in KINDS.items() if kind.of == "device" and name != "on_off"}


@pytest.mark.parametrize(
    ("marks", "verdict", "tone"),
    [
        (ALL, "Passes, one at a time", "good"),
        ({"spread": (0.3, 0.2, 0.4)}, "Passes where it is known", "open"),
        (ALL | {"drift": (0.9, 0.7, 1.2)}, "Undecided", "open"),
        (ALL | {"drift": (1.1, 0.9, 1.4)}, "Undecided", "open"),
        (ALL | {"drift": (1.5, 1.2, 1.9)}, "Fails", "bad"),
        ({}, "Not known", "open"),
    ],
)
def test_the_verdict_is_never_better_than_what_is_known(marks, verdict, tone):
    assert verdict_of(with_marks(**marks)) == (verdict, tone)


def test_a_sheet_without_a_device_says_what_may_be():
    bare = sheet(device="", pair=False)
    bare = dataclasses.replace(bare, axes=tuple(dataclasses.replace(a, curve=()) for a in bare.axes))
    tree = Tree(bare.page().render())
    box = next(e for e in tree.of("div") if (e.get("class") or "").startswith("answer"))
    assert "spread from device to device at most 11\u00a0%" in box.text
    assert "Diamonds" not in tree.of("main")[0].text
    assert tree.of("h1")[0].text == "How good must a device be?"


def test_what_is_assumed_and_what_is_missing_are_told_apart(tree):
    text = " ".join(tree.of("main")[0].text.split())
    assumed = text[text.index("Assumed, not measured") : text.index("Not measured drift")]
    assert "gong_2018, by the user" in assumed
    assert "the retention was not measured" not in assumed
    assert "ship require a.toml" in text
    assert "Seed0" in text


def test_the_numbers_inside_are_the_sheet(tree):
    held = json.loads(tree.of("script")[0].text)
    assert Sheet.from_dict(held).as_dict() == sheet().as_dict()


def test_refused_and_unlimited_axes_are_drawn_without_a_requirement():
    found = sheet()
    axes = tuple(dataclasses.replace(a, curve=()) for a in found.axes)
    no = dataclasses.replace(found["drift"], found="refused", required=Interval(math.nan), curve=(), text="refused: no weights")
    always = dataclasses.replace(axes[0], found="always", required=Interval(math.nan))
    axes = tuple({"drift": no, "spread": always}.get(a.name, a) for a in axes)
    made = dataclasses.replace(found, axes=axes)
    text = Tree(made.page().render()).of("main")[0].text
    assert "refused: no weights" in text
    words = [t.get_text() for t in overview(made, wide=True).axes[0].texts]
    assert "the network cannot have it" in words
    assert "below 0.3 %" in words


def test_curves_get_worse_to_the_right():
    found = sheet()
    for name, worst in (("spread", 1.0), ("levels", 2.0)):
        left, right = curve(found, found[name]).axes[0].get_xlim()
        assert abs(math.log(right / worst)) < abs(math.log(left / worst))


def test_a_page_is_small(page):
    assert len(page.encode()) < 600_000  # 1 MB is the most that is promised
