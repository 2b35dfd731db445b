"""RGB profiles, chromatic adaptation and CIELAB, from published figures.

Profiles are matrix/TRC profiles as ICC.1:2022 has them: a parametric curve of type 3 for each channel, then a
matrix to CIE XYZ, adapted to the D50 of the profile connection space by the linear Bradford transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "D50",
    "D65",
    "PROFILES",
    "Curve",
    "Profile",
    "ProfileName",
    "adaptation",
    "lab_to_xyz",
    "xyz_to_lab",
]

Floats = NDArray[np.float64]

D50: Final[Floats] = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space (ICC.1:2022, 7.2.16)."""

_BRADFORD: Final[Floats] = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""Cone response matrix of the linear Bradford transform (ICC.1:2022, annex E)."""


@dataclass(frozen=True)
class Curve:
    """Tone curve, ICC parametric type 3: y = (a x + b)^g where x >= d, else c x; x and y are 0-1."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0

    def decode(self, coded: Floats) -> Floats:
        """Return linear light 0-1 of code values 0-1."""
        return np.where(coded >= self.d, np.maximum(self.a * coded + self.b, 0.0) ** self.g, self.c * coded)

    def encode(self, linear: Floats) -> Floats:
        """Return code values 0-1 of linear light 0-1."""
        toe = self.c * self.d if self.c else 0.0
        straight = linear / self.c if self.c else np.zeros_like(linear)
        return np.where(linear >= toe, (linear ** (1 / self.g) - self.b) / self.a, straight)


@dataclass(frozen=True)
class Profile:
    """An RGB encoding: chromaticities (x, y) of red, green, blue and white, and the tone curve."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]
    curve: Curve

    def to_pcs(self) -> Floats:
        """Return the 3 x 3 matrix from linear RGB to CIE XYZ relative to D50 (white has Y = 1)."""
        primaries = np.stack([_xyz(*self.red), _xyz(*self.green), _xyz(*self.blue)], axis=1)
        white = _xyz(*self.white)
        matrix: Floats = primaries * np.linalg.solve(primaries, white)
        return adaptation(white, D50) @ matrix


def _xyz(x: float, y: float) -> Floats:
    return np.array([x / y, 1.0, (1 - x - y) / y])


D65: Final[Floats] = _xyz(0.3127, 0.3290)
"""White of sRGB, Display P3 and television (CIE standard illuminant D65, as those standards round it)."""


def adaptation(source: Floats, target: Floats) -> Floats:
    """Return the 3 x 3 linear Bradford adaptation from white `source` to white `target` (XYZ)."""
    gains = (_BRADFORD @ target) / (_BRADFORD @ source)
    return np.asarray(np.linalg.solve(_BRADFORD, gains[:, None] * _BRADFORD), np.float64)


def lab_to_xyz(lab: Floats) -> Floats:
    """Return CIE XYZ relative to D50 (white Y = 1) of CIELAB, last axis L*, a*, b* (CIE 15:2004, 8.2.1)."""
    f_y = (lab[..., 0] + 16) / 116
    f = np.stack([f_y + lab[..., 1] / 500, f_y, f_y - lab[..., 2] / 200], axis=-1)
    return D50 * np.where(f > 6 / 29, f**3, (f - 4 / 29) * 3 * (6 / 29) ** 2)


def xyz_to_lab(xyz: Floats) -> Floats:
    """Return CIELAB of CIE XYZ relative to D50, last axis X, Y, Z (CIE 15:2004, 8.2.1)."""
    ratio = xyz / D50
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


_D65_XY = (0.3127, 0.3290)
_D50_XY = (0.3457, 0.3585)
_SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

ProfileName = Literal[
    "srgb",
    "adobe-rgb-1998",
    "display-p3",
    "prophoto-rgb",
    "rec-2020",
    "apple-rgb",
    "colormatch-rgb",
    "wide-gamut-rgb",
    "smpte-c",
    "pal-secam",
    "eci-rgb-v2",
]

PROFILES: Final[dict[str, Profile]] = {
    # IEC 61966-2-1:1999
    "srgb": Profile((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65_XY, _SRGB_CURVE),
    # Adobe RGB (1998) Color Image Encoding, version 2005-05: gamma is 2 + 51/256
    "adobe-rgb-1998": Profile((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65_XY, Curve(563 / 256)),
    # SMPTE EG 432-1 primaries with D65 and the sRGB curve, as display makers use them
    "display-p3": Profile((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), _D65_XY, _SRGB_CURVE),
    # ISO 22028-2 (ROMM RGB)
    "prophoto-rgb": Profile(
        (0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), _D50_XY, Curve(1.8, c=1 / 16, d=16 / 512)
    ),
    # ITU-R BT.2020-2, inverse of its camera curve (table 4)
    "rec-2020": Profile(
        (0.708, 0.292),
        (0.170, 0.797),
        (0.131, 0.046),
        _D65_XY,
        Curve(1 / 0.45, 1 / 1.0993, 0.0993 / 1.0993, 1 / 4.5, 0.08145),
    ),
    # Trinitron phosphors and the 1.8 of early Macintosh displays (Lindbloom, RGB working space information)
    "apple-rgb": Profile((0.625, 0.34), (0.28, 0.595), (0.155, 0.07), _D65_XY, Curve(1.8)),
    # Radius PressView / ColorMatch (Lindbloom)
    "colormatch-rgb": Profile((0.63, 0.34), (0.295, 0.605), (0.15, 0.075), _D50_XY, Curve(1.8)),
    # Adobe Wide Gamut RGB: spectral primaries 700, 525 and 450 nm
    "wide-gamut-rgb": Profile(
        (0.7347, 0.2653), (0.1152, 0.8264), (0.1566, 0.0177), _D50_XY, Curve(563 / 256)
    ),
    # SMPTE RP 145 primaries; display gamma 2.2 (Lindbloom)
    "smpte-c": Profile((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65_XY, Curve(2.2)),
    # EBU Tech. 3213 primaries; display gamma 2.2 as working spaces have it (ITU-R BT.470 assumes 2.8)
    "pal-secam": Profile((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65_XY, Curve(2.2)),
    # ECI (2007), ISO 22028-4: NTSC primaries, D50, the L* curve of CIE 15
    "eci-rgb-v2": Profile(
        (0.67, 0.33),
        (0.21, 0.71),
        (0.14, 0.08),
        _D50_XY,
        Curve(3.0, 1 / 1.16, 0.16 / 1.16, 2700 / 24389, 0.08),
    ),
}
"""The eleven profiles by name, with the standard that each is built from."""

if set(PROFILES) != set(get_args(ProfileName)):
    raise RuntimeError("ProfileName and PROFILES differ")
