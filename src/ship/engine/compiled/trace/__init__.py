"""From the function of a model to a program of pointwise primitives."""
