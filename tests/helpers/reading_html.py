"""An HTML file taken apart as a checker of accessibility would: its elements in order, and contrasts of its colours."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Element:
    """An element with its attributes, its parent and all text inside."""

    def __init__(self, tag, attributes, parent):
        self.tag, self.attributes, self.parent, self.text, self.children = tag, dict(attributes), parent, "", []

    def get(self, name):
        return self.attributes.get(name)

    def inside(self, tag):
        """Whether one of its parents is such an element."""
        above = self.parent
        while above is not None and above.tag != tag:
            above = above.parent
        return above is not None


class Tree(HTMLParser):
    """The elements of a page, in the order of the file; ``unclosed`` names what was closed in a wrong order."""

    def __init__(self, text):
        super().__init__()
        self.all, self._open, self.unclosed = [], [], []
        self.feed(text)
        self.close()
        self.unclosed += [e.tag for e in self._open]

    def handle_starttag(self, tag, attrs):
        parent = self._open[-1] if self._open else None
        made = Element(tag, attrs, parent)
        self.all.append(made)
        if parent is not None:
            parent.children.append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        if not self._open or self._open.pop().tag != tag:
            self.unclosed.append(tag)

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def of(self, *tags):
        return [e for e in self.all if e.tag in tags]

    def named(self, name):
        """The element with an id."""
        return next((e for e in self.all if e.get("id") == name), None)


def palettes(css):
    """The variables of a style sheet for light and for dark: name to colour."""
    light = dict(re.findall(r"--(\S+): (#[0-9a-f]{6});", css[: css.index("@media")]))
    dark = re.search(r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", css, re.S)
    return {"light": light, "dark": light | dict(re.findall(r"--(\S+): (#[0-9a-f]{6});", dark[1]))}


def contrast(a, b):
    """The contrast of two colours by WCAG 2.1: (L1 + 0.05) / (L2 + 0.05) of their relative luminances."""
    lighter, darker = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
