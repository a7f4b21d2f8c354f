"""Pages in Chromium: a quiet console, nothing asked of a network, nothing wider than the screen, figures with names."""

import pytest

from chromium import PROGRAM, Chromium
from sheet_by_hand import sheet

EVIL = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Chromium(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return (
        sheet(device=EVIL)
        .page({"Command": "ship require " + 40 * "long/"})
        .write(tmp_path_factory.mktemp("page") / "require.html")
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_sheet_at_desktop_and_phone_width(browser, file, width, dark):
    browser.open(file, width=width, dark=dark)
    assert browser.value("document.title") == f"How good must {EVIL} be?"
    assert browser.complaints() == []
    assert browser.requests() == [file.resolve().as_uri()]
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("document.querySelectorAll('svg').length") > 12
    shown = "[...document.querySelectorAll('svg')].filter(e => e.getClientRects().length).length"
    figures = [(name, said) for role, name, said in browser.accessible() if role == "image"]
    assert len(figures) == browser.value(shown) > 12  # of the two that are one figure, one is shown
    assert all(name for name, _ in figures)
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")


def test_text_of_figures_is_readable_on_a_phone(browser, file):
    """In pixels of CSS the smallest text is at least 9, as 7 points are on paper."""
    browser.open(file, width=390)
    size = """Math.min(...[...document.querySelectorAll('svg text')].filter(e => e.getClientRects().length)
              .map(e => parseFloat(getComputedStyle(e).fontSize) * Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b)))"""
    assert browser.value(size) >= 9


def test_the_browser_sees_what_it_looks_for(browser, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><title>bad</title><div style='width: 2000px'>wide</div><script>console.error('x'); y()</script>"
        "<svg role='img'></svg><img src='nowhere.png'>"
    )
    browser.open(bad, width=390)
    assert len(browser.complaints()) >= 2
    assert len(browser.requests()) == 2
    assert browser.value("document.documentElement.scrollWidth") >= 2000


def test_print_is_light_and_shows_what_is_folded(browser, file, tmp_path):
    browser.open(file, dark=True, media="print")
    assert browser.value("getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
    folded = "document.querySelector('details dd').getClientRects().length"
    assert browser.value(folded) == 1
    browser.paper(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
