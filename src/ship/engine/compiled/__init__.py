"""The fused engine: models traced to kernels that hold the time loop, forward and backward."""
