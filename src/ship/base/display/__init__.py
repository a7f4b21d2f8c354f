"""The appearance of objects at a prompt and in a notebook, as tables and as pictures."""
