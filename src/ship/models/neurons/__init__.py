"""Neurons, one equation in each file."""
