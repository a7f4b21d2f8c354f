"""Figures of records, weights and studies. Matplotlib is imported when something is drawn."""

from ..base.boundary import guard as _guard
from .figures import accuracy, confusion, history, network, raster, traces, weights

__all__ = ["accuracy", "confusion", "history", "network", "raster", "traces", "weights"]

_guard(__name__)
