"""States of user-defined models that outlive a run, against closed forms: thresholds that adapt for good, consolidated traces."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

import ship
from ship.study import accuracy, virtual_chips
from ship.train import SpikeCount

N, STEPS = 5, 40


class Adapted(NamedTuple):
    v: torch.Tensor  # V
    theta: torch.Tensor  # V


@dataclass(frozen=True)
class Homeostatic(ship.SpikingNeuron):
    """Integrates; each of its spikes raises its threshold by ``step`` for good."""

    v_th: float = ship.param(1.0, unit="V")
    step: float = ship.param(0.125, unit="V")

    ports = {"charge": ship.Port("charge", "V")}
    states = Adapted(v=ship.State(0.0, unit="V", held=True), theta=ship.State(0.0, unit="V", persistent=True))

    def receive(self, state, jump, p):
        return state

    def margin(self, state, p):
        return state.v - p.v_th - state.theta

    def reset(self, state, fired, p):
        return Adapted(torch.where(fired, 0.0, state.v), torch.where(fired, state.theta + p.step, state.theta))

    def evolve(self, state, x, p, c):
        return state._replace(v=state.v + x.charge)


@dataclass(frozen=True)
class Averaged(Homeostatic):
    states = Adapted(v=ship.State(0.0, unit="V", held=True), theta=ship.State("step", unit="V", persistent=True, batch="mean"))


class Trace(NamedTuple):
    seen: torch.Tensor  # consolidated, per connection


@dataclass(frozen=True)
class Consolidating(ship.Rule):
    """Counts coincidences of arrival and spike for good; the weight grows by ``rate`` for each as long as few were seen."""

    rate: float = ship.param(0.01, unit="V")
    states = Trace(seen=ship.State(0.0, on="connection", persistent=True))

    def update(self, state, x, w, p, c):
        both = x.pre * x.post
        return p.rate * both * (state.seen < 10.0), Trace(state.seen + both)


def network(model=Homeostatic, engine="reference", chips=None, **options):
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=N)
    net.add(model, "a", n=N, output=True, **options)
    net.add(ship.Link, "l", source="i", target="a")
    net.init(dt=1e-3, chips=chips, engine=engine, dtype=torch.float64)
    return net


def current(batch=3, steps=STEPS):
    """V/s, unlike for samples and units; multiples of a power of two, so that sums are exact."""
    drive = 128.0 + 32.0 * torch.arange(batch * N, dtype=torch.float64).reshape(batch, 1, N)
    return drive.expand(batch, steps, N)


def theta(net):
    return net["a"].get_buffer("persistent/theta")


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("t_ref", [0.0, 2e-3])
def test_changes_of_the_samples_are_added(engine, t_ref):
    """The threshold is ``step`` times all spikes there ever were, of all samples; the next run begins with it."""
    net = network(engine=engine, t_ref=t_ref)
    first = net.run(current())
    assert float(first.sum((0, 1)).min()) > 3
    assert torch.equal(theta(net)[0, 0], 0.125 * first.sum((0, 1)))
    net.monitor("a", "theta")
    second = net.run(current())
    assert torch.equal(net.records["a"].theta[:, 0], (0.125 * first.sum((0, 1)) + 0.125 * second[:, 0]).expand(3, N))
    assert float(second.sum()) < float(first.sum())
    assert torch.equal(theta(net)[0, 0], 0.125 * (first.sum((0, 1)) + second.sum((0, 1))))
    net.run(current(), reset_persistent=True)
    assert torch.equal(theta(net)[0, 0], 0.125 * first.sum((0, 1)))


def test_engines_agree_and_the_fused_one_makes_a_kernel_of_it():
    nets = [network(engine=engine, chips=2, v_th=ship.Varied(1.0, d2d=0.2)) for engine in ("reference", "fused")]
    outs = [torch.stack([net.run(current()) for _ in range(3)]) for net in nets]
    assert torch.equal(*outs)
    assert torch.equal(theta(nets[0]), theta(nets[1]))
    assert not torch.equal(theta(nets[0])[0], theta(nets[0])[1])  # each chip has its own
    assert next(line for line in nets[1].explain().splitlines() if line.startswith("  a: ")) == "  a: kernel"


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_mean_over_samples(engine):
    net = network(Averaged, engine)
    assert torch.equal(theta(net), torch.full((1, 1, N), 0.125, dtype=torch.float64))  # its parameter
    out = net.run(current(batch=4))
    assert torch.equal(theta(net)[0, 0], 0.125 + 0.125 * out.sum(1).mean(0))


@pytest.mark.parametrize("model", [Homeostatic, Averaged])
@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_run_in_pieces_leaves_what_one_run_leaves(model, engine):
    """Samples go on from where each was; also slot by slot, and across a change of dt."""
    whole, pieces, slots, programme = (network(model, engine) for _ in range(4))
    whole.run(current())
    pieces.run(current(steps=17))
    pieces.run(current(steps=23), reset=False)
    for k in range(STEPS):
        slots.step(current()[:, k])
    programme.run(current(), dt=[(1e-3, 30), (1e-3, 10)])
    assert float(theta(whole).max()) > 1.0
    for other in (pieces, slots, programme):
        assert torch.equal(theta(other), theta(whole))


def test_one_sample_after_the_other_leaves_what_each_alone_leaves():
    net = network()
    counts = torch.zeros(N, dtype=torch.float64)
    for sample in current():
        counts += net.run(sample[None]).sum((0, 1))
        assert torch.equal(theta(net)[0, 0], 0.125 * counts)


def test_it_is_kept_by_snapshots_files_and_state_dicts(tmp_path):
    net = network(t_ref=2e-3)
    net.run(current())
    kept, snapshot = theta(net).clone(), net.snapshot()
    ship.save(net, tmp_path / "net.ship")
    loaded = ship.load(tmp_path / "net.ship", models=[Homeostatic])
    fresh = network(t_ref=2e-3)
    fresh.load_state_dict(net.state_dict())
    expected = net.run(current())
    assert not torch.equal(theta(net), kept)
    net.restore(snapshot)
    for other in (loaded, fresh, net):
        assert torch.equal(theta(other), kept)
        assert torch.equal(other.run(current()), expected)


def test_continued_from_a_snapshot():
    """In the middle of a run: each sample where it was, and the stored value as if nothing had happened."""
    net = network()
    net.run(current(steps=20))
    snapshot = net.snapshot()
    net.run(current(steps=20), reset=False)
    expected = theta(net).clone()
    net.run(current())
    net.restore(snapshot)
    net.run(current(steps=20), reset=False)
    assert torch.equal(theta(net), expected)


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_states_of_a_rule(engine):
    """Coincidences of every connection, counted over runs and samples; the weight stops growing where ten were seen."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=0.75, rule=Consolidating(w_max=5.0))
    net.init(engine=engine, dtype=torch.float64)
    x = (torch.rand(2, 60, 3, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    seen, counts = torch.zeros(3, 2, dtype=torch.float64), []
    for _ in range(2):
        counts.append(torch.einsum("bti,btj->ij", x, net.run(x)))
        seen += counts[-1]
        assert torch.equal(net["s"].get_buffer("persistent/rule/seen")[0, 0], seen)
    assert float(seen.min()) > 10
    grown = net["s"].plastic_weight.clone()
    net.run(x)
    assert torch.equal(net["s"].plastic_weight, grown)  # each sample has seen enough
    net.run(x, reset_persistent=True)
    assert torch.equal(net["s"].get_buffer("persistent/rule/seen")[0, 0], counts[0])


def test_what_was_adapted_goes_to_virtual_chips():
    net = network()
    net.run(current())
    chips = virtual_chips(net, 3)
    assert torch.equal(theta(chips), theta(net).expand(3, 1, N))
    with pytest.raises(ship.RunError, match=r"chips: Homeostatic 'a' has learnt on each chip.*got 3 chips, for 2"):
        virtual_chips(chips, 2)


def test_measuring_leaves_what_was_adapted():
    net = network()
    net.run(current())
    kept = theta(net).clone()
    batches = [(current(), torch.zeros(3, dtype=torch.int64))] * 2
    accuracy(net, batches, readout=SpikeCount())
    assert torch.equal(theta(net), kept)
    net.run(current())
    assert not torch.equal(theta(net), kept)


def test_without_gradients_and_with_them():
    """Inference mode leaves a value that can be trained on, and a graph is cut at the end of a run."""
    net = network()
    with torch.inference_mode():
        net.run(current())
    x = current().clone().requires_grad_()
    net.run(x).sum().backward()
    assert not theta(net).requires_grad
    assert not theta(net).is_inference()


def test_errors():
    with pytest.raises(ship.ParameterError, match=r"State\.batch: must be 'sum' or 'mean'; got 'max'"):
        ship.State(0.0, persistent=True, batch="max")
    with pytest.raises(ship.ParameterError, match=r"State\.persistent: is for a number of a model or a rule; got a truth value"):
        ship.State(False, persistent=True)
    with pytest.raises(ship.ParameterError, match=r"'a'\.theta: persists, so it must begin with the same value in all"):
        network(initial={"theta": ship.per_sample(torch.zeros(3))})
    started = network(initial={"theta": 0.5})
    assert torch.equal(theta(started), torch.full((1, 1, N), 0.5, dtype=torch.float64))
    assert "persistent, sum over the batch" in ship.describe(Homeostatic)


def test_learnt_weights_go_to_virtual_chips_too():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="out", weight=0.75, rule=Consolidating(w_max=5.0))
    net.init(dtype=torch.float64)
    net.run((torch.rand(2, 60, 3, generator=torch.Generator().manual_seed(1)) < 0.5).double())
    learnt = net["s"].plastic_weight
    assert float((learnt - 0.75).abs().min()) > 0.05
    chips = virtual_chips(net, 2)
    assert torch.equal(chips["s"].plastic_weight, learnt.expand(2, 1, 3, 2))
    assert torch.equal(chips["s"].get_buffer("persistent/rule/seen")[0], net["s"].get_buffer("persistent/rule/seen")[0])


def test_a_new_init_keeps_or_names_what_was_learnt():
    """A threshold that has risen: `init` says that it is lost, `keep=True` goes on with it, also beside a parameter set anew."""
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=3)
    net.add(Homeostatic, "h", n=3, output=True)
    net.add(ship.Link, "l", source="i", target="h")
    net.init(dt=1e-3)
    net.run(torch.full((1, 50, 3), 400.0))
    risen = net["h"].get_buffer("persistent/theta").clone()
    assert float(risen.min()) > 0
    net.set("h", v_th=2.0)
    net.init(dt=5e-4, keep=True)
    assert torch.equal(net["h"].get_buffer("persistent/theta"), risen)
    with pytest.warns(UserWarning, match=r"'h': persistent/theta\. Give keep=True"):
        net.init(dt=1e-3)
    assert not net["h"].get_buffer("persistent/theta").any()
