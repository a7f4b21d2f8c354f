"""What every neuron of the family must do: kernels that equal the reference, forward and backward; samples, pieces and chips that
are independent; pure pointwise functions.
"""

import pytest
import torch

import ship
from both_engines import assert_agree, dyadic, gradients, recorded
from ship.models.contract import SpikingNeuron

DT = 1e-4
F64 = torch.float64
# Each with a level (of its port) that makes it spike within 60 ms, and options.
FAMILY = {
    "AdaptiveLIF": (ship.AdaptiveLIF, 200.0, {}),
    "AdaptiveLIF-inf": (ship.AdaptiveLIF, 200.0, {"tau_theta": torch.inf, "t_ref": 2e-3}),
    "HomeostaticLIF": (ship.HomeostaticLIF, 200.0, {"t_ref": 2e-3}),
    "CurrentAdaptiveLIF": (ship.CurrentAdaptiveLIF, 200.0, {"a": 0.5}),
    "CurrentAdaptiveLIF-swinging": (ship.CurrentAdaptiveLIF, 400.0, {"a": 6.0, "t_ref": 2e-3, "emit_order": "after"}),
    "EscapeLIF": (ship.EscapeLIF, 80.0, {"t_ref": 2e-3}),
    "QIF": (ship.QIF, 150.0, {"t_ref": 1e-3}),
    "EIF": (ship.EIF, 2.0, {"t_ref": 1e-3}),
    "Izhikevich": (ship.Izhikevich, 40.0, {}),
    "Izhikevich-published": (ship.Izhikevich, 40.0, {"method": "published", **ship.Izhikevich.published("FS")}),
    "HodgkinHuxley": (ship.HodgkinHuxley, 4e-9, {}),
    "ResonateAndFire": (ship.ResonateAndFire, 600.0, {"t_ref": 2e-3}),
    "ConductanceLIF": (ship.ConductanceLIF, 0.4e-9, {"t_ref": 2e-3}),
}
cases = pytest.mark.parametrize("name", FAMILY)


def network(name, engine, chips=None, n=3, **more):
    """Levels in, events in, the neuron, which inhibits itself after 1 ms."""
    model, level, options = FAMILY[name]
    kind = "current" if "current" in model.ports else "charge"
    net = ship.Network()
    net.add(ship.CurrentInput, "level", n=n)
    net.add(ship.SpikeInput, "in", n=2)
    net.add(model, "cell", n=n, output=True, **(options | more))
    net.add(ship.Link, "drive", source="level", target="cell", port=kind, trainable=True)
    weight = dyadic(2, n, seed=1, low=0.0) * level * 2**-9
    net.add(ship.ExpSynapse, "s", source="in", target="cell", port=kind, weight=weight, tau=2e-3, trainable=True)
    if "impulse" in model.ports:
        net.add(ship.ImpulseSynapse, "back", source="cell", target="cell", weight=-(2**-11) * torch.ones(n, n), delay=1e-3)
    net.init(dt=DT, seed=1, dtype=F64, engine=engine, chips=chips)
    return net, level


def inputs(level, batch=2, steps=600, n=3):
    generator = torch.Generator().manual_seed(4)
    spikes = (torch.rand(batch, steps, 2, generator=generator) < 0.02).double()
    levels = level * (1 + 0.25 * dyadic(batch, 1, n, seed=2)).expand(batch, steps, n)
    return {"level": levels.contiguous().requires_grad_(), "in": spikes.requires_grad_()}


def result(name, engine):
    net, level = network(name, engine, trainable=[p for p in ("tau", "v_th", "delta", "b", "g_leak") if has(name, p)])
    net.monitor("cell", *FAMILY[name][0].states._fields, detach=False)
    x = inputs(level)
    out = net.run(x)
    values = {"out": out, **recorded(net)}
    total = 0.0
    for i, (_, value) in enumerate(sorted(values.items())):
        if value.requires_grad:
            weight = torch.rand(value.shape, dtype=F64, generator=torch.Generator().manual_seed(i)) - 0.5
            total = total + (weight * value / value.detach().abs().max().clamp(min=1e-30)).sum()
    total.backward()
    fell = (
        {tag: why for tag, why in net._sim.fusion.reasons.items() if why not in (None, "a source")} if engine == "fused" else {}
    )
    return values, gradients(net) | {k: v.grad for k, v in x.items()}, fell


def has(name, parameter):
    return parameter in ship.base.parameters.declared(FAMILY[name][0])[0]


@cases
def test_both_engines_agree(name):
    """Spikes are equal; states and gradients agree to what the rounding of exponentials leaves. No group falls back."""
    want, want_gradients, _ = result(name, "reference")
    got, got_gradients, fell = result(name, "fused")
    assert not fell
    assert float(want["out"].detach().sum()) > 6, "it must spike"
    assert torch.equal(got["out"], want["out"])
    assert_agree(got, want, 1e-9, name)
    assert_agree(got_gradients, want_gradients, 1e-6, f"gradient of {name}")
    assert all(bool(torch.isfinite(g).all()) for g in got_gradients.values() if g is not None)
    assert float(got_gradients["level"].abs().max()) > 0


@cases
@pytest.mark.usefixtures("no_grad")
def test_samples_pieces_and_chips_are_independent(name):
    """A batch is its samples, a run is its pieces, K chips are K runs; the network explains itself without a fallback."""
    net, level = network(name, "fused")
    x = {k: v.detach() for k, v in inputs(level).items()}
    whole = net.run(x, reset_persistent=True)
    assert whole.sum() > 6
    alone = network(name, "fused")[0].run({k: v[1:] for k, v in x.items()}, first_sample=1)
    assert torch.equal(alone[0], whole[1])
    pieces = network(name, "fused")[0]
    first = pieces.run({k: v[:, :217] for k, v in x.items()})
    second = pieces.run({k: v[:, 217:] for k, v in x.items()}, reset=False)
    assert torch.equal(torch.cat((first, second), 1), whole)
    vary = {"v_reset": ship.Varied(-0.07, d2d=0.1)} if has(name, "v_reset") else {}
    both = network(name, "fused", chips=2, **vary)[0].run(x)
    for die in (0, 1):
        assert torch.equal(network(name, "fused", chips=[die], **vary)[0].run(x)[0], both[die])


@cases
@pytest.mark.usefixtures("no_grad")
def test_a_dead_time_holds(name):
    """Intervals are longer than the dead time, and a network without one has shorter ones."""
    model, level, _ = FAMILY[name]
    assert issubclass(model, SpikingNeuron)
    net = network(name, "reference", t_ref=8e-3)[0]
    x = {k: v.detach() for k, v in inputs(level * (2 if model is ship.HodgkinHuxley else 4)).items()}
    out = net.run(x)
    gaps = [torch.diff(out[b, :, j].nonzero().flatten()) for b in range(2) for j in range(3)]
    assert sum(len(g) for g in gaps) > 6
    assert min(int(g.min()) for g in gaps if len(g)) > 80
