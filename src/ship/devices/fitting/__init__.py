"""From a measurement to a device: `fit` reads it, fits several models, puts them in order, and says where none follows.

`ship.devices.reading` reads the measurement. Here is one module for each kind of measurement: `pulses` (with `trains`,
`pulse_curves`, `curve_fit` and `scatter`), `retention`, `endurance` (both with `trend`), `iv`, `switching`, `neuron` (f-I) and
`measured_array` (one chip). `report` puts the models in order, `to_device` is the only module that knows the device parts;
`combine` makes one device of several measurements, which a `project` file may list.
"""

from .api import KINDS, fit
from .combine import Combined, fit_device
from .measured_array import MeasuredArray, measured_array
from .report import Estimate, Fitted, Found

__all__ = ["KINDS", "Combined", "Estimate", "Fitted", "Found", "MeasuredArray", "fit", "fit_device", "measured_array"]
