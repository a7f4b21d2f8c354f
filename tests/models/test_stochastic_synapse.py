"""The stochastic synapse: mean, variance and independence of its release, and what its draws depend on."""

import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def released(p, *, n_pre=40, n_post=50, batch=2, steps=60, chips=None, every=2, count=1.0, connect=None, **run):
    """How often each connection released, told by its current, ``[..., time, pre, post]``."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=n_pre)
    net.add(ship.LIF, "t", n=n_post, v_th=1e9)
    net.add(ship.StochasticSynapse, "s", source="in", target="t", weight=1.0, tau=1e-6, p_release=p, connect=connect)
    net.init(dt=1e-3, dtype=D, chips=chips)
    net.monitor("s", "i")
    x = torch.zeros(batch, steps, n_pre)
    x[:, ::every] = count
    net.run(x, **run)
    return net.records["s"].i[..., ::every, :, :] * 1e-6 if connect is None else net.records["s"].i[..., ::every, :] * 1e-6


def test_mean_and_variance_of_the_charge():
    """Mean p w and variance p (1 - p) w^2, each within four of its standard deviations over 120,000 events."""
    p = 0.3
    got = released(p).round()
    assert set(got.unique().tolist()) == {0.0, 1.0}
    n = got.numel()
    assert abs(float(got.mean()) - p) < 4 * (p * (1 - p) / n) ** 0.5
    spread = (p * (1 - p) * (1 - 4 * p * (1 - p)) / n) ** 0.5  # of the variance of a Bernoulli number
    assert abs(float(got.var()) - p * (1 - p)) < 4 * spread + 1 / n


def test_connections_slots_samples_and_chips_are_independent():
    """Correlations of neighbours along each axis, within four standard deviations of nothing."""
    got = released(0.5, chips=3).round() - 0.5  # [chip, batch, time, pre, post]
    for axis in range(got.ndim):
        a, b = got.narrow(axis, 0, got.shape[axis] - 1), got.narrow(axis, 1, got.shape[axis] - 1)
        assert abs(float((a * b).mean())) < 4 * 0.25 / a.numel() ** 0.5


@pytest.mark.parametrize(("p", "count"), [(0.0, 1.0), (1.0, 1.0), (1.0, 2.0)])
def test_certain_release_is_the_exponential_synapse_and_none_is_nothing(p, count):
    assert torch.allclose(released(p, count=count), torch.tensor(count * p, dtype=D), rtol=1e-12, atol=0)


def test_draws_depend_on_seed_sample_and_slot_alone():
    """Not on the batch, the number of chips, or where the run is cut; another trial draws others."""
    whole = released(0.5, batch=3, chips=2)
    assert torch.equal(released(0.5, batch=1, chips=2, first_sample=2), whole[:, 2:])
    assert torch.equal(released(0.5, batch=3, chips=[1]), whole[1:])
    assert not torch.equal(released(0.5, batch=3, chips=2, trial=1), whole)


def test_each_connection_may_have_its_own_probability():
    p = torch.linspace(0.0, 1.0, 40 * 50, dtype=D).reshape(40, 50)
    got = released(p, batch=8, steps=200).round().mean((0, 1))
    assert float((got - p).abs().max()) < 5 * 0.5 / 800**0.5
    assert float((got - p).abs().max()) > 0


def test_on_edges():
    """A draw for each edge."""
    got = released(0.5, connect=ship.OutDegree(10)).round()
    assert got.shape[-1] == 400
    assert abs(float(got.mean()) - 0.5) < 4 * 0.5 / got.numel() ** 0.5


def test_noise_of_a_user_model_by_side():
    """``x.u`` has the shape of the side: [post], [pre], [pre, post]."""
    import dataclasses

    shapes = {}

    @dataclasses.dataclass(frozen=True)
    class Seen(ship.Synapse):
        noise = {"u": "normal"}

        def step(self, state, x, p, c):
            shapes[self.side] = x.u.shape[-2:] if self.side == "connection" else x.u.shape[-1:]
            return x.value + 0 * x.u, state

    for side, want in (("post", (5,)), ("pre", (3,)), ("connection", (3, 5))):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LIF, "t", n=5)
        net.add(Seen, "s", source="in", target="t", side=side)
        net.init(dt=1e-3, engine="reference")
        net.run(torch.ones(2, 4, 3))
        assert tuple(shapes[side]) == want


def test_errors():
    with pytest.raises(ship.ParameterError, match=r"StochasticSynapse 's'.p_release: must be at least 0 and at most 1; got 1.2"):
        released(1.2)
