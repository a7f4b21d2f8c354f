"""Real recordings, where the folder ``SHIP_DATA`` holds them: electrocardiograms to events, and through a recurrent network."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import ship
from ship.data import level_crossing, level_crossing_decode

DATA = Path(os.environ.get("SHIP_DATA", "nowhere"))
RECORD = DATA / "mitbih_original" / "100.dat"

pytestmark = [
    pytest.mark.skipif(not RECORD.exists(), reason="SHIP_DATA does not hold mitbih_original/100.dat"),
    pytest.mark.usefixtures("no_grad"),
]


def ecg(beats=16, steps=360):
    """Record 100 in mV, in pieces of one second at 360 Hz: ``[batch, time, 2]`` (WFDB format 212: 12 bits, 200 / mV)."""
    raw = np.fromfile(RECORD, dtype=np.uint8)[: beats * steps * 3].reshape(-1, 3).astype(np.int16)
    leads = np.stack([raw[:, 0] | ((raw[:, 1] & 0x0F) << 8), raw[:, 2] | ((raw[:, 1] & 0xF0) << 4)], 1)
    leads = np.where(leads > 2047, leads - 4096, leads)
    return torch.as_tensor((leads - 1024) / 200.0).reshape(beats, steps, 2)


def test_level_crossing_follows_the_signal():
    signal = ecg()
    assert 0.5 < float(signal.max()) < 2.0  # an R wave of about a millivolt
    events = level_crossing(signal, delta=0.05, bits=4)
    assert events.shape == (16, 360, 16)
    assert 0.01 < float(events.mean()) < 0.2
    error = level_crossing_decode(events, delta=0.05, bits=4, start=signal[:, 0]) - signal
    assert float(error.abs().max()) < 0.05 + 1e-9  # no slope of this record passes 15 levels in a slot


def test_recurrent_network_on_electrocardiograms():
    """A liquid of 216 neurons as in the publication's study: alive, not saturated, the same for any batch."""
    events = level_crossing(ecg(), delta=0.05, bits=3)
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=12)
    net.add(ship.LIF, "liquid", n=216, tau=65e-3, t_ref=2e-3, output=True)
    net.add(ship.ExpSynapse, "in>liquid", source="in", target="liquid", tau=8e-3, weight=ship.Normal(0.1, 0.3))
    net.add(
        ship.ExpSynapse, "liquid>liquid", source="liquid", target="liquid", tau=4e-3, delay=1e-3, weight=ship.Normal(-0.01, 0.05)
    )
    net.init(dt=1 / 360, seed=0)
    spikes = net.run(events)
    rate = float(spikes.mean()) * 360
    assert 1 < rate < 60
    assert int((spikes.sum((0, 1)) > 0).sum()) > 108
    assert torch.equal(net.run(events[3:5]), spikes[3:5])
