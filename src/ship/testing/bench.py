"""A model on the bench: its network with a seeded input of a sensible size, and what is watched in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ..base.errors import ShipError
from ..base.parameters import Parameter, Varied, declared
from ..base.parameters.bag import Bag
from ..models.contract import Connection, Model, Source, SpikingNeuron
from ..network.network import Network
from .compare import recorded
from .networks import MODEL, TARGET, build

BATCH, UNITS, STEPS, EVERY, BLOCK = 3, 3, 64, 4, 16  # samples; units; slots: of a run, from event to event, of one level
SPREAD = 0.02  # of a parameter from unit to unit
Runs = dict[str, Tensor]


@dataclass(frozen=True)
class Drive:
    """The size of what enters a port: one that makes the model work (spike, where it can), and one that keeps it below that."""

    strong: float
    calm: float


@dataclass(frozen=True)
class Bench:
    """A model with its settings on the bench.

    Args:
        model: the model class.
        values: the parameters that a user gave; options: the settings that are no parameters.
        options: settings that are not parameters.
        dt: the slot, s.
        drive: the size of the signal of each port.
        steps: slots of a run.
        calm_steps: slots over which the calm drive causes no spike; 0: it spikes by itself at once.
        seed: of all inputs.
        asked: what the checks were asked for beside that (a stated order, bounds, ...).
    """

    model: type[Model]
    values: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    dt: float = 1e-3
    drive: Mapping[str, Drive] = field(default_factory=dict)
    steps: int = STEPS
    calm_steps: int = STEPS
    seed: int = 0
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The declared parameters, with the values that were given in the place of the defaults."""
        own = declared(self.model)[0]
        return {k: replace(p, default=self.values.get(k, p.default)) for k, p in own.items()}

    @property
    def noisy(self) -> bool:
        """Whether the model draws noise of its own."""
        return bool(self.model.noise)

    @property
    def spiking(self) -> bool:
        """Whether the model is a neuron that spikes."""
        return issubclass(self.model, SpikingNeuron)

    def network(self, n: int = UNITS, *, calm: bool = False, values: Mapping[str, Any] | None = None) -> Network:
        """Return the network, not initialised; ``values`` go before those of the bench."""
        gains = {port: size.calm if calm else size.strong for port, size in self.drive.items()}
        return build(self.model, n, {**self.values, **(values or {})}, self.options, gains)

    def ready(
        self, n: int = UNITS, *, calm: bool = False, values: Mapping[str, Any] | None = None, refine: int = 1, **init: Any
    ) -> Network:
        """Return the network, initialised and watched."""
        net = self.network(n, calm=calm, values=values)
        start(net, self.dt / refine, **({"seed": self.seed} | init))
        return net

    def signals(
        self, net: Network, *, batch: int = BATCH, steps: int | None = None, refine: int = 1, still: bool = False
    ) -> Runs:
        """Return the inputs of a run of ``steps`` slots of dt, cut into ``refine`` parts each."""
        return signals(net, batch=batch, steps=steps or self.steps, refine=refine, still=still, seed=self.seed)

    def run(self, net: Network, x: Runs, **options: Any) -> Runs:
        """Run a network and return what was watched, ``{tag.state: [..., batch, time, unit]}``."""
        return watched(net, x, **({"steps": self.steps} | options))

    def go(self, *, calm: bool = False, batch: int = BATCH, **init: Any) -> Runs:
        """Make the network, run it once, and return what was watched."""
        net = self.ready(calm=calm, **init)
        steps = self.calm_steps if calm else self.steps
        return self.run(net, self.signals(net, batch=batch, steps=steps), batch=batch, steps=steps)

    def varied(self, spread: float = SPREAD) -> dict[str, Varied]:
        """Return a spread of every parameter that is well inside its limits."""
        found = {}
        for name, p in self.parameters.items():
            value = nominal(p)
            if name in ("weight", "t_ref") or value is None or not value or not math.isfinite(value):
                continue
            if p.all_inside(torch.tensor([0.7 * value, 1.3 * value], dtype=torch.float64)) and self._legal(name, value):
                found[name] = Varied(value, d2d=spread)
        return found

    def _legal(self, name: str, value: float) -> bool:
        """Whether the model's own check takes values near one (some must be whole)."""
        numbers = {k: v for k, p in self.parameters.items() if (v := nominal(p)) is not None}
        bag = Bag({k: torch.tensor([v], dtype=torch.float64) for k, v in (numbers | {name: value * 1.0137}).items()})
        try:
            self.model(**self.options).check("", bag)
        except ShipError:
            return False
        except AttributeError:  # a parameter that is no number
            return True
        return True


def nominal(declaration: Parameter) -> float | None:
    """Return the default as one number; None where it is none."""
    value = declaration.default
    value = value.nominal if isinstance(value, Varied) else value
    return float(value) if isinstance(value, int | float) else None


def start(net: Network, dt: float, **init: Any) -> None:
    """Initialise a network in float64 on the reference engine, unless told otherwise, and watch the model and its target."""
    settings: dict[str, Any] = {"dtype": torch.float64, "engine": "reference"} | init
    net.init(dt=dt, **settings)
    watch(net)


def watch(net: Network, detach: bool = True) -> None:
    """Monitor output and states of the model, and the voltage of its target."""
    spec = net.specs[MODEL]
    net.monitor(MODEL, "output", *getattr(spec.model.states, "_fields", ()), detach=detach)
    if spec.rule is not None:
        traces = [f"rule.{name}" for name in getattr(spec.rule.states, "_fields", ())]
        net.monitor(MODEL, "weight", *traces, detach=detach)
    if TARGET in net.tags:
        net.monitor(TARGET, "v", detach=detach)


def signals(net: Network, *, batch: int, steps: int, refine: int = 1, still: bool = False, seed: int = 0) -> Runs:
    """Return seeded inputs for every input of a network.

    Events arrive at every fourth slot with probability 1/2; levels are between 0.5 and 1.5 and stay for 16 slots; ``still``: 0.
    A unit's input does not depend on how many there are.
    """
    found = {}
    for tag, spec in net.specs.items():
        if not isinstance(spec.model, Source) or not spec.model.external:
            continue
        rng, n = np.random.default_rng([seed, crc32(tag.encode())]), spec.n or 1
        if spec.model.emits == "events":
            drawn = (rng.random((n, batch, -(-steps // EVERY))) < 0.5).transpose(1, 2, 0)
            drawn[:, 0] = True
            fine = np.zeros((batch, drawn.shape[1] * EVERY * refine, n))
            fine[:, :: EVERY * refine] = drawn
        else:
            levels = rng.uniform(0.5, 1.5, (n, batch, -(-steps // BLOCK))).transpose(1, 2, 0)
            fine = np.repeat(levels, BLOCK * refine, 1)
        found[tag] = torch.as_tensor(fine[:, : steps * refine] * (0.0 if still else 1.0)).to(net[tag].dtype)
    return found


def watched(net: Network, x: Runs, **options: Any) -> Runs:
    """Run a network without gradients and return what was watched, without the times."""
    given = dict(options)
    if given.get("reset", True):
        given.setdefault("reset_persistent", True)
    if x:
        given.pop("batch", None)
    with torch.no_grad():
        net.run(x or None, **given)
    return {k: v for k, v in recorded(net).items() if not k.endswith("/time")}


def own(found: Runs) -> Runs:
    """Return what was watched of the model alone."""
    return {k: v for k, v in found.items() if k.startswith(f"{MODEL}.")}


def named(name: str) -> str:
    """Return the name of what was watched in words."""
    tag, state = name.split(".", 1)
    return f"{state} of the target" if tag == TARGET else state


def is_connection(model: type[Model]) -> bool:
    """Return whether the class joins a source to a target."""
    return issubclass(model, Connection)
