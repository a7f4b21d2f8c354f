"""The reference engine: plain PyTorch, slot by slot. It defines what is right, and runs any model."""
