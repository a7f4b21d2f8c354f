"""Operations on the devices of a network: program, adopt, wait, read, compensate, calibrate, repair, learn by pulses."""
