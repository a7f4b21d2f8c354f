"""Memory devices."""
