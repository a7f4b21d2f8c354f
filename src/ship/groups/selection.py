"""The selection of parameters by role, group or name, for perturbation, attack or variation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..base.errors import GraphError, ParameterError, suggest
from .group import Group


def select(
    where: str,
    groups: Mapping[str, Group],
    *,
    role: str | None = None,
    tags: Iterable[str] = (),
    names: Iterable[str] = (),
    gradient: bool = False,
) -> list[tuple[str, str]]:
    """Return pairs (tag, name) of the parameters that have the role and one of the names, in the groups named.

    What is left out does not restrict; without role and names all weights are selected.

    Args:
        where: the name for errors.
        groups: the groups of the network, by tag.
        role: as a model declares it (``ship.describe``), e.g. ``"time constant"``; weights are those of the role ``"weight"``.
        tags: the tags of the groups.
        names: the names of the parameters.
        gradient: whether to select only parameters that have a gradient.

    Raises:
        GraphError: an unknown tag.
        ParameterError: nothing is selected.
    """
    tags, names = _words(tags), _words(names)
    for tag in tags:
        if tag not in groups:
            raise GraphError(where, f"no group named {tag!r}", fix=suggest(tag, groups))
    if role is None and not names:
        role = "weight"
    found = []
    for tag, group in groups.items():
        for name, declaration in group.declarations.items():
            own = declaration.role or ("weight" if name == "weight" else "")
            if (
                (not tags or tag in tags)
                and (not names or name in names)
                and role in (None, own)
                and not (gradient and not declaration.gradient)
            ):
                found.append((tag, name))
    if not found:
        roles = {d.role for group in groups.values() for d in group.declarations.values() if d.role} | {"weight"}
        known = {name for group in groups.values() for name in group.declarations}
        raise ParameterError(
            where,
            "selects no parameter" + (" that has a gradient" if gradient else ""),
            got=f"role={role!r}, tags={tags!r}, names={names!r}",
            fix=f"Roles: {', '.join(map(repr, sorted(roles)))}. Names: {', '.join(map(repr, sorted(known)))}.",
        )
    return found


def _words(value: Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
