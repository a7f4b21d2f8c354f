"""What holds for every synapse of the family: both engines agree, forward and backward; a batch is its samples, a run its pieces,
chips are runs.
"""

import pytest
import torch

import ship
from one_synapse import N_POST, OPTIONS, D, driven, events, network
from ship.testing.compare import gap

NAMES = list(OPTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_engines_agree_forward_and_backward(name):
    """Outputs and voltages to 1e-12 of the largest; gradients of a smooth function of them to 1e-9."""
    results = []
    for engine in ("reference", "fused"):
        net = network(name, engine=engine, chips=2, vary=0.05)
        net.monitor("t", "v", detach=False)
        out = net.run(events())
        (net.records["t"].v.sin().sum() + out.sum()).backward()
        results.append((out, net.records["t"].v, {k: p.grad for k, p in net["s"].named_parameters()}))
    (out, v, gradient), (out2, v2, gradient2) = results
    assert out.sum() > 0 or name == "StochasticSynapse"
    assert torch.equal(out, out2)
    assert gap(v2, v) < 1e-12
    assert gradient.keys() == gradient2.keys()
    assert gradient["weight"].abs().max() > 0
    for key, value in gradient.items():
        assert torch.isfinite(value).all(), key
        assert gap(gradient2[key], value) < 1e-9, key


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_a_kernel_unless_connections_read_the_target_or_draw(name):
    net = network(name)
    net.run(events(steps=20))
    why = {tag: reason for tag, reason in net._sim.fusion.reasons.items() if reason not in (None, "a source")}
    model, options = OPTIONS[name]
    slow = model is ship.StochasticSynapse or (model.reads and options.get("side") == "connection")
    assert ("s" in why) == bool(slow), why
    assert net.explain().count("kernel") >= 1


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_samples_a_run_its_pieces_and_chips_are_runs(name):
    """To rounding: the vector instructions of a sigmoid may round otherwise at the end of an array."""
    x = events(batch=3)
    whole = driven(network(name), x)
    for i in range(3):
        single = driven(network(name), x[i : i + 1], first_sample=i)
        assert all(gap(b, a[i : i + 1]) < 1e-13 for a, b in zip(whole, single, strict=True))
    net = network(name)
    pieces = [driven(net, x[:, a:b], reset=a == 0) for a, b in ((0, 11), (11, 12), (12, 60))]
    for k, want in enumerate(whole):
        assert gap(torch.cat([p[k] for p in pieces], 1), want) < 1e-13
    chips = driven(network(name, chips=3, vary=0.1), x)
    alone = driven(network(name, chips=[1], vary=0.1), x)
    assert all(gap(b, a[1:2]) < 1e-13 for a, b in zip(chips, alone, strict=True))
    assert chips[1].shape == (3, 3, 60, N_POST)


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("name", [n for n in NAMES if n != "LowPass" and "Graded" not in n])
def test_on_edges_it_is_what_it_is_on_the_matrix_of_them(name):
    """Edges with the weights of a matrix, against the matrix with zeros elsewhere; a conductance of 0 is none."""
    mask = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]], dtype=D)
    generator = torch.Generator().manual_seed(9)
    weight = OPTIONS[name][1]["weight"] * (0.5 + torch.rand(3, 4, generator=generator, dtype=D)) * mask
    got = []
    for connect in (None, mask):
        model, options = OPTIONS[name]
        net = ship.Network()
        net.add(ship.SpikeInput, "in", n=3)
        net.add(ship.LeakyIntegrator, "pre", n=3)
        net.add(ship.ExpSynapse, "drive", source="in", target="pre", weight=torch.eye(3))
        net.add(ship.AdEx if model.unit == "S" else ship.LIF, "t", n=4)
        port = {"port": "exc"} if model.unit == "S" else {}
        source = "pre" if model is ship.GapJunction else "in"
        if model is ship.GapJunction:
            options = options | {"side": "connection"}
        chosen = {**options, "weight": weight} | ({"p_release": 1.0} if model is ship.StochasticSynapse else {})
        net.add(model, "s", source=source, target="t", connect=connect, **chosen, **port)
        net.init(dt=1e-3, dtype=D)
        got.append(driven(net, events()))
    for dense, sparse in zip(*got, strict=True):
        assert gap(sparse, dense) < 1e-12


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("name", ["ConductanceExp", "ConductanceAlpha", "ConductanceDoubleExp", "TsodyksMarkram", "LowPass"])
def test_a_change_of_dt_changes_nothing_of_a_state_that_is_exact(name):
    """20 slots of 1 ms, then 40 of 0.5 ms, against 0.5 ms throughout: the states at the end, to 1e-12."""
    model, options = OPTIONS[name]
    states = model.states._fields
    found = []
    for programme in ([(1e-3, 20), (5e-4, 40)], [(5e-4, 80)]):
        net = ship.Network()
        net.add(ship.SpikeInput if "events" in model.accepts else ship.CurrentInput, "in", n=1)
        net.add(ship.AdEx if model.unit == "S" else ship.LIF, "t", n=1)
        net.add(model, "s", source="in", target="t", port="exc" if model.unit == "S" else None, **options)
        net.init(dt=1e-3, dtype=D)
        net.monitor("s", *states)
        slots = sum(n for _, n in programme)
        x = torch.zeros(1, slots, 1, dtype=D)
        times = torch.cumsum(torch.cat([torch.full((n,), dt, dtype=D) for dt, n in programme]), 0).roll(1)
        times[0] = 0.0
        if model is ship.LowPass:
            x[0, times < 10e-3 - 1e-9] = 1.0
        else:
            x[0, [int((times - t).abs().argmin()) for t in (2e-3, 7e-3, 25e-3)]] = 1.0
        net.run(x, dt=programme)
        found.append(torch.stack([net.records["s"][state].flatten()[-1] for state in states]))
    assert float(((found[0] - found[1]) / found[1]).abs().max()) < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_it_is_saved_and_loaded(name, tmp_path):
    x = events(steps=20)
    with torch.no_grad():
        net = network(name)
        want = driven(net, x)
        ship.save(net, tmp_path / "net.ship")
        again = ship.load(tmp_path / "net.ship")
        got = driven(again, x, trial=0)
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
