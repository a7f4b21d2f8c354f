"""The Tsodyks-Markram synapse against its steady states, its recursion from event to event, and its current."""

import math

import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")
DEPRESSING = {"use": 0.5, "tau_rec": 0.8}
FACILITATING = {"use": 0.05, "tau_rec": 0.125, "tau_fac": 1.2}


def driven(x, dt=1e-3, n=1, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=x.shape[-1])
    net.add(ship.LIF, "t", n=n, v_th=1e6)
    net.add(ship.TsodyksMarkram, "s", source="in", target="t", **{"weight": 1.0} | options)
    net.init(dt=dt, dtype=D)
    net.monitor("s", "u", "x", "i", "output")
    net.run(x)
    return net.records["s"]


def train(period, n, dt=1e-3):
    every = round(period / dt)
    x = torch.zeros(1, every * n, 1)
    x[:, ::every] = 1.0
    return x, every


@pytest.mark.parametrize("side", ["pre", "connection"])
@pytest.mark.parametrize(
    ("options", "rate", "released"),
    [
        (DEPRESSING, 5, 0.18113),
        (DEPRESSING, 20, 0.05713),
        (DEPRESSING, 50, 0.02410),
        (FACILITATING, 5, 0.23982),
        (FACILITATING, 20, 0.26256),
        (FACILITATING, 50, 0.14130),
    ],
)
def test_steady_state(options, rate, released, side):
    """Science D11 (NEST tsodyks2), and the closed form: u = U / (1 - (1 - U) f), x = (1 - r) / (1 - (1 - u) r)."""
    dt = 0.5 / rate  # what u and x are at events does not depend on it
    x, every = train(1 / rate, 400, dt)
    record = driven(x, dt, side=side, **options)
    k = 399 * every
    u, after = float(record.u[0, k].flatten()[0]), float(record.x[0, k].flatten()[0])
    before = after / (1 - u)  # monitors see x after the release
    assert u * before == pytest.approx(released, abs=5.1e-6)
    f = math.exp(-1 / rate / options["tau_fac"]) if "tau_fac" in options else 0.0
    r = math.exp(-1 / rate / options["tau_rec"])
    want = options["use"] / (1 - (1 - options["use"]) * f)
    assert u == pytest.approx(want, rel=1e-9)
    assert before == pytest.approx((1 - r) / (1 - (1 - want) * r), rel=1e-9)


@pytest.mark.parametrize("dt", [2e-3, 1e-3, 1e-4])
def test_events_at_irregular_times_against_the_recursion(dt):
    """u, x from event to event, and i: the same numbers at any dt that has the events on its grid, to 1e-12."""
    times = [4e-3, 10e-3, 14e-3, 40e-3, 42e-3, 90e-3]
    x = torch.zeros(1, round(0.1 / dt), 1)
    for t in times:
        x[0, round(t / dt)] = 1.0
    o = {"use": 0.2, "tau_rec": 0.1, "tau_fac": 0.05, "tau": 7e-3}
    record = driven(x, dt, weight=0.4, **o)
    u, there, i, last = 0.0, 1.0, 0.0, 0.0
    for t in times:
        gone = t - last
        u *= math.exp(-gone / o["tau_fac"])
        there = 1 - (1 - there) * math.exp(-gone / o["tau_rec"])
        i *= math.exp(-gone / o["tau"])
        u += o["use"] * (1 - u)
        i += u * there / o["tau"]
        there -= u * there
        last = t
        k = round(t / dt)
        got = (record.u[0, k, 0], record.x[0, k, 0], record.i[0, k, 0])
        assert [float(v) for v in got] == pytest.approx([u, there, i], rel=1e-12)
        assert float(record.output[0, k, 0]) == pytest.approx(0.4 * i * o["tau"] * -math.expm1(-dt / o["tau"]), rel=1e-12)


def test_both_sides_agree_and_a_connection_may_have_its_own_parameters():
    generator = torch.Generator().manual_seed(1)
    x = (torch.rand(2, 80, 3, generator=generator) < 0.2).double()
    weight = torch.rand(3, 4, generator=generator, dtype=D)
    pre, own = (driven(x, n=4, weight=weight, side=side, tau_fac=0.1).output for side in ("pre", "connection"))
    assert torch.allclose(pre, own, rtol=1e-12, atol=1e-15)
    use = torch.linspace(0.1, 1.0, 12, dtype=D).reshape(3, 4)
    mixed = driven(x, n=4, weight=weight, side="connection", use=use).output
    for i in range(4):
        alone = driven(x, n=1, weight=weight[:, i : i + 1], side="connection", use=use[:, i : i + 1]).output
        assert torch.allclose(mixed[..., i], alone[..., 0], rtol=1e-12, atol=1e-15)


def test_the_limit_without_depression_or_facilitation_is_the_exponential_synapse():
    """tau_rec far below the interval of events and use 1: each event starts weight / tau e^(-t/tau)."""
    x, _ = train(10e-3, 5)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "t", n=1, v_th=1e6)
    net.add(ship.ExpSynapse, "s", source="in", target="t", weight=1.0, tau=3e-3)
    net.init(dt=1e-3, dtype=D)
    net.monitor("s", "output")
    net.run(x)
    got = driven(x, use=1.0, tau_rec=1e-6, tau_fac=0.0)
    assert torch.allclose(got.output, net.records["s"].output, rtol=1e-12, atol=0)


def test_events_of_one_slot_use_no_more_than_there_is():
    """Two events share what is there: 2 u x, and at most x."""
    for use, count, released in ((0.2, 2.0, 0.4), (0.9, 3.0, 1.0), (1.0, 1.0, 1.0)):
        record = driven(torch.tensor([[[count], [0.0]]]), use=use)
        assert float(record.i[0, 0, 0]) * 3e-3 == pytest.approx(released, rel=1e-12)
        assert float(record.x[0, 0, 0]) == pytest.approx(1 - released, abs=1e-15)


def test_exact_drive_makes_the_response_independent_of_dt():
    """Into a linear membrane, for events on both grids, to 1e-12."""
    ends = []
    for dt in (1e-3, 1e-4):
        x = torch.zeros(1, round(0.1 / dt), 1)
        x[0, [round(t / dt) for t in (4e-3, 10e-3, 14e-3)]] = 1.0
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LeakyIntegrator, "t", n=1, output=True)
        net.add(ship.TsodyksMarkram, "s", source="in", target="t", weight=1.0, drive="exact", **FACILITATING)
        net.init(dt=dt, dtype=D)
        ends.append(net.run(x)[0, :: round(1e-3 / dt), 0])
    assert float((ends[0] - ends[1]).abs().max()) < 1e-12
    assert float(ends[0].max()) > 0.05


def test_errors():
    with pytest.raises(ship.ParameterError, match=r"TsodyksMarkram 's'.use: must be above 0 and at most 1; got 1.5"):
        driven(torch.ones(1, 2, 1), use=1.5)
    with pytest.raises(ship.GraphError, match=r"TsodyksMarkram 's'.side: must be 'post' for a plastic synapse"):
        driven(torch.ones(1, 2, 1), rule=ship.PairSTDP())
