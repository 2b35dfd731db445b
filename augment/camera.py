"""A camera: from light at its sensor to the picture that it writes. Every instrument photographs with it.

Light is linear, uint16, height x width x 3, 32768 = diffuse white of the medium under its own light, at the
sensor's resolution: one, two or more sensor px a px of the picture along each axis. Stages, in the order in
which light meets them: defocus, vignetting, veiling glare and flare (optics), flicker under the rolling
shutter, Bayer mosaic, noise, quantisation (sensor), demosaic, white balance, saturation, tone, sharpening
(ISP), reduction to the picture's size, JPEG once or twice.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.flare import flare_field
from facedata.augment.isp import HEADROOM, bin_quads, demosaic, recompress, refine, tone_table
from facedata.augment.light import ONE, srgb_decode
from facedata.augment.operator import Image, Parameters, quantity
from facedata.augment.optics import falloff, focus, mirrored, point_spread, site_means, sites
from facedata.augment.sensor import deviations, expose, flicker_gain, normal_table, pedestal
from facedata.augment.textures import planckian

__all__ = [
    "CameraParameters",
    "channel_gains",
    "develop",
    "flare",
    "form",
    "photograph",
    "photograph_mosaic",
    "read_out",
    "row_gains",
    "to_light",
]

Floats = NDArray[np.float64]


class CameraParameters(Parameters):
    """One camera and one shot; px are px of the picture."""

    temperature: float = quantity(
        "colour temperature of the light whose white the light is relative to",
        unit="K",
        low=2000,
        high=12000,
        draw={"uniform": [2700, 7500]},
    )
    balance_error: float = quantity(
        "error of the camera's estimate of that temperature",
        unit="%",
        low=-15,
        high=15,
        draw={"uniform": [-10.0, 10.0]},
    )
    tint: float = quantity(
        "excess of green after white balance (below 0: magenta)",
        unit="%",
        low=-20,
        high=20,
        draw={"uniform": [-3.0, 3.0]},
    )
    exposure: float = quantity(
        "exposure against the one that brings diffuse white to output white",
        unit="EV",
        low=-3,
        high=3,
        draw={"uniform": [-0.4, 0.25]},
    )
    defocus: float = quantity(
        "standard deviation of the lens's point spread, px of the picture",
        unit="px",
        low=0,
        high=8,
        draw={"log_uniform": [0.25, 1.2]},
    )
    field_angle: float = quantity(
        "angle off the axis of the picture's corner, which cos^4 vignetting darkens",
        unit="deg",
        low=0,
        high=60,
        draw={"uniform": [3.0, 25.0]},
    )
    glare: float = quantity(
        "share of the light that the lens scatters evenly over the frame (veiling glare, ISO 9358)",
        unit="%",
        low=0,
        high=30,
        draw={"uniform": [0.5, 3.0]},
    )
    flare_strength: float = quantity(
        "radiance of the flare's brightest place over diffuse white",
        unit="1",
        low=0,
        high=2,
        draw={"choice": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3]},
    )
    flare_x: float = quantity(
        "place of the flare's source right of the picture's middle, of the shorter side",
        unit="%",
        low=-200,
        high=200,
        draw={"uniform": [-70.0, 70.0]},
    )
    flare_y: float = quantity(
        "place of the flare's source below the picture's middle, of the shorter side",
        unit="%",
        low=-200,
        high=200,
        draw={"uniform": [-80.0, 10.0]},
    )
    flare_seed: int = quantity(
        "number of the lens whose aperture and surfaces make the flare",
        unit="1",
        low=0,
        high=2**31 - 1,
        draw={"integer": [0, 2**31 - 1]},
    )
    flicker_depth: float = quantity(
        "amplitude of the light's flicker over its mean",
        unit="1",
        low=0,
        high=1,
        draw={"choice": [0.0, 0.0, 0.05, 0.1, 0.2]},
    )
    flicker_frequency: float = quantity(
        "frequency of the flicker: twice the mains, or that of the pulses that dim a light",
        unit="Hz",
        low=10,
        high=5000,
        draw={"choice": [100.0, 120.0]},
    )
    flicker_duty: float = quantity(
        "duty cycle of a pulsed light; 0 is a lamp whose light swings as a sine",
        unit="1",
        low=0,
        high=1,
        draw=0.0,
    )
    flicker_phase: float = quantity(
        "phase of the flicker at the first row", unit="deg", low=0, high=360, draw={"uniform": [0.0, 360.0]}
    )
    exposure_time: float = quantity(
        "time that each row is exposed", unit="s", low=1e-5, high=1, draw={"log_uniform": [0.001, 1 / 30]}
    )
    row_time: float = quantity(
        "time between the starts of two rows of the sensor",
        unit="us",
        low=0,
        high=200,
        draw={"uniform": [8.0, 30.0]},
    )
    frame_rows: int = quantity(
        "rows of the camera's sensor that the picture's height spans",
        unit="1",
        low=1,
        high=12000,
        draw={"integer": [500, 2000]},
    )
    shot_noise: float = quantity(
        "noise variance per signal, both in units of full scale: variance = shot_noise * x + read_noise",
        unit="1",
        low=0,
        high=0.02,
        draw={"log_uniform": [1e-4, 2e-3]},
    )
    read_noise: float = quantity(
        "noise variance in the dark, in units of full scale squared",
        unit="1",
        low=0,
        high=0.001,
        draw={"log_uniform": [1e-6, 5e-5]},
    )
    bits: int = quantity(
        "resolution of the sensor's converter", unit="bit", low=8, high=14, draw={"choice": [10, 12]}
    )
    saturation: float = quantity(
        "distance of colours from grey against that of the light",
        unit="1",
        low=0,
        high=2,
        draw={"uniform": [0.9, 1.2]},
    )
    contrast: float = quantity(
        "exponent of the tone curve about mid-grey (0.18)",
        unit="1",
        low=0.5,
        high=2,
        draw={"uniform": [0.95, 1.15]},
    )
    shoulder: float = quantity(
        "roll-off of highlights: 0 clips at white, 1 bends from 0.6 of white to the sensor's full scale",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.2, 1.0]},
    )
    noise_reduction: float = quantity(
        "share of chroma detail that is smoothed, and coring of luma over the noise of mid-grey",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.3, 1.0]},
    )
    sharpening: float = quantity(
        "share of the detail under 3 px that is added", unit="1", low=0, high=4, draw={"uniform": [0.0, 1.0]}
    )
    jpeg_first: int = quantity(
        "quality of the camera's JPEG (libjpeg scale, 4:2:0); 0 is none",
        unit="1",
        low=0,
        high=100,
        draw={"integer": [70, 96]},
    )
    jpeg_second: int = quantity(
        "quality of a second JPEG, as messengers and platforms make; 0 is none",
        unit="1",
        low=0,
        high=100,
        draw={"choice": [0, 0, 0, 0, 60, 80]},
    )
    noise_seed: int = quantity(
        "number of the noise pattern", unit="1", low=0, high=2**31 - 1, draw={"integer": [0, 2**31 - 1]}
    )


def photograph(
    light: NDArray[np.uint16],
    parameters: CameraParameters,
    size: tuple[int, int],
    *,
    focused: bool = True,
    field_angle: float | None = None,
) -> Image:
    """Return the picture, uint8 height x width x 3, of `light` (uint16, sensor rows x columns x 3).

    `size` is (width, height) of the picture. `focused` False says that the light has already passed the lens
    (an instrument whose detail is finer than a px filters it on its own). `field_angle` takes the place of
    the parameter's where an instrument's pose decides it.
    """
    mosaic = form(light, parameters, size) if focused else form(light, None, size)
    return photograph_mosaic(mosaic, parameters, size, field_angle=field_angle)


def form(
    light: NDArray[np.uint16], parameters: CameraParameters | None, size: tuple[int, int]
) -> NDArray[np.uint16]:
    """Return the light at the photosites (uint16, rows x columns, RGGB) of a scene's light, defocused.

    `parameters` None leaves the defocus out. One row or column alone is doubled.
    """
    _check_light(light, 3)
    ready = np.ascontiguousarray(_at_least_two(light))
    taps = point_spread(parameters.defocus * light.shape[0] / size[1] if parameters else 0.0)
    if len(taps) == 1:
        return sites(ready)
    rows, columns = (mirrored(count, len(taps) // 2) for count in ready.shape[:2])
    return focus(ready, taps, rows, columns)


def photograph_mosaic(
    mosaic: NDArray[np.uint16],
    parameters: CameraParameters,
    size: tuple[int, int],
    *,
    field_angle: float | None = None,
) -> Image:
    """Return what `photograph` does of light that stands at photosites: uint16, rows x columns, RGGB.

    The light has passed the lens; the mosaic has two rows and columns or more.
    """
    response, balance = channel_gains(parameters)
    raw = read_out(mosaic, parameters, size, response, field_angle=field_angle)
    return develop(raw, parameters, size, balance)


def read_out(
    mosaic: NDArray[np.uint16],
    parameters: CameraParameters,
    size: tuple[int, int],
    response: Floats,
    *,
    field_angle: float | None = None,
) -> NDArray[np.uint16]:
    """Return the raw frame of light at photosites: uint16 steps of the converter, with a border of one px.

    `response` is the signal, full scale 1, of light 65536 at red, green and blue photosites.
    """
    _check_light(mosaic, 1)
    rows, columns = mosaic.shape
    angle = parameters.field_angle if field_angle is None else field_angle
    glare = parameters.glare / 100
    return expose(
        mosaic,
        row_gains(parameters, rows),
        np.rint(response[[0, 1, 1, 2]] * ONE).astype(np.int64),
        falloff(angle, 1 - glare),
        *off_axis(rows, columns),
        np.rint(site_means(mosaic) * glare).astype(np.int64),
        flare(parameters, size) if parameters.flare_strength > 0 else _NO_FLARE,
        deviations(parameters.shot_noise, parameters.read_noise),
        normal_table(),
        parameters.noise_seed,
        parameters.bits,
    )


def develop(
    raw: NDArray[np.uint16], parameters: CameraParameters, size: tuple[int, int], balance: Floats
) -> Image:
    """Return the picture of a raw frame (uint16 with a border of one px) by the camera's ISP.

    `balance` holds the white balance's gains of red, green and blue.
    """
    black, shift = pedestal(parameters.bits), parameters.bits - 3
    span = (1 << parameters.bits) - 1 - black
    gains = np.rint(balance * (65535 * 2**shift / 4 / span)).astype(np.int32)
    saturation = round(parameters.saturation * 4096)
    tone = tone_table(parameters.contrast, parameters.shoulder)
    width, height = size
    halves = raw.shape == (2 * height + 2, 2 * width + 2)
    planes = (bin_quads if halves else demosaic)(raw, black, gains, shift, saturation, tone)
    if planes.shape[1:] != (height + 2, width + 2):
        planes = _resized(planes, size)
    reduction = parameters.noise_reduction
    if parameters.sharpening > 0 or reduction > 0:
        core = round(16 * reduction * _noise_in_codes(parameters))
        inner = refine(planes, round(parameters.sharpening * 256), core, round((1 - reduction) * 256))
    else:
        inner = planes[:, 1:-1, 1:-1]
    image = np.asarray(cv2.merge([inner[2], inner[1], inner[0]]), np.uint8)
    for quality in (parameters.jpeg_first, parameters.jpeg_second):
        if quality:
            image = recompress(image, quality)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


_NO_FLARE: Final = np.zeros((1, 1, 3), np.uint16)


def flare(parameters: CameraParameters, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the light that the lens's flare adds, coarse (see `flare_field`), for a picture of (w, h)."""
    place = parameters.flare_x, parameters.flare_y
    return flare_field(size[1], size[0], parameters.flare_strength, place, parameters.flare_seed)


def _noise_in_codes(parameters: CameraParameters) -> float:
    """Return the standard deviation of green's noise at mid-grey in 8-bit codes."""
    grey = 0.18 / HEADROOM
    deviation = (parameters.shot_noise * grey + parameters.read_noise) ** 0.5 * HEADROOM
    # slope of the sRGB curve at 0.18, in codes
    return float(deviation * parameters.contrast * 255 * 1.055 / 2.4 * 0.18 ** (1 / 2.4 - 1))


_SENSITIVITY: Final = np.array([0.55, 1.0, 0.65])
"""Answer of red, green and blue photosites to equal-energy light over that of green ones (typical of silicon
with organic filters; daylight gains of raw files are about 1.8 and 1.5)."""

LIGHT: Final[NDArray[np.uint16]] = np.rint(srgb_decode(np.arange(256) / 255) * ONE).astype(np.uint16)
"""uint16 x 256: light (32768 is white) of each 8-bit sRGB code."""


def to_light(image: Image) -> NDArray[np.uint16]:
    """Return the light of a picture, uint16, height x width x 3, 32768 is white."""
    return np.asarray(cv2.LUT(image, LIGHT), np.uint16)


def channel_gains(parameters: CameraParameters) -> tuple[Floats, Floats]:
    """Return (response, balance), each of red, green and blue.

    Response is the signal, full scale 1, of light 65536, so white fills 1 / HEADROOM of the channel that
    answers most. Balance is the gain by which white becomes grey at the temperature that the camera takes
    for the light's; their product is the same for all channels where it is right.
    """
    estimate = parameters.temperature * (1 + parameters.balance_error / 100)
    lit, assumed = _response(parameters.temperature), _response(estimate)
    balance = 1 / assumed
    # the mistake turns red and blue, while the exposure meter holds green
    balance *= 1 / (balance[1] * lit[1])
    balance[1] *= 1 + parameters.tint / 100
    return lit * (2 / HEADROOM * 2.0**parameters.exposure), balance


def _response(kelvin: float) -> Floats:
    """Return what red, green and blue photosites answer to a black body, the most 1.

    Below 2500 K blue filters pass little but their leak in the red, so that no gain exceeds 8.
    """
    signal = _SENSITIVITY * planckian(min(max(kelvin, 1700.0), 20000.0))
    return np.asarray(np.maximum(signal / signal.max(), 0.125), np.float64)


def row_gains(parameters: CameraParameters, rows: int) -> NDArray[np.int64]:
    """Return the gain of each row under the flicker, Q15, int64."""
    gain = flicker_gain(
        rows,
        frequency=parameters.flicker_frequency,
        depth=parameters.flicker_depth,
        duty=parameters.flicker_duty,
        phase=parameters.flicker_phase,
        exposure_time=parameters.exposure_time,
        readout=parameters.row_time * 1e-6 * parameters.frame_rows,
    )
    return np.asarray(np.rint(gain * ONE), np.int64)


@lru_cache(maxsize=16)
def off_axis(rows: int, columns: int, steps: int = 1024) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (by row, by column) int32 parts whose sum is r^2 x `steps`, r = 1 at the corner."""
    y, x = np.arange(rows) - (rows - 1) / 2, np.arange(columns) - (columns - 1) / 2
    scale = steps / (rows * rows / 4 + columns * columns / 4)
    return np.rint(y * y * scale).astype(np.int32), np.rint(x * x * scale).astype(np.int32)


def _check_light(light: NDArray[np.uint16], channels: int) -> None:
    """Raise ValueError where `light` is not light: uint16, rows x columns x 3, or x columns for a mosaic."""
    shape = "(rows, columns, 3)" if channels == 3 else "(rows, columns), two or more each"
    right = light.ndim == (3 if channels == 3 else 2) and light.shape[2:] == (3,) * (channels == 3)
    if not right or light.dtype != np.uint16 or min(light.shape) < (1 if channels == 3 else 2):
        raise ValueError(f"expected uint16 of shape {shape}, got {light.dtype} of shape {light.shape}")


def _at_least_two(light: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the light with its last row or column doubled where there is one alone: a cell is 2 x 2."""
    for axis in (0, 1):
        if light.shape[axis] == 1:
            light = np.repeat(light, 2, axis=axis)
    return light


def _resized(planes: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the codes of `demosaic` at another size: px averaged by area, the border repeated."""
    inner = cv2.merge([np.ascontiguousarray(plane[1:-1, 1:-1]) for plane in planes])
    small = cv2.resize(inner, size, interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.moveaxis(framed, 2, 0))
