"""The inputs of a run: what a user may give, checked and turned into signals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..base.checks import check_whole
from ..base.clock import Programme, check_dt, nearest_slots, programme, steps_of
from ..base.errors import RunError, suggest
from ..base.indices import chosen
from ..base.native import cache
from ..base.parameters import plain_array
from ..base.threads import spread
from ..engine.simulation import Simulation
from ..groups.spec import Spec
from ..models.contract import Source
from .memory_budget import refuse

LARGE = 2**16  # values that one compiled pass looks at faster than operations of torch; below them Numba need not be loaded


class Events(NamedTuple):
    """Input spikes as a list: ``time`` (s), ``unit`` and ``sample``, all of one length, which may be 0.

    ``batch``, the number of samples, is given where the last samples are silent.

    Times count from the start of the run that takes them and are rounded to the nearest slot. Those of an `EventRecord` count
    from the last reset: what a run recorded that continued another is given again with ``record.time - net.timeline()[0]``.
    """

    time: Any
    unit: Any
    sample: Any = None
    batch: int | None = None


class Inputs(NamedTuple):
    """The checked inputs of a run, with its length and its number of chips and samples."""

    signals: dict[str, Tensor]  # [time, chip or 1, batch, unit]
    lead: tuple[int, int]
    programme: Programme
    lengths: Tensor | None  # slots of each ragged sample: those of its longest ragged input

    @property
    def steps(self) -> int:
        """The number of slots of the run."""
        return sum(segment.steps for segment in self.programme)


class Extent(NamedTuple):
    """How long a run is and how many samples it has, in the words of `Network.run`."""

    dt: float | Sequence[tuple[float, int]]
    duration: float | None
    steps: int | None
    batch: int | None


def read_inputs(x: Any, specs: Mapping[str, Spec], sim: Simulation, extent: Extent, *, reset: bool, dtype: torch.dtype) -> Inputs:
    """Check and convert what was given to `Network.run`.

    Raises:
        RunError: missing, unknown or misshapen inputs; durations and programmes that do not fit.
    """
    where, n = "Network.run", sim.wiring.n
    external = [tag for tag, spec in specs.items() if isinstance(spec.model, Source) and spec.model.external]
    given = _by_tag(where, x, external)
    wanted = _wanted_steps(where, extent.dt, extent.duration, extent.steps)
    signals = {}
    ragged = {
        tag: _ragged(tag, value, n[tag])
        for tag, value in given.items()
        if isinstance(value, list | tuple) and not isinstance(value, Events)
    }
    longest = max((len(sample) for samples in ragged.values() for sample in samples), default=0)
    for tag in external:
        if tag not in given:
            continue
        value = given[tag]
        if isinstance(value, Events):
            value = _dense(tag, value, n[tag], extent.dt, wanted)
        elif tag in ragged:
            value = _padded(ragged[tag], longest)
        signals[tag] = _signal(specs[tag], value, n[tag], sim.chips, dtype, sim.device)
    total = _total_slots(where, wanted, {tag: signal.shape[0] for tag, signal in signals.items()})
    plan = programme(where, extent.dt, total)
    for tag, signal in signals.items():
        signals[tag] = _lengthened(where, tag, signal, total)
    lead = (sim.chips, _batch(where, specs, signals, sim, extent.batch, reset))
    return Inputs(signals, lead, plan, _lengths(ragged.values()))


def _total_slots(where: str, wanted: int | None, found: Mapping[str, int]) -> int:
    """Return the number of slots of the run, from what was asked for and the slots of each input."""
    if len(set(found.values())) > 1:
        raise RunError(
            where, "all inputs must have the same number of slots", got=", ".join(f"{t!r}: {k}" for t, k in found.items())
        )
    length = next(iter(found.values()), None)
    total = wanted if wanted is not None else length
    if total is None:
        raise RunError(where, "needs an input, steps= or duration=", fix="E.g. net.run(steps=100) or net.run(duration=0.1).")
    if length is not None and total < length:
        raise RunError(
            where, f"is shorter than its input: {total} slots", got=f"an input of {length} slots", fix="Cut the input."
        )
    return total


def _lengthened(where: str, tag: str, signal: Tensor, total: int) -> Tensor:
    """Pad a signal with zeros up to the slots of the run."""
    missing = total - signal.shape[0]
    if missing <= 0:
        return signal
    _foresee(where, tag, (total, *signal.shape[1:]), signal.element_size())
    zeros = signal.new_zeros(missing, 1, *signal.shape[2:])
    return torch.cat([signal, zeros.expand(-1, signal.shape[1], -1, -1)])


def _foresee(where: str, tag: str, shape: Sequence[int], size: int) -> None:
    """Refuse an input ``[time, chip, batch, unit]`` that would not fit, with ``size`` bytes for each number."""
    slots, _, batch, n = shape
    what = f"input {tag!r}: {slots} slots x {batch} samples x {n} units"
    refuse(where, float(size) * math.prod(shape), what, "Run it in pieces, with reset=False.")


def _lengths(ragged: Collection[Sequence[Tensor]]) -> Tensor | None:
    """Return the slots of each sample, those of its longest ragged input; None where no input is ragged."""
    every = [torch.tensor([len(sample) for sample in samples]) for samples in ragged]
    return reduce(torch.maximum, every) if every else None


def _by_tag(where: str, x: Any, external: list[str]) -> dict[str, Any]:
    if x is None:
        if external:
            raise RunError(
                where, f"needs an input for {', '.join(map(repr, external))}", fix="Give x=[batch, time, unit], or a dict by tag."
            )
        return {}
    if isinstance(x, Mapping):
        for tag in x:
            if tag not in external:
                raise RunError(where, f"no input group named {tag!r}", fix=suggest(str(tag), external))
        missing = [t for t in external if t not in x]
        if missing:
            raise RunError(where, f"needs an input for {', '.join(map(repr, missing))}", fix="Give zeros where there is nothing.")
        return dict(x)
    if not external:
        raise RunError(
            where,
            "takes no input: the network has no input group",
            fix="Add ship.SpikeInput or ship.CurrentInput, or use steps= alone.",
        )
    if len(external) > 1:
        raise RunError(
            where, f"has {len(external)} inputs: {', '.join(map(repr, external))}", got="one input", fix="Give a dict by tag."
        )
    return {external[0]: x}


def _wanted_steps(where: str, dt: Any, duration: float | None, steps: int | None) -> int | None:
    if duration is not None and steps is not None:
        raise RunError(where, "takes duration or steps, not both", got=f"duration={duration}, steps={steps}")
    if steps is not None:
        check_whole(f"{where}: steps", steps, 1, error=RunError)
    if not isinstance(dt, Sequence):
        check_dt(where, dt)
        found = steps_of(where, duration, dt) if duration is not None else steps
        if found == 0:
            raise RunError(f"{where}: duration", "must be at least one slot", got=f"{duration} s")
        return found
    if duration is not None:
        raise RunError(f"{where}: duration", "is given by the programme of dt", got=f"{duration} s", fix="Leave duration out.")
    total = sum(s.steps for s in programme(where, dt, None))
    if steps is not None and steps != total:
        raise RunError(f"{where}: steps", f"the programme has {total} slots", got=str(steps), fix="Leave steps out.")
    return total


def _dense(tag: str, events: Events, n: int, dt: Any, steps: int | None) -> Tensor:
    where = f"input {tag!r}"
    if steps is None or isinstance(dt, Sequence):
        raise RunError(where, "a list of events needs duration= or steps= and one dt")
    try:
        time = torch.as_tensor(plain_array(np.asarray(events.time, dtype=np.float64)))
    except (TypeError, ValueError) as error:
        raise RunError(f"{where}: time", "must be numbers of seconds", got=repr(events.time)[:60]) from error
    if events.batch is not None:
        check_whole(f"{where}: batch", events.batch, 1, error=RunError)
    unit = chosen(f"{where}: unit", events.unit, None, masks=False).numbers
    sample = (
        torch.zeros_like(unit) if events.sample is None else chosen(f"{where}: sample", events.sample, None, masks=False).numbers
    )
    if not time.shape == unit.shape == sample.shape or time.ndim != 1:
        raise RunError(
            where,
            "time, unit and sample must be lists of one length",
            got=f"{list(time.shape)}, {list(unit.shape)}, {list(sample.shape)}",
        )
    batch = int(events.batch or (int(sample.max()) + 1 if len(sample) else 1))
    slot = nearest_slots(time, dt)
    late = f"Times are rounded to the nearest slot: use steps={steps + 1}, or leave the last ones out."
    fix = late if bool((slot == steps).any()) else ""
    _inside(f"{where}: time", ~((slot >= 0) & (slot < steps)), f"{steps} slots of {dt:g} s", time, fix)  # NaN is not inside
    for name, index, size in (("unit", unit, n), ("sample", sample, batch)):
        _inside(f"{where}: {name}", (index < 0) | (index >= size), f"{size} {name}s", index)
    _foresee("Network.run", tag, (steps, 1, batch, n), 8)
    dense = torch.zeros(batch, steps, n, dtype=torch.float64)
    return dense.index_put_(
        (sample.long(), slot.long(), unit.long()), torch.ones(len(slot), dtype=torch.float64), accumulate=True
    )


def _inside(where: str, bad: Tensor, size: str, given: Tensor, fix: str = "") -> None:
    if bool(bad.any()):
        value = given[bad][0].item()
        raise RunError(where, f"must lie inside {size}", got=f"{value:g} s" if isinstance(value, float) else str(value), fix=fix)


def _ragged(tag: str, samples: Sequence[Any], n: int) -> list[Tensor]:
    """Return the samples of one input, ``[time, unit]`` each."""
    where = f"input {tag!r}"
    try:
        tensors = [torch.as_tensor(plain_array(np.asarray(s))) if not isinstance(s, Tensor) else s for s in samples]
    except (TypeError, ValueError, RuntimeError) as error:
        raise RunError(where, "must be samples of numbers, [time, unit] each", got=repr(samples)[:60]) from error
    if not tensors:
        raise RunError(where, "an empty list", fix="Give at least one sample [time, unit].")
    for i, t in enumerate(tensors):
        if t.ndim != 2 or t.shape[1] != n:
            raise RunError(f"{where}: sample {i}", f"must be [time, {n}]", got=f"shape {list(t.shape)}")
    return tensors


def _padded(samples: Sequence[Tensor], slots: int) -> Tensor:
    """Return samples as ``[batch, time, unit]``, padded with zeros to a number of slots."""
    whole = torch.nn.utils.rnn.pad_sequence(list(samples), batch_first=True)
    return torch.nn.functional.pad(whole, (0, 0, 0, slots - whole.shape[1])) if whole.shape[1] < slots else whole


def _signal(spec: Spec, value: Any, n: int, dies: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    where = f"input {spec.tag!r}"
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(plain_array(np.asarray(value)))
    except (TypeError, ValueError, RuntimeError) as error:
        raise RunError(where, "must be numbers", got=repr(value)[:60]) from error
    if tensor.layout != torch.strided:
        raise RunError(where, "must be dense", got=str(tensor.layout), fix="Use x.to_dense(), or ship.Events.")
    if tensor.is_complex():
        raise RunError(where, "must be real numbers", got=str(tensor.dtype))
    if tensor.ndim not in (3, 4) or tensor.shape[-1] != n:
        raise RunError(
            where,
            f"must be [batch, time, {n}] or [chip, batch, time, {n}]",
            got=f"shape {list(tensor.shape)}",
            fix="Add a batch axis: x[None]." if tensor.ndim == 2 else "",
        )
    if tensor.ndim == 4 and tensor.shape[0] not in (1, dies):
        raise RunError(where, f"must have {dies} chips", got=str(tensor.shape[0]))
    if tensor.numel() == 0:
        raise RunError(where, "must not be empty", got=f"shape {list(tensor.shape)}")
    events = spec.model.emits == "events"  # type: ignore[attr-defined]
    counts = events and _counts(tensor.detach())
    if not counts and not _finite(tensor.detach()):
        raise RunError(where, "must be finite", got="NaN or infinity")
    if tensor.device != device:
        raise RunError(where, f"must be on {device}, as the network", got=str(tensor.device), fix=f"Use x.to('{device}').")
    tensor = tensor.to(dtype)
    if events and not counts:
        bad = (tensor < 0) | (tensor != tensor.round())
        raise RunError(
            where,
            "must be counts of events: whole numbers, at least 0",
            got=f"{tensor[bad][0].item():g}",
            fix="Use ship.CurrentInput for levels.",
        )
    return tensor.permute(1, 0, 2).unsqueeze(1) if tensor.ndim == 3 else tensor.permute(2, 0, 1, 3)


def _finite(tensor: Tensor) -> bool:
    """Return whether all values are finite; their sum tells, unless it overflows."""
    if not tensor.is_floating_point() or math.isfinite(float(tensor.sum())):
        return True
    return all(math.isfinite(float(v)) for v in torch.aminmax(tensor))


def _counts(tensor: Tensor) -> bool:
    """Return whether all values are whole numbers from 0 on."""
    large = tensor.numel() >= LARGE and tensor.dtype in (torch.float32, torch.float64) and tensor.device.type == "cpu"
    if large and cache.available():
        rows = tensor.reshape(-1, tensor.shape[-1] if tensor.shape[-1] > 64 else tensor.shape[-1] * tensor.shape[-2]).numpy()
        found = np.zeros(1, np.int32 if rows.itemsize == 4 else np.int64)
        look = cache.load_file(Path(cache.__file__).with_name("signal_scan.py"))["uncountable"]
        spread(len(rows), lambda lo, hi: look(lo, hi, rows, found))
        return not found[0]
    low, high = torch.aminmax(tensor)
    return bool(low >= 0) and bool(high < math.inf) and (not tensor.is_floating_point() or torch.equal(tensor, tensor.round()))


def _batch(
    where: str, specs: Mapping[str, Spec], signals: Mapping[str, Tensor], sim: Simulation, batch: int | None, reset: bool
) -> int:
    """Find the one number of samples for inputs, swept parameters, the user's word, and the running state."""
    if batch is not None:
        check_whole(f"{where}: batch", batch, 1, error=RunError)
    found = {f"input {tag!r}": s.shape[2] for tag, s in signals.items() if s.shape[2] > 1}
    for group in sim.groups.values():
        for name, tensor in itertools.chain(group._parameters.items(), group._buffers.items()):
            lead = None if tensor is None else group.lead_of(name, tensor)
            if lead is not None and lead[1] > 1:
                found[f"{group.spec.where}.{name}"] = lead[1]
    if batch is not None:
        found["batch="] = batch
    if not reset and sim.lead is not None:
        found["the running state"] = sim.lead[1]
    sizes = set(found.values())
    if len(sizes) > 1:
        raise RunError(where, "the batch sizes differ", got=", ".join(f"{k} {v}" for k, v in found.items()))
    return sizes.pop() if sizes else 1
