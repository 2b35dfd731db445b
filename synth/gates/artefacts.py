"""Faults that need no other picture to be seen: blank, overexposed, noise, or a grid of the network's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.quality import look_of
from facedata.datasets.spectra import band_centres, radial_log_power
from facedata.synth.pictures import log_codes

__all__ = ["ARTEFACTS", "artefacts_of", "grid_peak", "ranges_of", "spectrum_slope"]

ARTEFACTS = ("brightness", "contrast", "dark", "bright", "noise", "slope", "grid")
"""log10 of the mean and of the deviation of luma (0-255), shares of clipped pixels, log10 of the noise's
deviation in codes, the spectrum's slope, and log10 of the strongest peak of a grid. Logs, because half as
bright is as odd as twice: a range that is widened never comes down to a blank picture."""

_PERIODS = (2, 4)  # px: strides of the networks that make pictures
_AROUND = 2  # frequencies on either side with which one is compared
_LEAST = 1e-3  # luma squared, as in datasets/spectra.py


def artefacts_of(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return ARTEFACTS of a picture, uint8 height x width x 3 RGB."""
    look = look_of(pixels, b"\x89PNG\r\n\x1a\n")
    return np.array(
        [
            log_codes(look.brightness),
            log_codes(look.contrast),
            look.dark,
            look.bright,
            log_codes(look.noise),
            spectrum_slope(pixels),
            grid_peak(pixels),
        ]
    )


def spectrum_slope(pixels: NDArray[np.uint8]) -> float:
    """Return d ln(power) / d ln(frequency) by least squares: about -2 to -3 of photographs, 0 of noise.

    The lowest tenth of frequencies is left out: a window blurs it, and it shows the scene rather than the
    grain (Field 1987, JOSA A 4: 2379).
    """
    power = radial_log_power(pixels)
    centres = band_centres()
    used = (centres > 0.05) & np.isfinite(power)
    return float(np.polyfit(np.log(centres[used]), power[used], 1)[0]) if used.sum() > 2 else float("nan")


def grid_peak(pixels: NDArray[np.uint8]) -> float:
    """Return log10 of the strongest power at a grid of 2 or 4 px over the median of its neighbours.

    Of noise without a grid, powers are exponential, so the largest of nine such ratios is about 4 (0.6 here);
    what upsampling leaves (Odena, Dumoulin and Olah 2016) stands far above it.
    """
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    height, width = luma.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    power = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2 / (window**2).sum()
    worst = 0.0
    for row, column in sorted({point for period in _PERIODS for point in _points(height, width, period)}):
        rows = np.arange(row - _AROUND, row + _AROUND + 1) % height
        columns = np.arange(column - _AROUND, column + _AROUND + 1) % width
        # The window spreads a peak over its neighbours; the median of a ring two away does not see it.
        block = power[np.ix_(rows, columns)]
        ring = np.ones(block.shape, bool)
        ring[1:-1, 1:-1] = False
        worst = max(worst, float(block[_AROUND, _AROUND] / max(np.median(block[ring]), _LEAST)))
    return float(np.log10(max(worst, 1e-3)))


def _points(height: int, width: int, period: int) -> set[tuple[int, int]]:
    """Return the frequencies of a grid, up to Nyquist, without the constant."""
    rows = [height * k // period for k in range(period // 2 + 1)]
    columns = [width * k // period for k in range(period // 2 + 1)]
    return {(row, column) for row in rows for column in columns} - {(0, 0)}


def ranges_of(values: NDArray[np.float64], wider: float) -> NDArray[np.float64]:
    """Return (artefacts, 2): the range of real pictures, (n, artefacts), widened by that share of itself.

    Noise that is weaker and a grid that is fainter than those of real pictures are no faults of these names.
    """
    low, high = values.min(axis=0), values.max(axis=0)
    ranges = np.stack([low - wider * (high - low), high + wider * (high - low)], axis=1)
    for name in ("dark", "bright", "noise", "grid"):
        ranges[ARTEFACTS.index(name), 0] = -np.inf
    return ranges
