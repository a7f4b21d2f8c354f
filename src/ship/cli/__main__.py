"""``python -m ship.cli``."""

from .main import main

main()
