"""NEST: exact integration, spikes exchanged between threads. Inference only."""

import nest
import numpy as np

NAME = "NEST"
MS = 1e3  # ms per s
C_M = 1.0  # pF; it cancels out


def versions():
    return {"nest": nest.__version__, "numpy": np.__version__}


def begin(dt, threads=2):
    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.set(resolution=dt * MS, local_num_threads=threads, rng_seed=1, print_time=False)


def generators(x, dt):
    """A spike generator for each column of ``x [time, unit]``."""
    made = nest.Create("spike_generator", x.shape[1])
    made.set([{"spike_times": (np.flatnonzero(column) + 1) * dt * MS} for column in x.T])
    return made


def run(steps, dt, sources=None):
    """Simulate, the spike generators begun anew; returns the spikes of the run."""
    if sources is not None:
        sources.set(origin=nest.biological_time)
    nest.Simulate(steps * dt * MS)
    return nest.local_spike_counter  # of the last call alone


def psc(weight, tau):
    """pA that displace a membrane of ``C_M`` by ``weight`` in all."""
    return weight * C_M / (tau * MS)


def one_to_one(pre, post, weights, delay):
    """Connect where ``weights [pre, post]`` is not zero."""
    i, j = np.nonzero(weights)
    nest.Connect(
        np.asarray(pre.tolist())[i],
        np.asarray(post.tolist())[j],
        "one_to_one",
        {"weight": weights[i, j], "delay": np.full(len(i), delay * MS)},
    )


def reservoir(data, size):
    """A copy of the network for each sample."""
    dt, steps, n, batch = size["dt"], size["steps"], size["n"], size["batch"]
    begin(dt)
    taus = {"tau_syn_ex": data["tau_exc"] * MS, "tau_syn_in": data["tau_inh"] * MS, "tau_m": data["tau"] * MS, "C_m": C_M}
    rest = {"E_L": 0.0, "V_reset": 0.0, "V_m": 0.0, "I_e": 0.0}
    volt = MS  # mV
    sources = generators(np.concatenate(list(data["x"]), 1), dt)
    units = nest.Create("iaf_psc_exp", n * batch, {**taus, **rest, "V_th": data["v_th"] * volt, "t_ref": data["t_ref"] * MS})
    outs = nest.Create("iaf_psc_exp", size["n_out"] * batch, {**taus, **rest, "tau_syn_in": taus["tau_syn_ex"], "V_th": 1e9})
    for sample in range(batch):
        own = units[sample * n : (sample + 1) * n]
        own_in = sources[sample * size["n_in"] : (sample + 1) * size["n_in"]]
        own_out = outs[sample * size["n_out"] : (sample + 1) * size["n_out"]]
        one_to_one(own_in, own, psc(data["w_in"] * volt, data["tau_exc"]), dt)
        one_to_one(own, own, psc(data["w_exc"] * volt, data["tau_exc"]), data["delay"])
        one_to_one(own, own, psc(data["w_inh"] * volt, data["tau_inh"]), data["delay"])
        one_to_one(own, own_out, psc(data["w_out"] * volt, data["tau_exc"]), dt)
    nest.Connect(nest.Create("multimeter", params={"interval": dt * MS, "record_from": ["V_m"]}), outs)
    return {
        "forward": lambda: run(steps, dt, sources),
        "rate": lambda spikes: spikes / (n * batch) / (steps * dt),
    }


def equal_tau(data, size):
    dt, steps, n = size["dt"], size["steps"], size["n"]
    begin(dt)
    sources = generators(data["x"][0], dt)
    tau = data["tau_equal"]
    layers = []
    for w in data["w"]:
        units = nest.Create(
            "iaf_psc_exp",
            n,
            {
                "tau_syn_ex": tau * MS,
                "tau_syn_in": tau * MS,
                "tau_m": data["tau_membrane"] * MS,
                "C_m": C_M,
                "E_L": 0.0,
                "V_reset": 0.0,
                "V_m": 0.0,
                "V_th": 1.0,
                "t_ref": dt * MS,
            },
        )
        nest.Connect(sources, units, "all_to_all", {"weight": psc(w.T, tau), "delay": dt * MS})
        layers.append(units)
    return {
        "forward": lambda: run(steps, dt, sources),
        "rate": lambda spikes: spikes / (n * len(layers)) / (steps * dt),
    }


def brunel(data, size):
    dt, n, steps = size["dt"], size["n"], size["steps"]
    begin(dt)
    units = nest.Create(
        "iaf_psc_delta",
        n,
        {
            "tau_m": data["tau"] * MS,
            "C_m": C_M,
            "E_L": 0.0,
            "V_reset": 0.0,
            "V_m": 0.0,
            "V_th": data["v_th"],
            "t_ref": data["t_ref"] * MS,
        },
    )
    delay = data["delay"] * MS
    excitatory, inhibitory = units[: data["n_exc"]], units[data["n_exc"] :]
    for pre, degree, weight in ((excitatory, data["k_exc"], data["j"]), (inhibitory, data["k_inh"], -data["g"] * data["j"])):
        nest.Connect(pre, units, {"rule": "fixed_indegree", "indegree": degree}, {"weight": weight, "delay": delay})
    noise = nest.Create("poisson_generator", params={"rate": data["rate"]})
    nest.Connect(noise, units, syn_spec={"weight": data["j"], "delay": delay})
    return {
        "forward": lambda: run(steps, dt),
        "warm": lambda: run(max(steps // 20, 1), dt),
        "rate": lambda spikes: spikes / n / (steps * dt),
    }
