"""A value with its range is one type, wherever it comes from."""

import copy
import math
import pickle

import ship.devices.fitting
import ship.network.energy
import ship.train
from ship.base.statistics import Band, Interval


def test_one_type_for_intervals_and_for_estimates_of_fits():
    assert ship.train.Interval is ship.devices.fitting.Estimate is Interval
    assert type(ship.train.wilson(9, 10)) is Interval
    assert ship.network.energy.Band is Band


def test_it_is_a_triple_with_a_unit():
    made = Interval(1e-6, 9e-7, 2e-6, "S")
    value, low, high = made
    assert (value, low, high) == made == (made.value, made.low, made.high)
    assert made.as_dict() == {"value": 1e-6, "low": 9e-7, "high": 2e-6, "unit": "S"}
    assert [pickle.loads(pickle.dumps(made)).unit, copy.deepcopy(made).unit] == ["S", "S"]
    assert repr(made) == "Interval(value=1e-06, low=9e-07, high=2e-06, unit='S')"
    assert repr(Interval(0.5, 0.25, 1.0)) == "Interval(value=0.5, low=0.25, high=1.0)"


def test_without_a_range_it_is_a_value():
    made = Interval(2.0, unit="V")
    assert math.isnan(made.low)
    assert math.isnan(made.high)
    assert str(made) == "2 V"


def test_bands_add_and_multiply_end_by_end():
    assert Band(1.0, 2.0) + Band(3.0, 5.0) == Band(4.0, 7.0)
    assert Band(1.0, 2.0) * Band(3.0, 5.0) == Band(3.0, 10.0)
    assert Band(1.0, 2.0) * 2.0 == Band(2.0, 4.0)
