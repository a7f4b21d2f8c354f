"""Dendrites."""
