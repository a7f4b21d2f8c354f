"""Several measurements make one device: each part from its own file, conflicts by name, and project files."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_provenance import VALUES

import ship
from measurements import two_files
from ship.devices import AdditiveNoise, Bounded, Origin, PowerDrift, Unmeasured
from ship.devices.files import device_text, read_device
from ship.devices.fitting import Estimate, Fitted, Found
from ship.devices.fitting.project import is_project, load_project
from ship.devices.provenance import DEFAULT, FACTS, MISSING, NUMBERS, PARTS
from ship.devices.reading.spelling import for_command

WINDOW = ("g_min", "g_max")


def found(source, kind="pulses", intervals=(), spreads=(), correlated=(), **values):
    """The fit of a measurement that determines some numbers and parts."""
    origin = Origin("measured", "", kind, source, "0" * 64, "rows 2 to 9")
    origins = {n: DEFAULT if n in NUMBERS else MISSING for n in FACTS} | dict.fromkeys((*values, *spreads), origin)
    device = ship.Device(name=source, origins=origins, correlated=correlated, **({"update": Unmeasured()} | values))
    first = Fitted("law", dict(intervals), 0.01, 0.0, 2)
    return Found(kind, source, "0" * 64, (first,), "rms", {}, [], [], {"replicates": 20}, outcome=device)


def bare(source, **measured):
    """A measurement that determines a part, but no device."""
    return Found(
        "retention", source, "1" * 64, (), "rms", {}, [], [], {}, outcome=ship.FitError(source, "none"), measured=measured
    )


PULSES = {"g_min": 5e-6, "g_max": 50e-6, "update": Bounded(alpha_p=0.02), "noise": AdditiveNoise()}


class TestEachFromItsOwn:
    def test_three_files(self):
        made = ship.fit_device(
            [found("p.csv", **PULSES), bare("r.csv", retention=PowerDrift(nu=0.02)), found("i.csv", "iv", v_read=0.2)],
            name="mine",
        )
        assert made.device.name == "mine"
        assert made.given == {"p.csv": ("g_min", "g_max", "update", "noise"), "r.csv": ("retention",), "i.csv": ("v_read",)}
        assert made.device.retention == PowerDrift(nu=0.02)
        sources = {n: made.device.origin_of(n).source for n in ("g_max", "update", "retention", "v_read")}
        assert sources == {"g_max": "p.csv", "update": "p.csv", "retention": "r.csv", "v_read": "i.csv"}
        assert made.device.origin_of("retention").sha256 == "1" * 64
        assert made.device.origin_of("v_set") == DEFAULT
        assert made.device.origin_of("iv") == MISSING
        assert not made.conflicts
        assert "  r.csv  retention: retention" in str(made)

    def test_a_part_that_was_measured_to_be_none(self):
        made = ship.fit_device([found("p.csv", **PULSES), bare("r.csv", retention=None)])
        assert made.device.retention is None
        assert made.device.origin_of("retention").status == "measured"

    def test_a_measurement_that_determines_nothing_is_named(self):
        made = ship.fit_device([found("p.csv", **PULSES), bare("f.csv")])
        assert made.notes == ("f.csv determines nothing of a device: f.csv: none.",)
        assert "f.csv  retention: nothing that the device has" in str(made)

    def test_correlations_stay_within_their_measurement(self):
        own = ("update.alpha_p", "g_max", 0.5)
        made = ship.fit_device([found("p.csv", correlated=(own,), **PULSES), found("i.csv", correlated=(own,), v_read=0.2)])
        assert made.device.correlated == (own,)

    def test_spreads(self):
        one = ship.fit_device([found("p.csv", spreads=("d2d",), **PULSES), found("i.csv", v_read=0.2)])
        assert one.device.origin_of("d2d").source == "p.csv"
        two = ship.fit_device([found("p.csv", spreads=("d2d",), **PULSES), found("i.csv", spreads=("d2d",), v_read=0.2)])
        assert two.device.origin_of("d2d").text.startswith("p.csv: ")

    def test_two_files_of_one_name(self):
        made = ship.fit_device([found("p.csv", **PULSES), bare("p.csv", retention=PowerDrift())])
        assert list(made.measurements) == ["p.csv", "p.csv#2"]
        assert made.given["p.csv#2"] == ("retention",)

    def test_assumptions_come_last(self):
        made = ship.fit_device([found("i.csv", g_min=1e-6, g_max=1e-5)], assume={"update": "gong_2018", "retention": "none"})
        assert made.device.origin_of("update").text.startswith("gong_2018")
        assert made.device.origin_of("retention").text == "none (ideal), by the user"
        with pytest.raises(ship.ParameterError, match=r"assume: update: was measured \(pulses of p.csv"):
            ship.fit_device([found("p.csv", **PULSES)], assume={"update": "gong_2018"})


class TestConflicts:
    def test_the_window_comes_with_the_law_of_pulses(self):
        """Whatever the order: a law in fractions of a window is not moved into another one, and the difference is named."""
        near = {"g_max": Estimate(60e-6, 58e-6, 62e-6, "S"), "g_min": Estimate(5e-6, 4e-6, 6e-6, "S")}
        other = found("i.csv", "iv", near, g_min=5e-6, g_max=60e-6)
        for order in ([found("p.csv", **PULSES), other], [other, found("p.csv", **PULSES)]):
            made = ship.fit_device(order)
            assert made.device.g_max == 50e-6
            assert made.conflicts == (
                "g_max is 6e-05 [5.8e-05, 6.2e-05] S in i.csv, and 5e-05 in p.csv: this one is taken, "
                "for the law of pulses is in it",
            )

    def test_within_their_intervals_they_agree(self):
        one = found("a.csv", "iv", {"g_max": Estimate(50e-6, 45e-6, 55e-6, "S")}, g_min=5e-6, g_max=50e-6)
        two = found("b.csv", "endurance", {"g_max": Estimate(54e-6, 52e-6, 57e-6, "S")}, g_min=5e-6, g_max=54e-6)
        made = ship.fit_device([one, two])
        assert made.device.g_max == 50e-6
        assert not made.conflicts

    def test_without_a_law_of_pulses_it_is_asked(self):
        files = [found("a.csv", "iv", g_min=5e-6, g_max=50e-6), found("b.csv", "endurance", g_min=5e-6, g_max=80e-6)]
        with pytest.raises(ship.FitError, match=r"g_max was measured in 2 of them, and they differ: 5e-05 in a.csv, 8"):
            ship.fit_device(files, take=None)
        with for_command(), pytest.raises(ship.FitError, match=r"--take window=a.csv, or --take window=b.csv"):
            ship.fit_device(files)
        made = ship.fit_device(files, take={"window": "b.csv"})
        assert made.device.g_max == 80e-6
        assert "as you say" in made.conflicts[0]
        assert made.device.origin_of("g_min").source == "b.csv"

    def test_both_ends_of_a_window_come_from_one_file(self):
        files = [found("a.csv", "iv", g_min=5e-6, g_max=50e-6), found("b.csv", "endurance", g_min=5e-6, g_max=80e-6)]
        made = ship.fit_device(files, take={"g_min": "b.csv"})
        assert made.device.origin_of("g_max").source == "b.csv"

    def test_a_part_in_two_files_is_asked(self):
        files = [found("p.csv", **PULSES), bare("r.csv", retention=PowerDrift(nu=0.02)), bare("s.csv", retention=None)]
        with pytest.raises(ship.FitError, match=r"retention was measured in 2.*PowerDrift in r.csv, none in s.csv") as error:
            ship.fit_device(files)
        assert "take={'retention': 'r.csv'}, or take={'retention': 's.csv'}" in str(error.value)
        assert ship.fit_device(files, take={"retention": "s.csv"}).device.retention is None
        same = [files[0], files[1], bare("t.csv", retention=PowerDrift(nu=0.02))]
        assert ship.fit_device(same).device.origin_of("retention").source == "r.csv"

    def test_read_voltages_that_differ_are_named(self):
        made = ship.fit_device([found("p.csv", v_read=0.1, **PULSES), found("i.csv", "iv", v_read=0.2)])
        assert made.device.v_read == 0.1
        assert made.conflicts[0].startswith("v_read is 0.2 in i.csv, and 0.1 in p.csv")

    @pytest.mark.parametrize(
        ("take", "said"),
        [
            ({"retentio": "p.csv"}, "no device has a 'retentio'.*Did you mean 'retention'"),
            ({"retention": "p.csv"}, "does not determine retention; got 'p.csv'. Known: 'r.csv'"),
            ({"window": "q.csv"}, "does not determine g_min; got 'q.csv'"),
        ],
    )
    def test_what_cannot_be_taken(self, take, said):
        with pytest.raises(ship.FitError, match=said):
            ship.fit_device([found("p.csv", **PULSES), bare("r.csv", retention=PowerDrift())], take=take)

    def test_no_window_no_device(self):
        with pytest.raises(
            ship.FitError, match=r"no measurement determines g_min and g_max; got r.csv \(retention\).*assume them"
        ) as e:
            ship.fit_device([bare("r.csv", retention=PowerDrift())])
        assert "ship.devices.assume(device, g_min='50e-6')" in str(e.value)
        made = ship.fit_device([bare("r.csv", retention=PowerDrift())], assume={"g_min": 1e-6, "g_max": 50e-6})
        assert made.device.origin_of("g_max").text == "by the user"

    def test_nothing_to_combine(self):
        for wrong in ([], "p.csv", {"up": [1.0]}):
            with pytest.raises(ship.ShipError, match="fit_device"):
                ship.fit_device(wrong)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(("a", "b", "c", "")), min_size=len(VALUES), max_size=len(VALUES)))
def test_any_parts_from_any_files_keep_their_origins(owners):
    """Each number and part is measured in one of three files, or in none: combined, saved and loaded it says so."""
    owner = dict(zip(VALUES, owners, strict=True))
    owner["g_min"] = owner["g_max"] = owner["g_max"] or "a"
    files = {s: {n: VALUES[n] for n in VALUES if owner[n] == s} for s in ("a", "b", "c")}
    made = ship.fit_device([found(f"{s}.csv", **values) for s, values in files.items()])
    again = read_device(device_text(made.device), "made")
    for device in (made.device, again):
        for name in (*NUMBERS, *PARTS):
            origin = device.origin_of(name)
            assert origin.source == (f"{owner[name]}.csv" if owner[name] else "")
            assert origin.status == ("measured" if owner[name] else "assumed" if name in NUMBERS else "missing")
    assert again == made.device


class TestFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        return two_files(tmp_path, 0)

    def write(self, folder, text):
        (folder / "mine.toml").write_text(text)
        return folder / "mine.toml"

    def test_a_project(self, folder):
        path = self.write(
            folder,
            'name = "mine"\n[[measurement]]\nfile = "pulses.csv"\n[[measurement]]\nfile = "decay.csv"\nkind = "retention"\n'
            'columns = {conductance = "G (uS)"}\n[assume]\nprogramming = "cmo_hfox"\n',
        )
        assert is_project(path)
        made = load_project(path).fit(replicates=20)
        assert made.device.name == "mine"
        assert made.device.retention.nu == pytest.approx(0.03, abs=0.002)  # (levels show no spread beyond their reads)
        assert made.device.origin_of("retention").rows == "rows 2 to 61"
        assert "cmo_hfox" in made.device.origin_of("programming").text
        saved = made.save(folder / "out")
        assert {str(p.relative_to(folder / "out")) for p in saved} >= {
            "device.toml", "report.json", "pulses/figure.png", "decay/report.json",
        }  # fmt: skip
        again = ship.load_device(folder / "out" / "device.toml")
        assert again == made.device
        assert dict(again.origins) == dict(made.device.origins)
        assert not is_project(folder / "out" / "device.toml")
        report = json.loads((folder / "out" / "report.json").read_text())
        assert report["known"]["retention"]["source"] == "decay.csv"
        assert report["given"]["pulses.csv"][:2] == ["g_min", "g_max"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("name = 3\n[[measurement]]\nfile = 'a.csv'", "mine.toml: name: must be text; got 3"),
            ("names = 'a'\n[[measurement]]\nfile = 'a.csv'", "a project has no entry 'names'.*Did you mean 'name'"),
            ("name = 'a'", "must list 1 to 100 measurements"),
            ("measurement = [1]", "must list 1 to 100 measurements"),
            ("[[measurement]]\nkind = 'iv'", "measurement 1: file: must be the name of a file"),
            ("[[measurement]]\nfile = ['a.csv', 3]", "measurement 1: file: must be the name of a file"),
            ("[[measurement]]\nfile = 'a.csv'\nunits = 'S'", "a measurement has no 'units'.*Did you mean 'unit'"),
            ("[[measurement]]\nfile = 'a.csv'\nkind = 1979-05-27", "kind: must not be a date"),
            ("[[measurement]]\nfile = 'a.csv'\n[take]\nupdate = 3", r"\[take\]: update: must be text; got 3"),
            ("[[measurement]]\nfile = 'a.csv'\n[assume]\nupdate = true", r"\[assume\]: update: must be a name or a number"),
            ("assume = 3\n[[measurement]]\nfile = 'a.csv'", r"\[assume\]: must be a table"),
            ("a = [", "is no readable TOML"),
        ],
    )
    def test_damaged_projects(self, tmp_path, text, said):
        with pytest.raises(ship.FileError, match=said):
            load_project(self.write(tmp_path, text))

    def test_options_are_checked_where_they_are_used(self, folder):
        for line in ("replicates = 3", "kind = 'ivs'", "columns = 'up'", "seed = 'x'"):
            project = load_project(self.write(folder, f"[[measurement]]\nfile = 'pulses.csv'\n{line}"))
            with pytest.raises(ship.ShipError, match="fit: "):
                project.fit()

    def test_a_missing_file(self, folder):
        with pytest.raises(ship.FileError, match=r"none\.csv"):
            load_project(self.write(folder, "[[measurement]]\nfile = 'none.csv'")).fit()

    def test_values_of_a_device_by_hand_are_no_measurement(self, folder):
        made = ship.fit(folder / "pulses.csv", replicates=20)
        changed = replace(made, outcome=replace(made.device, v_set=2.0))
        assert ship.fit_device([changed]).device.origin_of("v_set") == DEFAULT
