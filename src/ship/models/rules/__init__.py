"""Learning rules, one equation in each file."""
