"""The network: an empty one, `add` groups, `init`, `run`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, KeysView, Mapping, Sequence
from copy import copy
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from ..base.boundary import left
from ..base.busy import Busy
from ..base.clock import Programme, check_dt, timeline
from ..base.errors import GraphError, NotReadyError, RunError, is_whole, suggest
from ..base.indices import Units, chosen
from ..base.parameters import to_tensor
from ..crossbar import Crossbar
from ..devices.device import Device
from ..devices.weights.mapping import Mapping as DeviceMapping
from ..devices.weights.pulsing import Pulsing
from ..engine.compiled.nodes.spike_products import Choice
from ..engine.compiled.schedule.partition import choose_engine
from ..engine.reference.source import SourceNode
from ..engine.simulation import Simulation, in_own_precision
from ..engine.tuning import adopt, check_engine, fix, measure
from ..groups.group import Group
from ..groups.model_errors import models_named
from ..groups.remarks import remarks
from ..groups.schedule import Schedule, schedule
from ..groups.spec import Spec
from ..groups.spec_checks import make_spec
from ..groups.wiring import Wiring, emits_first, wire
from ..models.contract import Model, Neuron, Rule, check_coefficients
from .explain import explain
from .inherit import Before, inherit
from .inputs import Inputs, read_inputs
from .memory_budget import chunk_slots, foresee, foresee_delays
from .monitor import Record, Records, Request, Tap, check_units, collect, recordable
from .on_devices import program
from .on_devices.verbs import DeviceVerbs
from .snapshot import Snapshot, capture, restore


class GroupDict(nn.ModuleDict):
    """Groups by tag. Any tag is allowed, also one that names a method of a module."""

    def add(self, tag: str, group: Group) -> None:
        self._modules[tag] = group


class Network(DeviceVerbs):
    """A network of groups. ``add`` them, ``init``, ``run``.

    A `torch.nn.Module`: ``state_dict``, optimisers and ``.to(device)`` work as usual, and ``net(x)`` is ``net.run(x)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._busy = Busy()
        self.groups = GroupDict()
        self._specs: dict[str, Spec] = {}
        self._requests: list[Request] = []
        self._settings: dict[str, Any] = {}
        self._before: Before | None = None  # of the last `init`, where the structure was changed since
        self._wiring: Wiring | None = None
        self._plans: dict[float, Schedule] = {}
        self._sim: Simulation | None = None
        self._programme: Programme = ()
        self._run_start = 0.0
        self.records: dict[str, Record] = Records()
        self.lengths: Tensor | None = None
        self.readout: Any = None  # a `ship.train.Readout`, the one that it was trained with; `ship.study` reads it so

    # -- building ----------------------------------------------------------------------------------------------------------

    @left("model", "rule", "device", "mapping", "crossbar", "learning")
    def add(
        self,
        model: type[Model],
        tag: str,
        *,
        n: int | None = None,
        source: str | Sequence[str] = (),
        target: str | Sequence[str] = (),
        port: str | None = None,
        delay: Any = 0.0,
        output: bool = False,
        trainable: Sequence[str] | bool | None = None,
        initial: Mapping[str, Any] | None = None,
        rule: Rule | None = None,
        connect: Any = None,
        device: Device | None = None,
        mapping: DeviceMapping | None = None,
        crossbar: Crossbar | None = None,
        learning: Pulsing | None = None,
        **parameters: Any,
    ) -> None:
        """Add a group.

        Args:
            model: a model class, e.g. ``ship.LIF``.
            tag: the group's name, unique in the network.
            n: number of units; connections take it from their target.
            source, target: tags of the groups that a connection joins; they may be added later.
            port: the target's port, where the kind of signal does not decide.
            delay: of a connection, s: a number, one per source unit, ``[pre, post]``, or a distribution, whose draws are rounded
                to whole slots of the dt of `init`.
            output: whether `run` returns this group's output.
            trainable: names of parameters with a gradient; default: weights, and biases that are given. True: all that can be.
            initial: initial values of states by name, as any parameter value.
            rule: a learning rule for a synapse.
            connect: sparse connectivity: a rule such as ``ship.InDegree(100)``, or a matrix ``[pre, post]`` of 0 and 1. Weights
                then belong to edges; default: all pairs of units.
            device: what holds the weights of a synapse, see ``ship.devices``; written by `program`.
            mapping: how a weight becomes conductances; default: a differential pair.
            crossbar: the lines that the devices sit on, with their resistances, tiles and converters.
            learning: how changes of weight become pulses on the devices; default: ``ship.Pulsing()``.
            parameters: the model's parameters and options, see ``ship.describe(model)``.

        Raises:
            GraphError, ParameterError: what is wrong, where, and how to mend it.
        """
        where = f"Network.add({tag!r})"
        if not isinstance(tag, str) or not tag or "." in tag or "/" in tag:
            raise GraphError("Network.add", "a tag must be a word without '.' or '/'", got=repr(tag))
        if tag in self._specs:
            raise GraphError(where, "the tag is taken", fix=f"Tags: {', '.join(map(repr, self._specs))}.")
        if not isinstance(model, type) or not issubclass(model, Model):
            raise GraphError(where, "model must be a model class", got=repr(model), fix="E.g. net.add(ship.LIF, 'hid', n=100).")
        self._specs[tag] = make_spec(
            model,
            tag,
            n=n,
            source=source,
            target=target,
            port=port,
            delay=delay,
            output=output,
            trainable=trainable,
            initial=initial,
            rule=rule,
            connect=connect,
            device=device,
            mapping=mapping,
            crossbar=crossbar,
            learning=learning,
            parameters=parameters,
        )
        self._forget()

    def set(self, tag: str, **parameters: Any) -> None:
        """Change parameters of a group, as they would be given to `add`. The network must be initialised again: with
        ``init(..., keep=True)`` all else stays as it was trained, learnt or programmed.

        Raises:
            GraphError, ParameterError: as `add`.
        """
        old = self._known("Network.set", tag)
        before = {
            "n": old.n,
            "source": old.source,
            "target": old.target,
            "port": old.port,
            "delay": old.delay,
            "output": old.output,
            "trainable": old.trainable,
            "initial": old.initial,
            "rule": old.rule,
            "connect": old.connect,
            "device": old.device,
            "mapping": old.mapping,
            "crossbar": old.crossbar,
            "learning": old.learning,
        }
        keywords = {k: parameters.pop(k) for k in before if k in parameters}
        self._specs[tag] = make_spec(type(old.model), tag, **(before | keywords), parameters=old.given | parameters)
        self._forget()

    def remove(self, tag: str) -> None:
        """Take a group out, and nothing else: connections that name it must be removed or changed too."""
        self._known("Network.remove", tag)
        del self._specs[tag]
        self._requests = [r for r in self._requests if r.tag != tag]
        self._forget()

    def _known(self, where: str, tag: str) -> Spec:
        if tag not in self._specs:
            raise GraphError(where, f"no group named {tag!r}", fix=suggest(str(tag), self._specs))
        return self._specs[tag]

    def _forget(self) -> None:
        """After a change of structure nothing that `init` made is valid."""
        self._busy.check("Network")
        self._before = self._then
        self.groups = GroupDict()
        self._wiring, self._sim, self._plans, self.records = None, None, {}, Records()
        self._meter = None

    @property
    def tags(self) -> list[str]:
        """The tags of all groups, in the order they were added."""
        return list(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __contains__(self, tag: object) -> bool:
        return tag in self._specs

    def keys(self) -> KeysView[str]:
        """The tags, as of a mapping from tags to groups (as are ``len(net)``, ``"hid" in net``, ``for tag in net``)."""
        return self._specs.keys()

    def values(self) -> list[Group]:
        """The groups, after `init`, in the order they were added."""
        return [self[tag] for tag in self._specs]

    def items(self) -> list[tuple[str, Group]]:
        """Tags with their groups, after `init`, in the order they were added."""
        return [(tag, self[tag]) for tag in self._specs]

    def __getitem__(self, tag: str) -> Group:
        self._known("Network", tag)
        if tag not in self.groups:
            self._ready("Network[...]")
        return _group(self.groups, tag)

    @property
    def _then(self) -> Before | None:
        """What the last `init` made."""
        return self._before if self._sim is None else Before(self._sim.groups, self._settings)

    def _ipython_key_completions_(self) -> list[str]:
        return self.tags

    def init(
        self,
        dt: float = 1e-3,
        *,
        seed: int = 0,
        chips: int | Sequence[int] | None = None,
        variation: bool = True,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        engine: str = "auto",
        keep: bool | None = None,
    ) -> None:
        """Check everything, plan the schedule, draw the parameters.

        Called again it starts over: parameters are drawn anew, devices are as made, unless ``keep`` says so.

        Args:
            dt: default time step, s.
            seed: of all draws and noise.
            chips: None: die 0, no chip axis; a number K: dies 0 to K - 1; a list: those dies. 1 keeps the axis.
            variation: False gives every chip the nominal values.
            dtype: float type, torch's default where left out.
            device: where the tensors live.
            engine: "reference": plain PyTorch, slot by slot; "fused": models as compiled kernels, where they can be (`explain`
                says which); "auto": fused where Numba is installed.
            keep: whether an `init` after training, learning or programming goes on with what the last one's network has become.
                True: all is kept that was not given anew (by `set`) and still fits: parameters by their shape, and what belongs
                to single dies (deviates, weights that a rule has changed, devices) where seed, chips and variation are the same.
                False: nothing. Default: nothing, with a warning where something is lost and the seed is the same.

        Raises:
            GraphError, ParameterError, RunError: before anything runs.

        Warns:
            UserWarning: something is lost that was trained, learnt or written to devices.
        """
        where = "Network.init"
        self._busy.check(where)
        if not self._specs:
            raise GraphError(where, "the network is empty", fix="Add groups first, e.g. net.add(ship.LIF, 'hid', n=100).")
        check_dt(where, dt)
        if not is_whole(seed):
            raise RunError(f"{where}: seed", "must be a whole number, at least 0", got=repr(seed))
        dies = _dies(where, chips)
        dtype = dtype or torch.get_default_dtype()
        if dtype not in (torch.float32, torch.float64):
            raise RunError(f"{where}: dtype", "must be torch.float32 or torch.float64", got=str(dtype))
        kind = choose_engine(where, engine)
        wiring = wire(self._specs, seed, float(dt))
        foresee_delays(where, wiring, dtype)
        groups = GroupDict()
        for tag, spec in self._specs.items():
            with models_named():
                made = Group(spec, wiring.n[tag], wiring.n_pre[tag], seed, dies, variation, dtype, wiring.edges.get(tag))
            groups.add(tag, made)
        if device is not None:
            try:
                groups.to(device)
            except (RuntimeError, AssertionError) as error:
                raise RunError(f"{where}: device", "is not available", got=f"{device}: {str(error).splitlines()[0]}") from error
        before = self._then
        settings = {
            "dt": float(dt),
            "seed": int(seed),
            "chips": chips if chips is None else (len(dies) if is_whole(chips) else dies),
            "variation": variation,
            "dtype": dtype,
            "engine": engine,
        }
        if before is not None:
            inherit(before, {tag: _group(groups, tag) for tag in groups}, settings, keep)
        self._settings, self._before = settings, None
        self.groups, self._wiring, self._plans, self.records = groups, wiring, {}, Records()
        self._sim = Simulation({tag: self[tag] for tag in self._specs}, wiring, kind)
        self._dry_run()
        self._start_meter()

    def _dry_run(self) -> None:
        """Compute all coefficients once, so that what cannot be discretised says so now."""
        assert self._sim is not None
        with torch.no_grad():
            with models_named():
                for node in self._sim.nodes.values():
                    node.begin(self.dt, self._sim.clock)
                    check_coefficients(node.group.spec.where, node.group.model, node.p, self.dt, node.group.dtype)
            self._sim.map(lambda t: t)
            for node in self._sim.nodes.values():
                node.dt = 0.0
        self._plan(self.dt)

    def _ready(self, where: str) -> Simulation:
        self._busy.check(where)
        if self._sim is None:
            raise NotReadyError(where, "the network is not initialised, or was changed since", fix="Call net.init(dt=...) first.")
        return self._sim

    def _plan(self, dt: float) -> Schedule:
        if dt not in self._plans:
            assert self._wiring is not None
            self._plans[dt] = schedule(self._wiring, self._specs, dt)
        return self._plans[dt]

    @property
    def dt(self) -> float:
        """The default time step, s."""
        self._ready("Network.dt")
        return float(self._settings["dt"])

    @property
    def chips(self) -> int | None:
        """The number of chips; None without a chip axis."""
        chips = self._settings.get("chips")
        return chips if chips is None or isinstance(chips, int) else len(chips)

    def explain(self, dt: float | None = None) -> str:
        """Call order, every delay, every inserted slot and why, for the default dt or another."""
        choices = self._ready("Network.explain").choices
        assert self._wiring is not None
        sim, plan = self._ready("Network.explain"), self._plan(dt or self.dt)
        notes = {tag: [*self[tag].notes, *self[tag].rounding(plan.dt), *remarks(self[tag], plan.dt)] for tag in self._specs}
        engines = sim.engines(plan)
        devices = {
            tag: group.hardware.describe(group.model_weight(), program.reach(self._specs, sim.groups, tag))
            for tag, group in sim.groups.items()
            if group.hardware is not None
        }
        return explain(self._wiring, self._specs, plan, notes, engines, choices, devices)

    def __repr__(self) -> str:
        lines = [
            f"Network({len(self._specs)} groups"
            + (f", dt={self.dt:g} s" if self._sim else ", not initialised")
            + (f", {self.chips} chips" if self.chips else "")
            + ")"
        ]
        for spec in self._specs.values():
            size = f"n={self._wiring.n[spec.tag]}" if self._wiring else (f"n={spec.n}" if spec.n else "")
            arrow = f"{'+'.join(spec.source)} > {'+'.join(spec.target)}" if spec.source or spec.target else ""
            lines.append(
                f"  {type(spec.model).__name__:18} {spec.tag!r:16} {size:8} {arrow}" + ("  output" if spec.output else "")
            )
        return "\n".join(line.rstrip() for line in lines)

    # -- watching ----------------------------------------------------------------------------------------------------------

    @left("units")
    def monitor(
        self, tag: str, *names: str, every: int = 1, units: Units | None = None, events: bool = False, detach: bool = True
    ) -> None:
        """Record variables of a group in the runs to come: states, parameters, ``output``, ``margin`` (distance to threshold).

        Args:
            tag: the group.
            names: what to record.
            every: each n-th slot, counted from the last reset: pieces of a run, and `step`, record the slots that one run would.
            units: a subset of the last axis: numbers of units, or a mask with a truth value for each.
            events: as an `EventRecord`, for spikes: memory in proportion to spikes.
            detach: False keeps the graph of gradients.

        Raises:
            GraphError, RunError: unknown group or variable, illegal subset.
        """
        spec = self._known("Network.monitor", tag)
        where = f"monitor of {spec.where}"
        if not is_whole(every, 1):
            raise RunError(f"{where}: every", "must be a whole number of slots, at least 1", got=repr(every))
        if not names:
            raise RunError(where, "needs the name of a variable", fix=suggest("", recordable(spec)))
        for name in names:
            if name not in recordable(spec):
                raise RunError(
                    where, f"{type(spec.model).__name__} has no variable {name!r}", fix=suggest(name, recordable(spec))
                )
            if events and name != "output":
                raise RunError(
                    f"{where}: events", "records outputs only", got=repr(name), fix="Leave events= out for this variable."
                )
        subset = None if units is None else chosen(f"{where}: units", units, None)
        if subset is not None and not len(subset.numbers):
            raise RunError(f"{where}: units", "must name at least one unit", got="none")
        requests = [Request(tag, name, every, subset, events, detach) for name in names]
        for request in requests:
            check_units(request, spec, self._wiring)
        self._requests = [r for r in self._requests if (r.tag, r.name) not in {(tag, n) for n in names}]
        self._requests += requests

    def unmonitor(self, tag: str | None = None, *names: str) -> None:
        """Stop recording: everything, a group, or some of its variables."""
        if tag is not None:
            self._known("Network.unmonitor", tag)
        self._requests = [r for r in self._requests if not (tag in (None, r.tag) and (not names or r.name in names))]

    def timeline(self, tag: str | None = None) -> Tensor:
        """Times (s, float64) of the slots of the last run: their starts; their ends for a group that emits after advancing."""
        self._ready("Network.timeline")
        times = timeline(self._programme, self._run_start)
        if (
            tag is not None
            and isinstance(self._known("Network.timeline", tag).model, Neuron)
            and not emits_first(self._specs[tag])
        ):
            times = times + torch.cat([torch.full((s.steps,), s.dt, dtype=torch.float64) for s in self._programme])
        return times

    # -- running -----------------------------------------------------------------------------------------------------------

    def forward(self, x: Any = None, **options: Any) -> Any:
        return self.run(x, **options)

    @left("dt")
    def run(
        self,
        x: Any = None,
        *,
        dt: float | Sequence[tuple[float, int]] | None = None,
        duration: float | None = None,
        steps: int | None = None,
        batch: int | None = None,
        reset: bool = True,
        reset_persistent: bool = False,
        trial: int | None = None,
        first_sample: int = 0,
        detach: bool = True,
    ) -> Any:
        """Simulate.

        Args:
            x: the input: ``[batch, time, unit]`` or ``[chip, batch, time, unit]``; a list of ``[time, unit]``, padded with zeros;
                `Events`; a dict of these by tag where there are several inputs; None where sources are autonomous.
            dt: time step, s, or a programme ``[(dt, steps), ...]``; the default is that of `init`.
            duration, steps: how long, in s or slots; taken from the input where left out, longer than it pads with zeros.
            batch: number of samples where no input says it.
            reset: start from the initial states; False continues where the last run ended.
            reset_persistent: also set plastic weights and persistent states back to those of `init`; refused for devices, which
                only `program` writes.
            trial: of the noise; the default is the last one.
            first_sample: global number of the batch's first sample, for noise.
            detach: cut the graph of gradients at the end of the run, for the next one that continues.

        Returns:
            The output group's signal ``[batch, time, unit]`` (``[chip, batch, time, unit]`` with chips); a dict by tag where
            several are outputs; None where none is.

        Raises:
            RunError: an input, duration or programme that does not fit; a run that would not fit into memory.
        """
        sim = self._ready("Network.run")
        options = (reset, reset_persistent, trial, first_sample)
        # Models are compiled by their engine: what compiles Python around a run leaves the run itself alone.
        run = torch.compiler.disable(self._run) if torch.compiler.is_compiling() else self._run
        with self._busy("Network.run"), in_own_precision(sim.device.type):
            return run(sim, x, self.dt if dt is None else dt, duration, steps, batch, *options, detach)

    def _run(
        self,
        sim: Simulation,
        x: Any,
        dt: float | Sequence[tuple[float, int]],
        duration: float | None,
        steps: int | None,
        batch: int | None,
        reset: bool,
        reset_persistent: bool,
        trial: int | None,
        first_sample: int,
        detach: bool,
    ) -> Any:
        assert self._wiring is not None
        _check_run(sim, reset, reset_persistent, trial, first_sample)
        _check_floats(sim, self._settings["dtype"])
        program.check_learning(sim.groups, reset_persistent)
        for request in self._requests:
            check_units(request, self._specs[request.tag], self._wiring)
        given = read_inputs(
            x,
            self._specs,
            self._wiring.n,
            sim,
            dt=dt,
            duration=duration,
            steps=steps,
            batch=batch,
            reset=reset,
            dtype=self._settings["dtype"],
        )
        trainable = torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())
        foresee(self._wiring, self._specs, self._requests, given.steps, given.lead, self._settings["dtype"], trainable)
        self.lengths = given.lengths
        for group in sim.groups.values():
            group.project_()
            group.check_sound(numbers=reset or sim.lead is None)
        if reset or sim.lead is None:
            if reset_persistent:
                self._reset_persistent()
            sim.reset(given.lead, sim.clock.trial if trial is None else trial, first_sample)
        graph = torch.is_grad_enabled() and (
            trainable or any(t.requires_grad for t in itertools.chain(given.signals.values(), sim.tensors()))
        )
        return self._execute(sim, given, detach, graph)

    def _reset_persistent(self) -> None:
        for tag in self._specs:
            self[tag].reset_persistent()

    def _execute(self, sim: Simulation, given: Inputs, detach: bool, graph: bool) -> Any:
        assert self._wiring is not None
        taps = [Tap(r, given.lead, sim.clock.slot) for r in self._requests]
        outs: dict[str, list[Tensor]] = {tag: [] for tag, spec in self._specs.items() if spec.output}
        for tag, node in sim.nodes.items():
            node.takes = [tap for tap in taps if tap.request.tag == tag]
        self._programme, self._run_start = given.programme, sim.clock.time
        chunk = given.steps if graph else chunk_slots(self._wiring, given.lead)  # a graph keeps all slots anyway
        offset = 0
        counting = None if self._meter is None else self._meter.start(sim, given.lead)
        wanted = outs.keys() | (set() if counting is None else counting.outputs)
        try:
            for segment in given.programme:
                if counting is not None:
                    counting.dt = segment.dt
                for tap in taps:
                    tap.offset = offset
                for tag, signal in given.signals.items():
                    node = sim.nodes[tag]
                    assert isinstance(node, SourceNode)
                    node.signal = signal[offset : offset + segment.steps]

                def keep(k0: int, n: int) -> None:
                    for tag, kept in outs.items():
                        kept.append(sim.nodes[tag].trace.window(k0, n))
                    if counting is not None:
                        counting.take(k0, n)

                last = detach and offset + segment.steps == given.steps
                sim.segment(segment, self._plan(segment.dt), chunk, wanted, keep, last=last)
                offset += segment.steps
        except BaseException:
            # Ctrl-C or an error half-way: states and delay lines are of different slots, so the next run must start afresh.
            sim.lead = None
            sim.detach()
            raise
        finally:
            for node in sim.nodes.values():
                node.takes = []
                if isinstance(node, SourceNode):
                    node.signal = None
        if counting is not None:
            counting.commit()
        times = {tag: self.timeline(tag) for tag in {tap.request.tag for tap in taps}}
        self.records = collect(taps, times, self.chips is not None, sim.groups)
        result = {tag: self._interface(kept, given.lead) for tag, kept in outs.items()}
        if detach:
            sim.detach()
        return None if not result else (next(iter(result.values())) if len(result) == 1 else result)

    def tune(self, x: Any = None, *, sums: Mapping[str, str] | None = None, **options: Any) -> dict[str, Choice]:
        """Choose how connections sum spikes: ``"dense"``, a matrix product, or ``"events"``, in proportion to the spikes.

        All are dense after `init`. One run from the initial states, beside the network's own, measures both ways on what arrives
        at each connection, and the faster is kept: sums of the run, and gradients to weights that are trained. Choices stay until
        the next `init`, also in copies; they are no part of snapshots and files. Dense sums and event-driven ones differ by
        rounding alone, so to repeat results elsewhere to the last bit give the same choices: ``sums``.

        Args:
            x, options: as `run` takes them; a typical batch.
            sums: choices by tag; nothing is run then, and what is not named stays.

        Returns:
            The choices made, by tag, with what was measured. Also in `explain`.

        Raises:
            RunError: as `run`; an unknown connection or choice; a network without kernels.
        """
        sim = self._ready("Network.tune")
        check_engine("Network.tune", sim)
        if sums is not None:
            if x is not None or options:
                raise RunError("Network.tune: sums", "takes the place of a run", fix="Leave the input and its options out.")
            return fix("Network.tune: sums", sim, sums)
        assert self._wiring is not None
        beside = copy(self)  # the same groups, a state of its own
        beside._busy = Busy()
        beside._sim = Simulation(sim.groups, self._wiring, sim.engine)
        beside._sim.clock.trial = sim.clock.trial
        beside._requests, beside._meter = [], None
        choices = measure(beside._sim, lambda: beside.run(x, **options))
        adopt(sim, choices)
        return choices

    def step(self, x: Any = None, *, detach: bool = True) -> Any:
        """One slot of a closed loop: ``[batch, unit]`` in, ``[batch, unit]`` out, continuing from the last call.

        Args:
            x: the input of this slot, ``[batch, unit]`` (``[chip, batch, unit]``), or a dict by tag.
            detach: False keeps the graph of gradients through the loop.
        """

        def widen(value: Any) -> Any:
            slot = to_tensor("Network.step: x", value)
            if slot.ndim not in (2, 3):
                raise RunError("Network.step: x", "must be [batch, unit] or [chip, batch, unit]", got=f"shape {list(slot.shape)}")
            return slot.unsqueeze(-2)

        whole = None if x is None else ({k: widen(v) for k, v in x.items()} if isinstance(x, Mapping) else widen(x))
        fresh = self._ready("Network.step").lead is None
        out = self.run(whole, steps=1, reset=fresh, detach=detach)
        if isinstance(out, dict):
            return {tag: value.squeeze(-2) for tag, value in out.items()}
        return None if out is None else out.squeeze(-2)

    def reset(self) -> None:
        """Forget the running state: the next `run` or `step` starts from the initial states."""
        self._ready("Network.reset").lead = None

    def _interface(self, kept: list[Tensor], lead: tuple[int, int]) -> Tensor:
        if not kept:
            raise RunError("Network.run", "nothing to return: the run has no slots")
        windows = [k.expand(len(k), *lead, k.shape[-1]) for k in kept]
        signal = (windows[0] if len(windows) == 1 else torch.cat(windows)).permute(1, 2, 0, 3)
        return signal if self.chips is not None else signal.squeeze(0)

    # -- keeping -----------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The whole state: parameters, persistent and transient state, what is in flight, clocks, trial; of devices also what was
        written to them and how they run. What monitors, the meter and lists of pulses have kept is no part of it.
        """
        return capture(self._ready("Network.snapshot"), self.state_dict(), self._made)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this network: it then continues bit for bit.

        Raises:
            RunError: it belongs to another network, or was taken after an `init` with other settings (all but the engine count).
        """
        restore(self._ready("Network.restore"), self, snapshot, self._made)

    @property
    def _made(self) -> dict[str, Any]:
        """The settings of `init` that decide results, as plain values: a snapshot must share them."""
        self._ready("Network")
        own, chips = self._settings, self._settings["chips"]
        dies = list(range(chips)) if isinstance(chips, int) else chips
        plain = {"chips": dies, "dtype": str(own["dtype"]).removeprefix("torch.")}
        return {name: own[name] for name in ("dt", "seed", "variation")} | plain

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As that of `torch.nn.Module`. Where its weights lie may be another then, so kernels are chosen afresh."""
        done = super().load_state_dict(state_dict, strict, assign)
        if self._sim is not None:
            self._sim.refresh()
        return done

    # -- moving ------------------------------------------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Network:
        if fn(torch.zeros(1)).dtype not in (torch.float32, torch.float64):
            raise RunError("Network", "computes in float32 or float64", got=str(fn(torch.zeros(1)).dtype), fix="Use net.float().")
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._sim is not None:
            self._sim.map(fn)
            self._sim.moved()
        for tag in self._specs if self._sim is not None else ():
            self._settings["dtype"] = self[tag].dtype
        return self


def _group(groups: GroupDict, tag: str) -> Group:
    group = groups[tag]
    assert isinstance(group, Group)
    return group


def _check_run(sim: Simulation, reset: bool, reset_persistent: bool, trial: int | None, first_sample: int) -> None:
    where = "Network.run"
    for name, value in (("trial", trial), ("first_sample", first_sample)):
        if value is not None and not (is_whole(value) and value < 2**32):
            raise RunError(f"{where}: {name}", "must be a whole number, at least 0", got=repr(value))
    if not reset and sim.lead is not None:
        given = {
            "reset_persistent": reset_persistent,
            "trial": trial not in (None, sim.clock.trial),
            "first_sample": first_sample not in (0, sim.clock.first_sample),
        }
        for name, value in given.items():
            if value:
                raise RunError(
                    f"{where}: {name}", "belongs to the start of a run", got="reset=False", fix="Leave it out when continuing."
                )


def _check_floats(sim: Simulation, dtype: torch.dtype) -> None:
    """Refuse groups that were moved alone: states and what is in flight have the network's float type."""
    for group in sim.groups.values():
        if group.dtype != dtype:
            raise RunError(
                "Network.run",
                f"all groups must have the network's float type, {dtype}",
                got=f"{group.dtype} of {group.tag!r}",
                fix="Move the network, not a group: net.double() or net.float().",
            )


def _dies(where: str, chips: Any) -> list[int]:
    if chips is None:
        return [0]
    if is_whole(chips, 1):
        return list(range(int(chips)))
    dies = [] if isinstance(chips, str | Real) else list(chips)
    if not dies or any(not is_whole(d) or d >= 2**62 for d in dies) or len(set(dies)) != len(dies):
        raise RunError(f"{where}: chips", "must be None, a number of chips, or a list of different die ids", got=repr(chips))
    return [int(d) for d in dies]
