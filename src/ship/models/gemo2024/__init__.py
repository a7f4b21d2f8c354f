"""The models of the publication that SHIP began with, with its exact update rules: earlier results replay number for number.

They differ from the models of the library, and say so in their files: neurons advance first and emit at the end of the slot, add
their input without filtering it, and are floored at 0; a spike is seen in the voltage, and the slot after it is lost; synapses
add ``weight * w_scale`` to a current (not a charge). For new work take `ship.LIF` and `ship.ExpSynapse`.

Source: Gemo, Brivio, Spiga, the component models published with SHIP, Spiking Hardware In PyTorch (2024).
"""

from .neurons import LIF2024, LeakyIntegrator2024, RestLIF2024, RestLIF2024c
from .sources import BernoulliSource
from .synapses import FirstOrder2024, SecondOrder2024, Summed2024

__all__ = [
    "LIF2024",
    "BernoulliSource",
    "FirstOrder2024",
    "LeakyIntegrator2024",
    "RestLIF2024",
    "RestLIF2024c",
    "SecondOrder2024",
    "Summed2024",
]
