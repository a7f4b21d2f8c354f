"""What must not matter: the batch, the pieces of a run, the chips beside a chip, a file or a snapshot in between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from ...network.files.files import load, save
from ..bench import BATCH, Bench, Runs, named, watch
from ..compare import worst_gap
from ..report import Outcome, judged

CLOSE = 1e-12  # float64; sums over rows of a matrix may be taken in another order


def _said(size: float, name: str, same: str) -> str:
    return same if size <= CLOSE else f"{named(name)} differs by {size:.2g} of its largest value"


def a_batch_is_its_samples(bench: Bench) -> Outcome:
    """Check that each sample of a batch is what it is alone."""
    net = bench.ready()
    x = bench.signals(net)
    together = bench.run(net, x, batch=BATCH)
    worst = (0.0, "")
    for i in range(BATCH):
        one = bench.run(net, {k: v[i : i + 1] for k, v in x.items()}, batch=1, first_sample=i)
        worst = max(worst, worst_gap(one, {k: v[i : i + 1] for k, v in together.items()}))
    fix = "A function mixes samples: it may sum or average over no axis but its own trailing ones; [..., unit] is all it sees."
    return judged(worst[0] <= CLOSE, _said(*worst, f"{BATCH} samples, each as alone"), "each sample as it is alone", fix)


def pieces_are_the_whole(bench: Bench) -> Outcome:
    """Check that a run that is cut in two equals one that is not."""
    net, cut = bench.ready(), bench.steps // 3
    x = bench.signals(net)
    whole = bench.run(net, x, batch=BATCH)
    one = bench.run(net, {k: v[:, :cut] for k, v in x.items()}, batch=BATCH, steps=cut)
    two = bench.run(net, {k: v[:, cut:] for k, v in x.items()}, batch=BATCH, steps=bench.steps - cut, reset=False)
    size, name = worst_gap({k: torch.cat([one[k], two[k]], 1) for k in one}, whole)
    fix = "What the next slot depends on must be in the states, and nothing else may count slots or runs."
    return judged(size <= CLOSE, _said(size, name, f"cut after slot {cut}: the same"), "run(a + b) is run(a), then run(b)", fix)


def chips_are_runs(bench: Bench) -> Outcome:
    """Check that each of several chips is what it is alone, with parameters that vary from chip to chip."""
    spread = bench.varied()
    net = bench.ready(values=spread, chips=3)
    x = bench.signals(net, batch=2)
    together = bench.run(net, x, batch=2)
    worst = (0.0, "")
    for die in range(3):
        alone = bench.run(bench.ready(values=spread, chips=[die]), x, batch=2)
        worst = max(worst, worst_gap(alone, {k: v[die : die + 1] for k, v in together.items()}))
    fix = "A function mixes chips: it may use no axis but its own trailing ones, and parameters have a chip axis, too."
    said = f"3 chips, each as alone (parameters varied: {len(spread)})"
    return judged(worst[0] <= CLOSE, _said(*worst, said), "each chip as it is alone", fix)


def a_file_brings_it_back(bench: Bench) -> Outcome:
    """Check that a network that is saved while it runs continues from its file bit for bit."""
    net = bench.ready()
    half = bench.steps // 2
    x = bench.signals(net)
    bench.run(net, {k: v[:, :half] for k, v in x.items()}, batch=BATCH, steps=half)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checked.ship"
        save(net, path, running=True)
        classes = {type(spec.model) for spec in net.specs.values()} | {
            type(spec.rule) for spec in net.specs.values() if spec.rule is not None
        }
        again = load(path, models=[cls for cls in classes if not cls.__module__.startswith("ship.")])
    watch(again)
    return _continues(bench, net, again, x, half, "a saved network goes on bit for bit")


def _continues(bench: Bench, net: object, again: object, x: Runs, half: int, should: str) -> Outcome:
    rest = {k: v[:, half:] for k, v in x.items()}
    options = {"batch": BATCH, "steps": bench.steps - half, "reset": False}
    wanted, found = bench.run(net, rest, **options), bench.run(again, rest, **options)  # type: ignore[arg-type]
    size, name = worst_gap(found, wanted)
    fix = "What the next slot depends on must be in the states and parameters that it declares: only they are kept."
    seen = "goes on with the same bits" if size == 0 else f"{named(name)} differs by {size:.2g} of its largest value"
    return judged(size == 0, seen, should, fix)


def a_snapshot_brings_it_back(bench: Bench) -> Outcome:
    """Check that a network goes back to a snapshot bit for bit."""
    net = bench.ready()
    half = bench.steps // 2
    x = bench.signals(net)
    bench.run(net, {k: v[:, :half] for k, v in x.items()}, batch=BATCH, steps=half)
    kept = net.snapshot()
    rest = {k: v[:, half:] for k, v in x.items()}
    options = {"batch": BATCH, "steps": bench.steps - half, "reset": False}
    wanted = bench.run(net, rest, **options)
    net.restore(kept)
    size, name = worst_gap(bench.run(net, rest, **options), wanted)
    fix = "What the next slot depends on must be in the states and parameters that it declares: only they are kept."
    seen = "goes on with the same bits" if size == 0 else f"{named(name)} differs by {size:.2g} of its largest value"
    return judged(size == 0, seen, "a restored network goes on bit for bit", fix)
