"""The page: what it holds, that others' words stay words, and that everyone can read it.

The contrast of text is at least 4.5, that of what is drawn at least 3 (WCAG 2.1, success criteria 1.4.3 and 1.4.11).
"""

import base64
import io
import itertools
import json
import math
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import ship
from reading_html import Tree, contrast, palettes
from ship.base.errors import ParameterError
from ship.plot import Page

EVIL = "<script>alert('x')</script><img src=http://x.invalid/a onerror=alert(1)>\"'"


def drawing(label="current (A)"):
    figure = Figure(figsize=(3, 2))
    frame = figure.add_subplot()
    frame.plot([0, 1, 2], [0, 1, 4], "o-", color="#2166ac")
    frame.set_xlabel(label)
    return figure


def full(word="oxide"):
    """A page with each kind of block."""
    page = Page(f"About {word}", f"Of {word}.", above=word)
    page.answer(f"{word} passes.", f"More of {word}.", verdict="Passes", tone="good")
    page.section(f"Numbers of {word}")
    page.facts({word: word}, tiles=True)
    page.table(["part", word], [[word, 1.5], ["b", math.nan]], f"Table of {word}.")
    page.section("Part", 3)
    page.text(word)
    page.note(word)
    page.points([word, "two"])
    page.figure(drawing(word), f"Figure of {word}", word, word, narrow=drawing())
    page.section("More")
    page.figures([(drawing(), word, word), (drawing(), "second", "")])
    with page.details(word):
        page.facts({word: word})
    page.section("End")
    page.data({word: [word, math.inf, None], "</script>": 1}, "numbers.json")
    return page


def test_the_page_is_whole_and_asks_nothing_of_a_network(tmp_path):
    text = full().write(tmp_path / "page.html").read_text()
    tree = Tree(text)
    assert tree.unclosed == []
    for element in tree.all:
        for key in ("src", "href", "action", "data", "srcset", "xlink:href"):
            assert (element.get(key) or "#").startswith(("#", "data:")), (element.tag, element.get(key))
    assert "@import" not in text
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", text))
    policy = next(e for e in tree.of("meta") if e.get("http-equiv") == "Content-Security-Policy")
    assert policy.get("content").startswith("default-src 'none'")
    assert [e.get("type") for e in tree.of("script")] == ["application/json"]


def test_numbers_are_inside_and_in_the_file_that_a_link_gives():
    tree = Tree(full().render())
    held = json.loads(tree.of("script")[0].text)
    assert held == {"oxide": ["oxide", "inf", None], "</script>": 1}
    link = next(e for e in tree.of("a") if e.get("download"))
    assert link.get("download") == "numbers.json"
    assert json.loads(base64.b64decode(link.get("href").partition("base64,")[2])) == held


def test_words_of_others_stay_words():
    page = full(EVIL)
    plain, tree = Tree(full().render()), Tree(page.render())
    assert [e.tag for e in tree.all] == [e.tag for e in plain.all]  # not one element more
    assert tree.of("h1")[0].text == f"About {EVIL}"
    assert EVIL in tree.of("td", "th")[0].parent.parent.parent.text
    assert json.loads(tree.of("script")[0].text)[EVIL][0] == EVIL
    assert not any(name.startswith("on") for e in tree.all for name in e.attributes)


def test_a_figure_of_others_brings_no_script_and_no_address():
    evil = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
    viewBox="0 0 10 10" onload="x()">
    <script>x()</script><style>@import "http://x.invalid"</style><foreignObject><p>x</p></foreignObject>
    <image href="http://x.invalid/a.png"/><use xlink:href="http://x.invalid/#a"/><a href="javascript:x()"><rect/></a>
    <path d="M0 0" style="fill: url(http://x.invalid/#a)" onclick="x()" clip-path="url(#c)"/>
    <clipPath id="c"><rect/></clipPath></svg>"""
    page = Page("x")
    page.figure(evil, "evil")
    text = page.render()
    svg = text[text.index("<svg") : text.index("</svg>")]
    for word in ("x.invalid", "x()", "foreign", "<a", "<style", "javascript"):
        assert word not in svg
    assert "url(#figure-1-c)" in svg
    assert 'id="figure-1-c"' in svg  # what is known is kept, under a name of its own


def test_an_error_says_what_a_figure_must_be():
    page = Page("x")
    for wrong in (3, b"<html/>", b"<svg", b"\x89PNG"):
        with pytest.raises(ParameterError, match="must be a Matplotlib figure, or the content of an SVG"):
            page.figure(wrong, "wrong")
    with pytest.raises(ParameterError, match="must say what the figure shows"):
        page.figure(drawing(), " ")
    with pytest.raises(ParameterError, match="must have 2 cells"):
        page.table(["a", "b"], [["a"]], "Caption.")
    with pytest.raises(ParameterError, match="must say what the table is of"):
        page.table(["a"], [["a"]], "")
    with pytest.raises(ParameterError, match="below a section"):
        page.section("part without a section", 3)
    with pytest.raises(ParameterError, match="tone"):
        page.answer("x", tone="green")


def accessible(tree):
    """What a checker of accessibility would say of a page."""
    found = []
    if tree.of("html")[0].get("lang") != "en":
        found.append("no language")
    levels = [int(e.tag[1]) for e in tree.of("h1", "h2", "h3", "h4")]
    if levels.count(1) != 1 or levels[0] != 1 or any(b > a + 1 for a, b in itertools.pairwise(levels)):
        found.append(f"headings out of order: {levels}")
    ids = [e.get("id") for e in tree.all if e.get("id")]
    found += [f"id twice: {name}" for name in {i for i in ids if ids.count(i) > 1}]
    for svg in tree.of("svg"):
        named = tree.named(svg.get("aria-labelledby") or "")
        if svg.get("role") != "img" or named is None or not named.text.strip():
            found.append("a figure without a name")
        if svg.get("aria-describedby") and tree.named(svg.get("aria-describedby")) is None:
            found.append("a figure whose description is missing")
    found += ["an image without a name" for e in tree.of("img") if not e.get("alt")]
    for table in tree.of("table"):
        if not any(e.tag == "caption" and e.text.strip() for e in table.children):
            found.append("a table without a caption")
    found += ["a head without a scope" for e in tree.of("th") if e.get("scope") not in ("col", "row")]
    regions = [e for e in tree.all if e.get("role") == "region"]
    found += ["a region without a name" for e in regions if tree.named(e.get("aria-labelledby") or "") is None]
    skip = tree.of("a")[0]
    if tree.named((skip.get("href") or "#")[1:]) is None or not skip.text.strip():
        found.append("no link to the content")
    return found


def test_everyone_can_read_it():
    assert accessible(Tree(full().render())) == []


def test_the_checks_see_what_they_look_for():
    text = full().render()
    for old, new, said in (
        ('lang="en"', "", "no language"),
        ("<h2", "<h4", "headings"),
        ('role="img"', "", "a figure without a name"),
        ('scope="row"', "", "a head without a scope"),
        ("<caption>", "<caption hidden></caption><!--", "a table without a caption"),
        ('id="content"', "", "no link to the content"),
        ('id="figure-1-title"', 'id="figure-2-title"', "id twice"),
    ):
        assert old in text
        assert any(said in each for each in accessible(Tree(text.replace(old, new)))), said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(scheme):
    css = (Path(ship.plot.page.__file__).parent / "page.css").read_text()
    colours = palettes(css)[scheme]
    text = [(ink, paper) for ink in ("ink", "soft", "link") for paper in ("paper", "card")]
    text += [(f"{tone}-ink", f"{tone}-paper") for tone in ("good", "bad", "open")]
    text += [("ink", f"{tone}-paper") for tone in ("good", "bad", "open")] + [("grey", "paper")]
    for a, b in text:
        assert contrast(colours[a], colours[b]) >= 4.5, (a, b, contrast(colours[a], colours[b]))
    drawn = [("blue", "paper"), ("orange", "paper"), ("ink", "between"), ("ink", "fine"), ("ink", "beyond"), ("blue", "fine")]
    for a, b in drawn:
        low = 3 if (a, b) != ("blue", "fine") else 1.5  # a curve on a band is seen by its line above it, too
        assert contrast(colours[a], colours[b]) >= low, (a, b, contrast(colours[a], colours[b]))


def test_contrast_by_hand():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)  # (1 + 0.05) / 0.05
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey that just fails


def test_colours_of_figures_follow_the_page_and_images_keep_theirs():
    page = Page("x")
    page.figure(drawing(), "line")
    text = page.render()
    svg = text[text.index("<svg") : text.index("</svg>")]
    assert "var(--blue)" in svg
    assert "#2166ac" not in svg
    assert ">current (A)</text>" in svg  # text is text
    image = Figure(figsize=(2, 2))
    image.add_subplot().imshow([[0, 1], [2, 3]])
    page.figure(image, "image")
    green = Figure(figsize=(2, 2))
    green.add_subplot().plot([0, 1], color="#2ca02c")
    page.figure(green, "a colour that a dark page would not show well")
    assert page.render().count('class="fixed"') == 2


def test_glyphs_that_are_drawn_keep_their_size():
    """Matplotlib draws glyphs of 2048 units an em with small factors, which must not be rounded."""
    made = io.BytesIO()
    drawing().savefig(made, format="svg")  # as a study does: text as paths
    page = Page("x")
    page.figure(made.getvalue(), "line")
    factors = {float(f) for f in re.findall(r"scale\((0\.\d+)", page.render())}
    assert factors == {float(f) for f in re.findall(r"scale\((0\.\d+)", made.getvalue().decode())}
    assert min(factors) < 0.2


def test_the_same_page_is_the_same_file():
    assert full().render() == full().render()
