"""A Matplotlib figure as an ``svg`` element inside HTML: with a name, with text as text, in colours that follow the page.

Matplotlib's SVG file is taken apart and only known elements and attributes are kept, so that a figure brings no script and no
address. Names inside (of clips and markers) get the name of the figure in front, since all figures of a page share one space of
names. Colours of `INKS` become variables of the style sheet, which has them for a light and for a dark page; a figure with an
image or with other colours stays on white.

Source: W3C, SVG Accessibility API Mappings, section 5: an ``svg`` with the role ``img`` has its title as its name, and its desc
as what describes it.
"""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

from ...base.errors import ParameterError

# Colours in figures -> variables of `page.css`. The first five are those of `ship.plot`.
INKS = {
    "#2166ac": "blue",
    "#d95f02": "orange",
    "#777777": "grey",
    "#000000": "ink",
    "#ffffff": "paper",
    "#1f77b4": "blue",
    "#ff7f0e": "orange",
    "#7f7f7f": "grey",
    "#262626": "ink",
    "#b0b0b0": "line",
    "#cccccc": "line",
    "#a6c8e8": "fine",
    "#5b9bd0": "between",
    "#fbd9bd": "beyond",
}
SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
SHAPES = ("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "use", "image")
KEPT = {"svg", "g", "defs", "clipPath", "linearGradient", "radialGradient", "stop", "pattern", "symbol", "mask", *SHAPES}
COLOUR = re.compile(r"(?:fill|stroke)(?:: ?|=\")(#[0-9a-fA-F]{6})\b")
HREF = re.compile(r"#[\w.:-]+|data:image/(png|jpeg);base64,[A-Za-z0-9+/=\s]+")
ROUNDED = ("d", "points", "x", "y")  # lengths in points; the factors of a transform are small, and stay
NUMBER = re.compile(r"-?\d+\.\d{3,}")
FONT = re.compile(r"font: (?P<style>(?:(?:italic|oblique|bold|\d{3}) )*)(?P<size>[\d.]+)px [^;]*")


def svg_of(figure: Any, name: str, title: str, description: str = "") -> tuple[str, bool]:
    """Return a figure as the text of an ``svg`` element, and whether it must keep its colours on white.

    Args:
        figure: a Matplotlib figure, or the content of an SVG file that Matplotlib wrote.
        name: a name that no other figure of the page has.
        title: what the figure shows, for readers who do not see it.
        description: what can be read from it, at length.

    Raises:
        ParameterError: neither a figure nor an SVG.
    """
    content = figure if isinstance(figure, bytes) else _drawn(figure)
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ParameterError("Page.figure", "must be a Matplotlib figure, or the content of an SVG", got=str(error)) from error
    if root.tag != f"{SVG}svg":
        raise ParameterError("Page.figure", "must be a Matplotlib figure, or the content of an SVG", got=root.tag)
    text = content.decode(errors="replace")
    fixed = root.find(f".//{SVG}image") is not None or bool({c.lower() for c in COLOUR.findall(text)} - set(INKS))
    used = _used(text)
    made = _element(root, name, used)
    _named(made, root, name, title, description)
    return ElementTree.tostring(made, encoding="unicode"), fixed


def _drawn(figure: Any) -> bytes:
    """Return the SVG of a figure, with text as text and without a background."""
    if not hasattr(figure, "savefig"):
        rule = "must be a Matplotlib figure, or the content of an SVG"
        raise ParameterError("Page.figure", rule, got=type(figure).__name__)
    import matplotlib as mpl

    made = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ship"}):
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return made.getvalue()


def _used(text: str) -> set[str]:
    """Return the names inside an SVG that something refers to."""
    return set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))


def _element(old: ElementTree.Element, name: str, used: set[str]) -> ElementTree.Element:
    made = ElementTree.Element(old.tag.removeprefix(SVG))
    made.text, made.tail = old.text, old.tail
    if made.tag not in ("text", "tspan"):
        made.text = None
    if made.tag != "tspan":
        made.tail = None
    for key, value in old.attrib.items():
        kept = _attribute(key, value, name, used)
        if kept is not None:
            made.set(*kept)
    for child in old:
        if isinstance(child.tag, str) and child.tag.startswith(SVG) and child.tag.removeprefix(SVG) in KEPT:
            part = _element(child, name, used)
            if part.tag != "g" or len(part):
                made.append(part)
    return made


def _attribute(key: str, value: str, name: str, used: set[str]) -> tuple[str, str] | None:
    """Return an attribute as the page has it; None: it is left out."""
    if key in ("href", f"{XLINK}href"):
        if not HREF.fullmatch(value):
            return None
        return "href", f"#{name}-{value[1:]}" if value.startswith("#") else value
    if key.startswith("{") or key.lower().startswith("on"):
        return None
    if key == "id":
        return ("id", f"{name}-{value}") if value in used else None
    if re.search(r"url\(\s*['\"]?(?!#)", value):
        return None
    value = value.replace("url(#", f"url(#{name}-")
    if key == "style":
        value = _style(value)
    elif key in ("fill", "stroke", "stop-color"):
        value = (INKS.get(value.lower(), "") and f"var(--{INKS[value.lower()]})") or value
    return key, NUMBER.sub(lambda found: f"{float(found[0]):.2f}", value) if key in ROUNDED else value


def _style(value: str) -> str:
    """Return a style with the page's own font, and with colours that follow the page."""
    value = FONT.sub(lambda found: _font(found["style"], found["size"]), value)
    return re.sub(r"#[0-9a-fA-F]{6}\b", lambda found: _ink(found[0]), value)


def _ink(colour: str) -> str:
    known = INKS.get(colour.lower())
    return colour if known is None else f"var(--{known})"


def _font(style: str, size: str) -> str:
    made = f"font-size: {size}px"
    for word in style.split():
        made += f"; font-{'style' if word in ('italic', 'oblique') else 'weight'}: {word}"
    return made


def _named(made: ElementTree.Element, root: ElementTree.Element, name: str, title: str, description: str) -> None:
    """Give an ``svg`` element its size in pixels of CSS, its role, its title and what describes it."""
    width = root.get("viewBox", "0 0 460 300").split()[2]
    for key in ("width", "height", "version"):
        made.attrib.pop(key, None)
    made.attrib |= {"role": "img", "aria-labelledby": f"{name}-title", "style": f"--width: {float(width) * 4 / 3:.0f}px"}
    heads = [("title", title), ("desc", description)] if description else [("title", title)]
    if description:
        made.set("aria-describedby", f"{name}-desc")
    for at, (tag, text) in enumerate(heads):
        head = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        head.text = text
        made.insert(at, head)
