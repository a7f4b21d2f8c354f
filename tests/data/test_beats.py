"""Beats cut out of recordings: where they are cut, how they are brought to slots, and that their events say what they were."""

import pytest
import torch

from ship.base.errors import ParameterError, RunError
from ship.data import level_crossing_decode
from ship.data.beats import crossings, cut_midway, resampled

RATE, DT = 360.0, 5e-4


def test_beats_are_cut_midway_between_annotations():
    """Neighbours at 100, 300, 401 and 1000: middles 200, 351 (350.5 rounded up) and 701."""
    cuts = cut_midway(torch.tensor([100, 300, 401, 1000]), longest=10.0, rate=RATE)
    assert cuts.tolist() == [[200, 300, 351], [351, 401, 701]]


def test_pieces_follow_each_other_without_gap_where_none_is_too_long():
    at = torch.randint(50, 400, (100,), generator=torch.Generator().manual_seed(0)).cumsum(0)
    cuts = cut_midway(at, longest=10.0, rate=RATE)
    assert torch.equal(cuts[1:, 0], cuts[:-1, 2])
    assert bool((cuts[:, 0] < cuts[:, 1]).all())
    assert bool((cuts[:, 1] < cuts[:, 2]).all())
    assert torch.equal(cuts[:, 1], at[1:-1])


def test_a_long_pause_is_cut_short():
    """0.5 s at 360 Hz are 180 samples on either side."""
    assert cut_midway(torch.tensor([0, 1000, 2000]), longest=0.5, rate=RATE).tolist() == [[820, 1000, 1180]]


def test_a_piece_may_end_at_a_fixed_time_behind_its_beat():
    """0.25 s at 360 Hz are 90 samples, also where the next beat comes before."""
    cuts = cut_midway(torch.tensor([100, 300, 360, 1000]), longest=10.0, rate=RATE, after=0.25)
    assert cuts.tolist() == [[200, 300, 390], [330, 360, 450]]
    with pytest.raises(ParameterError, match="after: must be above 0 s"):
        cut_midway(torch.tensor([1, 2, 3]), longest=1.0, rate=RATE, after=0.0)


def test_a_straight_line_stays_one_and_slots_are_whole_multiples():
    """101 samples at 360 Hz last 100 / 360 = 0.27778 s: 555 slots of 0.5 ms, of which 540 are a multiple of 20."""
    line = torch.linspace(0, 1, 101)[:, None] * torch.tensor([1.0, -2.0])
    made = resampled(line, rate=RATE, dt=DT, whole=20)
    assert made.shape == (540, 2)
    wanted = torch.arange(540) * DT * RATE / 100
    torch.testing.assert_close(made, torch.stack([wanted, -2 * wanted], 1), atol=1e-6, rtol=0)


def test_resampling_at_the_rate_of_the_samples_gives_them_back():
    """Akima's curve goes through its points."""
    signal = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(resampled(signal, rate=1000.0, dt=1e-3), signal[:49], atol=1e-6, rtol=0)


def test_events_say_the_signal_to_within_a_level():
    draws = torch.Generator().manual_seed(2)
    signals = [torch.randn(n, 2, generator=draws).cumsum(0) * 0.02 for n in (60, 200, 131)]
    coded = crossings(signals, rate=RATE, dt=DT, delta=0.01, bits=3, whole=20, at_once=2)
    for signal, events in zip(signals, coded, strict=True):
        slots = resampled(signal, rate=RATE, dt=DT, whole=20)
        assert events.dtype == torch.uint8
        assert events.shape == (len(slots), 12)
        back = level_crossing_decode(events.float(), delta=0.01, bits=3, start=slots[0])
        assert float((back - slots).abs().max()) < 0.0101
        assert int(events.sum()) > 20


def test_a_sample_is_coded_alike_in_any_company():
    draws = torch.Generator().manual_seed(3)
    signals = [torch.randn(n, 2, generator=draws).cumsum(0) * 0.02 for n in (60, 200, 131)]
    together = crossings(signals, rate=RATE, dt=DT, delta=0.01, bits=3, whole=20)
    for signal, events in zip(signals, together, strict=True):
        assert torch.equal(crossings([signal], rate=RATE, dt=DT, delta=0.01, bits=3, whole=20)[0], events)


def test_mistakes_are_named():
    with pytest.raises(ParameterError, match="cut_midway: at: must be samples that ascend"):
        cut_midway(torch.tensor([3, 2]), longest=1.0, rate=RATE)
    with pytest.raises(ParameterError, match="longest: must be above 0 s"):
        cut_midway(torch.tensor([1, 2, 3]), longest=0.0, rate=RATE)
    with pytest.raises(ParameterError, match=r"must last at least 20 slots of 0\.0005 s; got 3 samples"):
        resampled(torch.zeros(3, 2), rate=RATE, dt=DT, whole=20)
    with pytest.raises(RunError, match="needs at least one signal"):
        crossings([], rate=RATE, dt=DT, delta=0.01, bits=3)
