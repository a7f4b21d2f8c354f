"""Counter-based draws: known answers, distributions, and independence of how a draw is cut up.

Statistical bounds are at p = 1e-4 with fixed keys: they hold or fail for ever.
"""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from ship.base import random
from ship.base.errors import ParameterError, RunError
from ship.base.native import cache
from ship.base.random import draws, philox, poisson

D = torch.float64
P = 1e-4
KEY = random.key(11, "group", "noise")

# Random123, tests/kat_vectors: philox4x32-10, counter, key, answer.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
DRAWS = pytest.mark.parametrize("draw", [random.uniform, random.normal])


def some(draw, chips=(0,), samples=range(1), slots=range(1), *, trial=0, n=5, key=KEY, **more):
    ids = [torch.tensor(list(v), dtype=torch.int64) for v in (chips, samples, slots)]
    return draw(key, chip=ids[0], sample=ids[1], slot=ids[2], trial=trial, n=n, **more)


@pytest.mark.parametrize(("counter", "keys", "answer"), KNOWN)
def test_known_answers(counter, keys, answer):
    words = philox.philox(tuple(torch.tensor([c]) for c in counter), tuple(torch.tensor([k]) for k in keys))
    assert tuple(int(w) for w in words) == answer


def test_philox_broadcasts():
    counter = [torch.arange(3).reshape(3, 1), torch.zeros(1, 4, dtype=torch.int64), torch.tensor(7), torch.tensor(9)]
    keys = torch.tensor([1, 2, 3, 4]), torch.tensor(5)
    words = torch.stack(philox.philox(tuple(counter), keys))
    assert words.shape == (4, 3, 4)
    alone = philox.philox(tuple(torch.tensor(c) for c in (2, 0, 7, 9)), (torch.tensor(4), torch.tensor(5)))
    assert torch.equal(words[:, 2, 3], torch.stack(alone))


def test_key_is_a_hash_of_its_parts():
    assert random.key(1, "ab") == random.key(1, "ab")
    keys = [(1, "ab", "c"), (1, "a", "bc"), (1, "abc"), (1, "abc", ""), (1, "", "abc"), (11, "bc"), (1, "1", "bc"), (1,), (-1,)]
    assert len({random.key(*k) for k in keys}) == len(keys)
    assert all(0 <= random.key(s, "x") < 2**64 for s in range(100))
    parts = b"\1\0\0\0" + b"7" + b"\2\0\0\0" + "é".encode()  # each part behind its length
    assert random.key(7, "é") == int.from_bytes(hashlib.blake2b(parts, digest_size=8).digest(), "little")


def test_key_does_not_depend_on_the_hash_seed():
    code = "from ship.base import random; print(hash('tau'), random.key(3, 'hid', 'tau'))"
    env = os.environ | {"PYTHONHASHSEED": "12345"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    hashed, made = map(int, run.stdout.split())
    assert hashed != hash("tau")  # the other process does hash differently
    assert made == random.key(3, "hid", "tau")


@DRAWS
def test_shape_dtype_and_axes(draw):
    x = some(draw, range(2), range(3), range(4), n=5)
    assert x.shape == (4, 2, 3, 5)
    assert x.dtype == D
    assert x.unique().numel() == x.numel()
    assert torch.equal(x[3, 1, 2], some(draw, [1], [2], [3])[0, 0, 0])
    assert some(draw, samples=[], n=5).shape == (1, 1, 0, 5)
    assert some(draw, n=0).shape == (1, 1, 1, 0)


@DRAWS
def test_a_value_does_not_depend_on_its_company(draw):
    whole = some(draw, range(4), range(10), range(20), n=7)
    cut = [some(draw, range(4), s, range(20), n=7) for s in (range(5), range(5, 10))]
    assert torch.equal(whole, torch.cat(cut, 2))
    assert torch.equal(whole, torch.cat([some(draw, range(4), range(10), k, n=7) for k in (range(3), range(3, 20))], 0))
    assert torch.equal(whole[:, [3, 1]], some(draw, [3, 1], range(10), range(20), n=7))
    assert torch.equal(whole[..., :4], some(draw, range(4), range(10), range(20), n=4))


@DRAWS
def test_every_coordinate_matters(draw):
    base = some(draw, n=64)
    others = [
        some(draw, chips=[1], n=64),
        some(draw, samples=[1], n=64),
        some(draw, slots=[1], n=64),
        some(draw, trial=1, n=64),
        some(draw, key=KEY + 1, n=64),
        some(draw, slots=[2**32 - 1], n=64),
        some(draw, chips=[2**31], n=64),
        some(draw, chips=[-1], n=64),
    ]
    everything = torch.cat([base, *others]).flatten()
    assert everything.unique().numel() == everything.numel()


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_neighbours_are_uncorrelated(axis):
    sizes = [2, 2, 2, 20_000]
    sizes[axis] = 40 if axis < 3 else 20_000
    x = some(random.normal, range(sizes[1]), range(sizes[2]), range(sizes[0]), n=sizes[3] if axis == 3 else 2_000)
    a, b = x.narrow(axis, 0, x.shape[axis] - 1).flatten(), x.narrow(axis, 1, x.shape[axis] - 1).flatten()
    bound = stats.norm.isf(P / 2) / math.sqrt(a.numel())
    assert abs((a * b).mean().item()) < bound
    assert abs(((a**2 - 1) * (b**2 - 1)).mean().item()) < 2 * bound  # z^2 - 1 has variance 2, the product 4


@pytest.mark.parametrize("axis", ["chips", "samples", "slots", "n"])
def test_distribution_along_each_axis(axis):
    size = 20_000
    u = some(random.uniform, **{axis: size if axis == "n" else range(size)}, **({} if axis == "n" else {"n": 1})).flatten()
    z = some(random.normal, **{axis: size if axis == "n" else range(size)}, **({} if axis == "n" else {"n": 1})).flatten()
    assert len(u) == len(z) == size
    assert stats.kstest(u.numpy(), "uniform").pvalue > P
    assert stats.kstest(z.numpy(), "norm").pvalue > P


def test_moments():
    n = 1_000_000
    u, z = some(random.uniform, n=n)[0, 0, 0], some(random.normal, n=n)[0, 0, 0]
    bound = stats.norm.isf(P / 2) / math.sqrt(n)
    assert abs(u.mean().item() - 1 / 2) < bound * math.sqrt(1 / 12)
    assert abs(u.var().item() - 1 / 12) < bound * math.sqrt(1 / 180)  # (u - 1/2)^2 has variance 1/80 - 1/144 = 1/180
    # E z, E z^2, E z^3, E z^4 = 0, 1, 0, 3, with variances 1, 2, 15, 96.
    for order, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**order).mean().item() - mean) < bound * math.sqrt(variance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_interval_is_open_in_each_dtype(dtype, monkeypatch):
    top, bottom = torch.tensor(0xFFFFFFFF), torch.tensor(0)
    assert 0 < philox.unit_interval(bottom, bottom).item() == 2.0**-53
    assert philox.unit_interval(top, top).item() == 1 - 2.0**-53
    monkeypatch.setattr(cache, "available", lambda: False)
    monkeypatch.setattr(philox, "philox", lambda counter, keys: tuple(v.expand(1, 1, 1, 1) for v in (top, top, bottom, bottom)))
    high, low = some(random.uniform, n=2, dtype=dtype).flatten()
    assert high.dtype == dtype
    assert 0 < low < high < 1
    assert torch.isfinite(some(random.normal, n=2, dtype=dtype)).all()


@DRAWS
@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_compiled_draws_are_the_same(draw, n, monkeypatch):
    pytest.importorskip("numba")
    given = {"chip": torch.tensor([0, 5]), "sample": torch.arange(3) + 9, "slot": torch.arange(11) + 2**31, "trial": 4}
    quick = draw(random.key(3, "a"), n=n, **given)
    monkeypatch.setattr(cache, "available", lambda: False)
    assert torch.equal(quick, draw(random.key(3, "a"), n=n, **given))


@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.3, 2.0, 29.9, torch.linspace(0, 29, 300), torch.full((300,), 1.7)])
def test_compiled_counts_are_the_same(mean, monkeypatch):
    pytest.importorskip("numba")
    u = some(random.uniform, n=300, slots=range(50))
    u[0, 0, 0, :2] = torch.tensor([2.0**-53, 1 - 2.0**-53])
    quick = poisson.poisson(u, torch.as_tensor(mean))
    monkeypatch.setattr(cache, "available", lambda: False)
    assert torch.equal(quick, poisson.poisson(u, torch.as_tensor(mean)))


@pytest.mark.parametrize("n", [1, 7, 300])
@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.3, 2.0, 29.9, 31.0])
@pytest.mark.parametrize("alike", [True, False])
def test_counts_are_those_of_uniform_numbers(n, mean, alike, monkeypatch):
    """In one pass, for a mean of all units, or piece by piece; compiled or not; in both float types."""
    monkeypatch.setattr(draws, "PIECE", 4 * n)
    given = {"chip": torch.tensor([0, 5]), "sample": torch.arange(3) + 9, "slot": torch.arange(11) + 2**31, "trial": 4, "n": n}
    means = torch.tensor(mean) if alike else torch.linspace(0, mean, n)
    want = poisson.poisson(random.uniform(KEY, **given), means)
    for _ in ("compiled", "plain"):
        for dtype in (torch.float32, D):
            assert torch.equal(random.counts(KEY, **given, mean=means, dtype=dtype), want.to(dtype))
        monkeypatch.setattr(cache, "available", lambda: False)
    assert want.shape == (11, 2, 3, n)


def test_counts_at_the_edges_of_their_distribution():
    """Whole bits on both sides of each edge count as their uniform numbers do."""
    pytest.importorskip("numba")
    twin = philox.compiled()
    for mean in (1e-9, 0.3, 2.0, 29.9):
        table = poisson.distribution(torch.tensor(mean))
        edges = np.floor(table * 2.0**52 - 0.5).astype(np.int64)
        near = (edges[:, None] + np.arange(-2, 3)).clip(0, 2**52 - 1).ravel()
        bits, count = np.zeros(twin["HALF"] * -(-len(near) // twin["HALF"]), np.int64), np.empty(twin["HALF"], np.int64)
        bits[: len(near)] = near
        for part in bits.reshape(-1, twin["HALF"]):
            twin["tally"](part, edges, count)
            assert (count == ((part + 0.5) * 2.0**-52 > table[:, None]).sum(0)).all()


@pytest.mark.parametrize("mean", [-1e-9, math.nan, math.inf])
def test_counts_reject_bad_means(mean):
    with pytest.raises(ParameterError, match="Poisson mean: must be finite and at least 0; got"):
        some(random.counts, mean=torch.tensor(mean))


@DRAWS
def test_float32_is_the_rounded_float64(draw):
    assert torch.equal(some(draw, n=10_001, dtype=torch.float32), some(draw, n=10_001).float())


def test_counters_out_of_range():
    for name, value in (("slots", 2**32), ("slots", -1), ("samples", -1), ("samples", 2**32)):
        with pytest.raises(RunError, match=rf"{name[:-1]}: must be between 0 and 4294967295; got {value}\."):
            some(random.uniform, **{name: [0, value]})
    with pytest.raises(RunError, match="trial"):
        some(random.normal, trial=-1)


@pytest.mark.parametrize("draw", [random.draw_uniform, random.draw_normal])
def test_parameters(draw):
    x = draw(KEY, 3, (4, 5))
    assert x.shape == (4, 5)
    assert x.dtype == D
    assert torch.equal(x.flatten(), draw(KEY, 3, (20,)))
    assert torch.equal(x.flatten()[:7], draw(KEY, 3, (7,)))
    assert draw(KEY, 3, ()).shape == ()
    assert draw(KEY, 3, (0, 2)).shape == (0, 2)
    everything = torch.cat([x, draw(KEY, 2, (4, 5)), draw(KEY, 3, (4, 5), attempt=1), draw(KEY + 1, 3, (4, 5))])
    assert everything.unique().numel() == 80
    law = "uniform" if draw is random.draw_uniform else "norm"
    assert stats.kstest(draw(KEY, 0, (100, 200)).flatten().numpy(), law).pvalue > P


def test_global_generators_are_left_alone():
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = [some(random.uniform), some(random.normal), random.draw_uniform(KEY, 0, (3,)), random.draw_normal(KEY, 0, (3,))]
    first.append(poisson.poisson(first[0], torch.tensor([1.0, 40.0, 0.0, 2.0, 3.0])))
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002
    torch.manual_seed(6)
    second = [some(random.uniform), some(random.normal), random.draw_uniform(KEY, 0, (3,)), random.draw_normal(KEY, 0, (3,))]
    assert all(torch.equal(a, b) for a, b in zip(first[:4], second, strict=True))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_devices_agree():
    ids = range(3), range(4), range(5)
    assert torch.equal(some(random.uniform, *ids), some(random.uniform, *ids, device="cuda").cpu())
    # sqrt, log and cos may round differently by device: a few units in the last place of values up to 8.6.
    torch.testing.assert_close(some(random.normal, *ids), some(random.normal, *ids, device="cuda").cpu(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("mean", [1e-3, 0.1, 3.0, 29.9, 30.1, 50.0, 2000.0])
def test_poisson_counts(mean):
    n = 200_000
    u = some(random.uniform, n=n)[0, 0, 0]
    count = poisson.poisson(u, torch.tensor(mean, dtype=D))
    assert count.dtype == D
    assert torch.equal(count, count.round())
    # Mean: variance m / n. Fano factor: variance (2 + 1 / m) / n for a Poisson count.
    z = stats.norm.isf(P / 2)
    assert abs(count.mean().item() - mean) < z * math.sqrt(mean / n)
    assert abs(count.var().item() / count.mean().item() - 1) < z * math.sqrt((2 + 1 / mean) / n)
    # Chi-square against the distribution, in at most 30 bins that each expect over 5 counts.
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 31)[1:-1], mean))
    edges = edges if len(edges) > 1 else np.array([0.0])
    cdf = np.concatenate([[0.0], stats.poisson.cdf(edges, mean), [1.0]])
    seen = np.histogram(count.numpy(), np.concatenate([[-1.0], edges + 0.5, [np.inf]]))[0]
    expected = np.diff(cdf) * n
    assert expected.min() > 5
    assert stats.chisquare(seen, expected).pvalue > P


def test_poisson_is_the_exact_inverse():
    mean = torch.tensor([1e-6, 0.01, 0.7, 5.0, 29.0, 30.0, 31.0, 400.0, 1e5], dtype=D).reshape(-1, 1)
    u = some(random.uniform, n=2_000)[0, 0]
    count = poisson.poisson(u, mean).numpy()
    assert count.shape == (9, 2_000)
    # Within the rounding of two ways to compute the distribution, far below the 1 / 2000 between neighbouring u.
    assert (stats.poisson.cdf(count, mean.numpy()) >= u.numpy() - 1e-11).all()
    assert (stats.poisson.cdf(count - 1, mean.numpy()) < u.numpy() + 1e-11).all()


@pytest.mark.parametrize("mean", [1e-3, 0.1, 1.0, 3.0, 7.0, 12.0, 30.0, 31.0, 2000.0, 1e6])
def test_poisson_at_the_ends_of_the_interval(mean):
    ends = torch.tensor([2.0**-53, 1 - 2.0**-53], dtype=D)
    low, high = poisson.poisson(ends, torch.tensor([mean], dtype=D)).tolist()
    assert low == pytest.approx(stats.poisson.ppf(2.0**-53, mean), abs=1)
    # The last probability above 1 - 2^-53 is lost in rounding: within a few counts of the exact quantile of the upper tail.
    assert high == pytest.approx(stats.poisson.isf(2.0**-53, mean), abs=3 + 0.01 * math.sqrt(mean))


def test_poisson_zero_large_and_mixed_means():
    u = some(random.uniform, n=1_000)[0, 0, 0]
    mean = torch.tensor([0.0, 0.5, 29.0, 31.0, 500.0], dtype=D).reshape(-1, 1)
    together = poisson.poisson(u, mean)
    assert torch.equal(together, torch.stack([poisson.poisson(u, m) for m in mean]))
    assert (together[0] == 0).all()
    assert (together[1:].sum(1) > 0).all()
    single = poisson.poisson(u.float(), mean.float())
    assert single.dtype == torch.float32
    assert (single != together).float().mean() < 1e-3
    assert poisson.poisson(u[:0], mean[0]).shape == (0,)


@pytest.mark.parametrize("bad", [-1e-9, math.nan, math.inf])
def test_poisson_rejects_bad_means(bad):
    with pytest.raises(ParameterError, match="Poisson mean: must be finite and at least 0; got"):
        poisson.poisson(torch.tensor([0.5, 0.5], dtype=D), torch.tensor([1.0, bad], dtype=D))
