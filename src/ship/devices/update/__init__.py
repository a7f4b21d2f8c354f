"""Laws of change: how pulses move the conductance of a device. One law a file."""
