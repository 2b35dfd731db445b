"""The amplitude spectrum of a picture: where a lattice of dots or pixels shows as points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.spectra import hann_window
from facedata.recipes.maps.filters import luma_of

__all__ = ["fft"]


def fft(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ln(1 + amplitude) of the spectrum of luma, float32 1 x h x w, from 0; amplitude in codes.

    Frequency 0 is in row h // 2 and column w // 2; a row further down is 1 / h cycles a pixel more. Luma is
    taken as in `radial_log_power` of datasets/spectra.py: its mean off, under a Hann window, scaled so that
    white noise of variance v has a mean squared amplitude of v whatever the size; the mean of squared
    amplitudes over a ring is that function's power.
    """
    luma = luma_of(pixels, "fft", 2).astype(np.float64)
    window = hann_window(*luma.shape)
    luma = (luma - (luma * window).sum() / window.sum()) * window
    amplitude = np.abs(np.fft.fftshift(np.fft.fft2(luma))) / np.sqrt((window**2).sum())
    return np.asarray(np.log1p(amplitude)[None], np.float32)
