"""Every device of the library in arrays: types, chips, dies, no variation, saving; and that their constants are documented."""

import pytest
import torch

import ship

pytestmark = pytest.mark.usefixtures("no_grad")
LIBRARY = ship.devices.library()


def lived(name, **kwargs):
    """A write, pulses both ways, a day's rest short of any limit, and a read."""
    made = ship.DeviceArray(LIBRARY[name](), (3, 5), seed=11, **kwargs)
    low, high = (end.double() for end in made.window())
    made.write(low + (high - low) * torch.linspace(0.3, 0.7, 15, dtype=torch.float64).reshape(3, 5))
    made.pulse(count=3)
    made.pulse(made.device.v_reset, count=torch.arange(15).reshape(3, 5))
    made.wait(1000.0)
    return made, made.read()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LIBRARY)
def test_lives(name, dtype):
    made, seen = lived(name, chips=2, dtype=dtype)
    assert seen.shape == (2, 3, 5)
    assert made.conductance().dtype == dtype
    assert bool(made.conductance().isfinite().all())
    assert bool((made.conductance() >= 0).all())
    assert bool(made.current(0.1).isfinite().all())


@pytest.mark.parametrize("name", LIBRARY)
def test_a_die_alone_is_the_die_in_a_set(name):
    """Draws depend on die and device only; die 2 of three, and alone. PyTorch's pow rounds the tail of an array in another way
    than its blocks, which a stiff device amplifies to 2e-14."""
    together, read_together = lived(name, chips=3, dtype=torch.float64)
    alone, read_alone = lived(name, chips=[2], dtype=torch.float64)
    first, _ = lived(name, dtype=torch.float64)
    for all_of_it, one in ((together.conductance(), alone.conductance()), (read_together, read_alone)):
        assert torch.allclose(all_of_it[2], one[0], rtol=1e-12, atol=0)
    assert torch.allclose(first.conductance(), together.conductance()[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["capacitor", "ecram", "gokmen_vlasov", "reram_es", "reram_sb", "state_independent"])
def test_without_variation_devices_are_nominal(name):
    """Parameters are the nominal ones, for each chip the same; with variation they differ."""
    varied = {"state_independent": []}.get(name, ["update.step", "update.top"])
    nominal = ship.DeviceArray(LIBRARY[name](), 50, chips=2, seed=1, variation=False)
    real = ship.DeviceArray(LIBRARY[name](), 50, chips=2, seed=1)
    for full in varied:
        assert nominal.value(full).numel() == 1
        assert float(real.value(full).std()) > 0
    assert all(not cycles for cycles in nominal.values.cycles.values())


@pytest.mark.parametrize("name", LIBRARY)
def test_is_saved_and_hashable(name):
    """The trajectory is in the state dict: an array that takes it over goes on as the first, also with what it draws; be it new,
    or written to a single target, whatever the shapes of what they store."""
    made, _ = lived(name, dtype=torch.float64)
    new, written = (ship.DeviceArray(LIBRARY[name](), (3, 5), seed=11, dtype=torch.float64) for _ in range(2))
    written.write(50e-6)
    for other in (new, written):
        other.load_state_dict(made.state_dict())
    for array in (made, new, written):
        array.pulse(count=2)
        array.wait(100.0)
    for other in (new, written):
        assert torch.equal(made.conductance(), other.conductance())
        assert torch.equal(made.trajectory.age, other.trajectory.age)
    assert hash(LIBRARY[name]()) == hash(LIBRARY[name]())


def test_library_is_documented_and_named():
    assert [make().name for make in LIBRARY.values()] == list(LIBRARY)
    assert all((make.__doc__ or "").strip() for make in LIBRARY.values())
    assert list(LIBRARY) == sorted(LIBRARY)


def test_all_is_complete():
    """What is imported is exported, sorted as the linter sorts, and every part says where it is from or needs no source."""
    public = {n for n in dir(ship.devices) if not n.startswith("_") and not isinstance(getattr(ship.devices, n), type(torch))}
    assert public == set(ship.devices.__all__)
