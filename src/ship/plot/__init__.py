"""Figures of records, weights and studies, and pages that hold them. Matplotlib is imported when something is drawn."""

from ..base.boundary import guard as _guard
from .figures import accuracy, confusion, heat_map, history, network, raster, traces, weights
from .page import Page

__all__ = ["Page", "accuracy", "confusion", "heat_map", "history", "network", "raster", "traces", "weights"]

_guard(__name__)
