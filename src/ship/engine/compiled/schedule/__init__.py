"""Which groups run together as one tape, and how the tape is put together."""
