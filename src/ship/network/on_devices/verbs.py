"""What is done to a network's devices between runs, and what energy it takes: the verbs of `Network` that devices brought."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ...base.errors import NotReadyError
from ...devices.array.write_verify import WriteVerify, Written
from ...devices.weights.pulse_log import Pulses
from ...engine.simulation import Simulation
from ...groups.spec import Spec
from ..energy import Costs, Ledger, Meter
from ..energy.costs import assigned
from ..energy.ledger import ledger
from . import mitigate
from . import program as programming
from .mitigate import Repaired


class DeviceVerbs(nn.Module):
    """A network with devices: `Network` without its groups and its time."""

    _specs: dict[str, Spec]
    _sim: Simulation | None

    def __init__(self) -> None:
        super().__init__()
        self._costs: dict[str, Any] | None = None  # what `meter` was asked for
        self._meter: Meter | None = None

    @abstractmethod
    def _ready(self, where: str) -> Simulation:
        """The simulation, after `init`."""

    @property
    @abstractmethod
    def chips(self) -> int | None:
        """The number of chips; None without a chip axis."""

    def __getattr__(self, name: str) -> Any:
        """After a property that raised an AttributeError: its own words say more than those of a module without it."""
        attribute = getattr(type(self), name, None)
        return attribute.fget(self) if isinstance(attribute, property) and attribute.fget else super().__getattr__(name)

    # -- devices -----------------------------------------------------------------------------------------------------------

    def program(
        self, *tags: str, verify: WriteVerify | None = None, weights: Mapping[str, Any] | None = None
    ) -> dict[str, Written]:
        """Write the weights of the groups with devices; they then run with what their devices act as, on every chip.

        Args:
            tags: groups; default: all that have devices.
            verify: closed-loop programming; default: one shot.
            weights: V, by tag, in place of the model's own: ``[pre, post]`` or ``[chip, pre, post]``.

        Returns:
            For each group what it took: pulses, energy (J), errors (S) and failures, ``[chip, device, pre, post]``.

        Raises:
            GraphError, RunError: no such group, one without devices, a wrong shape.

        Warns:
            UserWarning: the gain starves or saturates the target; more than 1 % of the devices failed verification.
        """
        sim = self._ready("Network.program")
        report = programming.program(sim.groups, self._specs, tags, verify, weights or {})
        sim.refresh()
        return {tag: _without_chip(w, self.chips) for tag, w in report.items()}

    def adopt(self, tag: str, *measured: Any, faults: Sequence[Any] | None = None) -> None:
        """Give a group's devices the state of a measured chip, as if written now; the group then runs with them.

        Full scale of the weights (V) is as in `program`. What the chip was meant to hold is not known: `calibrate` and `repair`
        go by the model's weights.

        Args:
            tag: the group.
            measured: for each device of a weight a `ship.MeasuredArray`, or conductances (S), ``[pre, post]``: plus and minus for
                a pair. Every chip becomes the one measured; ``[chip, pre, post]`` gives each its own.
            faults: for each of them 0 sound, 1 stuck low, 2 stuck high, 3 open; default: the map of ``measured``.

        Raises:
            GraphError: no such group, one without devices, another number of arrays than the mapping has devices, a wrong shape.
            ParameterError: conductances or faults that the device cannot hold, see `ship.DeviceArray.adopt`.
        """
        sim = self._ready("Network.adopt")
        programming.adopt(sim.groups, tag, measured, faults)
        sim.refresh()

    def wait(self, seconds: float, *, kelvin: float | None = None) -> None:
        """Leave all devices alone for ``seconds``, at a temperature in K: each goes on along its own trajectory.

        A run takes time as well: programmed devices age by its duration, whatever the batch.

        Raises:
            GraphError: no group has devices.
            RunError, ParameterError: negative, or beyond what a device's retention was made for.
        """
        programming.wait(self._ready("Network.wait").groups, seconds, kelvin)
        if self._meter is not None:
            self._meter.waited += float(seconds)

    def read(self, tag: str) -> Tensor:
        """The conductances (S) that one read of a group's devices sees, ``[device, pre, post]``; with chips, their axis in front.

        Raises:
            GraphError: no such group, or one without devices.
        """
        seen = programming.read(self._ready("Network.read").groups, tag)
        return seen if self.chips is not None else seen.squeeze(0)

    def compensate(self, *tags: str) -> dict[str, Tensor]:
        """Global drift compensation: read all devices of a group and scale its weights by what they have lost together since they
        were written, a factor for each group and chip. It stays until the next call, or until the group is programmed again.

        Returns:
            The factors by tag, ``[chip]``.

        Raises:
            GraphError: no such group, or one without devices.
            RunError: a group that was not programmed.
        """
        return self._mitigated("Network.compensate", mitigate.compensate, tags)

    def calibrate(self, *tags: str) -> dict[str, Tensor]:
        """Read all devices of a group and give each column (target unit) of each chip the factor with which its weights are
        nearest to those wanted (least squares). Beside the factor of `compensate`.

        Returns:
            The factors by tag, ``[chip, post]``.

        Raises:
            GraphError, RunError: as `compensate`; a group with sparse edges.
        """
        return self._mitigated("Network.calibrate", mitigate.calibrate, tags)

    def repair(
        self, *tags: str, tolerance: float = 0.05, rounds: int = 4, verify: WriteVerify | None = None
    ) -> dict[str, Repaired]:
        """Read all devices of a group, take those that missed their targets as faulty, and write the sound devices of the same
        weights such that the weights are as near as they can be: with a pair the healthy device makes up for a stuck one.

        Args:
            tags: groups; default: all that have devices.
            tolerance: beyond which a device is faulty, as a fraction of the window; above what programming itself misses by.
            rounds: of reading and writing at most; a stuck device that happens to be right shows when it is asked to move.
            verify: closed-loop programming of the new targets.

        Returns:
            By tag what was faulty and rewritten, and the error of the weights before and after, for each chip.

        Raises:
            GraphError, RunError: as `compensate`; a tolerance outside (0, 1).
        """
        return self._mitigated("Network.repair", mitigate.repair, tags, tolerance, rounds, verify)

    def _mitigated(self, where: str, what: Callable[..., dict[str, Any]], tags: Sequence[str], *more: Any) -> dict[str, Any]:
        sim = self._ready(where)
        made = what(sim.groups, tags, *more)
        sim.refresh()
        return made

    def sample_devices(self, *tags: str, drift: float = 0.0, kelvin: float | None = None) -> None:
        """Hardware-aware training: from now on every trial writes the weights to devices drawn afresh, and leaves them alone for
        ``drift`` seconds. Differentiable in the weights; rounding to levels passes gradients straight through.

        Raises:
            GraphError, RunError: no such group, or one without devices; a negative time.
        """
        self._run_with("Network.sample_devices", tags, "sampled", drift, kelvin)

    def use_weights(self, *tags: str) -> None:
        """Run with the model's weights again; devices keep what was written to them."""
        self._run_with("Network.use_weights", tags, "weights")

    def _run_with(self, where: str, tags: Sequence[str], mode: str, drift: float = 0.0, kelvin: float | None = None) -> None:
        sim = self._ready(where)
        programming.set_mode(sim.groups, where, tags, mode, drift, kelvin)
        sim.refresh()

    # -- energy ------------------------------------------------------------------------------------------------------------

    def meter(
        self, *, neurons: Costs | None = None, synapses: Costs | None = None, groups: Mapping[str, Costs] | None = None
    ) -> None:
        """Count energy from now on, from zero: of the devices, and of the circuits whose costs are given. Results: `energy`.

        Args:
            neurons, synapses: costs of every group of neurons, and of every synapse group.
            groups: costs of single groups by tag, in place of these; a source is counted where it is named.

        Raises:
            GraphError: an unknown group, or nothing to meter: neither devices nor costs.
            ParameterError: costs that belong to another kind of group, or that lack a voltage.
        """
        assigned("Network.meter", self._specs, neurons, synapses, groups)
        self._costs = {"neurons": neurons, "synapses": synapses, "groups": dict(groups or {})}
        self._start_meter()

    def unmeter(self) -> None:
        """Count energy no longer, and forget what was counted."""
        if self._meter is not None and self._sim is not None:
            self._meter.close(self._sim)
        self._costs = self._meter = None

    def _start_meter(self) -> None:
        if self._costs is not None and self._sim is not None:
            costs = assigned("Network.meter", self._specs, **self._costs)
            self._meter = Meter(costs, self._sim, self.chips is not None)

    @property
    def energy(self) -> Ledger:
        """Where the energy went since `meter`, see `Ledger`.

        Raises:
            RunError: nothing is metered.
        """
        if self._meter is None:
            raise NotReadyError(
                "Network.energy", "nothing is metered", fix="Call net.init(...) and net.meter(...) before the run."
            )
        return ledger(self._meter)

    def record_pulses(self, tag: str, on: bool = True) -> None:
        """Keep a list of all pulses that the group's devices get by learning, from now on; it begins afresh. See `pulses`."""
        programming.record_pulses(self._ready("Network.record_pulses").groups, tag, on)

    def pulses(self, tag: str) -> Pulses:
        """The pulses since `record_pulses`; `ship.save_pulses` writes them, `ship.replay` plays them back.

        Raises:
            GraphError, RunError: no such group, one without devices, or nothing was recorded.
        """
        return programming.pulses(self._ready("Network.pulses").groups, tag)

    def replay(self, tag: str, pulses: Pulses) -> None:
        """Apply a list of pulses to a group's devices, freshly programmed, with the bias scheme of its ``learning``.

        Raises:
            GraphError, RunError: no such group, one without devices or not programmed; a row that names no device of it.
        """
        programming.replay_pulses(self._ready("Network.replay").groups, tag, pulses)

    def refresh(self, tag: str, *, above: float = 0.9) -> int:
        """Write pairs anew of which a device is ``above`` a fraction of its window: the same weight, from the bottom.

        Learning with ``how="up"`` fills both devices of a pair, and needs this now and then. The devices are read, with their
        noise, and written in one shot.

        Returns:
            How many pairs were written, on all chips.

        Raises:
            GraphError, RunError: no such group, one without pairs or not programmed; a fraction outside 0 and 1.
        """
        return programming.refresh(self._ready("Network.refresh").groups, tag, above)


def _without_chip(written: Written, chips: int | None) -> Written:
    return written if chips is not None else Written(*(part.squeeze(0) for part in written))
