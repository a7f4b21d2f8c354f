"""Gradient descent on the chip: the network runs with the weights of its devices, and updates are pulses on these devices.

Each step computes ``dw = -lr dL/dw`` for every die, from the gradient at the weight that the die acts with, and turns it into
pulses as `ship.devices.weights.pulsing` describes. The physics of the devices determines the effect of the pulses; nothing is
corrected. The model weights stay as they were.

Source: Gokmen & Vlasov, Front. Neurosci. 10:333 (2016); Burr et al., IEEE Trans. Electron Devices 62:3498 (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..base.errors import GraphError, ParameterError, RunError, is_real
from ..devices.weights.synapse import SynapseDevices
from ..network.network import Network
from ..network.on_devices.program import with_devices


class PulseOptimizer(torch.optim.Optimizer):
    """An optimiser that pulses the devices of a programmed network down the gradient, for `Trainer` or a user-defined loop.

    ``learning=`` of each group (`ship.Pulsing`) sets how changes become pulses. Make the optimiser after `Network.program`, and
    again after the network was moved or initialised anew.

    Args:
        net: a network that has groups on devices with a trainable weight and without a rule.
        lr: the learning rate in V per unit of gradient: ``dw = -lr dL/dw``; a scheduler may change it.
        tags: the tags of the groups that learn; none for all groups that can learn in this way.
        inner: an ordinary optimiser for the other parameters (biases, time constants, groups without devices); None for none.
        over_chips: how the loss combines the chips: "mean" (as the losses of `ship.train` do; gradients are then multiplied by
            the number of chips) or "sum". Either way each die learns as it would alone.

    Raises:
        GraphError: a group does not exist, or cannot learn in this way.
        RunError: devices were not programmed.
        ParameterError: the rate is not above 0, or ``over_chips`` is neither word.
    """

    def __init__(
        self,
        net: Network,
        lr: float,
        *,
        tags: Sequence[str] = (),
        inner: torch.optim.Optimizer | None = None,
        over_chips: str = "mean",
    ) -> None:
        where = "PulseOptimizer"
        if not (is_real(lr) and lr > 0):
            raise ParameterError(f"{where}.lr", "must be a number above 0", got=repr(lr))
        if over_chips not in ("mean", "sum"):
            raise ParameterError(f"{where}.over_chips", "must be 'mean' or 'sum'", got=repr(over_chips))
        self.hardware = _learners(where, net, tags)
        self.inner = inner
        self.factor = len(next(iter(self.hardware.values())).array.die_ids) if over_chips == "mean" else 1
        super().__init__([{"params": [net[tag].weight], "tag": tag} for tag in self.hardware], {"lr": lr})
        self._own = self.param_groups
        self._join()
        for hardware in self.hardware.values():
            array = hardware.array
            shape = (len(array.die_ids), 1, *hardware.pairs)
            hardware.probe = torch.zeros(shape, dtype=array.dtype, device=array.die_ids.device, requires_grad=True)

    def _join(self) -> None:
        """Join the parameter groups of both optimisers in one list, so that schedulers see all of them."""
        self.param_groups = [*self._own, *(self.inner.param_groups if self.inner is not None else [])]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of parameters and those at the acting weights."""
        super().zero_grad(set_to_none)
        for hardware in self.hardware.values():
            assert hardware.probe is not None
            hardware.probe.grad = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Pulse all devices once, and step the inner optimiser.

        Raises:
            RunError: a gradient is not finite, or a group does not run with its devices.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self._own:
            hardware = self.hardware[group["tag"]]
            _check_mode("PulseOptimizer.step", group["tag"], hardware)
            if hardware.probe is not None and hardware.probe.grad is not None:
                change = -float(group["lr"]) * self.factor * hardware.probe.grad
                hardware.pulser.apply(change, float(hardware.full))
        if self.inner is not None:
            self.inner.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the rates and the state of the inner optimiser.

        The random numbers of pulses depend on the devices' events, which the network keeps.
        """
        own = [{k: v for k, v in group.items() if k != "params"} for group in self._own]
        return {"pulses": own, "inner": None if self.inner is None else self.inner.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state from `state_dict`.

        Raises:
            ValueError: the state belongs to an optimiser of other groups, or only one of both has an inner optimiser.
        """
        own = state_dict["pulses"]
        if [g["tag"] for g in own] != [g["tag"] for g in self._own] or (state_dict["inner"] is None) != (self.inner is None):
            raise ValueError(f"groups {[g['tag'] for g in own]}, not {[g['tag'] for g in self._own]}, or another inner optimiser")
        for group, saved in zip(self._own, own, strict=True):
            group.update(saved)
        if self.inner is not None:
            self.inner.load_state_dict(state_dict["inner"])
        self._join()


def _check_mode(where: str, tag: str, hardware: SynapseDevices) -> None:
    if hardware.mode != "programmed":
        raise RunError(
            where, f"group {tag!r} must run with its devices", got=f"{hardware.mode!r}", fix=f"Call net.program({tag!r}) first."
        )


def _learners(where: str, net: Network, tags: Sequence[str]) -> dict[str, SynapseDevices]:
    """Return the hardware of the groups that learn, after checks."""
    found = with_devices(where, {tag: net[tag] for tag in net.tags}, tags)
    made = {}
    for tag, hardware in found.items():
        spec = net[tag].spec
        if "weight" not in net[tag]._parameters:
            if tag in tags:
                raise GraphError(
                    f"{where}: {spec.where}", "has no trainable weight", fix="Leave rule= out, and weight in trainable=."
                )
            continue
        _check_mode(where, tag, hardware)
        hardware.pulser.pulsing.check(spec.where, hardware.mapping, spec.connect is not None)
        made[tag] = hardware
    if not made:
        raise GraphError(where, "no group on devices has a trainable weight", fix="Leave rule= out, and weight in trainable=.")
    return made
