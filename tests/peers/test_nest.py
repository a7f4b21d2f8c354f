"""Recurrent networks, spike for spike equal to NEST (peer test: skipped where NEST is not installed).

50 units, 30 % connectivity, delays of 1 to 30 slots, one a connection; 10^4 slots of 0.1 ms; a constant current, different for
each unit, and random initial voltages keep it going. Voltages are in mV on both sides: SHIP is told that a volt is a millivolt.
"""

import numpy as np
import pytest
import torch

import ship

N, STEPS, DT, TAU, TAU_S, TH, T_REF, C_M = 50, 10_000, 1e-4, 20e-3, 5e-3, 15.0, 2e-3, 250.0

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]


def network(seed):
    """Weights (mV per spike) and delays (slots) as [pre, post]; initial v (mV); current (mV/s)."""
    rng = np.random.default_rng(seed)
    mask = rng.random((N, N)) < 0.3
    sign = np.where(rng.random((N, 1)) < 0.8, 1.0, -4.0)
    weights = mask * sign * rng.uniform(0.1, 0.5, (N, N))
    return weights, rng.integers(1, 31, (N, N)), rng.uniform(0, 14, N), rng.uniform(14, 19, N) / TAU


def nest_spikes(kind, weights, delays, v0, current):
    nest = pytest.importorskip("nest")
    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution = DT * 1e3
    params = {"tau_m": TAU * 1e3, "C_m": C_M, "E_L": 0.0, "V_reset": 0.0, "V_th": TH, "t_ref": T_REF * 1e3}
    if kind == "iaf_psc_exp":
        params |= {"tau_syn_ex": TAU_S * 1e3, "tau_syn_in": TAU_S * 1e3}
    cells = nest.Create(kind, N, params)
    cells.set([{"V_m": float(v), "I_e": float(i * C_M * 1e-3)} for v, i in zip(v0, current, strict=True)])
    recorder = nest.Create("spike_recorder")
    nest.Connect(cells, recorder)
    scale = C_M / (TAU_S * 1e3) if kind == "iaf_psc_exp" else 1.0
    pre, post = np.nonzero(weights)
    ids = np.asarray(cells.tolist())
    nest.Connect(
        ids[pre],
        ids[post],
        {"rule": "one_to_one"},
        {"synapse_model": "static_synapse", "weight": weights[pre, post] * scale, "delay": delays[pre, post] * DT * 1e3},
    )
    nest.Simulate(STEPS * DT * 1e3)
    events = recorder.events
    return sorted(
        zip(np.rint(events["times"] / (DT * 1e3)).astype(int).tolist(), (events["senders"] - ids[0]).tolist(), strict=True)
    )


def ship_spikes(kind, weights, delays, v0, current):
    net = ship.Network()
    net.add(ship.CurrentInput, "bias", n=N)
    net.add(ship.LIF, "cells", n=N, tau=TAU, v_th=TH, t_ref=T_REF, initial={"v": torch.as_tensor(v0)}, output=True)
    net.add(ship.Link, "drive", source="bias", target="cells")
    synapse = {"iaf_psc_delta": (ship.ImpulseSynapse, {}), "iaf_psc_exp": (ship.ExpSynapse, {"tau": TAU_S, "drive": "exact"})}[
        kind
    ]
    net.add(synapse[0], "loop", source="cells", target="cells", weight=weights, delay=torch.as_tensor(delays * DT), **synapse[1])
    net.init(dt=DT, dtype=torch.float64)
    with torch.no_grad():
        out = net.run(torch.as_tensor(current).expand(1, STEPS, N))[0]
    return sorted(map(tuple, out.nonzero().tolist()))


@pytest.mark.parametrize("kind", ["iaf_psc_delta", "iaf_psc_exp"])
@pytest.mark.parametrize("seed", [1, 2])
def test_recurrent_network_equals_nest(kind, seed):
    described = network(seed)
    theirs = nest_spikes(kind, *described)
    ours = ship_spikes(kind, *described)
    # NEST does not test the state of t = 0, and its last stamp is STEPS * dt.
    ours = [s for s in ours if s[0] > 0]
    theirs = [s for s in theirs if s[0] < STEPS]
    assert len({unit for _, unit in ours}) > N / 2
    assert len(ours) > 300
    assert ours == theirs
