"""Executors: how a tape runs through time, on the CPU and on CUDA."""
