"""Digits learnt without labels: pixels as Poisson trains, neurons that compete, and plasticity at postsynaptic spikes.

After Diehl & Cook (2015): every spike of a neuron moves its weights towards the image that is shown, the winner takes all, and a
threshold that rises with each spike and outlives the run gives every neuron its share of the images. Labels only name the neurons
afterwards; a vote of the named neurons classifies the test images.

``python examples/unsupervised_digits.py`` takes a minute: scikit-learn's digits, 100 neurons;
``python examples/unsupervised_digits.py --quick`` some seconds. ``--mnist mnist.npz`` learns MNIST (the file of Keras), with
``--device soft`` or ``--device cnr`` the weights are memristive pairs, on ``--chips 4`` chips.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import ship
from ship import data
from ship.train import Votes, assign_labels, responses, wilson

DT, STEPS, MAX_RATE = 1e-3, 100, 200.0  # s; 100 ms an image, 200 Hz for a white pixel
STAGES = 10  # in which the rate of learning falls to a tenth


@dataclass(frozen=True)
class Task:
    """Images as rows of numbers in [0, 1], with labels."""

    x: Tensor
    labels: Tensor
    x_test: Tensor
    labels_test: Tensor

    @property
    def w_max(self) -> float:
        """The largest weight, V: ten white pixels of that weight, in a mean image of 100, reach the threshold of 1 V at rest."""
        return 10.0 / float(self.x.sum(1).mean())


def mnist(path: str) -> Task:
    """Read MNIST, 28 x 28 pixels, 60,000 images and 10,000 for the test."""
    with np.load(path) as file:
        parts = [torch.from_numpy(file[name]) for name in ("x_train", "y_train", "x_test", "y_test")]
    x, labels, x_test, labels_test = parts
    return Task(x.flatten(1).float() / 255, labels.long(), x_test.flatten(1).float() / 255, labels_test.long())


def encode(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a Poisson train for each pixel."""
    return data.rate(x, steps=STEPS, dt=DT, max_rate=MAX_RATE, counts=False, generator=generator)


def rule(task: Task, rate: float, device: str | None) -> ship.OnlineSTDP:
    """Make the rule; on devices the physics of the pulses makes steps down shrink with the weight, elsewhere the rule does."""
    return ship.OnlineSTDP(
        acts_at="post", rate_post=rate, x_target=0.45, mu_minus=0.0 if device else 1.0, w_max=task.w_max
    )


DEVICES = {
    "soft": lambda: ship.Device(update=ship.devices.Bounded(alpha_p=1 / 64, alpha_d=1 / 64, gamma_p=1.0, gamma_d=1.0)),
    "cnr": ship.devices.cnr,
}


def network(task: Task, neurons: int, seed: int = 0, chips: int | None = None, device: str | None = None) -> ship.Network:
    """Pixels, weights that learn, and neurons of which one wins."""
    on = {}
    if device:
        on = {"device": DEVICES[device](), "mapping": ship.Differential(w_max=task.w_max), "learning": ship.Pulsing()}
    net = ship.Network()
    net.add(ship.SpikeInput, "pixels", n=task.x.shape[1])
    net.add(
        ship.HomeostaticLIF, "neurons", n=neurons, tau=0.1, t_ref=5e-3, theta_step=0.03, tau_theta=333.0,
        winner_take_all=True, output=True,
    )  # fmt: skip
    net.add(
        ship.ImpulseSynapse, "weights", source="pixels", target="neurons", weight=ship.Uniform(0.0, 0.3 * task.w_max),
        rule=rule(task, 0.06, device), **on,
    )  # fmt: skip
    net.init(dt=DT, seed=seed, chips=chips)
    if device:
        net.program()
    return net


def learn(net: ship.Network, task: Task, images: int, device: str | None = None, seed: int = 0, size: int = 16) -> None:
    """Show images, some at a time; the rate of learning falls from stage to stage."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.randperm(len(task.x), generator=generator) for _ in range(-(-images // len(task.x)))])[:images]
    for stage, part in enumerate(order.chunk(STAGES)):
        net.set("weights", rule=rule(task, 0.06 * (1 - 0.9 * stage / STAGES), device))
        net.init(dt=DT, seed=seed, chips=net.chips, keep=True)
        with torch.no_grad():
            for x, _ in data.Batches(task.x[part], task.labels[part], size, encode=encode, seed=seed * STAGES + stage):
                net.run(x)


def measure(net: ship.Network, task: Task, named: int, tested: int) -> dict[str, Tensor]:
    """Name the neurons with some training images, and return how many of the test images each vote gets right, for each chip."""
    seen = responses(net, data.Batches(task.x[-named:], task.labels[-named:], 100, encode=encode, seed=1))
    test = responses(net, data.Batches(task.x_test[:tested], task.labels_test[:tested], 100, encode=encode, seed=2))
    right = {}
    for by in ("class", "share"):
        votes: Votes = assign_labels(seen, by=by)
        right[by] = (votes.of(test.counts).argmax(-1) == test.labels).sum(-1)
    return right


def main() -> None:
    ask = argparse.ArgumentParser(description="Digits learnt without labels.")
    ask.add_argument("--quick", action="store_true", help="few images and neurons")
    ask.add_argument("--mnist", metavar="PATH", help="MNIST as Keras keeps it (mnist.npz), in place of scikit-learn's digits")
    ask.add_argument("--neurons", type=int, default=100)
    ask.add_argument("--images", type=int, help="how many are shown; more than there are: again, in another order")
    ask.add_argument("--device", choices=DEVICES, help="what holds the weights")
    ask.add_argument("--chips", type=int, help="how many chips learn at once")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--batch", type=int, default=16)
    ask.add_argument("--save", metavar="PATH", help="write the network to a file")
    said = ask.parse_args()

    digits = None if said.mnist else data.digits(seed=0)
    task = mnist(said.mnist) if said.mnist else Task(*digits)
    images = said.images or (60_000 if said.mnist else 1000 if said.quick else 20_000)
    neurons = 30 if said.quick else said.neurons
    net = network(task, neurons, said.seed, said.chips, said.device)
    start, cpu = time.perf_counter(), time.process_time()
    learn(net, task, images, said.device, said.seed, said.batch)
    print(f"{images} images learnt in {time.perf_counter() - start:.0f} s ({time.process_time() - cpu:.0f} s of processors)")
    tested = len(task.x_test)
    for by, right in measure(net, task, min(10_000, len(task.x)), tested).items():
        for chip, n in enumerate(right.flatten().tolist()):
            found = wilson(n, tested)
            print(f"vote by {by:5}  chip {chip}: {found.value:.1%} right ({found.low:.1%} to {found.high:.1%}) of {tested} test images")
    if said.save:
        ship.save(net, said.save)


if __name__ == "__main__":
    main()
