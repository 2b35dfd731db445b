"""The power spectrum of a picture by frequency alone: what blur, noise and screens leave in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.pictures import Picture

__all__ = ["BANDS", "SpectrumMeasure", "band_centres", "hann_window", "radial_log_power"]

BANDS = 32
_LEAST = 1e-3  # luma squared; rounding to 8 bits alone leaves 1/12, so only flat pictures come down to it


def band_centres(bands: int = BANDS) -> NDArray[np.float64]:
    """Return the middle frequency of each band, (bands,), in cycles a pixel, up to Nyquist's 0.5."""
    return (np.arange(bands) + 0.5) / (2 * bands)


def radial_log_power(pixels: NDArray[np.uint8], bands: int = BANDS) -> NDArray[np.float32]:
    """Return the natural log of a picture's mean power in `bands` rings of frequency, (bands,) float32.

    `pixels` is uint8 height x width x 3 RGB; luma is Y' of ITU-R BT.601 (0-255), its mean taken off, under a
    Hann window that keeps the edges from leaking. Power is scaled so that white noise of variance v has the
    mean v in every ring, whatever the size of the picture; a ring's power is the mean over its frequencies,
    so that a lattice, which has few of them, still shows. Rings are of equal width from 0 to 0.5 cycles a
    pixel; the corners beyond are left out. A ring in which a small picture has no frequency is interpolated
    between its neighbours.
    """
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    window = hann_window(*luma.shape)
    rings, times, counts = _rings(*luma.shape, bands)
    total = float((window**2).sum())
    luma = (luma - float((luma * window).sum() / window.sum())) * window
    power = np.abs(np.fft.rfft2(luma)) ** 2 / total
    inside = rings >= 0
    sums = np.bincount(rings[inside], (power * times)[inside], bands)
    known = np.flatnonzero(counts)
    if not len(known):
        return np.full(bands, np.nan, dtype=np.float32)
    logs = np.log(np.maximum(sums[known] / counts[known], _LEAST))
    return np.interp(np.arange(bands), known, logs).astype(np.float32)


@lru_cache(maxsize=32)
def hann_window(height: int, width: int) -> NDArray[np.float64]:
    """Return the Hann window of a picture, height x width, over 0 everywhere; shared, so read-only."""
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    window.flags.writeable = False
    return window


class SpectrumMeasure:
    """`radial_log_power` as a measure of datasets (measuring.py)."""

    key = "spectrum-1"
    width = BANDS
    dtype: np.dtype[Any] = np.dtype(np.float32)
    in_workers = True

    def of(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return float32, pictures x bands."""
        return np.stack([radial_log_power(one.pixels) for one in pictures])


@lru_cache(maxsize=32)
def _rings(
    height: int, width: int, bands: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return of each coefficient of rfft2 its ring (-1: none) and weight, and each ring's weight.

    A real picture's spectrum is symmetric: a column of rfft2 stands for two, but the first, and the last of
    an even width.
    """
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    rings = np.minimum(np.floor(frequency * 2 * bands).astype(np.int64), bands - 1)
    rings[(frequency > 0.5) | (frequency == 0)] = -1
    times = np.full(rings.shape, 2.0)
    times[:, 0] = 1.0
    if width % 2 == 0:
        times[:, -1] = 1.0
    inside = rings >= 0
    counts = np.bincount(rings[inside], times[inside], bands).astype(np.float64)
    return rings, times, counts
