"""The devices that hold the weights of one synapse group: what is written to them, and the weights that they act as.

Model weights and conductances are two things. The first are the group's ``weight``, in volt; the second belong to a
`DeviceArray`. A `Mapping` leads from one to the other, through a physical gain (see `gain`). A group runs with

weights     its model weights, as it does at the start
programmed  the weights that its devices act as now, once they were written
sampled     its model weights, written in each trial to devices drawn afresh: for training; differentiable
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ...crossbar import Crossbar, convert, matrix
from .. import device as physics
from ..array.array import DeviceArray
from ..array.open_loop import OpenLoop
from ..array.write_verify import WriteVerify, Written
from ..contract import Update, Xi
from .acting import acting_weight, ends, read_current, read_spread, slow_noise
from .gain import Calibration, calibration, full_scale, out_of_proportion, view_of
from .mapping import Mapping, quantised
from .pulsing import Pulser, Pulsing, within
from .unsaid import written_exactly

MODES = ("weights", "programmed", "sampled")
FRESH = 2**40  # die ids from here on are those of sampled devices, never those of a chip


class SynapseDevices(nn.Module):
    """The devices of one group, ``[chip, 1, device, pre, post]`` (on edges ``[chip, 1, device, edge]``).

    Args:
        array: the devices, as many for each weight as the mapping takes.
        mapping: how weights become conductances.
        where: the group's name in errors.
        learning: how changes of weight become pulses; default: `Pulsing` as it is.
        crossbar: the arrays that hold the devices; None: reads without wires and converters.
    """

    mode_: Tensor
    full: Tensor
    gain: Tensor
    column: Tensor
    reference: Tensor
    wanted: Tensor
    aim: Tensor
    drift_: Tensor
    kelvin_: Tensor

    def __init__(
        self,
        array: DeviceArray,
        mapping: Mapping,
        *,
        where: str,
        learning: Pulsing | None = None,
        crossbar: Crossbar | None = None,
    ) -> None:
        super().__init__()
        pairs, dtype = array.shape[1:], array.dtype  # the pairs of units, (pre, post) or (edge,), that have a weight
        self.array, self.mapping, self.crossbar, self.pairs = array, mapping, crossbar, pairs
        self.register_buffer("mode_", torch.zeros((), dtype=torch.int64))
        self.register_buffer("full", torch.zeros((), dtype=torch.float64))  # V, w_max; 0 before programming
        one = (len(self.array.die_ids), 1, *(1,) * len(pairs))
        self.register_buffer("gain", torch.ones(one, dtype=dtype))  # of the whole group, see `mitigate`
        self.register_buffer("column", torch.ones((*one[:-1], pairs[-1]) if len(pairs) == 2 else one, dtype=dtype))
        self.register_buffer("reference", torch.zeros(one, dtype=dtype))  # S, all devices together, after programming
        self.register_buffer("wanted", torch.empty(0, dtype=dtype))  # V, the weights last written; empty: not known
        self.register_buffer("aim", torch.empty(0, dtype=dtype))  # S, targets that a repair changed; empty: none did
        self.register_buffer("drift_", torch.zeros((), dtype=torch.float64))  # s, that sampled devices are left alone
        self.register_buffer("kelvin_", torch.zeros((), dtype=torch.float64))  # K, meanwhile; 0: that of the network
        self.view = view_of(array.device)
        self.trial = 0
        self.scale = 1.0  # V, w_max of the weights that the run has
        # The devices of the present trial, of no chip: in a tuple, because they are no part of the state.
        self._sample: tuple[DeviceArray, ...] = ()
        self.held = False  # no time passes: the network is being measured
        self.asked = False  # whether the mode was asked for, or is how the group started
        self.one_shot = False  # whether the devices were written without looking at what pulses do
        self.missed = 0.0  # the share of devices that failed verification when they were last written
        self.told = ""  # what `ideal` said when a number was last printed
        self._cache: tuple[object, Tensor] | None = None
        self.pulser = Pulser(self.array, mapping, learning or Pulsing(), where)
        self.by_rule = False  # whether a rule pulses the devices within runs
        self.probe: Tensor | None = None  # V, zeros [chip, 1, pre, post] that gather the gradient at the weights of each die

    @property
    def mode(self) -> str:
        """The weights that the group runs with: one of `MODES`."""
        return MODES[int(self.mode_)]

    @mode.setter
    def mode(self, name: str) -> None:
        self.mode_.fill_(MODES.index(name))

    def leave_alone(self, seconds: float, kelvin: float | None) -> None:
        """Let sampled devices age by ``seconds`` after each write, at a temperature (K; None: that of the network, if any)."""
        self.drift_.fill_(seconds)
        self.kelvin_.fill_(kelvin or 0.0)

    # -- gain --------------------------------------------------------------------------------------------------------------

    def full_scale(self, weight: Tensor) -> float:
        """Return the weight at full scale (V), for these model weights."""
        return full_scale(self.mapping, self.view, weight)

    def calibration(self, weight: Tensor) -> Calibration:
        """Return how a weight becomes a voltage on the target."""
        return calibration(self.mapping, self.view, weight)

    # -- writing -----------------------------------------------------------------------------------------------------------

    def targets(self, weight: Tensor, w_max: float) -> Tensor:
        """Return the conductances (S) that stand for model weights, ``[..., device, pre, post]``."""
        u = (weight / w_max).clamp(-1.0, 1.0)
        if self.mapping.steps is not None:
            u = quantised(u, self.mapping.steps)
        low, high = u.new_tensor(self.view.low), u.new_tensor(self.view.high)
        return torch.stack(self.mapping.targets(u, low, high), dim=-1 - len(self.pairs))

    def program(self, weight: Tensor, verify: WriteVerify | OpenLoop | None) -> Written:
        """Write model weights, ``[pre, post]`` or ``[chip, 1, pre, post]``; from now on the group runs with the devices."""
        with torch.no_grad():
            w_max = self.full_scale(weight)
            goal = self.targets(weight, w_max)
            written = self.array.write(goal.squeeze(1) if goal.ndim > 1 + len(self.pairs) else goal, verify=verify)
            self.full.fill_(w_max)
            self.gain.fill_(1.0)
            self.column.fill_(1.0)
            self.wanted, self.aim = weight.detach().clone(), self.aim.new_empty(0)
            self.remember()
        self.mode, self.missed = "programmed", float(written.failed.double().mean())
        self.one_shot = verify is None or (isinstance(verify, WriteVerify) and verify.by == "rewrite")
        self.changed()
        return written

    # -- mitigation --------------------------------------------------------------------------------------------------------

    def goal(self, model: Tensor) -> Tensor:
        """Return the conductances (S) that were to be written, ``[... or chip, 1, device, pre, post]``.

        Args:
            model: the model's weights (V), which count where it is not known what was to be written (an adopted chip).
        """
        goal = self.targets(self.wanted if self.wanted.numel() else model, float(self.full))
        return goal.unsqueeze(0).unsqueeze(0) if goal.ndim == 1 + len(self.pairs) else goal

    def as_weight(self, g: Tensor, factor: Tensor | None = None) -> Tensor:
        """Return the weights (V) that conductances (S, at a small voltage) stand for, each times ``factor``."""
        low, high = ends(g, self.view.low, self.view.high)
        return acting_weight(self.mapping, g.unbind(-1 - len(self.pairs)), low, high, factor, self.full.to(g.dtype))

    def total(self, g: Tensor) -> Tensor:
        """Return the sum (S) over all devices of a chip, in the shape of ``gain``."""
        return g.sum(tuple(range(2, g.ndim))).reshape(self.gain.shape)

    def there(self) -> Tensor:
        """Return the sum (S) over all devices of a chip as they are now, in the shape of ``gain``; nothing is read."""
        array = self.array
        g = physics.conductance(array.device, array.values, array.trajectory)
        return self.total(g.expand(len(self.gain), 1, *array.shape))

    def remember(self) -> None:
        """Read the reference that `mitigate.compensate` will compare with; it includes a gain that is set already."""
        array, p = self.array, self.array.values
        # A stream of its own: the numbers of the events that follow do not depend on this read.
        xi = array.normals("reference", physics.draws(array.device, p.cycles, "noise"), int(array.events))
        seen = physics.read(array.device, p, array.trajectory, xi).expand(len(self.gain), 1, *array.shape)
        self.reference.copy_(self.gain * self.total(seen))

    def changed(self) -> None:
        """Forget the cached weights, because something that they depend on has changed."""
        self._cache = None

    # -- acting ------------------------------------------------------------------------------------------------------------

    def weight(self, model: Tensor) -> Tensor:
        """Return the weights to run with (V): ``model`` itself, or those of the devices, ``[chip, 1, pre, post]``."""
        if self.mode == "weights":
            return model
        if self.mode == "sampled":
            return self._sampled(model)
        fresh, self.scale = self.fresh, float(self.full)
        if not torch.is_grad_enabled() and self._cache is not None and self._cache[0] == fresh:
            return self._cache[1]
        made = self._acts(self.array, self.scale, self.gain * self.column)
        if not made.requires_grad:
            self._cache = (fresh, made)
        return made if self.probe is None or not torch.is_grad_enabled() else made + self.probe

    @property
    def fresh(self) -> object:
        """Cache key: differs whenever the acting weights may have changed."""
        return self.array.version, self.trial if slow_noise(self.array.device) else 0

    def reads(self, array: DeviceArray | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Read each device as one spike does, with the trial's read noise; return current (A), voltage (V) and width (s)."""
        array = array or self.array
        p, device, t = array.values, array.device, array.trajectory
        xi = self.trial_noise(array) if slow_noise(device) else None
        own = p.of("")
        return read_current(device, p, t, xi), own.v_read, own.t_read

    def trial_noise(self, array: DeviceArray) -> Xi:
        """Return the normal numbers of the read noise that stays for a trial."""
        return array.normals("run", physics.draws(array.device, array.values.cycles, "noise"), self.trial)

    def _acts(self, array: DeviceArray, w_max: float, factor: Tensor | None = None) -> Tensor:
        i, v, _ = self.reads(array)
        seen = i / v
        seen = seen.expand(*seen.shape[:2], *array.shape)
        if self.crossbar is not None:  # each device of a weight has an array of its own
            seen = matrix(seen.clamp(min=0.0), self.crossbar).matrix.to(seen.dtype)
        low, high = ends(seen, self.view.read_low, self.view.read_high)
        return acting_weight(self.mapping, seen.unbind(-1 - len(self.pairs)), low, high, factor, w_max)

    @property
    def noisy(self) -> bool:
        """Whether every read of a device within this run draws noise anew."""
        noise = self.array.device.noise
        return self.mode != "weights" and noise is not None and noise.white

    def read_variance(self) -> Tensor:
        """Return the variance (V^2) of one spike's step through each weight, ``[chip, 1, pre, post]``.

        The devices of a weight are read with independent noise.
        """
        array = self._sample[0] if self.mode == "sampled" and self._sample else self.array
        spread = read_spread(array) / (self.view.read_high - self.view.read_low)
        share = spread.new_tensor(self.mapping.signs()).reshape(-1, *(1,) * len(self.pairs))
        total: Tensor = (spread * share).square().sum(-1 - len(self.pairs))
        factor = self.scale * self.gain * self.column if array is self.array else self.scale
        return total * factor**2

    @property
    def converts(self) -> bool:
        """Whether column sums pass a converter in this run."""
        return self.crossbar is not None and self.crossbar.adc is not None and self.mode != "weights"

    @property
    def tall(self) -> int:
        """The number of rows that share a converter."""
        rows = self.pairs[0]
        return rows if self.crossbar is None or self.crossbar.tile is None else self.crossbar.tile[0]

    def converted(self, sums: Tensor) -> Tensor:
        """Return sums of weights over the rows of one tile (V) as the converters read them, ``[..., post]``.

        A converter sees the difference of the columns of a weight's devices, ``span v_read`` ampere for a weight at full scale.
        """
        assert self.crossbar is not None
        assert self.crossbar.adc is not None
        ampere = (self.view.read_high - self.view.read_low) * self.mapping.reach * self.view.v_read / self.scale
        return convert(sums * ampere, self.crossbar.adc).currents / ampere

    def _sampled(self, model: Tensor) -> Tensor:
        """Write model weights to devices that no chip has, drawn afresh in each trial; return the weights that they act as."""
        old, site = self.array, self.array.site
        chips, first = len(old.die_ids), FRESH + self.trial * len(old.die_ids)
        keys: dict[str, Any] = {"tag": old.tag, "seed": old.seed, "variation": site.variation, "place": site.place}
        fresh = list(range(first, first + chips))
        array = DeviceArray(old.device, old.shape, chips=fresh, dtype=old.dtype, **keys).to(self.full.device)
        w_max = self.full_scale(model)
        goal = self.targets(model, w_max)
        if goal.ndim == 1 + len(self.pairs):
            goal = goal.expand(chips, 1, *goal.shape)
        array.write_(goal, None)
        self.scale, self._sample = w_max, (array,)
        array.feel(old.kelvin)
        if float(self.drift_):
            array.wait(float(self.drift_), kelvin=float(self.kelvin_) or None)
        return self._acts(array, w_max)

    def forget(self) -> None:
        """Drop the devices of a trial at the end of its run, because they may hold a graph of gradients."""
        self._sample = ()

    def passed(self, seconds: float) -> None:
        """Let devices that hold weights age by the time of a run."""
        if not self.by_rule:  # a rule lets time pass slot by slot
            self._age(seconds)

    def rest(self, seconds: float) -> None:
        """Let devices age by the time of a run in which the rule does not learn."""
        self._age(seconds)

    @property
    def ages(self) -> bool:
        """Whether devices change when they are left alone."""
        device = self.array.device
        return device.retention is not None or type(device.update).rest is not Update.rest

    def _age(self, seconds: float) -> None:
        self.pulser.time += seconds
        if self.mode == "programmed" and self.ages and not self.held:
            with torch.no_grad():
                self.array.wait(seconds)

    # -- learning ----------------------------------------------------------------------------------------------------------

    def learn(self, change: Tensor, weight: Tensor, low: Tensor, high: Tensor, seconds: float) -> Tensor:
        """Learn for one slot: let its time pass, apply pulses towards a change of weight, return the weights (V) that act then.

        Args:
            change: the wanted change, V, ``[chip, 1, pre, post]``.
            weight: the weights that act in this slot, V.
            low, high: the bounds of the rule, V.
            seconds: the length of the slot.
        """
        self._age(seconds)
        pulsed = self.pulser.apply(within(change, weight, low, high), float(self.full))
        return self.weight(weight) if pulsed or self.ages else weight

    def learned(self, trajectory: physics.Trajectory, weight: Tensor, slots: int, seconds: float) -> None:
        """Take over what a kernel has made of the devices in so many slots of learning, of so many seconds each.

        Args:
            trajectory: where the devices are now.
            weight: V, what they act as.
            slots: how many times pulses could be applied.
            seconds: the length of a slot.
        """
        self.pulser.passed(slots, seconds)
        self.array.store(trajectory)
        self.scale = float(self.full)
        self._cache = (self.fresh, weight)

    # -- keeping and moving ------------------------------------------------------------------------------------------------

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Load a state; targets may be known or not, for all chips or for each: take over the shape that comes in."""
        self._cache, one = None, (len(self.array.die_ids), 1)
        for name, full in (("wanted", (*one, *self.pairs)), ("aim", self.array.full_shape)):
            given, own = state_dict.get(prefix + name), self.get_buffer(name)
            if isinstance(given, Tensor) and tuple(given.shape) in ((0,), self.pairs, full):
                self.register_buffer(name, torch.empty(given.shape, dtype=own.dtype, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SynapseDevices:
        """Change float type or device; seconds, kelvin and full scale stay float64, the tensor that gathers gradients follows."""
        exact = {name: self.get_buffer(name) for name in ("full", "drift_", "kelvin_")}
        move: Callable[..., nn.Module] = super()._apply
        move(fn, recurse)
        for name, value in exact.items():
            setattr(self, name, value.to(self.gain.device))
        if self.probe is not None:
            self.probe = fn(self.probe.detach()).requires_grad_()
        self._cache, self._sample = None, ()
        return self

    def describe(self, weight: Tensor, reach: float | None) -> list[str]:
        """Say for `explain` which weights the group runs with, and its gain."""
        said = {
            "weights": "not programmed: runs with its model weights",
            "programmed": "runs with what its devices act as",
            "sampled": "runs with its weights on devices drawn afresh in each trial",
        }
        made = self.calibration(weight)
        lines = [f"{self.array.device.name}, {self.mapping.devices} for each weight; {said[self.mode]}", str(made)]
        if self.missed and self.mode == "programmed":
            lines.append(f"{self.missed:.1%} of the devices missed their targets when they were written")
        if self.mode != "weights" and self.ideal():
            lines.append(self.ideal())
        if self.crossbar is not None:
            lines.append(f"each device of a weight on an array of its own: {self.crossbar}")
        if self.by_rule:
            lines.append(f"learns by pulses: one count stands for {self.pulser.step(made.w_max):.3g} V; {self.pulser.pulsing}")
        return [*lines, *self.warnings(weight, reach), *self.array.notes]

    def ideal(self) -> str:
        """Say what is ideal without being asked for; empty: nothing. A device with no part at all is meant to be ideal."""
        device = self.array.device
        if self.mode == "weights" and not self.asked and not int(self.array.events):
            return (
                "runs with its model weights, for its devices were never written: call net.program(), or net.use_weights() "
                "if that is meant"
            )
        if self.mode == "sampled" or (self.mode == "programmed" and self.one_shot):
            return written_exactly(device)
        return ""

    def warnings(self, weight: Tensor, reach: float | None) -> list[str]:
        """Say what is wrong with the gain for a target with its threshold ``reach`` (V) above rest, see `out_of_proportion`."""
        if len(self.pairs) != 2:
            return []
        text = out_of_proportion(self.full_scale(weight), weight, reach, grows=self.by_rule)
        return [text] if text else []

    def warn(self, where: str, weight: Tensor, reach: float | None) -> None:
        """Issue what `warnings` says as Python warnings."""
        for text in self.warnings(weight, reach):
            warnings.warn(f"{where}: {text}", UserWarning, stacklevel=4)
