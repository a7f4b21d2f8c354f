"""What a network does on a task, beside its accuracy: what it confuses, how soon it decides, and what that takes.

Everything is measured in the same runs: the accuracy with its interval, the macro-F1, the confusion matrix, spikes and synaptic
charge of a sample, the latency to the decision, the accuracy against time, and the energy of a sample where devices give it a
price. No price is invented: without devices, and without costs given to `Network.meter`, synaptic events are counted instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..base.display.notebook import html_table
from ..base.errors import GraphError, RunError
from ..base.statistics import Interval, mean_interval, wilson
from ..models.contract import Neuron
from ..network.audit.sent import Sent, sent
from ..network.energy.ledger import MeanEnergy, grouped
from ..network.network import Network
from ..network.readout import Readout
from ..train.batches import parts_of, steps_of
from ..train.losses import check_labels
from ..train.measuring import measuring
from ..train.metrics import ConfusionMatrix, macro_f1
from .measure import readout_of, say_what_is_ideal

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
RESAMPLES = 1000  # of the bootstrap of the macro-F1
NO_PRICE = "synaptic events only: a price needs devices (device= of net.add), or costs (net.meter)"


class Charge(NamedTuple):
    """The synaptic charge of a sample: what its spikes bring, summed over connections, in the unit of the weights.

    A spike brings its weight in total over a connection: the integral of the current that it starts.
    """

    excitatory: Interval  # of weights above 0
    inhibitory: Interval  # of weights below 0, as a magnitude


class Latency(NamedTuple):
    """The time from the start of a sample to the first slot from which its decision no longer changes."""

    mean: Interval  # s, over the samples that come to a decision
    quantiles: Mapping[float, float]  # s
    undecided: int  # samples (of all chips) whose scores are all equal at the end


class Course(NamedTuple):
    """The share of samples whose decision so far is right, slot by slot. While all scores are equal there is no decision."""

    time: Tensor  # s, of the slots, [time]
    accuracy: Tensor  # [time], the mean over chips


@dataclass(frozen=True)
class Behaviour:
    """What a network does on labelled samples; `behaviour` measures it, ``print`` shows it.

    Intervals are 95 %: over chips where there are several (Student's t), otherwise over samples (Wilson's of the accuracy,
    Student's t of means, and the percentiles of a bootstrap over samples of the macro-F1).
    """

    accuracy: Interval
    macro_f1: Interval
    confusion: ConfusionMatrix
    samples: int
    chips: int | None
    accuracies: Tensor  # of each chip, [chip]; one number without a chip axis
    spikes: Mapping[str, Interval]  # of a sample, by group
    events: Interval  # synaptic events of a sample: spikes times connections
    neuron_spikes: Interval  # of a sample, of all neurons
    charge: Mapping[str, Charge]  # of a sample, by group of synapses
    total_charge: Mapping[str, Charge]  # by the unit of the weights
    latency: Latency
    course: Course
    energy: MeanEnergy | None  # J a sample
    left_out: tuple[str, ...] = (NO_PRICE,)  # what the energy does not hold, in words

    def numbers(self) -> list[tuple[str, Interval, int, str]]:
        """Return the headline numbers: name, value with its interval, number of samples or chips behind it, and how."""
        over = "samples" if self.chips in (None, 1) else "chips"
        n = self.samples if self.chips in (None, 1) else int(self.chips or 1)
        rows = [
            ("accuracy", self.accuracy, n, "Wilson, over samples" if over == "samples" else "Student's t, over chips"),
            ("macro-F1", self.macro_f1, self.samples, "bootstrap over samples"),
            ("latency to decision", self.latency.mean, n, f"Student's t, over {over}"),
            ("spikes a sample", self.neuron_spikes, n, f"of neurons, without inputs; Student's t, over {over}"),
            ("synaptic events a sample", self.events, n, f"spikes times connections; Student's t, over {over}"),
        ]
        for unit, signs in self.total_charge.items():
            for sign, value in zip(("excitatory", "inhibitory"), signs, strict=True):
                name = f"{sign} synaptic charge a sample" + (f" ({unit})" if len(self.total_charge) > 1 else "")
                rows.append((name, value, n, "sum over spikes and connections of the weights of this sign"))
        if self.energy is not None:
            e, ends = self.energy, self.energy.interval
            low, high = ends if ends is not None else (e.low, e.high)
            rows.append(
                ("energy a sample", Interval((e.low + e.high) / 2, low, high, unit="J"), e.n, "as Network.meter counts it")
            )
        return rows

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return rows for files: the confusion matrix, accuracy against time, spikes by group, quantiles of the latency."""
        counts = self.confusion.counts.tolist()
        return {
            "confusion": [{"true": i, "predicted": j, "count": c} for i, row in enumerate(counts) for j, c in enumerate(row)],
            "course": [
                {"time": t, "accuracy": a} for t, a in zip(self.course.time.tolist(), self.course.accuracy.tolist(), strict=True)
            ],
            "spikes": [{"group": tag, "spikes a sample": value} for tag, value in self.spikes.items()],
            "charge": [
                {"group": tag, "unit": plus.unit, "excitatory": plus, "inhibitory": minus}
                for tag, (plus, minus) in self.charge.items()
            ],
            "latency": [{"quantile": q, "latency": t} for q, t in self.latency.quantiles.items()],
        }

    def __str__(self) -> str:
        lines = [f"Behaviour on {self.samples} samples" + ("" if self.chips is None else f", {self.chips} chips")]
        lines += [f"  {name}: {value}" + (f" ({how})" if how else "") for name, value, _, how in self.numbers()]
        quantiles = ", ".join(f"{q:.0%}: {t:.3g} s" for q, t in self.latency.quantiles.items())
        lines.append(f"  quantiles of the latency: {quantiles}; {self.latency.undecided} samples without a decision")
        lines.append("  spikes a sample by group: " + ", ".join(f"{tag} {value.value:.4g}" for tag, value in self.spikes.items()))
        lines += [f"  energy: {text}" for text in self.left_out]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(str(self).splitlines()[0], ("", "value", "how"), [(a, b, d) for a, b, _, d in self.numbers()])


@torch.no_grad()
def behaviour(
    net: Network, batches: Iterable[Sequence[Any]], *, readout: Readout | None = None, trial: int = 0, seed: int = 0
) -> Behaviour:
    """Measure what a network does on labelled samples, all in one pass over the batches.

    Devices do not age meanwhile; records, monitors and what a meter has counted stay as they were.

    Args:
        net: an initialised network with one output.
        batches: ``(x, labels)`` or ``(x, labels, lengths)``, the same for all dies.
        readout: function from the output to scores; default: the one that the network was trained with (``net.readout``).
        trial: number of the trial, from which the noise is drawn.
        seed: the seed of the bootstrap of the macro-F1.

    Raises:
        GraphError: not one output.
        RunError: no samples, labels that do not fit, or no readout: the network was not trained by a `ship.train.Trainer`.

    Warns:
        UserWarning: devices that were never written, or that were written exactly because they have no law of writing. Once.
    """
    if len(net.outputs) != 1:
        raise GraphError("study.behaviour", "needs a network with one output", got=f"{len(net.outputs)}")
    readout = readout_of("study.behaviour", net, readout)
    say_what_is_ideal("study.behaviour", net)
    spec = net.specs[net.outputs[0]]
    found = _Tally(net, spec.tag, readout)
    priced = net.metered or any(group.hardware is not None for group in net.values())
    with measuring(net, held=True):
        for tag, kind in net.wiring.kinds.items():
            if kind == "events" and tag in found.senders:
                net.monitor(tag, "output", events=True)
        if priced:
            with net.metered_apart():
                found.run(batches, trial)
                ledger = net.energy
            return found.result(seed, ledger.per_inference, [f"not in it: {text}" for text in grouped(ledger.missing)])
        found.run(batches, trial)
    return found.result(seed, None, (NO_PRICE,))


class _Tally:
    """What is counted in the runs of `behaviour`."""

    def __init__(self, net: Network, output: str, readout: Readout) -> None:
        self.net, self.output, self.readout = net, output, readout
        self.senders = [tag for tag, kind in net.wiring.kinds.items() if kind == "events" and not _is_synapse(net, tag)]
        self.true: list[Tensor] = []  # [batch]
        self.predicted: list[Tensor] = []  # [chip, batch]
        self.latency: list[Tensor] = []  # s, [chip, batch]; NaN without a decision
        self.right: list[Tensor] = []  # [chip, batch, time]
        self.time = torch.zeros(0, dtype=torch.float64)
        self.spikes: dict[str, list[Tensor]] = {tag: [] for tag in self.senders}  # [chip, batch]
        self.sent: dict[str, list[Sent]] = {}

    def run(self, batches: Iterable[Sequence[Any]], trial: int) -> None:
        for batch in batches:
            x, labels, lengths = parts_of("study.behaviour", batch)
            steps = steps_of(x)
            out = self.net.run(x, steps=None if steps is None else steps + self.readout.tail, trial=trial)
            lengths = self.net.lengths if lengths is None else lengths
            self._take(out if out.ndim == 4 else out.unsqueeze(0), torch.as_tensor(labels), lengths)
        if not self.true:
            raise RunError("study.behaviour", "got no batches", fix="Give a list or Batches, not a generator that is used up.")

    def _take(self, out: Tensor, truth: Tensor, lengths: Tensor | None) -> None:
        scores = self.readout(out, lengths)
        check_labels("study.behaviour", scores, truth)
        truth, time = truth.cpu().long(), self.net.timeline(self.output)
        running = self.readout.running(out, lengths).cpu()
        decided = running.argmax(-1)
        none = running.amax(-1) == running.amin(-1)
        self.true.append(truth)
        self.predicted.append(scores.argmax(-1).cpu())
        self.right.append((decided == truth[:, None]) & ~none)
        if len(time) > len(self.time):
            self.time = time
        unlike = (decided != decided[..., -1:]) | none
        first = torch.where(unlike.any(-1), unlike.shape[-1] - unlike.flip(-1).int().argmax(-1), 0)
        late = time[first.clamp(max=len(time) - 1)]
        self.latency.append(torch.where(first < len(time), late, torch.nan))
        counts = {tag: self._counts(tag, out.shape[:2]) for tag in self.senders}
        for tag, count in counts.items():
            self.spikes[tag].append(count.sum(-1))
        for tag, made in sent(self.net, counts).items():
            self.sent.setdefault(tag, []).append(_whole(made, out.shape[:2]))

    def _counts(self, tag: str, lead: Sequence[int]) -> Tensor:
        """Return the spikes of each unit of a group in the last run, ``[chip, batch, unit]``."""
        events = self.net.records[tag].output
        total = torch.zeros(*lead, self.net[tag].n, dtype=torch.float64)
        places = (events.chip.cpu(), events.sample.cpu(), events.unit.cpu())
        return total.index_put_(places, events.counts.double().cpu(), accumulate=True)

    def result(self, seed: int, energy: MeanEnergy | None, said: Sequence[str]) -> Behaviour:
        true, predicted = torch.cat(self.true), torch.cat(self.predicted, 1)
        hits = (predicted == true).double().mean(-1)
        classes = max(self.net[self.output].n, int(true.max()) + 1)
        confusion = ConfusionMatrix(classes)
        for each in predicted:
            confusion.add(true, each)
        units = dict.fromkeys(made[0].unit for made in self.sent.values())
        several, latency = len(predicted) > 1, torch.cat(self.latency, 1)
        accuracy = mean_interval(hits) if several else wilson(int((predicted[0] == true).sum()), len(true))
        return Behaviour(
            accuracy,
            _macro_f1(true, predicted, classes, seed),
            confusion,
            len(true),
            self.net.chips,
            hits,
            {tag: _mean(torch.cat(made, 1)) for tag, made in self.spikes.items()},
            _mean(self._sum([[s.events for s in made] for made in self.sent.values()])),
            _mean(self._neurons()),
            {tag: self._charge([made]) for tag, made in self.sent.items()},
            {unit: self._charge([m for m in self.sent.values() if m[0].unit == unit]) for unit in units},
            _latency(latency),
            self._course(),
            energy,
            tuple(said),
        )

    def _charge(self, groups: Sequence[Sequence[Sent]]) -> Charge:
        """Add up groups whose weights have one unit."""
        unit = groups[0][0].unit
        plus = self._sum([[s.excitatory for s in made] for made in groups])
        minus = self._sum([[s.inhibitory for s in made] for made in groups])
        return Charge(_with_unit(_mean(plus), unit), _with_unit(_mean(minus), unit))

    def _neurons(self) -> Tensor:
        """Return the spikes of all neurons, ``[chip, sample]``."""
        return self._sum([self.spikes[tag] for tag in self.senders if isinstance(self.net.specs[tag].model, Neuron)])

    def _sum(self, groups: Sequence[Sequence[Tensor]]) -> Tensor:
        """Add up groups, each with a tensor ``[chip, batch]`` for each batch, to ``[chip, sample]``."""
        none = torch.zeros(len(self.predicted[0]), sum(map(len, self.true)), dtype=torch.float64)
        return sum((torch.cat(list(made), 1) for made in groups), none)

    def _course(self) -> Course:
        """Join the batches; a shorter one stays at its last decisions."""
        steps = len(self.time)
        whole = [torch.cat([r, r[..., -1:].expand(*r.shape[:-1], steps - r.shape[-1])], -1) for r in self.right]
        return Course(self.time, torch.cat(whole, 1).double().mean((0, 1)))


def _whole(made: Sent, lead: Sequence[int]) -> Sent:
    events, plus, minus = (x.expand(*lead).cpu() for x in (made.events, made.excitatory, made.inhibitory))
    return Sent(events, plus, minus, made.unit)


def _is_synapse(net: Network, tag: str) -> bool:
    return bool(net.specs[tag].source)


def _mean(values: Tensor) -> Interval:
    """Return the mean of ``[chip, sample]`` over chips where there are several, else over samples."""
    of_each = values.double().mean(-1) if len(values) > 1 else values[0].double()
    return mean_interval(of_each) if len(of_each) > 1 else Interval(float(of_each[0]))


def _latency(values: Tensor) -> Latency:
    known = ~values.isnan()
    decided = values[known]
    if not len(decided):
        return Latency(Interval(float("nan"), unit="s"), {q: float("nan") for q in QUANTILES}, values.numel())
    if len(values) > 1:
        of_each = torch.stack([row[k].mean() for row, k in zip(values, known, strict=True) if bool(k.any())])
    else:
        of_each = decided
    mean = mean_interval(of_each) if len(of_each) > 1 else Interval(float(of_each[0]))
    quantiles = np.quantile(decided.numpy(), QUANTILES)
    return Latency(_with_unit(mean, "s"), dict(zip(QUANTILES, map(float, quantiles), strict=True)), int((~known).sum()))


def _macro_f1(true: Tensor, predicted: Tensor, classes: int, seed: int) -> Interval:
    """Return the macro-F1, a mean over chips.

    The interval holds the middle 95 % of replicates: samples are drawn anew, with their predictions on all chips.
    """
    pairs = (true * classes + predicted).numpy()  # [chip, sample]

    def mean(drawn: np.ndarray[Any, Any]) -> float:
        counts = np.stack([np.bincount(row, minlength=classes**2) for row in drawn])
        return float(macro_f1(torch.from_numpy(counts).view(-1, classes, classes)).mean())

    rng = np.random.default_rng(seed)
    made = [mean(pairs[:, rng.integers(0, pairs.shape[1], pairs.shape[1])]) for _ in range(RESAMPLES)]
    low, high = np.quantile(made, (0.025, 0.975))
    return Interval(mean(pairs), float(low), float(high))


def _with_unit(value: Interval, unit: str) -> Interval:
    return Interval(*value, unit=unit)
