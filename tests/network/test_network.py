"""Networks: shapes, chips, batches, continuing, monitors, gradients, snapshots, files."""

import copy
import json

import pytest
import torch

import ship
from ship.base.parameters import Parameter
from ship.base.parameters.resolve import resolve
from ship.network import monitor
from ship.network.files.files import read, write

D = torch.float64


def build(chips=None, seed=0, dtype=D, plastic=False, **init):
    """A bit of everything: noise, delays, refractoriness, a loop, variation, a memristor, a plastic synapse."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=6)
    net.add(ship.PoissonSource, "p", n=3, rate=80.0)
    net.add(ship.NoisyLIF, "hid", n=8, tau=ship.Varied(20e-3, d2d=0.2), t_ref=2e-3, sigma=0.05)
    net.add(ship.LeakyIntegrator, "out", n=4, tau=30e-3, output=True)
    rule = ship.PairSTDP(w_min=-1.0) if plastic else None
    net.add(ship.ExpSynapse, "in>hid", source="in", target="hid", weight=ship.Uniform(0.1, 0.6), rule=rule)
    net.add(ship.ExpSynapse, "p>hid", source="p", target="hid", weight=ship.Varied(ship.Uniform(0.0, 0.4), d2d=0.1), delay=2e-3)
    net.add(
        ship.AlphaSynapse,
        "hid>hid",
        source="hid",
        target="hid",
        weight=ship.Normal(0, 0.3),
        delay=lambda shape, g: 1e-3 * torch.randint(1, 5, shape, generator=g),
    )
    net.add(ship.VolatileMemristor, "mem", source="in", target="hid", tau=ship.Varied(20e-3, d2d=0.3))
    net.add(ship.DoubleExpSynapse, "hid>out", source="hid", target="out")
    net.init(dt=1e-3, seed=seed, chips=chips, dtype=dtype, **init)
    return net


def spikes(batch=3, steps=60, n=6, p=0.15, seed=0):
    return (torch.rand(batch, steps, n, generator=torch.Generator().manual_seed(seed)) < p).double()


@pytest.mark.parametrize("plastic", [False, True])
def test_chips_together_equal_chips_alone(no_grad, plastic):
    x = spikes(batch=1 if plastic else 3)
    together = build(chips=4, plastic=plastic)
    out = together.run(x)
    assert out.shape == (4, len(x), 60, 4)
    assert float((out[0] - out[1]).abs().max()) > 1e-3
    for die in range(4):
        assert torch.allclose(build(chips=[die], plastic=plastic).run(x)[0], out[die], rtol=1e-12, atol=1e-13)
    assert torch.allclose(build(plastic=plastic).run(x), out[0], rtol=1e-12, atol=1e-13)
    assert build(chips=1).run(x).ndim == 4


def test_nominal_chips_differ_only_by_noise(no_grad):
    net = build(chips=2, variation=False)
    assert not [name for name in net.state_dict() if "deviate" in name]


def test_batch_equals_single_runs(no_grad):
    x, net = spikes(batch=4), build()
    out = net.run(x)
    for b in range(4):
        assert torch.allclose(net.run(x[b : b + 1], first_sample=b)[0], out[b], rtol=1e-12, atol=1e-13)


def test_a_run_in_pieces_equals_one(no_grad):
    x, net = spikes(), build()
    whole = net.run(x)
    pieces = torch.cat([net.run(x[:, :7]), net.run(x[:, 7:8], reset=False), net.run(x[:, 8:], reset=False)], 1)
    assert torch.allclose(pieces, whole, rtol=1e-12, atol=1e-13)
    net.reset()
    stepped = torch.stack([net.step(x[:, k]) for k in range(60)], 1)
    assert torch.allclose(stepped, whole, rtol=1e-12, atol=1e-13)


def test_programme_of_equal_dt_changes_nothing(no_grad):
    x, net = spikes(), build()
    whole = net.run(x)
    assert torch.allclose(net.run(x, dt=[(1e-3, 11), (1e-3, 30), (1e-3, 19)]), whole, rtol=1e-12, atol=1e-13)


def test_change_of_dt_where_the_solution_is_exact(no_grad):
    """Exact drive below threshold: a programme gives the closed form's values at its own times."""

    def net_and_input(programme):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "a", n=1, v_th=1e9)
        net.add(ship.ExpSynapse, "s", source="in", target="a", weight=1.0, drive="exact")
        net.init(dt=1e-3, dtype=D)
        net.monitor("a", "v")
        x = torch.zeros(1, sum(n for _, n in programme), 1)
        x[0, 0] = 1
        net.run(x, dt=programme)
        return net.timeline(), net.records["a"].v[0, :, 0]

    t, v = net_and_input([(1e-3, 5), (0.1e-3, 100), (5e-3, 4)])
    exact = 20e-3 / 15e-3 * (torch.exp(-t / 20e-3) - torch.exp(-t / 5e-3))
    assert float((v - exact).abs().max()) < 1e-12


def test_two_networks_do_not_interact(no_grad):
    x = spikes()
    alone = build().run(x)
    a, b = build(), build(seed=5)
    first, other = a.run(x[:, :30]), b.run(x)
    rest = a.run(x[:, 30:], reset=False)
    assert torch.equal(torch.cat([first, rest], 1), alone)
    assert len(a.tags) == len(b.tags) == 9
    assert not torch.equal(other, alone)


def test_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    build(chips=2).run(spikes())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seed_zero_counts_and_renaming_changes_draws(no_grad):
    a, b, c = build(seed=0), build(seed=0), build(seed=1)
    assert torch.equal(a["hid>out"].weight, b["hid>out"].weight)
    assert not torch.equal(a["hid>out"].weight, c["hid>out"].weight)


def test_trial_changes_the_noise_only(no_grad):
    net, x = build(), spikes()
    assert torch.equal(net.run(x, trial=0), net.run(x))
    assert not torch.equal(net.run(x, trial=1), net.run(x, trial=0))


def test_gradients_equal_finite_differences():
    """Where no unit spikes the whole run is smooth: weights, time constants, leak, delays on the way (pitfall D22)."""
    net = ship.Network()
    net.add(ship.CurrentInput, "in", n=2)
    net.add(ship.SpikeInput, "s", n=2)
    net.add(ship.LIF, "hid", n=2, v_th=1e9, trainable=["tau", "v_rest"])
    net.add(ship.LeakyIntegrator, "out", n=1, output=True, trainable=True)
    net.add(ship.WeightedSum, "w", source="in", target="hid", weight=ship.Normal(0, 1), bias=0.3)
    net.add(
        ship.ExpSynapse, "e", source="s", target="out", trainable=["tau", "weight"], delay=2e-3, drive="exact", side="connection"
    )
    net.add(ship.AlphaSynapse, "a", source="s", target="out", trainable=True)
    net.add(ship.DoubleExpSynapse, "d", source="s", target="out", trainable=True)
    net.init(dt=1e-3, dtype=D)
    net.monitor("hid", "v", detach=False)
    x = {
        "in": torch.rand(2, 12, 2, dtype=D, generator=torch.Generator().manual_seed(0)),
        "s": (torch.arange(48).reshape(2, 12, 2) % 5 == 0).double(),
    }
    projection = torch.randn(2, 12, 1, dtype=D, generator=torch.Generator().manual_seed(1))

    def loss():
        return (net.run(x) * projection).sum() + net.records["hid"].v.square().sum()

    loss().backward()
    checked = 0
    for name, p in net.named_parameters():
        gradient = p.grad.flatten()
        for i in range(min(p.numel(), 2)):
            step = 1e-5 * max(1e-3, abs(float(p.detach().flatten()[i])))
            with torch.no_grad():
                p.flatten()[i] += step if p.ndim else 0
                p += step if not p.ndim else 0
                up = float(loss())
                p.flatten()[i] -= 2 * step if p.ndim else 0
                p -= 2 * step if not p.ndim else 0
                down = float(loss())
                p.flatten()[i] += step if p.ndim else 0
                p += step if not p.ndim else 0
            assert float(gradient[i]) == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-9), name
            checked += 1
    assert checked >= 12


def test_surrogate_gradient_reaches_every_layer():
    """Through two hidden layers, recurrence, refractoriness and delay (pitfalls 30, 43)."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=10)
    for tag in ("a", "b"):
        net.add(ship.LIF, tag, n=10, t_ref=2e-3)
    net.add(ship.LeakyIntegrator, "out", n=2, output=True)
    for pre, post in (("in", "a"), ("a", "a"), ("a", "b"), ("b", "out")):
        net.add(ship.ExpSynapse, f"{pre}>{post}", source=pre, target=post, weight=ship.Normal(0.3, 0.3), delay=1e-3)
    net.init()
    net.run(spikes(n=10, p=0.4)).square().sum().backward()
    for tag in ("in>a", "a>a", "a>b", "b>out"):
        assert float(net[tag].weight.grad.norm()) > 0


def test_surrogate_gradient_against_its_formula():
    """One impulse of weight w: d spike / dw = surrogate'(w - v_th)."""
    for surrogate in (ship.FastSigmoid(5.0), ship.ATan(2.0)):
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=1)
        net.add(ship.LIF, "a", n=1, output=True, surrogate=surrogate)
        net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=0.8)
        net.init(dtype=D)
        net.run(torch.ones(1, 1, 1)).sum().backward()
        want = surrogate.derivative(torch.tensor(-0.2, dtype=D))
        assert float(net["s"].weight.grad) == pytest.approx(float(want), rel=1e-12)


def test_trained_parameters_keep_their_limits():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "a", n=1, trainable=["tau"], output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="a")
    net.init()
    with torch.no_grad():
        net["a"].tau.fill_(-1.0)
    net.run(torch.ones(1, 3, 1))
    assert float(net["a"].tau.detach()) > 0


def test_limits_in_float32_are_kept_without_a_change_that_autograd_sees():
    """A limit is rounded to the parameter's type before it is compared: what stands on it stays as it is."""
    least = ship.base.parameters.Parameter(1.0, least=0.1, most=0.7)
    value = torch.tensor([0.1, 0.4, 0.7], dtype=torch.float32, requires_grad=True)
    least.project_(value)
    assert value._version == 0
    with torch.no_grad():
        value[1] = 0.8
    least.project_(value)
    assert torch.equal(value.detach(), torch.tensor([0.1, 0.7, 0.7]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("trainable", [True, False])
def test_parameters_share_no_memory_with_what_was_given(dtype, trainable):
    """Later changes of the user's tensor act in the next `init` alone, and training leaves the tensor as it is."""
    weight = torch.full((2, 3), 0.5, dtype=D)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "a", n=3, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="a", weight=weight, trainable=trainable)
    net.init(dtype=dtype)
    with torch.no_grad():
        net["s"].weight.fill_(2.0)
        assert float(weight.max()) == 0.5
        weight.fill_(3.0)
        assert float(net["s"].weight.max()) == 2.0
    net.init(dtype=dtype, keep=False)
    assert float(net["s"].weight.detach().min()) == 3.0


def test_batch_sweeps_a_parameter(no_grad):
    """The publication's Fig. 8b: tau swept over the batch, one shared Poisson train; a larger tau never spikes less here."""
    net = ship.Network()
    net.add(ship.PoissonSource, "in", n=3, rate=200.0, shared=True)
    net.add(
        ship.LIF,
        "lif",
        n=1,
        tau=ship.per_sample(torch.linspace(10e-3, 100e-3, 10)),
        t_ref=10e-3,
        output=True,
        initial={"v": ship.Uniform(0, 1)},
    )
    net.add(ship.ExpSynapse, "s", source="in", target="lif", weight=ship.Uniform(0, 1))
    net.init(dt=1e-4)
    net.monitor("lif", "v")
    out = net.run(duration=0.1)
    assert out.shape == (10, 1000, 1)
    assert torch.equal(net.records["lif"].v[:, 0].unique(), net.records["lif"].v[:1, 0].flatten())
    counts = out.sum(1).flatten()
    assert float(counts.diff().min()) >= 0
    assert counts[-1] > counts[0]
    single = ship.Network()
    single.add(ship.SpikeInput, "in", n=1)
    single.add(ship.LIF, "l", n=2, tau=ship.per_sample([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    single.init()
    assert single["l"].tau.shape == (1, 3, 2)  # [chip, batch, unit]


def test_inputs_of_every_kind(no_grad):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.Link, "l", source="in", output=True)
    net.init(dt=1e-3)
    events = ship.Events(time=[0.0, 2e-3, 2e-3], unit=[0, 1, 1], sample=[0, 1, 1])
    out = net.run(events, steps=4)
    assert out.nonzero().tolist() == [[0, 0, 0], [1, 2, 1]]
    assert float(out[1, 2, 1]) == 2
    ragged = net.run([torch.ones(2, 2), torch.ones(5, 2)])
    assert ragged.sum((1, 2)).tolist() == [4, 10]
    assert net.lengths.tolist() == [2, 5]
    assert torch.equal(net.run(torch.ones(1, 3, 2, dtype=torch.bool)), torch.ones(1, 3, 2))
    assert net.run(torch.ones(1, 3, 2), steps=5)[0, :, 0].tolist() == [1, 1, 1, 0, 0]
    import numpy as np

    assert float(net.run(np.ones((1, 3, 2), dtype=np.int64)).sum()) == 6


def test_monitors(no_grad):
    net = build()
    x = spikes(batch=2, steps=20)
    net.monitor("hid", "v", every=5, units=[1, 3])
    net.monitor("hid", "output", events=True)
    net.monitor("hid", "margin", "held", "tau")
    net.monitor("mem", "g")
    net.run(x)
    r = net.records["hid"]
    assert r.v.shape == (2, 4, 2)
    assert r.time("v").tolist() == pytest.approx([0, 5e-3, 10e-3, 15e-3])
    assert net.records["mem"].g.shape == (2, 20, 6, 8)
    net.monitor("hid", "output")
    net.run(x)
    dense, events = net.records["hid"].output, r.output
    assert len(events.unit) > 3
    rebuilt = torch.zeros_like(dense)
    rebuilt[events.sample, events.slot, events.unit] = events.counts
    assert torch.equal(rebuilt, dense)
    assert torch.allclose(events.time, events.slot.double() * 1e-3)
    assert torch.equal(dense > 0, net.records["hid"].margin.ge(0) & ~net.records["hid"].held.bool())
    net.unmonitor("hid")
    net.run(x)
    assert list(net.records) == ["mem"]
    net.unmonitor()
    net.run(x)
    assert net.records == {}


@pytest.mark.parametrize("density", [0.0, 0.002, 0.5])
def test_events_of_large_signals(density, monkeypatch):
    """Looked for piece by piece and stretch by stretch, they are those of PyTorch, at all borders."""
    x = (torch.rand(2 * monitor.PIECE + 77, generator=torch.Generator().manual_seed(3)) < density).float()
    x[[0, 63, 64, monitor.PIECE - 1, monitor.PIECE, -78, -77, -1]] = torch.tensor([1.0, 2.0, -1.0, 1.0, 1.0, 3.0, 1.0, 1e-45])
    found = monitor._events(x)
    assert torch.equal(found, x.nonzero().squeeze(1))
    monkeypatch.setattr(monitor.cache, "available", lambda: False)
    assert torch.equal(found, monitor._events(x))


def test_monitored_values_are_not_changed_later(no_grad):
    """Pitfall 38: what was recorded stays as it was."""
    net, x = build(), spikes()
    net.monitor("hid", "v")
    net.run(x)
    kept = net.records["hid"].v
    copied = kept.clone()
    net.run(x * 0)
    assert torch.equal(kept, copied)


def test_monitors_are_detached_unless_asked():
    net = build()
    net.monitor("hid", "v")
    net.monitor("out", "v", detach=False)
    net.run(spikes())
    assert not net.records["hid"].v.requires_grad
    assert net.records["out"].v.requires_grad


def test_xarray(no_grad):
    pytest.importorskip("xarray")
    net = build(chips=2)
    net.monitor("hid", "v", "tau")
    net.run(spikes())
    data = net.records["hid"].to_xarray()
    assert data.v.dims == ("chip", "batch", "time", "unit")
    assert data.v.shape == (2, 3, 60, 8)


def test_structure_can_change():
    net = build()
    net.set("hid", n=5)  # pitfall 10: sizes follow
    net.init(dt=1e-3)
    assert net["in>hid"].weight.shape == (6, 5)
    net.remove("mem")
    net.init()
    assert "mem" not in net.tags
    net.set("hid", tau=5e-3)
    net.init()
    assert net["hid"].tau.shape == ()


def test_init_draws_the_same_again_and_keeps_shapes():
    net = build()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.init(dt=1e-3, seed=0, dtype=D)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_deepcopy_and_dtype(no_grad):
    net, x = build(), spikes()
    twin = copy.deepcopy(net)
    assert torch.equal(net.run(x), twin.run(x))
    net.float()
    assert net.run(x).dtype == torch.float32


def test_interrupted_run_leaves_a_usable_network(no_grad):
    net, x = build(), spikes()
    net.init(dt=1e-3, seed=0, dtype=D, engine="reference")
    want = net.run(x)
    model = type(net["hid"].model)
    real, calls = model.evolve, []

    def interrupt(self, *args):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return real(self, *args)

    model.evolve = interrupt
    try:
        with pytest.raises(KeyboardInterrupt):
            net.run(x)
    finally:
        model.evolve = real
    assert torch.equal(net.run(x), want)


@pytest.mark.parametrize("plastic", [False, True])
@pytest.mark.parametrize("chips", [None, 2])
def test_snapshot_continues_bit_for_bit(no_grad, chips, plastic):
    net, x = build(chips=chips, plastic=plastic), spikes()
    net.run(x[:, :25], trial=3)
    kept = net.snapshot()
    want = net.run(x[:, 25:], reset=False)
    net.run(x)
    net.restore(kept)
    assert torch.equal(net.run(x[:, 25:], reset=False), want)


@pytest.mark.parametrize("plastic", [False, True])
def test_save_and_load(no_grad, tmp_path, plastic):
    net, x = build(chips=3, plastic=plastic), spikes()
    net.run(x[:, :25])
    ship.save(net, tmp_path / "n.ship", running=True)
    want = net.run(x[:, 25:], reset=False)
    again = ship.load(tmp_path / "n.ship")
    assert torch.equal(again.run(x[:, 25:], reset=False), want)
    ship.save(net, tmp_path / "n.ship")
    fresh = ship.load(tmp_path / "n.ship")
    assert torch.equal(fresh.run(x), net.run(x)) or plastic
    assert fresh.explain() == net.explain()
    assert list(tmp_path.iterdir()) == [tmp_path / "n.ship"]


def test_what_cannot_be_saved_is_refused_while_saving(tmp_path):
    class Mine(ship.ATan):
        pass

    net = ship.Network()
    net.add(ship.LIF, "a", n=1, surrogate=Mine())
    net.init()
    with pytest.raises(ship.FileError, match="a surrogate of one's own cannot be saved; got Mine"):
        ship.save(net, tmp_path / "n.ship")
    assert list(tmp_path.iterdir()) == []


def test_crash_while_saving_keeps_the_old_file(tmp_path, monkeypatch):
    net = build()
    path = tmp_path / "n.ship"
    ship.save(net, path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ship.FileError, match=r"n\.ship: cannot be written; got disk full"):
        ship.save(net, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_and_hostile_files(tmp_path):
    net = build()
    path = tmp_path / "n.ship"
    ship.save(net, path)
    whole = path.read_bytes()
    for cut in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ship.FileError, match="damaged, truncated"):
            ship.load(path)
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'echo'\ntR.")  # a pickle
    with pytest.raises(ship.FileError):
        ship.load(path)
    path.write_bytes(whole)
    tensors, structure = read(path)

    def changed(change):
        bad = json.loads(json.dumps(structure))
        change(bad)
        write(path, tensors, bad)
        with pytest.raises(ship.FileError) as error:
            ship.load(path)
        return str(error.value)

    assert "format 2" in changed(lambda s: s.update(format=99))
    assert "model 'os' that is not known" in changed(lambda s: s["groups"][0].update(model="os"))
    assert "no parameter" in changed(lambda s: s["groups"][2]["given"].update(__class__=1))
    assert "must ask for at most" in changed(lambda s: s["groups"][0].update(n=10**9))
    changed(lambda s: s.pop("settings"))
    changed(lambda s: s["settings"].update(dt="1e-3"))
    changed(lambda s: s["groups"][4].update(source=["nobody"]))
    changed(lambda s: s.update(groups=7))
    with pytest.raises(ship.FileError, match="no such file"):
        ship.load(tmp_path / "none.ship")
    with pytest.raises(ship.FileError, match="cannot be written"):
        ship.save(net, tmp_path / "no" / "folder.ship")


def test_state_dict_holds_nominals_deviates_and_dies():
    names = build(chips=[7, 3]).state_dict()
    assert names["groups.hid.die_ids"].tolist() == [7, 3]
    assert names["groups.hid.tau/deviate"].shape == (2, 1, 8)
    assert names["groups.hid.tau"].shape == ()
    assert names["groups.in>hid.weight"].shape == (6, 8)


def test_variation_statistics():
    """A spread of 10 %: mean and standard deviation of 20,000 devices within 5 standard errors; draws outside limits are drawn
    again.
    """
    made = resolve("x", Parameter(1.0, above=0.0), ship.Varied(2.0, d2d=0.1), (20_000,), 1, [0, 1], True)
    value = made.nominal * (1 + 0.1 * made.deviate)
    assert float(value.mean()) == pytest.approx(2.0, abs=5 * 0.2 / 40_000**0.5)
    assert float(value.std()) == pytest.approx(0.2, rel=5 / 80_000**0.5)
    wide = resolve("x", Parameter(1.0, above=0.0), ship.Varied(1.0, d2d=0.7), (5000,), 1, [0], True)
    assert wide.redrawn > 100
    assert float((1 + 0.7 * wide.deviate).min()) > 0


def test_user_model_in_fifteen_lines(no_grad):
    """A quadratic neuron, written as a user would."""
    from dataclasses import dataclass
    from typing import NamedTuple

    class QIFState(NamedTuple):
        v: torch.Tensor

    @dataclass(frozen=True)
    class QIF(ship.SpikingNeuron):
        """Quadratic integrate-and-fire."""

        tau: float = ship.param(10e-3, unit="s", above=0.0)
        v_peak: float = ship.param(10.0, unit="V")
        ports = {"charge": ship.Port("charge", "V")}
        states = QIFState(v=ship.State(0.0, unit="V", held=True))

        def discretise(self, p, dt):
            return (dt / p.tau,)

        def receive(self, state, jump, p):
            return state

        def margin(self, state, p):
            return state.v - p.v_peak

        def reset(self, state, fired, p):
            return QIFState(torch.where(fired, -p.v_peak, state.v))

        def evolve(self, state, x, p, c):
            return QIFState(state.v + c[0] * state.v**2 + x.charge)

    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=1)
    net.add(QIF, "q", n=1, t_ref=1e-3, output=True)
    net.add(ship.Link, "l", source="i", target="q")
    net.init(dt=1e-5, dtype=D)
    k = net.run(torch.full((1, 20_000, 1), 400.0, dtype=D))[0, :, 0].nonzero().flatten().double() * 1e-5
    # From -10 to 10 under I = 400 V/s: T = 2 atan(10 / a) / (a / tau), a = sqrt(tau I) = 2; and the dead time.
    want = 2 * torch.atan(torch.tensor(5.0)) / (2 / 10e-3) + 1e-3
    assert float(torch.diff(k)[1:].mean()) == pytest.approx(float(want), rel=5e-3)
    assert "QIF" in ship.describe(QIF)
    assert repr(net).count("\n") == 3
