"""Maps and numbers of a clip: colours over time, changes between frames, and the pulse that they carry.

A living face changes colour with every heartbeat, by less than one code; a print does not, and a mask hides
it. A replayed video of a face may: the pulse says that a face was filmed, not that it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from facedata.datasets.errors import UsageError
from facedata.recipes.maps.base import check_clip

__all__ = [
    "BAND",
    "GRID",
    "LAGS",
    "SPAN",
    "PulseStatistics",
    "beat_lags",
    "colour_traces",
    "edges_of",
    "pulse_of",
    "pulse_statistics",
    "spectrum_length",
    "st_map",
    "template_reach",
    "temporal_difference",
    "window_length",
]

GRID: Final = 5
"""Rows and columns of blocks of an ST-map."""

BAND: Final = (40.0, 240.0)
"""Heart rates that are looked for, beats a minute."""

SPAN: Final = 0.05
"""Codes: a block's colour that changes by less over a clip is not stretched to the full range."""

LAGS: Final = 5
"""Lags that `PulseStatistics` lists at most."""

_WINDOW = 1.6  # seconds: POS's sliding window, from the paper
_STEP = 0.1  # beats a minute: how finely the spectrum is sampled
_TEMPLATE = 0.1  # Hz on either side of the rate and of its double that count as signal


@dataclass(frozen=True, slots=True)
class PulseStatistics:
    """What a pulse signal comes to.

    - `rate`: heart rate, beats a minute, at the highest peak of the power spectrum within 40-240.
    - `snr`: dB; power within 6 beats a minute of the rate and of its double, over the rest of the band. Where
      a clip is too short to tell frequencies 6 beats a minute apart, within two of its resolution cells.
    - `minimum`, `maximum`, `median`: of the signal, relative to its standard deviation.
    - `trend`: slope of the line that fits best, standard deviations a second.
    - `lags`: five lags with the highest autocorrelation, seconds, the highest first, of those that a beat
      can last (0.25 to 1.5 s) and that are no longer than half of the signal.

    Sources: de Haan and Jeanne 2013, Robust pulse rate from chrominance-based rPPG (IEEE TBME 60), for the
    SNR; PhysLLM (arXiv 2505.03621) hands such descriptors to a language model.
    """

    rate: float
    snr: float
    minimum: float
    maximum: float
    median: float
    trend: float
    lags: tuple[float, ...]


def edges_of(length: int, parts: int) -> list[int]:
    """Return where each of `parts` parts of an axis begins, and where the last ends, as equal as can be."""
    return [part * length // parts for part in range(parts + 1)]


def colour_traces(clip: NDArray[np.uint8], grid: int = 1) -> NDArray[np.float32]:
    """Return mean RGB of each block over time, float32 3 x grid**2 x t, in codes; blocks in rows.

    `clip` is uint8 t x h x w x 3, of a face that stays in place; cut it to skin, without hair and background.
    """
    check_clip(clip, "clip")
    frames, height, width = clip.shape[:3]
    if min(height, width) < grid:
        raise UsageError(f"clip: {width} x {height} px cannot be cut into {grid} x {grid} blocks")
    rows, columns = edges_of(height, grid), edges_of(width, grid)
    # whole numbers until the division, so that both twins have the same sums
    sums = np.add.reduceat(clip, rows[:-1], axis=1, dtype=np.int32)
    sums = np.add.reduceat(sums, columns[:-1], axis=2).reshape(frames, grid * grid, 3)
    counts = np.outer(np.diff(rows), np.diff(columns)).reshape(1, -1, 1)
    means = sums.astype(np.float32) / counts.astype(np.float32)
    return np.asarray(means.transpose(2, 1, 0), np.float32)


def st_map(clip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the spatial-temporal map of a clip, float32 3 x 25 x t, 0-1: a row is a block, a column a frame.

    The mean colours of 5 x 5 blocks, each stretched over time from its least to its greatest value; a colour
    that changes by less than 0.05 codes is stretched as if it changed by that.

    Source: Niu et al. 2020, RhythmNet (arXiv 1910.11515), there in YUV and on aligned faces.
    """
    traces = colour_traces(clip, GRID)
    least = traces.min(axis=2, keepdims=True)
    span = np.maximum(traces.max(axis=2, keepdims=True) - least, np.float32(SPAN))
    return np.asarray((traces - least) / span, np.float32)


def temporal_difference(clip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return normalised differences of neighbouring frames, float32 (t - 1) x 3 x h x w, -1 to 1.

    (next - this) / (next + this): what is left when the light on a face and the colour of its skin, which
    multiply all frames alike, drop out. Two blacks differ by 0.

    Source: Chen and McDuff 2018, DeepPhys (arXiv 1805.07888). The difference as a convolution that learns, as
    in PhysMamba (arXiv 2409.12031), is `temporal_difference_convolution` of maps/torch/clips.py.
    """
    check_clip(clip, "temporal-difference")
    frames = clip.astype(np.float32).transpose(0, 3, 1, 2)
    later, before = frames[1:], frames[:-1]
    return np.asarray((later - before) / np.maximum(later + before, 1), np.float32)


def pulse_of(traces: NDArray[np.floating], rate: float) -> NDArray[np.float64]:
    """Return the pulse, float64 t, of mean RGB over time, 3 x t in codes, at `rate` frames a second.

    The plane orthogonal to skin (POS): what moves all colours alike is light and motion, and drops out.

    Source: Wang, den Brinker, Stuijk and de Haan 2017, Algorithmic Principles of Remote PPG (IEEE TBME 64).
    """
    length = window_length(rate, traces.shape[-1])
    windows = sliding_window_view(np.asarray(traces, np.float64), length, axis=-1)  # 3 x windows x length
    red, green, blue = windows / np.maximum(windows.mean(axis=-1, keepdims=True), 1e-6)
    first, second = green - blue, green + blue - 2 * red
    ratio = first.std(axis=-1) / np.maximum(second.std(axis=-1), 1e-12)
    beats = first + ratio[:, None] * second
    beats -= beats.mean(axis=-1, keepdims=True)
    pulse = np.zeros(traces.shape[-1])
    for start in range(length):
        pulse[start : start + len(beats)] += beats[:, start]
    return pulse


def window_length(rate: float, frames: int) -> int:
    """Return the frames of POS's window of 1.6 s; raise UsageError where a clip has fewer."""
    if not rate > 0:
        raise UsageError(f"{rate} frames a second is not positive")
    length = round(_WINDOW * rate)
    if length < 2 or frames < length:
        raise UsageError(f"{frames} frames at {rate:g} a second are too few for a pulse; give 1.6 s at least")
    return length


def spectrum_length(rate: float, frames: int) -> int:
    """Return the length to which a signal is filled up for its spectrum: a power of two, 0.1 beats a step."""
    return int(2 ** np.ceil(np.log2(max(60 * rate / _STEP, frames))))


def template_reach(rate: float, frames: int) -> float:
    """Return how far from the heart rate, and from its double, power counts as signal, in Hz."""
    return max(_TEMPLATE, 2 * rate / frames)


def pulse_statistics(signal: NDArray[np.floating], rate: float) -> PulseStatistics:
    """Return the statistics of a pulse signal of t values at `rate` a second.

    Raises UsageError where it is shorter than 1.6 s, or constant: a signal without change has no rate.
    """
    values = np.asarray(signal, np.float64)
    window_length(rate, len(values))
    deviation = float(values.std())
    if not deviation > 0:
        raise UsageError("the signal does not change: it has no pulse")
    standard = (values - values.mean()) / deviation
    seconds = np.arange(len(values)) / rate
    seconds -= seconds.mean()
    beats, snr = _rate(values, rate)
    return PulseStatistics(
        rate=beats,
        snr=snr,
        minimum=float(values.min() / deviation),
        maximum=float(values.max() / deviation),
        median=float(np.median(values) / deviation),
        trend=float((standard * seconds).sum() / (seconds**2).sum()),
        lags=_lags(standard, rate),
    )


def _rate(values: NDArray[np.float64], rate: float) -> tuple[float, float]:
    """Return the heart rate in beats a minute and the signal-to-noise ratio in dB.

    The mean is off and a Hann window on, so that a slow drift does not leak into the band.
    """
    frames = len(values)
    length = spectrum_length(rate, frames)
    window = np.hanning(frames + 2)[1:-1]
    power = np.abs(np.fft.rfft((values - values.mean()) * window, length)) ** 2
    frequency = np.fft.rfftfreq(length, 1 / rate)
    band = (frequency >= BAND[0] / 60) & (frequency <= BAND[1] / 60)
    peak = float(frequency[band][power[band].argmax()])
    near = np.minimum(np.abs(frequency - peak), np.abs(frequency - 2 * peak)) <= template_reach(rate, frames)
    signal, rest = (max(float(power[band & kept].sum()), 1e-300) for kept in (near, ~near))
    return 60 * peak, float(10 * np.log10(signal / rest))


def beat_lags(rate: float, frames: int) -> range:
    """Return the lags, in frames, that a beat can last, up to half of the signal."""
    return range(int(np.ceil(60 * rate / BAND[1])), min(int(60 * rate / BAND[0]), frames // 2) + 1)


def _lags(standard: NDArray[np.float64], rate: float) -> tuple[float, ...]:
    """Return the lags of the highest autocorrelation, the highest first, in seconds."""
    count = len(standard)
    power = np.abs(np.fft.rfft(standard, 2 * count)) ** 2  # filled up: it must not wrap around
    lags = np.array(beat_lags(rate, count))
    correlation = np.fft.irfft(power)[lags] / (count - lags)
    return tuple(float(lag) / rate for lag in lags[np.argsort(-correlation, kind="stable")[:LAGS]])
