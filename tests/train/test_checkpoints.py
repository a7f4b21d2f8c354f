"""Checkpoints: what they are for is compared with what is there, and one that does not fit changes nothing."""

import copy
import json

import pytest
import torch

import ship
from ship.base.tensor_files import read, write
from ship.train import Trainer


def build(*, delay=1e-3, tau=20e-3, surrogate=None, chips=None, seed=0, dtype=None, **synapse):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "hid", n=4, tau=tau, surrogate=surrogate or ship.ATan())
    net.add(ship.LeakyIntegrator, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "a", source="in", target="hid", delay=delay, **synapse)
    net.add(ship.ExpSynapse, "b", source="hid", target="out")
    net.init(seed=seed, chips=chips, dtype=dtype)
    return net


def trainer(net=None, optimizer=torch.optim.Adam, step=None, **options):
    net = net or build()
    made = optimizer(net.parameters(), **({"lr": 0.01} | options))
    return Trainer(net, optimizer=made, schedule=None if step is None else torch.optim.lr_scheduler.StepLR(made, step))


def data():
    x = (torch.rand(6, 10, 3, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    return [(x, torch.arange(6) % 2)]


def trained(path, made):
    made.fit(data(), epochs=1, validation=data(), checkpoint=path, progress=False)
    return made


def everything(made):
    parts = [made.net, made.optimizer, *([made.schedule] if made.schedule else [])]
    state = copy.deepcopy([part.state_dict() for part in parts])
    return [
        *state,
        made.epoch,
        made.trial,
        copy.deepcopy(vars(made.history)),
        made.progress.best,
        made.progress.best_score,
        made.progress.since_best,
    ]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def refused(path, made, match):
    """The error, and nothing else: all is as it was, and training goes on as if nothing had been tried."""
    made.fit(data(), epochs=2, progress=False)
    before = everything(made)
    with pytest.raises(ship.FileError, match=match):
        made.resume(path)
    assert same(everything(made), before)
    assert made.epoch == 2
    made.fit(data(), epochs=3, progress=False)


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (lambda: trainer(optimizer=torch.optim.SGD), "trainer.optimizer: Adam, not SGD"),
        (lambda: trainer(step=2), "trainer.schedule: null, not StepLR"),
        (lambda: trainer(build(delay=2e-3)), r"network.group 'a'.delay: \[0.001\], not \[0.002\]"),
        (lambda: trainer(build(delay=[[1e-3] * 4] * 2 + [[2e-3] * 4])), "network.group 'a'.delay"),
        (lambda: trainer(build(surrogate=ship.ATan(3.0))), "network.group 'hid'.options.surrogate"),
        (lambda: trainer(build(side="pre")), "network.group 'a'.options.side: post, not pre"),
        (lambda: trainer(build(connect=ship.InDegree(2))), "network.group 'a'.edges: only here"),
        (lambda: trainer(build(tau=ship.Varied(20e-3, d2d=0.1))), "network.group 'hid'.spreads.tau: only here"),
        (lambda: trainer(build(trainable=["tau"])), "trainable"),
        (lambda: trainer(build(device=ship.Device())), "network.group 'a'.device: only here"),
        (lambda: trainer(build(chips=[3])), r"network.chips: \[0\], not \[3\]"),
        (lambda: trainer(build(dtype=torch.float64)), "network.dtype: torch.float32, not torch.float64"),
        (lambda: trainer(build(seed=4)), "network.seed: 0, not 4"),
    ],
)
def test_a_checkpoint_of_another_network_or_trainer_is_refused(tmp_path, other, match):
    trained(tmp_path / "c.ship", trainer())
    refused(tmp_path / "c.ship", other(), match)


def test_edges_of_the_same_number_are_told_apart(tmp_path):
    """Weights of edges would otherwise land on other pairs of units."""
    one, two = (build(connect=ship.Edges(pre, [0, 1])) for pre in ([0, 1], [1, 2]))
    trained(tmp_path / "c.ship", trainer(one))
    refused(tmp_path / "c.ship", trainer(two), "network.group 'a'.edges")


def changed(path, change):
    tensors, structure = read(path)
    structure = json.loads(json.dumps(structure))
    change(tensors, structure)
    write(path, tensors, structure)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t, s: s["trainer"].update(epoch=1.5), "epoch: must be a whole number, at least 0; got 1.5"),
        (lambda t, s: s["trainer"].update(trial=-1), "trial: must be a whole number"),
        (lambda t, s: s["trainer"].update(best="x"), "best: must be a number"),
        (lambda t, s: s["trainer"]["history"].update(loss=3), "history.loss: must be a list of numbers"),
        (lambda t, s: s["trainer"]["history"].pop("rate"), "history: must have"),
        (lambda t, s: s["trainer"].pop("history"), "KeyError: 'history'"),
        (lambda t, s: t.update({"net/groups.hid.tau": torch.tensor(0.0)}), r"'hid'.tau: must be above 0 s; got 0"),
        (lambda t, s: t.update({"best/groups.hid.tau": torch.tensor(float("nan"))}), r"'hid'.tau: must be above 0 s; got nan"),
        (lambda t, s: t.update({"net/groups.a.weight": torch.zeros(3, 4, dtype=torch.int8)}), "must be float32; got int8"),
        (lambda t, s: t.pop("best/groups.hid.tau"), "is no checkpoint of this trainer"),
        (lambda t, s: t["optimizer/state/0/exp_avg"].fill_(float("nan")), "optimizer: must have a state of finite numbers"),
        (lambda t, s: t["optimizer/state/0/exp_avg_sq"].fill_(-1.0), "optimizer: must have a state of finite numbers"),
        (lambda t, s: t.update({"optimizer/state/0/exp_avg": torch.zeros(9)}), "optimizer: must have a state that it can go on"),
        (lambda t, s: t.update({"optimizer/state/0/exp_avg": torch.zeros(1)}), "optimizer: must have a state that it can go on"),
        (lambda t, s: _entry(s["optimizer"], "state")["items"][0][1]["items"].pop(1), "optimizer: must have a state"),
        (lambda t, s: _set(_entry(s["optimizer"], "param_groups")["list"][0], "betas", 7), "optimizer: must have a state that"),
        (lambda t, s: _set(_entry(s["optimizer"], "param_groups")["list"][0], "lr", "fast"), "optimizer: must have a state that"),
        (lambda t, s: s.update(optimizer=5), "is no checkpoint of this trainer"),
        (lambda t, s: _set(s["schedule"], "step_size", "x"), "schedule.step_size: must be a number"),
        (lambda t, s: s["schedule"]["items"].pop(), "schedule: must have"),
    ],
)
def test_a_checkpoint_with_wrong_content_is_refused(tmp_path, change, match):
    trained(tmp_path / "c.ship", trainer(step=2))
    changed(tmp_path / "c.ship", change)
    refused(tmp_path / "c.ship", trainer(step=2), match)


def _entry(flat, name):
    return next(value for key, value in flat["items"] if key == name)


def _set(flat, name, value):
    next(pair for pair in flat["items"] if pair[0] == name)[1] = value


@pytest.mark.parametrize(
    "optimizer", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Adamax", "Rprop"]
)
def test_optimisers_of_pytorch_go_on(tmp_path, optimizer):
    """Trained in two pieces equals trained at once, bit for bit: nothing that is right is refused."""
    kind = getattr(torch.optim, optimizer)
    options = {"momentum": 0.9} if optimizer in ("SGD", "RMSprop") else {}
    made = [trainer(optimizer=kind, **options) for _ in range(3)]
    made[0].fit(data(), epochs=3, progress=False)
    made[1].fit(data(), epochs=1, checkpoint=tmp_path / "c.ship", progress=False)
    made[2].resume(tmp_path / "c.ship")
    made[2].fit(data(), epochs=3, progress=False)
    assert same(made[0].net.state_dict(), made[2].net.state_dict())
    assert not same(made[0].net.state_dict(), made[1].net.state_dict())


def test_a_checkpoint_of_the_format_before_is_still_read(tmp_path):
    """It had no checksum, and said of the network no more than dt and seed."""
    from safetensors.torch import save_file

    path = tmp_path / "c.ship"
    made = trained(path, trainer())
    tensors, structure = read(path)
    structure = {k: v for k, v in structure.items() if k != "identity"} | {"format": 1, "network": {"dt": 1e-3, "seed": 0}}
    save_file(tensors, path, metadata={"ship": json.dumps(structure)})
    other = trainer()
    other.resume(path)
    assert same(everything(other), everything(made))
    with pytest.raises(ship.FileError, match=r"network\.seed: 0, not 5"):
        trainer(build(seed=5)).resume(path)


@pytest.mark.filterwarnings("ignore:.*the target would starve")
@pytest.mark.parametrize("name", ["pcm", "hermes", "reram_wan", "state_independent"])
def test_networks_on_devices_that_were_not_programmed_have_checkpoints(tmp_path, name):
    """Parts of an array that are still alike share their memory, which the format of the file cannot say."""
    device = ship.devices.library()[name]()
    assert device.retention is not None
    made = trained(tmp_path / "c.ship", trainer(build(device=device)))
    other = trainer(build(device=device))
    other.resume(tmp_path / "c.ship")
    assert same(everything(other), everything(made))
