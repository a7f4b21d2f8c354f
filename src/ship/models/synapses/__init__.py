"""Synapses and links."""
