"""ST-maps, temporal differences and pulses of a batch of clips."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from facedata.recipes.maps.clips import (
    BAND,
    GRID,
    LAGS,
    SPAN,
    beat_lags,
    edges_of,
    spectrum_length,
    template_reach,
    window_length,
)
from facedata.recipes.maps.torch.luma import check_batch, codes_of, in_float32

__all__ = [
    "colour_traces",
    "pulse_of",
    "pulse_statistics",
    "st_map",
    "temporal_difference",
    "temporal_difference_convolution",
]


@in_float32
def colour_traces(clips: Tensor, grid: int = 1) -> Tensor:
    """Return mean RGB of blocks over time, n x 3 x grid**2 x t, in codes; see maps/clips.py."""
    check_batch(clips, "clip", grid, clips=True)
    codes = codes_of(clips)
    rows, columns = edges_of(clips.shape[-2], grid), edges_of(clips.shape[-1], grid)
    # by sums of whole numbers, which are exact; a product of matrices may be taken in TF32
    down = torch.stack([codes[..., top:end, :].sum(-2) for top, end in pairwise(rows)], -2)
    blocks = torch.stack([down[..., left:end].sum(-1) for left, end in pairwise(columns)], -1)
    counts = codes.new_tensor(rows).diff()[:, None] * codes.new_tensor(columns).diff()
    return (blocks / counts).flatten(3).permute(0, 2, 3, 1)


@in_float32
def st_map(clips: Tensor) -> Tensor:
    """Return ST-maps, n x 3 x 25 x t; see maps/clips.py."""
    traces = colour_traces(clips, GRID)
    least, most = traces.amin(-1, keepdim=True), traces.amax(-1, keepdim=True)
    return (traces - least) / (most - least).clamp(min=SPAN)


@in_float32
def temporal_difference(clips: Tensor) -> Tensor:
    """Return normalised differences of frames, n x (t - 1) x 3 x h x w; see maps/clips.py."""
    check_batch(clips, "temporal-difference", clips=True)
    codes = codes_of(clips)
    later, before = codes[:, 1:], codes[:, :-1]
    return (later - before) / (later + before).clamp(min=1)


def temporal_difference_convolution(
    features: Tensor, weight: Tensor, bias: Tensor | None = None, theta: float = 0.6
) -> Tensor:
    """Return features, n x c x t x h x w, convolved in time and space, with temporal differences.

    `weight` is d x c x 3 x k x k, k odd; the result n x d x t x h x w, what lies outside being 0. Of the
    convolution, `theta` times each place's own value, under all weights of the neighbouring frames together,
    is taken off: with `theta` 0 it is a convolution, with 1 and no weight on the frame itself it sees nothing
    but change. With a `weight` that is learned it is the first step of a block of PhysMamba.

    Source: Yu et al. 2020, AutoHR (arXiv 2004.12292); PhysMamba (arXiv 2409.12031).
    """
    size = weight.shape[-1]
    if weight.ndim != 5 or weight.shape[2] != 3 or weight.shape[3] != size or size % 2 == 0:
        raise ValueError(f"expected weights of shape (d, c, 3, k, k) with k odd, got {tuple(weight.shape)}")
    found = functional.conv3d(features, weight, bias, padding=(1, size // 2, size // 2))
    beside = weight[:, :, [0, 2]].sum((2, 3, 4))[:, :, None, None, None]
    return found - theta * functional.conv3d(features, beside)


@in_float32
def pulse_of(traces: Tensor, rate: float) -> Tensor:
    """Return pulses, n x t, of mean RGB over time, n x 3 x t in codes; see maps/clips.py."""
    frames = traces.shape[-1]
    length = window_length(rate, frames)
    windows = traces.unfold(-1, length, 1)  # n x 3 x windows x length
    red, green, blue = (windows / windows.mean(-1, keepdim=True).clamp(min=1e-6)).unbind(1)
    first, second = green - blue, green + blue - 2 * red
    spread = first.std(-1, correction=0) / second.std(-1, correction=0).clamp(min=1e-12)
    beats = first + spread[..., None] * second
    beats = beats - beats.mean(-1, keepdim=True)
    # overlapping windows are added where they came from
    added = functional.fold(beats.transpose(1, 2), (1, frames), (1, length))
    return added[:, 0, 0]


def pulse_statistics(pulses: Tensor, rate: float) -> dict[str, Tensor]:
    """Return the fields of PulseStatistics (maps/clips.py) of pulses n x t: n each, `lags` n x 5 at most.

    In float64. A signal that does not change has NaN, where the twin for one clip raises.
    """
    frames = pulses.shape[-1]
    window_length(rate, frames)
    values = pulses.double()
    deviation = values.std(-1, correction=0, keepdim=True)
    standard = (values - values.mean(-1, keepdim=True)) / deviation
    seconds = torch.arange(frames, device=values.device, dtype=values.dtype) / rate
    seconds = seconds - seconds.mean()
    found = dict(zip(("rate", "snr"), _rates(values, rate), strict=True))
    found["rate"] = torch.where(deviation[:, 0] > 0, found["rate"], torch.nan)
    relative = values / deviation
    return found | {
        "minimum": relative.amin(-1),
        "maximum": relative.amax(-1),
        "median": relative.quantile(0.5, -1),  # the mean of the two in the middle, unlike torch's median
        "trend": (standard * seconds).sum(-1) / seconds.square().sum(),
        "lags": _lags(standard, rate),
    }


def _rates(values: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return rates in beats a minute and signal-to-noise ratios in dB."""
    frames = values.shape[-1]
    length = spectrum_length(rate, frames)
    window = torch.hann_window(frames + 2, periodic=False, dtype=values.dtype, device=values.device)[1:-1]
    spectrum = torch.fft.rfft((values - values.mean(-1, keepdim=True)) * window, length)
    power = spectrum.abs().square()
    frequency = torch.fft.rfftfreq(length, 1 / rate, dtype=values.dtype, device=values.device)
    band = (frequency >= BAND[0] / 60) & (frequency <= BAND[1] / 60)
    peak = frequency[power.masked_fill(~band, -1).argmax(-1)]
    reach = template_reach(rate, frames)
    off = (frequency - peak[:, None]).abs().minimum((frequency - 2 * peak[:, None]).abs())
    near = off <= reach
    signal, rest = ((power * (band & kept)).sum(-1).clamp(min=1e-300) for kept in (near, ~near))
    return 60 * peak, 10 * (signal / rest).log10()


def _lags(standard: Tensor, rate: float) -> Tensor:
    frames = standard.shape[-1]
    power = torch.fft.rfft(standard, 2 * frames).abs().square()  # filled up: it must not wrap around
    lags = torch.tensor(beat_lags(rate, frames), device=standard.device)
    correlation = torch.fft.irfft(power)[:, lags] / (frames - lags)
    order = torch.argsort(correlation, dim=-1, descending=True, stable=True)[:, :LAGS]
    return lags[order].double() / rate
