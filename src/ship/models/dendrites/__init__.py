"""Dendritic compartments, one equation in each file."""
