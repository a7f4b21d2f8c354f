"""Writing by counted pulses that nobody checks, against closed forms; and the mean of several reads."""

import math

import pytest
import torch

import ship
from ship.devices import AdditiveNoise, Bounded, NonlinearPulses, OpenLoop, Unmeasured

LOW, HIGH = 1e-6, 100e-6
SPAN = HIGH - LOW


def array(update, n, **parts):
    device = ship.Device(g_min=LOW, g_max=HIGH, update=update, **parts)
    return ship.DeviceArray(device, n, dtype=torch.float64)


@pytest.mark.parametrize("pulses", [15, 100, 1000])
def test_steps_of_one_size_take_the_nearest_whole_count(pulses):
    """With a hard bound and P pulses from end to end a target u of the window takes round(u P), and errs by half a step."""
    devices = array(Bounded(alpha_p=1 / pulses, alpha_d=1 / pulses), 9)
    u = torch.tensor([0.033, 0.142, 0.254, 0.368, 0.481, 0.592, 0.706, 0.818, 0.933], dtype=torch.float64)  # no half counts
    written = devices.write(LOW + u * SPAN, verify=OpenLoop())
    assert torch.equal(written.pulses, (u * pulses).round())
    reached = (devices.conductance() - LOW) / SPAN
    assert torch.allclose(reached, (u * pulses).round() / pulses, atol=1e-9)
    assert bool((written.error.abs() <= 0.5001 * SPAN / pulses).all())
    assert not bool(written.failed.any())


def test_counts_between_whole_numbers_leave_no_gap():
    """Without whole counts a straight curve meets every target; a curved one up to the chords of its own table."""
    u = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    for update, tolerance in (
        (Bounded(alpha_p=1 / 15, alpha_d=1 / 15), 1e-9),
        (NonlinearPulses(pulses_up=16.0, nl_up=2.0), 2e-3),
    ):
        devices = array(update, 19)
        devices.write(LOW + u * SPAN, verify=OpenLoop(whole=False))
        assert float(((devices.conductance() - LOW) / SPAN - u).abs().max()) < tolerance
        devices.write(LOW + u * SPAN, verify=OpenLoop())
        assert float(((devices.conductance() - LOW) / SPAN - u).abs().max()) > 0.01


def test_a_write_begins_at_the_reset_state():
    """What was there before does not matter, and a target at the bottom takes no pulse."""
    devices = array(Bounded(), 3)
    goal = torch.tensor([LOW, LOW + 0.25 * SPAN, HIGH], dtype=torch.float64)
    devices.write(torch.full_like(goal, 60e-6))
    written = devices.write(goal, verify=OpenLoop())
    assert written.pulses.tolist() == [0.0, 25.0, 99.0]  # the margin of 1 % stays below the top
    assert torch.allclose(devices.conductance(), LOW + torch.tensor([0.0, 0.25, 0.99], dtype=torch.float64) * SPAN)


def test_spread_and_noise_stay():
    """Steps that vary by s leave s of the way; a noise of sigma a pulse leaves sigma sqrt(n): 4000 devices tell both to 5 %."""
    goal = torch.full((4000,), LOW + 0.5 * SPAN, dtype=torch.float64)
    varied = array(Bounded(alpha_p=ship.Varied(0.01, d2d=0.1), alpha_d=0.01), 4000)
    noisy = array(Bounded(alpha_p=0.01, alpha_d=0.01, noise=0.004), 4000)
    for devices, expected in ((varied, 0.5 * 0.1), (noisy, 0.004 * math.sqrt(50))):
        devices.write(goal, verify=OpenLoop())
        assert float(devices.conductance().std()) / SPAN == pytest.approx(expected, rel=0.05)
        devices.write(goal, verify=ship.WriteVerify(0.02, most=30, by="train"))
        assert float((devices.conductance() - goal).abs().max()) < 0.0201 * SPAN


def test_devices_that_are_not_chosen_stay():
    devices = array(Bounded(), 2)
    devices.write(torch.tensor([30e-6, 30e-6]))
    written = devices.write(torch.tensor([60e-6, 60e-6]), verify=OpenLoop(), only=torch.tensor([True, False]))
    assert devices.conductance().tolist() == pytest.approx([60e-6, 30e-6], rel=0.02)
    assert written.pulses.tolist() == [60.0, 0.0]


def test_what_is_refused():
    with pytest.raises(ship.ShipError, match="not measured"):
        array(Unmeasured(), 2).write(50e-6, verify=OpenLoop())
    with pytest.raises(ship.ShipError, match="margin"):
        OpenLoop(margin=1.0)


def test_the_mean_of_reads_in_a_verification():
    """n reads of white noise leave sigma / sqrt(n): what was seen differs from what is there by that (5 % of 4000 devices)."""
    sigma = 2e-6
    devices = array(Bounded(), 4000, noise=AdditiveNoise(sigma=sigma))
    devices.write(50e-6)
    for reads in (1, 16):
        written = devices.write(50e-6, verify=ship.WriteVerify(0.5, most=1, by="pulse", reads=reads))
        seen = written.error + 50e-6 - devices.conductance()
        assert float(seen.std()) == pytest.approx(sigma / math.sqrt(reads), rel=0.05)
