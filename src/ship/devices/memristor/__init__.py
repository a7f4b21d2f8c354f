"""Voltage-driven devices: memristors whose state follows a differential equation. One model a file."""
