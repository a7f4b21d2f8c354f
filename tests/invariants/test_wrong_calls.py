"""Bad input: each wrong call gives a ShipError, before anything runs, with where, rule, value and fix."""

import re

import pytest
import torch

import ship
from wrong_calls import WRONG, X, added, net, recorded

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[re.sub(r"\W+", "-", text)[:60] for _, text in WRONG])
def test_wrong_call(call, text):
    with pytest.raises(ship.ShipError) as error:
        call()
    assert text in str(error.value)
    assert isinstance(error.value, ValueError)


def test_there_are_enough_wrong_calls():
    assert len(WRONG) >= 100


@pytest.mark.parametrize("steps", [5, 2**15])
@pytest.mark.parametrize(("wrong", "why"), [(NAN, "finite"), (-INF, "finite"), (-1.0, "counts"), (0.5, "counts")])
def test_one_wrong_value_is_found_in_inputs_of_any_size(steps, wrong, why):
    x = torch.zeros(1, steps, 4)
    x[0, steps // 2, 2] = wrong
    with pytest.raises(ship.RunError, match=why):
        net().run(x)


def test_run_too_large_for_memory_is_refused(monkeypatch):
    made = net()
    monkeypatch.setattr("ship.network.memory_budget.available_bytes", lambda: 1000)
    monkeypatch.setattr("ship.network.memory_budget.SMALL", 0)
    with pytest.raises(
        ship.RunError, match=r"needs about .* GiB for 5 slots x 1 chips x 2 samples; got .* GiB free. Use a smaller batch"
    ):
        made.run(X)


def test_a_refused_run_changes_nothing(monkeypatch):
    made = net()
    made.run(X)
    kept = made.snapshot()
    monkeypatch.setattr("ship.network.memory_budget.available_bytes", lambda: 1000)
    monkeypatch.setattr("ship.network.memory_budget.SMALL", 0)
    with pytest.raises(ship.RunError, match="needs about"):
        made.run(X)
    now = made.snapshot()
    assert now.meta == kept.meta
    assert all(torch.equal(now.tensors[name], value) for name, value in kept.tensors.items())


def test_missing_decorator_is_named():
    class Bare(ship.LIF):
        pass

    made = ship.Network()
    with pytest.raises(ship.GraphError, match=r"Bare must be a frozen dataclass\. Write @dataclass"):
        made.add(Bare, "b", n=1)


FOUND = [
    (
        lambda: added(ship.NoisyLIF, n=1, tau=float("inf")),
        "NoisyLIF 'new'.tau: must be finite where sigma is above 0, the deviation that v reaches after many tau; got inf. A long",
    ),
    (
        lambda: added(ship.LIF, n=1, tau=True),
        "LIF 'new'.tau: must be numbers, not truth values; got True. Give 0.0 and 1.0 where they are meant.",
    ),
    (
        lambda: added(ship.LIF, n=2, t_ref=[0.0, 2e4]),
        "LIF 'new'.t_ref: must be at most 16777216 slots in float32, which counts no further; got 20000000 slots of 0.001 s. Use",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", delay=ship.Varied(1e-3, d2d=0.1)),
        "ExpSynapse 'new'.delay: is the same for all chips and samples; got Varied.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", delay=[1e-3, 2e-3, 3e-3]),
        "ExpSynapse 'new'.delay: a vector must have one delay for each of 4 source units (one of weights counts per target "
        "unit); got 3. Per target: shape [1, post].",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="out", rule=ship.PairSTDP(), weight=0.5),
        "ExpSynapse 'new'.rule: needs targets that spike; got values from 'out'.",
    ),
    (
        lambda: added(ship.WeightedSum, source="in", n=3, bias=1.0),
        "WeightedSum 'new'.bias: is a level, and cannot travel with events.",
    ),
    (
        lambda: per_unit_membrane_before_the_sum(),
        "ExpSynapse 's'.side: 'pre' with drive='exact' needs one time constant for all targets; got shape [2]. Use side='post'.",
    ),
    (lambda: net().run("abc"), "input 'in': must be numbers; got 'abc'."),
    (lambda: net().run({"in": None}), "input 'in': must be numbers; got None."),
    (lambda: net().run(X.to_sparse()), "input 'in': must be dense; got torch.sparse_coo."),
    (lambda: net().run(X, trial=0.5), "Network.run: trial: must be a whole number or None; got 0.5."),
    (lambda: net().run(X, first_sample=1.5), "Network.run: first_sample: must be a whole number; got 1.5."),
    (lambda: recorded().run(X, reset=False, trial=7), "Network.run: trial: belongs to the start of a run; got reset=False."),
    (lambda: recorded().run(X, reset=False, reset_persistent=True), "reset_persistent: belongs to the start of a run"),
    (lambda: net().init(device="gpu"), "Network.init: device: is not available; got gpu:"),
    (lambda: net().init(chips=[2**70]), "Network.init: chips: must be None"),
    (lambda: net().half(), "Network: computes in float32 or float64; got torch.float16."),
    (lambda: net().monitor("hidden", "v", events=True), "monitor of LIF 'hidden': events: records outputs only; got 'v'."),
    (
        lambda: net().monitor("in>hidden", "i", units=[7]),
        "monitor of ExpSynapse 'in>hidden': units: must be from 0 to 2; got [7].",
    ),
    (
        lambda: net().monitor("hidden", "v", units=2),
        "monitor of LIF 'hidden': units: must be a list of unit numbers, from 0 on, or a truth value for each unit; got 2.",
    ),
    (lambda: net().monitor("hidden", "v", units=[-1]), "units: must be at least 0; got [-1]."),
    (lambda: ship.Uniform("a", 1.0), "Uniform.low: must be a number; got 'a'."),
    (lambda: added(ship.LIF, n=2, initial={"V": 0.0}), "Did you mean 'v'?"),
]


def per_unit_membrane_before_the_sum():
    made = ship.Network()
    made.add(ship.SpikeInput, "in", n=2)
    made.add(ship.LIF, "a", n=2, tau=[10e-3, 20e-3])
    made.add(ship.ExpSynapse, "s", source="in", target="a", drive="exact", side="pre")
    made.init()


@pytest.mark.parametrize(("call", "text"), FOUND, ids=[re.sub(r"\W+", "-", text)[:60] for _, text in FOUND])
def test_wrong_call_found_by_attack(call, text):
    with pytest.raises(ship.ShipError) as error:
        call()
    assert text in str(error.value)


def test_numpy_numbers_are_numbers():
    import numpy as np

    made = ship.Network()
    made.add(ship.PoissonSource, "p", n=np.int64(3), rate=ship.Uniform(np.float32(1.0), np.float32(2.0)), output=True)
    made.init(dt=np.float64(1e-3), seed=np.int64(1), chips=np.arange(2))
    assert made.run(steps=np.int64(4)).shape == (2, 1, 4, 3)
