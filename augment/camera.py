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
from facedata.augment.isp import HEADROOM, bin_quads, demosaic, refine, tone_table
from facedata.augment.jpeg import recompressed
from facedata.augment.light import ONE, srgb_decode
from facedata.augment.operator import Image
from facedata.augment.optics import falloff, focus, mirrored, point_spread, site_means, sites
from facedata.augment.sensor import expose, flicker_gain, normal_table, pedestal
from facedata.augment.shot import CameraParameters
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
    """Return the raw frame of light at photosites: uint16 steps of the converter, with a border of two px.

    `response` is the signal, full scale 1, of light 65536 at red, green and blue photosites.
    """
    _check_light(mosaic, 1)
    angle = parameters.field_angle if field_angle is None else field_angle
    glare = parameters.glare / 100
    return expose(
        mosaic,
        row_gains(parameters, mosaic.shape[0]),
        response / 65536,
        (np.float32(1 - glare), np.float32(falloff(angle))),
        *off_axis(*mosaic.shape),
        (site_means(mosaic) * glare).astype(np.float32),
        flare(parameters, size) if parameters.flare_strength > 0 else _NO_FLARE,
        (np.float32(parameters.shot_noise), np.float32(parameters.read_noise)),
        normal_table(),
        parameters.noise_seed,
        parameters.bits,
    )


def develop(
    raw: NDArray[np.uint16], parameters: CameraParameters, size: tuple[int, int], balance: Floats
) -> Image:
    """Return the picture of a raw frame (uint16 with a border of two px) by the camera's ISP.

    `balance` holds the white balance's gains of red, green and blue.
    """
    black = pedestal(parameters.bits)
    span = (1 << parameters.bits) - 1 - black
    gains = np.rint(balance * (65535 * 2**11 / span)).astype(np.int32)
    saturation = round(parameters.saturation * 4096)
    tone = tone_table(parameters.contrast, parameters.shoulder)
    width, height = size
    halves = raw.shape == (2 * height + 4, 2 * width + 4)
    planes = (bin_quads if halves else demosaic)(raw, black, gains, saturation, tone)
    if planes.shape[1:] != (height + 4, width + 4):
        planes = _resized(planes, size)
    if parameters.sharpening > 0 or parameters.noise_reduction > 0:
        luma, chroma = coring(parameters, balance)
        inner = refine(planes, round(parameters.sharpening * 256), luma, chroma)
    else:
        inner = planes[:, 2:-2, 2:-2]
    for quality in (parameters.jpeg_first, parameters.jpeg_second):
        if quality:
            inner = recompressed(inner, quality)
    return np.asarray(cv2.merge(list(inner)), np.uint8)


_NO_FLARE: Final = np.zeros((1, 1, 3), np.uint16)


def flare(parameters: CameraParameters, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the light that the lens's flare adds, coarse (see `flare_field`), for a picture of (w, h)."""
    place = parameters.flare_x, parameters.flare_y
    return flare_field(size[1], size[0], parameters.flare_strength, place, parameters.flare_seed)


def coring(parameters: CameraParameters, balance: Floats) -> tuple[int, int]:
    """Return the thresholds of luma and chroma detail, 1/16 code, from the sensor's noise.

    The deviation at mid-grey, through the white balance's gains and the slope of the sRGB curve there.
    """
    slope = parameters.contrast * 255 * 1.055 / 2.4 * 0.18 ** (1 / 2.4 - 1)
    signal = 0.18 / HEADROOM / balance
    deviation = np.sqrt(parameters.shot_noise * signal + parameters.read_noise) * balance * HEADROOM * slope
    core = 16 * parameters.noise_reduction * np.minimum(deviation, 64)
    return round(float(core[1])), round(3 * float(core.mean()))


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
    if parameters.flicker_depth == 0:
        return np.full(rows, ONE, np.int64)
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
def off_axis(rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (by row, by column) parts whose sum is r^2, r = 1 at the corner: float32 each."""
    y, x = np.arange(rows) - (rows - 1) / 2, np.arange(columns) - (columns - 1) / 2
    scale = 4 / (rows * rows + columns * columns)
    return (y * y * scale).astype(np.float32), (x * x * scale).astype(np.float32)


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
    inner = cv2.merge([np.ascontiguousarray(plane[2:-2, 2:-2]) for plane in planes])
    small = cv2.resize(inner, size, interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, 2, 2, 2, 2, cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(np.moveaxis(framed, 2, 0))
