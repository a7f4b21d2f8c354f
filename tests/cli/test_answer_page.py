"""The page of an answer of ``ship ask``: the answer, conditions, limits, and where numbers are from. Numbers are made up."""

import json

import pytest
import torch

import ship
from reading_html import Tree
from ship.base.statistics import Interval, wilson
from ship.cli.answer import numbers
from ship.cli.answer_page import answer_page
from ship.cli.provenance import how_made
from ship.devices import Origin
from ship.study import Conditions, Row
from ship.study.conditions import Limit

EXACT = wilson(354, 359)
VERIFIED = "written and verified"
EVIL = "<script>alert(1)</script>"


def found(rows, base, name="my_oxide"):
    device = ship.Device(name=name, origins={"g_max": Origin("measured", kind="pulses", source=f"{EVIL}.csv")})
    limits = (Limit("read noise", VERIFIED, Interval(0.006, 0.003, 0.009), 16),) if base else ()
    return Conditions(device, 3, tuple(rows), base, limits, ("A note.",), base, {}, None)


def page(rows, base, name="my_oxide"):
    made = found(rows, base, name)
    asked = {"task": "digits", "network": "the network of the task 'digits'", "samples": 359, "notes": ["Of digits."]}
    values = numbers(made, rows, EXACT, 4, 1.5) | asked
    return Tree(answer_page(made, rows, EXACT, {"floating point": EXACT.value}, values, {"Command": "ship ask a.toml"}).render())


CHIPS = torch.tensor([0.96, 0.97, 0.98], dtype=torch.float64)
LATER = Row("after 30 days", None, "the law of retention is valid up to 1 day")


@pytest.fixture(scope="module")
def answered():
    return page([Row(VERIFIED, CHIPS, "to 1 % of the window"), LATER], VERIFIED)


def box(tree):
    return " ".join(next(e for e in tree.of("div") if (e.get("class") or "").startswith("answer")).text.split())


def test_the_answer_is_first(answered):
    assert box(answered).startswith("Written and verified, 3 virtual chips of my_oxide reach 97.0 % (")
    assert "floating point 98.6 %" in box(answered)
    assert "Limits: read noise: +0.6 points (0.3 to 0.9) without it." in box(answered)
    assert "Not known: after 30 days, the law of retention is valid up to 1 day." in box(answered)


def test_conditions_limits_and_origins_are_in_tables(answered):
    rows = [[cell.text for cell in e.children] for e in answered.of("tr")]
    assert ["floating point", "98.6\u00a0% (96.8\u00a0% to 99.4\u00a0%)"] in [row[:2] for row in rows]
    assert ["after 30 days", "\u2013"] in [row[:2] for row in rows]
    assert ["read noise", "+0.6 (0.3 to 0.9)", "yes", VERIFIED, "16"] in rows
    assert any(row[0] == "g_max" and row[2:] == ["measured", f"pulses of {EVIL}.csv"] for row in rows)


def test_how_it_was_measured_and_the_numbers_are_there(answered):
    text = answered.of("main")[0].text
    assert "ship ask a.toml" in text
    assert "A note." in text
    assert "Of digits." in text
    held = json.loads(answered.of("script")[0].text)
    assert held["seed"] == 4
    assert held["conditions"][VERIFIED]["worst"] == 0.96


def test_without_a_number_nothing_is_said():
    tree = page([LATER], "", name=EVIL)
    assert "Nothing can be said of" in box(tree)
    assert not tree.of("svg")
    assert tree.of("h1")[0].text == f"How well would a network do in {EVIL}?"


def test_the_command_is_said_where_it_is_ship(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/ship", "ask", "my device.toml"])
    assert how_made()["Command"] == "ship ask 'my device.toml'"
    assert f"ship {ship.__version__}" in how_made()["Versions"]
    monkeypatch.setattr("sys.argv", ["/usr/bin/other", "ask"])
    assert "Command" not in how_made()
