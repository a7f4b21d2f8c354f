# ruff: noqa: E501 (the texts stand as they are printed)
"""Wrong calls of the public surface, each with the text of its error."""

import torch

import ship
from ship import data, train
from ship.devices.materials import hfo2

NAN, INF = float("nan"), float("inf")


def net(init=True):
    made = ship.Network()
    made.add(ship.SpikeInput, "in", n=4)
    made.add(ship.LIF, "hidden", n=3)
    made.add(ship.LeakyIntegrator, "out", n=2, output=True)
    made.add(ship.ExpSynapse, "in>hidden", source="in", target="hidden")
    made.add(ship.ExpSynapse, "hidden>out", source="hidden", target="out")
    if init:
        made.init(dt=1e-3)
    return made


def added(model, tag="new", init=True, **options):
    made = net(init=False)
    made.add(model, tag, **options)
    if init:
        made.init(dt=1e-3)


def two_inputs():
    made = net(init=False)
    made.add(ship.CurrentInput, "level", n=1)
    made.init()
    return made


X = torch.zeros(2, 5, 4)
WRONG = [
    # tags and models
    (lambda: added(ship.LIF, "in", n=2), "Network.add('in'): the tag is taken. Tags: 'in', 'hidden'"),
    (lambda: added(ship.LIF, "a.b", n=2), "Network.add: a tag must be a word without '.' or '/'; got 'a.b'."),
    (lambda: added(ship.LIF, 3, n=2), "Network.add: tag: must be str; got 3."),
    (
        lambda: added("LIF", n=2),
        "Network.add('new'): model must be a model class; got 'LIF'. E.g. net.add(ship.LIF, 'hid', n=100).",
    ),
    (lambda: added(ship.SpikingNeuron, n=2), "is not a finished model; got without"),
    (
        lambda: added(ship.ExpSynapse, source="inn", target="hidden"),
        "ExpSynapse 'new'.source: no group named 'inn'. Known: 'hidden', 'hidden>out', 'in', 'in>hidden', 'out'. Did you mean 'in'?",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hiden"),
        "ExpSynapse 'new'.target: no group named 'hiden'. Known: 'hidden', 'hidden>out', 'in', 'in>hidden', 'out'. Did you mean 'hidden'?",
    ),
    (lambda: added(ship.ExpSynapse, source=["in", "in"], target="hidden"), "names a group twice; got in, in."),
    (
        lambda: added(ship.ExpSynapse, source=[3], target="hidden"),
        "Network.add: source: must be str or Sequence[str]; got [3].",
    ),
    (lambda: added(ship.ExpSynapse, target="hidden"), "ExpSynapse 'new': needs a source. Give source='TAG'."),
    (lambda: added(ship.ExpSynapse, source="in"), "ExpSynapse 'new': needs a target, or n= units of its own."),
    (lambda: added(ship.ExpSynapse, source="in", target="in"), "ExpSynapse 'new'.target: SpikeInput 'in' has no input port."),
    (
        lambda: added(ship.ExpSynapse, source="in", target="in>hidden"),
        "ExpSynapse 'in>hidden' has no input port. Use source='new' when adding 'in>hidden'.",
    ),
    (
        lambda: added(ship.LIF, n=2, source="in"),
        "LIF 'new'.source: belongs to a connection, not to a group of units; got ('in',). Add a synapse between the two.",
    ),
    (lambda: added(ship.LIF, n=2, delay=1e-3), "LIF 'new'.delay: belongs to a connection with a source; got 0.001."),
    (
        lambda: net().set("hiden", tau=1.0),
        "Network.set: no group named 'hiden'. Known: 'in', 'hidden', 'out', 'in>hidden', 'hidden>out'. Did you mean 'hidden'?",
    ),
    (lambda: net().remove("nobody"), "Network.remove: no group named 'nobody'."),
    (lambda: net()["nobody"], "Network: no group named 'nobody'."),
    # sizes
    (lambda: added(ship.LIF), "LIF 'new': needs a number of units. Give n=..., e.g. n=100."),
    (lambda: added(ship.LIF, n=0), "LIF 'new'.n: must be a whole number, at least 1; got 0."),
    (lambda: added(ship.LIF, n=2.5), "Network.add: n: must be a whole number or None; got 2.5."),
    (
        lambda: added(ship.Link, source="in", target="hidden"),
        "Link 'new': is one-to-one: source and target must have the same number of units; got 4 and 3.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", n=7),
        "ExpSynapse 'new'.n: must equal the units of its target, 3; got 7. Leave n out.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", weight=torch.ones(3, 4)),
        "ExpSynapse 'new'.weight: must be one number or have the shape [pre, post] = [4, 3]; got shape [3, 4].",
    ),
    (
        lambda: added(ship.LIF, n=2, tau=[1.0, 2.0, 3.0]),
        "LIF 'new'.tau: must be one number or have the shape [unit] = [2]; got shape [3].",
    ),
    (
        lambda: added(ship.LIF, n=2, tau=ship.per_chip([1.0, 2.0])),
        "LIF 'new'.tau: per_chip must have one value for each of 1 chips; got 2.",
    ),
    (
        lambda: added(ship.LIF, n=2, tau=ship.per_sample(1.0)),
        "LIF 'new'.tau: per_sample needs a leading axis; got a single number.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", delay=torch.ones(9)),
        "ExpSynapse 'new'.delay: must be one number or have the shape [pre, post] = [4, 3]; got shape [9].",
    ),
    # parameters
    (
        lambda: added(ship.LIF, n=2, tua=1.0),
        "LIF 'new': LIF has no parameter 'tua'. Known: 't_ref', 'tau', 'v_th', 'v_rest', 'v_reset'",
    ),
    (lambda: added(ship.LIF, n=2, tau=-0.01), "LIF 'new'.tau: must be above 0 s; got -0.01."),
    (lambda: added(ship.LIF, n=2, tau=0), "LIF 'new'.tau: must be above 0 s; got 0."),
    (lambda: added(ship.LIF, n=2, tau=NAN), "LIF 'new'.tau: must not be NaN; got nan."),
    (lambda: added(ship.LIF, n=2, v_th=INF), "LIF 'new'.v_th: must be finite; got inf."),
    (lambda: added(ship.LIF, n=2, tau=[1e-3, -2e-3]), "LIF 'new'.tau: must be above 0 s; got -0.002 (1 of 2 values)."),
    (lambda: added(ship.LIF, n=2, tau="fast"), "LIF 'new'.tau: must be numbers; got 'fast'."),
    (lambda: added(ship.LIF, n=2, tau=1j), "LIF 'new'.tau: must be real numbers; got torch.complex128."),
    (lambda: added(ship.LIF, n=2, t_ref=-1e-3), "LIF 'new'.t_ref: must be at least 0 s; got -0.001."),
    (lambda: added(ship.LIF, n=2, emit_order="late"), "LIF 'new'.emit_order: must be one of 'before', 'after'; got 'late'."),
    (lambda: added(ship.LIF, n=2, surrogate="atan"), "LIF 'new'.surrogate: must be a surrogate; got 'atan'. E.g. ship.ATan()."),
    (lambda: added(ship.LIF, n=2, winner_take_all=1), "LIF 'new'.winner_take_all: must be one of True, False; got 1."),
    (
        lambda: added(ship.LIF, n=2, tau=lambda shape, g: 1 / 0),
        "LIF 'new'.tau: the callable given failed; got ZeroDivisionError: division by zero. It is called as f(shape, generator)",
    ),
    (lambda: added(ship.LIF, n=2, tau=lambda: 1.0), "the callable given failed; got TypeError"),
    (
        lambda: added(ship.LIF, n=2, tau=ship.Varied(1e-3, c2c=0.1)),
        "LIF 'new'.tau: c2c needs a model that declares the event which draws anew",
    ),
    (
        lambda: added(ship.LIF, n=2, v_rest=ship.Varied(0.0, d2d=0.1)),
        "LIF 'new'.v_rest: d2d is a fraction of the nominal value, which is zero; got d2d=0.1. Use d2d_abs=",
    ),
    (
        lambda: added(ship.LIF, n=2, tau=ship.Uniform(-3.0, -1.0)),
        "LIF 'new'.tau: must be above 0 s, but 100 draws in a row fell outside",
    ),
    (lambda: ship.Varied(1.0, d2d=-0.1), "Varied.d2d: must be at least 0; got -0.1."),
    (lambda: ship.Varied(ship.Varied(1.0)), "Varied.nominal: must not be Varied itself."),
    (lambda: ship.Uniform(2.0, 1.0), "Uniform: low must be below high; got low=2.0, high=1.0."),
    (lambda: ship.Normal(0.0, -1.0), "Normal.std: must be at least 0; got -1.0."),
    (lambda: ship.Normal(NAN, 1.0), "Normal.mean: must be finite; got nan."),
    (lambda: ship.FastSigmoid(0.0), "FastSigmoid.slope: must be a finite number above 0; got 0.0."),
    (lambda: added(ship.LIF, n=2, initial={"u": 0.0}), "LIF 'new'.initial['u']: LIF has no state 'u'. Known: 'v'."),
    (lambda: added(ship.LIF, n=2, trainable=["t_ref"]), "LIF 'new'.t_ref: has no gradient: it acts through whole slots"),
    (lambda: added(ship.LIF, n=2, trainable=["weight"]), "LIF 'new'.trainable: LIF has no parameter 'weight'."),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", trainable=["delay"]),
        "ExpSynapse 'new'.delay: has no gradient: a delay acts through whole slots.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", delay=-1e-3),
        "ExpSynapse 'new'.delay: must be at least 0 s and at most 1e+09 s; got -0.001.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", delay=NAN),
        "ExpSynapse 'new'.delay: must not be NaN; got nan.",
    ),
    # ports and kinds
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", port="exc"),
        "ExpSynapse 'new'.port: LIF 'hidden' has no port 'exc'. Known: 'impulse', 'charge'.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", port="impulse"),
        "ExpSynapse 'new'.port: port 'impulse' of LIF 'hidden' takes events; got charge.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="out", target="hidden"),
        "ExpSynapse 'new': takes events; got values from 'out'. Use WeightedSum or Link for graded signals.",
    ),
    (
        lambda: added(ship.ExpSynapse, source=["in"], target="hidden", rule="stdp"),
        "ExpSynapse 'new'.rule: must be a learning rule; got 'stdp'. E.g. rule=ship.PairSTDP().",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", rule=ship.PairSTDP(), weight=2.0),
        "ExpSynapse 'new'.weight: must lie between the rule's w_min and w_max; got 2 to 2.",
    ),
    (
        lambda: added(ship.ExpSynapse, source="in", target="hidden", rule=ship.PairSTDP(), side="pre"),
        "ExpSynapse 'new'.side: must be 'post' for a plastic synapse",
    ),
    (
        lambda: added(ship.WeightedSum, source=["in", "out"], target="hidden"),
        "WeightedSum 'new': its sources must emit the same kind of signal; got events and values.",
    ),
    (
        lambda: ambiguous_port(),
        "Link 'l': AdEx 'a' has several ports for values; got exc, inh, current. Name one with port='...'.",
    ),
    (lambda: exact_into_adex(), "ExpSynapse: drive='exact' needs one target with a linear membrane; got a target without."),
    # init
    (lambda: ship.Network().init(), "Network.init: the network is empty. Add groups first"),
    (lambda: net().init(dt=0), "Network.init: dt: must be a number above 0 s; got 0."),
    (lambda: net().init(dt="1ms"), "Network.init: dt: must be a number; got '1ms'."),
    (lambda: net().init(seed=-1), "Network.init: seed: must be a whole number, at least 0; got -1."),
    (lambda: net().init(chips=0), "Network.init: chips: must be None, a number of chips, or a list of different die ids; got 0."),
    (lambda: net().init(chips=[1, 1]), "a list of different die ids; got [1, 1]."),
    (lambda: net().init(dtype=torch.float16), "Network.init: dtype: must be torch.float32 or torch.float64; got torch.float16."),
    # runs
    (
        lambda: net(init=False).run(X),
        "Network.run: the network is not initialised, or was changed since. Call net.init(dt=...) first.",
    ),
    (lambda: net().run(), "Network.run: needs an input for 'in'."),
    (lambda: net().run(X[..., :3]), "input 'in': must be [batch, time, 4] or [chip, batch, time, 4]; got shape [2, 5, 3]."),
    (lambda: net().run(X[0]), "got shape [5, 4]. Add a batch axis: x[None]."),
    (lambda: net().run(X[:, :0]), "input 'in': must not be empty; got shape [2, 0, 4]."),
    (lambda: net().run(X * NAN), "input 'in': must be finite; got NaN or infinity."),
    (
        lambda: net().run(X - 1),
        "input 'in': must be counts of events: whole numbers, at least 0; got -1. Use ship.CurrentInput for levels.",
    ),
    (lambda: net().run(X + 0.5), "must be counts of events: whole numbers, at least 0; got 0.5."),
    (lambda: net().run(X.to(torch.complex64)), "input 'in': must be real numbers; got torch.complex64."),
    (lambda: net().run(X.expand(3, 2, 5, 4)), "input 'in': must have 1 chips; got 3."),
    (lambda: net().run({"inn": X}), "Network.run: no input group named 'inn'. Known: 'in'."),
    (lambda: two_inputs().run(X), "Network.run: has 2 inputs: 'in', 'level'; got one input. Give a dict by tag."),
    (lambda: two_inputs().run({"in": X}), "Network.run: needs an input for 'level'."),
    (
        lambda: two_inputs().run({"in": X, "level": torch.zeros(2, 6, 1)}),
        "all inputs must have the same number of slots; got 'in': 5, 'level': 6.",
    ),
    (
        lambda: two_inputs().run({"in": X, "level": torch.zeros(3, 5, 1)}),
        "the batch sizes differ; got input 'in' 2, input 'level' 3.",
    ),
    (lambda: net().run(X, steps=3), "Network.run: is shorter than its input: 3 slots; got an input of 5 slots."),
    (lambda: net().run(X, steps=0), "Network.run: steps: must be a whole number, at least 1; got 0."),
    (
        lambda: net().run(X, duration=0.0052),
        "must be a whole number of slots of dt = 0.001 s; got 0.0052 s = 5.2 slots. Use 0.005 s.",
    ),
    (lambda: net().run(X, duration=NAN), "Network.run: duration: must be a number of seconds, at least 0; got nan."),
    (lambda: net().run(X, duration=0.005, steps=5), "Network.run: takes duration or steps, not both"),
    (lambda: net().run(X, dt=[(1e-3, 4)]), "Network.run: is shorter than its input: 4 slots"),
    (lambda: net().run(X, dt=[(1e-3, 2.5)]), "each (dt, steps) needs a whole number of steps, at least 1; got (0.001, 2.5)."),
    (lambda: net().run(X, dt=[1e-3, 5]), "Network.run: dt: must be a number or a list of (dt, steps); got [0.001, 5]."),
    (lambda: net().run(X, batch=3), "the batch sizes differ; got input 'in' 2, batch= 3."),
    (lambda: continued_with_another_batch(), "the batch sizes differ; got input 'in' 3, the running state 2."),
    (lambda: net().run([]), "input 'in': an empty list."),
    (lambda: net().run([torch.zeros(3, 5)]), "input 'in': sample 0: must be [time, 4]; got shape [3, 5]."),
    (lambda: net().run(ship.Events([0.0], [9]), steps=3), "input 'in': unit: must lie inside 4 units; got 9."),
    (lambda: net().run(ship.Events([9.0], [1]), steps=3), "input 'in': time: must lie inside 3 slots of 0.001 s; got 9 s."),
    (lambda: net().run(ship.Events([0.0], [1])), "input 'in': a list of events needs duration= or steps= and one dt."),
    (lambda: net().run(X, batch=True), "batch: must be a whole number or None; got True."),
    (lambda: net().restore(other_snapshot()), "snapshot: does not belong to this network"),
    # monitors
    (lambda: net().monitor("hidden", "u"), "monitor of LIF 'hidden': LIF has no variable 'u'. Known: 'output', 'v',"),
    (
        lambda: net().monitor("hid", "v"),
        "Network.monitor: no group named 'hid'. Known: 'in', 'hidden', 'out', 'in>hidden', 'hidden>out'. Did you mean 'hidden'?",
    ),
    (
        lambda: net().monitor("hidden", "v", every=0),
        "monitor of LIF 'hidden': every: must be a whole number of slots, at least 1; got 0.",
    ),
    (lambda: net().monitor("hidden", "v", units=[3]), "monitor of LIF 'hidden': units: must be from 0 to 2; got [3]."),
    (lambda: net().monitor("hidden"), "monitor of LIF 'hidden': needs the name of a variable."),
    (lambda: net().unmonitor("nobody"), "Network.unmonitor: no group named 'nobody'."),
    (lambda: recorded().records["hidden"].u, "records: 'u': was not recorded. Known: 'v'."),
    # training, data, devices
    (
        lambda: train.Trainer(net(), optimizer=torch.optim.Adam(net().parameters())),
        "Trainer.optimizer: holds no parameter of this network. Make it after net.init",
    ),
    (lambda: train.Trainer(two_outputs()), "Trainer: needs a network with one output; got 2."),
    (lambda: train.Trainer(net()).fit([], epochs=1, progress=False), "Trainer.fit: got no batches."),
    (
        lambda: train.Trainer(net()).fit([3], epochs=1, progress=False),
        "Trainer: batches must be (x, labels) or (x, labels, lengths); got int.",
    ),
    (
        lambda: train.Trainer(net()).fit([(X, [0, 1])], epochs=1, patience=3),
        "Trainer.fit: patience: needs validation batches; got patience=3.",
    ),
    (lambda: train.Max(tail=-1), "Max.tail: must be a whole number of slots, at least 0; got -1."),
    (lambda: train.RateBounds("hid", low=5, high=1), "RateBounds: needs 0 <= low <= high and weight >= 0"),
    (
        lambda: train.ConfusionMatrix(3).add(torch.tensor([3]), torch.tensor([0])),
        "ConfusionMatrix.add: classes must be from 0 to 2; got 0 to 3.",
    ),
    (lambda: data.latency(torch.tensor([1.5]), steps=3, dt=1e-3), "latency: x: must lie in [0, 1]; got 1.5."),
    (lambda: data.rate(torch.tensor([0.5]), steps=3, dt=-1e-3), "rate: dt: must be above 0 s; got -0.001."),
    (
        lambda: data.level_crossing(torch.tensor([[NAN]]), delta=0.1),
        "level_crossing: signal: must be finite; got NaN or infinity.",
    ),
    (lambda: data.split(torch.zeros(3), [0.5, 0.6]), "split.fractions: must be at least 0 and sum to 1; got [0.5, 0.6]."),
    (
        lambda: hfo2.drift_mean(torch.tensor(60e-6), 1.0),
        "HfO2 drift: t: must be 0 or lie from 10 s to 10000 s, where the fit is valid; got 1 s.",
    ),
    (
        lambda: hfo2.drift_mean(torch.tensor(30e-6), 100.0),
        "HfO2 drift: g0: must lie from 45 uS to 130 uS, where the fit is valid; got 30 uS.",
    ),
]


def ambiguous_port():
    made = ship.Network()
    made.add(ship.CurrentInput, "i", n=1)
    made.add(ship.AdEx, "a", n=1)
    made.add(ship.Link, "l", source="i", target="a")
    made.init()


def exact_into_adex():
    made = ship.Network()
    made.add(ship.SpikeInput, "i", n=1)
    made.add(ship.AdEx, "a", n=1)
    made.add(ship.ExpSynapse, "l", source="i", target="a", port="current", drive="exact")
    made.init()


def continued_with_another_batch():
    made = net()
    made.run(X)
    made.run(torch.zeros(3, 5, 4), reset=False)


def other_snapshot():
    other = ship.Network()
    other.add(ship.PoissonSource, "p", n=1, output=True)
    other.init()
    other.run(steps=3)
    return other.snapshot()


def recorded():
    made = net()
    made.monitor("hidden", "v")
    made.run(X)
    return made


def two_outputs():
    made = net(init=False)
    made.set("hidden", output=True)
    made.init()
    return made
