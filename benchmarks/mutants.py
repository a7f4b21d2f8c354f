"""Damaged measurement files: how many are read rightly, how many are an error of SHIP's, and that none is anything else.

    make mutants
    python benchmarks/mutants.py --mutants 10000 --seed 0

Files are small exports of known devices in each form of the tests and, where the environment variable ``SHIP_DATA`` names their
folder, published files. Each mutant has up to three changes. What right and silently different mean is said in
``tests/helpers/mutants.py``; a table of counts by file is printed, and each mutant that is neither right nor an error.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "helpers")]
import instruments  # noqa: E402
import known_devices  # noqa: E402
import lab  # noqa: E402
import mutants  # noqa: E402

VERDICTS = ("right", "error", "silent", "traceback", "hang")
SMALL = {
    "iv": lambda rng: known_devices.loops(rng, devices=1, cycles=1),
    "statistics": lambda rng: known_devices.switching(rng, n=25),
    "endurance": lambda rng: known_devices.windows(rng, n=20),
    "retention": lambda rng: known_devices.decay(rng, n=30),
    "pulses": lambda rng: known_devices.trains(rng, devices=3, n=12),
}


def generated(folder: Path) -> Iterator[mutants.Good]:
    """Return small exports of known devices, one of each form and kind, and three of plain tables."""
    for form, kinds in instruments.KINDS.items():
        for kind in kinds:
            for seed in range(3 if form == "plain" else 1):
                rng = np.random.default_rng(seed)
                measurement = known_devices.loops(rng, devices=2, cycles=1) if form == "knowm" else SMALL[kind](rng)
                name = f"{form} {kind} {seed}"
                made = instruments.write(folder / name, form, measurement, rng)
                source = [str(p) for p in made.source] if isinstance(made.source, list) else str(made.source)
                yield mutants.good(name + (" log" if form == "ni_log" else ""), source, folder / name / "mutants")


def published(folder: Path) -> Iterator[mutants.Good]:
    """Return the published files, the beginning and the end of long ones."""
    where = lab.folder()
    for case in lab.CASES if where else ():
        paths = [str(where / name) for name in case.files]
        name = "+".join(case.files[:2])
        most = 12 if "yflash" in name else 130
        yield mutants.good(name, paths[0] if len(paths) == 1 else paths, folder / name, most=most)


def main() -> int:
    """Print the table; 1 where a mutant is neither right nor an error."""
    options = argparse.ArgumentParser()
    options.add_argument("--mutants", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        goods = [*generated(Path(folder)), *published(Path(folder))]
        print(f"{'file':52}" + "".join(f"{v:>10}" for v in VERDICTS) + f"{'slowest':>10}")
        for k, made in enumerate(goods):
            count, slowest, bad = Counter[str](), 0.0, []
            for i in range(given.mutants * k // len(goods), given.mutants * (k + 1) // len(goods)):
                start = time.perf_counter()
                found = mutants.outcome(made, given.seed * 1_000_003 + i)
                slowest = max(slowest, time.perf_counter() - start)
                count[found.verdict] += 1
                bad += [(i, found)] if found.verdict not in ("right", "error") else []
            print(f"{made.name[:50]:52}" + "".join(f"{count[v]:>10}" for v in VERDICTS) + f"{slowest:>8.2f} s", flush=True)
            for i, each in bad:
                print(f"    {each.verdict}, mutant {i}: {each.changes}: {each.what[:300]}")
            total += count
    print(f"{'all':52}" + "".join(f"{total[v]:>10}" for v in VERDICTS))
    return int(total["right"] + total["error"] < total.total())


if __name__ == "__main__":
    sys.exit(main())
