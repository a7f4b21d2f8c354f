"""A lock for one network at a time: it has one running state, which two threads must not share."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from .errors import RunError

FIX = "Give each thread a network of its own: copy.deepcopy(net)."


class Busy:
    """A lock that refuses instead of waiting: a second ``with busy("Network.run"):`` raises while the first one goes on.

    A copy starts unlocked, whatever its original does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def __call__(self, where: str) -> Busy:
        if not self._lock.acquire(blocking=False):
            raise RunError(where, "must wait until the network's run has ended", got="a run that goes on", fix=FIX)
        self._owner = threading.get_ident()
        return self

    def __enter__(self) -> Busy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._owner = None
        self._lock.release()

    def check(self, where: str) -> None:
        """Refuse to touch a network that is running in another thread.

        Raises:
            RunError: another thread runs the network.
        """
        owner = self._owner
        if owner is not None and owner != threading.get_ident():
            raise RunError(where, "must wait until the network's run has ended", got="a run in another thread", fix=FIX)

    def __deepcopy__(self, memo: dict[int, Any]) -> Busy:
        return Busy()

    def __reduce__(self) -> tuple[type[Busy], tuple[()]]:
        return Busy, ()
