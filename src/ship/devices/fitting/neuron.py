"""A neuron's rate over its input current (f-I), and the leaky integrate-and-fire neuron with that rate.

LIF           ``f = 1 / (t_ref + tau ln(I / (I - I_th)))`` above I_th, else 0   (``v_0 = R I``, ``theta = R I_th``)
LIF, t_ref 0  the same without refractory time
linear leak   ``f = 1 / (t_ref + q / (I - I_th))``: a constant leak, ``q = C theta`` (Fusi & Mattia 1999)

The rate tells tau, t_ref and the rheobase I_th; R, C and the threshold in volt only as a product. `ship.LIF` takes ``i`` in V/s:
with a threshold of ``v_th`` the input is ``i = I v_th / (tau I_th)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.errors import FitError
from ..reading.columns import Columns
from .figures import Panel, Series
from .report import Estimate, Fitted, Found, rank
from .solve import aicc, interval, least_squares

Array = np.ndarray
ACCEPT = 0.05  # of the largest rate
V_TH = 1.0  # V, the threshold that the input's scale is given for
NAMES = {"LIF": ("i_th", "tau", "t_ref"), "LIF, t_ref 0": ("i_th", "tau"), "linear leak": ("i_th", "q", "t_ref")}
UNITS = {"i_th": "A", "tau": "s", "t_ref": "s", "q": "C"}


def rate(model: str, p: Array, current: Array) -> Array:
    """Return the rate (Hz) of a model at currents (A), with the parameters ``p`` (SI) that ``NAMES`` lists."""
    above = current > p[0]
    safe = np.where(above, current, 2 * abs(p[0]) + 1.0)
    t_ref = p[2] if len(p) > 2 else 0.0
    rise = p[1] / (safe - p[0]) if model == "linear leak" else p[1] * -np.log1p(-p[0] / safe)
    return np.where(above, 1 / np.maximum(t_ref + rise, 1e-12), 0.0)


def fit_neuron(columns: Columns, source: str, sha256: str, settings: dict[str, Any]) -> Found:
    """Fit the three laws to one rate curve."""
    order = np.argsort(columns["current"], kind="stable")
    i, f = columns["current"][order], columns["rate"][order]
    if bool((f < 0).any()):
        raise FitError(f"{source}: rate", "must be at least 0 Hz", got=f"{f.min():g}")
    if int((f > 0).sum()) < 5 or float(np.ptp(f)) == 0:
        raise FitError(
            f"{source}: rate",
            "needs at least 5 currents at which the neuron fires, at different rates",
            got=str(int((f > 0).sum())),
        )
    if float(f[-(len(f) // 3) :].mean()) < float(f[: len(f) // 3].mean()):
        raise FitError(f"{source}: rate", "must rise with the current", fix="Check the sign of the current, and the columns.")
    rng = np.random.default_rng(settings["seed"])
    fits = {model: _fit(model, i, f, settings["replicates"], rng) for model in NAMES}
    ranked = rank([_fitted(model, theta, again, i, f) for model, (theta, again) in fits.items()])
    silent, first = i[f == 0], float(i[f > 0].min())
    summary = {"largest rate": Estimate(float(f.max()), unit="Hz"), "smallest current that fires": Estimate(first, unit="A")}
    notes = [
        *columns.notes,
        f"intervals: {settings['replicates']} replicates, residuals drawn again",
        "f-I tells tau, t_ref and the rheobase; capacitance, leak and threshold only as a product: measure one more of them",
        "a steady current and no noise are assumed: noise rounds the onset and would make tau look shorter",
    ]
    if not len(silent):
        notes.append("no current at which the neuron is silent: the rheobase is extrapolated")
    values: dict[str, Any] = {}
    if (best := next((r for r in ranked if r.residual <= ACCEPT and r.name.startswith("LIF")), None)) is not None:
        if not best.fits:
            notes.append(f"ship.LIF is close to the rates, but {ranked[0].name!r} is closer: its values are approximate")
        tau, i_th = best.parameters["tau"].value, best.parameters["i_th"].value
        lif = {"tau": tau, "t_ref": best.parameters["t_ref"].value if "t_ref" in best.parameters else 0.0, "v_th": V_TH}
        values = {"ship.LIF": lif, "input": {"V/s per A": V_TH / (tau * i_th)}}
        summary["ship.LIF: tau"] = Estimate(lif["tau"], unit="s")
        summary["ship.LIF: t_ref"] = Estimate(lif["t_ref"], unit="s")
        summary["ship.LIF: input"] = Estimate(V_TH / (tau * i_th), unit=f"V/s per A, at v_th = {V_TH:g} V")
    settings = settings | {"points": len(i)}
    panels = _panels(i, f, [(r.name, fits[r.name][0]) for r in ranked])
    none = FitError("fit: device", "a rate curve gives a neuron, not a memory device", fix="See found.values['ship.LIF'].")
    return Found("f-I", source, sha256, ranked, "rms, of the largest rate", summary, notes, panels, settings, values, none)


def _panels(i: Array, f: Array, order: list[tuple[str, Array]]) -> list[Panel]:
    """Plot data, laws and residuals."""
    fine = np.linspace(i.min(), i.max(), 400)
    lines = [Series(i * 1e9, f, "measured", "points", 0)]
    lines += [Series(fine * 1e9, rate(name, p, fine), name, "line", k + 1) for k, (name, p) in enumerate(order)]
    left = [Series(i * 1e9, f - rate(name, p, i), name, "line", k + 1) for k, (name, p) in enumerate(order)]
    return [
        Panel("input current (nA)", "rate (Hz)", tuple(lines)),
        Panel("input current (nA)", "residual (Hz)", tuple(left), height=0.6),
    ]


def _fit(model: str, i: Array, f: Array, replicates: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Fit a law; return its parameters, and those of the replicates ``[replicate, parameter]``."""
    top_i, top_f = float(np.abs(i).max()), float(f.max())
    x, y = i / top_i, f / top_f
    onset = float(x[f > 0].min())
    n = len(NAMES[model])
    low, high = np.array([1e-4, 1e-4, 0.0])[:n], np.array([0.999, 1e3, 1.0])[:n]

    def solve(target: Array, starts: list[Array], rough: bool) -> Array:
        return least_squares(lambda p: rate(model, p, x) - target, starts, low, high, rough=rough).theta

    starts = [np.array([min(a * onset, 0.99), b, 0.1])[:n] for a in (0.5, 0.9, 0.99) for b in (0.5, 2.0, 8.0)]
    p = solve(y, starts, False)
    fit = rate(model, p, x)
    left = (y - fit) * np.sqrt(len(x) / max(len(x) - n, 1))
    live = fit > 0
    again = []
    for _ in range(replicates):
        noisy = fit + np.where(live, rng.choice(left[live], len(x)), 0.0)
        again.append(solve(noisy, [p], True))
    scale = np.array([top_i, 1 / top_f if model != "linear leak" else top_i / top_f, 1 / top_f])[:n]
    return p * scale, np.array(again) * scale


def _fitted(model: str, theta: Array, again: Array, i: Array, f: Array) -> Fitted:
    left = f - rate(model, theta, i)
    rms = float(np.sqrt(np.mean(left**2)) / f.max())
    made = {n: Estimate(float(theta[k]), *interval(again[:, k]), UNITS[n]) for k, n in enumerate(NAMES[model])}
    text = "fits" if rms <= ACCEPT else f"misses the rate by {rms:.0%} of its largest value"
    k = len(theta) + 1
    return Fitted(model, made, rms, aicc(float(((left / f.max()) ** 2).sum()), len(i), k), k, text, rms <= ACCEPT)
