"""The models of the 2024 publication, against its update rules on plain tensors (`published_models`): equal number for number."""

import itertools
import math

import pytest
import torch

import ship
from published_models import Neuron, Summed, Synapse
from ship.base.errors import ParameterError
from ship.models import gemo2024

TYPES = [torch.float32, torch.float64]


def spikes(batch, steps, n, p=0.2, seed=3000):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(seed)) < p).float()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("order", "options"), [(1, {"tau": 5e-3}), (2, {"tau_1": 15e-3, "tau_2": 5e-3})])
@pytest.mark.parametrize("countdown", [None, 3e-3, 2.5e-3, 0.0])
@pytest.mark.parametrize("rest", [0.0, 0.1])
def test_a_chain_replays_number_for_number(dtype, order, options, countdown, rest):
    """Input, synapse, neuron, synapse, neuron, synapse, integrator; voltages, spikes and output are equal to the last bit."""
    g, batch, steps, scale = torch.Generator().manual_seed(1), 3, 150, 60.0
    sizes, dt = (6, 5, 4, 2), 1e-3
    weights = [torch.rand(a, b, generator=g, dtype=dtype) for a, b in itertools.pairwise(sizes)]
    model = gemo2024.RestLIF2024 if rest else gemo2024.LIF2024
    own = {"u_rest": rest} if rest else {}
    synapse = gemo2024.FirstOrder2024 if order == 1 else gemo2024.SecondOrder2024
    net = ship.Network()
    net.add(ship.SpikeInput, "i", n=sizes[0])
    for k in (1, 2):
        block = {} if countdown is None else {"refractory": "countdown", "refr_time": countdown}
        net.add(model, f"l{k}", n=sizes[k], tau=10e-3, output=True, initial={"u": rest}, **own, **block)
    net.add(gemo2024.LeakyIntegrator2024, "o", n=sizes[3], tau=20e-3, output=True)
    for k, (a, b) in enumerate((("i", "l1"), ("l1", "l2"), ("l2", "o"))):
        net.add(synapse, f"s{k}", source=a, target=b, weight=weights[k], w_scale=scale, **options)
    net.init(dt=dt, dtype=dtype, engine="reference")
    net.monitor("l1", "u")
    x = spikes(batch, steps, sizes[0])
    found = net.run(x)

    step, taus = torch.tensor(dt, dtype=torch.float64), [torch.tensor(t, dtype=torch.float64) for t in options.values()]
    made = [Synapse(w.double() if dtype == torch.float64 else w, scale, _rounded(taus, step, dtype), batch) for w in weights]
    cells = [Neuron(_tau(10e-3, dtype), n, batch, rest=rest, countdown=countdown) for n in sizes[1:3]]
    for cell in cells:
        cell.u = cell.u + rest
    out = Neuron(_tau(20e-3, dtype), sizes[3], batch, fires=False)
    want = {"l1": [], "l2": [], "o": []}
    voltage = []
    for k in range(steps):
        s = x[:, k]
        for synapse_made, cell, name in zip(made, (*cells, out), want, strict=True):
            s = cell.advance(synapse_made.advance(s, dt), dt)
            want[name].append(s.to(dtype))
        voltage.append(cells[0].u)
    for name, values in want.items():
        close(found[name], torch.stack(values, 1), dtype)
    close(net.records["l1"].u, torch.stack(voltage, 1), dtype)
    assert found["l1"].sum() > 20
    assert found["l2"].sum() > 2


def _tau(value, dtype):
    return torch.tensor(value, dtype=dtype)


def _rounded(taus, dt, dtype):
    return [tau.to(dtype) for tau in taus]


def close(found, want, dtype):
    """Equal, in float32 but for coefficients: the library computes them in float64 and rounds once, the original in float32."""
    if dtype == torch.float64:
        assert torch.equal(found, want)
    else:
        torch.testing.assert_close(found, want, rtol=2e-5, atol=2e-6)


def test_the_example_of_section_4_1_is_a_sweep_over_a_batch():
    """Three trains, one neuron with 10 ms of countdown, ten time constants of 10 to 100 ms as samples, dt 0.1 ms."""
    batch, steps, dt = 10, 1000, 1e-4
    tau = torch.linspace(10e-3, 100e-3, batch, dtype=torch.float64)
    x = spikes(1, steps, 3, p=20 * dt * 5).expand(batch, -1, -1)
    weight = torch.rand(3, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = ship.Network()
    net.add(ship.SpikeInput, "i", n=3)
    options = {"tau": ship.per_sample(tau.reshape(batch, 1)), "refractory": "countdown", "refr_time": 10e-3}
    net.add(gemo2024.LIF2024, "l", n=1, output=True, **options)
    net.add(gemo2024.FirstOrder2024, "s", source="i", target="l", weight=weight, w_scale=150.0, tau=5e-3)
    net.init(dt=dt, dtype=torch.float64, engine="reference")
    found = net.run(x)
    synapse = Synapse(weight, 150.0, [torch.tensor(5e-3, dtype=torch.float64)], batch)
    cell = Neuron(tau.reshape(batch, 1), 1, batch, countdown=10e-3)
    want = torch.stack([cell.advance(synapse.advance(x[:, k], dt), dt).double() for k in range(steps)], 1)
    assert torch.equal(found, want)
    counts = found.sum((1, 2))
    assert counts.min() > 0
    assert counts[-1] > counts[0]


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_countdown_keeps_its_seconds_under_a_programme_of_dt(engine):
    """A spike blocks ceil(refr_time / dt) slots; what is left of it goes on in slots of another length."""
    programme = [(1e-3, 20), (0.3e-3, 40), (2e-3, 15)]
    x = spikes(2, 75, 4, p=0.5)
    weight = torch.rand(4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    net = ship.Network()
    net.add(ship.SpikeInput, "i", n=4)
    net.add(gemo2024.LIF2024, "l", n=3, tau=10e-3, refractory="countdown", refr_time=2.6e-3, output=True)
    net.add(gemo2024.Summed2024, "s", source="i", target="l", weight=weight, w_scale=1.0, tau=4e-3)
    net.init(dt=1e-3, dtype=torch.float64, engine=engine)
    found = net.run(x, dt=programme)
    synapse, cell = (
        Summed(weight, 1.0, torch.tensor(4e-3, dtype=torch.float64), 2),
        Neuron(_tau(10e-3, torch.float64), 3, 2, countdown=2.6e-3),
    )
    steps = [dt for dt, n in programme for _ in range(n)]
    want = torch.stack([cell.advance(synapse.advance(x[:, k], dt), dt).double() for k, dt in enumerate(steps)], 1)
    assert torch.equal(found, want)
    assert found.sum() > 20


def test_a_loop_with_a_delay_replays_and_both_engines_agree():
    """Recurrent: what the units of a layer say comes back one slot later, in the order input, layer, recurrence."""
    x, n, steps = spikes(2, 120, 3), 5, 120
    g = torch.Generator().manual_seed(5)
    weight, back = torch.rand(3, n, generator=g, dtype=torch.float64), torch.rand(n, n, generator=g, dtype=torch.float64) - 0.5
    results = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.SpikeInput, "i", n=3)
        net.add(gemo2024.LIF2024, "l", n=n, tau=10e-3, output=True)
        net.add(gemo2024.FirstOrder2024, "s", source="i", target="l", weight=weight, w_scale=80.0, tau=5e-3)
        net.add(gemo2024.FirstOrder2024, "r", source="l", target="l", weight=back, w_scale=80.0, tau=5e-3, delay=1e-3)
        net.init(dt=1e-3, dtype=torch.float64, engine=engine)
        results.append(net.run(x))
    into, loop = (Synapse(w, 80.0, [torch.tensor(5e-3, dtype=torch.float64)], 2) for w in (weight, back))
    cell, last, want = Neuron(_tau(10e-3, torch.float64), n, 2), torch.zeros(2, n), []
    for k in range(steps):
        last = cell.advance(into.advance(x[:, k], 1e-3) + loop.advance(last, 1e-3), 1e-3)
        want.append(last.double())
    assert torch.equal(results[0], torch.stack(want, 1))
    assert torch.equal(results[0], results[1])
    assert results[0].sum() > 20


def test_the_surrogate_is_that_of_the_publication_and_gradients_agree():
    """Pseudo-derivative 1 / (100 |x| + 1)^2; gradients of a two-layer network are equal on both engines."""
    x = torch.linspace(-0.1, 0.1, 21, requires_grad=True)
    gemo2024.LIF2024().surrogate(x).sum().backward()
    torch.testing.assert_close(x.grad, (100 * x.detach().abs() + 1) ** -2)
    grads = []
    for engine in ("reference", "fused"):
        net = ship.Network()
        net.add(ship.SpikeInput, "i", n=4)
        net.add(gemo2024.LIF2024, "l", n=6, tau=10e-3)
        net.add(gemo2024.LeakyIntegrator2024, "o", n=2, tau=20e-3, output=True)
        net.add(gemo2024.FirstOrder2024, "a", source="i", target="l", w_scale=100.0)
        net.add(gemo2024.FirstOrder2024, "b", source="l", target="o", w_scale=30.0, weight=ship.Uniform(-1.0, 1.0))
        net.init(dt=1e-3, dtype=torch.float64, engine=engine)
        net.run(spikes(2, 60, 4)).amax(1).square().sum().backward()
        grads.append([p.grad for p in net.parameters()])
    for one, other in zip(*grads, strict=True):
        assert float(one.abs().max()) > 0
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_lif_b_and_lif_c_are_one_neuron():
    """c is b computed from rest: the same spikes, and ``u_b = u_c + u_rest`` to rounding."""
    out = {}
    for name, model, start in (("b", gemo2024.RestLIF2024, 0.2), ("c", gemo2024.RestLIF2024c, 0.0)):
        net = ship.Network()
        net.add(ship.SpikeInput, "i", n=4)
        net.add(model, "l", n=3, tau=10e-3, u_rest=0.2, output=True, initial={"u": start})
        net.add(gemo2024.FirstOrder2024, "s", source="i", target="l", w_scale=60.0)
        net.init(dt=1e-3, dtype=torch.float64)
        net.monitor("l", "u")
        out[name] = net.run(spikes(1, 80, 4)), net.records["l"].u
    assert torch.equal(out["b"][0], out["c"][0])
    assert out["b"][0].sum() > 5
    torch.testing.assert_close(out["b"][1], out["c"][1] + 0.2)


def test_the_bernoulli_source_has_one_event_at_most_and_its_rate():
    """k events in n slots with p = rate dt: within 4 standard deviations, sqrt(n p (1 - p))."""
    net = ship.Network()
    net.add(gemo2024.BernoulliSource, "i", n=50, rate=200.0, output=True)
    net.init(dt=1e-3)
    out = net.run(duration=1.0)
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert abs(float(out.sum()) - 50 * 1000 * 0.2) < 4 * math.sqrt(50 * 1000 * 0.2 * 0.8)
    net = ship.Network()
    net.add(gemo2024.BernoulliSource, "i", n=1, rate=2000.0)
    with pytest.raises(ParameterError, match=r"must be at most 1 / dt; got 2000 Hz at dt = 0.001 s"):
        net.init(dt=1e-3)


def test_files_know_these_models(tmp_path):
    net = ship.Network()
    net.add(ship.SpikeInput, "i", n=4)
    net.add(gemo2024.LIF2024, "l", n=3, tau=10e-3, output=True)
    net.add(gemo2024.SecondOrder2024, "s", source="i", target="l", w_scale=300.0)
    net.init()
    ship.save(net, tmp_path / "n.ship")
    x = spikes(1, 50, 4)
    assert torch.equal(ship.load(tmp_path / "n.ship").run(x), net.run(x))
