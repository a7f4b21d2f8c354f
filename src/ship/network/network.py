"""The network: `add` groups to an empty one, `init`, `run`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import torch
from torch import Tensor

from ..base.boundary import left
from ..base.busy import Busy
from ..base.errors import GraphError, NotReadyError, RunError
from ..base.parameters import to_tensor
from ..base.temperature import Kelvin, stretches
from ..engine.compiled.nodes.spike_products import Choice
from ..engine.compiled.schedule.partition import choose_engine
from ..engine.simulation import Simulation, in_own_precision
from ..engine.tuning import adopt, check_engine, fix, measure
from ..groups.group import Group
from ..groups.model_errors import models_named
from ..groups.schedule import Schedule, schedule
from ..groups.wiring import Wiring, wire
from ..models.contract import check_coefficients
from .audit.verbs import AuditVerbs
from .explain import explain, overview
from .inherit import Before, inherit
from .inputs import Extent, read_inputs
from .memory_budget import chunk_slots, foresee, foresee_delays
from .monitor import Records, check_units, collect
from .on_devices import program
from .run import Run, Start, check_floats, check_groups, returned
from .settings import Settings, check_settings, deciding, die_ids
from .snapshot import Snapshot, capture, restore
from .structure import GroupDict


class Network(AuditVerbs):
    """A network of groups, which you ``add``, ``init`` and ``run``.

    A `torch.nn.Module`: ``state_dict``, optimisers and ``.to(device)`` work as usual, and ``net(x)`` is ``net.run(x)``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._busy = Busy()
        self._settings: Settings = {}
        self._before: Before | None = None  # what the last `init` made, where the structure was changed since
        self._plans: dict[tuple[float, bool], Schedule] = {}  # by dt, and whether rules learn
        self._sim: Simulation | None = None
        self.readout: Any = None  # the `ship.train.Readout` that it was trained with, which `ship.study` uses

    # -- initialising ------------------------------------------------------------------------------------------------------

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
        temperature: float | None = None,
        keep: bool | None = None,
    ) -> None:
        """Check everything, plan the schedule, draw the parameters.

        Called again it starts over: parameters are drawn anew, devices are as made, unless ``keep`` says so.

        Args:
            dt: the default time step, s.
            seed: the seed of all draws and noise.
            chips: None: die 0, no chip axis; a number K: dies 0 to K - 1; a list: those dies. 1 keeps the axis.
            variation: False gives every chip the nominal values.
            dtype: the float type, torch's default where left out.
            device: where the tensors live.
            engine: "reference": plain PyTorch, slot by slot; "fused": models as compiled kernels, where they can be (`explain`
                says which); "auto": fused where Numba is installed.
            temperature: the temperature of the network, K; None: each model and device has its own reference temperature.
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
        settings = check_settings(
            where, dt=dt, seed=seed, chips=chips, variation=variation, dtype=dtype, engine=engine, temperature=temperature
        )
        kind = choose_engine(where, engine)
        wiring = wire(self._specs, settings["seed"], settings["dt"])
        foresee_delays(where, wiring, settings["dtype"])
        groups = self._make_groups(wiring, settings)
        if device is not None:
            try:
                groups.to(device)
            except (RuntimeError, AssertionError) as error:
                raise RunError(f"{where}: device", "is not available", got=f"{device}: {str(error).splitlines()[0]}") from error
        before = self._made_before
        if before is not None:
            inherit(before, {tag: groups.group(tag) for tag in groups}, settings, keep)
        self._settings, self._before = settings, None
        self.groups, self._wiring, self._plans, self.records = groups, wiring, {}, Records()
        self._sim = Simulation({tag: self[tag] for tag in self._specs}, wiring, kind)
        self._sim.feel(settings["temperature"])
        self._dry_run(self._sim)
        self._start_meter()

    def _make_groups(self, wiring: Wiring, settings: Settings) -> GroupDict:
        groups, dies = GroupDict(), die_ids(settings)
        seed, variation, dtype = settings["seed"], settings["variation"], settings["dtype"]
        for tag, spec in self._specs.items():
            with models_named():
                sizes, edges = (wiring.n[tag], wiring.n_pre[tag]), (wiring.edges.get(tag), wiring.shared.get(tag))
                made = Group(spec, *sizes, seed, dies, variation, dtype, *edges)
            groups.add(tag, made)
        return groups

    def _dry_run(self, sim: Simulation) -> None:
        """Compute all coefficients once, so that what cannot be discretised says so now."""
        with torch.no_grad():
            with models_named():
                for node in sim.nodes.values():
                    node.begin(self.dt, sim.clock)
                    check_coefficients(node.group.spec.where, node.group.model, node.p, self.dt, node.group.dtype)
            sim.map(lambda t: t)
            for node in sim.nodes.values():
                node.dt = 0.0
        self._plan(self.dt)

    def _ready(self, where: str) -> Simulation:
        self._busy.check(where)
        if self._sim is None:
            raise NotReadyError(where, "the network is not initialised, or was changed since", fix="Call net.init(dt=...) first.")
        return self._sim

    def _forget(self) -> None:
        """Drop all that `init` made: after a change of structure nothing of it is valid."""
        self._busy.check("Network")
        self._before = self._made_before
        self.groups = GroupDict()
        self._requests = [r for r in self._requests if r.tag in self._specs]
        self._wiring, self._sim, self._plans, self.records = None, None, {}, Records()
        self._meter = None

    @property
    def _made_before(self) -> Before | None:
        """The groups and settings of the last `init`; None before the first one."""
        return self._before if self._sim is None else Before(self._sim.groups, self._settings)

    def _plan(self, dt: float) -> Schedule:
        key = dt, self._sim is None or self._sim.learn
        if key not in self._plans:
            assert self._wiring is not None
            self._plans[key] = schedule(self._wiring, self._specs, dt, learn=key[1])
        return self._plans[key]

    # -- reading -----------------------------------------------------------------------------------------------------------

    @property
    def dt(self) -> float:
        """The default time step, s."""
        self._ready("Network.dt")
        return self._settings["dt"]

    @property
    def chips(self) -> int | None:
        """The number of chips; None without a chip axis."""
        chips = self._settings.get("chips")
        return chips if chips is None or isinstance(chips, int) else len(chips)

    @property
    def settings(self) -> Settings:
        """The settings of the last `init`: a copy, empty before the first one."""
        return self._settings.copy()

    def schedule(self, dt: float | None = None) -> Schedule:
        """Return the call order, latencies and inserted slots for the default dt or another (s), after `init`."""
        self._ready("Network.schedule")
        return self._plan(dt or self.dt)

    def simulation(self, where: str = "Network.simulation") -> Simulation:
        """Return the network in time: its groups and nodes, and what is in flight.

        Args:
            where: the name of the caller, for the error.

        Raises:
            RunError: the network is not initialised.
        """
        return self._ready(where)

    def explain(self, dt: float | None = None) -> str:
        """Say in words the call order, every delay, every inserted slot and why, for the default dt or another."""
        return explain(self._ready("Network.explain"), self._specs, self._plan(dt or self.dt))

    def __repr__(self) -> str:
        return overview(self._specs, self._wiring, None if self._sim is None else self.dt, self.chips)

    # -- running -----------------------------------------------------------------------------------------------------------

    def forward(self, x: Any = None, **options: Any) -> Any:
        """Run the network, as `run` does."""
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
        learn: bool = True,
        detach: bool = True,
        temperature: float | Sequence[tuple[float, float]] | None = None,
    ) -> Any:
        """Simulate the network for a number of slots.

        Args:
            x: the input: ``[batch, time, unit]`` or ``[chip, batch, time, unit]``; a list of ``[time, unit]``, padded with zeros;
                `Events`; a dict of these by tag where there are several inputs; None where sources are autonomous.
            dt: the time step, s, or a programme ``[(dt, steps), ...]``; the default is that of `init`.
            duration, steps: how long, in s or slots; taken from the input where left out, longer than it pads with zeros.
            batch: the number of samples where no input says it.
            reset: start from the initial states; False continues where the last run ended.
            reset_persistent: also set plastic weights and persistent states back to those of `init`; refused for devices, which
                only `program` writes.
            trial: the trial of the noise; the default is the last one.
            first_sample: the global number of the batch's first sample, for noise.
            learn: False: learning rules do not act, weights stand still, and persistent states are afterwards what they were.
            detach: cut the graph of gradients at the end of the run, for the next one that continues.
            temperature: the temperature in this run, K, or stretches ``[(seconds, K), ...]`` from its start on; the default is
                `Network.temperature`.

        Returns:
            The output group's signal ``[batch, time, unit]`` (``[chip, batch, time, unit]`` with chips); a dict by tag where
            several are outputs; None where none is.

        Raises:
            RunError: an input, duration or programme that does not fit; a run that would not fit into memory.
        """
        sim = self._ready("Network.run")
        start = Start(reset, reset_persistent, trial, first_sample, learn)
        extent = Extent(self.dt if dt is None else dt, duration, steps, batch)
        kelvin = self._settings["temperature"] if temperature is None else temperature
        # Models are compiled by their engine: what compiles Python around a run leaves the run itself alone.
        run = torch.compiler.disable(self._run) if torch.compiler.is_compiling() else self._run
        with self._busy("Network.run"), in_own_precision(sim.device.type):
            return run(sim, x, extent, start, detach, kelvin)

    def _run(self, sim: Simulation, x: Any, extent: Extent, start: Start, detach: bool, kelvin: Kelvin | None) -> Any:
        """Check all that the run needs, then execute it."""
        dtype = self._settings["dtype"]
        start.check(sim)
        check_floats(sim, dtype)
        program.check_learning(sim.groups, start.reset_persistent)
        for request in self._requests:
            check_units(request, self._specs[request.tag], sim.wiring)
        given = read_inputs(x, self._specs, sim, extent, reset=start.reset, dtype=dtype)
        cut = stretches("Network.run: temperature", given.programme, kelvin)
        trainable = torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())
        foresee(sim.wiring, self._specs, self._requests, given.steps, given.lead, dtype, trainable)
        self.lengths = given.lengths
        check_groups(sim, numbers=start.afresh(sim))
        start.apply(sim, given.lead)
        graph = torch.is_grad_enabled() and (
            trainable or any(t.requires_grad for t in itertools.chain(given.signals.values(), sim.tensors()))
        )
        chunk = given.steps if graph else chunk_slots(sim.wiring, given.lead)  # a graph keeps all slots anyway
        self._programme, self._run_start = given.programme, sim.clock.time
        run = Run(sim, given, self._plan, self.outputs, tuple(self._requests), self._meter, chunk, detach, cut)
        try:
            taps, windows = run.execute()
        finally:
            sim.start(learn=True, afresh=False)
            sim.feel(self._settings["temperature"])
        times = {tag: self.timeline(tag) for tag in {tap.request.tag for tap in taps}}
        self.records = collect(taps, times, self.chips is not None, sim.groups)
        result = returned(windows, given.lead, chips=self.chips is not None)
        if detach:
            sim.detach()
        return result

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
        beside = copy(self)  # the same groups, a state of its own
        beside._busy = Busy()
        beside._sim = Simulation(sim.groups, sim.wiring, sim.engine)
        beside._sim.clock.trial = sim.clock.trial
        beside._requests, beside._meter = [], None
        choices = measure(beside._sim, lambda: beside.run(x, **options))
        adopt(sim, choices)
        return choices

    def step(self, x: Any = None, *, detach: bool = True) -> Any:
        """Run one slot of a closed loop: ``[batch, unit]`` in, ``[batch, unit]`` out, continuing from the last call.

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

    # -- keeping -----------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Take the whole state: parameters, persistent and transient state, what is in flight, clocks, trial; of devices also
        what was written to them and how they run. What monitors, the meter and lists of pulses have kept is no part of it.
        """
        return capture(self._ready("Network.snapshot"), self.state_dict(), deciding(self._settings))

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this network, which then continues bit for bit.

        Raises:
            RunError: it belongs to another network, or was taken after an `init` with other settings (all but the engine count).
        """
        restore(self._ready("Network.restore"), self, snapshot, deciding(self._settings))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load tensors, as `torch.nn.Module` does. Their memory may be another then, so kernels are chosen afresh."""
        done = super().load_state_dict(state_dict, strict, assign)
        if self._sim is not None:
            self._sim.refresh()
        return done

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
