"""Connectivity with shared weights: convolution and pooling on images of units.

A group of units is read as an image ``[channel, row, column]``, its last axis the fastest. All edges with the same place in the
kernel share one weight, so the weight of the connection is the matrix ``[channel * kernel row * kernel column, feature]``, which
is what sits on a crossbar: one row for each input of a window, one column for each feature. Devices, mismatch and gradients
belong to this matrix.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..base.checks import check_whole
from ..base.errors import ParameterError
from .connectivity import Connectivity, EdgeList, listed


class Shared(NamedTuple):
    """How edges share the weights of a matrix."""

    shape: tuple[int, int]  # of the matrix
    places: Tensor  # [edge], where each edge's weight is in the flattened matrix


class _Window(NamedTuple):
    """The pairs of units of a window that moves over an image: numbers of units within a channel, and of the window's inputs."""

    pre: Tensor  # [pair]
    post: Tensor
    tap: Tensor  # which input of the window


def _pair(where: str, value: int | Sequence[int], least: int) -> tuple[int, int]:
    made = (value, value) if isinstance(value, int) else tuple(value)
    if len(made) != 2:
        raise ParameterError(where, "must be one whole number, or two (rows, columns)", got=repr(value))
    for one in made:
        check_whole(where, one, least)
    return made[0], made[1]


def _pairs_along(size: int, kernel: int, stride: int, padding: int, out: int) -> int:
    """Count along one axis the positions of the window times its inputs that lie in the image."""
    total = 0
    for tap in range(kernel):
        first, last = -((tap - padding) // stride), (size - 1 - tap + padding) // stride
        total += max(0, min(last, out - 1) - max(first, 0) + 1)
    return total


def _windows(image: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> _Window:
    rows, columns = ((size + 2 * pad - k) // step + 1 for size, k, step, pad in zip(image, kernel, stride, padding, strict=True))
    y, x, ky, kx = torch.meshgrid(*(torch.arange(n) for n in (rows, columns, *kernel)), indexing="ij")
    at_y, at_x = y * stride[0] + ky - padding[0], x * stride[1] + kx - padding[1]
    inside = (at_y >= 0) & (at_y < image[0]) & (at_x >= 0) & (at_x < image[1])
    return _Window((at_y * image[1] + at_x)[inside], (y * columns + x)[inside], (ky * kernel[1] + kx)[inside])


@dataclass(frozen=True)
class SharedConnectivity(Connectivity):
    """The base class of connectivity whose edges share weights: windows that move over an image of units.

    Args:
        shape: the image of the source: channels, rows, columns.
        kernel: the rows and columns of a window; one number for both.
        stride: by how many units the window moves.
        padding: how many empty units stand around the image.
    """

    shape: Sequence[int]
    kernel: int | Sequence[int]
    stride: int | Sequence[int] | None = None
    padding: int | Sequence[int] = 0

    def __post_init__(self) -> None:
        where = type(self).__name__
        if len(self.shape) != 3:
            raise ParameterError(f"{where}.shape", "must be channels, rows and columns", got=repr(self.shape))
        for size in self.shape:
            check_whole(f"{where}.shape", size, 1)
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "kernel", _pair(f"{where}.kernel", self.kernel, 1))
        given = self._default_stride() if self.stride is None else self.stride
        object.__setattr__(self, "stride", _pair(f"{where}.stride", given, 1))
        object.__setattr__(self, "padding", _pair(f"{where}.padding", self.padding, 0))
        for axis, (size, k, pad) in enumerate(zip(self.shape[1:], self.kernel, self.padding, strict=True)):  # type: ignore[arg-type]
            if k > size + 2 * pad or pad >= k:
                name = ("rows", "columns")[axis]
                raise ParameterError(
                    f"{where}.kernel", f"must fit into the {name} of the image, and be larger than the padding", got=f"{k}"
                )

    def _default_stride(self) -> int | Sequence[int]:
        return 1

    @property
    def output(self) -> tuple[int, int, int]:
        """The image of the target: channels, rows, columns; the target has as many units."""
        rows, columns = (
            (size + 2 * pad - k) // step + 1
            for size, k, step, pad in zip(self.shape[1:], self.kernel, self.stride, self.padding, strict=True)  # type: ignore[arg-type]
        )
        return self.channels, rows, columns

    @property
    @abstractmethod
    def channels(self) -> int:
        """The channels of the target."""

    @abstractmethod
    def _connected(self, window: _Window, n_in: int, n_out: int) -> tuple[Tensor, Tensor, Shared]:
        """Return source and target unit of each edge, and its weight; ``n_in`` and ``n_out`` are the units of a channel."""

    def _all(self, where: str, n_pre: int, n_post: int) -> tuple[Tensor, Tensor, Shared]:
        c, rows, columns = self.shape
        out = self.output
        wanted, made = c * rows * columns, out[0] * out[1] * out[2]
        if (n_pre, n_post) != (wanted, made):
            raise ParameterError(
                where,
                f"{list(self.shape)} becomes {list(out)}: source and target must have {wanted} and {made} units",
                got=f"{n_pre} and {n_post}",
            )
        window = _windows((rows, columns), self.kernel, self.stride, self.padding)  # type: ignore[arg-type]
        return self._connected(window, rows * columns, out[1] * out[2])

    def edges(self, where: str, n_pre: int, n_post: int, key: int) -> EdgeList:
        pre, post, _ = self._all(where, n_pre, n_post)
        return listed(pre, post, n_pre, n_post)

    def shared(self, where: str, n_pre: int, n_post: int) -> Shared:
        """Return how the edges share weights, in the order of `edges`."""
        return self._all(where, n_pre, n_post)[2]

    def expected(self, n_pre: int, n_post: int) -> float:
        along = zip(self.shape[1:], self.kernel, self.stride, self.padding, self.output[1:], strict=True)  # type: ignore[arg-type]
        pairs = math.prod(_pairs_along(*one) for one in along)
        return float(pairs * self._edges_of_a_pair)

    @property
    @abstractmethod
    def matrix(self) -> tuple[int, int]:
        """The shape of the weights that the edges share."""

    @property
    @abstractmethod
    def _edges_of_a_pair(self) -> int:
        """How many edges there are for each unit of a window."""


@dataclass(frozen=True)
class Conv2d(SharedConnectivity):
    """A convolution of an image of units: the weight is ``[channel * kernel row * kernel column, feature]``.

    Args:
        shape: the image of the source: channels, rows, columns.
        kernel: the rows and columns of the kernel; one number for both.
        stride: by how many units the kernel moves; default 1.
        padding: how many empty units stand around the image.
        features: the channels of the target.

    Raises:
        ParameterError: a kernel that does not fit; at `Network.init`, groups of other sizes.
    """

    features: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("Conv2d.features", self.features, 1)

    @property
    def channels(self) -> int:
        return self.features

    @property
    def _edges_of_a_pair(self) -> int:
        return self.shape[0] * self.features

    @property
    def matrix(self) -> tuple[int, int]:
        return self.shape[0] * self.kernel[0] * self.kernel[1], self.features  # type: ignore[index]

    def _connected(self, window: _Window, n_in: int, n_out: int) -> tuple[Tensor, Tensor, Shared]:
        taps = self.kernel[0] * self.kernel[1]  # type: ignore[index]
        channel, feature = torch.arange(self.shape[0])[:, None, None], torch.arange(self.features)[None, :, None]
        shape = (self.shape[0], self.features, len(window.pre))
        pre, post = (channel * n_in + window.pre).expand(shape), (feature * n_out + window.post).expand(shape)
        index = ((channel * taps + window.tap) * self.features + feature).expand(shape)
        return pre.flatten(), post.flatten(), Shared(self.matrix, index.flatten())


@dataclass(frozen=True)
class Pool2d(SharedConnectivity):
    """A sum over windows of each channel: the weight is ``[kernel row * kernel column, 1]``, shared by the channels.

    With ``weight=1 / taps`` it is the mean over a window of so many taps. Give ``trainable=()``, so that it stays so.

    Args:
        shape: the image of the source: channels, rows, columns.
        kernel: the rows and columns of a window; one number for both.
        stride: by how many units the window moves; default: by its own size.
        padding: how many empty units stand around the image.
    """

    def _default_stride(self) -> int | Sequence[int]:
        return self.kernel

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def matrix(self) -> tuple[int, int]:
        return self.kernel[0] * self.kernel[1], 1  # type: ignore[index]

    @property
    def _edges_of_a_pair(self) -> int:
        return self.shape[0]

    def _connected(self, window: _Window, n_in: int, n_out: int) -> tuple[Tensor, Tensor, Shared]:
        channel = torch.arange(self.shape[0])[:, None]
        shape = (self.shape[0], len(window.pre))
        pre, post = (channel * n_in + window.pre).flatten(), (channel * n_out + window.post).flatten()
        return pre, post, Shared(self.matrix, window.tap.expand(shape).flatten())
