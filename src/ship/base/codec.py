"""The one codec for the values that files hold: numbers, text, tensors, distributions, variation, settings, nested states.

A value becomes plain data (what JSON and TOML have words for) and comes back from it. `Codec` walks through values; a `Kind` says
once which classes a file may name under which word; four notations differ in what their file has no word for:

==========  ============================================  ==============================  ================================
notation    used by                                       a tensor becomes                a float that is not finite
==========  ============================================  ==============================  ================================
`Beside`    network files, states in checkpoints (JSON)   a name; it lies in the file     ``{"float": "inf"}``
`Inline`    device files (TOML)                           its numbers and its type        ``inf``
`Digest`    the identity that checkpoints state (JSON)    its type, shape and digest      ``"inf"``
`Plain`     reports of fits (JSON)                        its numbers                     null
==========  ============================================  ==============================  ================================

Only the first two are read. Classes are looked up by name in the kinds that the caller gives, never imported: nothing in a file
can be executed. A new class is saved everywhere once it is in the table of its kind, a new kind once it is given to the codecs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import FileError, suggest
from .parameters.values import Distribution, FanIn, LogNormal, Normal, PerChip, PerSample, Uniform, Varied
from .tensor_files import tensor_digest

DTYPES = {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64}
SPREADS = tuple(f.name for f in fields(Varied) if f.name != "nominal")


@dataclass(frozen=True)
class Kind:
    """One kind of record in files: dataclasses that a file names under one word.

    Args:
        key: the word, e.g. ``"distribution"``.
        classes: the classes that a file may name, by name.
        base: every value of this kind is one of these; one that is not in ``classes`` is refused.
        refusal: what the error then says.
        fix: what it advises.
    """

    key: str
    classes: Mapping[str, type]
    base: type | tuple[type, ...]
    refusal: str = "a class of one's own cannot be saved"
    fix: str = "Use one of the library."

    def find(self, where: str, name: object) -> type:
        """Look up a class.

        Raises:
            FileError: the file may not name such a class.
        """
        if not isinstance(name, str) or name not in self.classes:
            raise FileError(where, f"no {self.key} {name!r}", fix=suggest(str(name), self.classes))
        return self.classes[name]

    def check(self, where: str, value: object) -> None:
        """Refuse a class that could not be looked up again.

        Raises:
            FileError: it is not in the table.
        """
        name = type(value).__name__
        if self.classes.get(name) is not type(value):
            raise FileError(where, self.refusal, got=name, fix=self.fix)


@dataclass(frozen=True)
class Stored:
    """A record of nothing but tensors: in a file with tensors it is a word and the name under which they lie."""

    key: str
    made: type
    names: tuple[str, ...]

    def places(self, name: str) -> dict[str, str]:
        """The name of each tensor in the file."""
        return {n: name if len(self.names) == 1 else f"{name}/{n}" for n in self.names}


def by_name(classes: Iterable[type]) -> dict[str, type]:
    """Make the table of a `Kind`."""
    return {made.__name__: made for made in classes}


DISTRIBUTIONS = Kind(
    "distribution",
    by_name((Uniform, Normal, LogNormal, FanIn)),
    Distribution,
    refusal="a distribution of one's own cannot be saved",
)
PER = (Stored("per_sample", PerSample, ("value",)), Stored("per_chip", PerChip, ("value",)))


class Codec(ABC):
    """Turn values into plain data; subclasses are the notations.

    Args:
        kinds: the kinds of records that a value may be.
    """

    def __init__(self, kinds: Sequence[Kind] = ()) -> None:
        self.kinds = tuple(kinds)

    def encode(self, where: str, value: Any, name: str = "") -> Any:
        """Return a value as plain data.

        Args:
            where: the place that an error names.
            value: the value.
            name: the name under which a tensor of it is stored.

        Raises:
            FileError: the notation has no form for it.
        """
        if value is None:
            return self._nothing()
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if isinstance(value, float | np.floating):
            return float(value) if math.isfinite(value) else self._unbounded(float(value))
        if isinstance(value, int | np.integer):
            return int(value)
        if isinstance(value, str):
            return value
        if isinstance(value, np.ndarray):
            return self._array(where, value, name)
        if isinstance(value, Tensor):
            return self._tensor(where, value.detach(), name)
        return self._compound(where, value, name)

    def _compound(self, where: str, value: Any, name: str) -> Any:
        """A value of parts. Records come first: some of them are tuples, too."""
        if isinstance(value, Varied):
            return self._varied(value, self.encode(where, value.nominal, name))
        if kind := next((kind for kind in self.kinds if isinstance(value, kind.base)), None):
            kind.check(where, value)
            parts = {f.name: self.encode(where, getattr(value, f.name), f"{name}/{f.name}") for f in fields(value)}
            return self._record(kind.key, type(value).__name__, parts)
        if isinstance(value, Mapping):
            return self._table(where, value, name)
        if isinstance(value, list | tuple):
            return self._sequence(value, [self.encode(where, v, f"{name}/{i}") for i, v in enumerate(value)])
        return self._other(where, value, name)

    def _nothing(self) -> Any:
        return None

    def _unbounded(self, value: float) -> Any:
        return value

    def _array(self, where: str, value: np.ndarray[Any, Any], name: str) -> Any:
        return self._tensor(where, torch.as_tensor(value), name)

    @abstractmethod
    def _tensor(self, where: str, value: Tensor, name: str) -> Any:
        """A tensor as this notation has it."""

    def _varied(self, value: Varied, nominal: Any) -> Any:
        return self._record("class", "Varied", {"nominal": nominal} | {name: getattr(value, name) for name in SPREADS})

    def _record(self, key: str, name: str, parts: dict[str, Any]) -> Any:
        return {key: name} | parts

    def _table(self, where: str, value: Mapping[Any, Any], name: str) -> Any:
        return {str(k): self.encode(where, v, f"{name}/{k}") for k, v in value.items()}

    def _sequence(self, value: Sequence[Any], parts: list[Any]) -> Any:
        return parts

    def _other(self, where: str, value: Any, name: str) -> Any:
        raise FileError(where, "cannot be saved", got=type(value).__name__)


class Beside(Codec):
    """JSON whose tensors lie beside it in the same file, under names.

    Args:
        tensors: where they are put, or taken from.
        kinds: the kinds of records that a value may be.
        stored: the kinds of records that are nothing but tensors.
        refusal: what the error says of a value that has no form.
    """

    def __init__(
        self,
        tensors: dict[str, Tensor],
        kinds: Sequence[Kind] = (),
        stored: Sequence[Stored] = PER,
        refusal: str = "a class of one's own cannot be saved",
    ) -> None:
        super().__init__(kinds)
        self.tensors, self.stored, self.refusal = tensors, tuple(stored), refusal

    def _compound(self, where: str, value: Any, name: str) -> Any:
        for stored in self.stored:
            if isinstance(value, stored.made):
                for part, place in stored.places(name).items():
                    self.tensors[place] = torch.as_tensor(getattr(value, part)).detach().clone()
                return {stored.key: name}
        return super()._compound(where, value, name)

    def _unbounded(self, value: float) -> Any:
        return {"float": str(value)}

    def _tensor(self, where: str, value: Tensor, name: str) -> Any:
        self.tensors[name] = value.clone()
        return {"tensor": name}

    def _varied(self, value: Varied, nominal: Any) -> Any:
        return {"varied": {name: getattr(value, name) for name in SPREADS}, "nominal": nominal}

    def _record(self, key: str, name: str, parts: dict[str, Any]) -> Any:
        return {key: name, "values": parts}

    def _table(self, where: str, value: Mapping[Any, Any], name: str) -> Any:
        return {"items": [[k, self.encode(where, v, f"{name}/{k}")] for k, v in value.items()]}  # keys keep their type

    def _sequence(self, value: Sequence[Any], parts: list[Any]) -> Any:
        return {"tuple" if isinstance(value, tuple) else "list": parts}

    def _other(self, where: str, value: Any, name: str) -> Any:
        raise FileError(where, self.refusal, got=type(value).__name__)

    def decode(self, where: str, entry: Any) -> Any:
        """Return the value that `encode` made an entry of.

        Raises:
            FileError: an entry of no known form, or a class that the file may not name.
        """
        if not isinstance(entry, dict):
            return entry
        if "float" in entry:
            return float(entry["float"])
        if "tensor" in entry:
            return self.tensors[entry["tensor"]]
        if "tuple" in entry:
            return tuple(self.decode(where, v) for v in entry["tuple"])
        if "list" in entry:
            return [self.decode(where, v) for v in entry["list"]]
        if "items" in entry:
            return {k: self.decode(where, v) for k, v in entry["items"]}
        if "varied" in entry:
            return Varied(self.decode(where, entry["nominal"]), **entry["varied"])
        for stored in self.stored:
            if stored.key in entry:
                return stored.made(*(self.tensors[place] for place in stored.places(entry[stored.key]).values()))
        for kind in self.kinds:
            if kind.key in entry:
                made = kind.find(where, entry[kind.key])
                return made(**{k: self.decode(f"{where}.{k}", v) for k, v in entry["values"].items()})
        words = [stored.key for stored in self.stored] + [kind.key for kind in self.kinds]
        known = ["float", "tensor", "tuple", "varied", *words]
        raise FileError(where, f"must be a number, text, or a table with one of {', '.join(known)}", got=repr(entry)[:80])


class Inline(Codec):
    """TOML, to be read and written by people: everything stands where it is used."""

    def _nothing(self) -> Any:
        return {"none": True}

    def _tensor(self, where: str, value: Tensor, name: str) -> Any:
        kind = str(value.dtype).removeprefix("torch.")
        if kind not in DTYPES:
            raise FileError(where, "must be float32, float64 or int64 to be saved", got=kind)
        return {"tensor": value.cpu().tolist(), "dtype": kind}

    def _varied(self, value: Varied, nominal: Any) -> Any:
        return {"nominal": nominal} | {name: spread for name in SPREADS if (spread := getattr(value, name))}

    def _compound(self, where: str, value: Any, name: str) -> Any:
        if isinstance(value, PerSample | PerChip | Mapping):
            return self._other(where, value, name)
        return super()._compound(where, value, name)

    def _other(self, where: str, value: Any, name: str) -> Any:
        fix = "Give a number, a Varied or a distribution."
        raise FileError(where, "cannot be written to a device file", got=repr(value), fix=fix)

    def decode(self, where: str, entry: Any) -> Any:
        """Return the value that `encode`, or a hand, wrote.

        Raises:
            FileError: an entry of no known form, or a class that the file may not name.
        """
        if isinstance(entry, list):
            return tuple(self.decode(where, v) for v in entry)
        if not isinstance(entry, dict):
            if not isinstance(entry, bool | int | float | str):
                raise FileError(where, "must not be a date or a time", got=str(entry))
            return entry
        if entry == {"none": True}:
            return None
        if set(entry) == {"tensor", "dtype"} and entry["dtype"] in DTYPES:
            return torch.tensor(entry["tensor"], dtype=DTYPES[entry["dtype"]])
        for kind in self.kinds:
            if kind.key in entry:
                made = kind.find(where, entry[kind.key])
                return made(**{k: self.decode(f"{where}.{k}", v) for k, v in entry.items() if k != kind.key})
        if "nominal" not in entry:
            known = ", ".join(["nominal", *(kind.key for kind in self.kinds)])
            raise FileError(where, f"must be a number, text, a list, or a table with {known} or tensor", got=repr(entry))
        for key in entry:
            if key not in ("nominal", *SPREADS):
                raise FileError(where, f"a varied value has no {key!r}", fix=suggest(key, ["nominal", *SPREADS]))
        return Varied(self.decode(where, entry["nominal"]), **{k: v for k, v in entry.items() if k != "nominal"})


class Digest(Codec):
    """What tells values apart, as JSON that is compared and never read back.

    A dataclass of any kind stands as its name and fields, a tensor as its digest, anything else as the name of its type.
    """

    def _unbounded(self, value: float) -> Any:
        return str(value)

    def _tensor(self, where: str, value: Tensor, name: str) -> Any:
        return value.item() if value.ndim == 0 else tensor_digest(value)

    def _other(self, where: str, value: Any, name: str) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            parts = {f.name: self.encode(where, getattr(value, f.name)) for f in fields(value)}
            return self._record("class", type(value).__name__, parts)
        return type(value).__name__


class Plain(Codec):
    """Results as plain JSON for other programs: numbers, text, lists and tables; a number that is not finite is null."""

    def _unbounded(self, value: float) -> Any:
        return None

    def _tensor(self, where: str, value: Tensor, name: str) -> Any:
        return self.encode(where, value.tolist())

    def _array(self, where: str, value: np.ndarray[Any, Any], name: str) -> Any:
        return self.encode(where, value.tolist())

    def _other(self, where: str, value: Any, name: str) -> Any:
        return value
