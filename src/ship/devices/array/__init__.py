"""Devices in an array: their parameters, what happened to each, and how they are written, read, adopted and swept."""
