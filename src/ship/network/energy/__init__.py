"""The energy of a network: `costs` (stated by users), `meter` (counts during runs), `pricing` (from counts to J), `ledger`."""

from .costs import Band, Costs
from .ledger import Ledger
from .meter import Meter

__all__ = ["Band", "Costs", "Ledger", "Meter"]
