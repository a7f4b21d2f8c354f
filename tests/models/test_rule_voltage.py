"""Rules that read the voltage of their target: Clopath's, and the bistable one of Brader, Senn and Fusi."""

import math

import pytest
import torch

import ship
from rules_by_hand import train, weights

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize("v", [-80e-3, -60e-3, -45e-3, -43e-3, -20e-3])
def test_clopath_at_a_held_voltage(v):
    """Each presynaptic spike changes the weight by ``[v - theta_minus] (a_ltp [v - theta_plus] - a_ltd)``: depression between
    the two thresholds, potentiation above ``theta_plus + a_ltd / a_ltp`` = -43.55 mV.
    """
    rule = ship.ClopathSTDP(w_max=10.0, w_min=-10.0)
    pre = train(range(200, 700, 50), 1000)
    found = weights(rule, pre, 0 * pre, v=torch.full((1000,), v, dtype=D))
    wanted = 10 * max(v + 70.6e-3, 0) * (80 * max(v + 45.3e-3, 0) - 0.14)
    # The filters have reached v to exp(-20) when the first spike comes, the trace has gone to exp(-20) at the end.
    assert float(found[-1] - found[0]) == pytest.approx(wanted, rel=1e-8, abs=1e-15)


def clopath_pairs(frequency, lag, pairs, dt=1e-3):
    """The change by pairs of a lag (slots), at a frequency, on a target that rests at -70.6 mV between its spikes."""
    period = round(1 / frequency / dt)
    first = torch.arange(pairs) * period + 100
    steps = int(first[-1]) + 200
    pre, post = train(first.tolist(), steps), train((first + lag).tolist(), steps)
    v = torch.full((steps,), -70.6e-3, dtype=D)
    found = weights(ship.ClopathSTDP(w_max=10.0, w_min=-10.0), pre, post, v=v)
    return float(found[-1] - found[0])


def test_clopath_single_pairs():
    """A pair at rest. Post first: the spike lifts u_minus by ``(v_spike - theta_minus) (1 - exp(-t_spike / tau_minus))``, which
    decays for T: ``-a_ltd u_minus exp(-T / tau_minus)``. Pre first: u_plus is at theta_minus, so nothing; a second postsynaptic
    spike finds it lifted: ``a_ltp x t_spike / tau_x (v_spike - theta_plus) u_plus``.
    """
    lifted = (33e-3 + 70.6e-3) * (1 - math.exp(-2 / 10))
    assert clopath_pairs(10, -10, pairs=1) == pytest.approx(-0.14 * lifted * math.exp(-1), rel=1e-12)
    assert clopath_pairs(10, 10, pairs=1) == 0.0
    pre, post = train([50], 200), train([60, 65], 200)
    v = torch.full((200,), -70.6e-3, dtype=D)
    found = weights(ship.ClopathSTDP(w_max=10.0), pre, post, v=v)
    u_plus = (33e-3 + 70.6e-3) * (1 - math.exp(-2 / 7)) * math.exp(-5 / 7)
    wanted = 80 * math.exp(-15 / 15) * 2 / 15 * (33e-3 + 45.3e-3) * u_plus
    assert float(found[-1] - found[0]) == pytest.approx(wanted, rel=1e-12)


def test_clopath_needs_a_frequency():
    """Pairs that stand alone do not potentiate, whatever their order; from a target that has nothing but its spikes above rest,
    pairs of either order do at 80 Hz, where each spike finds u_plus lifted by the one before.
    """
    plus, minus = ([clopath_pairs(f, lag, pairs=4) for f in (1, 20, 80)] for lag in (10, -10))
    assert plus[0] == pytest.approx(0, abs=1e-9)
    assert minus[0] < minus[2]
    assert max(minus[0], minus[1], plus[1]) < 0 < min(plus[2], minus[2])


def test_clopath_sees_the_target_of_a_network():
    """A leak that holds the target between the thresholds makes presynaptic spikes depress, as by hand."""
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=2)
    net.add(ship.LIF, "post", n=1, v_rest=-50e-3, v_reset=-60e-3, v_th=-40e-3)
    net.add(ship.ExpSynapse, "s", source="pre", target="post", weight=0.0, rule=ship.ClopathSTDP(w_min=-1.0))
    net.init(dt=1e-3, dtype=D)
    x = torch.zeros(1, 400, 2, dtype=D)
    x[:, 300, 0] = 1
    net.monitor("s", "weight")
    net.run(x)
    first = net.records["s"].weight[0, 301].flatten()
    assert float(first[0]) == pytest.approx(-0.14 * (70.6e-3 - 50e-3), rel=1e-9)
    assert float(first[1]) == 0.0


def fusi(**options):
    return ship.BraderFusi(**{"efficacy": "graded"} | options)


def test_bistable_drift():
    """Without spikes X goes to 1 from above theta_x, to 0 from below, by alpha and beta a second."""
    quiet = train([], 200)
    for start, wanted in ((0.51, 0.51 + 3.5 * 0.1), (0.49, 0.49 - 3.5 * 0.1)):
        found = weights(fusi(), quiet, quiet, w=start, v=quiet)
        assert float(found[100]) == pytest.approx(wanted, rel=1e-12)
        assert float(found[-1]) == (1.0 if start > 0.5 else 0.0)


@pytest.mark.parametrize(("spikes", "v", "wanted"), [
    (2, 0.9, 0.0), (5, 0.9, 0.1), (12, 0.9, 0.1), (15, 0.9, 0.0),  # up between 3 and 13
    (2, 0.7, 0.0), (4, 0.7, -0.1), (6, 0.7, 0.0), (15, 0.7, 0.0),  # down between 3 and 4
])  # fmt: skip
def test_learning_stops_outside_of_a_range_of_calcium(spikes, v, wanted):
    """Calcium of n spikes in one slot is n; one slot later, ``n exp(-dt / tau_c)``, it decides with the voltage on the step."""
    rule = fusi(alpha=0.0, beta=0.0, tau_c=1.0)
    pre, post = train([1], 3), train([0], 3, float(spikes))
    found = weights(rule, pre, post, w=0.5, v=torch.full((3,), v, dtype=D))
    assert float(found[-1] - 0.5) == pytest.approx(wanted, abs=1e-12)


def test_binary_weight_takes_five_steps_to_turn():
    """From the lower end five steps of 0.1 lead to X = 0.5, the sixth across theta_x: the weight jumps, and X stays where it
    is.
    """
    rule = ship.BraderFusi(alpha=0.0, beta=0.0, tau_c=1e6, w_min=0.2, w_max=0.7)
    pre, post = train(range(1, 20, 2), 21), train([0], 21, 8.0)
    found = weights(rule, pre, post, w=0.2, v=torch.full((21,), 0.9, dtype=D))
    jump = int((found > 0.5).nonzero()[0])
    assert jump in (10, 12)  # the fifth or the sixth step: 5 * 0.1 and 0.5 differ by rounding
    assert set(found[:jump].tolist()) == {0.2}
    torch.testing.assert_close(found[jump:], torch.full_like(found[jump:], 0.7))


def test_binary_weight_forgets_steps_that_do_not_suffice():
    """Three steps up drift back in 0.3 / 3.5 = 86 ms, so that three more do not turn it; without the drift six do."""
    pre = train([1, 2, 3, 120, 121, 122], 200)
    post = train([0], 200, 8.0)
    v = torch.full((200,), 0.9, dtype=D)
    assert float(weights(ship.BraderFusi(tau_c=1e6), pre, post, w=0.0, v=v)[-1]) == 0.0
    assert float(weights(ship.BraderFusi(tau_c=1e6, beta=0.0, alpha=0.0), pre, post, w=0.0, v=v)[-1]) == 1.0


def test_bistable_state_outlives_the_run():
    """What a binary weight is away from its end is kept from run to run; two halves of the steps turn it in the second run."""
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=1)
    net.add(ship.SpikeInput, "teach", n=1)
    net.add(ship.LIF, "post", n=1, tau=math.inf, v_th=1.0, v_reset=0.9)
    net.add(ship.ImpulseSynapse, "force", source="teach", target="post", weight=1.0)
    rule = ship.BraderFusi(alpha=0.0, beta=0.0, tau_c=1e6)
    net.add(ship.ImpulseSynapse, "s", source="pre", target="post", weight=0.0, rule=rule)
    net.init(dt=1e-3, dtype=D)
    pre, teach = torch.zeros(1, 40, 1, dtype=D), torch.zeros(1, 40, 1, dtype=D)
    teach[:, 1:6] = 1  # five spikes of calcium
    pre[:, 10:13] = 1
    net.run({"pre": pre, "teach": teach})
    assert float(net["s"].plastic_weight) == 0.0
    pre[:, 10:14] = 1
    net.run({"pre": pre, "teach": teach})
    assert float(net["s"].plastic_weight) == 1.0


def test_rules_that_read_need_a_target_that_has_it():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.SpikeInput, "other", n=1)
    net.add(ship.LIF, "out", n=1)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=0.5, rule=ship.ClopathSTDP())
    with pytest.raises(ship.GraphError, match="belongs to a rule with a third factor; got ClopathSTDP"):
        net.add(ship.ExpSynapse, "t", source="in", target="out", weight=0.5, rule=ship.ClopathSTDP(), modulator="other")
