"""What takes long should not be silent: a message where kernels are compiled for longer than a second."""

from __future__ import annotations

import logging
import threading
import time


class Patience:
    """Says once that kernels are being compiled, as soon as that has taken a second: what takes long should not be silent.

    It goes to the log `ship` as a warning, which Python prints on stderr unless the program says otherwise.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self.left = seconds
        self.deep = 0  # compiling one function may need another
        self.since = 0.0
        self.said = False
        self.timer: threading.Timer | None = None

    def start(self) -> None:
        """Numba begins to compile."""
        self.deep += 1
        if self.deep == 1 and not self.said:
            self.since = time.monotonic()
            self.timer = threading.Timer(max(self.left, 0.0), self.say)
            self.timer.daemon = True
            self.timer.start()

    def stop(self) -> None:
        """Numba has compiled."""
        self.deep -= 1
        if self.deep == 0 and self.timer is not None:
            self.timer.cancel()
            self.timer = None
            self.left -= time.monotonic() - self.since

    def say(self) -> None:
        """Once in a process."""
        if not self.said:
            logging.getLogger("ship").warning(
                "compiling kernels, some seconds: once for each kind of model that was not used before"
            )
            self.said = True


PATIENCE = Patience()
