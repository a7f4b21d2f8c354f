"""Inputs and autonomous sources."""
