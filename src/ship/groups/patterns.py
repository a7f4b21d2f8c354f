"""The connectivity of the library, by name: what a file may ask for."""

from __future__ import annotations

from .connectivity import Edges, InDegree, OutDegree, Probability
from .convolution import Conv2d, Pool2d
from .distance import ByDistance, OneToOne

CONNECTIVITIES = {c.__name__: c for c in (InDegree, OutDegree, Probability, OneToOne, ByDistance, Conv2d, Pool2d, Edges)}
