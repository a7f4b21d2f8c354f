"""Names and conversions that the documents state: the order of emission, and weights of other simulators."""

import re

import pytest
import torch

import ship
from pages import blocks, page, run_python

F64 = torch.float64


def test_one_name_for_the_order_of_emission():
    """What the README names for any spiking neuron is what `describe` lists and `add` takes."""
    row = next(line for line in page("README.md").splitlines() if line.startswith("| [neurons]"))
    named = re.findall(r"`(\w+)=", row)
    assert named == ["t_ref", "winner_take_all", "emit_order"]
    told = ship.describe(ship.LIF)
    assert all(f"  {name} " in told for name in named)
    net = ship.Network()
    net.add(ship.LIF, "a", n=1, emit_order="after")
    with pytest.raises(ship.ParameterError, match=r"has no parameter 'emit'.*Did you mean 'emit_order'\?"):
        net.add(ship.LIF, "b", n=1, emit="after")


def test_the_first_line_of_a_description_is_whole_sentences():
    for model in (ship.EIF, ship.AdEx, ship.ResonateAndFire, ship.TripletSTDP, ship.PlateauDendrite):
        assert ship.describe(model).splitlines()[0].endswith("."), ship.describe(model).splitlines()[0]


def run_block(name, part):
    """What the block of a page that has ``part`` in it defines."""
    namespace = {"torch": torch, "ship": ship}
    run_python(name, next(b for b in blocks(page(name)) if part in b.text), namespace)
    return namespace


def response(weight, tau_m, tau_s, steps, dt):
    """The membrane (V) at the slots after one spike at t = 0."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "cell", n=1, tau=tau_m, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="cell", tau=tau_s, weight=weight, drive="exact")
    net.init(dt=dt, dtype=F64)
    net.monitor("cell", "v")
    x = torch.zeros(1, steps, 1)
    x[0, 0] = 1.0
    with torch.no_grad():
        net.run(x)
    return net.records["cell"].v[0, :, 0]


@pytest.mark.parametrize("dt", [1e-4, 4e-3])
def test_a_weight_that_jumps_a_current(dt):
    """``I += w``, ``dI/dt = -I/tau_s``, ``tau_m dv/dt = I - v``: ``v = w tau_s / (tau_s - tau_m) (e^-t/tau_s - e^-t/tau_m)``,
    with the weight of the page, at any dt.
    """
    numbers = run_block("docs/coming-from.md", "tau_m, tau_s, w")
    tau_m, tau_s, w = (numbers[name] for name in ("tau_m", "tau_s", "w"))
    v = response(numbers["weight"], tau_m, tau_s, 20, dt)
    t = dt * torch.arange(20, dtype=F64)
    want = w * tau_s / (tau_s - tau_m) * (torch.exp(-t / tau_s) - torch.exp(-t / tau_m))
    assert float(want.max()) > 1e-3
    torch.testing.assert_close(v, want, rtol=1e-9, atol=1e-15)


def test_weights_and_currents_of_nest():
    """A current of J pA that falls with tau_syn, and one of I_e pA that stays, on a capacitance of C_m pF; in mV and ms, with
    ``dv/dt = -v / tau_m + i / C_m``: ``I_e tau_m / C_m (1 - e^-t/tau_m)``, and ``J / C_m (e^-t/tau_syn - e^-t/tau_m) / (1/tau_m -
    1/tau_syn)`` from the spike's arrival on.
    """
    numbers = run_block("docs/coming-from.md", "C_m, J")
    c_m, j, tau_syn, i_e = (numbers[name] for name in ("C_m", "J", "tau_syn", "I_e"))
    tau_m = 20.0
    v = 1e3 * numbers["net"].records["cell"].v[0, :, 0]
    t = 0.1 * torch.arange(len(v), dtype=F64)
    since = (t - 11.0).clamp(min=0)  # the spike of slot 100, a millisecond late
    constant = i_e / c_m * tau_m * (1 - torch.exp(-t / tau_m))
    falling = j / c_m * (torch.exp(-since / tau_syn) - torch.exp(-since / tau_m)) / (1 / tau_m - 1 / tau_syn)
    assert float(falling.max()) > 1.0
    assert float(constant.max()) > 10.0
    torch.testing.assert_close(v, constant + falling, rtol=1e-6, atol=1e-9)  # the level was given in float32
