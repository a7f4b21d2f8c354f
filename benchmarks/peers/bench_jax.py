"""JAX: hand-written scans over time, jitted, with the surrogate gradient of the fast sigmoid."""

import math

import jax
import jax.numpy as jnp
import numpy as np

NAME = "JAX"
DECAY = math.exp(-1 / 20)  # 1 ms of a membrane of 20 ms
SLOPE = 10.0


def versions():
    return {"jax": jax.__version__, "numpy": np.__version__}


@jax.custom_jvp
def spike(x):
    return (x >= 0).astype(x.dtype)


@spike.defjvp
def _spike_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return spike(x), dx / (1 + SLOPE * jnp.abs(x)) ** 2


def lif_layer(drive):
    """``drive [time, batch, unit]``; ``v <- decay v + drive``, reset to 0."""

    def step(v, now):
        v = v * DECAY + now
        out = spike(v - 1)
        return jnp.where(jax.lax.stop_gradient(out) > 0, 0.0, v), out

    return jax.lax.scan(step, jnp.zeros_like(drive[0]), drive)[1]


def stack(weights, x):
    for w in weights:
        x = lif_layer(x @ w)
    return x


def time_first(array):
    return jnp.asarray(np.ascontiguousarray(np.swapaxes(array, 0, 1)))


def training(function, weights, x, g):
    """``function(weights, x)``: forward, and the gradient to the weights in one compiled call."""
    forward = jax.jit(function)

    @jax.jit
    def whole(weights, x, g):
        out, pull = jax.vjp(lambda w: function(w, x), weights)
        return out, pull(g)

    return {
        "forward": lambda: forward(weights, x).block_until_ready(),
        "whole": lambda: jax.block_until_ready(whole(weights, x, g))[0],
    }


def lif(data, size):
    return deep({**data, "w": data["w"][None]}, size)


def deep(data, size):
    weights = [jnp.asarray(w) for w in data["w"]]
    work = training(stack, weights, time_first(data["x"]), time_first(data["g"]))
    return {**work, "rate": lambda out: out.mean() / size["dt"]}


def reservoir_scan(data, size):
    """A function ``(w_out, x) -> (readout, spikes)``, both ``[time, batch, unit]``."""
    dt = size["dt"]
    exc, inh, membrane = (math.exp(-dt / data[name]) for name in ("tau_exc", "tau_inh", "tau"))
    lag, dead = round(data["delay"] / dt), round(data["t_ref"] / dt)
    w_in, w_exc, w_inh = (jnp.asarray(data[name]) for name in ("w_in", "w_exc", "w_inh"))

    def function(w_out, x):
        batch, n = x.shape[1], w_in.shape[1]

        def step(carry, now):
            v, wait, i_in, i_exc, i_inh, i_out, v_out, line = carry
            out = jnp.where(wait > 0, 0.0, spike(v - data["v_th"]))
            fired = jax.lax.stop_gradient(out) > 0
            v, wait = jnp.where(fired, 0.0, v), jnp.where(fired, dead, wait)
            seen = v_out
            late, line = line[0], jnp.concatenate([line[1:], out[None]])
            i_in = i_in + now
            i_exc, i_inh, i_out = i_exc + late @ w_exc, i_inh + late @ w_inh, i_out + out @ w_out
            charge = (i_in + i_exc) * (1 - exc) + i_inh * (1 - inh)
            v = jnp.where(wait > 0, 0.0, v * membrane + charge)
            v_out = v_out * membrane + i_out * (1 - exc)
            wait = jnp.maximum(wait - 1, 0)
            return (v, wait, i_in * exc, i_exc * exc, i_inh * inh, i_out * exc, v_out, line), (seen, out)

        units, outs = jnp.zeros((batch, n)), jnp.zeros((batch, w_out.shape[1]))
        start = (units, jnp.zeros((batch, n), jnp.int32), units, units, units, outs, outs, jnp.zeros((lag, batch, n)))
        return jax.lax.scan(step, start, x @ w_in)[1]

    return function


def reservoir(data, size):
    function = jax.jit(reservoir_scan(data, size))
    x, w_out = time_first(data["x"]), jnp.asarray(data["w_out"])
    return {
        "forward": lambda: jax.block_until_ready(function(w_out, x)),
        "rate": lambda out: out[1].mean() / size["dt"],
    }


def readout(data, size):
    function = reservoir_scan(data, size)
    x, w_out = time_first(data["x"]), jnp.asarray(data["w_out"])
    rate = float(jax.jit(function)(w_out, x)[1].mean()) / size["dt"]
    work = training(lambda w, x: function(w, x)[0], w_out, x, time_first(data["g"]))
    return {**work, "rate": lambda out: rate}


def taus(data, size, decay):
    """A current for each connection where ``decay`` is ``[layer, pre, post]``, for each unit where it is a number."""
    membrane = math.exp(-size["dt"] / data["tau_membrane"])
    x, w = jnp.asarray(data["x"][0]), jnp.asarray(data["w"])
    own = np.ndim(decay) > 0

    @jax.jit
    def function(w, x, decay):
        def step(carry, now):
            v, current = carry
            out = spike(v - 1)
            v = jnp.where(out > 0, 0.0, v)
            current = current + (w * now[:, None] if own else now)
            charge = current * (1 - decay)
            v = v * membrane + (charge.sum(1) if own else charge)
            return (v, current * decay), out

        drive = x if own else jnp.einsum("ti,lij->tlj", x, w)
        units = jnp.zeros((w.shape[0], w.shape[2]))
        return jax.lax.scan(step, (units, jnp.zeros_like(w) if own else units), drive)[1]

    decay = jnp.asarray(decay, jnp.float32)
    return {"forward": lambda: function(w, x, decay).block_until_ready(), "rate": lambda out: out.mean() / size["dt"]}


def own_tau(data, size):
    return taus(data, size, np.exp(-size["dt"] / data["tau"]))


def equal_tau(data, size):
    return taus(data, size, math.exp(-size["dt"] / data["tau_equal"]))


def stdp(data, size):
    """Weights learn from the slot before, then act. Additive pair STDP of all pairs, hard limits."""
    membrane, trace = (math.exp(-size["dt"] / data[name]) for name in ("tau_membrane", "tau_trace"))
    x, w0 = jnp.asarray(data["x"][0]), jnp.asarray(data["w"])

    @jax.jit
    def function(w, x):
        def step(carry, now):
            v, w, pre, post, x_pre, x_post = carry
            change = data["a_plus"] * x_pre[:, None] * post - data["a_minus"] * pre[:, None] * x_post
            w = jnp.clip(w + change, 0.0, data["w_max"])
            x_pre, x_post = (x_pre + pre) * trace, (x_post + post) * trace
            v = v * membrane + now @ w
            out = spike(v - 1)
            return (jnp.where(out > 0, 0.0, v), w, now, out, x_pre, x_post), out

        sources, units = jnp.zeros(w.shape[0]), jnp.zeros(w.shape[1])
        return jax.lax.scan(step, (units, w, sources, units, sources, units), x)[1]

    return {"forward": lambda: function(w0, x).block_until_ready(), "rate": lambda out: out.mean() / size["dt"]}
