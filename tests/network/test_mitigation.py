"""Drift compensation, calibration and repair, against closed forms."""

import math

import pytest
import torch

import ship
from imperfect import Gaussian, PowerLaw, Stuck
from ship.crossbar import Crossbar
from ship.network.on_devices.mitigate import column_gain, drift_gain, lacking, retargeted

LOW, HIGH = 2e-6, 50e-6
SHAPE = (12, 9)
W_MAX = 0.4


def network(mapping=None, chips=3, *, seed=3, crossbar=None, **parts):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=SHAPE[0])
    net.add(ship.LeakyIntegrator, "out", n=SHAPE[1], output=True)
    net.add(
        ship.ExpSynapse,
        "s",
        source="in",
        target="out",
        weight=ship.Uniform(-W_MAX, W_MAX),
        device=ship.Device(g_min=LOW, g_max=HIGH, **parts),
        mapping=mapping or ship.Differential(w_max=W_MAX),
        crossbar=crossbar,
    )
    net.init(chips=chips, seed=seed, dtype=torch.float64)
    return net


def acts(net):
    return net["s"].value("weight").detach()


def wanted(net):
    return net["s"].model_weight().detach()


def rms(net):
    return float((acts(net) - wanted(net)).square().mean().sqrt())


# -- drift -----------------------------------------------------------------------------------------------------------------


def test_drift_of_all_devices_alike_is_undone_exactly():
    """g -> g f with f = (1 + t / t0)^-nu: the sum of currents falls by f, and the pair's difference as well. ``w_max`` is that of
    the window as made, so w -> w f, and the factor is 1 / f.
    """
    net = network(retention=PowerLaw())
    net.program()
    before = acts(net)
    net.wait(1e3)
    factor = (1 + 1e3) ** -0.05
    assert torch.allclose(acts(net), before * factor, rtol=1e-12)
    assert torch.allclose(net.compensate()["s"], torch.full((3,), 1 / factor, dtype=torch.float64), rtol=1e-12)
    assert torch.allclose(acts(net), before, rtol=1e-12)


MAPPINGS = {
    "pair": ship.Differential(w_max=W_MAX),
    "three pairs": ship.Differential(w_max=W_MAX, pairs=3),
    "offset": ship.Offset(w_max=W_MAX),
    "offset of eight levels": ship.Offset(w_max=W_MAX, levels=8),
    "sliced": ship.BitSliced(w_max=W_MAX),
}


@pytest.mark.parametrize("verb", ["compensate", "calibrate"])
@pytest.mark.parametrize("name", MAPPINGS)
def test_uniform_drift_is_undone_whatever_the_mapping(name, verb):
    """All conductances fall by the same factor, to 0.50 of what they were. What an offset subtracts has not drifted, so the
    factor must act on what is read before it is subtracted: then the weights are those written, but for rounding.
    """
    net = network(MAPPINGS[name], retention=PowerLaw())
    net.program()
    before = acts(net)
    net.wait(1e6)
    assert float((acts(net) - before).abs().max()) > 0.4 * W_MAX
    factor = (1 + 1e6) ** 0.05
    made = getattr(net, verb)()["s"]
    assert torch.allclose(made, torch.full_like(made, factor), rtol=1e-12)
    assert float((acts(net) - before).abs().max()) < 1e-12 * W_MAX


@pytest.mark.parametrize("name", MAPPINGS)
def test_lines_leave_what_they_lose(name):
    """Lines take less from smaller conductances, so on a crossbar a factor is exact for the devices only. A cell loses about
    (sum of what shares its lines) r; the difference of that with and without drift is what remains: below
    ``rows columns r (1 - f) HIGH``, twice of which for an offset, whose full scale is half the window.
    """
    net = network(MAPPINGS[name], retention=PowerLaw(), crossbar=Crossbar(r_row=1.0, r_col=1.0))
    net.program()
    before = acts(net)
    net.wait(1e6)
    assert float((acts(net) - before).abs().max()) > 0.4 * W_MAX
    net.compensate()
    bound = SHAPE[0] * SHAPE[1] * 1.0 * (1 - (1 + 1e6) ** -0.05) * HIGH / net["s"].hardware.mapping.reach
    assert bound < 0.01
    assert float((acts(net) - before).abs().max()) < bound * W_MAX


def test_a_repair_after_drift_reckons_with_the_factor():
    """Devices that have drifted alike and are compensated have missed nothing. A stuck one has; its partner, written now, acts
    times the factor, which it must be written the smaller for.
    """
    net = network(retention=PowerLaw(nu=0.02), faults=Stuck())
    net.program()
    net.wait(1e4)
    sound = network(retention=PowerLaw(nu=0.02))
    sound.program()
    sound.wait(1e4)
    sound.compensate()
    found = sound.repair()["s"]
    assert float(found.faulty.sum()) == float(found.rewritten.sum()) == 0.0
    net["s"].hardware.gain.copy_(sound["s"].hardware.gain)  # of the healthy devices
    net["s"].hardware.changed()
    broken = (acts(net) - wanted(net)).abs()
    report = net.repair(tolerance=1e-6)["s"]
    mended = (acts(net) - wanted(net)).abs()
    assert torch.allclose(report.after, mended.square().mean((1, 2, 3)).sqrt(), rtol=1e-9)
    assert bool((mended <= broken + 1e-9).all())
    assert float((mended[broken > 0.1] < 1e-6).double().mean()) > 0.4  # those that a partner can make up for


def test_a_second_compensation_changes_nothing_and_programming_starts_anew():
    net = network(retention=PowerLaw())
    net.program()
    net.wait(1e3)
    first = net.compensate()["s"]
    assert torch.allclose(net.compensate()["s"], first, rtol=1e-12)
    net.program()
    assert torch.equal(net["s"].hardware.gain, torch.ones(3, 1, 1, 1, dtype=torch.float64))
    assert torch.allclose(acts(net), wanted(net), atol=1e-12)


def test_a_refresh_is_no_drift():
    """Pairs of which both devices are high are written from the bottom: their sum of currents falls, their weights stay, and so
    does the factor, that of the drift alone.
    """
    net = network(retention=PowerLaw())
    net.program()
    hardware, goal = net["s"].hardware, acts(net) / W_MAX
    high = torch.stack([0.95 + 0 * goal, 0.95 - 0.2 * goal.abs()], 2).squeeze(1)  # as learning with how="up" leaves them
    hardware.array.write(LOW + high * (HIGH - LOW))
    hardware.remember()
    hardware.changed()
    weights = acts(net)
    net.wait(1e3)
    factor = (1 + 1e3) ** 0.05
    total = float(hardware.there().sum())
    assert net.refresh("s", above=0.6) == hardware.array.full_shape[0] * SHAPE[0] * SHAPE[1]
    assert float(hardware.there().sum()) < 0.5 * total
    assert torch.allclose(net.compensate()["s"], torch.full((3,), factor, dtype=torch.float64), rtol=1e-12)
    assert torch.allclose(acts(net), weights, atol=1e-12)


def test_spread_of_drift_remains():
    """With nu drawn for each device the mean is undone and the spread stays: about ``g ln(1 + t/t0) sigma`` for each device."""
    net = network(retention=PowerLaw(nu=ship.Varied(0.05, d2d=0.2)))
    net.program()
    net.wait(1e4)
    drifted = rms(net)
    net.compensate()
    assert rms(net) < 0.4 * drifted
    assert rms(net) > 0.0


def test_factor_belongs_to_each_chip():
    net = network(retention=PowerLaw(nu=ship.Varied(0.05, d2d=0.3)))
    net.program()
    net.wait(1e4)
    all_dies = net.compensate()["s"]
    alone = network(retention=PowerLaw(nu=ship.Varied(0.05, d2d=0.3)), chips=[1])
    alone.program()
    alone.wait(1e4)
    assert torch.allclose(alone.compensate()["s"][0], all_dies[1], rtol=1e-12)
    assert len(set(all_dies.tolist())) == 3


def test_snapshots_keep_the_factor():
    net = network(retention=PowerLaw())
    net.program()
    net.wait(1e3)
    snapshot = net.snapshot()
    drifted = acts(net)
    net.compensate()
    good = net.snapshot()
    net.restore(snapshot)
    assert torch.equal(acts(net), drifted)
    net.restore(good)
    assert torch.allclose(acts(net), wanted(net), rtol=1e-9)


def test_the_run_sees_the_factor():
    """Also with kernels, whose weights are kept between runs."""
    net = network(retention=PowerLaw())
    x = torch.ones(1, 5, SHAPE[0], dtype=torch.float64)
    net.program()
    with torch.no_grad():
        fresh = net.run(x)
        net.wait(1e4)
        assert not torch.allclose(net.run(x), fresh, rtol=1e-2)
        net.compensate()
        assert torch.allclose(net.run(x), fresh, rtol=1e-6)  # the runs themselves take 5 ms each


def test_gain_of_nothing_is_one():
    assert float(drift_gain(torch.tensor(0.0), torch.tensor(1.0))) == 1.0
    assert float(drift_gain(torch.tensor(1.0), torch.tensor(0.0))) == 1.0


# -- calibration -----------------------------------------------------------------------------------------------------------


def test_columns_that_are_scaled_are_found():
    """read = wanted / a for each column: least squares gives a."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    a = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    assert torch.allclose(column_gain(weight, weight / a), a[None], rtol=1e-12)
    assert torch.equal(column_gain(weight, 0 * weight), torch.ones(1, 4, dtype=torch.float64))


def test_a_trend_of_drift_over_columns_is_undone_column_by_column():
    """One factor for the chip cannot; factors of columns leave what varies along the rows."""
    net = network(retention=PowerLaw(nu=ship.Varied(0.05, gradient=0.5)))
    net.program()
    net.wait(1e4)
    net.compensate()
    globally = rms(net)
    made = net.calibrate()["s"]
    assert made.shape == (3, SHAPE[1])
    assert rms(net) < globally


def test_edges_have_no_columns():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LeakyIntegrator, "out", n=3, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="out", connect=ship.InDegree(2), device=ship.Device(retention=PowerLaw()))
    net.init(chips=2, dtype=torch.float64)
    net.program()
    before = acts(net)
    net.wait(1e3)
    net.compensate()
    assert torch.allclose(acts(net), before, rtol=1e-12)
    with pytest.raises(ship.RunError, match=r"Network.calibrate: group 's' has sparse edges"):
        net.calibrate()


# -- programming -----------------------------------------------------------------------------------------------------------


def test_write_verify_keeps_its_tolerance():
    """One shot leaves ``sqrt(2) sigma`` of full scale on a pair; verified, each device is within the tolerance."""
    sigma, tolerance = 0.01, 0.002
    net = network(programming=Gaussian(sigma=sigma), chips=20)
    net.program()
    n = acts(net).numel()
    assert rms(net) == pytest.approx(math.sqrt(2) * sigma * W_MAX, rel=3 / math.sqrt(2 * n))
    report = net.program(verify=ship.WriteVerify(tolerance, most=200))["s"]
    assert not bool(report.failed.any())
    assert float((acts(net) - wanted(net)).abs().max()) <= 2 * tolerance * W_MAX * (1 + 1e-9)
    # A write hits with probability erf(tolerance / (sqrt(2) sigma)): the number of writes is geometric.
    hit = math.erf(tolerance / (math.sqrt(2) * sigma))
    writes = report.pulses.double()
    assert float(writes.mean()) == pytest.approx(1 / hit, rel=3 * math.sqrt(1 - hit) / math.sqrt(writes.numel()))


# -- repair ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("u", "stuck_plus", "expected"),
    [(0.3, 1.0, 0.3), (-0.3, 1.0, 0.0), (0.3, 0.0, 0.0), (-0.3, 0.0, -0.3), (0.3, 0.6, 0.3), (-0.3, 0.6, -0.3)],
)
def test_a_healthy_partner_makes_up_for_a_stuck_device(u, stuck_plus, expected):
    """A pair acts as x+ - x-, both in [0, 1]: with x+ stuck at s, everything from s - 1 to s can be reached."""
    goal = [torch.tensor([max(u, 0.0)]), torch.tensor([max(-u, 0.0)])]
    faulty = [torch.tensor([abs(stuck_plus - max(u, 0.0)) > 0.05]), torch.tensor([False])]
    there = [torch.tensor([stuck_plus]), goal[1]]
    new = retargeted(goal, lacking(goal, there, [1.0, -1.0]), faulty, [1.0, -1.0])
    assert float(there[0] - new[1]) == pytest.approx(expected, abs=1e-6)
    assert torch.equal(new[0], goal[0])


def reachable(net):
    """The nearest weight to the one wanted that the sound devices can make, from what is known to be stuck."""
    array, mapping = net["s"].hardware.array, net["s"].hardware.mapping
    u = array.get_buffer("frozen/0")
    u = torch.special.ndtr(u)
    share = float(array.value("faults.share"))
    low = torch.where(u < share, torch.ones_like(u), torch.zeros_like(u))
    high = torch.where(u > 1 - share, torch.zeros_like(u), torch.ones_like(u))
    signs = torch.tensor(mapping.signs(), dtype=torch.float64).reshape(-1, 1, 1)
    least = torch.where(signs > 0, signs * low, signs * high).sum(2)
    most = torch.where(signs > 0, signs * high, signs * low).sum(2)
    return torch.minimum(torch.maximum(wanted(net) / W_MAX, least), most) * W_MAX


@pytest.mark.parametrize("pairs", [1, 2])
def test_repair_reaches_the_best_that_there_is(pairs):
    net = network(ship.Differential(w_max=W_MAX, pairs=pairs), chips=8, faults=Stuck())
    net.program()
    broken = rms(net)
    report = net.repair(tolerance=1e-6)["s"]
    assert torch.allclose(acts(net), reachable(net).expand(8, 1, *SHAPE), atol=1e-9)
    assert rms(net) < (0.75 if pairs == 1 else 0.6) * broken
    assert float(report.before.square().mean().sqrt()) == pytest.approx(broken)
    assert float(report.after.square().mean().sqrt()) == pytest.approx(rms(net))
    # A stuck device shows where its target lies elsewhere: at most all 10 % are found.
    assert 0.03 < float(report.faulty.mean()) < 0.1
    again = net.repair(tolerance=1e-6)["s"]
    assert float(again.rewritten.sum()) == 0.0


def test_what_is_sound_is_left_alone():
    net = network(chips=2, programming=Gaussian(sigma=0.005))
    net.program()
    before = acts(net)
    report = net.repair(tolerance=0.05)["s"]
    assert float(report.faulty.sum()) == 0.0
    assert torch.equal(acts(net), before)


def test_a_die_is_repaired_alone_as_in_a_set():
    made = []
    for chips in (4, [2]):
        net = network(chips=chips, faults=Stuck(), programming=Gaussian(sigma=0.01))
        net.program()
        net.repair()
        made.append(acts(net))
    assert torch.equal(made[0][2], made[1][0])


def test_no_chip_axis():
    net = network(chips=None, faults=Stuck())
    net.program()
    assert net.repair()["s"].faulty.shape == (1,)
    assert net.compensate()["s"].shape == (1,)


def test_errors():
    net = network(faults=Stuck())
    for verb in (net.compensate, net.calibrate, net.repair):
        with pytest.raises(
            ship.RunError, match=r"group 's' does not run with its devices; got weights. Call net.program\(\) first"
        ):
            verb()
        with pytest.raises(ship.GraphError, match=r"no group named 'x'"):
            verb("x")
    net.program()
    with pytest.raises(ship.RunError, match=r"Network.repair: tolerance: must lie between 0 and 1"):
        net.repair(tolerance=0.0)
