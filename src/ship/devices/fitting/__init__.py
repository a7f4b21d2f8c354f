"""From a measurement to a device: `fit` reads it, fits several models, puts them in order, and says where none follows.

``table`` reads files (by ``text``, ``xlsx`` and ``npz``, within ``limits``); ``roles``, ``units`` and ``columns`` say what each
column is, ``spelling`` how a remedy is said to the caller; then one module for each kind of measurement: ``pulses``,
``retention``, ``iv``, ``statistics`` (switching, endurance), ``neuron`` (f-I), ``array`` (a measured array as one
chip). ``devices`` is the only module that knows the library's device parts.
"""

from .api import KINDS, fit
from .measured_array import MeasuredArray, measured_array
from .report import Estimate, Fitted, Found

__all__ = ["KINDS", "Estimate", "Fitted", "Found", "MeasuredArray", "fit", "measured_array"]
