"""The signals between groups: stored outputs, delay lines, feeds of connections, and sums through weights."""
