"""The costs of the circuits around the devices, as a user states them: capacitances, supplies, leakage, energies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ...base.checks import is_real
from ...base.errors import GraphError, ParameterError, suggest
from ...base.statistics import Band
from ...groups.spec import Spec
from ...groups.wiring import Wiring
from ...models.contract import Neuron, Source, Synapse

Amount = float | tuple[float, float] | None


def _cost(unit: str, of: str, what: str) -> Any:
    return field(default=None, metadata={"unit": unit, "of": of, "what": what})


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The costs of the circuits of a group.

    Each cost is a number, or ``(least, most)``, which gives a band of energies. A cost that is left out is not in the estimate,
    and the ledger says so.

    Args:
        v_dd: the supply of neurons, and of lines that no device's ``v_read`` drives, in V.
        c_spike: the capacitance that each spike of a neuron switches over ``v_dd`` (membrane, axon and its driver), in F.
            ``E = c_spike v_dd^2``.
        e_spike: the energy of each spike, as published for a circuit, in J; in addition to or in place of ``c_spike``.
        c_line: the capacitance of a row line and its driver, charged for each event that arrives, in F.
            ``E = (c_line + cells c_cell) v^2``.
        c_cell: the capacitance that each cell adds to its row line (length of wire, gate), in F.
        e_event: the energy of the periphery for each event that arrives (decoder, sensing, conversion), in J.
        e_write: the energy of the periphery for each write pulse (charge pump, drivers), in J.
        p_leak: the power that each neuron, or each device of a synapse group (each cell, without devices), takes during runs
            (leakage, static bias), in W.
        p_idle: the same during `Network.wait`, in W; 0 means that the power is off.

    Raises:
        ParameterError: a cost is negative or not finite, a band is upside down, or a capacitance lacks the voltage to which it
            is charged.
    """

    v_dd: Amount = _cost("V", "both", "supply of the circuits")
    c_spike: Amount = _cost("F", "neurons", "charge of each spike")
    e_spike: Amount = _cost("J", "neurons", "other energy of each spike")
    c_line: Amount = _cost("F", "synapses", "row line and driver")
    c_cell: Amount = _cost("F", "synapses", "wire of each cell")
    e_event: Amount = _cost("J", "synapses", "decoding, sensing and conversion of each event")
    e_write: Amount = _cost("J", "synapses", "drivers of each write pulse")
    p_leak: Amount = _cost("W", "both", "leakage and bias in runs")
    p_idle: Amount = _cost("W", "both", "leakage and bias in waits")

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None:
                continue
            where, unit = f"Costs.{f.name}", f.metadata["unit"]
            ends = tuple(value) if isinstance(value, tuple | list) else (value, value)
            if len(ends) != 2 or not all(is_real(v) for v in ends):
                raise ParameterError(where, f"must be a number of {unit}, or (least, most)", got=repr(value))
            if ends[0] < 0 or (f.name == "v_dd" and ends[0] == 0):
                rule = "must be above 0 V" if f.name == "v_dd" else f"must be at least 0 {unit}"
                raise ParameterError(where, rule, got=f"{ends[0]:g}")
            if ends[0] > ends[1]:
                raise ParameterError(where, "must be (least, most)", got=repr(value), fix="Give the smaller number first.")
            object.__setattr__(self, f.name, float(ends[0]) if ends[0] == ends[1] else (float(ends[0]), float(ends[1])))
        if self.c_spike is not None and self.v_dd is None:
            raise ParameterError("Costs.c_spike", "needs the voltage that it is charged to", fix="Give v_dd as well.")

    def band(self, name: str) -> Band:
        """Return a cost as a band; 0 where it was not given."""
        value = getattr(self, name)
        return Band(*value) if isinstance(value, tuple) else Band(value or 0.0, value or 0.0)


LABELS: Mapping[str, str] = {f.name: f"{f.metadata['what']} ({f.name})" for f in fields(Costs)}


def role_of(spec: Spec, wiring: Wiring | None = None) -> str:
    """Return the role of a group for its costs.

    It is ``neurons``, ``synapses``, ``graded`` (synapses that, by the wiring, no events enter), ``sources``, or ``""``.
    """
    if isinstance(spec.model, Synapse):
        events = wiring is None or all(not source.state and wiring.kinds[source.tag] == "events" for source in spec.sources)
        return "synapses" if events else "graded"
    return "neurons" if isinstance(spec.model, Neuron) else ("sources" if isinstance(spec.model, Source) else "")


def assigned(where: str, specs: Mapping[str, Spec], neurons: Any, synapses: Any, groups: Any) -> dict[str, Costs]:
    """Return the costs of each metered group, by tag.

    Raises:
        GraphError: a group is unknown or has no role, or there is nothing to meter.
        ParameterError: a value is not `Costs`, or belongs to another role.
    """
    groups = dict(groups or {})
    for name, given in (("neurons", neurons), ("synapses", synapses), *((f"groups[{tag!r}]", c) for tag, c in groups.items())):
        if given is not None and not isinstance(given, Costs):
            raise ParameterError(f"{where}: {name}", "must be a ship.Costs", got=repr(given), fix="E.g. ship.Costs(p_leak=1e-9).")
    for tag in groups:
        if tag not in specs:
            raise GraphError(where, f"no group named {tag!r}", fix=suggest(str(tag), specs))
        if not role_of(specs[tag]):
            raise GraphError(where, f"{specs[tag].where} is neither neurons nor synapses nor a source", fix="Leave it out.")
    if not any(spec.device is not None for spec in specs.values()) and neurons is synapses is None and not groups:
        raise GraphError(
            where,
            "there is nothing to meter: no group has devices, and no costs are given",
            fix="Give device= to net.add, or neurons=ship.Costs(...).",
        )
    defaults = {"neurons": neurons or Costs(), "synapses": synapses or Costs()}
    found = {}
    for tag, spec in specs.items():
        role = role_of(spec)
        costs = groups.get(tag, defaults.get(role))
        if costs is not None:
            _check_role(where, spec, role, costs)
            found[tag] = costs
    return found


def _check_role(where: str, spec: Spec, role: str, costs: Costs) -> None:
    own = "synapses" if role == "synapses" else "neurons"
    for f in fields(Costs):
        if f.metadata["of"] not in ("both", own) and getattr(costs, f.name) is not None:
            raise ParameterError(
                f"{where}: {f.name}", f"is a cost of {f.metadata['of']}", got=spec.where, fix="Give it to another group."
            )
    for name in ("c_line", "c_cell"):
        if getattr(costs, name) is not None and spec.device is None and costs.v_dd is None:
            raise ParameterError(
                f"{where}: {name}",
                "needs the voltage that it is charged to",
                got=f"{spec.where}, without devices",
                fix="Give v_dd as well.",
            )
