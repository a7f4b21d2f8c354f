"""Figures of records, weights and studies. Matplotlib is imported when something is drawn."""

from .figures import accuracy, confusion, history, network, raster, traces, weights

__all__ = ["accuracy", "confusion", "history", "network", "raster", "traces", "weights"]
