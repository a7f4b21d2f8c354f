"""Brian2: equations compiled with Cython, or NumPy where that does not work. Inference only."""

import brian2 as b
import numpy as np

NAME = "Brian2"


def load():
    """Compile once, so that the target that works is known."""
    for target in ("cython", "numpy"):
        b.prefs.codegen.target = target
        b.prefs.core.default_float_dtype = np.float32
        try:
            group = b.NeuronGroup(1, "dv/dt = -v / (1*second) : 1", method="exact")
            b.Network(group).run(1 * b.ms)
        except Exception as error:
            print(f"{target}: {error}")
        else:
            return


def versions():
    return {"brian2": f"{b.__version__} ({b.prefs.codegen.target})", "numpy": np.__version__}


def work(net, group, n, size, warm=False):
    """Run from the state that the network has now."""
    spikes = b.SpikeMonitor(group, record=False)
    net.add(spikes)
    net.store()
    duration = size["steps"] * size["dt"]

    def run(part=1.0):
        net.restore()
        net.run(part * duration * b.second)
        return int(spikes.num_spikes)

    made = {"forward": run, "rate": lambda found: found / n / duration}
    return {**made, "warm": lambda: run(0.05)} if warm else made


def inputs(x, dt):
    """A spike generator for each unit of ``x [time, unit]``."""
    slot, unit = np.nonzero(x)
    return b.SpikeGeneratorGroup(x.shape[1], unit, slot * dt * b.second)


def connect(pre, post, weights, effect, delay=0.0):
    """Synapses where ``weights [pre, post]`` is not zero."""
    i, j = np.nonzero(weights)
    made = b.Synapses(pre, post, "w : 1", on_pre=effect)
    made.connect(i=i, j=j)
    made.w = weights[i, j]
    made.delay = delay * b.second
    return made


def blocks(weights, batch):
    """One copy of ``weights`` for each sample, on the diagonal."""
    return np.kron(np.eye(batch, dtype=weights.dtype), weights)


def reservoir(data, size):
    """A copy of the network for each sample."""
    b.defaultclock.dt = size["dt"] * b.second
    batch, n = size["batch"], size["n"]
    names = {name: data[name] * b.second for name in ("tau", "tau_exc", "tau_inh")}
    units = b.NeuronGroup(
        n * batch,
        """dv/dt = -v / tau + i_exc / tau_exc + i_inh / tau_inh : 1 (unless refractory)
        di_exc/dt = -i_exc / tau_exc : 1
        di_inh/dt = -i_inh / tau_inh : 1""",
        threshold=f"v >= {data['v_th']}",
        reset="v = 0",
        refractory=(data["t_ref"] + size["dt"]) * b.second,  # the slot of the spike counts
        method="exact",
        namespace=names,
    )
    outs = b.NeuronGroup(
        size["n_out"] * batch,
        """dv/dt = -v / tau + i_exc / tau_exc : 1
        di_exc/dt = -i_exc / tau_exc : 1""",
        method="exact",
        namespace=names,
    )
    sources = inputs(np.concatenate(list(data["x"]), 1), size["dt"])
    parts = [
        units,
        outs,
        sources,
        connect(sources, units, blocks(data["w_in"], batch), "i_exc_post += w"),
        connect(units, units, blocks(data["w_exc"], batch), "i_exc_post += w", data["delay"]),
        connect(units, units, blocks(data["w_inh"], batch), "i_inh_post += w", data["delay"]),
        connect(units, outs, blocks(data["w_out"], batch), "i_exc_post += w"),
        b.StateMonitor(outs, "v", record=True),
    ]
    return work(b.Network(parts), units, n * batch, size)


def taus(data, size, own):
    b.defaultclock.dt = size["dt"] * b.second
    layers, n = size["layers"], size["n"]
    tau_m, tau_s = data["tau_membrane"] * b.second, data["tau_equal"] * b.second
    current = "charge : 1" if own else "dcharge/dt = -charge / tau_s : 1"
    flow = "charge / second" if own else "charge / tau_s"
    units = b.NeuronGroup(
        n * layers,
        f"""dv/dt = -v / tau_m + {flow} : 1
        {current}""",
        threshold="v >= 1",
        reset="v = 0",
        method="euler" if own else "exact",
        namespace={"tau_m": tau_m, "tau_s": tau_s},
    )
    sources = inputs(data["x"][0], size["dt"])
    weights = np.concatenate(list(data["w"]), 1)  # [pre, layer post]
    if not own:
        return work(b.Network(units, sources, connect(sources, units, weights, "charge_post += w")), units, n * layers, size)
    synapses = b.Synapses(
        sources,
        units,
        """dx/dt = -x / tau : 1 (clock-driven)
        charge_post = x / tau * second : 1 (summed)
        tau : second (constant)
        w : 1 (constant)""",
        on_pre="x += w",
        method="exact",
    )
    synapses.connect()
    synapses.w = weights.flatten()
    synapses.tau = np.concatenate(list(data["tau"]), 1).flatten() * b.second
    return work(b.Network(units, sources, synapses), units, n * layers, size)


def own_tau(data, size):
    return taus(data, size, own=True)


def equal_tau(data, size):
    return taus(data, size, own=False)


def brunel(data, size):
    b.defaultclock.dt = size["dt"] * b.second
    n, pre = size["n"], data["pre"]
    units = b.NeuronGroup(
        n,
        "dv/dt = -v / tau : 1 (unless refractory)",
        threshold=f"v >= {data['v_th']}",
        reset="v = 0",
        refractory=data["t_ref"] * b.second,
        method="exact",
        namespace={"tau": data["tau"] * b.second},
    )
    post = np.repeat(np.arange(n), pre.shape[1])
    flat, excites = pre.ravel(), pre.ravel() < data["n_exc"]
    parts = [units, b.PoissonInput(units, "v", 1000, data["rate"] / 1000 * b.Hz, data["j"])]
    for chosen, weight in ((excites, data["j"]), (~excites, -data["g"] * data["j"])):
        synapses = b.Synapses(units, units, on_pre=f"v_post += {weight}", delay=data["delay"] * b.second)
        synapses.connect(i=flat[chosen], j=post[chosen])
        parts.append(synapses)
    return work(b.Network(parts), units, n, size, warm=True)
