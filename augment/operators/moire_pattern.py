"""Moire between the pixel lattice of a display and the Bayer lattice of the camera that films it."""

from __future__ import annotations

import math
from typing import ClassVar, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import faded, kernel, prepared
from facedata.augment.light import CODED, LINEAR
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.datasets.words import Words

__all__ = ["MoirePattern", "MoirePatternParameters", "display_map"]

Floats = NDArray[np.float64]

_APERTURE: Final = (0.28, 0.85)
"""Width and height of a subpixel's lit part, in pixel pitches (LCD datasheets: .25-.32 and .8-.95)."""
_HALF_FIELD: Final = 0.25
"""Tangent of half the angle of view across the shorter side: 0.2 m of screen at 0.4 m."""
STEPS: Final = 256
UNIT: Final = 80
"""Level of mean light in the 8-bit field; the brightest phase of the lattice is under 3.2 times the mean."""


class MoirePatternParameters(Parameters):
    """Display, pose and camera; `strength` says how much of the lattice the rest of the capture leaves."""

    strength: float = quantity(
        "share of the lattice's contrast on the sensor that denoising and scaling leave",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.01, 0.3]},
    )
    pitch: float = quantity(
        "sensor pixels per display pixel at the centre; below 1.2 a lattice is hardly seen",
        unit="px",
        low=0.6,
        high=6,
        draw={"uniform": [1.75, 2.35]},
    )
    sensor: int = quantity(
        "sensor pixels across the shorter side of the picture",
        unit="px",
        low=64,
        high=2048,
        draw={"choice": [256, 384]},
    )
    optics: float = quantity(
        "standard deviation of the lens's point spread on the sensor",
        unit="px",
        low=0.1,
        high=3,
        draw={"uniform": [0.25, 0.5]},
    )
    rotation: float = quantity(
        "rotation of the display before the camera, counter-clockwise",
        unit="deg",
        low=-180,
        high=180,
        draw={"uniform": [-10.0, 10.0]},
    )
    tilt_x: float = quantity(
        "turn of the display about its vertical axis",
        unit="deg",
        low=-45,
        high=45,
        draw={"uniform": [-12.0, 12.0]},
    )
    tilt_y: float = quantity(
        "turn of the display about its horizontal axis",
        unit="deg",
        low=-45,
        high=45,
        draw={"uniform": [-12.0, 12.0]},
    )
    distortion: float = quantity(
        "radial distortion k1 of the lens, at half the shorter side",
        unit="1",
        low=-0.1,
        high=0.1,
        draw={"uniform": [-0.02, 0.02]},
    )
    pattern_seed: int = quantity(
        "place of the display's lattice under the sensor's",
        unit="1",
        low=0,
        high=2**31 - 1,
        draw={"integer": [0, 2**31 - 1]},
    )


class MoirePattern(Operator[MoirePatternParameters]):
    """Multiply linear light by the display's lattice as a Bayer sensor samples it.

    The lattice of red, green and blue stripes is blurred by lens and photosite, sampled where the sensor has
    a filter of that colour, and demosaiced; that field, brought to the picture's size, modulates the picture.
    So bands are where the optics put them: a channel's alias has the wave vector J^T n - m, with n a harmonic
    of the display, J its Jacobian in display pixels per sensor pixel and m a point of the reciprocal lattice
    of that channel's filters (halves for red and blue). Perspective and lens distortion vary J and bend the
    bands. Mean light is kept, as exposure and white balance do.
    """

    name = "moire-pattern"
    attack: ClassVar[str | None] = "replay/lcd"
    strength: ClassVar[str] = "strength"
    parameters = MoirePatternParameters

    def apply(self, image: Image, parameters: MoirePatternParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, as filmed from the display."""
        image = prepared(image)
        if parameters.strength == 0:
            return faded(image)
        height, width, _ = image.shape
        short = min(height, width)
        rows, columns = (
            min(8 * parameters.sensor, round(parameters.sensor * n / short)) for n in (height, width)
        )
        words = Words.of(parameters.pattern_seed, "lattice")
        across, down = lattice(parameters.pitch, parameters.optics)
        transform = display_map(parameters) * STEPS
        start = np.array([words.unit(), words.unit()]) * STEPS
        mosaic = sample(
            rows, columns, transform, start, parameters.distortion, parameters.sensor / 2, across, down
        )
        field = np.asarray(cv2.cvtColor(mosaic, cv2.COLOR_BayerRGGB2RGB), np.uint8)
        if (rows, columns) != (height, width):
            scaler = cv2.INTER_AREA if rows >= 2 * height else cv2.INTER_LINEAR
            field = np.asarray(cv2.resize(field, (width, height), interpolation=scaler), np.uint8)
        means = np.maximum(np.array(cv2.mean(field)[:3]), 1e-3)
        gain = 1 - parameters.strength + parameters.strength * np.arange(256)[None, :] / means[:, None]
        return Applied(modulate(image, field, np.rint(gain * 65536).astype(np.int64), LINEAR, CODED))


def display_map(parameters: MoirePatternParameters) -> Floats:
    """Return the homography (3 x 3) from sensor px about the centre to display px.

    A pinhole looks at a plane turned by `rotation`, then `tilt_y`, then `tilt_x`; at the centre one sensor px
    is 1 / pitch display px along the direction that the tilt does not stretch.
    """
    focal = parameters.sensor / 2 / _HALF_FIELD
    turn, about_y, about_x = (
        math.radians(a) for a in (parameters.rotation, parameters.tilt_x, parameters.tilt_y)
    )
    spin = np.array([[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    yaw = np.array(
        [[math.cos(about_y), 0, math.sin(about_y)], [0, 1, 0], [-math.sin(about_y), 0, math.cos(about_y)]]
    )
    nod = np.array(
        [[1, 0, 0], [0, math.cos(about_x), -math.sin(about_x)], [0, math.sin(about_x), math.cos(about_x)]]
    )
    right, below, normal = (yaw @ nod @ spin).T
    # the ray (x, y, focal) meets the plane through (0, 0, 1) at normal_z / (normal . ray) of its length
    ray = np.array([1.0, 1.0, focal])
    numerators = [(normal[2] * axis - axis[2] * normal) * ray for axis in (right, below)]
    homography: Floats = np.stack([*numerators, normal * ray / focal])
    homography[:2] /= parameters.pitch * normal[2]
    return homography


_ORDERS: Final = 32
_WAVES: Final = np.cos(2 * np.pi * np.outer(np.arange(STEPS) / STEPS, np.arange(1, _ORDERS + 1)))


def lattice(pitch: float, optics: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the light of a white display over one pixel pitch: along a row and along a column.

    int64 x 256 each, Q12 with mean 1; the light at (u, v) is their product. Fourier series of a rectangular
    aperture, times the transfer of a Gaussian lens (`optics` px) and of a square photosite at `pitch` px.
    """
    order = np.arange(1, _ORDERS + 1)
    frequency = order / pitch
    transfer = np.exp(-2 * (np.pi * optics * frequency) ** 2) * np.sinc(frequency)
    series = np.stack([2 * np.sinc(order * aperture) * transfer for aperture in _APERTURE])
    light = np.rint(np.maximum(1 + series @ _WAVES.T, 0) * 4096).astype(np.int64)
    return light[0], light[1]


@kernel
def sample(
    rows: int,
    columns: int,
    transform: Floats,
    start: Floats,
    distortion: float,
    half: float,
    across: NDArray[np.int64],
    down: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Return the mosaic (RGGB, uint8, 80 is mean light) that a white display leaves on the sensor.

    `transform` maps sensor px about the centre to 1/256 display px, `start` is added to both. Red stripes
    stand a third of a pixel left of green ones, blue ones a third right. The phase is exact at every 16th px
    of a row and linear between them, which errs by less than 0.02 display px at the steepest default tilt.
    """
    out = np.empty((rows, columns), np.uint8)
    for i in range(rows):
        y = i - (rows - 1) / 2
        u, v = np.int64(0), np.int64(0)
        for end in range(0, columns + 16, 16):
            x = end - (columns - 1) / 2
            bend = 1 + distortion * (x * x + y * y) / (half * half)
            x_bent, y_bent = x * bend, y * bend
            depth = transform[2, 0] * x_bent + transform[2, 1] * y_bent + transform[2, 2]
            # a very wide picture of a steep display may see past its vanishing line: hold the lattice there
            depth = 65536 * 256 / max(depth, 12.8)
            next_u = np.int64(
                (transform[0, 0] * x_bent + transform[0, 1] * y_bent) * depth + start[0] * 65536
            )
            next_v = np.int64(
                (transform[1, 0] * x_bent + transform[1, 1] * y_bent) * depth + start[1] * 65536
            )
            if end:
                step_u, step_v = (next_u - u) >> 4, (next_v - v) >> 4
                for j in range(end - 16, min(end, columns)):
                    stripe = (u >> 16) + 85 * (1 - (i & 1) - (j & 1))
                    light = (
                        across[np.uint64(stripe & 255)] * down[np.uint64((v >> 16) & 255)] * 80 + (1 << 23)
                    ) >> 24
                    out[i, j] = min(light, 255)
                    u += step_u
                    v += step_v
            u, v = next_u, next_v
    return out


@kernel
def modulate(
    image: Image,
    field: NDArray[np.uint8],
    gain: NDArray[np.int64],
    linear: NDArray[np.uint16],
    coded: NDArray[np.uint8],
) -> Image:
    """Return the picture times `gain[channel, field]` (Q16) in linear light, clipped at white."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                light = (np.int64(linear[image[y, x, channel]]) * gain[channel, field[y, x, channel]]) >> 16
                out[y, x, channel] = coded[np.uint64(min(light, 65535) >> 2)]
    return out
