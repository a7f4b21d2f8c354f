"""A labelled data set: samples, labels, whose they are, and where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...base.errors import RunError
from ...base.indices import chosen


@dataclass(frozen=True)
class About:
    """Where a data set comes from, and under which conditions it may be used.

    Args:
        title: the name by which it is cited.
        licence: the licence, or "not stated".
        citation: the publication to cite.
        home: address of its home page.
        note: what a reader must know beside any number that was measured on it.
    """

    title: str
    licence: str
    citation: str
    home: str
    note: str = ""


@dataclass(frozen=True, repr=False)
class LabelledSet(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """A PyTorch data set of labelled samples, which knows whose they are and where they come from.

    Args:
        name: the short name under which `ship.data.load` knows it.
        x: ``[sample, ...]``, or a list of tensors where samples differ in length.
        labels: the class of each sample, int64 ``[sample]``, from 0 on.
        classes: the name of each class.
        about: title, licence, citation and home.
        by: columns with one entry for each sample, such as ``{"speaker": [...]}``, by which it can be split.
        test: bool ``[sample]``, the samples of the official test split; None where there is none.

    Raises:
        RunError: numbers of samples, labels and entries of columns differ, or a label without a class.
    """

    name: str
    x: Tensor | list[Tensor]
    labels: Tensor
    classes: tuple[str, ...]
    about: About
    by: Mapping[str, Sequence[str] | Tensor] = field(default_factory=dict)
    test: Tensor | None = None

    def __post_init__(self) -> None:
        where, n = f"LabelledSet {self.name!r}", len(self.x)
        columns: dict[str, Any] = {"labels": self.labels, "test": self.test, **self.by}
        for name, column in columns.items():
            if column is not None and len(column) != n:
                raise RunError(f"{where}: {name}", f"must have one entry for each of {n} samples", got=str(len(column)))
        bad = (self.labels < 0) | (self.labels >= len(self.classes))
        if bool(bad.any()):
            raise RunError(f"{where}: labels", f"must be from 0 to {len(self.classes) - 1}", got=str(self.labels[bad][0].item()))

    def __repr__(self) -> str:
        shape = f"{list(self.x.shape[1:])}" if isinstance(self.x, Tensor) else "of several lengths"
        return (
            f"LabelledSet({self.name}: {len(self)} samples {shape}, {len(self.classes)} classes; licence: {self.about.licence})"
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"LabelledSet has {len(self)} samples; got index {index}.")  # ends a plain for loop
        return self.x[index], self.labels[index]

    def part(self, index: Any) -> LabelledSet:
        """Return some of the samples, with all that is known of them.

        Args:
            index: numbers of samples, or a mask.

        Raises:
            RunError: a number that is no sample.
        """
        which = chosen(f"LabelledSet {self.name!r}: part", index, len(self)).numbers
        x = self.x[which] if isinstance(self.x, Tensor) else [self.x[i] for i in which.tolist()]
        by = {k: v[which] if isinstance(v, Tensor) else [v[i] for i in which.tolist()] for k, v in self.by.items()}
        return replace(self, x=x, labels=self.labels[which], by=by, test=None if self.test is None else self.test[which])

    def hash(self) -> str:
        """Return the SHA-256 of samples and labels, by which a record of a run names them."""
        digest = hashlib.sha256()
        samples = [self.x] if isinstance(self.x, Tensor) else self.x
        for tensor in [*samples, self.labels]:
            array = np.ascontiguousarray(tensor.cpu().numpy())
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()
