"""A page: one HTML file that holds all it shows, and asks nothing of a network."""

from .page import Page

__all__ = ["Page"]
