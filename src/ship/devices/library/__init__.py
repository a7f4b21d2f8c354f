"""Published devices by name, and their index."""
