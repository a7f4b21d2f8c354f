"""Fractional, trainable delays: the exact current of an event between two slots, its gradient, and its limits."""

import math

import pytest
import torch

import ship

D = torch.float64
TAU, DT = 5e-3, 1e-3


def network(lag, *, dt=DT, n=1, engine="auto", target=ship.LIF, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=n)
    net.add(target, "t", n=1, output=True, **({"v_th": 1e6} if target is ship.LIF else {}))
    options = {"tau": TAU, "lag": lag, "weight": 1.0} | options
    net.add(ship.DelayedSynapse, "s", source="in", target="t", output=True, **options)
    net.init(dt=dt, dtype=D, engine=engine)
    return net


def charges(lag, events=(2,), steps=60, dt=DT, **options):
    net = network(lag, dt=dt, **options)
    x = torch.zeros(1, steps, net["in"].n)
    x[0, list(events)] = 1.0
    return net.run(x)["s"][0, :, 0]


@pytest.mark.parametrize("side", ["pre", "connection"])
@pytest.mark.parametrize("lag", [0.0, 0.25e-3, 1e-3, 3.7e-3, 15.99e-3])
def test_the_charge_of_each_slot_is_the_exact_integral_from_the_moment_of_arrival(lag, side):
    """``exp(-(a - t0)+ / tau) - exp(-(b - t0)+ / tau)`` for a slot from a to b and an arrival at t0 = t_k + lag, to 1e-12."""
    with torch.no_grad():
        got = charges(lag, events=(2, 7), side=side)
    edge = torch.arange(len(got) + 1, dtype=D) * DT
    want = sum(torch.diff(-torch.exp(-(edge - k * DT - lag).clamp(min=0.0) / TAU)) for k in (2, 7))
    assert float((got - want).abs().max()) < 1e-12


def test_whole_slots_are_those_of_delay():
    """A lag of 3 slots, a delay of 3 slots, and 1 + 2: the same to rounding."""
    with torch.no_grad():
        one, other, both = charges(3e-3), charges(0.0, delay=3e-3), charges(1e-3, delay=2e-3)
    assert float((one - other).abs().max()) < 1e-12
    assert float((one - both).abs().max()) < 1e-12


def test_the_response_does_not_depend_on_dt():
    """Charges of 1 ms, made of slots of 1 ms and of 0.1 ms, for an arrival on neither grid, to 1e-12."""
    with torch.no_grad():
        coarse = charges(2.345e-3)
        fine = charges(0.345e-3, events=(20,), steps=600, dt=1e-4, delay=2e-3)
    assert float((fine.reshape(60, 10).sum(1) - coarse).abs().max()) < 1e-12


def test_charges_are_continuous_where_a_lag_passes_a_slot():
    with torch.no_grad():
        below, above = charges(3e-3 * (1 - 1e-13)), charges(3e-3 * (1 + 1e-13))
    assert float((below - above).abs().max()) < 1e-12


def psp(s, tau_m=20e-3):
    """The response of a leaky membrane to one event, s after its arrival."""
    s = s.clamp(min=0.0)
    return tau_m / (tau_m - TAU) * (torch.exp(-s / tau_m) - torch.exp(-s / TAU))


@pytest.mark.parametrize("side", ["pre", "connection"])
@pytest.mark.parametrize("dt", [1e-3, 5e-4])
def test_exact_drive_gives_the_exact_response_for_any_lag(dt, side):
    """``tau_m / (tau_m - tau) (e^(-s/tau_m) - e^(-s/tau))``, s from the arrival on, to 1e-12 at any dt."""
    for lag in (0.0, 0.3e-3, 2.75e-3, 6.999e-3):
        net = network(lag, dt=dt, drive="exact", target=ship.LeakyIntegrator, side=side)
        x = torch.zeros(1, round(40e-3 / dt), 1)
        x[0, round(2e-3 / dt)] = 1.0
        with torch.no_grad():
            v = net.run(x)["t"][0, :, 0]
        t = torch.arange(len(v), dtype=D) * dt
        assert float((v - psp(t - 2e-3 - lag)).abs().max()) < 1e-12


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("drive", ["charge", "exact"])
@pytest.mark.parametrize("lag", [0.4e-3, 2.75e-3, 9.1e-3])
def test_gradient_of_the_lag_is_that_of_the_exact_response(lag, drive, engine):
    """Against the difference quotient of the same run, and with exact drive against ``-d psp / ds``, ``tau_m / (tau_m - tau)
    (e^(-s/tau_m) / tau_m - e^(-s/tau) / tau)``.
    """

    def end(value):
        net = network(value, trainable=["lag"], engine=engine, target=ship.LeakyIntegrator, drive=drive)
        x = torch.zeros(1, 21, 1)
        x[0, 2] = 1.0
        return net.run(x)["t"][0, -1, 0], net

    v, net = end(lag)
    v.backward()
    got = float(net["s"].lag.grad)
    with torch.no_grad():
        step = 1e-8
        quotient = float(end(lag + step)[0] - end(lag - step)[0]) / (2 * step)
    assert got == pytest.approx(quotient, rel=1e-5)
    s, tau_m = 18e-3 - lag, 20e-3  # from the arrival to the last slot
    slope = tau_m / (tau_m - TAU) * (math.exp(-s / tau_m) / tau_m - math.exp(-s / TAU) / TAU)
    if drive == "exact":
        assert got == pytest.approx(slope, rel=1e-10)


def test_a_delay_is_found_by_gradient_descent():
    """Two inputs, spikes in slots 4 and 9: lags of 7.3 and 2.6 slots are found from their response, to a tenth of a slot."""
    x = torch.zeros(1, 40, 2)
    x[0, 4, 0] = x[0, 9, 1] = 1.0
    wanted = torch.tensor([7.3e-3, 2.6e-3], dtype=D)
    options = {"n": 2, "target": ship.LeakyIntegrator, "weight": torch.tensor([[1.0], [-0.6]])}
    with torch.no_grad():
        aim = network(wanted, **options).run(x)["t"]
    net = network(torch.tensor([5e-3, 5e-3]), trainable=["lag"], **options)
    optimiser = torch.optim.Adam(net["s"].parameters(), lr=0.2e-3)
    for i in range(120):
        optimiser.zero_grad()
        loss = (net.run(x)["t"] - aim).square().sum()
        loss.backward()
        optimiser.param_groups[0]["lr"] = 0.2e-3 * 0.975**i
        optimiser.step()
    assert float((net["s"].lag.detach() - wanted).abs().max()) < 0.1e-3


def test_a_lag_is_below_sixteen_slots():
    with pytest.raises(
        ship.ParameterError, match=r"lag: must be below 16 slots, 0.016 s with dt = 0.001 s; got 0.016. Give whole"
    ):
        network(16e-3)
    network(16e-3, dt=2e-3)
