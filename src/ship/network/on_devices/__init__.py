"""What is done to the devices of a network: program, wait, read, repair, compensate."""
