"""Changes of weights as pulses: rounding, which devices get them, and what a device without a step says."""

import pytest
import torch

import ship
from learning_devices import SOFT, Push, made
from ship.devices.weights.pulsing import nominal_step, rounded, shares, unit_step, within

pytestmark = pytest.mark.usefixtures("no_grad")
F64 = torch.float64


def test_rounding_is_whole_exact_and_unbiased():
    x = torch.tensor([0.0, 3.0, -2.0, 0.25, -0.25], dtype=F64).expand(20_000, 5)
    u = torch.rand(20_000, 5, dtype=F64, generator=torch.Generator().manual_seed(1))
    n = rounded(x, "stochastic", 100, u)
    assert torch.equal(n[:, :3], x[:, :3])  # whole numbers are not rounded, 0 gives no pulse
    assert set(n[:, 3].tolist()) == {0.0, 1.0}
    # Bernoulli: standard error sqrt(0.25 * 0.75 / 20000) = 0.003; 4 of them.
    assert (n[:, 3:].mean(0) - x[0, 3:]).abs().max() < 0.0125
    assert rounded(torch.tensor([5.0]), "stochastic", 100, torch.tensor([1 - 2**-24])).item() == 5.0  # float32: 5 + u is 6
    assert rounded(torch.tensor([0.4, 0.6, -99.0]), "nearest", 10, None).tolist() == [0.0, 1.0, -10.0]


def test_which_devices_get_pulses():
    n = torch.tensor([2.0, -3.0])
    pair = ship.Differential().signs()
    assert shares(n, pair, "both", 0).tolist() == [[2, -3], [-2, 3]]
    assert shares(n, pair, "up", 0).tolist() == [[2, 0], [0, 3]]
    assert shares(n, pair, "plus", 0).tolist() == [[2, -3], [0, 0]]
    assert shares(n, ship.Offset().signs(), "both", 0).tolist() == [[2, -3]]


@pytest.mark.parametrize(
    ("mapping", "how", "expected"),
    [
        # Soft bounds in mid-window: up 0.1 * 0.5 of the window, down 0.2 * 0.5.
        (ship.Differential(), "both", 0.05 + 0.1),
        (ship.Differential(pairs=3), "both", 0.05 + 0.1),
        (ship.Differential(), "up", 0.05),
        (ship.Differential(), "plus", (0.05 + 0.1) / 2),
        (ship.Offset(), "both", 2 * (0.05 + 0.1) / 2),
    ],
)
def test_unit_step(mapping, how, expected):
    assert nominal_step(SOFT) == pytest.approx((0.05, 0.1), rel=1e-12)
    assert unit_step(SOFT, mapping, how) == pytest.approx(expected, rel=1e-12)


def test_a_device_of_many_domains_that_a_standard_pulse_leaves_alone_says_so():
    """Its law stacks the numbers that it draws; in the middle of their distribution no domain flips."""
    assert nominal_step(ship.devices.deng_fefet()) == (0.0, 0.0)
    net = made(ship.devices.deng_fefet(), Push(amount=0.04, w_min=-1.0), n=(2, 3))
    net.program()
    with pytest.raises(ship.RunError, match=r"does not move the nominal device in mid-window\. Give Pulsing\(step=...\)"):
        net.run(torch.ones(1, 2, 2, dtype=F64))


def test_within_gives_no_change_where_none_was_wanted():
    change, low, high = torch.tensor([0.0, 0.5, -0.5, 0.5, -0.5]), torch.tensor(0.0), torch.tensor(1.0)
    weight = torch.tensor([1.5, 0.8, 0.2, 1.5, -0.5])
    assert within(change, weight, low, high).tolist() == pytest.approx([0.0, 0.2, -0.2, 0.0, 0.0])
