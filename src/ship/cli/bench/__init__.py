"""The benchmark: SHIP beside other simulators and bare matrix products."""
