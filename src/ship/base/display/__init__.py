"""How objects look: at a prompt, in a notebook, as tables and as pictures."""
