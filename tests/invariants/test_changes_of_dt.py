"""Changes of dt: events and charge are neither lost nor doubled, and levels stay constant, in runs drawn at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ship

DT = 1e-3
pytestmark = pytest.mark.usefixtures("no_grad")
few = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


programmes = st.lists(
    st.tuples(st.sampled_from([0.25e-3, 0.3e-3, 0.5e-3, 0.7e-3, 1e-3, 2e-3]), st.integers(1, 9)), min_size=1, max_size=4
)


@few
@given(st.lists(programmes, min_size=1, max_size=3), st.integers(0, 10**6))
def test_events_are_neither_lost_nor_doubled_when_dt_changes(runs, seed):
    """One unit for each event: it arrives once, in the slot nearest to its time, or is still on its way at the end."""
    rng = np.random.default_rng(seed)
    total = sum(n for segments in runs for _, n in segments)
    units = 6
    slot, delay = (
        rng.integers(0, total, units),
        rng.choice([0.0, 0.1e-3, 0.5e-3, 0.75e-3, 1e-3, 1.2e-3, 2.5e-3, 6e-3, 20e-3], units),
    )
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=units)
    net.add(ship.LIF, "cell", n=units)
    net.add(ship.Link, "way", source="in", target="cell", delay=delay, output=True)
    net.init(dt=DT, dtype=torch.float64)
    x = torch.zeros(1, total, units)
    x[0, slot, range(units)] = 1
    outs, times, steps, first = [], [], [], 0
    for i, segments in enumerate(runs):
        n = sum(s for _, s in segments)
        outs.append(net.run(x[:, first : first + n], dt=segments, reset=i == 0)[0].numpy())
        times.append(net.timeline().numpy())
        steps += [d for d, s in segments for _ in range(s)]
        first += n
    out, time, step = np.concatenate(outs), np.concatenate(times), np.array(steps)
    end = time[-1] + step[-1]
    for u in range(units):
        due, found = time[slot[u]] + delay[u], np.flatnonzero(out[:, u])
        assert out[:, u].sum() == len(found) <= 1
        if len(found):
            k = found[0]
            assert abs(time[k] - due) <= max(step[k], step[max(k - 1, 0)]) / 2 + 1e-9
        else:
            assert due >= end - step[-1] / 2 - 1e-9


@few
@given(st.lists(programmes, min_size=1, max_size=3), st.sampled_from([0.0, 1e-3, 2e-3, 6e-3]), st.integers(0, 10**6))
def test_charge_is_neither_lost_nor_doubled_when_dt_changes(runs, delay, seed):
    """A perfect integrator ends with all that was sent: the synapse's charge has a way with a delay of whole slots of the first
    dt.
    """
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LeakyIntegrator, "cell", n=2, tau=math.inf, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", n=2, weight=torch.tensor([[1.0, 0.25], [0.5, 2.0]]), tau=1e-3)
    net.add(ship.Link, "way", source="syn", target="cell", delay=delay)
    net.init(dt=DT, dtype=torch.float64)
    rng = np.random.default_rng(seed)
    sent = torch.zeros(2, dtype=torch.float64)
    for every in runs:
        segments = [(d, n) for d, n in every if abs(delay / d - round(delay / d)) < 1e-9]  # whole slots; see the test below
        if not segments:
            continue
        x = torch.as_tensor(rng.integers(0, 3, (1, sum(n for _, n in segments), 2))).double()
        net.run(x, dt=segments, reset=net._sim.lead is None)
        sent += x.sum((0, 1)) @ net["syn"].value("weight")
    if net._sim.lead is not None:
        last = net.run(torch.zeros(1, 60, 2), dt=DT, reset=False)[0, -1]
        torch.testing.assert_close(last, sent, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "slots"),
    [("charge", s) for s in (0.6, 1.4, 1.6)] + [("values", 0.6), ("values", 1.4), ("values", 1.6)],
)
def test_pieces_equal_one_run_where_a_delay_is_no_whole_number_of_slots(kind, slots):
    net = ship.Network()
    if kind == "charge":
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.ExpSynapse, "a", source="in", n=1, weight=1.0, tau=1e-3)
    else:
        net.add(ship.CurrentInput, "in", n=1)
        net.add(ship.WeightedSum, "a", source="in", n=1, weight=1.0)
    net.add(ship.LIF, "cell", n=1)
    net.add(ship.Link, "way", source="a", target="cell", delay=slots * DT, output=True)
    net.init(dt=DT, dtype=torch.float64)
    x = torch.ones(1, 8, 1)
    out = net.run(x)
    torch.testing.assert_close(torch.cat([net.run(x[:, :4]), net.run(x[:, 4:], reset=False)], 1), out, rtol=1e-12, atol=1e-12)


def test_a_constant_level_stays_constant_when_dt_changes():
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=1)
    net.add(ship.LIF, "cell", n=1)
    net.add(ship.Link, "way", source="in", target="cell", delay=1.4e-3, output=True)
    net.init(dt=DT, dtype=torch.float64)
    out = net.run(torch.ones(1, 16, 1), dt=[(1e-3, 8), (0.25e-3, 8)])[0, :, 0]
    assert out.tolist() == [0.0] + [1.0] * 15
