"""Where numbers and parts of a device come from: kept through copies, files and networks, and never said of another value."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ship
from ship.devices import Bounded, GaussianProgramming, LogDrift, Origin, PowerDrift, Unmeasured, Wear
from ship.devices.files import device_text, read_device
from ship.devices.provenance import DEFAULT, FACTS, GIVEN, MISSING, NUMBERS, PARTS, USER, stated
from ship.study import virtual_chips
from ship.train.checkpoint import network_identity

HERE = Origin("measured", "kept", "pulses", "a.csv", "0" * 64, "rows 2 to 101")
VALUES = {
    "g_min": 2e-6,
    "g_max": ship.Varied(80e-6, d2d=0.05),
    "v_read": 0.2,
    "t_read": 2e-7,
    "v_set": 1.4,
    "v_reset": -1.6,
    "t_write": 5e-8,
    "update": Bounded(alpha_p=ship.Varied(0.02, c2c=0.1)),
    "programming": GaussianProgramming(sigma=1e-6),
    "retention": PowerDrift(nu=0.03),
    "noise": ship.devices.AdditiveNoise(),
    "iv": ship.devices.SinhIV(),
    "faults": ship.devices.Stuck(low=0.01),
    "endurance": Wear(),
    "thermal": ship.devices.Arrhenius(),
}


def partly(names, name="probe"):
    """A device of which only some numbers and parts were measured."""
    origins = {n: DEFAULT if n in NUMBERS else MISSING for n in FACTS} | dict.fromkeys(names, HERE)
    values = {"update": Unmeasured()} | {n: VALUES[n] for n in names if n in VALUES}
    return ship.Device(name=name, origins=origins, **values)


class TestRule:
    """An origin belongs to the value that it was said of."""

    def test_another_law_is_the_users(self):
        made = replace(partly(["g_max", "update", "retention"]), update=Bounded(alpha_p=0.5))
        assert made.origin_of("update") == USER
        assert made.origin_of("g_max") == made.origin_of("retention") == HERE

    def test_another_number_is_the_users_and_the_same_one_is_not(self):
        made = partly(["g_max", "v_set"])
        assert replace(made, v_set=1.5).origin_of("v_set") == USER
        assert replace(made, v_set=1.4).origin_of("v_set") == HERE
        assert replace(made, t_write=1e-6).origin_of("t_write") == USER

    def test_a_part_in_the_place_of_a_missing_one_is_the_users(self):
        assert replace(partly(["g_max"]), retention=LogDrift()).origin_of("retention") == USER
        origins = {"retention": MISSING, "update": HERE}
        made = ship.Device(retention=LogDrift(), update=Unmeasured(), origins=origins)
        assert made.origin_of("retention") == USER
        assert made.origin_of("update") == MISSING, "no law can have been measured where there is none"

    def test_a_measured_part_that_is_taken_out_is_the_users_word(self):
        made = replace(partly(["noise", "update"]), noise=None)
        assert made.origin_of("noise") == USER
        assert replace(made, update=Unmeasured()).origin_of("update") == MISSING

    def test_spreads_follow_what_they_were_said_of(self):
        made = partly(["g_max", "update", "d2d", "c2c"])
        assert replace(made, g_max=80e-6).origin_of("d2d") == MISSING
        assert replace(made, g_max=ship.Varied(80e-6, d2d=0.3)).origin_of("d2d") == USER
        assert replace(made, update=Bounded(noise=0.1)).origin_of("c2c") == USER
        assert replace(made, v_set=1.7).origin_of("c2c") == HERE

    def test_new_origins_are_taken_as_given(self):
        other = Origin("measured", source="b.csv")
        made = replace(partly(["update"]), update=Bounded(), origins={"update": other})
        assert made.origin_of("update") == other
        assert made.origin_of("retention") == USER, "nothing is said of it"

    def test_a_device_by_hand_says_nothing(self):
        made = ship.Device()
        assert not made.origins
        assert made.origin_of("v_set") == GIVEN
        assert stated(made, ("v_set",)) == []
        assert not replace(made, update=Unmeasured(), g_max=2e-5).origins

    def test_bare_says_nothing(self):
        assert not partly(["update", "noise"]).bare.origins

    @pytest.mark.parametrize(
        ("origins", "said"),
        [
            ({"gmax": MISSING}, "no device has a 'gmax'. Known: .* Did you mean 'g_max'"),
            ({"g_max": "measured"}, r"Device.origins: must be Mapping\[str, Origin\]; got"),
        ],
    )
    def test_refusals(self, origins, said):
        with pytest.raises(ship.ParameterError, match=said):
            ship.Device(origins=origins)

    def test_an_origin_is_words(self):
        with pytest.raises(ship.ParameterError, match=r"Origin\.status"):
            Origin("guessed")
        with pytest.raises(ship.ParameterError, match=r"Origin\.source: must be text"):
            Origin("measured", source="x" * 2000)
        with pytest.raises(ship.ParameterError, match="no device has a 'sigma'"):
            ship.Device().origin_of("sigma")


@settings(deadline=None, max_examples=60)
@given(st.sets(st.sampled_from((*NUMBERS, *PARTS)), min_size=1))
def test_any_part_keeps_its_origin(names):
    """Through files, deep copies and replacements of what has nothing to do with it."""
    made = partly(sorted(names))
    again = read_device(device_text(made), "a.toml")
    for other in (again, copy.deepcopy(made), replace(made, name="other"), replace(again, correlated=())):
        assert dict(other.origins) == dict(made.origins)
        assert {n for n in (*NUMBERS, *PARTS) if other.origin_of(n).status == "measured"} == names
    assert again == made
    assert device_text(again) == device_text(made)
    changed = replace(again, v_set=9.0)
    assert changed.origin_of("v_set") == USER
    assert all(changed.origin_of(n) == HERE for n in names - {"v_set"})


class TestFiles:
    def test_a_file_without_origins_is_all_the_users(self):
        text = device_text(ship.Device(retention=PowerDrift()))
        assert "origins" not in text
        assert not read_device(text, "a.toml").origins

    def test_saved_over_a_file_with_comments(self, tmp_path):
        path, made = tmp_path / "a.toml", partly(["update", "g_max"])
        ship.save_device(made, path)
        path.write_text(path.read_text().replace("[origins]", "[origins]  # of the bench"))
        ship.save_device(replace(made, v_set=2.0), path)
        assert "# of the bench" in path.read_text()
        assert ship.load_device(path).origin_of("v_set") == USER

    def test_a_part_added_by_hand_is_the_users(self):
        text = device_text(partly(["update"])) + '\n[retention]\nclass = "PowerDrift"\n'
        made = read_device(text, "a.toml")
        assert made.origin_of("retention") == USER
        assert made.origin_of("update") == HERE

    @pytest.mark.parametrize(
        ("entry", "said"),
        [
            ("origins = 3", r"\[origins\]: must be a table; got 3"),
            ('[origins]\nupdat = {status = "missing"}', "no device has a 'updat'.*Did you mean 'update'"),
            ('[origins]\nupdate = "measured"', "update: must be a table with a status: measured, assumed, missing"),
            ('[origins]\nupdate = {status = "sure"}', "update: does not hold a valid origin: Origin.status"),
            ('[origins]\nupdate = {status = "measured", rows = 3}', "Origin.rows: must be str; got 3"),
            ('[origins]\nupdate = {status = "measured", file = "a"}', "an origin has no 'file'"),
            ('[origins]\nupdate = {status = ["measured"]}', "does not hold a valid origin"),
        ],
    )
    def test_damaged_origins(self, entry, said):
        text = 'format = "ship-device"\nversion = 1\nclass = "Device"\n' + entry
        with pytest.raises(ship.FileError, match=said):
            read_device(text, "a.toml")

    def test_words_of_strangers_stay_one_line(self):
        made = partly([])
        made = replace(made, origins=dict(made.origins) | {"g_max": Origin("measured", "\x1b[2Jred\nline")})
        again = read_device(device_text(made), "a.toml")
        assert again.origin_of("g_max") == made.origin_of("g_max")
        assert "\x1b" not in str(again.known())
        assert "\\nline" in str(again.known())


class TestKnown:
    def test_table(self):
        text = str(partly(["g_max", "update", "c2c"]).known())
        assert text.splitlines() == [
            "What is known about 'probe'",
            "part    value               status    from",
            "g_max   8e-05 S (0.05 d2d)  measured  pulses of a.csv, rows 2 to 101; kept",
            "update  Bounded             measured  pulses of a.csv, rows 2 to 101; kept",
            "c2c     update.alpha_p      measured  pulses of a.csv, rows 2 to 101; kept",
            "Assumed, defaults of ship.Device: g_min 1e-06 S, v_read 0.1 V, t_read 1e-07 s, v_set 1 V, v_reset -1 V, "
            "t_write 1e-07 s.",
            "Missing: programming, retention, noise, iv, faults, endurance, thermal, d2d.",
        ]

    def test_by_status_and_as_plain_data(self):
        known = partly(["g_max", "retention"]).known()
        assert known.names("measured") == ("g_max", "retention")
        assert "update" in known.names("missing")
        assert json.loads(json.dumps(known.as_dict()))["g_max"] == HERE.as_dict()
        assert "<table>" in known._repr_html_()
        with pytest.raises(ship.ParameterError):
            known.names("guessed")

    def test_by_hand(self):
        text = str(ship.Device().known())
        assert "As the device was made: g_min 1e-06 S" in text
        assert "retention none" in text

    def test_one_origin_is_said_once(self):
        made = partly(["v_read"])
        said = stated(made, ("v_read", "v_set", "t_write"))
        assert said == [
            "v_read: measured: pulses of a.csv, rows 2 to 101; kept",
            "v_set, t_write: assumed: default of ship.Device",
        ]


def network(device, **more):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=3)
    net.add(ship.LIF, "hid", n=2, v_th=1e-3, output=True)
    net.add(ship.ExpSynapse, "syn", source="in", target="hid", weight=1e-4, device=device, **more)
    net.init(dt=1e-3, seed=0)
    return net


class TestNetworks:
    def test_a_network_file_keeps_them(self, tmp_path):
        made = partly(["g_min", "g_max", "programming", "retention"])
        net = network(made)
        ship.save(net, tmp_path / "a.ship")
        again = ship.load(tmp_path / "a.ship").specs["syn"].device
        assert again == made
        assert dict(again.origins) == dict(made.origins)

    def test_virtual_chips_keep_them(self):
        made = partly(["g_min", "g_max", "programming"])
        chips = virtual_chips(network(None), 2, device=made, mapping=ship.Differential())
        assert dict(chips.specs["syn"].device.origins) == dict(made.origins)

    def test_a_checkpoint_asks_for_the_same_device_not_for_the_same_origins(self):
        made = partly(["g_min", "g_max", "programming", "update"])
        one, other = network(made), network(replace(made, origins={}))
        assert network_identity(one) == network_identity(other)
        assert network_identity(one) != network_identity(network(replace(made, g_min=1e-7)))

    @pytest.mark.filterwarnings("ignore:.*starve")
    def test_energies_say_whether_voltages_were_measured(self):
        net = network(partly(["g_min", "g_max", "programming", "v_read", "update"]))
        net.meter()
        net.program()
        net.run(torch.ones(5, 1, 3))
        ledger = net.energy
        said = ["syn: v_read: measured: pulses of a.csv, rows 2 to 101; kept"]
        said += ["syn: t_read, v_set, v_reset, t_write: assumed: default of ship.Device"]
        assert list(ledger.origins) == ledger.to_dict()["origins"] == said
        assert "voltages and widths of pulses:\n  syn: v_read: measured" in str(ledger)

    @pytest.mark.filterwarnings("ignore:.*starve")
    def test_one_without_a_law_of_writing_warns_that_it_is_written_exactly(self):
        net = network(partly(["g_min", "g_max", "update"]))
        with pytest.warns(
            UserWarning, match="Network.program: 'syn' was written exactly, for 'probe' has no law of writing"
        ) as found:
            net.program()
        assert sum("exactly" in str(w.message) for w in found) == 1
        assert found[-1].filename == __file__
        assert "was written exactly" in net.explain()

    @pytest.mark.filterwarnings("error:.*exactly", "ignore:.*starve")
    def test_nothing_is_warned_where_it_was_said(self):
        network(partly(["g_min", "g_max", "update", "programming"])).program()
        network(ship.devices.assume(partly(["g_min", "g_max", "update"]), programming="none")).program()
        network(partly(["g_min", "g_max", "update"])).program(verify=ship.WriteVerify(0.2, by="train", most=100))
        by_hand = network(ship.Device(retention=PowerDrift()))
        by_hand.program()
        assert "was written exactly" in by_hand.explain(), "of a device made by hand, explain says it"

    def test_one_without_a_law_of_pulses_refuses_pulses(self):
        array = ship.DeviceArray(partly(["g_min", "g_max"]), 4)
        with pytest.raises(ship.ParameterError, match=r"was not measured.*ship\.devices\.assume\(device, update='gong_2018'\)"):
            array.pulse(count=1)
        array.write(2e-5)
        assert torch.allclose(array.read(), torch.tensor(2e-5, dtype=array.dtype))
