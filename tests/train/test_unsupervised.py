"""What a network that learnt without labels knows: counts of its responses, the class of each unit, and the vote of all units."""

from dataclasses import replace

import pytest
import torch

import ship
from ship import data
from ship.train import Responses, Votes, assign_labels, responses

COUNTS = torch.tensor([[4.0, 0.0, 1.0, 0.0], [2.0, 0.0, 1.0, 0.0], [0.0, 3.0, 2.0, 0.0]])  # [sample, unit]; unit 3 is silent
LABELS = torch.tensor([0, 0, 1])


def test_each_unit_has_the_class_that_it_answers_to():
    """Mean responses [class, unit]: (3, 0, 1, 0) and (0, 3, 2, 0), so units 0 to 3 stand for 0, 1, 1 and nothing."""
    votes = assign_labels(Responses(COUNTS, LABELS))
    assert votes.classes.tolist() == [0, 1, 1, -1]


def test_the_vote_by_class_is_the_mean_of_the_units_of_a_class():
    """Counts (2, 1, 5, 9): class 0 has one unit, 2; class 1 has two, (1 + 5) / 2; the silent unit says nothing."""
    votes = assign_labels(Responses(COUNTS, LABELS))
    assert votes.of(torch.tensor([[2.0, 1.0, 5.0, 9.0]])).tolist() == [[2.0, 3.0]]


def test_the_vote_by_share_counts_each_spike_for_all_classes():
    """Shares of the classes in the mean response: (1, 0), (0, 1), (1/3, 2/3), none: 2 + 3/3 = 3 and 1 + 2 = 3."""
    votes = assign_labels(Responses(COUNTS, LABELS), by="share")
    torch.testing.assert_close(votes.of(torch.tensor([[2.0, 1.0, 3.0, 9.0]])), torch.tensor([[3.0, 3.0]]))


def test_each_chip_has_classes_of_its_own():
    counts = torch.stack([COUNTS, COUNTS[:, [1, 0, 2, 3]]])
    votes = assign_labels(Responses(counts, LABELS))
    assert votes.classes.tolist() == [[0, 1, 1, -1], [1, 0, 1, -1]]
    scores = votes.of(counts)
    assert scores.shape == (2, 3, 2)
    assert (scores.argmax(-1) == LABELS).all()


def test_samples_of_a_class_do_not_count_by_their_number():
    """Unit 2 answers with 1 to ten samples of class 0, and with 2 to one of class 1."""
    seen = Responses(torch.tensor([[1.0]] * 10 + [[2.0]]), torch.tensor([0] * 10 + [1]))
    assert assign_labels(seen).classes.tolist() == [1]


def network(rule=None, chips=None, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.HomeostaticLIF, "out", n=2, output=True, theta_step=0.05, **options)
    net.add(ship.ImpulseSynapse, "s", source="in", target="out", weight=ship.Uniform(0.1, 0.4), rule=rule)
    net.init(dt=1e-3, seed=1, chips=chips)
    return net


def batches(n=10, size=4):
    x = data.rate(torch.rand(n, 4, generator=torch.Generator().manual_seed(0)), steps=30, dt=1e-3, max_rate=300.0,
                  generator=torch.Generator().manual_seed(1))  # fmt: skip
    return data.Batches(x, torch.arange(n) % 2, size)


@pytest.mark.parametrize("chips", [None, 2])
def test_responses_are_those_of_a_network_that_does_not_learn(chips):
    """In batches or one by one; weights, thresholds and records are afterwards what they were."""
    net = network(ship.OnlineSTDP(rate_post=0.002), chips)
    net.run(next(iter(batches()))[0])
    before = {name: torch.as_tensor(value).clone() for name, value in net.state_dict().items()}
    weights = net["s"].plastic_weight.clone()
    seen = responses(net, batches())
    assert seen.counts.shape == (*([chips] if chips else []), 10, 2)
    assert seen.counts.sum() > 20
    assert seen.labels.tolist() == [0, 1] * 5
    assert torch.equal(responses(net, batches(size=1)).counts, seen.counts)
    for name, value in net.state_dict().items():
        assert torch.equal(torch.as_tensor(value), before[name]), name
    net.run(next(iter(batches()))[0])
    assert not torch.equal(net["s"].plastic_weight, weights)


def test_votes_are_a_readout():
    """They read an output over time, so a study measures with them; a network that votes for its own counts is consistent."""
    net = network(chips=2)
    seen = responses(net, batches())
    votes = assign_labels(seen)
    right = (votes.of(seen.counts).argmax(-1) == seen.labels).double().mean(-1)
    torch.testing.assert_close(ship.study.accuracy(net, batches(), readout=votes), right)


def test_errors():
    net = network()
    with pytest.raises(ship.RunError, match=r"train.responses: got no batches. Give a list"):
        responses(net, [])
    with pytest.raises(ship.RunError, match=r"train.assign_labels: needs counts \[..., sample, unit\] and labels"):
        assign_labels(Responses(COUNTS, LABELS[:2]))
    with pytest.raises(ship.RunError, match="must be from 0 to"):
        assign_labels(Responses(COUNTS, torch.tensor([0, -1, 1])))
    with pytest.raises(ship.ParameterError, match="by: must be"):
        assign_labels(Responses(COUNTS, LABELS), by="most")
    with pytest.raises(ship.RunError, match=r"Votes: needs a table of its own"):
        Votes().of(COUNTS)
    with pytest.raises(ship.RunError, match=r"Votes: needs counts \[..., sample, 4\]; got shape \[3, 2\]"):
        assign_labels(Responses(COUNTS, LABELS)).of(COUNTS[:, :2])


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_what_adapts_does_so_in_the_winner_alone(engine):
    """Three units get the same input: the first wins each time, and all are reset, but only its threshold rises, until the next
    one is ahead.
    """
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.HomeostaticLIF, "out", n=3, output=True, winner_take_all=True, theta_step=0.25, tau_theta=float("inf"))
    net.add(ship.ImpulseSynapse, "s", source="in", target="out", weight=2.0)
    net.init(dt=1e-3, engine=engine)
    out = net.run(torch.ones(1, 7, 1))
    assert out[0].argmax(-1).tolist() == [0, 1, 2, 0, 1, 2, 0]  # the largest margin, v - v_th - theta; the first of equals
    assert out.sum() == 7
    torch.testing.assert_close(net["out"].get_buffer("persistent/theta").flatten(), torch.tensor([0.75, 0.5, 0.5]))


@pytest.mark.parametrize("on_devices", [False, True])
def test_digits_are_learnt_without_labels(on_devices):
    """After 960 images 30 neurons vote for the right one of 10 classes in 74 of 100 cases (seed 0), on pairs of devices in 71;
    359 images have a standard error of 2.5 points, so 55 leaves six of them. By chance it would be 10.
    """
    pytest.importorskip("sklearn")
    digits = data.digits(seed=0)
    w_max = 10 / float(digits.x.sum(1).mean())
    rule, on = ship.OnlineSTDP(acts_at="post", rate_post=0.03, x_target=0.25, w_min=-w_max, w_max=w_max), {}
    if on_devices:
        device = ship.Device(update=ship.devices.Bounded(alpha_p=1 / 64, alpha_d=1 / 64, gamma_p=1.0, gamma_d=1.0))
        on = {"device": device, "mapping": ship.Differential(w_max=w_max), "learning": ship.Pulsing()}
    else:
        rule = replace(rule, bounds="both", mu=1.0, mu_minus=1.0)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=64)
    net.add(
        ship.HomeostaticLIF, "out", n=30, tau=0.1, t_ref=5e-3, theta_step=0.03, tau_theta=333.0, winner_take_all=True, output=True
    )
    net.add(ship.ImpulseSynapse, "s", source="in", target="out", weight=ship.Uniform(0.0, 0.3 * w_max), rule=rule, **on)
    net.init(dt=1e-3, seed=0)
    if on_devices:
        net.program()

    def shown(x, labels, seed):
        encode = lambda x, g: data.rate(x, steps=100, dt=1e-3, max_rate=200.0, counts=False, generator=g)  # noqa: E731
        return data.Batches(x, labels, 16, encode=encode, seed=seed)

    before = net["s"].plastic_weight.clone()
    order = torch.randperm(len(digits.x), generator=torch.Generator().manual_seed(0))[:960]
    with torch.no_grad():
        for x, _ in shown(digits.x[order], digits.labels[order], 1):
            net.run(x)
    votes = assign_labels(responses(net, shown(digits.x[:480], digits.labels[:480], 2)))
    test = responses(net, shown(digits.x_test, digits.labels_test, 3))
    right = float((votes.of(test.counts).argmax(-1) == test.labels).double().mean())
    assert right > 0.55
    assert float((net["s"].plastic_weight - before).abs().max()) > 0.5 * w_max
