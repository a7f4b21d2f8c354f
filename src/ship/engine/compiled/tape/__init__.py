"""What a run does in each slot, as a list of steps, and what automatic differentiation keeps of it."""
