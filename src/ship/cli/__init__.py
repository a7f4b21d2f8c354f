"""The command ``ship``."""
