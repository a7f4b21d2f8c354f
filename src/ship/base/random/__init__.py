"""Counter-based random numbers: a value depends on what it is for, never on when it is drawn."""

from .draws import counts, draw_normal, draw_uniform, normal, normal_at, uniform
from .philox import key

__all__ = ["counts", "draw_normal", "draw_uniform", "key", "normal", "normal_at", "uniform"]
