"""Errors in the code of models: an exception out of a model or a device part gets the names of its group and function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from ..base.errors import ModelError, ShipError
from ..devices.contract import Part
from ..models.contract import Model
from .group import Group

HINTS = {
    "scalar": "A parameter is a tensor, with many values if it varies: use torch.exp and its kin, not math, float() or .item().",
    "must be real number, not tensor": "A parameter is a tensor: use torch.exp and its kin, not math.",
    "boolean value of tensor": "A model has no `if` on values: use torch.where.",
    "no parameter or input named": "Declare it: a parameter with ship.param, an input with ports= or noise=.",
}  # by a part of the message


@contextmanager
def models_named() -> Iterator[None]:
    """Turn an exception that a model's own function raised into a `ModelError` that names group and function.

    Raises:
        ModelError: with the exception as its cause. All others, and SHIP's own errors, pass as they are.
    """
    try:
        yield
    except (ShipError, MemoryError):
        raise
    except Exception as error:
        where = _place(error.__traceback__)
        if where is None:
            raise
        text = str(error).strip().splitlines()
        hint = next((fix for part, fix in HINTS.items() if part in str(error).lower()), "")
        got = f"{type(error).__name__}: {text[0].rstrip('.')}" if text else type(error).__name__
        raise ModelError(where, "the model's own code failed", got=got, fix=hint) from error


def _place(trace: TracebackType | None) -> str | None:
    """Return the place of an error: the group that the traceback passes through, and the innermost function of its model, as
    ``LIF 'hid'.evolve``; None where it passes through no model's code.
    """
    group: Group | None = None
    function = ""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        owner = frame.f_locals.get("self")
        if isinstance(owner, Model | Part):
            function = frame.f_code.co_name
        elif isinstance(owner, Group):
            group, function = owner, ""
        elif isinstance(getattr(owner, "group", None), Group):
            group, function = owner.group, ""  # type: ignore[union-attr]
    return f"{group.spec.where}.{function}" if group is not None and function else None
