"""Texts that Numba compiles: the time loops of the fused engine on the CPU (`texts.DRIVERS`)."""
