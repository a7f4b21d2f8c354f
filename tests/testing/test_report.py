"""What a report looks like, what becomes of an error inside a model, and the errors of wrong calls of the kit."""

from dataclasses import dataclass

import pytest
from test_planted_faults import InPlace, Sound, V

import ship
from ship.devices import Device
from ship.devices.update.bounded import Bounded
from ship.testing import check_device_part, check_model, check_rule

QUICK = ("engines",)


def test_the_report_is_a_table_and_an_error():
    report = check_model(InPlace, skip=QUICK)
    text = str(report)
    assert "arguments stay as they are      FAIL" in text
    assert "Return new tensors" in text
    assert report["engines"].verdict == "does not apply"
    assert max(map(len, text.splitlines())) <= 136
    assert "<table>" in report._repr_html_()
    with pytest.raises(ship.ModelError, match=r"check_model\(InPlace\): must pass every check; got .* failed \(.*in place"):
        report.raise_if_failed()


@dataclass(frozen=True)
class Raises(Sound):
    """A function raises an error."""

    def evolve(self, state, x, p, c):
        return V(state.w)


def test_an_error_inside_a_model_is_a_finding():
    report = check_model(Raises)
    assert not report.ok
    assert "no attribute 'w'" in report["runs"].seen


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: check_model(ship.LIF, tua=1.0), r"check_model\(LIF\): tua: is no parameter. .*Did you mean 'tau'"),
        (lambda: check_model(ship.LIF, drive={"chrage": 1.0}), r"no port named 'chrage'.*Did you mean 'charge'"),
        (lambda: check_model(ship.LIF, skip=("engine",)), r"no check named 'engine'.*Did you mean 'engines'"),
        (lambda: check_model(ship.PairSTDP), r"takes no learning rule"),
        (lambda: check_rule(ship.PairSTDP, a_pluss=1.0), r"a_pluss: is no parameter"),
        (lambda: check_device_part(Device), r"must be a part of a device; got Device. Kinds: Update"),
        (lambda: check_device_part(Bounded, alpha=1.0), r"alpha: is no parameter"),
        (lambda: check_model("LIF"), r"check_model: model"),
    ],
)
def test_wrong_calls(call, text):
    with pytest.raises(ship.ParameterError, match=text):
        call()
