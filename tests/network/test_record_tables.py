"""Records as tables of xarray and pandas: shared axes, numbers of units and times, units; as many rows as there are values."""

import numpy as np
import pytest
import torch

import ship

pytestmark = pytest.mark.usefixtures("no_grad")
BATCH, STEPS, N_IN, N = 2, 10, 3, 4


@pytest.fixture(autouse=True)
def _installed():
    pytest.importorskip("xarray")
    pytest.importorskip("pandas")


def network(chips=None, connect=None, side="post"):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=N_IN)
    net.add(ship.LIF, "hid", n=N, t_ref=2e-3, v_rest=torch.arange(4.0) / 10, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="hid", connect=connect, side=side)
    net.init(dt=1e-3, seed=3, chips=chips)
    return net


def run(net):
    net.run((torch.rand(BATCH, STEPS, N_IN, generator=torch.Generator().manual_seed(0)) < 0.5).float())
    return net


def test_variables_share_their_axes():
    net = network()
    net.monitor("hid", "v", "output", "v_rest", "tau")
    record = run(net).records["hid"]
    data = record.to_xarray()
    assert data.v.dims == data.output.dims == ("batch", "time", "unit")
    assert data.v_rest.dims == ("batch", "time", "unit")
    assert data.tau.dims == ("batch", "time")  # one value for all units
    assert data.v.attrs == {"units": "V"}
    assert data.tau.attrs == data.time.attrs == {"units": "s"}
    assert "units" not in data.output.attrs  # counts
    np.testing.assert_allclose(data.time, 1e-3 * np.arange(STEPS))
    np.testing.assert_array_equal(data.v.to_numpy(), record.v.numpy())
    frame = data.to_dataframe()
    assert len(frame) == BATCH * STEPS * N
    assert list(record) == list(record.keys()) == ["v", "output", "v_rest", "tau"]
    assert len(record) == 4


def test_chips_are_known_by_their_number():
    net = network(chips=[7, 11])
    net.monitor("hid", "v", units=[3, 1])
    data = run(net).records["hid"].to_xarray()
    assert data.v.dims == ("chip", "batch", "time", "unit")
    assert data.chip.to_numpy().tolist() == [7, 11]
    assert data.unit.to_numpy().tolist() == [3, 1]
    whole = network(chips=[7, 11])
    whole.monitor("hid", "v")
    want = run(whole).records["hid"].v
    np.testing.assert_array_equal(data.v.sel(chip=11, unit=1), want[1, :, :, 1].numpy())


def test_other_slots_and_units_have_axes_of_their_own():
    """Nothing is filled up with NaN, and nothing is cut."""
    net = network()
    net.monitor("hid", "v")
    net.monitor("hid", "output", every=5)
    net.monitor("hid", "margin", units=[2])
    record = run(net).records["hid"]
    data = record.to_xarray()
    assert data.output.dims == ("batch", "time_output", "unit")
    assert data.margin.dims == ("batch", "time", "unit_margin")
    assert data.unit_margin.to_numpy().tolist() == [2]
    np.testing.assert_allclose(data.time_output, [0, 5e-3])
    assert data.time_output.attrs == {"units": "s"}
    assert not any(bool(np.isnan(v).any()) for v in data.values())
    with pytest.raises(ship.RunError, match=r"to_pandas: 'output' was recorded in other slots .* to_pandas\('output'\)"):
        record.to_pandas()
    assert len(record.to_pandas("output")) == BATCH * 2 * N


@pytest.mark.parametrize("side", ["post", "pre", "connection"])
def test_connections(side):
    net = network(side=side)
    net.monitor("s", "weight", "i", "tau", "output")
    record = run(net).records["s"]
    data = record.to_xarray()
    assert data.weight.dims == ("batch", "time", "pre", "post")
    assert data.i.dims == ("batch", "time", *{"post": ("post",), "pre": ("pre",), "connection": ("pre", "post")}[side])
    assert data.output.dims == ("batch", "time", "post")
    assert data.tau.dims == ("batch", "time")
    assert (data.weight.attrs, data.i.attrs) == ({"units": "V"}, {"units": "V/s"})
    frame = record.to_pandas()
    assert len(frame) == BATCH * STEPS * N_IN * N
    at = frame.loc[1, 0.003, 2, 1]
    index = {"post": (1, 3, 1), "pre": (1, 3, 2), "connection": (1, 3, 2, 1)}[side]
    assert at["i"] == float(record.i[index]) != 0
    assert at["weight"] == float(record.weight[1, 3, 2, 1])


def test_edges_name_their_ends():
    net = network(connect=ship.Edges([0, 2, 2], [3, 1, 0]))
    net.monitor("s", "weight", "i")
    data = run(net).records["s"].to_xarray()
    assert data.weight.dims == ("batch", "time", "edge")
    assert data.source_unit.to_numpy().tolist() == net["s"].pre.tolist()
    assert data.target_unit.to_numpy().tolist() == net["s"].post.tolist()
    assert data.i.dims == ("batch", "time", "post")
    with pytest.raises(ship.RunError, match="to_pandas"):
        net.records["s"].to_pandas()  # units and edges have no rows in common


def test_traces_of_a_rule():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=N_IN)
    net.add(ship.LIF, "hid", n=N, output=True)
    net.add(ship.ExpSynapse, "s", source="in", target="hid", rule=ship.PairSTDP(), weight=ship.Uniform(0.0, 1.0))
    net.init(dt=1e-3)
    net.monitor("s", "weight", "rule.x_pre", "rule.x_post")
    data = run(net).records["s"].to_xarray()
    assert data["rule.x_pre"].dims == ("batch", "time", "pre")
    assert data["rule.x_post"].dims == ("batch", "time", "post")
    assert len(data.to_dataframe()) == BATCH * STEPS * N_IN * N


def test_rows_of_pandas():
    net = network()
    net.monitor("hid", "v", "tau", "output")
    record = run(net).records["hid"]
    frame = record.to_pandas()
    assert frame.index.names == ["batch", "time", "unit"]
    assert list(frame.columns) == ["v", "tau", "output"]
    assert len(frame) == BATCH * STEPS * N
    assert frame.loc[(1, 0.004, 2), "v"] == float(record.v[1, 4, 2])
    assert set(frame["tau"]) == {np.float32(20e-3)}
    assert list(record.to_pandas("v").columns) == ["v"]


def test_events():
    net = network()
    net.monitor("hid", "output", events=True)
    net.monitor("hid", "v")
    record = run(net).records["hid"]
    table = record.to_pandas("output")
    assert list(table.columns) == ["chip", "sample", "slot", "unit", "counts", "time"]
    assert len(table) == len(record.output.slot) > 0
    np.testing.assert_array_equal(table["time"], record.output.time)
    assert set(record.to_xarray()) == {"v"}
    with pytest.raises(ship.RunError, match="'output' is a list of events"):
        record.to_pandas()
    with pytest.raises(ship.RunError, match="was not recorded"):
        record.to_pandas("margin")
