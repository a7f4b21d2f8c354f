"""Closed-loop programming by trains of pulses: targets are reached, noisy reads are averaged, wrong settings are refused."""

import pytest
import torch

import ship
from synapses import HIGH, LOW, device


class TestTrains:
    def array(self, noise=None):
        update = ship.devices.NonlinearPulses(nl_up=2.0, nl_down=-3.0, pulses_up=1000.0, pulses_down=800.0, noise=1e-3)
        return ship.DeviceArray(device(update=update, noise=noise), 500, chips=2, seed=2, dtype=torch.float64)

    def test_a_train_takes_the_device_where_the_nominal_one_would_go(self):
        """Without noise, two trains are enough: one to the target, one for the rounding of the interpolated curve."""
        goal = torch.linspace(LOW, HIGH, 500).double()
        one, many = self.array(), self.array()
        found = one.write(goal, verify=ship.WriteVerify(0.02, most=20, by="train"))
        slow = many.write(goal, verify=ship.WriteVerify(0.02, most=1500, by="pulse"))
        assert not bool(found.failed.any())
        assert not bool(slow.failed.any())
        assert float(found.error.abs().max()) <= 0.02 * (HIGH - LOW)
        assert float(found.pulses.mean()) == pytest.approx(float(slow.pulses.mean()), rel=0.1)  # the same way

    def test_reads_are_averaged(self):
        """Noise of 5 % of the window against a tolerance of 2 %: one read lies, the mean of 100 does not."""
        goal = torch.full((500,), 50e-6).double()
        noise = ship.devices.AdditiveNoise(sigma=5e-6)
        error = {}
        for reads in (1, 100):
            array = self.array(noise)
            array.write(goal, verify=ship.WriteVerify(0.02, most=50, by="train", reads=reads))
            error[reads] = float((array.conductance() - goal).abs().mean())
        assert error[100] < 1.1e-6
        assert error[1] > 2 * error[100]

    def test_errors(self):
        with pytest.raises(ship.ParameterError, match=r"WriteVerify\.reads: must be a whole number of reads, at least 1; got 0"):
            ship.WriteVerify(reads=0)
        with pytest.raises(ship.ParameterError, match=r"WriteVerify\.by: must be 'rewrite', 'pulse' or 'train'; got 'x'"):
            ship.WriteVerify(by="x")
