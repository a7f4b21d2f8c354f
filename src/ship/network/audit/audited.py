"""A network as an audit sees it: what it reads and runs, without knowing the class that a user makes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ...engine.simulation import Simulation
from ...groups.schedule import Schedule
from ..monitor import Monitors
from ..on_devices.verbs import DeviceVerbs
from ..settings import Settings


class Audited(Monitors, DeviceVerbs):
    """A network that can be initialised and run, as an abstract base class."""

    @property
    @abstractmethod
    def dt(self) -> float:
        """The default time step, s."""

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """The settings of the last `init`."""

    @abstractmethod
    def init(self, *args: Any, **options: Any) -> None:
        """Initialise the network, as `Network.init`."""

    @abstractmethod
    def run(self, *args: Any, **options: Any) -> Any:
        """Run the network, as `Network.run`."""

    @abstractmethod
    def schedule(self, dt: float | None = None) -> Schedule:
        """Return the call order, as `Network.schedule`."""

    @abstractmethod
    def simulation(self, where: str = "") -> Simulation:
        """Return the network in time, as `Network.simulation`."""
