"""Assumptions by the user in the place of what was not measured: taken from the library by name, and said."""

from dataclasses import replace

import pytest
import torch

import ship
from ship.base.parameters import declared
from ship.devices import AdditiveNoise, Origin, PowerDrift, Unmeasured, assume, library
from ship.devices.assume import ABSOLUTE, IN_SIEMENS
from ship.devices.provenance import DEFAULT, FACTS, GIVEN, MISSING, NUMBERS, PARTS, USER
from ship.devices.reading.spelling import for_command

MEASURED = Origin("measured", kind="iv", source="iv.csv")


def window_only(low=10e-6, high=50e-6, **more):
    """A device as an I-V loop leaves it: a window, and nothing of pulses."""
    origins = {n: DEFAULT if n in NUMBERS else MISSING for n in FACTS} | dict.fromkeys(("g_min", "g_max", *more), MEASURED)
    return ship.Device(**({"name": "iv", "g_min": low, "g_max": high, "update": Unmeasured(), "origins": origins} | more))


def test_a_law_by_name():
    made = assume(window_only(), update="gong_2018")
    assert made.update == ship.devices.gong_2018().update
    assert made.origin_of("update") == Origin("assumed", "gong_2018 (Gong et al., Nat. Commun. 9:2102 (2018)), by the user")
    assert made.origin_of("g_max") == MEASURED
    assert made.origin_of("retention") == MISSING
    array = ship.DeviceArray(made, 10, variation=False)
    array.pulse(count=1000)
    assert float(array.conductance().min()) == pytest.approx(50e-6, rel=1e-3), "1000 pulses lead to the end of its own window"


def test_what_is_in_siemens_is_scaled_and_said():
    """sigma = 9.5 % of the window of 99 uS; a window of 40 uS has 9.5 % of its own."""
    made = assume(window_only(), noise="gong_2018")
    assert made.noise.sigma == pytest.approx(0.095 * 40e-6)
    assert "sigma times 0.404, the ratio of the windows, by the user" in made.origin_of("noise").text
    spread = AdditiveNoise(sigma=ship.Varied(1e-6, d2d=0.1, c2c_abs=1e-7))
    from ship.devices.assume import _scaled

    assert _scaled(spread.sigma, 2.0) == ship.Varied(2e-6, d2d=0.1, c2c_abs=2e-7)


def test_parts_in_siemens_are_listed():
    """Each part of the library with a parameter in S is known to the table, so none is taken over unscaled in silence."""
    relative = {"PolynomialProgramming", "ReRAMRelaxation"}  # times g_max / g_ref, by their own equations
    for name, make in library().items():
        device = make()
        for part in (getattr(device, n) for n in PARTS if n != "update"):
            units = [] if part is None else [p.unit for p in declared(type(part))[0].values()]
            if any(unit == "S" for unit in units):
                assert type(part).__name__ in {*IN_SIEMENS, *ABSOLUTE} | relative, name


def test_a_law_of_a_material_holds_in_its_window():
    assert assume(window_only(50e-6, 120e-6), retention="hfo2_memory").retention == ship.devices.hfo2_memory().retention
    with pytest.raises(
        ship.ParameterError, match=r"HfO2Drift is a law in S, from 5e-05 to 0.00012 S, and the window must lie within"
    ):
        assume(window_only(), retention="hfo2_memory")


def test_none_is_a_word_of_the_user():
    for word in ("none", "ideal", None):
        made = assume(window_only(), retention=word)
        assert made.retention is None
        assert made.origin_of("retention") == Origin("assumed", "none (ideal), by the user")


def test_a_law_of_voltages_needs_voltages():
    """Domains of a FeFET do not switch at the 1 V that every device has by default: then nothing would move, in silence."""
    with pytest.raises(
        ship.ParameterError, match="FeFET acts by the voltage of pulses, and v_set, v_reset, t_write of this"
    ) as error:
        assume(window_only(), update="deng_fefet")
    assert "ship.devices.assume(device, v_set='deng_fefet')" in str(error.value)
    given = {n: getattr(ship.devices.deng_fefet(), n) for n in ("v_set", "v_reset", "t_write")}
    made = assume(window_only(), update="deng_fefet", **given)
    array = ship.DeviceArray(made, 4, variation=False)
    before = array.conductance()
    array.pulse(count=1)
    assert not torch.equal(array.conductance(), before)


def test_parts_and_numbers():
    made = assume(window_only(), retention=PowerDrift(nu=0.02), v_set=1.4, v_reset="-1.2", t_write="ag_asi")
    assert made.retention == PowerDrift(nu=0.02)
    assert (made.v_set, made.v_reset, made.t_write) == (1.4, -1.2, 300e-6)
    assert made.origin_of("retention").text == "PowerDrift, by the user"
    assert made.origin_of("v_set") == USER
    assert made.origin_of("t_write").text == "ag_asi, by the user"


def test_a_device_by_hand():
    made = assume(ship.Device(), update="gong_2018")
    assert made.origin_of("update").text.startswith("gong_2018")
    assert made.origin_of("g_max") == GIVEN


def test_spreads_of_what_is_assumed():
    bare = assume(window_only(), update="reram_sb")  # its law has a spread
    assert bare.origin_of("d2d") == USER
    some = window_only()
    some = replace(some, g_max=ship.Varied(50e-6, d2d=0.1), origins=dict(some.origins) | {"d2d": MEASURED})
    both = assume(some, update="reram_sb")
    assert both.origin_of("d2d") == replace(MEASURED, text="that of update is assumed")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"updat": "gong_2018"}, "assume: updat: no device has a 'updat'. Known: .* Did you mean 'update'"),
        ({"update": "gong"}, "no device of the library is named 'gong'.*Did you mean 'gong_2018'"),
        ({"update": "hermes"}, "'hermes' has no update. These have one: ag_asi, capacitor, deng_fefet,"),
        ({"update": "none"}, "must be given: no device is without it"),
        ({"update": "kvatinsky_vteam"}, "VTEAM has a window of its own, and would move the device out of the one it has"),
        ({"update": "cnr"}, "LogarithmicPulses has a window of its own"),
        ({"update": PowerDrift()}, "must be the name of a device of the library, or a part of the kind Update"),
        ({"g_max": 1e-4}, r"assume: g_max: was measured \(iv of iv.csv\). Leave it out; to replace it, dataclasses.replace"),
        ({"v_set": "much"}, "no device of the library is named 'much'"),
        ({"v_set": "hermes"}, "'hermes' has no v_set. These have one: ag_asi,"),
        ({"thermal": "pcm"}, "'pcm' has no thermal. None has one"),
        ({"retention": 3.0}, "must be"),
    ],
)
def test_refusals(given, said):
    with pytest.raises(ship.ParameterError, match=said):
        assume(window_only(), **given)


def test_remedies_in_both_spellings():
    array = ship.DeviceArray(window_only(), 2)
    with for_command(), pytest.raises(ship.ParameterError, match="assume a law by name: --assume update=gong_2018"):
        array.pulse(count=1)
    with pytest.raises(ship.ParameterError, match=r"ship\.devices\.assume\(device, update='gong_2018'\)"):
        array.pulse(count=1)


def test_every_law_of_the_library_acts_or_is_refused():
    """Whatever is taken: a device that can be written, pulsed and read within its window, or an error that says why."""
    taken, refused = 0, []
    for name in library():
        for part in PARTS:
            try:
                made = assume(window_only(8e-6, 90e-6), **{part: name})
            except ship.ParameterError as error:
                refused.append(str(error).startswith(f"assume: {part}: "))
                continue
            taken += 1
            assert name in made.origin_of(part).text
            array = ship.DeviceArray(made, 4, chips=2)
            low, high = array.window()
            assert float(low.min()) >= 0
            assert float(high.max()) <= 2 * 90e-6
            array.write(4e-5)
            if part == "update":
                array.pulse(count=3)
            assert bool(torch.isfinite(array.read()).all())
    assert taken > 15
    assert all(refused)
