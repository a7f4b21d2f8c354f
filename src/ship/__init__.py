"""SHIP: Spiking Hardware In PyTorch. Networks of compact device and circuit models, with exact time."""

from . import crossbar as crossbar
from . import devices as devices
from .arrays import DeviceArray
from .boundary import guard as _guard
from .connect import Edges, InDegree, OutDegree, Probability
from .device_files import load_device, save_device
from .energy import Costs, Ledger
from .errors import FileError, FitError, GraphError, ModelError, ParameterError, RunError, ShipError
from .files import load, save
from .fitting import Found, MeasuredArray, fit, measured_array
from .group import describe
from .inputs import Events
from .models import (
    LIF,
    AdEx,
    AlphaSynapse,
    CurrentInput,
    Dendrite,
    DoubleExpSynapse,
    ExpSynapse,
    ImpulseSynapse,
    LeakyIntegrator,
    Link,
    NoisyLIF,
    PairSTDP,
    PoissonSource,
    SpikeInput,
    VolatileMemristor,
    WeightedSum,
)
from .models.contract import Bag, Connection, Model, Neuron, Rule, Source, SpikingNeuron, Synapse
from .models.devices import BitSliced, Device, Differential, Offset
from .network import Network
from .parameters import FanIn, LogNormal, Normal, Port, State, Uniform, Varied, option, param, per_chip, per_sample
from .pulse_list import Pulses, load_pulses, replay, save_pulses
from .pulses import Pulsing
from .surrogate import (
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
from .sweeps import Sweep, sweep
from .verify import WriteVerify, Written

__version__ = "0.1.0"

__all__ = [
    "LIF",
    "ATan",
    "AdEx",
    "AlphaSynapse",
    "Bag",
    "BitSliced",
    "Connection",
    "Costs",
    "CurrentInput",
    "Dendrite",
    "Device",
    "DeviceArray",
    "Differential",
    "DoubleExpSynapse",
    "Edges",
    "Events",
    "ExpSynapse",
    "Exponential",
    "FanIn",
    "FastSigmoid",
    "FileError",
    "FitError",
    "Found",
    "Gaussian",
    "GraphError",
    "ImpulseSynapse",
    "InDegree",
    "LeakyIntegrator",
    "LeakyReLU",
    "Ledger",
    "Link",
    "LogNormal",
    "MeasuredArray",
    "Model",
    "ModelError",
    "MultiGaussian",
    "Network",
    "Neuron",
    "NoisyLIF",
    "Normal",
    "Offset",
    "OutDegree",
    "PairSTDP",
    "ParameterError",
    "PoissonSource",
    "Port",
    "Probability",
    "Pulses",
    "Pulsing",
    "Rectangle",
    "Rule",
    "RunError",
    "ShipError",
    "Sigmoid",
    "Source",
    "SpikeInput",
    "SpikingNeuron",
    "SquaredSoftsign",
    "State",
    "StraightThrough",
    "Surrogate",
    "Sweep",
    "Synapse",
    "Tanh",
    "Triangle",
    "Uniform",
    "Varied",
    "VolatileMemristor",
    "WeightedSum",
    "WriteVerify",
    "Written",
    "describe",
    "fit",
    "load",
    "load_device",
    "load_pulses",
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
]

_guard(__name__, leave=("Bag", "Found", "Ledger"))
