"""Random calls of the public surface, for `test_public_boundary`: declared signatures, wrong values among right ones."""

import contextlib
import inspect
import io
import random
import warnings

import numpy as np
import torch

import ship
import ship.crossbar
import ship.data
import ship.devices
import ship.plot
import ship.study
import ship.train
from ship.base.boundary import hints_of, opened

MODULES = (ship, ship.train, ship.study, ship.data, ship.plot, ship.crossbar, ship.devices)


def network():
    """Small, with a device, so that every verb has something to do."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=0.5, device=ship.devices.pcm())
    net.init(engine="reference")
    return net


def trainer():
    return ship.train.Trainer(network(), readout=ship.train.Max())


def array():
    return ship.DeviceArray(ship.devices.pcm(), (3, 2))


def batches():
    return ship.data.Batches((torch.rand(4, 5, 3) < 0.3).float(), torch.tensor([0, 1, 1, 0]), 2)


INNER = {  # what engines call with tensors of their own
    "ship.Bag",
    "DeviceArray.checked",
    "DeviceArray.declaration",
    "DeviceArray.normals",
    "DeviceArray.out",
    "DeviceArray.put",
    "DeviceArray.store",
    "DeviceArray.value",
}
OBJECTS = {  # instances whose methods are called
    ship.Network: network,
    ship.DeviceArray: array,
    ship.train.Trainer: trainer,
    ship.train.ConfusionMatrix: lambda: ship.train.ConfusionMatrix(3),
    ship.data.Batches: batches,
}
VALUES = [
    lambda: None,
    lambda: True,
    lambda: 0,
    lambda: 1,
    lambda: 3,
    lambda: -1,
    lambda: 0.5,
    lambda: -2.5,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: 1e-3,
    lambda: np.float32(0.1),
    lambda: np.int64(2),
    lambda: 2 + 1j,
    lambda: "",
    lambda: "out",
    lambda: "s",
    lambda: "v",
    lambda: b"s",
    lambda: [],
    lambda: ["s"],
    lambda: [0, 1],
    lambda: [[1.0, 2.0], [3.0]],
    lambda: (0.5, "x"),
    lambda: {},
    lambda: {"s": 1},
    lambda: {1: "s"},
    lambda: {0, 1},
    lambda: range(3),
    object,
    lambda: int,
    lambda: ship.LIF,
    lambda: len,
    lambda: lambda *_: 0.5,
    lambda: iter(()),
    lambda: np.ones((2, 2)),
    lambda: np.array(["a", "b"]),
    lambda: np.array([], dtype=np.float64),
    lambda: torch.tensor(1.0),
    lambda: torch.tensor([]),
    lambda: torch.tensor([0, 1]),
    lambda: torch.rand(3, 2),
    lambda: torch.full((2,), float("nan")),
    lambda: torch.tensor([True, False]),
    lambda: torch.ones(2, 2, dtype=torch.complex64),
    lambda: (torch.rand(2, 5, 3) < 0.3).float(),
    lambda: torch.zeros(2, 3).to_sparse(),
    network,
    array,
    batches,
    ship.devices.pcm,
    lambda: ship.Varied(1.0, d2d=0.1),
    lambda: ship.Uniform(0.0, 1.0),
    lambda: ship.PairSTDP(),
    lambda: ship.WriteVerify(),
    lambda: ship.train.Max(),
    lambda: ship.crossbar.Crossbar(r_row=1.0),
    lambda: ship.Events([1e-3], [0]),
]
RIGHT = {  # by the name of a parameter: what lets a call get further than its first argument
    "net": network,
    "tag": lambda: "s",
    "tags": lambda: ["s"],
    "model": lambda: ship.LIF,
    "device": ship.devices.pcm,
    "array": array,
    "x": lambda: (torch.rand(2, 5, 3) < 0.3).float(),
    "G": lambda: torch.rand(3, 2) * 1e-5 + 1e-6,
    "v": lambda: torch.rand(2, 3),
    "wires": lambda: ship.crossbar.Crossbar(r_row=1.0, r_col=1.0),
    "crossbar": lambda: ship.crossbar.Crossbar(r_row=1.0, r_col=1.0),
    "adc": lambda: ship.crossbar.ADC(full_scale=1e-5),
    "batches": batches,
    "spikes": lambda: (torch.rand(2, 5, 3) < 0.3).float(),
    "values": lambda: torch.rand(2, 5, 3),
    "scores": lambda: torch.rand(4, 3),
    "labels": lambda: torch.tensor([0, 1, 2, 0]),
    "counts": lambda: torch.ones(3, 3),
    "steps": lambda: 5,
    "epochs": lambda: 1,
    "dt": lambda: 1e-3,
    "size": lambda: 2,
    "n": lambda: 3,
    "seconds": lambda: 1.0,
    "target": lambda: 1e-5,
    "weight": lambda: torch.rand(3, 2),
    "currents": lambda: torch.rand(2, 3),
    "chips": lambda: 2,
    "optimizer": lambda: None,
    "progress": lambda: False,
    "replicates": lambda: 20,
    "resamples": lambda: 99,
    "selector": lambda: ship.crossbar.Selector(resistance=10.0),
}


def calls():
    """What is called: name, function, and what makes its instance; in a fixed order."""
    found = {}
    for module in MODULES:
        for name in module.__all__:
            value = getattr(module, name)
            finished = inspect.isclass(value) and not issubclass(value, BaseException | tuple) and not inspect.isabstract(value)
            if finished or inspect.isfunction(value):
                found[f"{module.__name__}.{name}"] = (value, None)
    for owner, make in OBJECTS.items():
        for name, method in inspect.getmembers(owner, inspect.isfunction):
            if name[0] != "_" and name[-1] != "_" and method.__module__.startswith("ship."):
                found[f"{owner.__name__}.{name}"] = (method, make)
    return {name: made for name, made in found.items() if name not in INNER}


CALLS = calls()


def arguments(function, dice, *, skip):
    """Arguments of a call, most of them right where one is known, and a few wrong ones."""
    positional, named = [], {}
    given = list(inspect.signature(function).parameters.values())[skip:]
    parameters, _ = opened(given, hints_of(function) if any(p.kind is p.VAR_KEYWORD for p in given) else {})
    for parameter in parameters:
        optional = parameter.default is not parameter.empty or parameter.kind is parameter.VAR_POSITIONAL
        if parameter.kind is parameter.VAR_KEYWORD or (optional and dice.random() < 0.6):
            continue
        make = RIGHT.get(parameter.name) if dice.random() < 0.6 else None
        value = (make or dice.choice(VALUES))()
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += [value] * dice.randrange(3)
        elif parameter.kind is parameter.KEYWORD_ONLY or len(positional) < parameters.index(parameter):
            named[parameter.name] = value
        else:
            positional.append(value)
    return positional, named


def call(name, i):
    """The i-th random call of a name: what was given, what came back, and the error that it ended with."""
    dice = random.Random(f"{name} {i}")
    torch.manual_seed(i)
    function, make = CALLS[name]
    owner = [] if make is None else [make()]
    positional, named = arguments(function, dice, skip=len(owner))
    said = f"{name}({', '.join([*map(shown, positional), *(f'{k}={shown(v)}' for k, v in named.items())])})  # {i}"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return said, function(*owner, *positional, **named), None
    except Exception as error:
        return said, None, error


def shown(value):
    return " ".join(repr(value).split())[:70]


def is_nan(value):
    """Whether there is a NaN in what a call returned."""
    if isinstance(value, torch.Tensor):
        return value.layout == torch.strided and value.is_floating_point() and bool(value.isnan().any())
    if isinstance(value, float):
        return value != value
    if isinstance(value, dict):
        return any(map(is_nan, value.values()))
    return isinstance(value, list | tuple) and any(map(is_nan, value))
