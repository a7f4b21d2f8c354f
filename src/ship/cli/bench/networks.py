"""SHIP's side of every case that runs a network, as a user would write it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ... import __version__
from ...base.parameters import FanIn, Varied
from ...devices import Bounded
from ...devices.device import Device
from ...devices.weights.mapping import Differential
from ...groups.connectivity import Edges
from ...models import (
    LIF,
    CurrentInput,
    ExpSynapse,
    ImpulseSynapse,
    LeakyIntegrator,
    Link,
    PairSTDP,
    PoissonSource,
    SpikeInput,
    WeightedSum,
)
from ...network.network import Network

Arrays = Mapping[str, Any]
Work = dict[str, Any]


def engines() -> tuple[str, ...]:
    """Return the engines that `Network.init` lets one choose from."""
    return ("reference", "fused") if "engine" in inspect.signature(Network.init).parameters else ("reference",)


def load(engine: str = "reference") -> None:
    """Import what an engine needs, so that memory counts from there."""
    if engine == "fused":
        importlib.import_module("numba")


def versions() -> dict[str, str]:
    found = {"ship": __version__, "torch": torch.__version__, "numpy": np.__version__}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["numba"] = importlib.metadata.version("numba")
    return found


def initialised(net: Network, dt: float, engine: str, chips: int | None = None) -> Network:
    """Initialise a network in float32, with the engine where this version has a choice, and return it."""
    chosen: dict[str, Any] = {"engine": engine} if len(engines()) > 1 else {}
    net.init(dt=dt, seed=0, dtype=torch.float32, chips=chips, **chosen)
    return net


def hertz(spikes: Tensor, dt: float) -> float:
    return float(spikes.detach().mean()) / dt


def training(net: Network, x: Tensor, g: Tensor, dt: float) -> Work:
    """Return a step of training: the forward pass, and the gradients of all that is trainable."""

    def backward(out: Tensor) -> None:
        net.zero_grad()
        out.backward(g)

    return {"forward": lambda: net.run(x), "backward": backward, "rate": lambda out: hertz(out, dt)}


def inference(net: Network, x: Tensor) -> Work:
    """Return a run without gradients."""

    def forward() -> Any:
        with torch.no_grad():
            return net.run(x)

    return {"forward": forward}


def lif(data: Arrays, size: Arrays, engine: str) -> Work:
    n, dt = size["n"], size["dt"]
    net = Network()
    net.add(CurrentInput, "in", n=n)
    net.add(LIF, "out", n=n, tau=20e-3, output=True)
    net.add(WeightedSum, "in>out", source="in", target="out", weight=data["w"] / dt)
    initialised(net, dt, engine)
    return training(net, torch.from_numpy(data["x"]), torch.from_numpy(data["g"]), dt)


def deep(data: Arrays, size: Arrays, engine: str) -> Work:
    n, last, dt = size["n"], size["layers"], size["dt"]
    net = Network()
    net.add(SpikeInput, "0", n=n)
    for layer in range(1, last + 1):
        net.add(LIF, f"{layer}", n=n, tau=20e-3, output=layer == last)
        net.add(WeightedSum, f"{layer - 1}>{layer}", source=f"{layer - 1}", target=f"{layer}", weight=data["w"][layer - 1])
    initialised(net, dt, engine)
    x = torch.from_numpy(data["x"])
    if engine == "fused":
        net.tune(x)
    return training(net, x, torch.from_numpy(data["g"]), dt)


def _reservoir(data: Arrays, size: Arrays, engine: str) -> Network:
    net = Network()
    net.add(SpikeInput, "in", n=size["n_in"])
    net.add(LIF, "res", n=size["n"], tau=data["tau"], v_th=data["v_th"], t_ref=data["t_ref"])
    net.add(LeakyIntegrator, "out", n=size["n_out"], tau=data["tau"], output=True)
    fixed: dict[str, Any] = {"source": "res", "target": "res", "delay": data["delay"], "trainable": False}
    net.add(ExpSynapse, "in>res", source="in", target="res", tau=data["tau_exc"], weight=data["w_in"], trainable=False)
    net.add(ExpSynapse, "exc", tau=data["tau_exc"], weight=data["w_exc"], **fixed)
    net.add(ExpSynapse, "inh", tau=data["tau_inh"], weight=data["w_inh"], **fixed)
    net.add(ExpSynapse, "res>out", source="res", target="out", tau=data["tau_exc"], weight=data["w_out"])
    return initialised(net, size["dt"], engine)


def rate_of(net: Network, tag: str, x: Tensor, dt: float) -> float:
    """Return the mean firing rate (Hz) of a group, from a run of its own, so that no run that is measured has a monitor."""
    net.monitor(tag, "output")
    with torch.no_grad():
        net.run(x)
    rate = hertz(net.records[tag].output, dt)
    net.unmonitor()
    return rate


def reservoir(data: Arrays, size: Arrays, engine: str) -> Work:
    net, x = _reservoir(data, size, engine), torch.from_numpy(data["x"])
    rate = rate_of(net, "res", x, size["dt"])
    return {**inference(net, x), "rate": lambda out: rate}


def readout(data: Arrays, size: Arrays, engine: str) -> Work:
    net, x = _reservoir(data, size, engine), torch.from_numpy(data["x"])
    rate = rate_of(net, "res", x, size["dt"])
    return {**training(net, x, torch.from_numpy(data["g"]), size["dt"]), "rate": lambda out: rate}


def _taus(data: Arrays, size: Arrays, engine: str, own: bool) -> Work:
    n, dt = size["n"], size["dt"]
    net = Network()
    net.add(SpikeInput, "in", n=n)
    for layer in range(size["layers"]):
        tau = {"tau": data["tau"][layer], "side": "connection"} if own else {"tau": data["tau_equal"]}
        net.add(LIF, f"{layer}", n=n, tau=data["tau_membrane"], output=True)
        net.add(ExpSynapse, f"in>{layer}", source="in", target=f"{layer}", weight=data["w"][layer], **tau)
    initialised(net, dt, engine)
    x = torch.from_numpy(data["x"])
    if engine == "fused" and not own:
        net.tune(x)

    def rate(out: Any) -> float:
        traces = list(out.values()) if isinstance(out, dict) else [out]
        return sum(hertz(trace, dt) for trace in traces) / len(traces)

    return {**inference(net, x), "rate": rate}


def own_tau(data: Arrays, size: Arrays, engine: str) -> Work:
    return _taus(data, size, engine, own=True)


def equal_tau(data: Arrays, size: Arrays, engine: str) -> Work:
    return _taus(data, size, engine, own=False)


def _pair_rule(data: Arrays) -> PairSTDP:
    pair = {"a_plus": data["a_plus"], "a_minus": data["a_minus"], "tau_pre": data["tau_trace"], "tau_post": data["tau_trace"]}
    return PairSTDP(**pair, w_min=0.0, w_max=data["w_max"])


def stdp(data: Arrays, size: Arrays, engine: str) -> Work:
    net = Network()
    net.add(SpikeInput, "in", n=size["n_in"])
    net.add(LIF, "out", n=size["n"], tau=data["tau_membrane"], output=True)
    net.add(ImpulseSynapse, "learning", source="in", target="out", weight=data["w"], rule=_pair_rule(data))
    initialised(net, size["dt"], engine)
    x = torch.from_numpy(data["x"])

    def forward() -> Any:
        with torch.no_grad():
            return net.run(x, reset_persistent=True)

    return {"forward": forward, "rate": lambda out: hertz(out, size["dt"])}


def brunel(data: Arrays, size: Arrays, engine: str) -> Work:
    n, dt = size["n"], size["dt"]
    pre = data["pre"].ravel()
    post = np.arange(n, dtype=np.int32).repeat(data["pre"].shape[1])
    weight = np.where(pre < data["n_exc"], data["j"], -data["g"] * data["j"]).astype(np.float32)
    net = Network()
    net.add(PoissonSource, "external", n=n, rate=data["rate"])
    net.add(LIF, "units", n=n, tau=data["tau"], v_th=data["v_th"], t_ref=data["t_ref"])
    net.add(Link, "drive", source="external", target="units", gain=data["j"])
    net.add(
        ImpulseSynapse, "recurrent", source="units", target="units", weight=weight, connect=Edges(pre, post), delay=data["delay"]
    )
    initialised(net, dt, engine)
    net.monitor("units", "output", events=True)

    def run(steps: int) -> int:
        with torch.no_grad():
            net.run(batch=1, steps=steps)
        return len(net.records["units"].output.unit)

    return {
        "forward": lambda: run(size["steps"]),
        "warm": lambda: run(max(size["steps"] // 20, 1)),
        "rate": lambda spikes: spikes / n / (size["steps"] * dt),
    }


def chips_network(
    size: Arrays, engine: str, *, chips: int | None, neurons: Mapping[str, Any] | None = None, **synapse: Any
) -> Network:
    """Return inputs, a hidden layer of LIF neurons and leaky readouts, on so many chips; with None, without the axis of chips."""
    net = Network()
    net.add(SpikeInput, "in", n=size["n_in"])
    net.add(LIF, "hid", n=size["n"], **(neurons or {}))
    net.add(LeakyIntegrator, "out", n=size["n_out"], output=True)
    net.add(ExpSynapse, "in>hid", source="in", target="hid", **synapse)
    net.add(ExpSynapse, "hid>out", source="hid", target="out", **synapse)
    return initialised(net, size["dt"], engine, chips)


def _chips_training(net: Network, data: Arrays, dt: float) -> Work:
    x = torch.from_numpy(data["x"])
    rate = rate_of(net, "hid", x, dt)
    return {**training(net, x, torch.from_numpy(data["g"]), dt), "rate": lambda out: rate}


def chips_shared(data: Arrays, size: Arrays, engine: str) -> Work:
    return _chips_training(chips_network(size, engine, chips=size["chips"]), data, size["dt"])


def chips_neurons(data: Arrays, size: Arrays, engine: str) -> Work:
    neurons = {"tau": Varied(20e-3, d2d=0.1)}
    return _chips_training(chips_network(size, engine, chips=size["chips"], neurons=neurons), data, size["dt"])


def chips_weights(data: Arrays, size: Arrays, engine: str) -> Work:
    net = chips_network(size, engine, chips=size["chips"], weight=Varied(FanIn(), d2d=0.1))
    return _chips_training(net, data, size["dt"])


def chips_devices(data: Arrays, size: Arrays, engine: str) -> Work:
    device = Device(g_min=1e-6, g_max=Varied(50e-6, d2d=0.05))
    net = chips_network(size, engine, chips=size["chips"], neurons={"tau": Varied(20e-3, d2d=0.1)}, device=device)
    net.program()
    x = torch.from_numpy(data["x"])
    rate = rate_of(net, "hid", x, size["dt"])
    return {**inference(net, x), "rate": lambda out: rate}


def learning_network(data: Arrays, size: Arrays, engine: str, device: Device | None = None) -> Work:
    """Return a run that learns by pair STDP: on weights, or on the devices that hold them, each time from where it is."""
    net = Network()
    net.add(SpikeInput, "in", n=size["n_in"])
    net.add(LIF, "out", n=size["n"], tau=data["tau_membrane"], output=True)
    more: dict[str, Any] = {} if device is None else {"device": device, "mapping": Differential(w_max=data["w_max"])}
    net.add(ImpulseSynapse, "syn", source="in", target="out", weight=data["w"], rule=_pair_rule(data), **more)
    initialised(net, size["dt"], engine)
    if device is not None:
        net.program()
    return {**inference(net, torch.from_numpy(data["x"])), "rate": lambda out: hertz(out, size["dt"])}


def pulses(data: Arrays, size: Arrays, engine: str) -> Work:
    device = Device(update=Bounded(alpha_p=0.02, alpha_d=0.01))  # with these steps the rate stays where it is from run to run
    return learning_network(data, size, engine, device)
