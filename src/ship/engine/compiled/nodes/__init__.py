"""Nodes that run as kernels: what each kind of group gives to a tape."""
