"""Saving and loading networks: structure as JSON, tensors as safetensors."""
