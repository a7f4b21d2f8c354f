"""Compiled code: texts for Numba, where their machine code is kept, and how it is loaded."""
