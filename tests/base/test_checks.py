"""Checks of single values: what they take, what they return, and one form of error."""

import math

import numpy as np
import pytest

import ship
from ship.base.checks import check_choice, check_finite, check_real, check_whole, is_real, is_whole


def test_what_is_a_number():
    assert all(map(is_whole, (0, 3, np.int16(3), np.uint8(0))))
    assert not any(map(is_whole, (True, np.True_, 3.0, "3", None, -1, math.nan)))
    assert is_whole(-1, least=-1)
    assert all(map(is_real, (0, -1.5, np.float32(1), np.int64(2))))
    assert not any(map(is_real, (False, np.False_, "1", None, math.inf, math.nan, 1j)))


def test_values_come_back_as_numbers_of_python():
    assert type(check_whole("x", np.int8(3))) is int
    assert type(check_real("x", np.float32(0.5), "must be a number")) is float
    assert type(check_finite("x", np.int64(2))) is float


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_whole("A.n", 0, 1), "A.n: must be a whole number, at least 1; got 0."),
        (lambda: check_whole("A.n", True), "A.n: must be a whole number, at least 0; got True."),
        (lambda: check_whole("A.n", 1.0, 1, of="slots"), "A.n: must be a whole number of slots, at least 1; got 1.0."),
        (lambda: check_whole("A.n", 25, 1, most=24), "A.n: must be a whole number from 1 to 24; got 25."),
        (lambda: check_real("A.x", math.nan, "must be above 0 V", above=0.0), "A.x: must be above 0 V; got nan."),
        (lambda: check_real("A.x", 0, "must be above 0 V", above=0.0), "A.x: must be above 0 V; got 0."),
        (lambda: check_real("A.x", -1, "must be at least 0", least=0.0), "A.x: must be at least 0; got -1."),
        (lambda: check_real("A.x", 1.0, "must be below 1", below=1.0), "A.x: must be below 1; got 1.0."),
        (lambda: check_real("A.x", 2, "must be at most 1", most=1.0, got="2 S"), "A.x: must be at most 1; got 2 S."),
        (lambda: check_finite("A.x", "1"), "A.x: must be a number; got '1'."),
        (lambda: check_finite("A.x", math.inf), "A.x: must be finite; got inf."),
        (lambda: check_choice("A.way", "c", ("a", "b")), "A.way: must be one of 'a', 'b'; got 'c'."),
        (lambda: check_choice("A.way", 1, (True, False)), "A.way: must be one of True, False; got 1."),
        (lambda: check_choice("A.way", "d", ("a", "b", "c"), either=True), "A.way: must be 'a', 'b' or 'c'; got 'd'."),
    ],
)
def test_one_form_of_error(check, message):
    with pytest.raises(ship.ParameterError) as caught:
        check()
    assert str(caught.value) == message


def test_the_class_of_the_error_is_the_callers():
    with pytest.raises(ship.RunError, match=r"run: n: must be a whole number, at least 0; got -1\."):
        check_whole("run: n", -1, error=ship.RunError)
