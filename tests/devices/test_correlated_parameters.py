"""Parameters of devices that vary together: the coefficients of correlation are those that were asked for."""

import math

import pytest
import torch

import ship

R = 0.8
IMPOSSIBLE = (("alpha_p", "alpha_d", 0.9), ("alpha_d", "gamma_p", 0.9), ("alpha_p", "gamma_p", -0.9))


def device(*correlated, alpha_d=None, **more):
    update = ship.devices.Bounded(
        alpha_p=ship.Varied(0.01, d2d=0.1),
        alpha_d=ship.Varied(0.02, d2d=0.2) if alpha_d is None else alpha_d,
        gamma_p=ship.Varied(1.0, d2d=0.05),
        **more,
    )
    return ship.Device(update=update, correlated=correlated)


def values(array, *names):
    return torch.stack([array.value(f"update.{name}").flatten() for name in names])


def test_coefficients_are_those_asked_for():
    """20,000 devices: the standard error of a coefficient r is (1 - r^2) / sqrt(n); what is not named stays independent."""
    made = device(("update.alpha_p", "update.alpha_d", R))
    array = ship.DeviceArray(made, 10_000, chips=2, seed=4, dtype=torch.float64)
    found = torch.corrcoef(values(array, "alpha_p", "alpha_d", "gamma_p"))
    assert abs(float(found[0, 1]) - R) < 3 * (1 - R**2) / math.sqrt(20_000)
    assert float(found[2, :2].abs().max()) < 4 / math.sqrt(20_000)
    mean, std = values(array, "alpha_d").mean(), values(array, "alpha_d").std()
    assert float(mean) == pytest.approx(0.02, abs=3 * 0.004 / math.sqrt(20_000))
    assert float(std) == pytest.approx(0.004, rel=3 / math.sqrt(40_000))  # mixing keeps the spread


def test_a_die_alone_and_variation_off():
    made = device(("update.alpha_p", "update.alpha_d", -R))
    both, one = (ship.DeviceArray(made, 50, chips=c, seed=4) for c in ([0, 3], [3]))
    assert torch.equal(both.value("update.alpha_d")[1], one.value("update.alpha_d")[0])
    still = ship.DeviceArray(made, 50, variation=False)
    assert torch.equal(still.value("update.alpha_d"), torch.tensor(0.02))


@pytest.mark.parametrize(
    ("correlated", "alpha_d", "message"),
    [
        ((("update.alpha_p", "update.alpha_x", R),), None, "no parameter 'update.alpha_x'"),
        ((("update.alpha_p", "update.alpha_d", 1.0),), None, "must lie between -1 and 1"),
        ((("update.alpha_p", "update.alpha_d", R),), 0.02, "needs parameters that vary; got update.alpha_d"),
        (
            (("update.alpha_p", "update.alpha_d", R),),
            ship.Varied(0.02, c2c=0.1),
            "needs parameters that vary; got update.alpha_d",
        ),
        ((("update.noise", "update.v_th", R),), None, "needs parameters that vary; got update.noise"),
        (
            tuple((f"update.{a}", f"update.{b}", r) for a, b, r in IMPOSSIBLE),
            None,
            "possible together",
        ),
    ],
)
def test_errors(correlated, alpha_d, message):
    with pytest.raises(ship.ParameterError) as caught:
        ship.DeviceArray(device(*correlated, alpha_d=alpha_d), 10)
    assert message in str(caught.value)
    assert "correlated" in str(caught.value)
