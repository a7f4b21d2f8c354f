"""Every rule of the library in networks: both engines, batches, chips, runs in pieces, kernels."""

import pytest
import torch

import ship
from ship.base.parameters import declared
from ship.models.contract import Rule
from ship.testing.extremes import classes

D = torch.float64
STEPS = 60
RULES = classes(ship.models, Rule)
CHOICES = ("pairing", "synapse", "efficacy", "modulation", "sign")
pytestmark = pytest.mark.usefixtures("no_grad")


def variants():
    """Each rule, and each with every other choice of its options."""
    for cls in RULES:
        own = {name: option for name, option in declared(cls)[1].items() if name in CHOICES}
        yield pytest.param(cls, {}, id=cls.__name__)
        for name, option in own.items():
            for choice in option.choices:
                if choice != option.default:
                    yield pytest.param(cls, {name: choice}, id=f"{cls.__name__}-{choice}")


def network(cls, options, engine="reference", chips=None, **settings):
    """A rule on 4 x 3 weights onto units that spike (or not, where it learns from levels); a modulator where it has one."""
    rule = cls(**options, **settings)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    spiking = "events" in cls.learns_from
    net.add(ship.LIF if spiking else ship.LeakyIntegrator, "out", n=3, output=True, **({"v_th": 0.25} if spiking else {}))
    third = {}
    if cls.modulated:
        net.add(ship.SpikeInput if options.get("modulation", "events") == "events" else ship.CurrentInput, "third", n=1)
        third = {"modulator": "third"}
    low, high = rule.w_min, rule.w_max
    weight = low + (high - low) * torch.linspace(0.3, 0.9, 12, dtype=D).reshape(4, 3)
    net.add(ship.ImpulseSynapse, "s", source="in", target="out", weight=ship.Varied(weight, d2d=1e-3), rule=rule, **third)
    net.add(ship.ImpulseSynapse, "drive", source="in", target="out", weight=0.3)
    net.init(dt=1e-3, dtype=D, engine=engine, chips=chips, seed=4)
    return net


def signals(net, batch=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = {"in": (torch.rand(batch, STEPS, 4, generator=g) < 0.15).double()}
    if "third" in net._specs:
        x["third"] = (torch.rand(batch, STEPS, 1, generator=g) < 0.2).double()
    return x


def learned(net):
    return net["s"].plastic_weight


@pytest.mark.parametrize(("cls", "options"), list(variants()))
def test_rule_on_both_engines(cls, options):
    """A batch of two on two chips: weights equal on both engines to rounding, they moved, and all of it ran as kernels."""
    nets = [network(cls, options, engine, chips=2) for engine in ("reference", "fused")]
    x = signals(nets[0], batch=2)
    outs = [net.run(x) for net in nets]
    torch.testing.assert_close(outs[0], outs[1], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(learned(nets[0]), learned(nets[1]), rtol=1e-9, atol=1e-12)
    assert float((learned(nets[0]) - nets[0]["s"].initial_weight()).abs().max()) > 0
    why = {tag: w for tag, w in nets[1]._sim.fusion.reasons.items() if w not in (None, "a source")}
    assert not why


@pytest.mark.parametrize(("cls", "options"), list(variants()))
def test_rule_in_pieces_and_per_sample(cls, options):
    """A run in two pieces is one run. With a matrix for each sample, each learns as alone."""
    whole, pieces = network(cls, options), network(cls, options)
    x = signals(whole)
    whole.run(x)
    pieces.run({tag: v[:, :25] for tag, v in x.items()})
    pieces.run({tag: v[:, 25:] for tag, v in x.items()}, reset=False)
    torch.testing.assert_close(learned(pieces), learned(whole), rtol=1e-12, atol=1e-14)
    both = network(cls, options, per_sample=True)
    both.run({tag: torch.cat([v, 0 * v]) for tag, v in x.items()})
    torch.testing.assert_close(both._sim.nodes["s"].now[:, :1], learned(whole), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cls", RULES)
def test_the_mean_of_equal_samples_is_one_sample(cls):
    """Three equal samples with ``reduce="mean"`` learn what one does."""
    found = {}
    for reduce, copies in (("sum", 1), ("mean", 3)):
        net = network(cls, {}, reduce=reduce)
        net.run({tag: v[:, :20].repeat(copies, 1, 1) for tag, v in signals(net, seed=3).items()})
        found[reduce, copies] = learned(net) - net["s"].initial_weight()
    torch.testing.assert_close(found["mean", 3], found["sum", 1], rtol=1e-10, atol=1e-15)
    assert float(found["sum", 1].abs().max()) > 0
