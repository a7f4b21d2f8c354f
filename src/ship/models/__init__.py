"""Models: one equation a file."""
