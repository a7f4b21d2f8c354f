"""One synapse of any model between a source and a target that suit it, and what it does there."""

from __future__ import annotations

import torch

import ship

D = torch.float64
DT = 1e-3
N_PRE, N_POST = 3, 4
OPTIONS = {
    "ConductanceExp": (ship.ConductanceExp, {"weight": 3e-9}),
    "ConductanceExp pre": (ship.ConductanceExp, {"weight": 3e-9, "side": "pre"}),
    "ConductanceAlpha": (ship.ConductanceAlpha, {"weight": 3e-9}),
    "ConductanceDoubleExp": (ship.ConductanceDoubleExp, {"weight": 3e-9}),
    "ConductanceDoubleExp connection": (ship.ConductanceDoubleExp, {"weight": 3e-9, "side": "connection"}),
    "NMDASynapse": (ship.NMDASynapse, {"weight": 30e-9}),
    "NMDASynapse connection": (ship.NMDASynapse, {"weight": 30e-9, "side": "connection"}),
    "ReversalSynapse": (ship.ReversalSynapse, {"weight": 0.2}),
    "ReversalSynapse connection": (ship.ReversalSynapse, {"weight": 0.2, "side": "connection"}),
    "TsodyksMarkram": (ship.TsodyksMarkram, {"weight": 1.5, "tau_fac": 0.2}),
    "TsodyksMarkram connection": (ship.TsodyksMarkram, {"weight": 1.5, "side": "connection", "drive": "exact"}),
    "GapJunction": (ship.GapJunction, {"weight": 20.0}),
    "GapJunction connection": (ship.GapJunction, {"weight": 20.0, "side": "connection"}),
    "StochasticSynapse": (ship.StochasticSynapse, {"weight": 1.0}),
    "DelayedSynapse": (ship.DelayedSynapse, {"weight": 1.0, "lag": torch.tensor([0.3e-3, 1.7e-3, 4e-3])}),
    "DelayedSynapse connection": (ship.DelayedSynapse, {"weight": 1.0, "lag": 2.6e-3, "side": "connection"}),
    "GradedSynapse": (ship.GradedSynapse, {"weight": 20.0}),
    "LowPass": (ship.LowPass, {"weight": 20.0}),
}


def network(name, *, engine="auto", chips=None, dtype=D, dt=DT, vary=0.0, **more):
    """The synapse ``s`` of `OPTIONS` between three sources and the four units of ``t``."""
    model, options = OPTIONS[name]
    options = options | more
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=N_PRE)
    source = "in"
    if "events" not in model.accepts:
        net.add(ship.LIF if model is ship.GapJunction else ship.LeakyIntegrator, "pre", n=N_PRE)
        net.add(ship.ExpSynapse, "in>pre", source="in", target="pre", weight=torch.eye(N_PRE, dtype=dtype))
        source = "pre.v" if model is ship.GapJunction else "pre"
    taus = ship.Varied(20e-3, d2d=vary) if vary else 20e-3
    if model.unit == "S":
        net.add(ship.AdEx, "t", n=N_POST, output=True, t_ref=2e-3, delta_t=ship.Varied(2e-3, d2d=vary) if vary else 2e-3)
        options["port"] = "exc"
    else:
        net.add(ship.LIF, "t", n=N_POST, v_th=0.3, t_ref=2e-3, tau=taus, output=True)
    generator = torch.Generator().manual_seed(3)
    weight = options["weight"] * (0.5 + torch.rand(N_PRE, N_POST, generator=generator, dtype=D))
    net.add(model, "s", source=source, target="t", trainable=True, **(options | {"weight": weight}))
    net.init(dt=dt, dtype=dtype, engine=engine, chips=chips)
    return net


def events(batch=2, steps=60, rate=0.25, seed=0):
    return (torch.rand(batch, steps, N_PRE, generator=torch.Generator().manual_seed(seed)) < rate).to(D)


def driven(net, x, **options):
    """Run with monitors; return the output of the synapse and v of the target, ``[..., time, unit]``."""
    net.monitor("s", "output")
    net.monitor("t", "v")
    net.run(x, **options)
    return net.records["s"].output, net.records["t"].v
