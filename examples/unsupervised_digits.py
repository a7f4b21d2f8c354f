"""Digits learnt without labels: pixels as Poisson trains, neurons that compete, and plasticity at postsynaptic spikes.

After Diehl & Cook (2015): every spike of a neuron moves its weights towards the image that is shown, the winner takes all, and a
threshold that rises with each spike and outlives the run gives every neuron its share of the images. Labels only name the neurons
afterwards; a vote of the named neurons classifies the test images.

``python examples/unsupervised_digits.py`` takes a minute: scikit-learn's digits, 100 neurons;
``python examples/unsupervised_digits.py --quick`` some seconds. ``--mnist mnist.npz`` learns MNIST (the file of Keras), with
``--device soft`` or ``--device cnr`` the weights are on memristive pairs, too, of ``--chips 4`` chips.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import ship
from ship import data
from ship.train import Interval, assign_labels, mean_interval, responses, wilson

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


def rule(task: Task, share: float, device: str | None) -> ship.OnlineSTDP:
    """Make the rule with a share of its first rate, for weights from -w_max to w_max. The bounds are soft; where devices hold the
    weights their physics makes them so, and the rule asks for steps that do not depend on the weight.
    """
    how = {} if device else {"bounds": "both", "mu": 1.0, "mu_minus": 1.0}
    return ship.OnlineSTDP(acts_at="post", rate_post=0.03 * share, x_target=0.25, w_min=-task.w_max, w_max=task.w_max, **how)


def soft() -> ship.Device:
    """Make a device whose pulses go a 64th of the way to the bound, 30 % from device to device and from pulse to pulse."""
    step = ship.Varied(1 / 64, d2d=0.3, c2c=0.3)
    return ship.Device(name="soft", update=ship.devices.Bounded(alpha_p=step, alpha_d=step, gamma_p=1.0, gamma_d=1.0))


DEVICES = {"soft": soft, "cnr": ship.devices.cnr}


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
        rule=rule(task, 1.0, device), **on,
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
        net.set("weights", rule=rule(task, 1 - 0.9 * stage / STAGES, device))
        net.init(dt=DT, seed=seed, chips=net.chips, keep=True)
        with torch.no_grad():
            for x, _ in data.Batches(task.x[part], task.labels[part], size, encode=encode, seed=seed * STAGES + stage):
                net.run(x)


def measure(net: ship.Network, task: Task, named: int = 10_000) -> dict[str, Tensor]:
    """Name the neurons with the last training images; return which test images each vote gets right, ``[chip, image]``."""
    seen = responses(net, data.Batches(task.x[-named:], task.labels[-named:], 100, encode=encode, seed=1))
    test = responses(net, data.Batches(task.x_test, task.labels_test, 100, encode=encode, seed=2))
    votes = {by: assign_labels(seen, by=by) for by in ("class", "share")}
    return {by: (vote.of(test.counts).argmax(-1) == test.labels).reshape(-1, len(test.labels)) for by, vote in votes.items()}


def loss(plain: Tensor, chips: Tensor) -> Interval:
    """Return how much less of the images the chips get right, on average, with its 95 % interval over the images."""
    return mean_interval(plain.double().mean(0) - chips.double().mean(0))


def trained(task: Task, said: argparse.Namespace, device: str | None) -> dict[str, Tensor]:
    """Make a network, show it the images, print how well it does, and return which test images it gets right."""
    net = network(task, said.neurons, said.seed, said.chips if device else None, device)
    start, cpu = time.perf_counter(), time.process_time()
    learn(net, task, said.images, device, said.seed, said.batch)
    took, busy = time.perf_counter() - start, time.process_time() - cpu
    print(f"{device or 'no devices'}: {said.images} images, {said.neurons} neurons, {took:.0f} s ({busy:.0f} s of processors)")
    right = measure(net, task)
    for by, chips in right.items():
        for chip, hits in enumerate(chips):
            found = wilson(int(hits.sum()), len(hits))
            print(f"  vote by {by:5}  chip {chip}  {found.value:.2%} right ({found.low:.2%} to {found.high:.2%}) of {len(hits)}")
    if said.save:
        ship.save(net, f"{said.save}_{device or 'plain'}.ship")
    return right


def main() -> None:
    ask = argparse.ArgumentParser(description="Digits learnt without labels.")
    ask.add_argument("--quick", action="store_true", help="few images and neurons")
    ask.add_argument("--mnist", metavar="PATH", help="MNIST as Keras keeps it (mnist.npz), in place of scikit-learn's digits")
    ask.add_argument("--neurons", type=int, default=100)
    ask.add_argument("--images", type=int, help="how many are shown; more than there are: again, in another order")
    ask.add_argument("--device", choices=DEVICES, help="pairs of devices that hold the weights, and learn by pulses")
    ask.add_argument("--chips", type=int, default=1, help="how many chips with devices learn at once")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--batch", type=int, default=16, help="images that learn side by side")
    ask.add_argument("--save", metavar="NAME", help="write networks to NAME_plain.ship, NAME_soft.ship, ...")
    said = ask.parse_args()

    task = mnist(said.mnist) if said.mnist else Task(*data.digits(seed=0))
    said.images = said.images or (60_000 if said.mnist else 1000 if said.quick else 20_000)
    said.neurons = 30 if said.quick else said.neurons
    plain = trained(task, said, None)
    if said.device:
        on_chips = trained(task, said, said.device)
        for by in plain:
            less = loss(plain[by], on_chips[by])
            print(f"vote by {by}: devices cost {100 * less.value:.2f} ({100 * less.low:.2f} to {100 * less.high:.2f}) points")


if __name__ == "__main__":
    main()
