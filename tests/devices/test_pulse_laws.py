"""Pulse laws against their closed forms, published numbers, gradients, and the rule that a device not moved is not changed."""

import math

import pytest
import torch

import ship
from parts import D, after, bag, close_std, normals, pulse, t
from ship.base.errors import ParameterError
from ship.devices import (
    Bounded,
    ConstantStep,
    ExpStep,
    LinearStep,
    LogarithmicPulses,
    LogBounded,
    NonlinearPulses,
    SoftBounds,
    SoftBoundsPmax,
    TableUpdate,
    ag_asi,
    cnr,
)
from ship.devices.contract import Conductance
from ship.devices.update.nonlinear import curvature, curve


def a_norm(nl):
    """NeuroSim's A_norm for a non-linearity; infinite for 0."""
    z = float(curvature(t(float(nl))))
    return 1 / z if z else math.inf


LAWS = [
    Bounded(alpha_p=0.02, alpha_d=0.03),
    Bounded(alpha_p=0.02, alpha_d=0.03, gamma_p=1.0, gamma_d=1.0),
    Bounded(alpha_p=0.02, alpha_d=0.03, gamma_p=2.0, gamma_d=1.5),
    NonlinearPulses(nl_up=2.4, nl_down=4.88, pulses_up=97.0),
    ConstantStep(step=0.01, asymmetry=0.2),
    LinearStep(step=0.01, gamma_up=0.3, gamma_down=0.6, centre=0.4),
    SoftBounds(step=0.01, centre=0.4, top=0.95, bottom=0.05),
    SoftBoundsPmax(pulses=200.0, alpha=0.01),
    ExpStep(step=0.01, a_up=0.2, a_down=0.2, gamma_up=2.0, gamma_down=2.0),
]
NAMES = [f"{i}-{type(law).__name__}" for i, law in enumerate(LAWS)]


@pytest.mark.parametrize("part", LAWS, ids=NAMES)
@pytest.mark.parametrize("v", [1.0, -1.0])
def test_pulses_compose(part, v):
    """n pulses at once are n events of one, without noise: rounding of up to 20 steps, each within 1e-15 or so."""
    g = t(0.2, 0.45, 0.8)
    one = g
    for _ in range(20):
        one = after(part, one, 1, v)
    assert torch.allclose(after(part, g, 20, v), one, rtol=0, atol=1e-12)
    assert bool(((one - g) * v > 0).all())  # they move, up with v above 0


@pytest.mark.parametrize("part", LAWS, ids=NAMES)
@pytest.mark.parametrize("v", [1.0, -1.0])
def test_gradients_reach_the_start(part, v):
    """The gradient passes `gradcheck`: of the conductance after 3 pulses, away from the bounds."""
    assert torch.autograd.gradcheck(lambda g: after(part, g, 3, v, xi=0.5), (t(0.3, 0.55, 0.7).requires_grad_(),))


def test_gradients_reach_the_parameters():
    """Reparametrised: steps and noise are differentiable for a given xi."""

    def moved(alpha, noise):
        part = Bounded(gamma_p=1.0)
        p = bag(part, alpha_p=alpha, noise=noise, gamma_p=1.0)
        return part.pulse(Conductance(t(0.3)), pulse(4), p, (t(0.7),)).g

    assert torch.autograd.gradcheck(moved, (t(0.1).requires_grad_(), t(0.02).requires_grad_()))
    assert torch.autograd.gradcheck(curvature, (t(0.3, 2.4, -5.0, 8.0).requires_grad_(),))


@pytest.mark.parametrize("part", LAWS, ids=NAMES)
def test_stays_within_the_window(part):
    for v in (1.0, -1.0):
        g = after(part, t(0.0, 0.5, 1.0), 5000, v, xi=3.0)
        assert bool(((g >= 0) & (g <= 1)).all())


# -- bounded ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, 200])
def test_soft_bound(n):
    """``w_n = 1 - (1 - w_0)(1 - alpha)^n`` up, ``w_0 (1 - alpha)^n`` down."""
    part = Bounded(alpha_p=0.03, alpha_d=0.05, gamma_p=1.0, gamma_d=1.0)
    assert float(after(part, 0.2, n)) == pytest.approx(1 - 0.8 * 0.97**n, rel=1e-13)
    assert float(after(part, 0.2, n, -1.0)) == pytest.approx(0.2 * 0.95**n, rel=1e-12)


def test_hard_bound():
    part = Bounded(alpha_p=0.03, alpha_d=0.05)
    assert float(after(part, 0.2, 10)) == pytest.approx(0.5, rel=1e-14)
    assert float(after(part, 0.2, 100)) == 1.0
    assert float(after(part, 0.2, 100, -1.0)) == 0.0


def test_power_two_decays_as_one_over_n():
    """gamma = 2: ``d(1 - w)/dn = -alpha (1 - w)^2``, so that ``1 / (1 - w)`` grows by alpha per pulse, up to O(ln n)."""
    part = Bounded(alpha_p=0.05, gamma_p=2.0)
    n = t(1000.0, 2000.0, 4000.0)
    left = 1 - after(part, torch.zeros(3, dtype=D), n)
    slope = (left[1:] / left[:-1]).log2()
    assert torch.allclose(slope, torch.full((2,), -1.0, dtype=D), atol=0.05)  # ln 2 alpha / (alpha n + 1) is below 0.03
    assert float(left[2] * (1 + 0.05 * 4000)) == pytest.approx(1.0, abs=0.05)


class TestLogBounded:
    """The bounds of ln g, in a window of three decades."""

    def array(self, **own):
        device = ship.Device(g_min=1e-9, g_max=1e-6, update=LogBounded(**own))
        return ship.DeviceArray(device, 3, dtype=D)

    def test_hard_is_a_factor_a_pulse(self):
        """Three decades in 50 pulses: each is a factor of 1000^(1/50); at the ends they stop."""
        array = self.array(alpha_p=0.02, alpha_d=0.02)
        array.write(1e-9)
        array.pulse(count=10)
        assert torch.allclose(array.conductance(), t(1e-9 * 1000**0.2).double().expand(3), rtol=1e-12)
        array.pulse(count=100)
        assert torch.allclose(array.conductance(), t(1e-6).expand(3), rtol=1e-12)
        array.pulse(-1.0, count=25)
        assert torch.allclose(array.conductance(), t(1e-6 * 1000**-0.5).expand(3), rtol=1e-12)

    @pytest.mark.parametrize("gamma", [0.0, 1.0, 1.7])
    @pytest.mark.parametrize("v", [1.0, -1.0])
    def test_pulses_compose(self, gamma, v):
        one, many = (self.array(alpha_p=0.02, alpha_d=0.03, gamma_p=gamma, gamma_d=gamma) for _ in range(2))
        for array in (one, many):
            array.write(torch.tensor([2e-9, 3e-8, 5e-7], dtype=D))
        many.pulse(v, count=20)
        for _ in range(20):
            one.pulse(v)
        assert torch.allclose(one.conductance(), many.conductance(), rtol=1e-11)
        assert bool((many.conductance() > 0).all())

    def test_needs_a_window_above_zero(self):
        with pytest.raises(ParameterError, match="must be above 0 S, for a law of the logarithm"):
            ship.DeviceArray(ship.Device(g_min=0.0, update=LogBounded()), 3)


def test_below_threshold_is_exactly_nothing():
    part = Bounded(alpha_p=0.1, alpha_d=0.1, noise=0.1, v_th=0.8)
    g = t(0.123, 0.5)
    for v in (0.8, -0.8, 0.3, 0.0):
        assert torch.equal(after(part, g, 5, v, xi=2.0), g)
    assert not torch.equal(after(part, g, 5, 0.81), g)


def test_too_many_stepped_pulses_are_refused():
    """More than 10^4 pulses in steps are refused; they must not be dropped in silence."""
    with pytest.raises(ParameterError, match=r"pulse: count: must be at most 10000 in one event.*; got 20000\. Give"):
        after(Bounded(gamma_p=2.0), 0.1, 20000)


def test_cycle_to_cycle():
    """c2c of alpha: w moves by ``alpha n (1 + c2c xi)``; noise: ``sigma sqrt(n) xi``, also from many devices."""
    n = 4000
    device = ship.Device(g_min=0.0, g_max=1.0, update=Bounded(alpha_p=ship.Varied(0.01, c2c=0.3)))
    array = ship.DeviceArray(device, n, seed=3, dtype=D)
    array.pulse(count=10)
    assert close_std(array.conductance(), 0.03)
    g = after(Bounded(alpha_p=0.0, noise=0.01), torch.full((n,), 0.5, dtype=D), 9, xi=normals(n))
    assert close_std(g, 0.03)


# -- NeuroSim --------------------------------------------------------------------------------------------------------------------

TABLE = [(0.5, 2.5199), (1.0, 1.2517), (1.46, 0.8487), (1.75, 0.7021), (2.4, 0.4992), (4.88, 0.2003)]


@pytest.mark.parametrize(("nl", "a"), TABLE)
def test_a_norm_table(nl, a):
    """NeuroSim's table has four decimals: half of the last one, and the share 0.098993 its five digits, 1e-5 relative."""
    assert a_norm(nl) == pytest.approx(a, abs=0.5e-4 + 1e-5 * a)
    assert a_norm(-nl) == -a_norm(nl)
    assert a_norm(0.0) == math.inf


@pytest.mark.parametrize("nl", [-4.88, -1.0, 0.0, 0.2, 1.0, 2.4, 4.88, 7.0])
def test_neurosim_curve(nl):
    """Ends exact; steps add what the law says; the largest distance from a straight line is NL / 10 to 1.1 %."""
    z, x = curvature(t(nl)), torch.linspace(0, 1, 2001, dtype=D)
    w = curve(x, z)
    assert float(w[0]) == 0.0
    assert float(w[-1]) == pytest.approx(1.0, abs=1e-15)
    step = t(1 / 2000)  # of x: what one adds follows from w alone
    more = (1 - w + w * torch.exp(-z)) * curve(step, z)
    assert torch.allclose(more, curve(x + step, z) - w, atol=1e-15 * float(torch.exp(z.abs())))
    assert float((w - x).abs().max()) == pytest.approx(abs(nl) / 10, rel=0.011, abs=1e-12)


def test_neurosim_branches():
    """``G_P(n) = B(1 - e^(-n/A)) + G_min``, ``G_D(n) = G_max - B(1 - e^((n-P)/A))``, written out as in NeuroSim; ends exact."""
    low, high, pulses, a = 3.0769e-9, 38.462e-9, 97.0, 0.4992
    part = NonlinearPulses(nl_up=2.4, nl_down=2.4, pulses_up=pulses, pulses_down=pulses)
    window = {"g_min": low, "g_max": high}
    n = torch.arange(0, 98, dtype=D)
    b = (high - low) / (1 - math.exp(-1 / a))
    up = after(part, torch.full((98,), low, dtype=D), n, **window)
    assert torch.allclose(up, b * (1 - torch.exp(-n / (a * pulses))) + low, rtol=1e-4, atol=0)  # four digits of A
    down = after(part, torch.full((98,), high, dtype=D), n, -1.0, **window)
    assert torch.allclose(down, high - b * (1 - torch.exp(-n / (a * pulses))), rtol=1e-4, atol=0)
    assert float(up[-1]) == pytest.approx(high, rel=1e-12)
    assert float(down[-1]) == pytest.approx(low, rel=1e-12)


def test_neurosim_noise_and_device():
    """sigma_c2c sqrt(n) of the window: 3.5 % of 35.385 nS, 9 pulses of 97 from the middle, far from the ends."""
    array = ship.DeviceArray(ag_asi(), 4000, seed=1, dtype=D)
    array.write(20e-9)
    start = array.conductance()
    assert torch.equal(start, torch.full((4000,), 20e-9, dtype=D))
    array.pulse(count=4)
    assert close_std(array.conductance(), 0.035 * 2 * (38.462e-9 - 3.0769e-9))


# -- steps -----------------------------------------------------------------------------------------------------------------------


def test_step_laws_at_one_pulse():
    """One pulse from u, as the module says, with c = 0.4."""
    u, s, c = t(0.2, 0.4, 0.7), 0.01, 0.4
    linear = LinearStep(step=s, gamma_up=0.3, gamma_down=0.6, centre=c)
    assert torch.allclose(after(linear, u, 1) - u, s * (1 - 0.3 * (u - c) / 0.6), atol=1e-15)
    assert torch.allclose(u - after(linear, u, 1, -1.0), s * (1 - 0.6 * (c - u) / 0.4), atol=1e-15)
    soft = SoftBounds(step=s, centre=c, top=0.9, bottom=0.1)
    assert torch.allclose(after(soft, u, 1) - u, s * (0.9 - u) / 0.5, atol=1e-15)
    assert torch.allclose(u - after(soft, u, 1, -1.0), s * (u - 0.1) / 0.3, atol=1e-15)
    exp = ExpStep(step=s)
    z = 2 * 0.244 * (u - 0.5) + 0.2425
    assert torch.allclose(after(exp, u, 1) - u, s * (1 - 0.00081 * torch.exp(12.44625 * z)).clamp(min=0), atol=1e-15)
    assert torch.allclose(u - after(exp, u, 1, -1.0), s * (1 - 0.36833 * torch.exp(-12.78785 * z)).clamp(min=0), atol=1e-15)


def test_soft_bounds_pmax():
    """``w(n) = B (1 - e^(-alpha n))``, ``B = 1 / (1 - e^(-alpha P))``; 1 after P pulses, and back."""
    part, n = SoftBoundsPmax(pulses=200.0, alpha=0.01), t(0.0, 50.0, 200.0)
    b = 1 / (1 - math.exp(-2))
    up = after(part, torch.zeros(3, dtype=D), n)
    assert torch.allclose(up, b * (1 - torch.exp(-0.01 * n)), atol=1e-13)
    assert torch.allclose(after(part, torch.ones(3, dtype=D), n, -1.0), 1 - up, atol=1e-13)


def test_asymmetry_and_bounds():
    part = ConstantStep(step=0.01, asymmetry=0.2, top=0.8, bottom=0.3)
    assert float(after(part, 0.5, 1)) == pytest.approx(0.512, abs=1e-15)
    assert float(after(part, 0.5, 1, -1.0)) == pytest.approx(0.492, abs=1e-15)
    assert float(after(part, 0.5, 1000)) == pytest.approx(0.8)
    assert float(after(part, 0.5, 1000, -1.0)) == pytest.approx(0.3)


@pytest.mark.parametrize("additive", [False, True])
def test_step_noise_has_the_variance_of_a_sum(additive):
    """n pulses, each with sigma = 0.3 of a step: 0.3 s sqrt(n)."""
    part = ConstantStep(step=0.001, noise=0.3, additive=additive)
    g = after(part, torch.full((4000,), 0.5, dtype=D), 16, xi=normals(4000))
    assert close_std(g, 0.3 * 0.001 * 4)


# -- logarithmic -----------------------------------------------------------------------------------------------------------------


def test_cnr_numbers():
    """n = 2, 10, 100 from n = 1: R_p 4873, 3500, 2882 Ohm and R_d 3582, 4390, 5546 Ohm (four digits)."""
    part, n = LogarithmicPulses(), t(1.0, 9.0, 99.0)
    window = {"g_min": 1 / 6031.56, "g_max": 1 / 2681.56}
    r_p = 1 / after(part, torch.full((3,), 1 / 6031.56, dtype=D), n, **window)
    assert torch.allclose(r_p, t(4873.0, 3500.0, 2882.0), rtol=0, atol=0.5)
    r_d = 1 / after(part, torch.full((3,), 1 / 3234.0, dtype=D), n, -1.0, **window)
    assert torch.allclose(r_d, t(3582.0, 4390.0, 5546.0), rtol=0, atol=0.5)


def test_cnr_straight_line():
    """R against ln n has the slope 502 Ohm, and events of any size compose."""
    part, window = LogarithmicPulses(), {"g_min": 1e-6, "g_max": 1e-3}
    n = t(1.0, 10.0, 100.0, 1000.0)
    r = 1 / after(part, torch.full((4,), 1 / 3234.0, dtype=D), n - 1, -1.0, **window)
    assert torch.allclose(r.diff() / math.log(10), torch.full((3,), 502.0, dtype=D), rtol=1e-12)
    for v, start in ((1.0, 1 / 6000), (-1.0, 1 / 3300)):
        whole = after(part, start, 30, v, **window)
        assert float(after(part, after(part, start, 12, v, **window), 18, v, **window)) == pytest.approx(float(whole), rel=1e-13)
    # 1 / g_min = 1 MOhm stands for e^1986 pulses: nothing moves, and nothing overflows.
    assert float(after(part, 1e-6, 5, -1.0, **window)) == 1e-6


def test_cnr_dispersion():
    """D_d = 139 Ohm; C_p y + D_p = 286 * 0.5970 + 17 at R = 4681.56 Ohm (y = 2000 / 3350); R stays inside the window."""
    part = cnr().update
    window = {"g_min": 1e-6, "g_max": 1.0}
    for v, sigma in ((-1.0, 139.0), (1.0, 286.0 * 2000 / 3350 + 17.0)):
        r = 1 / after(part, torch.full((4000,), 1 / 4681.56, dtype=D), 1, v, xi=normals(4000), **window)
        assert close_std(r, sigma)


# -- tables ----------------------------------------------------------------------------------------------------------------------

UP = (1.0, 2.0, 3.5, 4.0, 4.0, 6.0)
DOWN = (5.5, 4.5, 2.0, 1.5)
BUMPY = (1.0, 3.0, 2.0, 3.0, 5.0, 7.0)


def table(up=UP, down=DOWN, n=1, **kwargs):
    return ship.DeviceArray(ship.Device(update=TableUpdate(up=up, down=down, **kwargs)), n, dtype=D)


def follow(array, *polarities):
    seen = []
    for v in polarities:
        array.pulse(float(v))
        seen.append(float(array.conductance()[0]))
    return seen


def test_table_is_followed_exactly():
    """Up to the end, which is kept, then down with the drop between the branches, and on."""
    array = table()
    assert float(array.conductance()[0]) == UP[0]
    assert follow(array, 1, 1, 1, 1, 1, 1) == [*UP[1:], UP[-1]]
    assert follow(array, -1, -1, -1, -1) == [*DOWN[1:], DOWN[-1]]  # 6.0 enters at 5.5, the nearest
    bumpy = table(up=BUMPY)
    assert follow(bumpy, 1, 1, 1, 1, 1) == list(BUMPY[1:])  # not monotone: point by point


def test_table_many_pulses_in_one_event():
    one, many = table(), table()
    follow(one, 1, 1, 1)
    many.pulse(count=3)
    assert torch.equal(one.conductance(), many.conductance())
    many.pulse(count=0)
    assert torch.equal(one.conductance(), many.conductance())


def test_table_reversal():
    """A monotone branch is entered between points: 3.5 lies 1.4 points into DOWN (4.5, 2.0), so a pulse leads to 2.4: 1.8."""
    array = table()
    assert follow(array, 1, 1) == [2.0, 3.5]
    assert follow(array, -1) == [pytest.approx(2.0 + 0.4 * (1.5 - 2.0), abs=1e-12)]
    # On a branch that is not monotone: the nearest point, the earliest of equals. 3.0 is at 1 and at 3.
    array = table(up=BUMPY, down=(5.0, 3.0, 1.0))
    assert follow(array, 1, 1, 1, 1, -1, 1) == [3.0, 2.0, 3.0, 5.0, 3.0, 2.0]


def test_table_write_and_drift():
    """A written conductance is kept exactly; pulses go on from the nearest position on the branch up, inside and outside."""
    array = table()
    array.write(2.75)
    assert float(array.conductance()[0]) == 2.75
    assert follow(array, 1) == [pytest.approx(3.75, abs=1e-12)]  # position 1.5, then 2.5: between 3.5 and 4.0
    drifting = ship.DeviceArray(
        ship.Device(update=TableUpdate(up=UP, down=DOWN), retention=ship.devices.PowerDrift(nu=0.1)), 1, dtype=D
    )
    follow(drifting, 1, 1)
    drifting.wait(20.0)
    g = 3.5 * 2**-0.1
    assert float(drifting.conductance()[0]) == pytest.approx(g, rel=1e-14)
    position = 1 + (g - 2.0) / 1.5
    assert follow(drifting, 1) == [pytest.approx(3.5 + (position + 1 - 2) * 0.5, rel=1e-12)]


def test_table_scale_noise_and_window():
    """Scale multiplies everything; noise does not accumulate along a branch: its spread stays 2 % of the range of 5."""
    scaled = table(scale=2.0)
    assert [float(end[0]) for end in scaled.window()] == [2.0, 12.0]
    assert follow(scaled, 1, 1) == [4.0, 7.0]
    noisy = table(n=4000, noise=0.02)
    for k in (1, 2, 3):
        noisy.pulse()
        assert close_std(noisy.conductance(), 0.02 * 5)
        assert abs(float(noisy.conductance().mean()) - UP[k]) < 3 * 0.1 / math.sqrt(4000)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((1.0,), "TableUpdate.up: must have at least two points"),
        ((1.0, -2.0), "TableUpdate.up: must hold conductances of at least 0 S; got -2"),
        ((1.0, math.nan), "TableUpdate.up: must hold conductances of at least 0 S; got nan"),
        ("ab", "TableUpdate.up: must be a sequence of conductances"),
    ],
)
def test_table_errors(points, message):
    with pytest.raises(ParameterError, match=message):
        TableUpdate(up=points, down=DOWN)


def test_table_is_hashable_and_takes_arrays():
    made = TableUpdate(up=t(1.0, 2.0), down=[2, 1])
    assert made.up == (1.0, 2.0)
    assert hash(made) == hash(TableUpdate(up=(1.0, 2.0), down=(2.0, 1.0)))
