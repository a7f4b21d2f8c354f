"""Laws of time: how a conductance drifts, relaxes and is lost when the device is left alone."""
