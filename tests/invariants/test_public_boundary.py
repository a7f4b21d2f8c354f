"""The public boundary: wrong types are a ParameterError that names call and argument, and nothing but a ShipError comes out."""

import inspect
import pickle
import re
import typing
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import boundary_calls
import ship
import ship.crossbar
import ship.data
import ship.plot
import ship.study
import ship.train
from ship.base.boundary import MARK, Kind, checked, hints_of, left

TRIES = 4  # of each call: 1,000 calls, 15 s on one core
NAN_BY_DEFINITION = {  # documented: 0 of 0, no probes; and values that `add` looks at
    "ConfusionMatrix.normalised",
    "ship.crossbar.approximate",
    "ship.per_chip",
    "ship.per_sample",
}


@pytest.mark.parametrize("name", sorted(boundary_calls.CALLS))
def test_random_calls(name, tmp_path, monkeypatch):
    """Whatever is given: a `ShipError`, or a result without NaN."""
    monkeypatch.chdir(tmp_path)
    for i in range(TRIES):
        said, result, error = boundary_calls.call(name, i)
        assert error is None or isinstance(error, ship.ShipError), f"{said}: {type(error).__name__}: {error}"
        assert name in NAN_BY_DEFINITION or not boundary_calls.is_nan(result), said


def test_random_calls_reach_everything():
    names = set(boundary_calls.CALLS)
    assert len(names) > 200
    assert {"Network.run", "Trainer.fit", "DeviceArray.pulse", "ship.fit", "ship.plot.raster", "ship.crossbar.read"} <= names


WRONG = [
    (lambda net: net.monitor(tag=["out"]), "Network.monitor: tag: must be str; got ['out']."),
    (lambda net: net.restore(1.0), "Network.restore: snapshot: must be Snapshot; got 1.0."),
    (lambda net: ship.plot.history(range(3)), "plot.history: training: must be History; got range(0, 3)."),
    (lambda net: ship.train.wilson(1, 2, level="x"), "train.wilson: level: must be a number; got 'x'."),
    (lambda net: ship.save(net, path=1.5), "save: path: must be str or PathLike[str]; got 1.5."),
    (lambda net: net.tune(sums=torch.ones(2)), "Network.tune: sums: must be Mapping[str, str] or None; got tensor([1., 1.])."),
    (lambda net: net.tune(sums={"s": 1}), "Network.tune: sums: must be Mapping[str, str] or None; got {'s': 1}."),
    (lambda net: ship.describe(torch.ones(1)), "describe: model: must be type[Model]; got tensor([1.])."),
    (lambda net: ship.Edges(pre=object(), post=[0]), "Edges.pre: must be a list of unit numbers, from 0 on; got <object"),
    (
        lambda net: boundary_calls.array().write(1e-5, verify=5),
        "DeviceArray.write: verify: must be WriteVerify, OpenLoop or None; got",
    ),
    (lambda net: boundary_calls.array().write(1e-5, only=1.5), "DeviceArray.write: only: must be a dense Tensor of real numbers"),
    (lambda net: ship.Device(name=5), "Device.name: must be str; got 5."),
    (lambda net: ship.DeviceArray(ship.Device(), 2, variation="x"), "DeviceArray.variation: must be True or False; got 'x'."),
    (lambda net: ship.DeviceArray(ship.Device(), 2, where=1), "DeviceArray.where: must be str or None; got 1."),
    (lambda net: ship.DeviceArray(ship.Device(), 2, place=3), "DeviceArray.place: must be Sequence[Tensor] or None; got 3."),
    (lambda net: net.init(device=float("-inf")), "Network.init: device: must be device, str or None; got -inf."),
    (lambda net: net.run(reset="no"), "Network.run: reset: must be True or False; got 'no'."),
    (lambda net: net.set("out", output="no"), "LIF 'out'.output: must be True or False; got 'no'."),
    (
        lambda net: net.set("out", initial=3),
        "LIF 'out'.initial: must be a dict of initial values by the names of states, or None",
    ),
    (lambda net: ship.measured_array([[1.0]], unit="uS", decimal="comma"), "measured_array: decimal: must be '.' or ','"),
    (
        lambda net: ship.fit({"time": [1.0, 2.0], "conductance": [3.0, 4.0]}, "retention", unit={"bogus": "uS"}),
        "fit: unit: there is no column of 'bogus' among those used.",
    ),
    (
        lambda net: ship.data.Batches(torch.ones(2, 3), torch.tensor([0, 1]), 1, shuffle="cuda"),
        "Batches.shuffle: must be True or False; got 'cuda'.",
    ),
    (lambda net: ship.PairSTDP(reduce="average"), "PairSTDP.reduce: must be one of 'sum', 'mean'; got 'average'."),
    (lambda net: ship.InDegree(True), "InDegree.k: must be a whole number; got True."),
]


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[re.sub(r"\W+", "-", text)[:50] for _, text in WRONG])
def test_the_error_names_call_argument_expected_and_got(call, text):
    with pytest.raises(ship.ShipError) as error:
        call(boundary_calls.network())
    assert str(error.value).startswith(text)


def test_options_of_a_rule_of_ones_own_are_checked_where_it_is_used():
    @dataclass(frozen=True)
    class Still(ship.Rule):
        def __post_init__(self):
            pass  # the check of the base class is not called

        def update(self, state, x, w, p, c):
            return 0 * w, state

    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "out", n=2)
    with pytest.raises(ship.ParameterError, match=r"'s'\.rule\.reduce: must be one of 'sum', 'mean'; got 'average'"):
        net.add(ship.ExpSynapse, "s", source="in", target="out", rule=Still(reduce="average"))


# -- what counts as what ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (float, [1, 0.5, np.float32(1), np.int64(3)], [True, "1", None, torch.tensor(1.0), np.bool_(True), 1j]),
        (int, [1, np.int8(3)], [1.0, True, np.float64(1), "1"]),
        (bool, [True, np.bool_(False)], [0, 1, "no", None]),
        (typing.Sequence[float], [[1, 2.0], (np.float32(1),), np.ones(3), range(2), []], [[1, "a"], "ab", b"ab", 3, [True]]),
        (typing.Mapping[str, float], [{}, {"a": 1}], [{1: 1}, {"a": "b"}, [("a", 1)]]),
        (tuple[str, ...] | None, [None, (), ("a",)], [["a"], ("a", 1)]),
        (typing.Literal["a", "b"], ["a"], ["c", 1]),
        (torch.Tensor, [torch.ones(2)], [np.ones(2), [1.0], torch.ones(2).to_sparse(), torch.ones(1, dtype=torch.complex64)]),
        (typing.Callable[[float], float], [len, lambda: 0], [3, None]),
        (typing.Any, [3, None, "a"], []),
    ],
)
def test_kinds(hint, right, wrong):
    kind = Kind(hint)
    for _ in range(2):  # the second time from what was learned at the first
        assert all(kind.anything or type(value) in kind.fitting or kind.accepts(value) for value in right)
        assert not any(type(value) in kind.fitting or kind.accepts(value) for value in wrong)


def test_the_last_of_many_items_is_looked_at():
    kind = Kind(typing.Sequence[str])
    assert kind.accepts(["a"] * 1000)
    assert not any(kind.accepts(["a"] * 999 + [5]) for _ in range(10))


# -- what a check leaves as it is ------------------------------------------------------------------------------------------------


def public():
    """All functions that are checked, with the classes they belong to."""
    for module in boundary_calls.MODULES:
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield value, None
            elif inspect.isclass(value):
                yield from ((f, value) for f in vars(value).values() if inspect.isfunction(f) and hasattr(f, MARK))


def test_everything_public_is_checked_and_its_annotations_can_be_read():
    found = list(public())
    assert len(found) > 250
    for function, owner in found:
        assert hasattr(function, MARK), function
        made_by_dataclass = function.__name__ == "__init__" and "__dataclass_params__" in vars(owner)
        hints = hints_of(function, owner if made_by_dataclass else None)
        own = set(inspect.signature(function).parameters) - {"self"}
        assert own <= set(hints), f"{function.__qualname__} has parameters without annotation"


def test_signature_pickling_and_documentation_stay():
    assert inspect.signature(ship.Network.run).parameters["first_sample"].default == 0
    assert ship.Network.run.__doc__.startswith("Simulate the network")
    assert ship.fit.__module__ == "ship.devices.fitting.api"
    assert pickle.loads(pickle.dumps(ship.fit)) is ship.fit
    assert pickle.loads(pickle.dumps(ship.LIF(tau=0.01))) == ship.LIF(tau=0.01)
    assert replace(ship.LIF(tau=0.01), v_th=2.0) == ship.LIF(tau=0.01, v_th=2.0)
    with pytest.raises(ship.ParameterError, match=r"LIF\.emit_order: must be str"):
        replace(ship.LIF(), emit_order=3)


def test_subclasses_of_users_are_as_they_wrote_them():
    class Mine(ship.Network):
        def __init__(self, hidden):
            super().__init__()
            self.add(ship.SpikeInput, "in", n=hidden)

        def run(self, *args, more=None, **options):
            return more, super().run(*args, **options)

    net = Mine(3)
    net.init()
    assert net.run(torch.zeros(1, 2, 3), more="x")[0] == "x"
    with pytest.raises(ship.ParameterError, match=r"Mine\.init: dt: must be a number"):
        net.init(dt="1 ms")


def test_a_function_of_ones_own():
    def f(a: int, *more: str, flag: bool = False, **rest: object) -> int:
        """Doc."""
        return a

    @left("a")
    def g(a: int) -> int:
        return a

    guarded = checked(f, "f")
    assert guarded(1, "a", "b", flag=True, other=3) == 1
    assert guarded.__doc__ == "Doc."
    for wrong, text in (((1, "a", 2), "f: more: must be str; got 2"), (("1",), "f: a: must be a whole number; got '1'")):
        with pytest.raises(ship.ParameterError, match=text):
            guarded(*wrong)
    with pytest.raises(TypeError, match="missing 1 required"):  # Python's own words
        guarded()
    assert checked(g, "g")("x") == "x"
