"""A copy of a network that runs the same events at any dt, and single groups of it with the input that they got.

Sources that draw their events slot by slot would draw others at another dt. They are run once at the dt of the network; in the
copy inputs stand in their place, with the events that they drew.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...models import CurrentInput, SpikeInput
from ...models.contract import Connection, Neuron, Source
from ..inputs import Events, Extent, read_inputs
from .audited import Audited


@dataclass(frozen=True)
class Beside:
    """A network with its input, which can be run at dt and at fractions of it.

    Args:
        net: the copy; every run is made by a copy of it.
        inputs: by tag, ``[chip, batch, time, unit]`` on the slots of dt, or `Events`.
        steps: the slots of dt.
        batch: the number of samples.
        noisy: what draws numbers in each slot, so that its draws at another dt are others, in words.
    """

    net: Audited
    inputs: Mapping[str, Tensor | Events]
    steps: int
    batch: int
    noisy: tuple[str, ...] = ()

    @property
    def chips(self) -> int:
        """The number of chips, 1 without a chip axis."""
        return self.net.chips or 1

    def at(self, ratio: int) -> dict[str, Any]:
        """Return the input at dt / ratio: events at their times, levels held as long."""
        kinds = self.net.wiring.kinds
        made = {tag: x if isinstance(x, Events) else finer(x, kinds[tag], ratio) for tag, x in self.inputs.items()}
        return {tag: x[0] if isinstance(x, Tensor) and self.net.chips is None else x for tag, x in made.items()}

    def run(self, net: Audited, ratio: int = 1) -> Any:
        """Run a copy at dt / ratio, from its initial states; ``net`` has the monitors."""
        x = self.at(ratio) or None
        return net.run(x, dt=self.net.dt / ratio, steps=self.steps * ratio, batch=self.batch)

    def alone(self, tag: str, outputs: Mapping[str, Tensor]) -> Beside | None:
        """Return one group of neurons with its connections, on the outputs of its sources; None where it cannot stand alone.

        Args:
            tag: the group.
            outputs: the output of every group that feeds another one, ``[chip, batch, time, unit]`` on the slots of dt.
        """
        specs = self.net.specs
        feeds = [name for name, spec in specs.items() if isinstance(spec.model, Connection) and tag in spec.target]
        sources = {source.tag for name in feeds for source in specs[name].sources if source.tag != tag}
        alone = all(specs[name].target == (tag,) and specs[name].modulator is None for name in feeds)
        plain = all(not source.state for name in feeds for source in specs[name].sources)
        if not feeds or not alone or not plain or sources - set(outputs):
            return None
        kept = {tag, *feeds}
        made = _replaced(self.net, {name: name in sources for name in specs if name not in kept})
        return Beside(made, {name: outputs[name] for name in sources}, self.steps, self.batch)


def finer(x: Tensor, kind: str, ratio: int) -> Tensor:
    """Return a signal ``[..., time, unit]`` on slots that are a fraction as long: events at their times, levels held."""
    if kind != "events":
        return x.repeat_interleave(ratio, -2)
    made = x.new_zeros(*x.shape[:-2], x.shape[-2] * ratio, x.shape[-1])
    made[..., ::ratio, :] = x
    return made


@torch.no_grad()
def beside(net: Audited, x: Any, extent: Mapping[str, Any]) -> Beside:
    """Copy a network, and find its input on the slots of dt.

    Args:
        net: the network, initialised.
        x: the input, as `Network.run` takes it.
        extent: duration, steps and batch, as `Network.run` takes them.
    """
    sim, dtype = net.simulation("Network.audit_dt"), net.settings["dtype"]
    wanted = Extent(net.dt, extent["duration"], extent["steps"], extent["batch"])
    given = read_inputs(x, net.specs, sim, wanted, reset=True, dtype=dtype)
    kept = {next(iter(given.signals)): x} if isinstance(x, Events) else (dict(x) if isinstance(x, Mapping) else {})
    inputs: dict[str, Any] = {tag: signal.permute(1, 2, 0, 3) for tag, signal in given.signals.items()}
    inputs |= {tag: value for tag, value in kept.items() if isinstance(value, Events)}
    copy = deepcopy(net)
    copy.unmonitor()
    copy.unmeter()
    drawn = [tag for tag, spec in net.specs.items() if _draws(spec.model) and net.wiring.kinds[tag] == "events"]
    noisy = [f"{tag!r} draws noise in every slot" for tag, spec in net.specs.items() if spec.model.noise and tag not in drawn]
    noisy += [f"the devices of {tag!r} have read noise" for tag, g in net.items() if g.hardware is not None and g.hardware.noisy]
    if drawn:
        source = deepcopy(copy)
        for tag in drawn:
            source.monitor(tag, "output")
        source.run(x, dt=net.dt, steps=given.steps, batch=given.lead[1])
        outputs = {tag: source.records[tag].output for tag in drawn}
        inputs |= {tag: out if out.ndim == 4 else out.unsqueeze(0) for tag, out in outputs.items()}
        copy = _replaced(copy, dict.fromkeys(drawn, True))
    return Beside(copy, inputs, given.steps, given.lead[1], tuple(noisy))


def _draws(model: Any) -> bool:
    return isinstance(model, Source) and not model.external and bool(model.noise)


def _replaced(net: Audited, groups: Mapping[str, bool]) -> Audited:
    """Return a copy without some groups; where the value is true, an input stands in the place of the group."""
    made, kinds, n = deepcopy(net), dict(net.wiring.kinds), dict(net.wiring.n)
    settings: Mapping[str, Any] = net.settings
    for tag, stays in groups.items():
        made.remove(tag)
        if stays:
            made.add(SpikeInput if kinds[tag] == "events" else CurrentInput, tag, n=n[tag])
    names = ("dt", "seed", "chips", "variation", "dtype", "engine", "temperature")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what was lost: groups that are gone
        made.init(**{name: settings[name] for name in names}, device=net.simulation().device, keep=True)
    return made


def neurons(net: Audited) -> list[str]:
    """Return the tags of the groups of neurons."""
    return [tag for tag, spec in net.specs.items() if isinstance(spec.model, Neuron)]
