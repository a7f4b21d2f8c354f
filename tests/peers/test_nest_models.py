"""Single models beside NEST: equal where the update is the same, near where it is not (skipped where NEST is not installed)."""

import numpy as np
import pytest
import torch

import ship

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]
F64 = torch.float64


def kernel(dt):
    """NEST with the time step dt (s)."""
    nest = pytest.importorskip("nest")
    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution = dt * 1e3
    return nest


def recorded(nest, cells, seconds):
    """The spike times (s) of each cell."""
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    nest.Simulate(seconds * 1e3)
    events = recorder.events
    times, senders = np.asarray(events["times"]) * 1e-3, np.asarray(events["senders"])
    return [np.sort(times[senders == i]) for i in cells.tolist()]


def ours(model, port, current, dt, seconds, **options):
    """The spike times (s) of a cell for each current."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=len(current))
    net.add(model, "cell", n=len(current), output=True, **options)
    net.add(ship.Link, "drive", source="in", target="cell", port=port)
    net.init(dt=dt, dtype=F64)
    with torch.no_grad():
        out = net.run(torch.as_tensor(current).expand(1, round(seconds / dt), len(current)))[0]
    return [out[:, j].nonzero()[:, 0].numpy() * dt for j in range(len(current))]


@pytest.mark.parametrize("kind", ["RS", "CH", "FS", "LTS"])
def test_published_izhikevich_equals_nest(kind):
    """The published update, steps of 1 ms: the first 8 spikes of 20 cells under 20 currents.

    Its steps overshoot the peak by far, and u remembers by how much, so that a difference in the last bit grows from spike to
    spike: later spikes of two programs differ.
    """
    a, b, c, d = (ship.Izhikevich.published(kind)[name] for name in "abcd")
    current = np.linspace(3.0, 20.0, 20)
    nest = kernel(1e-3)
    given = {"a": a * 1e-3, "b": b * 1e-3, "c": c * 1e3, "d": d, "V_th": 30.0, "V_m": -65.0, "U_m": -13.0}
    cells = nest.Create("izhikevich", 20, given)
    cells.consistent_integration = False
    cells.I_e = list(current)
    theirs = recorded(nest, cells, 1.0)
    found = ours(ship.Izhikevich, "charge", current, 1e-3, 1.0, method="published", **ship.Izhikevich.published(kind))
    assert sum(len(t) for t in found) > 200
    for mine, true in zip(found, theirs, strict=True):
        np.testing.assert_array_equal(np.rint(mine[:8] * 1e3), np.rint(true[:8][true[:8] < 0.9999] * 1e3))


def test_adex_approaches_nest():
    """Four currents for 0.1 s: as many spikes as by NEST's adaptive steps, within 3 slots and 0.5 % at 0.02 ms."""
    current = np.array([0.8, 1.0, 1.5, 2.0]) * 1e-9
    nest = kernel(1e-5)
    given = {
        "C_m": 281.0,
        "g_L": 30.0,
        "E_L": -70.6,
        "V_m": -70.6,
        "V_th": -50.4,
        "Delta_T": 2.0,
        "a": 4.0,
        "b": 80.5,
        "tau_w": 144.0,
    }
    cells = nest.Create("aeif_cond_exp", 4, given | {"V_reset": -70.6, "V_peak": -40.0, "t_ref": 0.0, "w": 0.0})
    cells.I_e = list(current * 1e12)
    theirs = recorded(nest, cells, 0.1)
    errors = []
    for dt in (4e-5, 2e-5):
        found = ours(ship.AdEx, "current", current, dt, 0.1, v_cut=-40e-3)
        assert [len(t) for t in found] == [len(t) for t in theirs]
        errors.append(np.concatenate([abs(t - true) for t, true in zip(found, theirs, strict=True)]))
    times = np.concatenate(theirs)
    assert len(times) > 20
    assert (errors[1] <= 3 * 2e-5 + 0.005 * times).all(), errors[1]
    assert errors[1].mean() < errors[0].mean() / 1.5


def test_short_term_plasticity_equals_nest():
    """``tsodyks2_synapse`` onto ``iaf_psc_exp``: the voltage of one cell under a regular train of 50 Hz, to rounding.

    NEST 3.10 takes for a spike what has recovered in the interval before the last one, which only in a regular train is the same.
    """
    dt, steps, c_m, tau, tau_s, use, tau_rec, tau_fac = 1e-4, 6000, 250.0, 20e-3, 3e-3, 0.2, 0.13, 0.53
    slots = np.arange(199, 5500, 200)  # the relay speaks a slot later, at multiples of 20 ms
    nest = kernel(dt)
    given = {"tau_m": tau * 1e3, "C_m": c_m, "E_L": 0.0, "V_m": 0.0, "V_th": 1e3, "tau_syn_ex": tau_s * 1e3}
    cell = nest.Create("iaf_psc_exp", params=given)
    train = nest.Create("spike_generator", params={"spike_times": np.round(slots * dt * 1e3, 6)})
    relay = nest.Create("parrot_neuron")  # plastic synapses need a neuron as their source; it passes spikes on
    meter = nest.Create("multimeter", params={"record_from": ["V_m"], "interval": dt * 1e3})
    nest.Connect(train, relay, syn_spec={"delay": dt * 1e3})
    synapse = {"synapse_model": "tsodyks2_synapse", "weight": 500.0, "delay": dt * 1e3, "U": use, "u": use, "x": 1.0}
    nest.Connect(relay, cell, syn_spec=synapse | {"tau_rec": tau_rec * 1e3, "tau_fac": tau_fac * 1e3})
    nest.Connect(meter, cell)
    nest.Simulate(steps * dt * 1e3)
    theirs = np.asarray(meter.events["V_m"])  # at dt, 2 dt, ...

    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "cell", n=1, tau=tau, v_th=1e3)
    options = {"tau": tau_s, "use": use, "tau_rec": tau_rec, "tau_fac": tau_fac, "drive": "exact"}
    net.add(ship.TsodyksMarkram, "s", source="in", target="cell", delay=2 * dt, weight=500.0 * tau_s * 1e3 / c_m, **options)
    net.init(dt=dt, dtype=F64)
    net.monitor("cell", "v")
    x = torch.zeros(1, steps, 1, dtype=F64)
    x[0, slots] = 1.0
    with torch.no_grad():
        net.run(x)
    v = net.records["cell"].v[0, 1:, 0].numpy()
    assert v.max() > 1.0
    np.testing.assert_allclose(v, theirs[: len(v)], rtol=0, atol=1e-10)
