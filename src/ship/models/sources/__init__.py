"""Inputs and autonomous sources, one in each file."""
