"""A group is a model with its tensors: what the user asked for, sizes, wiring and the schedule."""
