"""Selectors, converters and tiles of a crossbar."""

import pytest
import torch

from ship.base.errors import ParameterError
from ship.crossbar import (
    ADC,
    Crossbar,
    Selector,
    approximate,
    calibrated,
    conducting,
    convert,
    currents,
    effective,
    matrix,
    read,
    selected,
)

D = torch.float64


def cells(*shape, seed=0):
    return torch.rand(*shape, dtype=D, generator=torch.Generator().manual_seed(seed)) * 1e-4 + 1e-6


def amps(*micro):
    return torch.tensor(micro, dtype=D) * 1e-6


def test_series_resistance():
    """1 / (1 / G + R), and 0 for a cell that does not conduct."""
    G = torch.tensor([0.0, 1e-4], dtype=D)
    assert conducting(G, Selector(resistance=5e3)).tolist() == [0.0, pytest.approx(1 / (1e4 + 5e3), rel=1e-15)]


def test_half_selected_cells_leak():
    """V/2 reading: the selected cell conducts, half-selected and unselected ones block, without leakage altogether."""
    G = cells(3, 4)
    v, c = torch.full((3,), 0.5, dtype=D), torch.full((4,), 0.5, dtype=D)
    v[0], c[1] = 1.0, 0.0
    found = selected(G, Selector(1e3, 1e-9, threshold=0.7), v, c)
    assert float(found[0, 1]) == pytest.approx(1 / (1 / float(G[0, 1]) + 1e3), rel=1e-15)
    blocking = 1 / (1 / G + 1e9)
    blocking[0, 1] = found[0, 1]
    torch.testing.assert_close(found, blocking, rtol=1e-14, atol=0.0)
    assert int((selected(G, Selector(1e3, 0.0, threshold=0.7), v, c) > 0).sum()) == 1


def test_selector_removes_the_sneak_current():
    """One cell of 1 uS read at V/2 among cells of 100 uS with 1 kohm wires: what reaches its column is far too much without
    selectors and within 1 % of the cell with them.
    """
    G = torch.full((8, 8), 1e-4, dtype=D)
    G[3, 5] = 1e-6
    v, c = torch.full((8,), 0.5, dtype=D), torch.full((8,), 0.5, dtype=D)
    v[3], c[5] = 1.0, 0.0
    x = Crossbar(1.0, 1.0)
    assert float(currents(G, v, x, column_v=c)[5]) > 100e-6
    gated = selected(G, Selector(leakage=1e-12, threshold=0.7), v, c)
    assert float(currents(gated, v, x, column_v=c)[5]) == pytest.approx(1e-6, rel=0.01)


def test_selector_conducts_both_ways():
    G, selector = cells(2, 2), Selector(threshold=0.7)
    v = torch.tensor([-1.0, 0.2], dtype=D)
    assert torch.equal(selected(G, selector, v), torch.stack([G[0], torch.zeros(2, dtype=D)]))


def test_selector_gradient():
    G = (cells(3, 3) * 1e4).requires_grad_()
    v = torch.tensor([1.0, 0.0, 1.0], dtype=D)
    selector = Selector(1e3, 1e-5, threshold=0.5)
    assert torch.autograd.gradcheck(lambda g: selected(g * 1e-4, selector, v) * 1e4, (G,), atol=1e-8)


def test_codes():
    """2 bits over 3 uA: codes 0 to 3, half-way values to the even code; negative currents clip."""
    found = convert(amps(-1.0, 0.4, 0.6, 1.4, 2.6, 3.4, 9.0), ADC(bits=2, full_scale=3e-6))
    torch.testing.assert_close(found.currents, amps(0.0, 0.0, 1.0, 1.0, 3.0, 3.0, 3.0), rtol=1e-15, atol=0.0)
    assert float(found.clipped) == pytest.approx(2 / 7, rel=1e-15)


def test_bipolar_is_odd():
    """3 bits: codes -3 to 3; the code -4 is not used, so that 0 is in the middle."""
    x = amps(-9.0, -1.2, 0.3, 1.2, 9.0)
    adc = ADC(bits=3, full_scale=3e-6, bipolar=True)
    assert adc.codes == 7
    torch.testing.assert_close(convert(x, adc).currents, amps(-3.0, -1.0, 0.0, 1.0, 3.0), rtol=1e-15, atol=0.0)
    assert torch.equal(convert(-x, adc).currents, -convert(x, adc).currents)


@pytest.mark.parametrize("bits", [4, 8, 12])
def test_rounding_error_is_uniform(bits):
    """Root mean square lsb / sqrt(12) over 1e5 even currents; its standard error is 0.2 %."""
    full = 1e-4
    x = torch.rand(100_000, 1, dtype=D, generator=torch.Generator().manual_seed(0)) * full
    found = convert(x, ADC(bits=bits, full_scale=full))
    rms = float((found.currents - x).square().mean().sqrt())
    assert rms == pytest.approx(full / (2**bits - 1) / 12**0.5, rel=0.01)
    assert float(found.clipped) == 0.0


def test_errors_of_each_column():
    """Gain and offset before the code, INL after it, in each column."""
    inl = torch.zeros(2, 4, dtype=D)
    inl[1, 2] = 0.25e-6
    adc = ADC(2, 3e-6, gain=torch.tensor([1.0, 2.0], dtype=D), offset=amps(1.0, 0.0), inl=inl)
    found = convert(amps(1.0, 1.0).expand(3, 2), adc).currents
    torch.testing.assert_close(found, amps(2.0, 2.25).expand(3, 2), rtol=1e-14, atol=0.0)


def test_straight_through_gradient():
    """The gain where the current converts, up to half a code beyond the last, 0 where it clips."""
    x = amps(-1.0, -0.4, 0.4, 2.6, 3.8, 4.0, 9.0).requires_grad_()
    convert(x, ADC(2, 3e-6, gain=0.9)).currents.sum().backward()
    assert x.grad.tolist() == [0.0, 0.9, 0.9, 0.9, 0.9, 0.0, 0.0]


def test_calibration():
    """The largest of 1 to 100 uA, or their 90th percentile, which clips the ten above (90.4 uA and more)."""
    x = torch.arange(1, 101, dtype=D) * 1e-6
    assert calibrated(ADC(8), x).full_scale == pytest.approx(100e-6, rel=1e-15)
    adc = calibrated(ADC(8), -x, percentile=90.0)
    assert adc.full_scale == pytest.approx(90e-6, rel=1e-15)
    assert float(convert(x, adc).clipped) == pytest.approx(0.1, rel=1e-12)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("tile", [None, (4, 3), (10, 8), (64, 64)])
def test_tiles_are_crossbars_of_their_own(tile, exact):
    """Each block of the matrix is that of the tile alone; errors of the tiles above each other add up."""
    G, x = cells(2, 10, 8), Crossbar(50.0, 50.0, 100.0, 100.0, tile=tile, exact=exact)
    found, bound = matrix(G, x)
    rows, columns = tile or (10, 8)
    for top in range(0, 10, rows):
        for left in range(0, 8, columns):
            block = slice(top, top + rows), slice(left, left + columns)
            alone = effective(G[:, *block], x)
            if exact:
                torch.testing.assert_close(found[:, *block], alone, rtol=1e-13, atol=0.0)
            else:
                assert bool(((found[:, *block] - alone).abs().sum(-2) <= 2 * bound[..., block[1]] + 1e-18).all())
    assert bool((bound == 0).all()) is exact


def test_bounds_of_tiles_add_up():
    """Two tiles above each other, each with its own bound."""
    G, x = cells(8, 5), Crossbar(50.0, 50.0, tile=(4, 5), exact=False)
    parts = [approximate(G[rows], x).bound for rows in (slice(0, 4), slice(4, 8))]
    torch.testing.assert_close(matrix(G, x).bound, parts[0] + parts[1], rtol=1e-9, atol=0.0)


def test_smaller_tiles_drop_less():
    G = cells(32, 32)
    sums = [float(matrix(G, Crossbar(5.0, 5.0, tile=tile)).matrix.sum()) for tile in (None, (16, 16), (8, 8))]
    assert sums[0] < sums[1] < sums[2] < float(G.sum())


def test_selector_is_in_the_matrix():
    G, selector = cells(4, 4), Selector(resistance=5e3)
    assert torch.equal(matrix(G, Crossbar(selector=selector)).matrix, conducting(G, selector))


def test_reading_converts_each_tile():
    """Two tiles above each other clip one by one; without a converter nothing does."""
    G = torch.full((4, 2), 1e-6, dtype=D)
    v = torch.tensor([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]], dtype=D)
    x = Crossbar(tile=(2, 2), adc=ADC(8, 1e-6))
    found = read(v, matrix(G, x).matrix, x)
    torch.testing.assert_close(found.currents, amps(2.0, 1.0).unsqueeze(-1).expand(2, 2), rtol=1e-14, atol=0.0)
    assert float(found.clipped) == pytest.approx(1 / 4, rel=1e-15)
    bare = read(v, G, Crossbar(tile=(2, 2)))
    torch.testing.assert_close(bare.currents, v @ G, rtol=1e-14, atol=0.0)
    assert float(bare.clipped) == 0.0


def test_gradient_of_a_layer():
    """Selector, tiles, wires and converter in one backward: where nothing clips, as without the converter."""
    G, v = cells(6, 5).requires_grad_(), torch.ones(6, dtype=D)
    x = Crossbar(50.0, 50.0, tile=(3, 5), selector=Selector(1e3), adc=ADC(8, 1e-3))
    got = torch.autograd.grad(read(v, matrix(G, x).matrix, x).currents.sum(), G)[0]
    want = torch.autograd.grad((v @ matrix(G, x).matrix).sum(), G)[0]
    torch.testing.assert_close(got, want, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Selector(resistance=-5.0), "Selector.resistance: must be at least 0 ohm; got -5.0."),
        (lambda: Selector(leakage=float("inf")), "Selector.leakage: must be at least 0 S; got inf."),
        (lambda: ADC(bits=0), "ADC.bits: must be a whole number from 1 to 24; got 0."),
        (lambda: ADC(bits=1, bipolar=True), "ADC.bits: must be a whole number from 2 to 24; got 1."),
        (lambda: ADC(full_scale=0.0), "ADC.full_scale: must be above 0 A; got 0.0."),
        (lambda: ADC(gain=float("nan")), "ADC.gain: must be finite, a number or a tensor [n]; got nan."),
        (lambda: ADC(bits=2, inl=torch.zeros(3)), "ADC.inl: must be [4] or [n, 4]; got [3]."),
        (lambda: convert(amps(1.0), ADC()), "convert: adc.full_scale: must be set. Use calibrated(adc, currents)."),
        (lambda: convert(amps(1.0, 2.0), ADC(full_scale=1.0, gain=torch.ones(3))), "convert: adc.gain: must have one value"),
        (lambda: calibrated(ADC(), amps(0.0)), "calibrated: currents: must be above 0 A at percentile 100; got 0 A."),
        (lambda: calibrated(ADC(), amps(1.0), percentile=0), "calibrated: percentile: must be above 0 and at most 100; got 0."),
        (lambda: read(torch.ones(3), torch.ones(2, 2), Crossbar()), "read: v: must have a last axis of 2; got [3]."),
    ],
)
def test_errors(call, text):
    with pytest.raises(ParameterError) as caught:
        call()
    assert str(caught.value).startswith(text)
