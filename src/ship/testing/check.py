"""The three calls of the kit: a model, a learning rule, a part of a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..base.errors import ParameterError, suggest
from ..base.parameters import declared
from ..devices.contract import Part
from ..models.contract import Model, Rule
from . import rules
from .bench import Bench
from .devices import checks as device_checks
from .devices import physics
from .devices.bench import PartBench
from .devices.events import PARTS
from .drive import prepared, slot_for
from .models import firing, gradient, numbers, plain, runs, spread, time
from .report import Report, failed, inspect_all

MODEL_CHECKS = (
    ("declarations", plain.declared_well),
    ("responds to its input", plain.responds),
    ("every port acts", firing.ports_act),
    ("arguments stay as they are", plain.pure),
    ("nothing kept outside states", plain.nothing_hidden),
    ("reset", plain.starts_over),
    ("parameters by unit", plain.parameters_from_p),
    ("batch", runs.a_batch_is_its_samples),
    ("run in pieces", runs.pieces_are_the_whole),
    ("chips", runs.chips_are_runs),
    ("save and load", runs.a_file_brings_it_back),
    ("snapshot", runs.a_snapshot_brings_it_back),
    ("convergence in dt", time.converges),
    ("rate at any dt", firing.rate_is_of_no_slot),
    ("after spikes", firing.relaxes_after_spikes),
    ("change of dt", time.dt_may_change),
    ("time constants in seconds", time.seconds_are_seconds),
    ("float32", numbers.single_is_near_double),
    ("extreme parameters", numbers.sound_at_extremes),
    ("bounds of states", numbers.states_within_bounds),
    ("rises with its input", numbers.rises_with),
    ("gradients", gradient.gradients_are_slopes),
    ("engines", gradient.engines_agree),
    ("spread from unit to unit", spread.spreads_as_declared),
    ("noise", spread.noise_is_the_same_at_any_dt),
)

RULE_CHECKS = (
    ("declarations", rules.declared_well),
    ("learns", rules.learns),
    ("arguments stay as they are", rules.pure),
    ("nothing kept outside states", rules.nothing_hidden),
    ("states on their sides", rules.states_on_their_sides),
    ("silent without spikes", rules.silent_without_spikes),
    ("finite and within bounds", rules.changes_are_sound),
    ("batch reduction", rules.batch_is_reduced_as_said),
    ("reset", plain.starts_over),
    ("samples on their own", lambda b: runs.a_batch_is_its_samples(replace(b, options={**b.options, "per_sample": True}))),
    ("run in pieces", runs.pieces_are_the_whole),
    ("chips", runs.chips_are_runs),
    ("save and load", runs.a_file_brings_it_back),
    ("snapshot", runs.a_snapshot_brings_it_back),
    ("convergence in dt", time.converges),
    ("change of dt", time.dt_may_change),
    ("time constants in seconds", time.seconds_are_seconds),
    ("float32", numbers.single_is_near_double),
    ("extreme parameters", numbers.sound_at_extremes),
    ("engines", gradient.engines_agree),
)

PART_CHECKS = (
    ("declarations", device_checks.declared_well),
    ("responds", device_checks.responds),
    ("arguments stay as they are", device_checks.pure),
    ("nothing kept outside states", device_checks.nothing_hidden),
    ("devices on their own", device_checks.devices_on_their_own),
    ("float32", device_checks.single_is_near_double),
    ("extreme parameters", device_checks.sound_at_extremes),
    ("spread from device to device", device_checks.spreads_as_declared),
    ("no pulse, no change", physics.no_pulse_no_change),
    ("conductance within bounds", physics.within_window),
    ("direction of pulses", physics.pulses_move_one_way),
    ("pulses add up", physics.pulses_add_up),
    ("state and conductance", physics.state_and_conductance_agree),
    ("passive", physics.passive),
    ("conductance at small voltage", physics.slope_is_the_conductance),
    ("rests add up", physics.rests_add_up),
    ("ages add up", physics.ages_add_up),
    ("as its kind promises", physics.kind_holds),
)


def check_model(
    model: type[Model],
    *,
    dt: float | None = None,
    drive: Mapping[str, float] | float | None = None,
    order: float | None = None,
    rises: Sequence[str] = (),
    skip: Sequence[str] = (),
    seed: int = 0,
    **settings: Any,
) -> Report:
    """Check a neuron, a synapse, a dendrite or a source against all that the engines and a user rely on.

    The model runs in a small network with a seeded input into every port. The size of each input is found by trying: the smallest
    at which a spiking neuron spikes, and a quarter of it where spikes would hide what is looked at.

    Args:
        model: the model class.
        dt: the slot, s; by default a twentieth of the shortest time constant, at most 1 ms.
        drive: the size of the input of each port, in its unit (of a port of charge a level: its unit per second); one for all.
        order: the order of convergence that the model states; by default at least 1 is asked for.
        rises: ports more of which must make more output.
        skip: names of checks to leave out.
        seed: of the inputs, the draws and the noise.
        settings: parameters and options of the model.

    Returns:
        The report: ``print(report)`` shows a table, ``report.ok`` tells whether all passed, `Report.raise_if_failed` raises.

    Raises:
        ParameterError: no model, an unknown setting, port or check.
    """
    where = f"check_model({getattr(model, '__name__', model)})"
    if issubclass(model, Rule):
        raise ParameterError(where, "takes no learning rule", fix="Use ship.testing.check_rule.")
    _check_names(where, skip, MODEL_CHECKS)
    with _OneThread():
        _check_settings(where, model, settings, drive)
        try:
            bench = prepared(model, settings, dt, drive, seed, {"order": order, "rises": tuple(rises)})
        except Exception as error:
            return _not_running(where, model, error)
        return inspect_all(where, MODEL_CHECKS, bench, skip)


def check_rule(
    rule: type[Rule] | Rule,
    *,
    dt: float | None = None,
    order: float | None = None,
    silent: bool = True,
    skip: Sequence[str] = (),
    seed: int = 0,
    **settings: Any,
) -> Report:
    """Check a learning rule on a synapse whose spikes on both sides are given.

    Args:
        rule: the rule's class, or a rule that was made with its settings.
        dt: the slot, s; by default a twentieth of the shortest time constant, at most 1 ms.
        order: the order of convergence that the rule states; by default at least 1 is asked for.
        silent: whether weights must stay what they are where nothing spikes.
        skip: names of checks to leave out.
        seed: of the inputs and the draws.
        settings: parameters and options of the rule.

    Returns:
        The report, as `check_model`.

    Raises:
        ParameterError: an unknown setting or check.
    """
    cls = rule if isinstance(rule, type) else type(rule)
    where = f"check_rule({cls.__name__})"
    _check_names(where, skip, RULE_CHECKS)
    _check_settings(where, cls, settings)
    parameters, options = declared(cls)
    values, chosen = ({}, {}) if isinstance(rule, type) else rules.settings_of(rule)
    values |= {k: v for k, v in settings.items() if k in parameters}
    chosen |= {k: v for k, v in settings.items() if k in options}
    asked = {"order": order, "silent": silent, "rule": True}
    bench: Bench = rules.RuleBench(cls, values, chosen, seed=seed, asked=asked)
    with _OneThread():
        return inspect_all(where, RULE_CHECKS, replace(bench, dt=slot_for(bench) if dt is None else dt), skip)


def check_device_part(part: type[Part] | Part, *, unipolar: bool = False, skip: Sequence[str] = (), **settings: Any) -> Report:
    """Check a part of a device: a law of pulses, of writing, of retention, of reading, a curve, faults, wear, temperature.

    The functions of the part are called for many devices with conductances all over the window, in a device of 1 to 100 uS.

    Args:
        part: the part's class, or a part that was made with its settings.
        unipolar: whether pulses of both signs move a device the same way.
        skip: names of checks to leave out.
        settings: parameters and options of the part.

    Returns:
        The report, as `check_model`.

    Raises:
        ParameterError: no part of a device, an unknown setting or check.
    """
    cls = part if isinstance(part, type) else type(part)
    where = f"check_device_part({cls.__name__})"
    if not issubclass(cls, PARTS):
        kinds = ", ".join(kind.__name__ for kind in PARTS)
        raise ParameterError(where, "must be a part of a device", got=cls.__name__, fix=f"Kinds: {kinds}.")
    _check_names(where, skip, PART_CHECKS)
    _check_settings(where, cls, settings)
    made = cls(**settings) if isinstance(part, type) else replace(part, **settings)
    with _OneThread(), torch.no_grad():
        return inspect_all(where, PART_CHECKS, PartBench(made, {"unipolar": unipolar}), skip)


def _not_running(where: str, model: type[Model], error: Exception) -> Report:
    """Return the report of a model that no network can run."""
    text = " ".join(f"{error}".split())[:300]
    outcome = failed(text, "runs without an error", "Mend what the error names; no check could be done.")
    checks = (("declarations", lambda _: plain.declaration_outcome(model)), ("runs", lambda _: outcome))
    return inspect_all(where, checks, None, ())


def _check_settings(where: str, cls: type, settings: Mapping[str, Any], drive: Mapping[str, float] | float | None = None) -> None:
    known = {**declared(cls)[0], **declared(cls)[1]}
    for name in settings:
        if name not in known:
            raise ParameterError(f"{where}: {name}", "is no parameter", fix=suggest(name, known))
    ports = getattr(cls, "ports", {})
    for name in drive if isinstance(drive, Mapping) else ():
        if name not in ports:
            raise ParameterError(f"{where}: drive", f"no port named {name!r}", fix=suggest(name, ports))


def _check_names(where: str, skip: Sequence[str], checks: Sequence[tuple[str, Any]]) -> None:
    names = [name for name, _ in checks]
    for name in skip:
        if name not in names:
            raise ParameterError(f"{where}: skip", f"there is no check named {name!r}", fix=suggest(name, names))


class _OneThread:
    """A context in which torch computes in one thread: the networks are small."""

    def __enter__(self) -> None:
        self.before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self.before)
