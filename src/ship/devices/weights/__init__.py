"""How devices hold the weights of a synapse: mappings, learning by pulses, and the log of pulses."""
