"""What lies between groups: stored outputs, delay lines, feeds, and sums through weights."""
