"""What cannot change is run once: a network cut in two where only some of its groups change.

A fixed reservoir with a trained readout, or a network of which one layer is written to devices again and again, does the same in
every epoch and on every chip up to the first group that changes. `cut` makes two networks of it: ``front`` holds the groups that
nothing which changes can reach, ``back`` the others. What passes from one to the other is recorded once for each sample and is
the input of ``back``, whose outputs are those of the whole network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..base.errors import GraphError, RunError, suggest
from ..groups.wiring import Wire
from ..models import CurrentInput, SpikeInput
from ..network.network import Network
from ..train.batches import parts_of, steps_of
from .chips import copy_group


@dataclass(frozen=True, repr=False)
class Cut:
    """A network cut in two; `cut` makes it.

    Args:
        front: the groups that do not change, with the group ``border`` as output.
        back: the groups that change or depend on those that do, with ``border`` as input.
        border: tag of the group whose signal passes from ``front`` to ``back``.
    """

    front: Network
    back: Network
    border: str

    def __repr__(self) -> str:
        return f"Cut at {self.border!r} (front: {', '.join(self.front.tags)}; back: {', '.join(self.back.tags)})"

    @torch.no_grad()
    def record(self, batches: Iterable[Sequence[Any]], *, tail: int = 0) -> Tensor | list[Tensor]:
        """Run the front once over samples, and return what passes to the back, in the order of the samples.

        Args:
            batches: ``(x, labels)`` or ``(x, labels, lengths)``.
            tail: slots of silence that are run after each input, as a readout wants them (``Readout.tail``).

        Returns:
            ``[sample, time, unit]``, in uint8 where it is spikes; a list of ``[time, unit]`` where samples differ in length.

        Raises:
            RunError: no batches.
        """
        seen: list[Tensor] = []
        for batch in batches:
            x, _, lengths = parts_of("Cut.record", batch)
            steps = steps_of(x)
            out = self.front.run(x, steps=None if steps is None else steps + tail)
            lengths = self.front.lengths if lengths is None else lengths
            ends = [out.shape[-2]] * len(out) if lengths is None else (lengths + tail).tolist()
            seen += [sample[:end] for sample, end in zip(_small(out), ends, strict=True)]
        if not seen:
            raise RunError("Cut.record", "got no batches", fix="Give a list or Batches, not a generator that is used up.")
        return torch.stack(seen) if len({len(sample) for sample in seen}) == 1 else seen

    @torch.no_grad()
    def give(self, net: Network) -> None:
        """Copy the parameters of the back into the network that was cut, e.g. after training."""
        for tag in self.back.tags:
            if tag != self.border:
                net[tag].load_state_dict(self.back[tag].state_dict())


def cut(net: Network, changing: Sequence[str]) -> Cut:
    """Cut a network into the part that cannot change, and the rest.

    Both parts are copies with the parameters as they are now; the network itself is left alone.

    Args:
        net: an initialised network without a chip axis.
        changing: tags of the groups that will change, such as the synapses that are trained.

    Raises:
        GraphError: an unknown tag, nothing that stays, or more than the output of one group that passes to what changes.
        RunError: the part that stays is not the same in every run, for it draws noise or learns; a chip axis.
    """
    where = "study.cut"
    for tag in changing:
        if tag not in net.tags:
            raise GraphError(f"{where}: changing", f"no group named {tag!r}", fix=suggest(str(tag), net.tags))
    wires = net.wiring.wires
    if net.chips is not None:
        raise RunError(
            where, "needs a network without a chip axis", got=f"{net.chips} chips", fix="Cut it first, then make chips."
        )
    moving = _reached(set(changing), wires)
    border = _border(where, net, moving)
    front, back = Network(), Network()
    for tag in net.tags:
        if tag not in moving:
            _check_same(where, net, tag)
            copy_group(net, front, tag)
        else:
            copy_group(net, back, tag)
    spikes = net.wiring.kinds[border] == "events"
    back.add(SpikeInput if spikes else CurrentInput, border, n=net[border].n)
    for tag in front.tags:
        if front.specs[tag].output != (tag == border):
            front.set(tag, output=tag == border)
    for made in (front, back):
        _init_like(made, net)
    back.readout = net.readout
    return Cut(front, back, border)


def _reached(changing: set[str], wires: Sequence[Wire]) -> set[str]:
    """Return the groups that change, and all to which a signal of theirs leads."""
    reached = set(changing)
    while more := {w.target for w in wires if w.source in reached} - reached:
        reached |= more
    return reached


def _border(where: str, net: Network, moving: set[str]) -> str:
    """Return the tag of the one group from which a signal passes to the groups that change."""
    passing = [w for w in net.wiring.wires if w.source not in moving and w.target in moving]
    tags = sorted({w.source for w in passing})
    if len(tags) != 1 or any(w.state or w.kind not in ("events", "values") for w in passing):
        got = ", ".join(sorted({f"{w.source}.{w.state}" if w.state else w.source for w in passing})) or "nothing"
        rule = "needs the output of exactly one group that passes from what stays to what changes"
        raise GraphError(where, rule, got=got, fix="Run the whole network instead, or name other groups.")
    return tags[0]


def _check_same(where: str, net: Network, tag: str) -> None:
    """Refuse a group that is not the same in every run."""
    spec = net.specs[tag]
    hardware = net[tag].hardware
    noisy = bool(spec.model.noise) or (hardware is not None and hardware.noisy)
    if noisy or spec.rule is not None:
        why = "draws noise in every run" if noisy else "learns while it runs"
        raise RunError(where, "the part that stays must be the same in every run", got=f"{spec.where}, which {why}")


def _init_like(made: Network, net: Network) -> None:
    own = net.settings
    made.init(
        own["dt"],
        seed=own["seed"],
        variation=own["variation"],
        dtype=own["dtype"],
        engine=own["engine"],
        temperature=own["temperature"],
    )


def _small(out: Tensor) -> Tensor:
    """Return spikes in one byte each, and other signals as they are."""
    return out.to(torch.uint8) if bool(((out == 0) | (out == 1)).all()) else out
