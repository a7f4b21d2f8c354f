"""Studies over virtual chips: each die as it is alone, honest intervals, requirements found where they are known."""

import math

import numpy as np
import pytest
import torch

import ship
from imperfect import Gaussian, PowerLaw
from ship.study import (
    Curve,
    Spread,
    accuracy,
    drift_curve,
    level_curve,
    requirement,
    spread_curve,
    summary,
    sweep,
    virtual_chips,
    yield_at,
)
from ship.study.requirement import crossing
from ship.train import Max, wilson

CLASSES, STEPS = 4, 12

pytestmark = pytest.mark.filterwarnings("ignore:study.accuracy. 's' was written exactly")


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(chips=None, trained=True, dtype=torch.float64, **synapse):
    """Two inputs for each class, straight to leaky readouts; weights that tell the classes apart."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=8)
    net.add(ship.LeakyIntegrator, "out", n=CLASSES, output=True)
    synapse.setdefault("weight", ship.Normal(0.0, 0.3))
    net.add(ship.ExpSynapse, "s", source="in", target="out", **synapse)
    net.init(seed=2, chips=chips, dtype=dtype)
    net.readout = Max(tail=1)
    if trained:
        with torch.no_grad():
            weight = net["s"].get_parameter("weight")
            weight.fill_(-0.1)
            for i in range(8):
                weight[i, i // 2] = 0.4
    return net


def batches(n=64, size=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    p = torch.full((n, STEPS, 8), 0.1)
    for i, label in enumerate(labels):
        p[i, :, 2 * label : 2 * label + 2] = 0.3
    x = (torch.rand(p.shape, generator=generator) < p).double()
    return list(zip(x.split(size), labels.split(size), strict=True))


NOISY = ship.Device(g_min=2e-6, g_max=50e-6, programming=Gaussian(sigma=0.2))


# -- accuracy --------------------------------------------------------------------------------------------------------------


def test_accuracy_of_a_die_in_a_set_is_its_accuracy_alone():
    net, data = network(), batches()
    together = virtual_chips(net, 6, device=NOISY)
    together.program()
    found = accuracy(together, data)
    assert found.shape == (6,)
    assert len(set(found.tolist())) > 1
    alone = virtual_chips(net, [4], device=NOISY)
    alone.program()
    assert torch.equal(accuracy(alone, data), found[4:5])


def test_accuracy_does_not_depend_on_the_size_of_batches():
    net = virtual_chips(network(), 4, device=NOISY)
    net.program()
    assert torch.equal(accuracy(net, batches(size=24)), accuracy(net, batches(size=64)))


def test_accuracy_leaves_the_network_as_it_was():
    net = virtual_chips(network(), 2, device=ship.Device(retention=PowerLaw()))
    net.program()
    net.monitor("out", "v")
    net.wait(10.0)
    accuracy(net, batches())
    assert float(net["s"].hardware.array.get_buffer("age")) == 10.0  # no time passed
    assert net.training
    assert len(net._requests) == 1
    net.run(batches()[0][0])
    assert float(net["s"].hardware.array.get_buffer("age")) == pytest.approx(10.0 + STEPS * 1e-3)


def test_accuracy_without_chips_is_one_number_and_no_gradient():
    found = accuracy(network(), batches())
    assert found.shape == ()
    assert not found.requires_grad
    assert float(found) > 0.8


def test_accuracy_errors():
    with pytest.raises(ship.RunError, match=r"study.accuracy: got no batches"):
        accuracy(network(), [])


# -- intervals -------------------------------------------------------------------------------------------------------------


def test_yield_is_the_share_of_good_dies_with_its_wilson_interval():
    found = yield_at(torch.tensor([0.9, 0.95, 0.89, 0.99]), 0.9)
    assert found == wilson(3, 4)
    assert yield_at([9 * 0.1], 0.9).value == 1.0  # 0.9 by another way
    with pytest.raises(ship.RunError, match=r"study.yield_at: threshold: must be from 0 to 1; got 90"):
        yield_at([0.9], 90.0)
    with pytest.raises(ship.RunError, match=r"needs the accuracy of at least one die"):
        yield_at([], 0.9)


def test_summary():
    found = summary([0.8, 0.9, 1.0])
    assert (found.worst, found.best, found.chips) == (0.8, 1.0, 3)
    assert found.std == pytest.approx(0.1)
    assert found.mean.value == pytest.approx(0.9)
    # Student's t with 2 degrees of freedom, 97.5 %: 4.3027
    assert found.mean.high == pytest.approx(0.9 + 4.3027 * 0.1 / math.sqrt(3), abs=1e-5)
    assert "worst 80.0%" in str(found)


# -- virtual chips ---------------------------------------------------------------------------------------------------------


def test_virtual_chips_keep_what_was_trained_and_drawn():
    net = network(delay=ship.Uniform(0.0, 5e-3), weight=ship.Varied(ship.Normal(0.0, 0.3), d2d=0.1))
    chips = virtual_chips(net, 3, seed=77, variation=False)
    assert torch.equal(chips["s"].get_parameter("weight"), net["s"].get_parameter("weight"))
    x = batches()[0][0]
    with torch.no_grad():
        own = virtual_chips(net, 3, variation=False).run(x)
        assert torch.equal(chips.run(x), own)
    varied = virtual_chips(net, 3)["s"].value("weight")
    assert torch.equal(varied[:1], net["s"].value("weight"))  # die 0 is the network's own die


def test_virtual_chips_on_edges():
    net = network(trained=False, connect=ship.InDegree(3))
    chips = virtual_chips(net, 2, seed=9)
    x = batches()[0][0]
    with torch.no_grad():
        assert torch.allclose(chips.run(x)[1], net.run(x), atol=1e-12)


def test_virtual_chips_vary_what_is_chosen():
    vary = [Spread(role="time constant", tags=("out",), d2d=0.1), Spread(d2d_abs=0.01)]
    chips = virtual_chips(network(), 50, vary=vary)
    tau = chips["out"].value("tau")
    assert tau.shape == (50, 1, CLASSES)
    assert float(tau.std() / tau.mean()) == pytest.approx(0.1, rel=3 / math.sqrt(2 * 200))
    assert chips["s"].value("tau").numel() == 1
    assert chips["s"].value("weight").shape[0] == 50
    with pytest.raises(ship.ParameterError, match=r"study.virtual_chips: vary: selects no parameter; got role='colour'"):
        virtual_chips(network(), 2, vary=Spread(role="colour", d2d=0.1))
    with pytest.raises(ship.GraphError, match=r"no group named 'x'"):
        virtual_chips(network(), 2, device={"x": NOISY})


# -- curves ----------------------------------------------------------------------------------------------------------------


def test_drift_curve_follows_each_device_along_its_own_trajectory():
    device = ship.Device(retention=PowerLaw(nu=ship.Varied(0.1, d2d=1.0)))
    data, times = batches(), [0.0, 10.0, 1e3, 1e5]
    net = virtual_chips(network(), 5, device=device)
    curve = drift_curve(net, data, times)
    assert curve.x == tuple(times)
    jump = virtual_chips(network(), 5, device=device)
    jump.program()
    jump.wait(1e5)
    assert torch.equal(accuracy(jump, data), curve.chips[-1])
    assert float(curve.chips[-1].mean()) < float(curve.chips[0].mean())
    assert bool((net["s"].hardware.array.get_buffer("cycles") == 1).all())  # written once
    with pytest.raises(ship.RunError, match=r"study.drift_curve: times: must increase"):
        drift_curve(net, data, [10.0, 10.0])


def test_drift_curve_with_compensation():
    net = virtual_chips(network(), 4, device=ship.Device(retention=PowerLaw()))
    curve = drift_curve(net, batches(), [1.0, 1e6], before=lambda n: n.compensate())
    assert torch.equal(curve.chips[0], curve.chips[1])


def test_curves_get_worse_with_the_device():
    net, data = network(), batches()
    levels = level_curve(net, data, [2, 33], chips=2)
    assert float(levels.chips[0].mean()) > 0.8  # pairs of devices with two levels hold -1, 0 and 1, enough here
    assert torch.equal(levels.chips[1], accuracy(net, data).expand(2))
    spread = spread_curve(net, data, [0.0, 2.0], chips=4)
    assert torch.equal(spread.chips[0], accuracy(net, data).expand(4))
    assert float(spread.chips[1].mean()) < float(spread.chips[0].mean())
    one = sweep(lambda d2d: virtual_chips(net, 4, vary=Spread(d2d=d2d)), [2.0], data)
    assert torch.equal(one.chips[0], spread.chips[1])
    with pytest.raises(ship.RunError, match=r"study.sweep: values: must be at least one"):
        sweep(lambda _: net, [], data)


def test_curve_shows_itself():
    curve = Curve("time", "s", (1.0, 10.0), (torch.tensor([0.9, 0.8]), torch.tensor([0.7, 0.6])))
    assert curve.table().row_count == 2
    assert [i.value for i in curve.intervals] == pytest.approx([0.85, 0.65])
    assert curve.plot().axes[0].get_xlabel() == "time (s)"
    assert Curve("n", "", (1.0,), (torch.tensor([0.5]),)).table().row_count == 1


# -- requirement -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([0, 1, 2], [0.9, 0.8, 0.6], 1.5),
        ([2, 1, 0], [0.9, 0.8, 0.6], 0.5),
        ([0, 1], [0.9, 0.8], math.inf),
        ([1, 0], [0.9, 0.8], -math.inf),
        ([0, 1], [0.6, 0.5], -math.inf),
    ],
)
def test_crossing(x, y, expected):
    assert crossing(np.array(x, float), np.array(y), 0.7) == pytest.approx(expected)


def found(make, low, high, **more):
    return requirement(network(), batches(), make, low, high, name="sigma", **more)


def test_requirement_brackets_what_a_fine_sweep_finds():
    def device(sigma):
        return ship.Device(g_min=0.0, programming=Gaussian(sigma=sigma))

    answer = found(device, 0.01, 2.0, chips=12, drop=0.1)
    assert answer.bracketed
    assert 0.01 < answer.low <= answer.value <= answer.high < 2.0
    assert answer.target == pytest.approx(answer.baseline - 0.1)
    for factor, keeps in ((0.6, True), (1.7, False)):
        chips = virtual_chips(network(), 12, device=device(factor * answer.value))
        chips.program()
        assert (float(accuracy(chips, batches()).mean()) > answer.target) == keeps
    assert "95 % interval over dies" in str(answer)


def test_requirement_says_what_it_does_not_know():
    answer = found(lambda sigma: ship.Device(programming=Gaussian(sigma=sigma)), 1e-4, 1e-3, chips=3, points=2)
    assert not answer.bracketed
    assert math.isnan(answer.value)
    assert answer.high == math.inf
    assert "not bracketed; from 0.0001 to 0.001 the accuracy stays above" in str(answer)
    hopeless = found(lambda sigma: ship.Device(programming=Gaussian(sigma=sigma)), 3.0, 9.0, chips=3, points=2)
    assert "is nowhere above" in str(hopeless)
    assert not hopeless.bracketed


def test_requirement_of_levels():
    """More is better here, and values are whole."""
    answer = found(lambda n: ship.Differential(levels=n), 2, 17, chips=2, whole=True, points=4, drop=0.02)
    assert all(v == int(v) for v in answer.curve.x)
    assert answer.curve.x[0] >= 2


def test_requirement_errors():
    with pytest.raises(ship.RunError, match=r"study.requirement: low must be below high"):
        found(lambda v: NOISY, 1.0, 0.5)
    with pytest.raises(ship.RunError, match=r"drop: must lie between 0 and 1: 0.02 for two points; got 2"):
        found(lambda v: NOISY, 0.1, 0.5, drop=2.0)
    with pytest.raises(ship.RunError, match=r"low: must be above 0 on a logarithmic axis"):
        found(lambda v: NOISY, 0.0, 0.5)
    with pytest.raises(ship.RunError, match=r"study\.requirement: points: must be at least 2; got 1"):
        found(lambda v: NOISY, 0.1, 0.5, points=1)
    with pytest.raises(ship.ParameterError, match=r"study\.requirement: points: must be a whole number; got 1\.5"):
        found(lambda v: NOISY, 0.1, 0.5, points=1.5)  # the keywords of a record are checked like any other


def test_readout_is_used():
    net, data = network(), batches()
    assert torch.equal(accuracy(net, data, readout=Max(tail=1)), accuracy(net, data))
