"""Trends across the die: a plane with a random direction on each chip, frozen with it."""

import math

import pytest
import torch

import ship
from ship.base import random
from ship.base.parameters import Parameter
from ship.base.parameters.resolve import places, resolve

CHIPS = 2000
ANY = Parameter(0.0)
TAU, TREND, D2D = 20e-3, 0.05, 0.02


def drawn(value, shape, dies=CHIPS, variation=True, declaration=ANY, place=None):
    made = resolve("p", declaration, value, shape, 11, range(dies) if isinstance(dies, int) else dies, variation, place=place)
    if made.deviate is None:
        return made.nominal.expand(1, *shape)
    xi = made.deviate.squeeze(1)
    return made.nominal * (1 + made.spread[0] * xi) + made.spread[1] * xi


def variance_error(n):
    """Standard error of a sample variance of n Gaussian values, as a fraction of it: sqrt(2 / (n - 1))."""
    return math.sqrt(2 / (n - 1))


@pytest.mark.parametrize(("at", "share"), [((0, 0), 0.5), ((4, 6), 0.5), ((2, 3), 0.0), ((0, 3), 0.25), ((1, 3), 0.0625)])
def test_variance_of_a_place_is_the_closed_form(at, share):
    """value / nominal - 1 = d2d xi + gradient (a x + b y), |x|, |y| <= 1/2: its variance is d2d^2 + gradient^2 (x^2 + y^2), with
    x^2 + y^2 = 1/2 at the corners and 0 in the middle.
    """
    value = drawn(ship.Varied(TAU, d2d=D2D, gradient=TREND), (5, 7))[:, at[0], at[1]] / TAU - 1
    expected = D2D**2 + TREND**2 * share
    assert float(value.var()) == pytest.approx(expected, rel=3 * variance_error(CHIPS))
    assert abs(float(value.mean())) < 3 * math.sqrt(expected / CHIPS)


def test_end_to_end_change_has_the_standard_deviation_asked_for():
    value = drawn(ship.Varied(TAU, gradient=TREND), (9,)) / TAU - 1
    assert float((value[:, -1] - value[:, 0]).var()) == pytest.approx(TREND**2, rel=3 * variance_error(CHIPS))
    assert torch.allclose(value.diff(dim=-1), value.diff(dim=-1)[:, :1].expand(-1, 8), atol=1e-12)  # a straight line
    absolute = drawn(ship.Varied(0.0, d2d_abs=1e-3, gradient_abs=4e-3), (9,))
    expected = (4e-3) ** 2 + 2 * (1e-3) ** 2
    assert float((absolute[:, -1] - absolute[:, 0]).var()) == pytest.approx(expected, rel=3 * variance_error(CHIPS))


def test_direction_is_random():
    """The slopes along both axes are independent: their angle is uniform, so that cos(2 angle) has mean 0 and variance 1/2."""
    value = drawn(ship.Varied(1.0, gradient=TREND), (3, 3))
    angle = torch.atan2(value[:, 1, 2] - value[:, 1, 0], value[:, 2, 1] - value[:, 0, 1])
    for function in (torch.cos, torch.sin):
        assert abs(float(function(2 * angle).mean())) < 3 * math.sqrt(0.5 / CHIPS)


def test_without_a_trend_nothing_changes():
    """The independent deviates are those of before: a trend has a stream of its own."""
    plain = drawn(ship.Varied(TAU, d2d=D2D), (4, 5), dies=3)
    both = drawn(ship.Varied(TAU, d2d=D2D, gradient=TREND), (4, 5), dies=3)
    plane = (both - plain) / TAU
    assert torch.allclose(plane.diff(n=2, dim=-1), torch.zeros(1, dtype=torch.float64), atol=1e-12)
    assert float(plane.abs().max()) > 1e-3


def test_no_variation_no_trend():
    assert torch.equal(
        drawn(ship.Varied(TAU, gradient=TREND), (4,), variation=False), torch.full((1, 4), TAU, dtype=torch.float64)
    )


def test_a_die_alone_is_that_die_in_a_set():
    value = ship.Varied(TAU, d2d=D2D, gradient=TREND)
    assert torch.equal(drawn(value, (4, 5), dies=[7])[0], drawn(value, (4, 5), dies=9)[7])


def test_limits_are_kept():
    """A plane is drawn again as a whole, deviates on it one by one."""
    declared = Parameter(0.0, above=0.0)
    both = drawn(ship.Varied(1.0, d2d=0.1, gradient=0.8), (6, 6), dies=300, declaration=declared)
    assert bool((both > 0).all())
    plane = drawn(ship.Varied(1.0, gradient=1.2), (6,), dies=300, declaration=declared)
    assert bool((plane > 0).all())
    assert torch.allclose(plane.diff(n=2, dim=-1), torch.zeros(1, dtype=torch.float64), atol=1e-12)


def test_one_unit_stands_in_the_middle():
    assert torch.equal(drawn(ship.Varied(TAU, gradient=TREND), (1,), dies=4), torch.full((4, 1), TAU, dtype=torch.float64))


def test_kinds_of_spread_do_not_mix():
    with pytest.raises(ship.ParameterError, match=r"Varied.gradient: a trend and the deviates beside it must be of one kind"):
        ship.Varied(1.0, d2d_abs=0.1, gradient=0.1)
    with pytest.raises(ship.ParameterError, match=r"gradient is a fraction of the nominal value, which is zero"):
        drawn(ship.Varied(0.0, gradient=0.1), (3,))


def network(**more):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LIF, "hid", n=5, tau=ship.Varied(TAU, d2d=D2D, gradient=TREND), output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="hid", weight=ship.Normal(0.3, 0.1), **more)
    net.init(chips=3, seed=5)
    return net


def test_files_keep_the_trend(tmp_path):
    net = network()
    ship.save(net, tmp_path / "net.ship")
    loaded = ship.load(tmp_path / "net.ship")
    assert torch.equal(loaded["hid"].value("tau"), net["hid"].value("tau"))
    assert loaded._specs["hid"].given["tau"].gradient == TREND


def test_edges_have_the_trend_of_their_places():
    """An edge varies as the entry of the full matrix does, its place being (pre, post)."""
    shape, mask = (4, 5), torch.tensor([[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 0, 0, 1], [0, 0, 1, 1, 0]])
    pre, post = mask.nonzero(as_tuple=True)
    full = drawn(ship.Varied(1.0, gradient=TREND), shape, dies=3)
    edges = drawn(ship.Varied(1.0, gradient=TREND), (len(pre),), dies=3, place=places((), [(4, pre), (5, post)]))
    assert torch.equal(edges, full[:, pre, post])
    net = network(connect=mask, device=ship.Device(g_max=ship.Varied(50e-6, gradient=TREND)))
    g_max = net["s"].hardware.array.value("g_max")[:, 0, 0] / 50e-6 - 1
    slopes = torch.stack([(pre.double() / 3 - 0.5), (post.double() / 4 - 0.5)], -1).to(g_max)
    fit = torch.linalg.lstsq(slopes, g_max.T).solution
    assert torch.allclose(slopes @ fit, g_max.T, atol=1e-6)


def test_both_devices_of_a_pair_stand_at_one_place():
    """The leading axis of devices has no trend of its own."""
    net = network(device=ship.Device(g_max=ship.Varied(50e-6, gradient=TREND)))
    g_max = net["s"].hardware.array.value("g_max")
    assert g_max.shape == (3, 1, 2, 4, 5)
    assert torch.equal(g_max[:, :, 0], g_max[:, :, 1])
    assert not torch.equal(g_max[0], g_max[1])


def test_correlated_parameters_have_no_trend():
    update = ship.devices.Bounded(alpha_p=ship.Varied(0.01, gradient=0.1), alpha_d=ship.Varied(0.01, d2d=0.1))
    device = ship.Device(update=update, correlated=(("update.alpha_p", "update.alpha_d", 0.5),))
    with pytest.raises(ship.ParameterError, match=r"a parameter with a trend across the die cannot be correlated"):
        ship.DeviceArray(device, 3)


def test_draws_that_cannot_succeed_end_early(monkeypatch):
    """Of 10^5 draws 84.1 % are at most 1 sigma: 10^5 x 0.841^100 = 0.003 would be left in the end, and all come within. 95 % are
    at most 1.645 sigma, or outside of +-0.0625 sigma: 10^5 x 0.95^100 = 592 would be left, which 8 draws show.
    """
    draws = []
    real = random.draw_normal
    monkeypatch.setattr(random, "draw_normal", lambda *a, **k: draws.append(a) or real(*a, **k))
    high, narrow = Parameter(0.0, above=1.0), Parameter(0.0, above=1.0, below=1.2)
    assert bool((drawn(ship.Normal(0.0, 1.0), (100_000,), declaration=high) > 1.0).all())
    for value, limits in ((ship.Normal(-0.645, 1.0), high), (ship.Varied(1.1, d2d_abs=1.6), narrow)):
        draws.clear()
        with pytest.raises(ship.ParameterError, match="but 8 draws in a row fell outside"):
            drawn(value, (100_000,), dies=1, declaration=limits)
        assert len(draws) == 8
