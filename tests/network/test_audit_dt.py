"""The audit of the time step, against orders that are known, against exact solutions, and with faults that were planted."""

import pytest
import torch

import ship
from ship.models import gemo2024
from ship.network.audit.beside import finer
from ship.network.audit.compare import coarser, moved, order_of, richardson

D = torch.float64


def spikes(batch=4, steps=200, n=20, p=0.03, seed=1):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(seed)) < p).double()


def below_threshold(kind):
    """A membrane that nothing makes fire, with three ways to integrate it."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    if kind == "2024":
        net.add(gemo2024.LIF2024, "out", n=5, tau=20e-3, v_th=1e6, output=True)
        net.add(gemo2024.FirstOrder2024, "syn", source="in", target="out", weight=ship.Uniform(0.0, 5.0), tau=5e-3)
    else:
        net.add(ship.LIF, "out", n=5, tau=20e-3, v_th=1e6, output=True)
        more = {"drive": "exact"} if kind == "exact" else {}
        net.add(ship.ExpSynapse, "syn", source="in", target="out", weight=ship.Uniform(0.0, 0.1), tau=5e-3, **more)
    net.init(dt=1e-3, dtype=D)
    return net


@pytest.mark.parametrize(("kind", "order"), [("SHIP", 2.0), ("2024", 1.0)])
def test_the_order_below_threshold(kind, order):
    """SHIP's membrane holds a charge over its slot: order 2. The published one adds it at the end: order 1."""
    made = below_threshold(kind).audit_dt(spikes(), halvings=3)
    assert made["out"].order == pytest.approx(order, abs=0.1)
    assert made["out"].spikes == (0, 0, 0, 0)
    assert made.limits == "out"


def test_what_is_exact_is_called_exact():
    made = below_threshold("exact").audit_dt(spikes())
    assert made["out"].difference == (0.0, 0.0)
    assert made["out"].order is None
    assert made.error == 0.0
    assert made.limits == ""
    assert "Nothing depends on dt" in str(made)


def test_the_error_is_that_of_an_exact_run():
    """``drive="exact"`` gives the exact voltage: the estimated error at dt is the true one within a tenth."""
    x, found = spikes(), {}
    for kind in ("SHIP", "exact"):
        net = below_threshold(kind)
        net.monitor("out", "v")
        net.run(x)
        found[kind] = net.records["out"].v
    true = float((found["SHIP"] - found["exact"]).abs().mean() / found["exact"].std(correction=0))
    assert below_threshold("SHIP").audit_dt(x)["out"].state_error == pytest.approx(true, rel=0.1)


def regular(dt=1e-3):
    """Neurons under constant currents, which fire after ``tau ln(I tau / (I tau - v_th))``."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=20)
    net.add(ship.LIF, "out", n=20, tau=20e-3, output=True)
    net.add(ship.Link, "link", source="in", target="out")
    net.init(dt=dt, dtype=D)
    return net


def test_the_number_of_spikes_against_the_closed_form():
    """A crossing is seen at the end of its slot: intervals are half a slot too long on average, the rate too low by that."""
    current = torch.linspace(80.0, 160.0, 20, dtype=D)  # V/s
    interval = 20e-3 * torch.log(current * 20e-3 / (current * 20e-3 - 1))
    exact = float((2.0 / interval).sum())
    made = regular().audit_dt(current.expand(1, 2000, 20))
    true = (exact - made["out"].spikes[0]) / exact
    assert 0.02 < true < 0.06
    assert made["out"].rate_error == pytest.approx(true, rel=0.2)


def test_the_proposed_dt_keeps_the_tolerance():
    x = torch.linspace(80.0, 160.0, 20, dtype=D).expand(1, 500, 20)
    net = regular()
    made = net.audit_dt(x, tolerance=0.01)
    assert made.error > 0.01
    assert made.proposed_dt < net.dt
    ratio = round(net.dt / made.proposed_dt)
    again = regular(made.proposed_dt).audit_dt(x.repeat_interleave(ratio, 1), tolerance=0.01)
    assert again.error < 0.015  # the estimate is one of a whole number of spikes
    assert f"dt = {made.proposed_dt:g} s" in str(made)


def chain(fast=""):
    """Three groups in a row, each at a few spikes; one of them may be driven to some 200 Hz, of which the next sees little."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=20)
    for before, tag in (("in", "a"), ("a", "b"), ("b", "c")):
        factor = 8.0 if tag == fast else (0.15 if before == fast else 1.0)
        net.add(ship.LIF, tag, n=20, tau=20e-3, t_ref=2e-3, output=tag == "c")
        weight = ship.Uniform(0.0, 0.2 * factor)
        net.add(ship.ExpSynapse, f"{before}>{tag}", source=before, target=tag, tau=10e-3, weight=weight)
    net.init(dt=1e-3, dtype=D)
    return net


@pytest.mark.parametrize("fast", ["a", "b", "c"])
def test_a_group_that_is_too_fast_is_named(fast):
    """What is seen at the end of a slot counts most where intervals are short. Behind it groups differ for what they get."""
    made = chain(fast).audit_dt(spikes())
    assert all(made[tag].spikes[0] > 20 for tag in "abc")
    assert made.limits == fast
    assert made[fast].own > 1.5 * max(made[tag].own for tag in "abc" if tag != fast)
    assert f"'{fast}' limits dt" in str(made)


def rounded(delay, t_ref):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "out", n=2, t_ref=t_ref, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", target="out", delay=delay)
    net.init(dt=1e-3, dtype=D)
    return net


def test_what_is_rounded_is_said_here_and_in_explain():
    net = rounded(delay=1.4e-3, t_ref=2.3e-3)
    made = net.audit_dt(spikes(n=2))
    assert len(made.rounded) == 2
    assert "in -> syn: delay rounded to whole slots, by at most 0.0004 s" in made.rounded[0]
    assert "t_ref rounded to whole slots, by at most 0.0003 s" in made.rounded[1]
    for text in made.rounded:
        assert text in net.explain()
        assert f"rounded: {text}" in str(made)
    assert rounded(delay=2e-3, t_ref=3e-3).audit_dt(spikes(n=2)).rounded == ()


def test_a_dead_time_that_is_rounded_up_and_down_is_no_convergence():
    """2.3 ms act as 2, 2.5 and 2.25 ms: spikes become fewer and then more."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=20)
    net.add(ship.LIF, "out", n=20, tau=20e-3, t_ref=2.3e-3, output=True)
    net.add(ship.Link, "link", source="in", target="out")
    net.init(dt=1e-3, dtype=D)
    made = net.audit_dt(torch.linspace(300.0, 600.0, 20, dtype=D).expand(1, 500, 20))
    few, fewer, more = made["out"].spikes
    assert fewer < few < more
    assert made["out"].rate_order == 0.0
    assert "does not shrink with dt fast enough" in str(made)
    assert "make that whole slots first" in str(made)


def test_the_published_dead_time_is_rounded_up():
    """A countdown blocks ceil(refr_time / dt) slots."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(gemo2024.LIF2024, "out", n=2, refractory="countdown", refr_time=2.3e-3, output=True)
    net.add(gemo2024.FirstOrder2024, "syn", source="in", target="out")
    net.init(dt=1e-3, dtype=D)
    assert "refr_time rounded up to whole slots, by at most 0.0007 s" in net.explain()
    assert "refr_time rounded up" in net.audit_dt(spikes(n=2)).rounded[0]


def test_sources_send_the_same_events_at_any_dt():
    net = ship.Network()
    net.add(ship.PoissonSource, "in", n=20, rate=30.0)
    net.add(ship.LIF, "out", n=5, tau=20e-3, v_th=1e6, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", target="out", weight=ship.Uniform(0.0, 0.1))
    net.init(dt=1e-3, dtype=D)
    made = net.audit_dt(duration=0.2, batch=2)
    assert made["out"].order == pytest.approx(2.0, abs=0.1)  # with other events there would be none
    assert made.notes == ()


def test_noise_is_said():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.NoisyLIF, "out", n=2, sigma=0.1, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", target="out")
    net.init(dt=1e-3, dtype=D)
    assert "'out' draws noise in every slot: at another dt it draws others" in net.audit_dt(spikes(n=2)).notes[0]


@torch.no_grad()
def test_the_network_stays_as_it_is():
    net, x = chain(), spikes()
    net.monitor("a", "v")
    before = net.run(x)
    kept = net.records["a"].v
    net.audit_dt(x)
    assert net.records["a"].v is kept
    assert torch.equal(net.run(x), before)


@torch.no_grad()
@pytest.mark.parametrize("chips", [None, 2])
def test_the_metric_gets_outputs_on_the_slots_of_dt(chips):
    net = chain()
    net.init(dt=1e-3, dtype=D, chips=chips)
    shapes = []

    def metric(out):
        shapes.append(tuple(out.shape))
        return out.sum(-2).mean()

    made = net.audit_dt(spikes(), metric=metric)
    lead = () if chips is None else (chips,)
    assert shapes == [(*lead, 4, 200, 20)] * 3
    assert made.metric[0] == pytest.approx(float(net.run(spikes()).sum(-2).mean()))
    assert made.metric == pytest.approx([n / (4 * 20 * (chips or 1)) for n in made["c"].spikes], rel=0.02)
    assert "The metric changes by at most" in str(made)


def test_a_programme_is_fine_only_where_groups_are_at_work():
    x = torch.zeros(1, 600, 20, dtype=D)
    x[:, 240:415] = torch.linspace(80.0, 160.0, 20, dtype=D)
    made = regular().audit_dt(x)
    fine = round(180 * 1e-3 / made.proposed_dt)
    assert made.programme == ((1e-3, 240), (made.proposed_dt, fine), (1e-3, 180))
    assert f"dt={list(made.programme)}" in str(made)


def test_a_group_alone_may_be_left_out():
    made = chain("b").audit_dt(spikes(), isolate=False)
    assert made["b"].own is None
    assert made.limits  # by the whole difference then


def test_late_neurons_and_events_lists():
    """Neurons that emit late are compared at the ends of slots; an input may be a list of events."""
    net = below_threshold("2024")
    slot, unit = spikes(1)[0].nonzero(as_tuple=True)
    made = net.audit_dt(ship.Events(slot.double() * 1e-3, unit), steps=200)
    assert made["out"].order == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"halvings": 1}, "halvings"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"metric": lambda out: "good"}, "metric: must return a number"),
    ],
)
def test_wrong_calls(options, text):
    with pytest.raises(ship.RunError, match=text):
        chain().audit_dt(spikes(1, 20), **options)


# -- parts -----------------------------------------------------------------------------------------------------------------


def test_signals_on_other_slots():
    x = torch.tensor([[1.0], [0.0], [2.0]])
    assert finer(x, "events", 2).flatten().tolist() == [1, 0, 0, 0, 2, 0]
    assert finer(x, "values", 2).flatten().tolist() == [1, 1, 0, 0, 2, 2]
    fine = torch.tensor([[1.0], [0.0], [0.0], [4.0], [2.0], [8.0]])
    assert coarser(fine, True, False, 2).flatten().tolist() == [1, 0, 6]  # crossings up to t_k; the last one comes after it
    assert coarser(fine, True, True, 2).flatten().tolist() == [1, 4, 10]  # crossings within slot k
    assert coarser(fine, False, False, 2).flatten().tolist() == [1, 0, 2]
    assert coarser(fine, False, True, 2).flatten().tolist() == [0, 4, 8]


def test_spikes_of_two_runs():
    """Train 0 has its two spikes 1 and 2 ms later, train 1 one more, train 2 is silent."""
    a = torch.tensor([0, 1, 0]), torch.tensor([0.010, 0.015, 0.040])
    b = torch.tensor([0, 1, 0, 1]), torch.tensor([0.011, 0.016, 0.042, 0.050])
    made = moved(a, b)
    assert made.shift == pytest.approx(1.5e-3)
    assert made.changed == pytest.approx(0.5)
    assert made.rate == pytest.approx(0.25)  # 3 instead of 4
    assert moved((a[0][[0, 2]], a[1][[0, 2]]), (b[0][[0, 2]], b[1][[0, 2]])).rate == pytest.approx(2 / 42)


def test_orders_and_errors():
    assert order_of([0.4, 0.1, 0.025]) == pytest.approx(2.0)
    assert order_of([0.4, 0.2]) == pytest.approx(1.0)
    assert order_of([0.0, 0.0]) is None
    assert richardson(0.75, 2.0) == pytest.approx(1.0)  # e(dt) = 1, e(dt / 2) = 1 / 4
    assert richardson(0.5, 1.0) == pytest.approx(1.0)
