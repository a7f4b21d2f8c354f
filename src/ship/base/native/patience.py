"""A message for users who wait: kernels are being compiled for longer than a second."""

from __future__ import annotations

import logging
import threading
import time


class Patience:
    """A clock that reports once that kernels are being compiled, as soon as that has taken a second.

    The report is a warning in the log `ship`, which Python prints on stderr unless the program says otherwise.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self.left = seconds
        self.deep = 0  # compiling one function may need another
        self.since = 0.0
        self.said = False
        self.timer: threading.Timer | None = None

    def start(self) -> None:
        """Start the clock, because Numba begins to compile a function."""
        self.deep += 1
        if self.deep == 1 and not self.said:
            self.since = time.monotonic()
            self.timer = threading.Timer(max(self.left, 0.0), self.say)
            self.timer.daemon = True
            self.timer.start()

    def stop(self) -> None:
        """Stop the clock, because Numba has compiled a function."""
        self.deep -= 1
        if self.deep == 0 and self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self.left -= time.monotonic() - self.since

    def say(self) -> None:
        """Write the message, at most once in a process."""
        if not self.said:
            logging.getLogger("ship").warning(
                "compiling kernels, some seconds: once for each kind of model that was not used before"
            )
            self.said = True


PATIENCE = Patience()
