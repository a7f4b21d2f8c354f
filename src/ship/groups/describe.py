"""A model in words: parameters, states and ports, with units, limits and defaults."""

from __future__ import annotations

from ..base.display.notebook import Lines
from ..base.parameters import declared
from ..models.contract import Connection, Model, Neuron, Source


def describe(model: type[Model]) -> str:
    """Return a table of a model's parameters, options, states and ports, with units, limits and defaults."""
    parameters, options = declared(model)
    said = " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())
    lines = [f"{model.__name__}: {said}", "", "parameters"]
    for name, p in parameters.items():
        default = f"{p.default:g}" if isinstance(p.default, int | float) else repr(p.default)
        lines.append(f"  {name:14} {default:>24} {p.unit:4}  {p.rule}; per {p.per}" + (f"; {p.role}" if p.role else ""))
    if options:
        lines.append("options")
        lines += [
            f"  {name:14} {o.default!r:>24}" + (f"       one of {', '.join(map(repr, o.choices))}" if o.choices else "")
            for name, o in options.items()
        ]
    if model.states:
        lines.append("states")
        for name, s in zip(model.states._fields, model.states, strict=True):
            lines.append(
                f"  {name:14} {s.initial!r:>24} {s.unit:4}"
                + ("  held while refractory" if s.held else "")
                + (f"  persistent, {s.batch} over the batch" if s.persistent else "")
            )
    if model.ports:
        lines.append("ports")
        lines += [f"  {name:14} {port.kind:>24} {port.unit}" for name, port in model.ports.items()]
    if issubclass(model, Connection):
        accepts = ", ".join(model.accepts) or "through its ports"
        lines.append(f"in: {accepts}")
    elif issubclass(model, Source | Neuron):
        lines.append(f"out: {model.emits}")
    return Lines("\n".join(lines))
