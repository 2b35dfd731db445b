"""Amplitude spectra of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from facedata.datasets.spectra import hann_window
from facedata.recipes.maps.torch.luma import in_float32, luma_of

__all__ = ["fft"]


@in_float32
def fft(pictures: Tensor) -> Tensor:
    """Return ln(1 + amplitude), n x 1 x h x w; see maps/spectrum.py."""
    luma = luma_of(pictures, "fft", 2)
    exact = torch.tensor(hann_window(*luma.shape[-2:]), device=luma.device)
    # in float64, for what is wrong with the mean is all that frequency 0 shows
    mean = (luma * exact).sum((-2, -1), keepdim=True) / exact.sum()
    window = (exact / exact.square().sum().sqrt()).float()
    spectrum = torch.fft.fft2((luma - mean).float() * window)
    # the root has no slope at 0, where a flat picture's amplitudes are
    amplitude = (spectrum.real.square() + spectrum.imag.square()).clamp(min=1e-12).sqrt()
    shifted: Tensor = torch.fft.fftshift(torch.log1p(amplitude), dim=(-2, -1))
    return shifted
