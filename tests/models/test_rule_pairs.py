"""Rules of pairs and triplets of spikes against sums over the pairs that each scheme counts."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

import ship
from rules_by_hand import change, train, weights

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
PRE, POST = [10, 14, 40, 90, 95], [20, 22, 60, 92, 130]


def window(dt):
    """``0.01 exp(-dt / 20 ms)`` for pre before post (dt in slots of 1 ms), ``-0.0105 exp(dt / 20 ms)`` for post before pre."""
    return 0.01 * math.exp(-dt / 20) if dt > 0 else -0.0105 * math.exp(dt / 20)


def test_nearest_pairs():
    """Each spike with the last one of the other side: ``sum over post of W(t - last pre) + sum over pre of W(last post - t)``."""
    wanted = sum(window(j - max(i for i in PRE if i < j)) for j in POST)
    wanted += sum(window(max(j for j in POST if j < i) - i) for i in PRE if any(j < i for j in POST))
    assert change(ship.PairSTDP(pairing="nearest"), PRE, POST) == pytest.approx(wanted, rel=1e-12)


def test_presynaptic_centred_pairs():
    """Each presynaptic spike with the last postsynaptic one before it and the first one after it."""
    wanted = sum(window(min(j for j in POST if j > i) - i) for i in PRE if any(j > i for j in POST))
    wanted += sum(window(max(j for j in POST if j < i) - i) for i in PRE if any(j < i for j in POST))
    assert change(ship.RestrictedSTDP(pairing="presynaptic"), PRE, POST) == pytest.approx(wanted, rel=1e-12)


def test_reduced_pairs():
    """Only spikes that follow each other directly in the train of both sides."""
    both = sorted([(t, "pre") for t in PRE] + [(t, "post") for t in POST])
    follow = [(a, b) for a, b in itertools.pairwise(both) if a[1] != b[1]]
    wanted = sum(window(b[0] - a[0]) if a[1] == "pre" else window(a[0] - b[0]) for a, b in follow)
    assert change(ship.RestrictedSTDP(pairing="reduced"), PRE, POST) == pytest.approx(wanted, rel=1e-12)


def test_schemes_agree_on_single_pairs_and_differ_on_triplets():
    rules = [ship.PairSTDP(), ship.PairSTDP(pairing="nearest")]
    rules += [ship.RestrictedSTDP(pairing=p) for p in ("presynaptic", "reduced")]
    for pre, post in (([20], [30]), ([30], [20]), ([20], [20])):
        assert len({round(change(rule, pre, post), 15) for rule in rules}) == 1
    assert len({round(change(rule, [10, 14, 30], [20, 22, 40]), 12) for rule in rules}) == 4


@pytest.mark.parametrize("mu", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("w", [0.2, 0.9])
def test_power_law_steps(mu, w):
    """A pair changes u by ``rate (1 - u)^mu exp(-T / tau)`` or ``-rate alpha u^mu exp(-T / tau)``, u the place between the
    limits.
    """
    rule = ship.PowerSTDP(rate=0.01, alpha=1.2, mu_plus=mu, mu_minus=mu, w_min=-1.0, w_max=3.0)
    at = -1.0 + 4.0 * w
    up, down = change(rule, [20], [30], w=at), change(rule, [30], [20], w=at)
    assert up == pytest.approx(4 * 0.01 * (1 - w) ** mu * math.exp(-0.5), rel=1e-12)
    assert down == pytest.approx(-4 * 0.01 * 1.2 * w**mu * math.exp(-0.5), rel=1e-12)


def test_power_law_rests_where_both_orders_cancel():
    """Pairs of both orders with one lag: the weight goes to ``u = 1 / (1 + alpha^(1 / mu))``; with mu = 0 to a limit."""
    steps = 4000  # slots of 10 ms: 100 cycles of 0.4 s, a pair of each order in each, 10 ms apart
    pre = train(range(5, steps, 40), steps) + train(range(26, steps, 40), steps)
    post = train(range(6, steps, 40), steps) + train(range(25, steps, 40), steps)
    starts = torch.tensor([0.05, 0.95], dtype=D)
    for mu, alpha in ((1.0, 1.05), (0.5, 1.2)):
        rule = ship.PowerSTDP(rate=0.2, alpha=alpha, mu_plus=mu, mu_minus=mu)
        found = weights(rule, pre, post, w=starts, dt=10e-3)[-400:].mean(0)
        # Within half of a step: they are at most 0.2 exp(-0.5) u^mu.
        torch.testing.assert_close(found, torch.full_like(found, 1 / (1 + alpha ** (1 / mu))), rtol=0, atol=0.04)
    additive = ship.PowerSTDP(rate=0.2, alpha=1.05, mu_plus=0.0, mu_minus=0.0)
    assert float(weights(additive, pre, post, w=0.5, dt=10e-3)[-1]) < 0.15


def protocol(frequency, lag, pairs=60, dt=1e-3):
    """60 pairs at a frequency (Hz), of a lag (s): ``(pre, post)`` in slots."""
    period = round(1 / frequency / dt)
    first = 50 + period * torch.arange(pairs)
    return first.tolist(), (first + round(lag / dt)).tolist()


def by_pairs(pre, post, rule):
    """The triplet rule, minimal and all to all, as sums over spikes at any time."""
    total = 0.0
    for j in post:
        r1 = sum(math.exp(-(j - i) / 16.8) for i in pre if i < j)
        total += rule.a3_plus * r1 * sum(math.exp(-(j - k) / 114) for k in post if k < j)
    for i in pre:
        total -= rule.a2_minus * sum(math.exp(-(i - j) / 33.7) for j in post if j < i)
    return total


# Science D10: the sum over the protocol, at +10 and at -10 ms.
TRIPLETS = {10: (0.119, -0.332), 20: (0.228, -0.342), 40: (0.532, 0.174), 50: (0.763, 0.749)}


@pytest.mark.parametrize("frequency", TRIPLETS)
def test_triplets_by_frequency(frequency):
    """60 pairings at +-10 ms of the minimal model: against the numbers and against the sum over all spikes."""
    rule = ship.TripletSTDP(w_min=-10.0, w_max=10.0)
    for lag, wanted in zip((10e-3, -10e-3), TRIPLETS[frequency], strict=True):
        pre, post = protocol(frequency, lag)
        found = change(rule, pre, post, steps=max(pre + post) + 1)
        assert found == pytest.approx(wanted, abs=6e-4)
        assert found == pytest.approx(by_pairs(pre, post, rule), rel=1e-9)


def test_triplets_at_a_low_frequency():
    """At 0.1 Hz pairs stand alone: 0 for +10 ms and ``-60 a2_minus exp(-10 / 33.7)`` = -0.317 for -10 ms. Three of them, 20
    times.
    """
    rule = ship.TripletSTDP(w_min=-10.0, w_max=10.0)
    for lag, wanted in ((10e-3, 0.0), (-10e-3, -60 * 7.1e-3 * math.exp(-10 / 33.7))):
        pre, post = protocol(0.1, lag, pairs=3, dt=10e-3)
        found = 20 * change(rule, pre, post, steps=max(pre + post) + 1, dt=10e-3)
        assert found == pytest.approx(wanted, abs=1e-9)
        assert found == pytest.approx({0.0: 0.0}.get(wanted, -0.317), abs=6e-4)


def test_triplets_nearest():
    """With traces that a spike sets to 1: ``r1, o2, ...`` are exponentials of the time since the last spike."""
    rule = ship.TripletSTDP(a2_plus=7.5e-10, a3_plus=9.3e-3, a2_minus=7e-3, a3_minus=2.3e-4, tau_y=125e-3, pairing="nearest")
    last = lambda spikes, t, tau: max((math.exp((s - t) / tau) for s in spikes if s < t), default=0.0)  # noqa: E731
    wanted = sum(last(PRE, t, 16.8) * (7.5e-10 + 9.3e-3 * last(POST, t, 125)) for t in POST)
    wanted -= sum(last(POST, t, 33.7) * (7e-3 + 2.3e-4 * last(PRE, t, 101)) for t in PRE)
    assert change(rule, PRE, POST) == pytest.approx(wanted, rel=1e-12)


def test_online_rule():
    """``rate_post (x_pre - x_target) (1 - u)^mu`` at a postsynaptic spike, ``-rate_pre x_post u^mu`` at a presynaptic one."""
    rule = ship.OnlineSTDP(rate_post=0.02, rate_pre=0.01, x_target=0.4, mu=0.5, w_max=2.0)
    u = 0.25
    assert change(rule, [20], [30]) == pytest.approx(2 * 0.02 * (math.exp(-0.5) - 0.4) * (1 - u) ** 0.5, rel=1e-12)
    assert change(rule, [20], [90]) == pytest.approx(2 * 0.02 * (math.exp(-3.5) - 0.4) * (1 - u) ** 0.5, rel=1e-12)
    after = 0.5 - 2 * 0.02 * 0.4 * (1 - u) ** 0.5  # a postsynaptic spike alone depresses
    wanted = -2 * 0.01 * math.exp(-0.5) * (after / 2) ** 0.5
    assert change(rule, [30], [20]) == pytest.approx(after - 0.5 + wanted, rel=1e-12)


def test_online_rule_with_soft_bounds():
    """Steps up shrink with ``(1 - u)^mu``, steps down with ``u^mu_minus``; without the presynaptic part these are all."""
    rule = ship.OnlineSTDP(bounds="both", rate_post=0.02, rate_pre=0.01, x_target=0.4, mu=0.5, mu_minus=2.0, w_max=2.0)
    u = 0.25
    assert change(rule, [20], [30]) == pytest.approx(2 * 0.02 * (math.exp(-0.5) - 0.4) * (1 - u) ** 0.5, rel=1e-12)
    assert change(rule, [20], [90]) == pytest.approx(2 * 0.02 * (math.exp(-3.5) - 0.4) * u**2, rel=1e-12)
    after = 0.5 - 2 * 0.02 * 0.4 * u**2
    both = after - 0.5 - 2 * 0.01 * math.exp(-0.5) * (after / 2) ** 2
    assert change(rule, [30], [20]) == pytest.approx(both, rel=1e-12)
    assert change(replace(rule, acts_at="post"), [30], [20]) == pytest.approx(after - 0.5, rel=1e-12)


def test_online_rule_rests_where_soft_bounds_balance():
    """Every second postsynaptic spike follows the source by 10 ms: x_pre is above 0.4 by ``a = (exp(-1/2) - 0.4) / 2`` on
    average, below it by ``b = (0.4 - exp(-5.5)) / 2`` (110 ms later), so that ``u = a / (a + b)``, within a step.
    """
    rule = ship.OnlineSTDP(acts_at="post", bounds="both", rate_post=0.05, x_target=0.4, mu=1.0, mu_minus=1.0, w_max=2.0)
    pre, post = range(20, 20_000, 200), range(30, 20_000, 100)
    a, b = (math.exp(-0.5) - 0.4) / 2, (0.4 - math.exp(-5.5)) / 2
    found = 0.5 + change(rule, pre, post, steps=20_000)
    assert found / 2 == pytest.approx(a / (a + b), abs=0.05 * 0.4)


def test_online_rule_finds_the_active_inputs():
    """A target that is taught to follow half of its inputs keeps their weights and loses the others."""
    g = torch.Generator().manual_seed(0)
    rule = ship.OnlineSTDP(x_target=0.3, rate_post=0.05, mu=1.0)
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=10)
    net.add(ship.SpikeInput, "teach", n=1)
    net.add(ship.LIF, "post", n=1, v_th=0.9)
    net.add(ship.ImpulseSynapse, "force", source="teach", target="post", weight=1.0)
    net.add(ship.ExpSynapse, "s", source="pre", target="post", weight=0.01, rule=rule)
    net.init(dt=1e-3, dtype=D)
    volley = (torch.rand(1, 4000, 1, generator=g) < 0.02).double()
    late = torch.roll(volley, 3, 1)
    noise = (torch.rand(1, 4000, 5, generator=g) < 0.005).double()
    net.run({"pre": torch.cat([volley.expand(1, 4000, 5), noise], -1), "teach": late})
    w = net["s"].plastic_weight.flatten()
    assert float(w[:5].min()) > 0.6
    assert float(w[5:].max()) < 0.2


@pytest.mark.parametrize("rule", [ship.PairSTDP(pairing="nearest"), ship.TripletSTDP(), ship.PowerSTDP(), ship.RestrictedSTDP()])
def test_windows_do_not_depend_on_dt(rule):
    """Traces are exact, so that spikes on the grid give the same changes in slots of 1 and of 0.25 ms."""
    fine = change(rule, [4 * t for t in PRE], [4 * t for t in POST], steps=1600, dt=0.25e-3)
    assert fine == pytest.approx(change(rule, PRE, POST), rel=1e-11)


@pytest.mark.parametrize("name", ["PowerSTDP", "OnlineSTDP", "BraderFusi", "CNRSTDP"])
def test_limits_need_a_span(name):
    rule = getattr(ship, name)(w_min=0.5, w_max=0.5)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "out", n=1)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=0.5, rule=rule)
    with pytest.raises(ship.ParameterError, match=r"'s'\.rule\.w_max: must be above w_min"):
        net.init(dt=1e-3)
