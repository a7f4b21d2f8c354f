"""Audits of a network: whether its time step is fine enough, and whether its groups do their part."""
