"""The values of a network in its file: the kinds of records that may stand there, and the forms that other values take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...base.codec import DISTRIBUTIONS, PER, Beside, Kind, Stored, by_name
from ...base.errors import FileError
from ...base.parameters import Distribution, PerChip, PerSample, Varied, to_tensor
from ...crossbar import ADC, Crossbar, Selector
from ...devices.weights.mapping import BitSliced, Differential, Mapping, Offset
from ...devices.weights.pulsing import Pulsing
from ...groups.connectivity import Connectivity, Edges
from ...groups.patterns import CONNECTIVITIES
from ...models.surrogate import SURROGATES, Surrogate
from ..readout import READOUTS, Readout

KINDS = (
    DISTRIBUTIONS,
    Kind("surrogate", SURROGATES, Surrogate, refusal="a surrogate of one's own cannot be saved"),
    Kind("rule", CONNECTIVITIES, Connectivity, refusal="a rule of one's own cannot be saved", fix="Give ship.Edges."),
    Kind(
        "class",
        by_name((Differential, Offset, BitSliced, Crossbar, Selector, ADC, Pulsing)),
        (Mapping, Crossbar, Selector, ADC, Pulsing),
    ),
    Kind("kind", READOUTS, Readout),
)
STORED = (*PER, Stored("edges", Edges, ("pre", "post")))


def network_codec(tensors: dict[str, Tensor]) -> Beside:
    """Make the codec of a network file.

    Args:
        tensors: the tensors of the file, by name: `encode` adds to them, `decode` takes from them.
    """
    return Beside(tensors, KINDS, STORED)


def settled(where: str, given: Any, realised: Tensor | None) -> Any:
    """Return a value that a user gave as one that a file can hold: a callable becomes what it gave, a sequence a tensor.

    Args:
        where: the place that an error names.
        given: the value.
        realised: the tensor that it became in the network; None where there is none.

    Raises:
        FileError: a callable without such a tensor.
        ParameterError: something that is not numbers.
    """
    if given is None or isinstance(given, str | bool | int | float | PerSample | PerChip | Surrogate | Distribution):
        return given
    if isinstance(given, Varied):
        return replace(given, nominal=settled(where, given.nominal, realised))
    if callable(given) and not isinstance(given, Tensor):
        if realised is None:
            raise FileError(where, "a callable cannot be saved here", got=repr(given), fix="Give its values as a tensor.")
        given = realised
    return to_tensor(where, given).detach()


def settled_connectivity(given: Any) -> Any:
    """Return what ``connect=`` was as a rule, or as a matrix of 0 and 1."""
    return given if given is None or isinstance(given, Connectivity) else torch.as_tensor(given).to(torch.uint8)


def saved_readout(readout: Readout | None) -> Readout | None:
    """Return a readout of the library; None for a user-defined one, which must be given again."""
    return readout if type(readout) in tuple(READOUTS.values()) else None


def loaded_readout(codec: Beside, entry: Any) -> Readout | None:
    """Return the readout of a file; None where it has none.

    Raises:
        FileError: the entry is something else.
    """
    found = codec.decode("readout", entry)
    if found is not None and not isinstance(found, Readout):
        raise FileError("readout", "must be one of the library", got=repr(entry)[:80])
    return found
