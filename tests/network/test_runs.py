"""Runs of a network: shapes, chips, batches, continuing, sweeps, and inputs of every kind."""

import pytest
import torch

import ship
from example_network import build, spikes

D = torch.float64


@pytest.mark.parametrize("plastic", [False, True])
def test_chips_together_equal_chips_alone(no_grad, plastic):
    x = spikes(batch=1 if plastic else 3)
    together = build(chips=4, plastic=plastic)
    out = together.run(x)
    assert out.shape == (4, len(x), 60, 4)
    assert float((out[0] - out[1]).abs().max()) > 1e-3
    for die in range(4):
        assert torch.allclose(build(chips=[die], plastic=plastic).run(x)[0], out[die], rtol=1e-12, atol=1e-13)
    assert torch.allclose(build(plastic=plastic).run(x), out[0], rtol=1e-12, atol=1e-13)
    assert build(chips=1).run(x).ndim == 4


def test_nominal_chips_differ_only_by_noise(no_grad):
    net = build(chips=2, variation=False)
    assert not [name for name in net.state_dict() if "deviate" in name]


def test_batch_equals_single_runs(no_grad):
    x, net = spikes(batch=4), build()
    out = net.run(x)
    for b in range(4):
        assert torch.allclose(net.run(x[b : b + 1], first_sample=b)[0], out[b], rtol=1e-12, atol=1e-13)


def test_a_run_in_pieces_equals_one(no_grad):
    x, net = spikes(), build()
    whole = net.run(x)
    pieces = torch.cat([net.run(x[:, :7]), net.run(x[:, 7:8], reset=False), net.run(x[:, 8:], reset=False)], 1)
    assert torch.allclose(pieces, whole, rtol=1e-12, atol=1e-13)
    net.reset()
    stepped = torch.stack([net.step(x[:, k]) for k in range(60)], 1)
    assert torch.allclose(stepped, whole, rtol=1e-12, atol=1e-13)


def test_programme_of_equal_dt_changes_nothing(no_grad):
    x, net = spikes(), build()
    whole = net.run(x)
    assert torch.allclose(net.run(x, dt=[(1e-3, 11), (1e-3, 30), (1e-3, 19)]), whole, rtol=1e-12, atol=1e-13)


def test_change_of_dt_where_the_solution_is_exact(no_grad):
    """Exact drive below threshold: a programme gives the closed form's values at its own times."""

    def net_and_input(programme):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "a", n=1, v_th=1e9)
        net.add(ship.ExpSynapse, "s", source="in", target="a", weight=1.0, drive="exact")
        net.init(dt=1e-3, dtype=D)
        net.monitor("a", "v")
        x = torch.zeros(1, sum(n for _, n in programme), 1)
        x[0, 0] = 1
        net.run(x, dt=programme)
        return net.timeline(), net.records["a"].v[0, :, 0]

    t, v = net_and_input([(1e-3, 5), (0.1e-3, 100), (5e-3, 4)])
    exact = 20e-3 / 15e-3 * (torch.exp(-t / 20e-3) - torch.exp(-t / 5e-3))
    assert float((v - exact).abs().max()) < 1e-12


def test_two_networks_do_not_interact(no_grad):
    x = spikes()
    alone = build().run(x)
    a, b = build(), build(seed=5)
    first, other = a.run(x[:, :30]), b.run(x)
    rest = a.run(x[:, 30:], reset=False)
    assert torch.equal(torch.cat([first, rest], 1), alone)
    assert len(a.tags) == len(b.tags) == 9
    assert not torch.equal(other, alone)


def test_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    build(chips=2).run(spikes())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seed_zero_counts_and_renaming_changes_draws(no_grad):
    a, b, c = build(seed=0), build(seed=0), build(seed=1)
    assert torch.equal(a["hid>out"].weight, b["hid>out"].weight)
    assert not torch.equal(a["hid>out"].weight, c["hid>out"].weight)


def test_trial_changes_the_noise_only(no_grad):
    net, x = build(), spikes()
    assert torch.equal(net.run(x, trial=0), net.run(x))
    assert not torch.equal(net.run(x, trial=1), net.run(x, trial=0))


def test_batch_sweeps_a_parameter(no_grad):
    """The publication's Fig. 8b: tau swept over the batch, one shared Poisson train; a larger tau never spikes less here."""
    net = ship.Network()
    net.add(ship.PoissonSource, "in", n=3, rate=200.0, shared=True)
    net.add(
        ship.LIF,
        "lif",
        n=1,
        tau=ship.per_sample(torch.linspace(10e-3, 100e-3, 10)),
        t_ref=10e-3,
        output=True,
        initial={"v": ship.Uniform(0, 1)},
    )
    net.add(ship.ExpSynapse, "s", source="in", target="lif", weight=ship.Uniform(0, 1))
    net.init(dt=1e-4)
    net.monitor("lif", "v")
    out = net.run(duration=0.1)
    assert out.shape == (10, 1000, 1)
    assert torch.equal(net.records["lif"].v[:, 0].unique(), net.records["lif"].v[:1, 0].flatten())
    counts = out.sum(1).flatten()
    assert float(counts.diff().min()) >= 0
    assert counts[-1] > counts[0]
    single = ship.Network()
    single.add(ship.SpikeInput, "in", n=1)
    single.add(ship.LIF, "l", n=2, tau=ship.per_sample([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    single.init()
    assert single["l"].tau.shape == (1, 3, 2)  # [chip, batch, unit]


def test_inputs_of_every_kind(no_grad):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.Link, "l", source="in", output=True)
    net.init(dt=1e-3)
    events = ship.Events(time=[0.0, 2e-3, 2e-3], unit=[0, 1, 1], sample=[0, 1, 1])
    out = net.run(events, steps=4)
    assert out.nonzero().tolist() == [[0, 0, 0], [1, 2, 1]]
    assert float(out[1, 2, 1]) == 2
    ragged = net.run([torch.ones(2, 2), torch.ones(5, 2)])
    assert ragged.sum((1, 2)).tolist() == [4, 10]
    assert net.lengths.tolist() == [2, 5]
    assert torch.equal(net.run(torch.ones(1, 3, 2, dtype=torch.bool)), torch.ones(1, 3, 2))
    assert net.run(torch.ones(1, 3, 2), steps=5)[0, :, 0].tolist() == [1, 1, 1, 0, 0]
    import numpy as np

    assert float(net.run(np.ones((1, 3, 2), dtype=np.int64)).sum()) == 6
