"""The states of a group: where they start, and which of them outlive a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..base import random
from ..base.errors import ParameterError, suggest
from ..base.parameters import Parameter, State, Varied
from ..base.parameters.resolve import resolve
from ..models.contract import Rule, Spiking, SpikingNeuron
from .parameters import GroupParameters

STORED = "persistent/"  # names of buffers of persistent states begin so


def stored_as(name: str, rule: bool) -> str:
    """Return the name of the buffer of a persistent state."""
    return f"{STORED}rule/{name}" if rule else STORED + name


class GroupStates(GroupParameters):
    """The initial and persistent states of a group, on top of its parameters."""

    def _make_initial(self, dies: Sequence[int]) -> None:
        states = self.state_declarations()
        for name, value in self.spec.initial.items():
            where = f"{self.spec.where}.initial[{name!r}]"
            if name not in states:
                raise ParameterError(where, f"{type(self.model).__name__} has no state {name!r}", fix=suggest(name, states))
            if isinstance(value, Varied):
                raise ParameterError(where, "must not be Varied", fix="Use a distribution, or ship.per_chip(...).")
            made = resolve(
                where,
                Parameter(0.0, states[name].unit),
                value,
                self.shape_of(states[name].on),
                random.key(self.seed, self.tag, "initial", name),
                dies,
                False,
            )
            self.register_buffer(f"initial/{name}", made.nominal.to(self._type_of(states[name])))

    def state_declarations(self) -> dict[str, State]:
        """Return the declarations of the model's states, by name."""
        states = self.model.states
        return dict(zip(states._fields, states, strict=True)) if states else {}

    @property
    def refractory(self) -> bool:
        """Whether any unit has a dead time; without one, no clock is kept."""
        return isinstance(self.model, SpikingNeuron) and bool(self.value("t_ref").any())

    def fresh_state(self, lead: tuple[int, int], *, rule: bool = False) -> Any:
        """Return the initial state of the model, or of its rule, ``[chip, batch, ...]``."""
        model = self.spec.rule if rule else self.model
        assert model is not None
        states = model.states
        if not states:
            return ()
        tensors = [self._initial(name, s, lead, rule) for name, s in zip(states._fields, states, strict=True)]
        return self._clocked(type(states)(*tensors), (*lead, self.n), rule)

    def state_form(self, *, rule: bool = False) -> Any:
        """Return the state with one number for each part: its form and types without chips, samples and units."""
        model = self.spec.rule if rule else self.model
        assert model is not None
        if not model.states:
            return ()
        parts = (self.zero.new_zeros((), dtype=self._type_of(state)) for state in model.states)
        return self._clocked(type(model.states)(*parts), (), rule)

    def _clocked(self, cell: Any, shape: tuple[int, ...], rule: bool) -> Any:
        """Return a state with the refractory clock, where there is one."""
        if rule or not self.refractory:
            return cell
        return Spiking(cell, self.zero.new_zeros(shape), self.zero.new_zeros(shape, dtype=torch.bool))

    def with_clock(self, state: Any) -> Any:
        """Return a state with a refractory clock where there are dead times, and without one where there are none."""
        if isinstance(state, Spiking) == self.refractory:
            return state
        if isinstance(state, Spiking):
            return state.cell
        return self._clocked(state, (*state[0].shape[:2], self.n), False)

    def _type_of(self, state: State) -> torch.dtype:
        return torch.bool if isinstance(state.initial, bool) else self.dtype

    def _initial(self, name: str, state: State, lead: tuple[int, int], rule: bool) -> Tensor:
        trailing: tuple[int, ...]
        if rule:
            pairs = self.shape_of("connection")
            trailing = pairs if self.edges else {"pre": (self.n_pre, 1), "post": (1, self.n)}.get(state.on, pairs)
        else:
            trailing = self.shape_of(state.on)
        given = self._buffers.get(f"initial/{name}") if not rule else None
        stored = self._buffers.get(stored_as(name, rule))
        if stored is not None:
            start = stored
        elif given is not None:
            start = given
        elif isinstance(state.initial, str):
            start = self.value(("rule." if rule else "") + state.initial)
        else:
            start = torch.tensor(state.initial, dtype=self._type_of(state), device=self.die_ids.device)
        return start.expand((*lead, *trailing))

    # -- what outlives a run -----------------------------------------------------------------------------------------------

    def persistent(self, rule: bool) -> dict[str, State]:
        """Return the states of the model, or of its rule, that outlive a run; a rule with separate samples has none."""
        model = self.spec.rule if rule else self.model
        if model is None or not model.states or (isinstance(model, Rule) and model.per_sample):
            return {}
        return {name: state for name, state in zip(model.states._fields, model.states, strict=True) if state.persistent}

    def stored(self) -> dict[str, Tensor]:
        """Return all that outlives a run, by the names of its buffers: persistent states, and weights of a plastic synapse."""
        return {name: t for name, t in self._buffers.items() if t is not None and name.startswith((STORED, "plastic_weight"))}

    def _make_persistent(self) -> None:
        """Make persistent states as they are before the first run."""
        for rule in (False, True):
            for name, state in self.persistent(rule).items():
                self._buffers.pop(stored_as(name, rule), None)
                try:
                    start = self._initial(name, state, (len(self.die_ids), 1), rule)
                except RuntimeError as error:
                    where = f"{self.spec.where}.{name}"
                    raise ParameterError(where, "persists, so it must begin with the same value in all samples") from error
                self.register_buffer(stored_as(name, rule), start.detach().clone())

    def reset_persistent(self) -> None:
        """Set back what outlives a run: plastic weights and persistent states."""
        if self.spec.rule is not None:
            self.plastic_weight = self.initial_weight()
        self._make_persistent()

    # -- plasticity --------------------------------------------------------------------------------------------------------

    def initial_weight(self) -> Tensor:
        """Return the weight that a plastic synapse starts from, ``[chip, 1 or batch, pre, post]``."""
        weight = self.value("weight").detach()
        pairs = self.shape_of("connection")
        batch = weight.shape[1] if weight.ndim == len(pairs) + 2 else 1
        return weight.expand(len(self.die_ids), batch, *pairs).clone()

    def _make_plastic(self) -> None:
        """Make the weight of a plastic synapse, which outlives a run: one matrix for each chip."""
        weight = self.value("weight").detach()
        low, high = self.value("rule.w_min"), self.value("rule.w_max")
        if bool((weight < low).any()) or bool((weight > high).any()):
            raise ParameterError(
                f"{self.spec.where}.weight",
                "must lie between the rule's w_min and w_max",
                got=f"{float(weight.min()):g} to {float(weight.max()):g}",
                fix="Give weight= within them, e.g. ship.Uniform(w_min, w_max).",
            )
        self.register_buffer("plastic_weight", self.initial_weight())
