"""Numbers that are small, large or near each other: what float32 must still get right, and what is said where it cannot."""

import math

import numpy as np
import pytest
import torch

import ship
from parts import after, bag, t
from ship import devices
from ship.base.parameters import Parameter
from ship.base.parameters.bag import Bag
from ship.base.parameters.resolve import resolve, varied
from ship.devices.array.array import DeviceArray
from ship.devices.device import Values
from ship.devices.memristor.diffusive import Silver
from ship.models.integrals import lost, pair, spread, triple

F32, F64 = torch.float32, torch.float64
ENGINES = ("reference", "fused")
pytestmark = pytest.mark.usefixtures("no_grad")


def driven(target, synapse, *, dt, steps, dtype=F32, engine="reference", target_options=None, **options):
    """One event at time 0 through a synapse; the network after the run, with what it monitored."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(target, "t", n=1, **(target_options or {}))
    net.add(synapse, "s", source="in", target="t", weight=1.0, **options)
    net.init(dt=dt, dtype=dtype, engine=engine)
    net.monitor("s", "output")
    net.monitor("t", "v")
    x = torch.zeros(1, steps, 1)
    x[0, 0] = 1
    net.run(x)
    return net.records["s"].output[0, :, 0], net.records["t"].v[0, :, 0]


# -- integrals -----------------------------------------------------------------------------------------------------------------

ZS = [0.0, 1e-12, 1e-7, 3e-4, 0.0099, 0.011, 0.3, 0.30001, 2.0, 40.0, 800.0, 1e6, 1e15]


def test_integrals_against_50_digits():
    """Divided differences of exp(-z), by definition with 50 digits; what is below the smallest number is 0."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(80):
        exp = lambda z: mpmath.exp(-z)  # noqa: E731

        def divided(*z):
            if len(z) == 1:
                return exp(z[0])
            apart = [mpmath.mpf(x) + k * mpmath.mpf(10) ** -28 for k, x in enumerate(sorted(z))]  # equal ones: their limit
            if len(z) == 2:
                return (exp(apart[0]) - exp(apart[1])) / (apart[1] - apart[0])
            a, b, c = apart
            return ((exp(a) - exp(b)) / (b - a) - (exp(b) - exp(c)) / (c - b)) / (c - a)

        for a in ZS:
            assert float(spread(t(a))) == pytest.approx(float(divided(0.0, a)), rel=1e-14)
            assert float(lost(t(a))) == pytest.approx(float(-mpmath.expm1(-mpmath.mpf(a))), rel=1e-15)
            for b in ZS:
                assert float(pair(t(a), t(b))) == pytest.approx(float(divided(a, b)), rel=1e-12, abs=1e-300)
                for c in ZS:
                    assert float(triple(t(a), t(b), t(c))) == pytest.approx(float(divided(a, b, c)), rel=1e-12, abs=1e-300)


def test_a_membrane_decays_with_its_time_constant_at_any_slot():
    """tau 20 ms, dt 10 ns, one time constant of slots: exp(-1), though a slot changes v by 8 units in the last place; rounded
    one by one, they err by 0.6 % together. The coefficient exp(-dt / tau) in float32 errs by 4.5 % in each.
    """
    net = ship.Network()
    net.add(ship.LeakyIntegrator, "t", n=1, tau=20e-3, output=True, initial={"v": 1.0})
    short = {}
    for engine in ENGINES:
        net.init(dt=1e-8, engine=engine)
        short[engine] = net.run(steps=300)
    assert torch.equal(*short.values())
    v = net.run(steps=2_000_000)[0, -1, 0]
    assert -math.log(float(v)) == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_small_slot_of_an_alpha_synapse(engine):
    """Its charge in the first slot is ``1 - (1 + z) exp(-z) = z^2 / 2 - z^3 / 3 + ...``, z = 2e-5: seven digits, not none."""
    z = 1e-7 / 5e-3
    charge, _ = driven(ship.LeakyIntegrator, ship.AlphaSynapse, dt=1e-7, steps=2, engine=engine, tau=5e-3)
    assert float(charge[0]) == pytest.approx(z**2 / 2 - z**3 / 3, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("drive", ["charge", "exact"])
@pytest.mark.parametrize("part", [0.0, 1e-7, 1e-6, 1e-4, 1e-2])
def test_double_exponential_of_near_time_constants(part, drive, engine):
    """The total charge is the weight, and the current that of an alpha synapse to first order in the difference."""
    options = {"dt": 1e-3, "steps": 400, "engine": engine, "target_options": {"tau": math.inf}}
    charge, v = driven(
        ship.LeakyIntegrator, ship.DoubleExpSynapse, tau=10e-3, tau_rise=10e-3 * (1 - part), drive=drive, **options
    )
    alpha, _ = driven(ship.LeakyIntegrator, ship.AlphaSynapse, tau=10e-3, **options)
    assert float(charge.double().sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(v[-1]) == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(charge, alpha, rtol=1e-5, atol=float(alpha.max()) * (part + 1e-5))


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("model", [ship.ExpSynapse, ship.DoubleExpSynapse])
def test_exact_drive_in_slots_far_above_the_time_constants(model, dtype):
    """After a slot of 10^6 time constants of the membrane and 10^4 of the synapse nothing is left of an event."""
    options = {"tau": 1e-3, "target_options": {"tau": 1e-6}}
    charge, v = driven(ship.LeakyIntegrator, model, dt=10.0, steps=4, dtype=dtype, drive="exact", **options)
    assert torch.equal(v, torch.zeros_like(v))
    assert torch.isfinite(charge).all()


# -- AdEx ----------------------------------------------------------------------------------------------------------------------


def adex(dtype, engine="reference", dt=1e-4, level=1e-9, steps=3000, **options):
    net = ship.Network()
    net.add(ship.CurrentInput, "i", n=1)
    net.add(ship.AdEx, "t", n=1, output=True, **options)
    net.add(ship.Link, "l", source="i", target="t", port="current")
    net.init(dt=dt, dtype=dtype, engine=engine)
    return net.run(torch.full((1, steps, 1), level, dtype=dtype))[0, :, 0].nonzero().flatten()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("delta", [1e-7, 1e-9, 1e-30])
def test_adex_without_an_upswing_is_a_leaky_neuron(delta, dtype, engine):
    """``tau = C / g_L``, threshold v_T; the slot of the upswing comes on top of each interval. The voltage of the leaky neuron is
    that above E_L.
    """
    c, g, rest, v_t, level = 281e-12, 30e-9, -70.6e-3, -50.4e-3, 1e-9
    got = adex(dtype, engine, level=level, delta_t=delta, a=0.0, b=0.0)
    tau, dt = c / g, 1e-4
    slots = math.floor(-tau * math.log(1 - (v_t - rest) / (level / g)) / dt) + 1  # the first one above v_T
    assert len(got) > 20
    assert got.diff().unique().tolist() == [slots + 1]


@pytest.mark.parametrize("engine", ENGINES)
def test_adex_with_a_steep_upswing_spikes_on(engine):
    """10 nA at 1 ms and a slope of 0.1 mV, and 1 nA and 10 uV: exponentials of 504 and 5040 are beyond float32."""
    for options in ({"dt": 1e-3, "level": 10e-9, "steps": 400, "delta_t": 1e-4}, {"steps": 400, "delta_t": 1e-5, "b": 0.0}):
        got = adex(F32, engine, **options)
        assert got.tolist() == adex(F64, **options).tolist()
        assert len(got) > 3
        assert int(got[-1]) > 300


# -- dead times, notes, what is refused ----------------------------------------------------------------------------------------


def test_a_dead_time_that_float32_cannot_count_is_refused():
    net = ship.Network()
    net.add(ship.LIF, "t", n=1, t_ref=16_000.0)
    net.init(dt=1e-3)
    net.init(dt=1e-4, dtype=F64)
    with pytest.raises(
        ship.ParameterError, match=r"LIF 't'\.t_ref: must be at most 16777216 slots in float32.*got 160000000 slots"
    ):
        net.init(dt=1e-4)
    net.init(dt=1e-3)
    with pytest.raises(ship.ParameterError, match="must be at most 16777216 slots"):
        net.run(steps=1, dt=1e-4)


def test_coefficients_that_float32_cannot_hold_are_refused():
    """1 / tau^2 of an alpha synapse: 1e42 for 1e-21 s."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=1)
    net.add(ship.LIF, "t", n=1)
    net.add(ship.AlphaSynapse, "s", source="in", target="t", tau=1e-21)
    with pytest.raises(
        ship.ParameterError, match=r"AlphaSynapse 's': every coefficient must be a number of float32 for dt = 0\.00"
    ):
        net.init(dt=1e-3)
    net.init(dt=1e-3, dtype=F64)


def notes(dt=1e-3, dtype=F32, connection=None, **options):
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LIF, "t", n=2, **options)
    net.add(ship.ExpSynapse, "s", source="in", target="t", **(connection or {}))
    net.init(dt=dt, dtype=dtype)
    return net.explain()


def test_what_float32_cannot_resolve_is_noted():
    """A slot of 1e-7 tau changes a state by 1e-7 of it, which is rounded by up to 6e-8: 60 %."""
    assert "LIF 't': tau: a slot is 1.0e-07 of it, and float32 rounds what a state loses in a slot (by up to 60 %)" in notes(
        dt=1e-7, tau=1.0
    )
    assert "it may lose nothing at all" in notes(dt=1e-8, tau=1.0)
    assert "LIF 't': tau" not in notes(dt=1e-7, tau=1.0, dtype=F64)
    assert "rounds" not in notes(tau=math.inf)


def test_units_that_never_rest_are_noted():
    assert "2 of 2 units are at or above their threshold when they are reset" in notes(v_reset=1.0)
    assert "1 of 2 units are at or above" in notes(v_reset=[0.0, 2.0], t_ref=1e-3)
    assert "when they are reset" not in notes()


def test_vectors_that_could_be_meant_either_way_are_noted():
    assert "weight: a vector counts per target unit" in notes(connection={"weight": [1.0, 2.0]})
    assert "delay: a vector counts per source unit" in notes(connection={"delay": [1e-3, 2e-3]})
    clear = {"weight": torch.tensor([[1.0, 2.0]]), "delay": torch.tensor([[1e-3], [2e-3]])}
    assert "a vector" not in notes(connection=clear)


def test_a_vector_of_weights_counts_per_target_and_one_of_delays_per_source():
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=2)
    net.add(ship.LeakyIntegrator, "t", n=2, tau=math.inf, output=True)
    net.add(ship.ImpulseSynapse, "s", source="in", target="t", weight=[1.0, 10.0], delay=[0.0, 2e-3])
    net.init(dt=1e-3)
    x = torch.zeros(1, 4, 2)
    x[0, 0] = 1
    assert net.run(x)[0].tolist() == [[1, 10], [1, 10], [2, 20], [2, 20]]


@pytest.mark.parametrize("value", [True, np.True_, [True, False], torch.tensor([True, False]), np.array([True, False])])
def test_truth_values_are_no_quantities(value):
    for options in ({"tau": value}, {"v_th": ship.per_chip([1.0])} | {"t_ref": value}):
        net = ship.Network()
        net.add(ship.LIF, "t", n=2, **options)
        with pytest.raises(ship.ParameterError, match="must be numbers, not truth values; got"):
            net.init(dt=1e-3, chips=1)


ARRAYS = {
    "backwards": np.array([3.0, 2.0, 1.0])[::-1],
    "other byte order": np.array([1.0, 2.0, 3.0], dtype=">f8"),
    "every other": np.array([1.0, 0.0, 2.0, 0.0, 3.0])[::2],
    "unsigned": np.array([1, 2, 3], dtype=np.uint16),
    "long": np.array([1.0, 2.0, 3.0], dtype=np.longdouble),
    "read-only": np.broadcast_to(np.array([1.0, 2.0, 3.0]), (3,)),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_of_any_layout_are_numbers(array):
    """As parameters, as inputs and as edges."""
    net = ship.Network()
    net.add(ship.SpikeInput, "in", n=4)
    net.add(ship.LeakyIntegrator, "t", n=3, tau=array, output=True)
    edges = ship.Edges(array.astype(array.dtype) if array.dtype.kind == "u" else np.array([3, 2, 1])[::-1], [0, 1, 2])
    net.add(ship.ImpulseSynapse, "s", source="in", target="t", weight=array, connect=edges)
    net.init(dt=1e-3)
    assert net["t"].tau.tolist() == [1, 2, 3]
    assert net["s"].pre.tolist() == [1, 2, 3]
    out = net.run(np.tile(np.append(array[::-1], 0.0)[::-1], (1, 2, 1)))
    assert out[0, 0].tolist() == [1, 4, 9]


# -- variation -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nominal", [1.0, -2.0])
def test_two_spreads_are_independent(nominal):
    """``sqrt((0.1 nominal)^2 + 0.1^2)``, not the sum of both; to 3 standard errors of 40,000 values. One alone is as ever."""
    made = resolve("p", Parameter(1.0), ship.Varied(nominal, d2d=0.1, d2d_abs=0.1), (40_000,), 11, [0], True)
    value = varied(made.nominal, made.deviate, made.spread)
    wanted = math.hypot(0.1 * nominal, 0.1)
    assert float(value.std()) == pytest.approx(wanted, rel=3 / math.sqrt(2 * 40_000))
    xi = t(-1.0, 2.0)
    assert torch.equal(varied(t(3.0), xi, (0.1, 0.0)), 3 * (1 + 0.1 * xi))
    assert torch.equal(varied(t(0.0), xi, (0.0, 0.2)), 0.2 * xi)


def test_two_spreads_from_cycle_to_cycle_are_independent():
    values = Values({"": {"g_min": t(0.0), "g_max": t(1.0)}, "update": {"alpha": t(3.0)}}, {"update": {"alpha": (0.1, 0.4)}})
    assert float(values.of("update", (t(2.0),)).alpha) == pytest.approx(3 + 2 * math.hypot(0.3, 0.4))


# -- devices -------------------------------------------------------------------------------------------------------------------


def pulsed(part, n, events=1, start=0.0, v=1.0, dtype=F32):
    """Return where a device stands after events of n pulses, from w = ``start`` on."""
    array = DeviceArray(ship.Device(g_min=1e-6, g_max=100e-6, update=part), 1, dtype=dtype)
    array.write(1e-6 + start * 99e-6)
    for _ in range(events):
        array.pulse(v, count=n)
    return float((array.conductance().double() - 1e-6) / 99e-6)


MILLION = 10**6


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (devices.Bounded(alpha_p=1e-6, gamma_p=1.0), -math.expm1(MILLION * math.log1p(-1e-6))),
        (devices.Bounded(alpha_p=1e-7), 0.1),
        (devices.SoftBounds(step=0.5e-6), -math.expm1(MILLION * math.log1p(-1e-6))),
        (devices.LinearStep(step=0.5e-6, gamma_up=1.0), -math.expm1(MILLION * math.log1p(-1e-6))),
        (devices.LinearStep(step=1e-7, gamma_up=1e-9), 0.1),
        (devices.NonlinearPulses(pulses_up=1e7, nl_up=0.0), 0.1),
    ],
)
def test_a_million_small_pulses_in_one_event(part, wanted):
    """``1 - (1 - alpha)^n`` and ``alpha n`` to the digits of float32."""
    assert pulsed(part, MILLION) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("part", [devices.Bounded(alpha_p=1e-3, gamma_p=1.0), devices.SoftBounds(step=0.5e-3)])
def test_single_pulses_near_the_top(part):
    """A gap of 1e-4 closes by 1e-7 in a pulse, some units in the last place: a thousand of them go to ``1e-4 exp(-1)``."""
    gap = 1 - pulsed(part, 1, events=1000, start=1 - 1e-4)
    assert gap == pytest.approx(1e-4 * (1 - 1e-3) ** 1000, rel=0.15)


def test_a_soft_step_beyond_the_bound_ends_there():
    assert [pulsed(devices.SoftBounds(step=0.9), n, dtype=F64) for n in (1, 2, 3)] == pytest.approx([1.0, 1.0, 1.0])


def test_counts_of_writes_go_on_beyond_2_to_the_24():
    array = DeviceArray(ship.Device(endurance=devices.Wear()), 2, dtype=F32)
    array.get_buffer("cycles").fill_(2.0**24)
    array.write(50e-6)
    array.write(60e-6)
    assert array.get_buffer("cycles").flatten().tolist()[0] == 2**24 + 2


def test_rest_of_a_diffusive_device_with_equal_rates():
    """``r exp(-g t) + beta f t exp(-g t)`` where gamma_1 + beta = gamma_2 = g."""
    part = devices.Diffusive()
    p = bag(part, gamma_1=2.0, beta=1.0, gamma_2=3.0)
    end = part.rest(Silver(t(0.5), t(0.25)), t(0.2), p)
    assert float(end.r) == pytest.approx((0.25 + 0.5 * 0.2) * math.exp(-0.6), rel=1e-14)


def test_far_from_its_bound_a_data_driven_device_has_no_overflow():
    """k left = 2000: in any time it falls to where ``exp(k left) k s t`` is about 1, ``left = -ln(k s t) / k``."""
    part = devices.ExponentialWindow()
    p = Bag({k: v.float() for k, v in vars(bag(part, r_off=2e6, k_n=1e-3)).items()})
    x = type(part.states)(torch.tensor([1.9e6]))
    v, seconds = torch.tensor([-1.0]), torch.tensor([1e-3])
    speed = 1e-3 * float(part.speed(v, p).abs()) * 1e-3
    end = part.advance(x, v, seconds, p, ())
    bound = float(part.bound(v, p))
    assert float(end.r) - bound == pytest.approx(-math.log(-math.expm1(-speed)) / 1e-3, rel=1e-3)


def test_parts_refuse_what_would_give_nan():
    for coefficients in (math.nan, (math.nan,), (1e-6, math.inf), ("x",), (), None):
        with pytest.raises(ship.ParameterError, match=r"PolynomialProgramming\.coefficients: must be an? (sequence of|array of)"):
            devices.PolynomialProgramming(coefficients=coefficients)
    assert devices.PolynomialProgramming(coefficients=np.array([1e-6, 2e-6])).coefficients == (1e-6, 2e-6)
    for name in ("t_p", "t_n"):
        with pytest.raises(ship.ParameterError, match=rf"update\.{name}: must not be 0 V"):
            DeviceArray(ship.Device(update=devices.SquareWindow(**{name: 0.0})), 1)


def test_soft_bound_in_closed_form():
    """Two pulses of one event are two events."""
    part = devices.Bounded(alpha_d=0.25, gamma_d=1.0)
    assert float(after(part, 0.8, 2, v=-1.0)) == pytest.approx(0.8 * 0.75**2, rel=1e-15)
