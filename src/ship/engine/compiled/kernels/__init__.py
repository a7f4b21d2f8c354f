"""Kernels: compiled programs, and the kernels of one group."""
