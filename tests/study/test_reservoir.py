"""A reservoir that is run once: what its readout would say is what the whole network says, and its weights are the best ones."""

import pytest
import torch

import ship
from ship.base.errors import GraphError, ParameterError, RunError
from ship.study.reservoir import Filter, regression, states

DT, READ = 1e-3, Filter(30e-3, 7e-3, (0, 10, 30), 10)


def reservoir():
    draws = torch.Generator().manual_seed(0)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LIF, "liquid", n=20, tau=20e-3, v_th=0.02, t_ref=2e-3)
    net.add(ship.ExpSynapse, "input", source="in", target="liquid", weight=0.01 * torch.rand(4, 20, generator=draws))
    recurrent = 0.002 * torch.randn(20, 20, generator=draws)
    net.add(ship.ExpSynapse, "again", source="liquid", target="liquid", delay=1e-3, weight=recurrent)
    return net


def some_samples():
    draws = torch.Generator().manual_seed(1)
    return [(torch.rand(n, 4, generator=draws) < 0.2).to(torch.uint8) for n in (60, 120, 20, 90, 120)]


def test_states_give_the_voltage_of_a_whole_readout():
    """``sum_k sum_j W_kj x_j(T - d_k)`` against the network with these synapses, at the end of each sample."""
    samples, net = some_samples(), reservoir()
    net.init(dt=DT)
    seen = states(net, samples, READ, size=2)
    weight = torch.randn(3, 20, 5, generator=torch.Generator().manual_seed(2))
    whole = reservoir()
    whole.add(ship.LeakyIntegrator, "out", n=5, tau=READ.tau, output=True)
    for delay, part in zip(READ.delays, weight, strict=True):
        options = {"tau": READ.tau_syn, "delay": delay * DT, "weight": part}
        whole.add(ship.ExpSynapse, f"read {delay}", source="liquid", target="out", **options)
    whole.init(dt=DT)
    whole.monitor("liquid", "output")
    for i, sample in enumerate(samples):
        with torch.no_grad():
            said = whole.run(sample[None].float(), steps=len(sample) + 1)[0, -1]
        assert torch.equal(seen.spikes[i], whole.records["liquid"].output[0, : len(sample)].sum(0))
        torch.testing.assert_close(seen.x[i].flatten() @ weight.flatten(0, 1), said, atol=2e-5, rtol=1e-5)
    assert float(seen.spikes.sum(1).min()) > 10
    assert float(seen.x[2, 2].abs().max()) == 0  # 30 slots before the end of a sample of 20


@pytest.mark.parametrize("balanced", [False, True])
def test_the_weights_are_those_of_a_logistic_regression(balanced):
    """Against scikit-learn: its C is 1 / (2 penalty samples) for features of root mean square 1, without an intercept."""
    from sklearn.linear_model import LogisticRegression

    draws = torch.Generator().manual_seed(3)
    scale = torch.tensor([1.0, 3.0, 0.1, 1.0, 10.0, 1.0], dtype=torch.float64)
    x = torch.randn(200, 6, generator=draws, dtype=torch.float64) * scale + 0.3
    labels = (x[:, :3] / scale[:3] + torch.randn(200, 3, generator=draws) + torch.tensor([1.0, 0.0, -0.5])).argmax(1)
    assert len(set(torch.bincount(labels).tolist())) == 3
    size, share = x.square().mean(0).sqrt(), "balanced" if balanced else None
    model = LogisticRegression(C=1 / (2 * 0.01 * 200), fit_intercept=False, tol=1e-10, max_iter=2000, class_weight=share)
    wanted = torch.as_tensor(model.fit(x / size, labels).coef_.T) / size[:, None]
    torch.testing.assert_close(regression(x, labels, 3, penalty=0.01, steps=500, balanced=balanced), wanted, atol=1e-4, rtol=1e-3)


def test_mistakes_are_named():
    net = reservoir()
    net.init(dt=DT)
    with pytest.raises(RunError, match="multiples of 10 slots"):
        states(net, [torch.zeros(25, 4)], READ)
    with pytest.raises(RunError, match="needs at least one sample"):
        states(net, [], READ)
    with pytest.raises(GraphError, match="no group named 'pool'"):
        states(net, some_samples(), READ, reservoir="pool")
    with pytest.raises(ParameterError, match="penalty: must be above 0"):
        regression(torch.zeros(3, 2), torch.tensor([0, 1, 1]), 2, penalty=0.0)
