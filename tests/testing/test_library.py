"""Every model, every rule and every part of a device that the library exports passes the conformance kit. What is exported is
covered: a new one needs an entry here only where the kit must be told something that it cannot know.
"""

import warnings

import pytest

import ship
from ship import devices
from ship.models.contract import Connection, Neuron, Rule, Source
from ship.testing import check_device_part, check_model, check_rule
from ship.testing.check import MODEL_CHECKS, RULE_CHECKS
from ship.testing.devices.events import PARTS
from ship.testing.extremes import classes

MODELS = classes(ship.models, (Neuron, Connection, Source))
RULES = classes(ship.models, Rule)
# What the kit is told, with the reason.
TOLD = {
    "Diffusive": {"unipolar": True},  # a volatile filament: both polarities grow it, and rest dissolves it
    "BraderFusi": {"silent": False},  # weights drift to one of two stable values between spikes
    "SynapticScaling": {"silent": False},  # a silent neuron's weights grow
    "SpikeListSource": {"time": (2e-3, 5e-3, 20e-3, 30e-3), "unit": (0, 0, 0, 0)},  # without a list it is silent
    "EProp": {"skip": ("convergence in dt",)},  # its trace takes the surrogate's derivative once a slot: dt belongs to the rule
    "EscapeLIF": {"skip": ("noise",)},  # theta is a threshold that is drawn for one slot; its rate has a test of its own
    "DelayedSynapse": {"skip": ("convergence in dt",)},  # its states are the slots of a delay line
    "RelaxationOscillator": {"r_load": 50e3},  # its port for a supply acts through a load resistor, by default there is none
    "PlateauDendrite": {"skip": ("gradients",)},  # the onset of a plateau has a surrogate gradient
}
# The kernels of these models are compared with the reference engine in tests/engine, in more networks than here.
QUICK = ("engines",)


def only(*names):
    """What to skip to do nothing but these checks."""
    return tuple(name for name, _ in MODEL_CHECKS if name not in names)


def told(cls):
    own = TOLD.get(cls.__name__, {})
    return own | {"skip": (*QUICK, *own.get("skip", ()))}


def passes(report):
    assert report.ok, f"\n{report}"
    assert sum(f.verdict == "pass" for f in report.findings) >= 7, report


@pytest.fixture(autouse=True)
def quiet():
    """Warnings of extreme parameters are part of what is looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("model", MODELS, ids=lambda c: c.__name__)
def test_every_model_passes(model):
    passes(check_model(model, **told(model)))


@pytest.mark.parametrize("rule", RULES, ids=lambda c: c.__name__)
def test_every_rule_passes(rule):
    passes(check_rule(rule, **told(rule)))


@pytest.mark.parametrize("part", classes(devices, PARTS), ids=lambda c: c.__name__)
def test_every_part_passes(part):
    passes(check_device_part(part, **TOLD.get(part.__name__, {})))


@pytest.mark.parametrize("model", [ship.LIF, ship.ExpSynapse, ship.PairSTDP], ids=lambda c: c.__name__)
def test_both_engines_are_compared(model):
    rule = issubclass(model, Rule)
    skip = [name for name, _ in (RULE_CHECKS if rule else MODEL_CHECKS) if name != "engines"]
    found = (check_rule if rule else check_model)(model, skip=skip)["engines"]
    assert found.verdict == "pass"
    assert "kernel" in found.seen


def test_known_numbers_are_measured():
    """Orders that are stated in the docstrings of the models, and time constants."""
    dt, tau = only("convergence in dt"), only("time constants in seconds")
    assert "v exact" in check_model(ship.LIF, skip=dt)["convergence in dt"].seen  # exact for a current constant over the slot
    seen = check_model(ship.AdEx, skip=dt, order=1)["convergence in dt"].seen  # exponential Euler
    assert 0.8 < float(seen.split("v order ")[1].split(",")[0]) < 1.3
    seen = check_model(ship.ExpSynapse, skip=dt, order=2)["convergence in dt"].seen  # a current taken as constant over the slot
    assert 1.8 < float(seen.split("order ")[1]) < 2.2
    seen = check_model(ship.DoubleExpSynapse, skip=tau)["time constants in seconds"].seen
    assert "tau: declared 0.01 s, measured 0.01 s" in seen
    assert "tau_rise: declared 0.002 s, measured 0.002 s" in seen


def test_settings_reach_the_model():
    slow = check_model(ship.LIF, tau=50e-3, t_ref=2e-3, skip=only("time constants in seconds", "run in pieces"))
    assert slow.ok, slow
    assert "0.05 s" in slow["time constants in seconds"].seen
    late = check_model(ship.LIF, emit_order="after", skip=only("convergence in dt", "change of dt", "batch"))
    assert late.ok, late
    assert "exact" in late["convergence in dt"].seen
    assert check_model(ship.ExpSynapse, side="connection", skip=only("chips", "gradients", "parameters by unit")).ok


def test_more_input_more_output():
    drive = {"charge": 100.0, "impulse": 0.0}
    report = check_model(ship.LIF, drive=drive, rises=("charge",), skip=only("rises with its input"))
    assert report["rises with its input"].verdict == "pass"
    report = check_model(ship.LIF, drive={"charge": -100.0, "impulse": 0.0}, rises=("charge",), skip=only("rises with its input"))
    assert report["rises with its input"].verdict == "fail"
