"""Tensors by name: the parameters ``p`` and the inputs ``x`` that a model or a part of a device is called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Bag:
    """Tensors by name: the parameters ``p`` or the inputs ``x`` of a model."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Tensor:
        raise AttributeError(f"no parameter or input named {name!r}; there are: {', '.join(self.__dict__)}")
