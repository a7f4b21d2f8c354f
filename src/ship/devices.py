"""Memory devices, their parts and mappings: `ship.models.devices` under a short name."""

from .models.devices import *  # noqa: F403
from .models.devices import __all__ as __all__
