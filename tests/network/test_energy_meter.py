"""Metering: results do not change, interrupted runs count nothing, intervals, text and JSON, and error texts."""

import copy
import json

import pytest
import torch

import ship
from energy_networks import COSTS, DELAYS, Scattered, X, deep, device, everything, noise, small
from ship.network.energy.row_reads import ways

D = torch.float64
# Devices far from their targets are meant: what it costs to look at them is the subject.
pytestmark = [pytest.mark.usefixtures("no_grad"), pytest.mark.filterwarnings("ignore:Network.program:UserWarning")]


def test_results_are_the_same_with_and_without():
    plain, metered = deep("fused"), deep("fused")
    metered.meter(**COSTS)
    x = noise()
    assert torch.equal(plain.run(x), metered.run(x))
    assert plain._meter is None
    assert plain["a"].hardware.array.watch is None
    metered.unmeter()
    assert metered["a"].hardware.array.watch is None
    with pytest.raises(ship.RunError, match="nothing is metered"):
        _ = metered.energy


def test_training_is_metered_without_touching_gradients():
    grads = []
    for on in (False, True):
        net = deep("fused")
        net.use_weights()
        if on:
            net.meter(**COSTS)
        with torch.enable_grad():
            net.run(noise()).sum().backward()
        grads.append(net["a"].weight.grad)
    assert float(grads[0].abs().max()) > 0
    assert torch.equal(*grads)


def test_an_interrupted_run_counts_nothing(monkeypatch):
    net = small()
    segment = type(net._sim).segment

    def interrupted(*given, **options):
        segment(*given, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(net._sim), "segment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.run(X)
    assert net.energy.events.shape == (1, 0)


def test_copies_and_tuning_count_for_themselves():
    net = small(engine="fused")
    other = copy.deepcopy(net)
    other.run(X)
    net.tune(X)
    assert net.energy.events.numel() == 0
    assert other.energy.events.numel() == 2
    other.program()
    assert not [p for p in net.energy.parts if p.phase == "write"]
    assert [p for p in other.energy.parts if p.phase == "write"]


def test_meter_before_init_and_again():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.ImpulseSynapse, "syn", source="in", target="out", weight=1.0, device=device())
    net.add(ship.LIF, "out", n=2, output=True)
    net.meter()
    net.init(dtype=D)
    net.program()
    net.run(X)
    assert float(net.energy.total.low) > 0
    net.meter()
    assert float(net.energy.total.low) == 0
    net.init(dtype=D, keep=False)
    assert net.energy.events.numel() == 0
    net.step(X[:, 0])
    net.step(X[:, 1])
    assert net.energy.events.shape == (1, 2)


def test_intervals_are_over_chips_or_samples():
    """Student's t: with two chips half the 95 % interval is ``12.706 |a - b| / 2``."""
    net = small(chips=2, device=device(programming=Scattered()))
    net.run(X)
    made = net.energy.per_inference
    a, b = net.energy.energy().low.mean(1).tolist()
    assert (made.over, made.n) == ("chips", 2)
    assert made.interval[1] - made.low == pytest.approx(12.7062047 * abs(a - b) / 2, rel=1e-6)
    alone = small()
    alone.run(X[:1])
    assert alone.energy.per_inference.interval is None


def test_text_and_json():
    made = everything().energy
    text = str(made)
    for word in (
        "read",
        "periphery",
        "J per inference",
        "J per synaptic event",
        "closing",
        "not in the estimate",
        "most in runs",
    ):
        assert word in text
    table = json.loads(json.dumps(made.to_dict()))
    assert table["closing"]["closed"] is True
    assert table["total"]["high"] == pytest.approx(made.total.high)


def test_graded_signals_are_said_to_be_missing():
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=3)
    net.add(ship.WeightedSum, "syn", source="in", target="out", weight=1.0, device=device())
    net.add(ship.LIF, "out", n=2, output=True)
    net.init(dtype=D)
    net.meter()
    net.program()
    net.run(X)
    assert "syn: what graded signals take" in net.energy.missing
    assert net.energy.events.sum() == 0
    assert float(net.energy.energy("syn", "write").low) > 0


ERRORS = [
    (lambda: ship.Costs(v_dd=1.0, c_spike=-1e-15), "Costs.c_spike: must be at least 0 F; got -1e-15."),
    (lambda: ship.Costs(c_line=(2e-15, 1e-15)), "Costs.c_line: must be (least, most); got (2e-15, 1e-15)."),
    (lambda: ship.Costs(c_line="1f"), "Costs.c_line: must be a number, tuple[float, float] or None; got '1f'."),
    (lambda: ship.Costs(c_line=float("nan")), "Costs.c_line: must be a number of F, or (least, most); got nan."),
    (lambda: ship.Costs(v_dd=0.0), "Costs.v_dd: must be above 0 V; got 0."),
    (lambda: ship.Costs(c_spike=1e-15), "Costs.c_spike: needs the voltage that it is charged to. Give v_dd as well."),
    (lambda: small().meter(groups={"sin": ship.Costs()}), "Network.meter: no group named 'sin'. Known: 'in', 'syn', 'out'."),
    (lambda: small().meter(neurons=1e-12), "Network.meter: neurons: must be Costs or None; got 1e-12."),
    (lambda: small().meter(neurons=ship.Costs(c_line=1e-15)), "Network.meter: c_line: is a cost of synapses; got LIF 'out'."),
    (lambda: small(programmed=False, device=None), "Network.meter: there is nothing to meter: no group has devices"),
    (
        lambda: small(programmed=False, device=None, costs={"synapses": ship.Costs(c_cell=1e-15)}),
        "Network.meter: c_cell: needs the voltage that it is charged to; got ImpulseSynapse 'syn', without devices.",
    ),
    (lambda: ship.Network().energy, "Network.energy: nothing is metered."),
    (lambda: small().energy.energy("hid"), "Ledger.energy: group: no group 'hid' was metered."),
    (lambda: small().energy.energy(phase="reed"), "Ledger.energy: phase: no phase 'reed' was metered."),
]


@pytest.mark.parametrize(("wrong", "text"), ERRORS)
def test_errors(wrong, text):
    with pytest.raises(ship.ShipError) as caught:
        wrong()
    assert str(caught.value).startswith(text)


def test_ways_cover_each_cell_once():
    net = small(delay=DELAYS)
    assert sum(way.mask.expand(3, 2) for way in ways(net._sim.nodes["syn"])).tolist() == [[1.0, 1.0]] * 3
