"""What is left of a network in each condition, and what limits: devices must differ where they should, and only there.

The network is one layer of 640 weights that reads digits. Chips of all devices have the same seeds, so that differences are those
of pairs; where an interval is asked to be above 0 it is the 95 % interval over 8 chips.
"""

import dataclasses
import warnings

import pytest
import torch

import ship
from ship import data
from ship.base.parameters import Normal
from ship.devices import (
    AdditiveNoise,
    Bounded,
    GaussianProgramming,
    OpenLoop,
    Origin,
    PowerDrift,
    Stuck,
    TwoStateProgramming,
    Unmeasured,
)
from ship.models import ExpSynapse, LeakyIntegrator, SpikeInput
from ship.study import compare, conditions, idealise, task, ways, weight_error
from ship.train import Mean, Trainer

CHIPS = 8


@pytest.fixture(scope="module")
def reader():
    """A trained layer and the digits that it has not seen."""
    pytest.importorskip("sklearn")
    digits = task("digits")
    net = ship.Network()
    net.add(SpikeInput, "in", n=64)
    net.add(LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    net.add(ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=Normal(0.0, 0.05))
    net.init(dt=digits.dt, seed=0)
    trainer = Trainer(net, optimizer=torch.optim.Adam(net.parameters(), 0.02), readout=Mean(tail=digits.readout.tail))
    order = data.Batches(digits.train.x, digits.train.labels, 64, encode=digits.encode, shuffle=True, seed=0)
    trainer.fit(order, epochs=4, progress=False)
    return net, digits.held_out()


def made(name, pulses=1000, low=0.88e-6, spread=0.0, step=0.0, **parts):
    """A device with a given number of equal pulses from end to end; ``spread`` of both ends, ``step`` of the steps."""
    alpha = ship.Varied(1 / pulses, d2d=step) if step else 1 / pulses
    ends = {"g_min": low, "g_max": 100e-6}
    if spread:
        ends = {end: ship.Varied(value, d2d=spread) for end, value in ends.items()}
    return ship.Device(name=name, update=Bounded(alpha_p=alpha, alpha_d=alpha), **ends, **parts)


@pytest.fixture(scope="module")
def compared(reader):
    net, test = reader
    devices = [
        made("good"),
        made("16 levels", pulses=15),
        made("4 levels", pulses=3),
        made("steps 30 %", step=0.3),
        made("on/off 2.3", low=43e-6),
        made("on/off 113, spread", spread=0.1),
        made("on/off 2.3, spread", low=43e-6, spread=0.1),
        made("noise", noise=AdditiveNoise(sigma=20e-6)),
        made("noise, small window", low=43e-6, noise=AdditiveNoise(sigma=20e-6)),
        made("drift", retention=PowerDrift(nu=ship.Varied(0.1, d2d_abs=0.05))),
    ]
    return compare(net, devices, test, chips=CHIPS, limits=CHIPS)


@pytest.mark.slow
def test_devices_differ_where_they_should(compared):
    """Without verification the number of levels, the spread, the noise and the on/off ratio with spread all cost accuracy."""
    for worse, row in (
        ("4 levels", "by pulses"),
        ("steps 30 %", "by pulses"),
        ("on/off 2.3, spread", "by pulses"),
        ("noise", "by pulses"),
        ("noise", "verified"),
    ):
        assert compared.difference("good", worse, row).low > 0, (worse, row)
    assert compared.difference("on/off 113, spread", "on/off 2.3, spread", "by pulses").low > 0
    assert compared.difference("noise", "noise, small window", "by pulses").low > 0  # the same noise in S, a smaller window
    assert compared.difference("16 levels", "4 levels", "by pulses").low > 0
    order = [name for name, _ in compared.ranking("by pulses")]
    assert order.index("good") < order.index("steps 30 %")


@pytest.mark.slow
def test_devices_agree_where_they_should(compared):
    """A small on/off ratio alone, and 16 levels, cost at most one digit in a hundred; verification hides the spread of steps."""
    for other in ("on/off 2.3", "16 levels"):
        assert abs(compared.difference("good", other, "by pulses").value) < 0.01
    few, many = (compared[name].row("by pulses").off for name in ("16 levels", "good"))
    assert few == pytest.approx(1 / 15 / 12**0.5, rel=0.2)
    assert many < 0.001  # a thousand levels, and the uppermost hundredth of the window that a count does not go to
    assert "number of pulses sets the error of the weights" in compared["16 levels"].limiting()
    spread = compared["steps 30 %"]
    hidden, shown = (compared.difference("good", "steps 30 %", row).value for row in ("verified", "by pulses"))
    assert hidden < 0.5 * shown
    assert spread.base == "by pulses"


@pytest.mark.slow
def test_what_limits_is_named(compared):
    """The property that was made bad comes first, its interval is above 0, and a good device has none."""
    for device, text in (
        ("4 levels", "number of pulses"),
        ("steps 30 %", "spread from device to device"),
        ("noise", "read noise"),
        ("drift", "drift after 30 d"),
    ):
        first = compared[device].limits[0]
        assert (first.name, first.counts) == (text, True), device
        assert compared[device].limiting().startswith(text)
    both = {x.name for x in compared["on/off 2.3, spread"].limits if x.counts}
    assert both == {"spread from device to device", "finite on/off ratio"}
    assert "nothing" in compared["good"].limiting()
    assert any("On/off ratio 2.33" in note for note in compared["on/off 2.3"].notes)


@pytest.mark.slow
def test_drift_shows_after_waiting_only(compared):
    found = compared["drift"]
    assert compared.difference("good", "drift", "verified").value < 0.01
    assert found.row("after 30 d").summary.mean.value < found.row("verified").summary.mean.value - 0.02
    late = next(x for x in found.limits if x.name.startswith("drift"))
    gain = (found.row("verified").chips - found.row("after 30 d").chips).mean()
    assert late.gain.value == pytest.approx(float(gain))


def test_two_measured_states(reader):
    """A device of which only two states are known is written level by level; what was not measured has a reason, no number."""
    net, test = reader
    missing = dict.fromkeys(("update", "programming", "retention", "noise"), Origin("missing"))
    origins = missing | {"d2d": Origin("measured")}
    high = ship.Varied(100e-6, d2d=0.2)
    device = ship.Device(name="states", g_min=2e-6, g_max=high, update=Unmeasured(), origins=origins)
    found = conditions(net, device, test, chips=4, limits=4)
    assert [row.name for row in found.rows if row.chips is not None] == ["level by level"]
    assert found.row("by pulses").text == (
        "not measured: how pulses move the device (update); to assume one: ship.devices.assume(device, update='gong_2018')"
    )
    assert "retention" in found.row("after waiting").text
    assert {x.name for x in found.limits} == {"two states only", "spread from device to device"}
    assert any("read noise" in note and "in no number" in note for note in found.notes)
    table = compare(net, [device], test, chips=2, limits=0).markdown()
    assert "| not measured |" in table
    assert len(table.splitlines()) == 3
    pulsed = conditions(net, ship.devices.assume(device, update="gong_2018"), test, chips=2, limits=0)
    assert pulsed.row("by pulses").chips is not None
    assert any(note.startswith("Assumed: update: gong_2018") for note in pulsed.notes)


def test_states_at_the_ends_of_their_own_windows(reader):
    """Level by level each device is at the low or the high end of its own window."""
    net, _ = reader
    device = ship.Device(g_min=ship.Varied(2e-6, d2d=0.2), g_max=ship.Varied(100e-6, d2d=0.2), update=Unmeasured())
    chips = ship.study.virtual_chips(net, 2, device=device, mapping=ways.mapping_for(net, ways.LEVELS))
    ways.write(chips, ways.LEVELS)
    array = chips["syn"].hardware.array
    low, high = array.window()
    g = array.conductance()
    assert bool(((g == low) | (g == high)).all())
    assert 0.05 < float((g == high).double().mean()) < 0.5  # of a pair at most one is high


def test_two_states_with_an_assumed_law_of_pulses(reader):
    """A law that writes two states is told by what it does: no target is written with it, and a loop uses pulses."""
    net, test = reader
    origins = {"update": Origin("missing"), "programming": Origin("measured")}
    law = TwoStateProgramming(sigma_off=0.4, sigma_on=0.1)
    device = ship.Device(name="states", g_min=4e-6, g_max=80e-6, update=Unmeasured(), programming=law, origins=origins)
    alone = conditions(net, device, test, chips=2, limits=0)
    assert alone.row("verified").text.startswith("not measured: how pulses move the device (update)")
    device = ship.devices.assume(device, update="gong_2018")
    assert ways.writes_two(device)
    assert ways.closed_loop(device).by == "train"
    found = conditions(net, device, test, chips=2, limits=2)
    assert found.row("one shot").text == "a write leaves one of two states: see 'level by level'"
    assert found.row("level by level").chips is not None
    assert found.base == "by pulses"
    assert any("scatter of its high state" in note for note in found.notes)
    assert not ways.writes_two(ship.devices.pcm())


def test_a_reset_leaves_the_scatter_of_the_low_state():
    """Counted from a reset: mean and width of ln G of the low state are those of its law, cut at the low end of the window."""
    law = TwoStateProgramming(sigma_off=0.3)
    device = ship.Device(g_min=4e-6, g_max=80e-6, update=Bounded(alpha_p=0.01, alpha_d=0.01), programming=law)
    array = ship.DeviceArray(device, 4000, seed=1)
    array.write(torch.full((4000,), 4e-6), verify=OpenLoop())
    shift = (array.conductance().double() / 4e-6).log() / 0.3
    assert float((shift < 1e-3).double().mean()) == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)
    # half a normal number, the other half at 0: mean 1 / sqrt(2 pi), mean square 1/2
    assert float(shift.mean()) == pytest.approx((2 * torch.pi) ** -0.5, abs=4 * 0.6 / 4000**0.5)
    assert float(shift.square().mean()) == pytest.approx(0.5, abs=4 * 1.1 / 4000**0.5)


def test_the_error_of_weights():
    """Weights spread evenly over n levels miss by 1 / (n - 1) / sqrt(12); a read of a pair has sqrt(2) of a device's noise."""
    net = ship.Network()
    net.add(SpikeInput, "in", n=64)
    net.add(LeakyIntegrator, "out", n=10, tau=20e-3, output=True)
    net.add(ExpSynapse, "syn", source="in", target="out", tau=5e-3, weight=torch.linspace(-1, 1, 640).reshape(64, 10))
    net.init(dt=1e-3, seed=0)

    def error(device, way):
        chips = ship.study.virtual_chips(net, 2, device=device, mapping=ways.mapping_for(net, way))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            ways.write(chips, way)
        return weight_error(chips)

    for pulses in (7, 15, 31):
        expected = 1 / pulses / 12**0.5
        assert torch.allclose(error(made("a", pulses), ways.PULSES), torch.tensor(expected).double(), rtol=0.05), pulses
    noisy = made("noise", noise=AdditiveNoise(sigma=5e-6))
    assert torch.allclose(error(noisy, ways.ONE_SHOT), torch.tensor(2**0.5 * 5e-6 / 99.12e-6).double(), rtol=1e-3)
    assert float(error(made("exact"), ways.ONE_SHOT).max()) < 1e-6
    with pytest.raises(ship.RunError, match="needs weights other than 0 that devices hold"):
        weight_error(net)


def test_properties_made_ideal():
    """Each idealisation takes away its own property and nothing else; where there is nothing to take away there is none."""
    plain = made("plain")
    assert all(idealise.without(plain, name) is None for name in ("spread", "scatter", "read noise", "faults"))
    device = dataclasses.replace(
        made("all", step=0.3, spread=0.1, noise=AdditiveNoise(sigma=ship.Varied(1e-6, d2d=0.2)), faults=Stuck(low=0.01)),
        programming=GaussianProgramming(sigma=1e-6),
        update=Bounded(alpha_p=ship.Varied(0.01, d2d=0.3, c2c=0.1), alpha_d=0.01, noise=0.01),
    )
    spread = idealise.without(device, "spread")
    assert spread.g_max == 100e-6
    assert spread.update.alpha_p == ship.Varied(0.01, c2c=0.1)
    assert (spread.noise.sigma, spread.update.noise, spread.faults) == (1e-6, 0.01, device.faults)
    scatter = idealise.without(device, "scatter")
    assert scatter.update.alpha_p == ship.Varied(0.01, d2d=0.3)
    assert (scatter.update.noise, scatter.programming, scatter.noise) == (0.0, GaussianProgramming(), device.noise)
    assert idealise.without(device, "read noise").noise is None
    assert idealise.without(device, "faults").faults is None
    low = idealise.without(device, "on/off").g_min
    assert (low.nominal, low.d2d) == (pytest.approx(0.88e-9), 0.1)
    assert idealise.concerned(plain, counts=True) == ["spread", "scatter", "read noise", "faults"]
    assert "resolution" in idealise.concerned(made("few", pulses=15), counts=True)


def test_a_device_without_a_stated_law_is_not_pulsed(reader):
    """The update of every `ship.Device` is nobody's word: a device made for one-shot writing is not written by pulses."""
    net, test = reader
    found = conditions(net, ship.devices.pcm(), test, chips=2, limits=0, waits=(3600.0,))
    assert found.row("by pulses").chips is None
    assert found.row("by pulses").text.startswith("not given: how pulses move the device")
    assert [row.name for row in found.rows if row.chips is not None] == ["one shot", "verified", "after 1 h"]
    assert found.base == "one shot"


def test_what_is_refused(reader):
    net, test = reader
    with pytest.raises(ship.ShipError, match="chips"):
        conditions(net, made("a"), test, chips=1)
    with pytest.raises(ship.ShipError, match="name"):
        compare(net, [made("a"), made("a")], test)
    impossible = ship.Device(name="impossible", g_max=ship.Varied(2e-6, d2d=0.5), update=Bounded(alpha_p=0.1))
    found = conditions(net, impossible, test, chips=2, limits=0)
    assert found.row("by pulses").text.startswith("refused: ")
    assert "nothing can be said" in found.limiting()
