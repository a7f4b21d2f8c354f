"""SHIP: Spiking Hardware In PyTorch. Networks of compact device and circuit models, with exact time."""

from .errors import FileError, GraphError, ParameterError, RunError, ShipError
from .group import describe
from .inputs import Events
from .models.contract import Connection, Model, Neuron, Rule, Source, SpikingNeuron, Synapse
from .models.dendrites.compartment import Dendrite
from .models.neurons.adex import AdEx
from .models.neurons.leaky_integrator import LeakyIntegrator
from .models.neurons.lif import LIF
from .models.neurons.noisy_lif import NoisyLIF
from .models.rules.stdp import PairSTDP
from .models.sources.inputs import CurrentInput, SpikeInput
from .models.sources.poisson import PoissonSource
from .models.synapses.alpha import AlphaSynapse
from .models.synapses.double_exponential import DoubleExpSynapse
from .models.synapses.exponential import ExpSynapse
from .models.synapses.link import Link
from .models.synapses.volatile_memristor import VolatileMemristor
from .models.synapses.weighted_sum import ImpulseSynapse, WeightedSum
from .network import Network
from .parameters import FanIn, LogNormal, Normal, Port, State, Uniform, Varied, option, param, per_chip, per_sample

__version__ = "0.1.0"
