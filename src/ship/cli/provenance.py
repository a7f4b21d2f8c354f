"""How an answer was made, for its page: the command, the versions, the computer."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from ..study.record.environment import environment

PROGRAMS = ("ship", "ship.exe", "__main__.py")


def how_made() -> dict[str, str]:
    """Return the command line where this process is the command ``ship``, versions, platform and threads, by name."""
    place = environment()
    facts = {"Command": shlex.join(["ship", *sys.argv[1:]])} if Path(sys.argv[0]).name in PROGRAMS else {}
    facts |= {"Versions": ", ".join(f"{name} {version}" for name, version in place["versions"].items())}
    threads = place["threads"]
    return facts | {"Computer": f"{place['platform']}, {place['cpu']}, {threads} thread{'s' if threads > 1 else ''}"}
