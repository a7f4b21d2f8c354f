"""The energy ledger: `costs` (what users state), `meter` (what is counted), `pricing` (counts to J), `ledger` (results)."""

from ...base.statistics import Band
from .costs import Costs
from .ledger import Ledger
from .meter import Meter

__all__ = ["Band", "Costs", "Ledger", "Meter"]
