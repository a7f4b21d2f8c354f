"""From a program to the text of a kernel, for Numba or Triton, and the texts that kernels lean on."""
