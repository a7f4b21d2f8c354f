"""The reference engine: plain PyTorch, slot by slot. It defines the correct result and runs any model."""
