"""Benchmarks: the same work by SHIP, by other simulators and by bare matrix products, side by side in one run."""
