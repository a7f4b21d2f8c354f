"""Groups: models with their tensors, from what the user asked for to sizes, wiring and the schedule."""
