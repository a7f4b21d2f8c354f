"""One temperature of a network reaches slopes, rates, noise and ageing; none leaves each at its reference."""

import copy
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
import torch

import ship
from ship.base.temperature import BOLTZMANN, CHARGE, stretches
from ship.devices import Arrhenius, PowerDrift, Stanford

D = torch.float64
BOLTZMANN_EV = 8.617333262e-5  # eV/K, CODATA 2018
pytestmark = pytest.mark.usefixtures("no_grad")


class State(NamedTuple):
    v: torch.Tensor


@dataclass(frozen=True)
class Diode(ship.Neuron):
    """A level ``u_t`` and the temperature, as a circuit would use them. Out: levels."""

    u_t: float = ship.param(25e-3, unit="V", above=0.0, role="thermal voltage")
    temperature: float = ship.param(290.0, unit="K", above=0.0, role="temperature")
    scale: float = ship.param(1.0)

    emits = "values"
    ports = {"charge": ship.Port("charge", "V")}
    states = State(v=ship.State(0.0, unit="V"))

    def discretise(self, p, dt):
        return (p.u_t * p.scale,)

    def emit(self, state, jump, p, c):
        return state.v, state

    def advance(self, state, x, p, c):
        return State(c[0] + 1000 * p.temperature + 0 * x.charge)


def diodes(engine="reference", dtype=D, **options):
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=2)
    net.add(Diode, "free", n=2, output=True)
    net.add(Diode, "own", n=2, output=True, temperature=77.0, u_t=ship.Varied(1e-3, d2d=0.1))
    net.add(ship.Link, "a", source="i", target="free")
    net.add(ship.Link, "b", source="i", target="own")
    net.init(dt=1e-3, dtype=dtype, engine=engine, **options)
    return net


X = torch.zeros(1, 8, 2, dtype=D)


def test_thermal_voltage():
    """``k T / q``: 25.852 mV at 300 K, and in proportion to T."""
    assert ship.thermal_voltage(300.0) == pytest.approx(25.852e-3, rel=1e-5)
    assert ship.thermal_voltage(400.0) / ship.thermal_voltage(300.0) == pytest.approx(4 / 3, rel=1e-15)
    assert pytest.approx(BOLTZMANN_EV, rel=1e-9) == BOLTZMANN / CHARGE
    assert torch.equal(ship.thermal_voltage(torch.tensor([300.0], dtype=D)), torch.tensor([ship.thermal_voltage(300.0)], dtype=D))


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_it_reaches_parameters_that_were_not_given_a_value(engine):
    """Roles "temperature" and "thermal voltage" follow; a value that the user gave stays; without one: the declared default."""
    net = diodes(engine)
    for kelvin in (None, 300.0, 350.0):
        net.temperature = kelvin
        out = net.run(X)
        volt, t = (25e-3, 290.0) if kelvin is None else (BOLTZMANN_EV * kelvin, kelvin)
        torch.testing.assert_close(out["free"][0, 1:], torch.full((7, 2), volt + 1000 * t, dtype=D), rtol=1e-12, atol=0)
        assert out["own"][0, 7].tolist() == pytest.approx((net["own"].value("u_t")[0, 0] + 77e3).tolist(), rel=1e-12)
    assert "kernel" in net.explain() or engine == "reference"


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_subthreshold_circuit_slows_down_as_it_warms(engine):
    """A differential-pair integrator decays with ``tau = C U_T / (kappa I_tau)``, in proportion to T: 300 K and 390 K."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LeakyIntegrator, "out", n=1)
    net.add(ship.DPISynapse, "s", source="in", target="out", weight=1e-9, i_tau=4e-12)
    net.init(dt=1e-4, dtype=D, engine=engine)
    net.monitor("s", "i")
    spike, found = torch.zeros(1, 200, 1), []
    spike[0, 0] = 1.0
    for kelvin in (300.0, 390.0):
        net.run(spike, temperature=kelvin)
        i = net.records["s"].i[0, :, 0]
        found.append(float(100e-4 / torch.log(i[0] / i[100])))
        assert found[-1] == pytest.approx(1.5e-12 * BOLTZMANN_EV * kelvin / (0.705 * 4e-12), rel=1e-9)
    assert found[1] / found[0] == pytest.approx(1.3, rel=1e-9)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_programme_of_temperature(engine):
    """Stretches begin with the slot nearest to their time; the last one lasts on. It holds for its run alone."""
    net = diodes(engine, temperature=300.0)
    out = net.run(X, temperature=[(2.4e-3, 310.0), (3e-3, 320.0), (1.0, 330.0)])["free"][0, :, 0]
    # In slot k the output is what the advance over slot k - 1 made. 2.4 ms are two slots, 5.4 ms five.
    want = [310.0, 310.0, 320.0, 320.0, 320.0, 330.0, 330.0]
    assert torch.round(out[1:] / 1000).tolist() == want
    assert torch.round(net.run(X)["free"][0, -1, 0] / 1000) == 300
    assert net.temperature == 300.0
    first = net.run(X[:, :3], temperature=310.0)["free"]
    rest = net.run(X[:, :5], temperature=320.0, reset=False)["free"]
    both = net.run(X, temperature=[(3e-3, 310.0), (1.0, 320.0)])["free"]
    assert torch.equal(torch.cat([first, rest], 1), both)


def test_stretches_and_programmes_of_dt():
    """Cuts of both: 10 slots of 1 ms and 10 of 0.5 ms, cut at 4 ms and at 12 ms, which is slot 4 of the second ones."""
    from ship.base.clock import Segment

    cut = stretches("t", (Segment(1e-3, 10), Segment(5e-4, 10)), [(4e-3, 300.0), (8e-3, 310.0), (1e-3, 320.0)])
    assert [(s.dt, s.steps, k) for s, k in cut] == [(1e-3, 4, 300.0), (1e-3, 6, 310.0), (5e-4, 4, 310.0), (5e-4, 6, 320.0)]
    net = diodes()
    out = net.run(dt=[(1e-3, 4), (5e-4, 4)], x=X, temperature=[(3e-3, 300.0), (2e-3, 350.0), (1.0, 400.0)])["free"][0, 1:, 0]
    assert torch.round(out / 1000).tolist() == [300.0, 300.0, 300.0, 350.0, 350.0, 350.0, 400.0]


def test_a_constant_programme_changes_nothing():
    """Cuts are invisible: a source, a membrane and what is in flight go on bit for bit."""
    net = ship.Network()
    net.add(ship.OrnsteinUhlenbeck, "s", n=4, sigma=100.0)
    net.add(ship.LIF, "t", n=4, t_ref=3e-3, output=True)
    net.add(ship.WeightedSum, "w", source="s", target="t", weight=torch.eye(4) * 2, delay=5e-3)
    net.init(dt=1e-3, temperature=300.0)
    whole = net.run(steps=400)
    assert float(whole.sum()) > 20
    assert torch.equal(net.run(steps=400, temperature=[(0.05, 300.0), (0.0123, 300.0), (0.1, 300.0)]), whole)


def test_what_is_no_temperature():
    net = diodes()
    with pytest.raises(ship.RunError, match=r"Network.init: temperature: must be a number above 0 K; got 0.0. Give kelvin"):
        net.init(temperature=0.0)
    with pytest.raises(ship.RunError, match=r"Network.temperature: must be a number above 0 K; got -5"):
        net.temperature = -5.0
    for programme, words in (
        ([(1.0, -3.0)], "must be a number above 0 K; got -3"),
        ([(0.0, 300.0)], "each stretch must last more than 0 s; got 0"),
        ([], "at least one stretch"),
    ):
        with pytest.raises(ship.RunError, match="Network.run: temperature: .*" + words):
            net.run(X, temperature=programme)
    for other in ("warm", [(300.0,)]):
        with pytest.raises(ship.ShipError, match="temperature"):
            net.run(X, temperature=other)


# -- devices -------------------------------------------------------------------------------------------------------------------

NU = 0.05
DRIFTS = ship.Device(g_min=1e-6, g_max=100e-6, retention=PowerDrift(nu=NU, t0=1.0), thermal=Arrhenius(e_a=0.9, t_ref=300.0))


def programmed(device=DRIFTS, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="out", device=device, weight=torch.full((3, 2), 0.5))
    net.init(dt=1e-3, dtype=D, **options)
    net.program()
    return net


def age(net):
    return float(net["s"].hardware.array.trajectory.age.max())


def speed(kelvin):
    return math.exp(0.9 / BOLTZMANN_EV * (1 / 300 - 1 / kelvin))


def test_it_reaches_the_ageing_of_devices():
    """0.9 eV: a second at 350 K is ``exp(0.9 / k (1 / 300 - 1 / 350)) = 144`` at 300 K; in waits and runs, and by programme."""
    net = programmed(temperature=350.0)
    assert speed(350.0) == pytest.approx(144.4, rel=1e-3)
    net.wait(10.0)
    assert age(net) == pytest.approx(10 * speed(350.0), rel=1e-9)
    net.run(torch.zeros(1, 20, 3))
    assert age(net) == pytest.approx(10.02 * speed(350.0), rel=1e-9)
    net.run(torch.zeros(1, 20, 3), temperature=[(5e-3, 400.0), (1.0, 300.0)])
    now = 10.02 * speed(350.0) + 5e-3 * speed(400.0) + 15e-3
    assert age(net) == pytest.approx(now, rel=1e-9)
    net.wait(1.0, kelvin=300.0)  # what is said to the call counts
    assert age(net) == pytest.approx(now + 1.0, rel=1e-9)


def test_an_arrhenius_plot_has_the_activation_energy():
    """The times at which a conductance has fallen to 80 %, at five temperatures: ``ln t = E / (k T) + constant``."""
    slope = []
    for kelvin in (300.0, 325.0, 350.0, 375.0, 400.0):
        net = programmed(temperature=kelvin)
        start = net["s"].hardware.array.conductance()[0, 0].max()
        t = (0.8 ** (-1 / NU) - 1) / speed(kelvin)  # from the law of drift, (1 + age / 1 s)^-nu
        net.wait(t)
        left = float(net["s"].hardware.array.conductance()[0, 0].max() / start)
        slope.append((1 / (BOLTZMANN_EV * kelvin), math.log(t), left))
    x, y = torch.tensor([s[0] for s in slope], dtype=D), torch.tensor([s[1] for s in slope], dtype=D)
    energy = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    assert energy == pytest.approx(0.9, rel=1e-9)
    assert [s[2] for s in slope] == pytest.approx([slope[0][2]] * 5, rel=1e-9)  # they all fell to the same share
    assert slope[0][2] == pytest.approx(0.8, rel=1e-9)


def test_without_one_devices_age_as_at_their_reference():
    net = programmed()
    net.wait(10.0)
    assert age(net) == 10.0
    assert "none given, so each has its reference: devices of s as at the reference of their thermal part" in net.explain()
    assert "350 K: ageing of the devices of s" in programmed(temperature=350.0).explain()
    bare = programmed(replace(DRIFTS, thermal=None), temperature=350.0)
    bare.wait(10.0)
    assert age(bare) == 10.0
    assert "devices without a thermal part age alike at any temperature: s" in bare.explain()


def test_sampled_devices_age_at_it():
    net = programmed(temperature=350.0)
    net.sample_devices(drift=10.0)
    warm = net["s"].value("weight")
    net.sample_devices(drift=10.0, kelvin=350.0)
    assert torch.equal(net["s"].value("weight"), warm)
    net.temperature = None
    net.sample_devices(drift=10.0 * speed(350.0))
    torch.testing.assert_close(net["s"].value("weight"), warm, rtol=1e-9, atol=0)


def test_it_is_the_ambient_of_a_filament():
    """A Stanford filament of ambient temperature t_0 in a network at T is one with ``t_0 = T``: pulses move it alike."""
    g = []
    for device, kelvin in ((Stanford(t_0=298.0), 350.0), (Stanford(t_0=350.0), None), (Stanford(t_0=298.0), None)):
        array = ship.DeviceArray(ship.Device(update=device), 4, dtype=D)
        array.feel(kelvin)
        array.write(5e-4)
        array.pulse(1.2, width=1e-8)
        g.append(array.conductance())
    assert torch.equal(g[0], g[1])
    assert not torch.allclose(g[0], g[2], rtol=1e-3)


# -- keeping -------------------------------------------------------------------------------------------------------------------


def test_it_is_kept_in_files_and_copies(tmp_path):
    net = diodes(temperature=345.0)
    assert net.settings["temperature"] == 345.0
    ship.save(net, tmp_path / "n.ship")
    want = net.run(X)
    for other in (ship.load(tmp_path / "n.ship", models=[Diode]), copy.deepcopy(net)):
        assert other.temperature == 345.0
        assert torch.equal(other.run(X)["free"], want["free"])
    net.init(dt=1e-3, dtype=D)
    assert net.temperature is None


def test_explain_says_where_it_acts():
    text = diodes().explain()
    assert "none given, so each has its reference: free.u_t = 0.025 V, free.temperature = 290 K" in text
    assert "with a value of their own: own.u_t, own.temperature" in text
    assert "320 K: free.u_t, free.temperature" in diodes(temperature=320.0).explain()
    net = ship.Network()
    net.add(ship.PoissonSource, "p", n=1)
    net.init(dt=1e-3)
    assert "Temperature" not in net.explain()
    net.temperature = 300.0
    assert "300 K: nothing in this network depends on it" in net.explain()
