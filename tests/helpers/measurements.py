"""Measurements made by formula and by virtual devices, and where published ones are, for the tests of fits."""

import numpy as np

import ship
from ship.devices.fitting import pulse_curves, scatter

CURVES = {curve.name: curve for curve in pulse_curves.CURVES}


def up_down(name="soft", n=100, step=0.0, read=0.0, seed=0, low=10e-6, high=90e-6, **own):
    """A train of one device in S: n pulses up and n down."""
    own = {"alpha_p": 0.03, "alpha_d": 0.05, "gamma_p": 1.5, "gamma_d": 2.0, "k_p": 3.0, "k_d": 5.0} | own
    up, fresh = np.repeat([True, False], n), np.arange(2 * n) == 0
    w, phi, grown = CURVES[name].course(0.05, own, up, fresh, np.ones(2 * n, dtype=np.int64), (n, n))
    context = scatter.Context(phi, grown, fresh, np.ones(2 * n), step, np.full(2 * n, read**2))
    return low + (high - low) * (w + scatter.simulate(context, 1, np.random.default_rng(seed))[0])


def pulses(g, **more):
    n = len(g) // 2
    return ship.fit({"up": g[:n], "down": g[n:]}, "pulses", unit="S", **({"replicates": 20} | more))
