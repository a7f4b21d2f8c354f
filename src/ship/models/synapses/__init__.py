"""Synapses and links, one equation in each file."""
