"""The energy ledger: circuits by hand, uncertainty, what is missing, and whether the sum of the parts closes."""

from dataclasses import replace

import pytest
import torch

import ship
from energy_networks import COSTS, X, deep, everything, noise, small

D = torch.float64
NEAR = {"rtol": 1e-12, "atol": 0.0}  # sums of some numbers in float64
V, T, LOW, HIGH = 0.2, 50e-9, 1e-6, 50e-6
# Devices far from their targets are meant: what it costs to look at them is the subject.
pytestmark = [pytest.mark.usefixtures("no_grad"), pytest.mark.filterwarnings("ignore:Network.program:UserWarning")]


def test_spikes_lines_and_leakage_by_hand():
    """``C v_dd^2`` for a spike, ``(c_line + cells c_cell) v_read^2`` for an arrival, ``P t`` for each neuron and device."""
    net = small(
        costs={
            "neurons": ship.Costs(v_dd=1.2, c_spike=100e-15, p_leak=2e-9, p_idle=1e-9),
            "synapses": ship.Costs(c_line=20e-15, c_cell=1e-15, e_event=3e-15, p_leak=1e-12),
            "groups": {"in": ship.Costs(v_dd=0.9, c_spike=10e-15)},
        }
    )
    net["out"].v_th.fill_(1e-3)  # every positive impulse fires
    out = net.run(X)
    net.wait(10.0)
    made, counts = net.energy, torch.tensor([3.0, 4.0], dtype=D)
    assert 0 < float(out.sum()) == float(made.spikes.sum())
    torch.testing.assert_close(made.energy("out", "spikes").low, 100e-15 * 1.2**2 * out.sum((1, 2)), **NEAR)
    torch.testing.assert_close(made.energy("in", "spikes").low, 10e-15 * 0.9**2 * counts, **NEAR)
    torch.testing.assert_close(made.energy("syn", "periphery").low, ((20e-15 + 4 * 1e-15) * V**2 + 3e-15) * counts, **NEAR)
    assert made.energy("out", "leak").low.tolist() == pytest.approx([2 * 2e-9 * 6e-3] * 2, rel=1e-12)
    assert made.energy("syn", "leak").low.tolist() == pytest.approx([12 * 1e-12 * 6e-3] * 2, rel=1e-12)
    assert float(made.energy("out", "idle").low) == pytest.approx(2 * 1e-9 * 10.0, rel=1e-12)
    assert made.closing.closed
    assert made.per_spike.low == pytest.approx(float(made.energy().low.sum()) / float(made.spikes.sum()), rel=1e-12)


def test_bands_propagate():
    """The ends of the total are those of the parts; what is known stays a number."""
    net = small(
        costs={"groups": {"in": ship.Costs(v_dd=(0.8, 1.0), c_spike=(10e-15, 30e-15)), "syn": ship.Costs(p_leak=(0, 1e-12))}}
    )
    net.run(X)
    made, counts = net.energy, torch.tensor([3.0, 4.0], dtype=D)
    low, high = made.energy("in")
    torch.testing.assert_close(low, 10e-15 * 0.8**2 * counts, **NEAR)
    torch.testing.assert_close(high, 30e-15 * 1.0**2 * counts, **NEAR)
    read = made.energy("syn", "read")
    assert torch.equal(read.low, read.high)
    assert made.total.high - made.total.low == pytest.approx(float((high - low).sum()) + 2 * 12 * 1e-12 * 6e-3, rel=1e-12)
    assert made.per_inference.low < made.per_inference.high
    group, phase, share = made.dominant
    assert (group, phase) == ("syn", "read")
    assert 0 < share[0] < share[1] < 1


def test_scope_names_what_is_missing():
    net = small(programmed=False, costs={"neurons": ship.Costs(p_leak=1e-9)})
    net.run(X)
    made = net.energy
    assert "out: p_leak" in made.included
    assert {"out: c_spike", "out: p_idle", "syn: c_line"} <= set(made.missing)
    assert any("model weights" in text for text in made.missing)  # it was not programmed: nothing is read
    assert made.energy("syn").low.tolist() == [0.0, 0.0]
    assert made.per_synaptic_event is not None
    net.program()
    net.run(X)
    assert float(net.energy.energy("syn").low[2:].min()) > 0


def test_it_closes_and_notices_each_part_that_is_left_out():
    made = everything().energy
    assert made.closing.closed
    assert made.closing.gap < 1e-12
    phases = {part.phase for part in made.parts}
    assert phases == {"read", "periphery", "spikes", "leak", "write", "verify", "idle"}
    for i, part in enumerate(made.parts):
        if float(part.energy.high.sum()):
            assert not replace(made, parts=made.parts[:i] + made.parts[i + 1 :]).closing.closed, part.phase
    for i in range(len(made.supplies)):
        assert not replace(made, supplies=made.supplies[:i] + made.supplies[i + 1 :]).closing.closed


def test_it_notices_a_row_that_is_summed_wrongly(monkeypatch):
    net = small()
    monkeypatch.setattr("ship.network.energy.meter.along_rows", lambda node, way, cells: cells[..., 0])  # the first column alone
    net.run(X)
    assert not net.energy.closing.closed
    assert "NOT within" in str(net.energy)


def test_float32_closes_within_its_digits():
    net = deep("fused", dtype=torch.float32)
    net.meter(**COSTS)
    net.program(verify=ship.WriteVerify(0.02))
    net.run(noise().float())
    assert net.energy.closing.closed
    assert net.energy.tolerance == 1e-5
