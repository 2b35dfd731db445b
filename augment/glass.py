"""What the front of a display sends back of a room: mirrored by Fresnel's law, and scattered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import ONE
from facedata.augment.textures import environment, planckian

__all__ = ["SURFACES", "Surface", "SurfaceName", "reflected_cells", "schlick"]

Floats = NDArray[np.float64]

_PER_UNIT: Final = ONE / 65535
"""Light of an `environment` to light."""
_FLAT: Final = math.radians(20)
"""Angle up to which (1 - cos)^5 adds less than 1e-6 to F0."""
_COARSE: Final = 24
"""Cells along the shorter side of a room that a wide lobe has smeared."""
_WIDEST: Final = 50.0
"""Deviation of a lobe, % of the shorter side, from which on the mirrored room is even."""


@dataclass(frozen=True)
class Surface:
    """A front surface: mirrored at normal incidence, scattered, and how wide its mirror image is smeared.

    `mirror` is F0 (0-1), `diffuse` the Lambertian reflectance (0-1), `lobe` the standard deviation of the
    specular lobe in degrees.
    """

    mirror: float
    diffuse: float
    lobe: float


SurfaceName = Literal["glass", "coated", "matte"]

SURFACES: Final[dict[str, Surface]] = {
    # F0 = ((n - 1) / (n + 1))^2 of n = 1.5
    "glass": Surface(0.04, 0.008, 0.0),
    # quarter-wave coatings leave .005-.01
    "coated": Surface(0.008, 0.006, 0.0),
    # an etched film: the same Fresnel reflection, in a lobe of some degrees
    "matte": Surface(0.035, 0.015, 3.0),
}
"""The surfaces by name."""

if set(get_args(SurfaceName)) != set(SURFACES):
    raise RuntimeError("SurfaceName and SURFACES differ")


def schlick(cosine: Floats, mirror: float) -> Floats:
    """Return the share mirrored at the angle of `cosine`: F0 + (1 - F0)(1 - cos)^5 (Schlick 1994)."""
    return mirror + (1 - mirror) * (1 - cosine) ** 5


def _cosines(height: int, width: int, frame: tuple[int, int], focal: float, normal: Floats) -> Floats:
    """Return the cosine between each ray and the plane's normal, on a grid of `height` x `width` cells."""
    y = ((np.arange(height) + 0.5) / height - 0.5) * frame[0]
    x = ((np.arange(width) + 0.5) / width - 0.5) * frame[1]
    toward = normal[0] * x + (normal[1] * y)[:, None] + normal[2] * focal
    length = np.sqrt(x * x + (y * y)[:, None] + focal * focal)
    return np.asarray(np.clip(np.abs(toward) / length, 0.0, 1.0), np.float64)


def reflected_cells(
    height: int,
    width: int,
    *,
    surface: str,
    focal: float,
    normal: Floats,
    brightest: float,
    scattered: float,
    kelvin: float,
    white: float,
    blur: float,
    seed: int,
) -> NDArray[np.uint16]:
    """Return the light that the front adds to a frame of `height` x `width` px, coarse, to be enlarged.

    Result: uint16, h x w x 3, 32768 is white; h and w are some tens of cells, or 1 where light is even.
    L = F(theta) L_room + rho_d E / pi, theta per pixel between the ray and the plane's `normal` (in the
    camera's axes) for a focal length of `focal` px. `brightest` is the brightest mirrored radiance and
    `scattered` is E / pi, both over the luminance of white; `kelvin` is the colour temperature of the lamps
    and `white` that of white; `blur` (% of the shorter side) is the camera's defocus on the room, `seed` the
    room.
    """
    front = SURFACES[surface]
    tint = 1 / planckian(white)
    lamp = planckian(kelvin) * tint
    level = front.diffuse * scattered * lamp
    if brightest <= 0:
        return np.clip(np.rint(level * ONE), 0, 65535).astype(np.uint16).reshape(1, 1, 3)
    # the lobe in % of the shorter side, as the room behind the glass is far
    lobe = 100 * math.tan(math.radians(front.lobe)) * focal / min(height, width)
    # a room out of focus needs no more than a cell a deviation
    cells = min(max(16 * math.ceil(100 / 16 / max(blur, 1)), 32), 96)
    room = environment(height, width, seed, kelvin, blur, cells).astype(np.float32)
    if lobe > 1:
        room = _smeared(room, min(lobe, _WIDEST) / 100)
    widest = math.acos(min(1.0, abs(float(normal[2])))) + math.atan(math.hypot(height, width) / 2 / focal)
    gain = tint * (brightest * _PER_UNIT)
    if widest < _FLAT:
        mirror = (front.mirror * gain).astype(np.float32).reshape(1, 1, 3)
    else:
        cosine = _cosines(room.shape[0], room.shape[1], (height, width), focal, normal)
        mirror = (schlick(cosine, front.mirror)[:, :, None] * gain).astype(np.float32)
    return _lit(room, mirror, (level * ONE).astype(np.float32))


@kernel
def _lit(
    room: NDArray[np.float32], mirror: NDArray[np.float32], level: NDArray[np.float32]
) -> NDArray[np.uint16]:
    """Return room x mirror + level, uint16; `mirror` is of the room's size, or 1 x 1."""
    height, width, _ = room.shape
    out = np.empty((height, width, 3), np.uint16)
    half, most = np.float32(0.5), np.float32(65535)
    down, right = min(mirror.shape[0] - 1, 1), min(mirror.shape[1] - 1, 1)
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                light = room[y, x, channel] * mirror[y * down, x * right, channel] + level[channel] + half
                out[y, x, channel] = np.uint16(np.int32(min(light, most)))
    return out


def _smeared(room: NDArray[np.float32], lobe: float) -> NDArray[np.float32]:
    """Return a coarser room through a specular lobe of that deviation, over the shorter side."""
    h, w, _ = room.shape
    short = min(h, w)
    size = tuple(max(1, round(n * _COARSE / short)) for n in (w, h))
    small = cv2.resize(room, size, interpolation=cv2.INTER_AREA)
    sigma = lobe * _COARSE
    return np.asarray(cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)
