"""Gradient descent on the chip: the network runs with what its devices act as, and updates are pulses on these devices.

Each step, for every die and with the gradient at the weight that acts there: ``dw = -lr dL/dw``, and then what `ship.devices.weights.pulsing`
says. The devices' own physics decides what the pulses do; nothing is corrected. The model weights stay as they were.

Source: Gokmen & Vlasov, Front. Neurosci. 10:333 (2016); Burr et al., IEEE Trans. Electron Devices 62:3498 (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..base.checks import check_choice, check_real
from ..base.errors import GraphError, RunError
from ..devices.weights.synapse import SynapseDevices
from ..network.network import Network
from ..network.on_devices.program import with_devices


class PulseOptimizer(torch.optim.Optimizer):
    """Pulses the devices of a programmed network down the gradient; for `Trainer` or a loop of one's own.

    How changes become pulses says ``learning=`` of each group (`ship.Pulsing`). Make it after `Network.program`, and again after
    the network was moved or initialised anew.

    Args:
        net: with groups on devices, without a rule and with a trainable weight.
        lr: V per unit of gradient (V): ``dw = -lr dL/dw``; a scheduler may change it.
        tags: groups; default: all that can learn so.
        inner: an ordinary optimiser for the other parameters (biases, time constants, groups without devices).
        over_chips: how the loss joins the chips: "mean" (as the losses of `ship.train` do: gradients are multiplied by the number
            of chips) or "sum". Each die then learns as it would alone.

    Raises:
        GraphError: no such group, or one that cannot learn so.
        RunError: devices that were not programmed.
        ParameterError: a rate that is not above 0, another ``over_chips``.
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
        check_real(f"{where}.lr", lr, "must be a number above 0", above=0.0)
        check_choice(f"{where}.over_chips", over_chips, ("mean", "sum"), either=True)
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
        """One list of groups, so that schedulers see all of them."""
        self.param_groups = [*self._own, *(self.inner.param_groups if self.inner is not None else [])]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of parameters and at the acting weights."""
        super().zero_grad(set_to_none)
        for hardware in self.hardware.values():
            assert hardware.probe is not None
            hardware.probe.grad = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Pulse all devices once, and step the inner optimiser.

        Raises:
            RunError: a gradient that is not finite, or a group that does not run with its devices.
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
        """Rates, and the state of the inner optimiser; what pulses draw depends on the devices' events, kept in the network."""
        own = [{k: v for k, v in group.items() if k != "params"} for group in self._own]
        return {"pulses": own, "inner": None if self.inner is None else self.inner.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: of an optimiser of other groups.
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
    """The hardware of the groups that learn, checked."""
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
