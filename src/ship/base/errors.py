"""The errors a user meets. Each message says *where: rule; got value. fix.*"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Hashable, Iterable
from numbers import Integral, Real

_told: set[Hashable] = set()


class ShipError(ValueError):
    """The base class of every error that SHIP raises about a request of its user."""

    def __init__(self, where: str, rule: str, *, got: object = None, fix: str = "") -> None:
        """Compose the message from its parts.

        Args:
            where: the call or argument that is wrong, e.g. ``"LIF 'hidden'.tau"``.
            rule: the rule that was broken, e.g. ``"must be above 0 s"``.
            got: the offending value; None leaves it out of the text.
            fix: a sentence that says what to do.
        """
        self.where, self.rule, self.got, self.fix = where, rule, got, fix
        message = f"{where}: {rule}"
        if got is not None:
            message += f"; got {got}"
        message += "."
        if fix:
            message += f" {fix}"
        super().__init__(message)


class ParameterError(ShipError):
    """A parameter has an unknown name, a wrong shape or a value out of its limits."""


class GraphError(ShipError):
    """Groups do not fit together: unknown tags, ports, sizes or kinds of signal."""


class RunError(ShipError):
    """A run cannot be done as asked: wrong inputs, durations or states."""


class ModelError(ShipError):
    """A function of a model raised an error, which is the cause of this one; it names the group and the function."""


class FileError(ShipError):
    """A file is missing, damaged, of another version, or not safe to load."""


class FitError(ShipError):
    """A measurement cannot be read as asked, or no model can be made of it."""


class NotReadyError(RunError, AttributeError):
    """An attribute does not exist yet, or no longer: `hasattr` returns False, and a user reads why."""


def warn_once(about: Hashable, text: str) -> None:
    """Warn at most once per process about the subject that ``about`` identifies."""
    if about not in _told:
        _told.add(about)
        warnings.warn(text, stacklevel=3)


def is_whole(value: object, least: int = 0) -> bool:
    """Whether a value is a whole number (Python's or NumPy's, no truth value) of at least ``least``."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def is_real(value: object) -> bool:
    """Whether a value is a finite real number (Python's or NumPy's, no truth value)."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(float(value))


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint such as ``"Known: 'a', 'b'. Did you mean 'a'?"`` for a name that is not among ``known``."""
    known = list(known)
    if not known:
        return "There are none."
    text = "Known: " + ", ".join(repr(k) for k in known) + "."
    lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f"{text} Did you mean {lower[close[0]]!r}?" if close else text
