"""The other parts of a device: errors of programming, noise of reading, current-voltage curve, faults, endurance, temperature."""
