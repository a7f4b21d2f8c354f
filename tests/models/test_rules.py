"""Learning rules against pairs of spikes by hand: bounds, batches, chips, and runs in pieces."""

import math

import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def stdp(pre, post, steps=200, dt=1e-3, w=0.5, batch=1, chips=None, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "pre", n=1)
    net.add(ship.SpikeInput, "teach", n=1)
    net.add(ship.LIF, "post", n=1, v_th=0.5, tau=1e-3)
    net.add(ship.ImpulseSynapse, "force", source="teach", target="post", weight=1.0)
    net.add(ship.ExpSynapse, "s", source="pre", target="post", weight=w, rule=ship.PairSTDP(**options), tau=1.0)
    net.init(dt=dt, dtype=D, chips=chips)
    x, y = torch.zeros(batch, steps, 1), torch.zeros(batch, steps, 1)
    x[:, list(pre)] = 1
    y[:, list(post)] = 1
    net.monitor("s", "weight")
    net.run({"pre": x, "teach": y})
    return net


def test_stdp_pairs():
    """Science D10: +10 ms 0.006065, -10 ms -0.006369 (unit weight); read before increments, so zero lag does nothing; acts from
    the next slot.
    """
    plus, minus, both = stdp([20], [30]), stdp([30], [20]), stdp([20], [20])
    assert float(plus["s"].plastic_weight) - 0.5 == pytest.approx(0.01 * math.exp(-0.5), rel=1e-12)
    assert float(plus["s"].plastic_weight) - 0.5 == pytest.approx(0.006065, abs=1e-6)
    assert float(minus["s"].plastic_weight) - 0.5 == pytest.approx(-0.006369, abs=1e-6)
    assert float(both["s"].plastic_weight) == 0.5
    w = plus.records["s"].weight[0, :, 0, 0]
    assert float(w[30]) == 0.5
    assert float(w[31]) > 0.5


def test_stdp_all_pairs_bounds_persistence():
    pre, post = range(10, 150, 20), range(15, 155, 20)
    net = stdp(pre, post)
    want = 0.5
    for i in pre:
        for j in post:
            want += 0.01 * math.exp(-(j - i) / 20) if j > i else -0.0105 * math.exp(-(i - j) / 20)
    assert float(net["s"].plastic_weight) == pytest.approx(want, rel=1e-12)
    before = net["s"].plastic_weight.clone()
    silent = {"pre": torch.zeros(1, 50, 1), "teach": torch.zeros(1, 50, 1)}
    net.run(silent)  # a reset keeps what was learned
    assert torch.equal(net["s"].plastic_weight, before)
    assert "groups.s.plastic_weight" in net.state_dict()
    net.run(silent, reset_persistent=True)
    assert float(net["s"].plastic_weight) == 0.5
    assert float(stdp(pre, post, w=0.999)["s"].plastic_weight) == 1.0


def test_stdp_batch_is_reduced_and_chips_are_separate():
    assert float(stdp([20], [30], batch=3)["s"].plastic_weight) == pytest.approx(0.5 + 3 * 0.01 * math.exp(-0.5))
    assert float(stdp([20], [30], batch=3, reduce="mean")["s"].plastic_weight) == pytest.approx(0.5 + 0.01 * math.exp(-0.5))
    net = stdp([20], [30], chips=2, w=ship.Varied(0.5, d2d=0.1))
    w = net["s"].plastic_weight.flatten()
    assert float(w[0]) != float(w[1])
    assert torch.allclose(w - net["s"].value("weight").flatten(), torch.full((2,), 0.01 * math.exp(-0.5), dtype=D))


def test_plastic_feed_forward_net_needs_no_inserted_slot():
    assert "none: every latency" in stdp([20], [30]).explain()


def test_plastic_run_in_two_pieces_equals_one():
    whole = stdp([10, 60, 90, 120], [20, 55, 100, 140])
    net = stdp([], [])
    net.reset()
    x, y = torch.zeros(1, 200, 1), torch.zeros(1, 200, 1)
    x[:, [10, 60, 90, 120]] = 1
    y[:, [20, 55, 100, 140]] = 1
    net.run({"pre": x[:, :95], "teach": y[:, :95]})
    net.run({"pre": x[:, 95:], "teach": y[:, 95:]}, reset=False)
    assert float(net["s"].plastic_weight) == pytest.approx(float(whole["s"].plastic_weight), rel=1e-14)
