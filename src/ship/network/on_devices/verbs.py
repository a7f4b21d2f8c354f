"""The methods of `Network` for its devices and its energy: program, read, wait, mitigate, learn by pulses, meter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ...base.errors import NotReadyError
from ...base.temperature import check_kelvin
from ...devices.array.open_loop import OpenLoop
from ...devices.array.write_verify import WriteVerify, Written
from ...devices.weights.pulse_log import Pulses
from ...engine.simulation import Simulation
from ...groups.spec import Spec
from ..energy import Costs, Ledger, Meter
from ..energy.costs import assigned
from ..energy.ledger import ledger
from ..settings import Settings
from . import mitigate
from . import program as programming
from .mitigate import RepairReport


class DeviceVerbs(nn.Module):
    """The part of `Network` that acts on devices and counts energy, as an abstract base class."""

    _specs: dict[str, Spec]
    _sim: Simulation | None
    _settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self._costs: dict[str, Any] | None = None  # the arguments of `meter`
        self._meter: Meter | None = None

    @abstractmethod
    def _ready(self, where: str) -> Simulation:
        """Return the simulation, or raise an error before `init`."""

    @property
    @abstractmethod
    def chips(self) -> int | None:
        """The number of chips; None without a chip axis."""

    def __getattr__(self, name: str) -> Any:
        """Raise again the AttributeError of a property, whose text says more than that of a module without the attribute."""
        attribute = getattr(type(self), name, None)
        return attribute.fget(self) if isinstance(attribute, property) and attribute.fget else super().__getattr__(name)

    # -- devices -----------------------------------------------------------------------------------------------------------

    def program(
        self, *tags: str, verify: WriteVerify | OpenLoop | None = None, weights: Mapping[str, Any] | None = None
    ) -> dict[str, Written]:
        """Write the weights of groups to their devices; the groups then run with the weights that the devices hold, on each chip.

        Args:
            tags: tags of groups; none for all groups with devices.
            verify: the settings of closed-loop programming, or of pulses that nobody checks (`ship.devices.OpenLoop`); None for
                one shot.
            weights: weights in V by tag, in place of the model's own: ``[pre, post]`` or ``[chip, pre, post]``.

        Returns:
            For each group the pulses, the energy (J), the errors (S) and the failures, ``[chip, device, pre, post]``.

        Raises:
            GraphError, RunError: a group does not exist or has no devices, or a shape is wrong.

        Warns:
            UserWarning: the gain starves or saturates the target, more than 1 % of the devices failed verification, or a device
                whose law of writing was not measured was written exactly (of one made by hand `explain` says so).
        """
        sim = self._ready("Network.program")
        report = programming.program(sim.groups, self._specs, tags, verify, weights or {})
        sim.refresh()
        return {tag: _without_chip(w, self.chips) for tag, w in report.items()}

    def adopt(self, tag: str, *measured: Any, faults: Sequence[Any] | None = None) -> None:
        """Give a group's devices the state of a measured chip, as if written now; the group then runs with them.

        The full scale of the weights (V) is that of `program`. The values that the chip was meant to hold are not known, so that
        `calibrate` and `repair` compare with the model's weights.

        Args:
            tag: the tag of the group.
            measured: one array for each device of a weight (plus and minus for a pair): a `ship.MeasuredArray`, or conductances
                (S), ``[pre, post]``. Every chip becomes the measured one; ``[chip, pre, post]`` gives each chip its own values.
            faults: the fault codes of each array: 0 sound, 1 stuck low, 2 stuck high, 3 open; None for the map of ``measured``.

        Raises:
            GraphError: the group does not exist or has no devices, the number of arrays is not that of the devices in a weight,
                or a shape is wrong.
            ParameterError: the device cannot hold the conductances or faults, see `ship.DeviceArray.adopt`.
        """
        sim = self._ready("Network.adopt")
        programming.adopt(sim.groups, tag, measured, faults)
        sim.refresh()

    @property
    def temperature(self) -> float | None:
        """The temperature of the network, K; None where it has none, so that each model and device has its own reference.

        It reaches every parameter of a model that depends on it (except those that were given a value), the noise, and the
        ageing of devices with a thermal part, in runs, waits and on sampled devices. Setting it acts from the next run on.
        """
        self._ready("Network.temperature")
        return self._settings["temperature"]

    @temperature.setter
    def temperature(self, kelvin: float | None) -> None:
        sim = self._ready("Network.temperature")
        self._settings["temperature"] = None if kelvin is None else check_kelvin("Network.temperature", kelvin)
        sim.feel(self._settings["temperature"])

    def wait(self, seconds: float, *, kelvin: float | None = None) -> None:
        """Let ``seconds`` pass for all devices, at a temperature in K; each device follows its own trajectory.

        Without ``kelvin`` it is `temperature`; where the network has none, devices age as at their reference temperature.

        A run takes time as well: programmed devices age by its duration, whatever the batch.

        Raises:
            GraphError: no group has devices.
            RunError, ParameterError: the time is negative, or outside the range of a device's retention.
        """
        programming.wait(self._ready("Network.wait").groups, seconds, kelvin)
        if self._meter is not None:
            self._meter.waited += float(seconds)

    def read(self, tag: str) -> Tensor:
        """Read the devices of a group once and return conductances (S), ``[device, pre, post]``, with chips ``[chip, ...]``.

        Raises:
            GraphError: the group does not exist or has no devices.
        """
        seen = programming.read(self._ready("Network.read").groups, tag)
        return seen if self.chips is not None else seen.squeeze(0)

    def compensate(self, *tags: str) -> dict[str, Tensor]:
        """Compensate drift globally: read all devices of a group and scale its weights by their common loss since the write.

        There is one factor for each group and chip. It stays until the next call, or until the group is programmed again.

        Returns:
            The factors by tag, ``[chip]``.

        Raises:
            GraphError: a group does not exist or has no devices.
            RunError: a group was not programmed.
        """
        return self._mitigated("Network.compensate", mitigate.compensate, tags)

    def calibrate(self, *tags: str) -> dict[str, Tensor]:
        """Calibrate columns: read all devices of a group and scale each column to bring its weights nearest to the wanted ones.

        There is one least-squares factor for each column (target unit) of each chip, in addition to the factor of `compensate`.

        Returns:
            The factors by tag, ``[chip, post]``.

        Raises:
            GraphError, RunError: as in `compensate`, or a group has sparse edges.
        """
        return self._mitigated("Network.calibrate", mitigate.calibrate, tags)

    def repair(
        self, *tags: str, tolerance: float = 0.05, rounds: int = 4, verify: WriteVerify | None = None
    ) -> dict[str, RepairReport]:
        """Repair weights with faulty devices: read all devices, and write the sound devices of these weights to new targets.

        Devices that miss their targets count as faulty. The new targets bring the weights as near as possible to the wanted
        ones: in a pair the healthy device makes up for a stuck one.

        Args:
            tags: tags of groups; none for all groups with devices.
            tolerance: the error beyond which a device is faulty, as a fraction of the window; it should be above the errors of
                programming itself.
            rounds: the largest number of rounds of reading and writing; a stuck device that happens to be at its target shows
                only when it gets a new one.
            verify: the settings of closed-loop programming of the new targets; None for one shot.

        Returns:
            For each group the fractions of faulty and rewritten devices, and the error of the weights before and after, for each
            chip.

        Raises:
            GraphError, RunError: as in `compensate`, or the tolerance is outside (0, 1).
        """
        return self._mitigated("Network.repair", mitigate.repair, tags, tolerance, rounds, verify)

    def _mitigated(self, where: str, what: Callable[..., dict[str, Any]], tags: Sequence[str], *more: Any) -> dict[str, Any]:
        sim = self._ready(where)
        made = what(sim.groups, tags, *more)
        programming.show_weights(sim.groups, sim.groups)
        sim.refresh()
        return made

    def sample_devices(self, *tags: str, drift: float = 0.0, kelvin: float | None = None) -> None:
        """Train hardware-aware: from now on each trial writes the weights to newly drawn devices and lets ``drift`` seconds pass.

        They pass at ``kelvin``, or at `temperature` where it is left out.

        The result is differentiable in the weights; rounding to levels passes gradients straight through.

        Raises:
            GraphError, RunError: a group does not exist or has no devices, or the time is negative.
        """
        self._run_with("Network.sample_devices", tags, "sampled", drift, kelvin)

    def use_weights(self, *tags: str) -> None:
        """Run with the model's weights again; the devices keep their state."""
        self._run_with("Network.use_weights", tags, "weights")

    def _run_with(self, where: str, tags: Sequence[str], mode: str, drift: float = 0.0, kelvin: float | None = None) -> None:
        sim = self._ready(where)
        programming.set_mode(sim.groups, where, tags, mode, drift, kelvin)
        sim.refresh()

    # -- energy ------------------------------------------------------------------------------------------------------------

    def meter(
        self, *, neurons: Costs | None = None, synapses: Costs | None = None, groups: Mapping[str, Costs] | None = None
    ) -> None:
        """Count the energy of devices, and of circuits whose costs are given, from zero on; `energy` has the result.

        Args:
            neurons, synapses: the costs of every group of neurons, and of every synapse group.
            groups: the costs of single groups by tag, in place of these; sources are counted only if they are named here.

        Raises:
            GraphError: a group is unknown, or there is nothing to meter: neither devices nor costs.
            ParameterError: costs belong to another kind of group, or lack a voltage.
        """
        assigned("Network.meter", self._specs, neurons, synapses, groups)
        self._costs = {"neurons": neurons, "synapses": synapses, "groups": dict(groups or {})}
        self._start_meter()

    def unmeter(self) -> None:
        """Stop counting energy, and forget the counts."""
        if self._meter is not None and self._sim is not None:
            self._meter.close(self._sim)
        self._costs = self._meter = None

    @property
    def metered(self) -> bool:
        """Whether `meter` counts energy at present."""
        return self._meter is not None

    @contextmanager
    def metered_apart(self) -> Iterator[None]:
        """Count energy anew within, with the costs that were given to `meter`; afterwards the counts from before go on.

        Raises:
            GraphError: there is nothing to meter: neither devices nor costs.
        """
        costs, meter = self._costs, self._meter
        self.meter(**(costs or {}))
        try:
            yield
        finally:
            if self._meter is not None and self._sim is not None:
                self._meter.close(self._sim)
            self._costs, self._meter = costs, meter
            if meter is not None and self._sim is not None:
                meter.watch(self._sim)

    def _start_meter(self) -> None:
        if self._costs is not None and self._sim is not None:
            costs = assigned("Network.meter", self._specs, **self._costs)
            self._meter = Meter(costs, self._sim, self.chips is not None)

    @property
    def energy(self) -> Ledger:
        """The ledger of the energy since `meter`, see `Ledger`.

        Raises:
            RunError: nothing is metered.
        """
        if self._meter is None:
            raise NotReadyError(
                "Network.energy", "nothing is metered", fix="Call net.init(...) and net.meter(...) before the run."
            )
        return ledger(self._meter)

    def record_pulses(self, tag: str, on: bool = True) -> None:
        """Begin (or end, with ``on=False``) to record the pulses by which a group's devices learn; `pulses` returns them."""
        programming.record_pulses(self._ready("Network.record_pulses").groups, tag, on)

    def pulses(self, tag: str) -> Pulses:
        """Return the pulses since `record_pulses`; `ship.save_pulses` writes them to a file, `ship.replay` applies them again.

        Raises:
            GraphError, RunError: the group does not exist or has no devices, or nothing was recorded.
        """
        return programming.pulses(self._ready("Network.pulses").groups, tag)

    def replay(self, tag: str, pulses: Pulses) -> None:
        """Apply a list of pulses to a group's freshly programmed devices, with the bias scheme of its ``learning``.

        Raises:
            GraphError, RunError: the group does not exist, has no devices or was not programmed, or a row of the list names no
                device of it.
        """
        programming.replay_pulses(self._ready("Network.replay").groups, tag, pulses)

    def refresh(self, tag: str, *, above: float = 0.9) -> int:
        """Rewrite pairs with a device ``above`` a fraction of its window to the same weight at the bottom of the window.

        Learning with ``how="up"`` fills both devices of a pair, and needs this now and then. The devices are read, with their
        noise, and written in one shot.

        Returns:
            The number of rewritten pairs, over all chips.

        Raises:
            GraphError, RunError: the group does not exist, has no pairs or was not programmed, or the fraction is not between
                0 and 1.
        """
        return programming.refresh(self._ready("Network.refresh").groups, tag, above)


def _without_chip(written: Written, chips: int | None) -> Written:
    return written if chips is not None else Written(*(part.squeeze(0) for part in written))
