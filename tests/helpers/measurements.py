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


def two_files(folder, seed=0):
    """``pulses.csv``, the pulses of a soft-bound device, and ``decay.csv``, a decay of three levels, as plain tables."""
    rng, n = np.random.default_rng(seed), np.arange(40)
    up, down = (5 + 45 * c + rng.normal(0, 0.5, 40) for c in (1 - np.exp(-n / 12), np.exp(-n / 12)))
    np.savetxt(folder / "pulses.csv", np.c_[up, down], delimiter=",", header="up (uS),down (uS)", comments="")
    t = np.tile(np.geomspace(1, 1e4, 20), 3)
    g = np.repeat([10.0, 20.0, 40.0], 20) * t**-0.03 * (1 + rng.normal(0, 0.003, 60))
    rows = np.c_[t, g, np.repeat([1, 2, 3], 20)]
    np.savetxt(folder / "decay.csv", rows, delimiter=",", header="time (s),G (uS),level", comments="")
    return folder
