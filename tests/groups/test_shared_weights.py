"""Convolution and pooling: edges that share weights, against `torch.nn.functional`."""

import pytest
import torch
from torch.nn import functional

import ship
from ship.base.errors import GraphError, ParameterError

SIZES = [
    ((1, 6, 5), 3, 1, 0, 4),
    ((2, 7, 7), (3, 2), (2, 1), (1, 0), 3),
    ((3, 4, 4), 4, 1, 0, 2),
    ((2, 5, 6), 3, 2, 2, 1),
]


def network(connect, engine="auto", model=ship.WeightedSum, chips=None, **options):
    net = ship.Network()
    c, h, w = connect.shape
    a, b, d = connect.output
    net.add(ship.CurrentInput, "in", n=c * h * w)
    net.add(ship.LeakyIntegrator, "out", n=a * b * d, tau=float("inf"), output=True)
    net.add(model, "conv", source="in", target="out", connect=connect, **options)
    net.init(dt=1.0, dtype=torch.float64, engine=engine, chips=chips)
    return net


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "features"), SIZES)
@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_a_convolution_is_that_of_torch_forward_and_backward(shape, kernel, stride, padding, features, engine):
    """out[f, y, x] = sum_{c, i, j} w[c, i, j, f] in[c, y s + i - p, x s + j - p], gradient to the matrix and to the input."""
    connect = ship.Conv2d(shape, kernel, stride, padding, features)
    net = network(connect, engine)
    weight = net["conv"].weight
    kh, kw = connect.kernel
    assert weight.shape == (shape[0] * kh * kw, features)
    x = torch.randn(2, 1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    given = x.reshape(2, 1, -1).requires_grad_()
    net.monitor("out", "v", detach=False)
    out = net.run(torch.cat([given, torch.zeros_like(given)], 1))[:, 1].reshape(2, *connect.output)
    own = weight.detach().clone().requires_grad_()
    image = x[:, 0].clone().requires_grad_()
    want = functional.conv2d(image, own.T.reshape(features, shape[0], kh, kw), stride=connect.stride, padding=connect.padding)
    torch.testing.assert_close(out, want, rtol=1e-12, atol=1e-12)
    assert connect.expected(net["in"].n, net["out"].n) == len(net["conv"].pre)
    out.square().sum().backward()
    want.square().sum().backward()
    assert float(own.grad.abs().max()) > 0
    torch.testing.assert_close(weight.grad, own.grad, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(given.grad[:, 0], image.grad.flatten(1), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stride", [None, 1])
def test_pooling_sums_each_channel(stride):
    connect = ship.Pool2d((3, 6, 4), 2, stride)
    net = network(connect, weight=0.25, trainable=())
    x = torch.rand(1, 1, 3, 6, 4, dtype=torch.float64)
    given = x.reshape(1, 1, -1)
    out = net.run(torch.cat([given, torch.zeros_like(given)], 1))[:, 1]
    want = functional.avg_pool2d(x[:, 0], 2, stride)
    assert connect.output == tuple(want.shape[1:])
    torch.testing.assert_close(out.reshape(want.shape), want)
    assert not list(net.parameters())


def test_devices_and_mismatch_belong_to_the_matrix_not_to_the_edges(tmp_path):
    """One pair of devices for each of 9 x 2 weights; all edges of a place in the kernel act with what its devices say."""
    connect = ship.Conv2d((1, 8, 8), 3, features=2)
    device = ship.Device(g_min=1e-6, g_max=50e-6, programming=ship.devices.GaussianProgramming(sigma=2e-6))
    net = network(connect, chips=3, device=device, weight=ship.Normal(0.0, 0.3), crossbar=ship.crossbar.Crossbar(r_row=1.0))
    net.program()
    group = net["conv"]
    assert group.hardware.array.shape == (2, 9, 2)
    acts = group.value("weight")
    assert acts.shape == (3, 1, 9 * 2 * 36)
    for chip in acts[:, 0]:
        assert len(torch.unique(chip)) == 18
    assert not torch.equal(acts[0], acts[1])
    x = torch.rand(1, 5, 64)
    out = net.run(x)
    ship.save(net, tmp_path / "conv.ship")
    again = ship.load(tmp_path / "conv.ship")
    assert torch.equal(again.run(x), out)
    assert again["conv"].spec.connect == connect
    spread = network(connect, chips=2, weight=ship.Varied(0.5, d2d=0.1))
    assert spread["conv"].get_buffer("weight/deviate").shape == (2, 1, 9, 2)


def test_energy_of_reads_counts_each_edge_with_its_devices():
    """A spike on unit (1, 1) of a 4 x 4 image lies in four windows, once at each place: E = sum g v^2 t over all cells."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=16)
    net.add(ship.LIF, "out", n=9, output=True, v_th=0.5)
    connect, device = ship.Conv2d((1, 4, 4), 2, features=1), ship.Device(g_min=1e-6, g_max=50e-6)
    net.add(ship.ExpSynapse, "conv", source="in", target="out", connect=connect, weight=ship.Uniform(0.1, 0.4), device=device)
    net.init(dtype=torch.float64)
    net.program()
    net.meter(synapses=ship.Costs())
    spikes = torch.zeros(1, 3, 16)
    spikes[0, 0, 5] = 1.0
    net.run(spikes)
    g = net.read("conv")
    assert g.shape[-2:] == (4, 1)
    want = float(g.sum()) * device.v_read**2 * device.t_read
    assert float(net.energy.energy("conv", "read").low.sum()) == pytest.approx(want, rel=1e-12)


def test_kernels_follow_shared_edges_and_sizes_are_checked():
    connect = ship.Conv2d((1, 8, 8), 3, features=2)
    net = network(connect, "fused")
    assert "kernel" in net.explain()
    bad = ship.Network()
    bad.add(ship.SpikeInput, "in", n=64)
    bad.add(ship.LIF, "out", n=70)
    bad.add(ship.ExpSynapse, "c", source="in", target="out", connect=connect)
    with pytest.raises(ParameterError, match="source and target must have 64 and 72 units; got 64 and 70"):
        bad.init()
    with pytest.raises(ParameterError, match="must fit into the rows of the image"):
        ship.Conv2d((1, 2, 8), 3)
    with pytest.raises(GraphError, match="cannot change weights that edges share"):
        network(connect, model=ship.ExpSynapse, rule=ship.PairSTDP())


def test_training_through_a_convolution_learns():
    """Two images that differ by one bar are told apart by one feature and its pooled sum."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=36)
    net.add(ship.LIF, "map", n=2 * 16, v_th=0.5)
    net.add(ship.LeakyIntegrator, "out", n=2, output=True)
    net.add(ship.ExpSynapse, "conv", source="in", target="map", connect=ship.Conv2d((1, 6, 6), 3, features=2))
    net.add(ship.ExpSynapse, "dense", source="map", target="out")
    net.init(seed=1)
    x = torch.zeros(2, 20, 6, 6)
    x[0, ::3, 2, :], x[1, ::3, :, 2] = 1.0, 1.0
    x, y = x.flatten(2), torch.tensor([0, 1])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = functional.cross_entropy(10 * net.run(x).amax(1), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 < losses[0]
