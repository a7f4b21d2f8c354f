"""What a run must not depend on, and what it must refuse: changed tables and tensors, NaN, other threads, autocast."""

import copy
import inspect
import pickle
import threading

import pytest
import torch

import ship
from plain_network import network
from ship.base.errors import NotReadyError

X = (torch.rand(2, 40, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
ENGINES = ("reference", "fused")
pytestmark = pytest.mark.usefixtures("no_grad")  # kernels run without a gradient


@pytest.mark.parametrize("values", [torch.tensor([]), torch.zeros(0, 4)])
def test_a_sweep_over_nothing_is_refused(values):
    with pytest.raises(ship.ParameterError, match=r"LIF 'out'\.tau: per_sample needs at least one value; got none"):
        network(tau=ship.per_sample(values))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("write", [lambda t: t.fill_(10**7), lambda t: t.numpy().fill(-(10**7)), lambda t: t.resize_(0)])
def test_edges_cannot_be_changed(engine, write):
    """`pre` and `post` are copies: kernels read the tables, and a number out of range would be any address."""
    net = network(engine, connect=ship.InDegree(3))
    before = net.run(X)
    assert before.sum() > 0
    for side in ("pre", "post"):
        write(getattr(net["s"], side))
    assert torch.equal(net.run(X), before)
    assert len(net["s"].pre) == 12


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("tag", "name", "connect", "value", "text"),
    [
        ("s", "weight", None, torch.empty(0), r"ExpSynapse 's'\.weight: must fit the shape \[6, 4\].*; got shape \[0\]"),
        ("s", "weight", None, torch.ones(1, 1), r"must fit the shape \[6, 4\].*; got shape \[1, 1\]"),
        ("s", "weight", None, torch.ones(3, 1, 6, 4), r"got shape \[3, 1, 6, 4\]"),
        ("s", "weight", ship.InDegree(3), torch.ones(1), r"must fit the shape \[12\].*; got shape \[1\]"),
        (
            "s",
            "weight",
            None,
            torch.ones(6, 4, dtype=torch.float64),
            r"must be a tensor of torch\.float32, as the network; got torch\.float64",
        ),
        ("out", "tau", None, torch.empty(0), r"LIF 'out'\.tau: must fit the shape \[4\].*; got shape \[0\]"),
        ("out", "tau", None, torch.full((2,), 1e-2), r"got shape \[2\]"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(engine, tag, name, connect, value, text):
    net = network(engine, connect=connect)
    net.run(X)
    getattr(net[tag], name).data = value
    with pytest.raises(ship.ParameterError, match=text):
        net.run(X)


def test_a_tensor_that_fits_is_taken():
    """One time constant becomes one for each unit: as if it had been given so."""
    net, other = network(), network(tau=torch.tensor([5e-3, 1e-2, 2e-2, 4e-2]))
    net.run(X)
    net["out"].tau = torch.tensor([5e-3, 1e-2, 2e-2, 4e-2])
    assert torch.equal(net.run(X), other.run(X))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("tag", "name", "value", "text"),
    [
        ("s", "weight", float("nan"), r"ExpSynapse 's'\.weight: must not be NaN; got nan \(1 of 24 values\)"),
        ("s", "weight", float("inf"), r"ExpSynapse 's'\.weight: must be finite; got inf"),
        ("out", "tau", float("nan"), r"LIF 'out'\.tau: must not be NaN"),
        ("out", "tau", -1.0, r"LIF 'out'\.tau: must be above 0 s; got -1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(engine, tag, name, value, text):
    net = network(engine)
    before = net.run(X)
    tensor = getattr(net[tag], name).data
    old = tensor.reshape(-1)[0].item()
    tensor.view(-1)[0] = value
    for _ in range(2):
        with pytest.raises(ship.ParameterError, match=text):
            net.run(X)
    tensor.view(-1)[0] = old
    assert torch.equal(net.run(X), before)


def test_plastic_weights_are_looked_at():
    net = network(rule=ship.PairSTDP())
    net.run(X)
    net["s"].plastic_weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ship.ParameterError, match=r"ExpSynapse 's'\.weight: must not be NaN"):
        net.run(X)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("connect", [ship.Edges([], []), ship.Probability(0.0)])
def test_no_edges_are_silence(engine, connect):
    assert not network(engine, connect=connect).run(X).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_one_network_in_two_threads(engine):
    """A result is right, or there is a RunError; nothing else."""
    net = network(engine)
    x = X.repeat(1, 20, 1)
    right, found, entered = net.run(x), [], threading.Event()

    def work():
        for _ in range(10):
            try:
                found.append(torch.equal(net.run(x), right))
            except ship.RunError as error:
                found.append("run has ended" in str(error))
            except Exception as error:
                found.append(error)
        entered.set()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


def test_nothing_is_done_to_a_network_that_runs_in_another_thread():
    net, inside, go = network(), threading.Event(), threading.Event()

    def slow(group, name, value):
        inside.set()
        go.wait(10)
        return value

    net["out"].overlays["v_th"] = slow
    thread = threading.Thread(target=lambda: net.run(X))
    thread.start()
    assert inside.wait(10)
    try:
        for call in (
            lambda: net.run(X),
            net.reset,
            net.init,
            lambda: net.remove("s"),
            net.snapshot,
            lambda: net.set("out", tau=1.0),
        ):
            with pytest.raises(ship.RunError, match="must wait until the network's run has ended"):
                call()
        twin = copy.deepcopy(net)  # has a running state of its own
    finally:
        go.set()
        thread.join()
    del twin["out"].overlays["v_th"], net["out"].overlays["v_th"]
    assert torch.equal(twin.run(X), net.run(X))
    assert torch.equal(pickle.loads(pickle.dumps(net)).run(X), net.run(X))


def test_a_run_that_failed_leaves_the_network_free():
    net = network()
    with pytest.raises(ship.RunError):
        net.run(X[..., :2])
    assert net.run(X).shape == (2, 40, 4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", [ship.LIF, ship.NoisyLIF])
def test_autocast_changes_nothing(engine, model):
    net = network(engine, model=model)
    before = net.run(X, trial=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = net.run(X, trial=0)
    assert before.sum() > 0
    assert cast.dtype is torch.float32
    assert torch.equal(cast, before)


def test_gradients_of_a_noisy_model_by_torch_func():
    with torch.enable_grad():
        net = network(model=ship.NoisyLIF)
        weights = {"groups.s.weight": net["s"].weight.detach().clone()}
        found = torch.func.grad(lambda p: torch.func.functional_call(net, p, (X,), {"trial": 0}).sum())(weights)
        net.run(X, trial=0).sum().backward()
    assert found["groups.s.weight"].abs().sum() > 0
    assert torch.equal(found["groups.s.weight"], net["s"].weight.grad)  # the same operations in the same order


@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("engine", ENGINES)
def test_torch_compile_leaves_a_run_alone(engine):
    net = network(engine, model=ship.NoisyLIF)
    before = net.run(X, trial=0)
    assert before.sum() > 0
    assert torch.equal(torch.compile(net, backend="eager")(X, trial=0), before)


def test_what_is_not_there_yet_is_an_attribute_error():
    net = ship.Network()
    assert not hasattr(net, "energy")
    assert not hasattr(net, "dt")
    with pytest.raises(NotReadyError, match=r"Network.dt: the network is not initialised"):
        _ = net.dt
    with pytest.raises(ship.RunError, match=r"Network.energy: nothing is metered"):
        _ = net.energy
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = net.nonsense
    assert {"add", "run"} <= {name for name, _ in inspect.getmembers(net)}


def test_every_object_can_be_looked_through():
    net = network()
    net.monitor("out", "v")
    net.run(X)
    found = (net, net["out"], net["s"], net.records["out"], ship.DeviceArray(ship.Device(), 2), net.snapshot())
    assert all(inspect.getmembers(thing) for thing in found)
    assert hasattr(net.records["out"], "v")
    assert not hasattr(net.records["out"], "w")
    assert not hasattr(net["s"], "pre")  # it has no edges
    with pytest.raises(ship.RunError, match="was not recorded"):
        _ = net.records["out"].w
