"""Dendrites against their closed forms: they are a second filter, and they saturate."""

import math

import pytest
import torch

import ship

D = torch.float64
pytestmark = pytest.mark.usefixtures("no_grad")


def test_dendrite_is_a_second_filter():
    """Linear: a charge of 1 V gives the soma g tau_d tau_m / (tau_m - tau_d) (e^(-t/tau_m) - e^(-t/tau_d)); order 2 in dt."""
    errors = []
    for dt in (1e-3, 0.5e-3, 0.25e-3):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "soma", n=1, tau=20e-3, v_th=1e9)
        net.add(ship.Dendrite, "dend", target="soma", tau=8e-3, g=100.0)
        net.add(ship.ImpulseSynapse, "s", source="in", target="dend", weight=1.0)
        net.init(dt=dt, dtype=D)
        net.monitor("soma", "v")
        x = torch.zeros(1, round(0.1 / dt), 1)
        x[0, 0] = 1
        net.run(x)
        t = net.timeline()
        exact = 100.0 * 8e-3 * 20e-3 / 12e-3 * (torch.exp(-t / 20e-3) - torch.exp(-t / 8e-3))
        errors.append(float((net.records["soma"].v[0, :, 0] - exact).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.2)


def test_dendrite_saturates():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "soma", n=2, tau=float("inf"), v_th=1e9)
    net.add(ship.Dendrite, "dend", target="soma", v_sat=torch.tensor([0.125, float("inf")]), g=100.0, tau=10.0)
    net.add(ship.ImpulseSynapse, "s", source="in", target="dend", weight=100.0)
    net.init(dt=1e-3, dtype=D)
    net.monitor("dend", "output")
    x = torch.zeros(1, 5, 1)
    x[0, 0] = 1
    net.run(x)
    assert float(net.records["dend"].output[0, 0, 0]) == pytest.approx(100 * 0.125 * 1e-3, rel=1e-9)
    assert float(net.records["dend"].output[0, 0, 1]) == pytest.approx(100 * 100 * 1e-3, rel=1e-3)
