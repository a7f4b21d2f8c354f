"""A measured chip becomes the state of an array or of a network's devices: values, broken devices, and what is refused."""

import pytest
import torch

import ship

pytestmark = pytest.mark.usefixtures("no_grad")

STUCK = ship.devices.Stuck(low=0.1, high=0.1, open=0.1)


def measured(faults=(), rows=6, columns=4, seed=0):
    """Conductances from 5 to 45 uS, and a map with the faults given as (row, column, code)."""
    g = torch.rand(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 40 + 5
    codes = torch.zeros(rows, columns, dtype=torch.int8)
    for row, column, code in faults:
        codes[row, column] = code
    return ship.measured_array(g, unit="uS", faults=codes)


def device(**parts):
    return ship.Device(g_min=1e-6, g_max=50e-6, **parts)


def network(weight=None, **given):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.LeakyIntegrator, "out", n=4, output=True)
    more = {} if weight is None else {"weight": weight}
    net.add(ship.ExpSynapse, "syn", source="in", target="out", **more, **given)
    net.init(dt=1e-3, seed=0)
    return net


def test_state_and_faults():
    """Sound devices are at their measured values; broken ones at 1 uS (low), 50 uS (high) and 0 S (open), for good."""
    chip = measured([(0, 0, 1), (1, 1, 2), (2, 2, 3)])
    array = ship.DeviceArray(device(faults=STUCK), (6, 4), dtype=torch.float64)
    array.write(20e-6)
    array.wait(100.0)
    array.adopt(chip)
    g, sound = array.conductance(), chip.faults == 0
    assert int(sound.sum()) == 21
    torch.testing.assert_close(g[sound], chip.conductance[sound], rtol=1e-12, atol=0.0)
    expected = torch.tensor([1e-6, 50e-6, 0.0], dtype=torch.float64)
    torch.testing.assert_close(g[[0, 1, 2], [0, 1, 2]], expected, rtol=1e-12, atol=0.0)
    assert any("3 broken devices" in note for note in array.notes)
    array.write(30e-6)  # only the sound ones follow
    torch.testing.assert_close(array.conductance()[sound], torch.full((21,), 30e-6, dtype=torch.float64), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(array.conductance()[[0, 1, 2], [0, 1, 2]], expected, rtol=1e-12, atol=0.0)


def test_map_replaces_the_draws():
    """A fifth of the devices would be broken from birth: none is, where the map says so."""
    array = ship.DeviceArray(device(faults=ship.devices.Stuck(low=0.2)), (6, 4), dtype=torch.float64)
    array.write(25e-6)
    assert int((array.conductance() < 2e-6).sum()) > 0
    array.adopt(measured())
    torch.testing.assert_close(array.conductance(), measured().conductance, rtol=1e-12, atol=0.0)


def test_written_now():
    """Age 0, whatever it was before: a power law loses (1 + t / t0)^-nu from here on."""
    array = ship.DeviceArray(device(retention=ship.devices.PowerDrift(nu=0.1, t0=1.0)), (6, 4), dtype=torch.float64)
    array.write(20e-6)
    array.wait(1e6)
    array.adopt(measured())
    fresh = ship.DeviceArray(device(retention=ship.devices.PowerDrift(nu=0.1, t0=1.0)), (6, 4), dtype=torch.float64)
    fresh.write(measured().conductance)
    for each in (array, fresh):
        each.wait(1e3)
    torch.testing.assert_close(array.conductance(), fresh.conductance(), rtol=1e-12, atol=0.0)
    assert float((array.conductance() / measured().conductance).max()) < 0.6


def test_states_other_than_conductance():
    """A table enters its branch up where its conductance is nearest."""
    update = ship.devices.TableUpdate(up=(1e-6, 20e-6, 60e-6), down=(60e-6, 1e-6))
    array = ship.DeviceArray(ship.Device(update=update), (6, 4), dtype=torch.float64)
    array.adopt(measured())
    torch.testing.assert_close(array.conductance(), measured().conductance, rtol=1e-9, atol=0.0)


def test_refusals():
    broken = measured([(0, 0, 1)])
    with pytest.raises(ship.ParameterError, match=r"1 of 24 devices that are stuck or open\. Give the device faults="):
        ship.DeviceArray(device(), (6, 4)).adopt(broken)
    high_only = ship.DeviceArray(device(faults=ship.devices.Stuck(high=0.1)), (6, 4))
    with pytest.raises(ship.ParameterError, match="Stuck cannot hold this map; got 23 sound, 1 stuck low"):
        high_only.adopt(broken)
    full = ship.DeviceArray(device(faults=ship.devices.Stuck(low=0.5, high=0.5)), (6, 4))
    with pytest.raises(ship.ParameterError, match="must leave room for sound devices"):
        full.adopt(broken)
    with pytest.raises(ship.ParameterError, match=r"must fit the shape \[4, 6\]"):
        ship.DeviceArray(device(), (4, 6)).adopt(measured())
    with pytest.raises(ship.ParameterError, match="must be at least 0 S"):
        ship.DeviceArray(device(), (6, 4)).adopt(-measured().conductance)
    with pytest.raises(ship.ParameterError, match=r"must be 0 \(sound\), 1"):
        ship.DeviceArray(device(faults=STUCK), (6, 4)).adopt(measured().conductance, faults=torch.full((6, 4), 7))
    with pytest.raises(ship.ParameterError, match="LinearDrift cannot take all of the measured values; its window is"):
        ship.DeviceArray(ship.devices.strukov_tio2(), (6, 4)).adopt(measured().conductance * 1e6)


def test_network(tmp_path):
    """``w = w_max (G+ - G-) / span``; wait, save and a run go on from there."""
    plus, minus = measured(), measured(seed=1)
    net = network(device=device(), mapping=ship.Differential(w_max=2.0))
    net.adopt("syn", plus, minus)
    weight = 2.0 * (plus.conductance - minus.conductance) / 49e-6
    torch.testing.assert_close(net["syn"].hardware.weight(net["syn"].weight)[0, 0].double(), weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(net.read("syn").double(), torch.stack([plus.conductance, minus.conductance]), rtol=1e-5, atol=0.0)
    x = (torch.rand(2, 30, 6, generator=torch.Generator().manual_seed(0)) < 0.3).float()
    out = net.run(x)
    alike = network(weight=weight.float())
    torch.testing.assert_close(out, alike.run(x), rtol=1e-4, atol=1e-6)
    assert float(out.abs().max()) > 0.1
    ship.save(net, tmp_path / "net.ship")
    torch.testing.assert_close(ship.load(tmp_path / "net.ship").run(x), out, rtol=1e-6, atol=0.0)


def test_network_keeps_the_map():
    chips = [measured([(0, 0, 3)]), measured([(5, 3, 2)], seed=1)]
    net = network(device=device(faults=STUCK), mapping=ship.Differential(w_max=2.0))
    net.adopt("syn", *chips)
    net.program("syn")
    g = net.read("syn")
    assert float(g[0, 0, 0]) == 0.0
    assert float(g[1, 5, 3]) == pytest.approx(50e-6)


def test_chips_of_their_own():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.LeakyIntegrator, "out", n=4, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", target="out", device=device(), mapping=ship.Offset())
    net.init(dt=1e-3, seed=0, chips=2)
    both = torch.stack([measured().conductance, measured(seed=1).conductance])
    net.adopt("syn", both)
    torch.testing.assert_close(net.read("syn")[:, 0].double(), both, rtol=1e-5, atol=0.0)
    net.adopt("syn", measured())
    assert torch.equal(net.read("syn")[0], net.read("syn")[1])


def test_network_refusals():
    net = network(device=device())
    with pytest.raises(ship.GraphError, match=r"Differential has 2 devices for each weight of 'syn'.*got 1 arrays"):
        net.adopt("syn", measured())
    with pytest.raises(ship.GraphError, match=r"array 1 of 'syn': conductance: must be \[6, 4\].*Transpose it"):
        net.adopt("syn", measured(), measured().conductance.T)
    with pytest.raises(ship.GraphError, match="group 'in' has no devices"):
        net.adopt("in", measured())
    with pytest.raises(ship.GraphError, match="must be 2 maps"):
        net.adopt("syn", measured(), measured(), faults=[torch.zeros(6, 4)])
