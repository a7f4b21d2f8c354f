"""From a measurement to a device: `fit` reads it, fits several models, puts them in order, and says where none follows.

`ship.devices.reading` reads the measurement. Here is one module for each kind of measurement: `pulses` (with `trains`,
`pulse_curves`, `curve_fit` and `scatter`), `retention`, `endurance` (both with `trend`), `iv`, `switching`, `neuron` (f-I) and
`measured_array` (one chip). `report` puts the models in order, `to_device` is the only module that knows the device parts.
"""

from .api import KINDS, fit
from .measured_array import MeasuredArray, measured_array
from .report import Estimate, Fitted, Found

__all__ = ["KINDS", "Estimate", "Fitted", "Found", "MeasuredArray", "fit", "measured_array"]
