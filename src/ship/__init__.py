"""SHIP: Spiking Hardware In PyTorch. Networks of compact device and circuit models, with exact time.

The models, what fits a device, and the packages `ship.data`, `ship.plot`, `ship.study`, `ship.testing` and `ship.train` are
loaded when they are first used.
"""

import typing as _typing

from . import crossbar as crossbar
from . import devices as devices
from . import models as models
from .base.boundary import guard as _guard
from .base.errors import FileError, FitError, GraphError, ModelError, ParameterError, RunError, ShipError
from .base.later import later as _later
from .base.parameters import FanIn, LogNormal, Normal, Port, State, Uniform, Varied, option, param, per_chip, per_sample
from .base.parameters.bag import Bag
from .base.temperature import thermal_voltage
from .devices import BitSliced, Device, Differential, Offset
from .devices.array.array import DeviceArray
from .devices.array.write_verify import WriteVerify, Written
from .devices.files import load_device, save_device
from .devices.weights.pulse_log import Pulses, load_pulses, replay, save_pulses
from .devices.weights.pulsing import Pulsing
from .groups.connectivity import Edges, InDegree, OutDegree, Probability
from .groups.convolution import Conv2d, Pool2d
from .groups.describe import describe
from .groups.distance import ByDistance, OneToOne, grid
from .models.contract import Connection, Model, Neuron, Rule, Source, SpikingNeuron, Synapse
from .models.surrogate import (
    ATan,
    Exponential,
    FastSigmoid,
    Gaussian,
    LeakyReLU,
    MultiGaussian,
    Rectangle,
    Sigmoid,
    SquaredSoftsign,
    StraightThrough,
    Surrogate,
    Tanh,
    Triangle,
)
from .network.energy import Costs, Ledger
from .network.files.files import load, save
from .network.inputs import Events
from .network.network import Network

__version__ = "0.1.0"

__all__ = [
    "CNRSTDP",
    "EIF",
    "LIF",
    "QIF",
    "ATan",
    "AdEx",
    "AdaptiveLIF",
    "AlphaSynapse",
    "AxialCoupling",
    "Bag",
    "BitSliced",
    "BraderFusi",
    "ByDistance",
    "ClopathSTDP",
    "Combined",
    "ConductanceAlpha",
    "ConductanceDoubleExp",
    "ConductanceExp",
    "ConductanceLIF",
    "Connection",
    "Conv2d",
    "CorrelatedPoisson",
    "Costs",
    "CurrentAdaptiveLIF",
    "CurrentInput",
    "DPINeuron",
    "DPISynapse",
    "DelayedSynapse",
    "DeltaRule",
    "Dendrite",
    "Device",
    "DeviceArray",
    "Differential",
    "DoubleExpSynapse",
    "EProp",
    "Edges",
    "EscapeLIF",
    "Events",
    "ExpSynapse",
    "Exponential",
    "FanIn",
    "FastSigmoid",
    "FileError",
    "FitError",
    "Found",
    "GammaSource",
    "GapJunction",
    "Gaussian",
    "GradedSynapse",
    "GraphError",
    "HodgkinHuxley",
    "HomeostaticLIF",
    "ImpulseSynapse",
    "InDegree",
    "InhomogeneousPoisson",
    "Izhikevich",
    "JohnsonNoise",
    "LeakyIntegrator",
    "LeakyReLU",
    "Ledger",
    "LinearLeakLIF",
    "Link",
    "LogNormal",
    "LowPass",
    "MeasuredArray",
    "Model",
    "ModelError",
    "MultiCompartmentLIF",
    "MultiGaussian",
    "NMDASynapse",
    "Network",
    "Neuron",
    "NoisyLIF",
    "Normal",
    "Offset",
    "OjaRule",
    "OneToOne",
    "OnlineSTDP",
    "OrnsteinUhlenbeck",
    "OutDegree",
    "PairSTDP",
    "ParameterError",
    "PhaseChangeNeuron",
    "PinkNoise",
    "PlateauDendrite",
    "PoissonSource",
    "Pool2d",
    "Port",
    "PowerSTDP",
    "Probability",
    "Pulses",
    "Pulsing",
    "Rectangle",
    "RegularSource",
    "RelaxationOscillator",
    "ResonateAndFire",
    "RestrictedSTDP",
    "ReversalSynapse",
    "RewardSTDP",
    "Rule",
    "RunError",
    "ShipError",
    "Sigmoid",
    "Source",
    "SpikeInput",
    "SpikeListSource",
    "SpikingNeuron",
    "SquaredSoftsign",
    "State",
    "StochasticSynapse",
    "StraightThrough",
    "Surrogate",
    "Sweep",
    "Synapse",
    "SynapticScaling",
    "Tanh",
    "TelegraphNoise",
    "Triangle",
    "TripletSTDP",
    "TsodyksMarkram",
    "Uniform",
    "Varied",
    "VogelsSTDP",
    "VolatileMemristor",
    "WaveformSTDP",
    "WeightedSum",
    "WhiteNoise",
    "WriteVerify",
    "Written",
    "describe",
    "fit",
    "fit_device",
    "grid",
    "load",
    "load_device",
    "load_pulses",
    "look",
    "measured_array",
    "option",
    "param",
    "per_chip",
    "per_sample",
    "replay",
    "save",
    "save_device",
    "save_pulses",
    "sweep",
    "thermal_voltage",
]

_UNCHECKED = ("Bag", "Combined", "Found", "Ledger")  # only the library makes them
_guard(__name__, leave=_UNCHECKED)

if _typing.TYPE_CHECKING:
    from . import data as data
    from . import plot as plot
    from . import study as study
    from . import testing as testing
    from . import train as train
    from .devices.array.waveform import Sweep, sweep
    from .devices.fitting import Combined, Found, fit, fit_device
    from .devices.fitting.measured_array import MeasuredArray, measured_array
    from .devices.reading.look import look
    from .models import (
        CNRSTDP,
        EIF,
        LIF,
        QIF,
        AdaptiveLIF,
        AdEx,
        AlphaSynapse,
        AxialCoupling,
        BraderFusi,
        ClopathSTDP,
        ConductanceAlpha,
        ConductanceDoubleExp,
        ConductanceExp,
        ConductanceLIF,
        CorrelatedPoisson,
        CurrentAdaptiveLIF,
        CurrentInput,
        DelayedSynapse,
        DeltaRule,
        Dendrite,
        DoubleExpSynapse,
        DPINeuron,
        DPISynapse,
        EProp,
        EscapeLIF,
        ExpSynapse,
        GammaSource,
        GapJunction,
        GradedSynapse,
        HodgkinHuxley,
        HomeostaticLIF,
        ImpulseSynapse,
        InhomogeneousPoisson,
        Izhikevich,
        JohnsonNoise,
        LeakyIntegrator,
        LinearLeakLIF,
        Link,
        LowPass,
        MultiCompartmentLIF,
        NMDASynapse,
        NoisyLIF,
        OjaRule,
        OnlineSTDP,
        OrnsteinUhlenbeck,
        PairSTDP,
        PhaseChangeNeuron,
        PinkNoise,
        PlateauDendrite,
        PoissonSource,
        PowerSTDP,
        RegularSource,
        RelaxationOscillator,
        ResonateAndFire,
        RestrictedSTDP,
        ReversalSynapse,
        RewardSTDP,
        SpikeInput,
        SpikeListSource,
        StochasticSynapse,
        SynapticScaling,
        TelegraphNoise,
        TripletSTDP,
        TsodyksMarkram,
        VogelsSTDP,
        VolatileMemristor,
        WaveformSTDP,
        WeightedSum,
        WhiteNoise,
    )
else:
    _WHERE = dict.fromkeys(models.__all__, "models")
    _WHERE |= dict.fromkeys(("Combined", "Found", "fit", "fit_device"), "devices.fitting")
    _WHERE |= dict.fromkeys(("MeasuredArray", "measured_array"), "devices.fitting.measured_array")
    _WHERE |= {"look": "devices.reading.look", "Sweep": "devices.array.waveform", "sweep": "devices.array.waveform"}
    _PACKAGES = ("data", "plot", "study", "testing", "train")
    __getattr__, __dir__ = _later(__name__, _WHERE, packages=_PACKAGES, leave=_UNCHECKED)[:2]
