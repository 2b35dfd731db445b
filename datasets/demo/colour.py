"""Colours that have a cause: skin pigments, hair pigments, iris pigment and the temperature of light.

All colours are linear-light sRGB primaries (IEC 61966-2-1), floats, 1 = a white diffuser in unit light.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["blackbody", "hair_colour", "iris_colour", "skin_albedo", "to_srgb"]

Floats = NDArray[np.float64]

_BLOODLESS = np.array([0.72, 0.565, 0.425])  # dermis seen through an unpigmented epidermis
_MELANIN = np.array([2.06, 2.36, 2.58])  # optical depth at the dark end
_BLOOD = np.array([0.05, 0.36, 0.30])  # oxyhaemoglobin absorbs green and blue


def skin_albedo(melanin: float | Floats, blood: float | Floats) -> Floats:
    """Return the diffuse colour (..., 3) of skin for pigments in 0..1 (blood may exceed 1: a blush).

    Absorption after Beer and Lambert with two chromophores, as in Jacques (*Optical properties of biological
    tissues*, Phys. Med. Biol. 58, 2013); the depths are set so that melanin 0..1 runs through the classes of
    the individual typology angle (Chardon, Cretois and Hourseau, Int. J. Cosmet. Sci. 13, 1991) from very
    light (above 55 degrees) to dark (below -30), evenly in the angle.
    """
    m = np.asarray(melanin, dtype=np.float64)[..., None]
    m = m**1.35 + 0.04 * np.sin(2.0 * np.pi * m)  # evens out the angle, which falls fastest in the middle
    b = np.asarray(blood, dtype=np.float64)[..., None]
    return np.asarray(_BLOODLESS * np.exp(-_MELANIN * m) * np.exp(-_BLOOD * b * (1.0 - 0.35 * m)))


def hair_colour(melanin: float, red: float, grey: float) -> Floats:
    """Return the diffuse colour (3,) of hair; eumelanin, pheomelanin and share of white hairs are 0..1."""
    depth = 0.75 + 3.6 * melanin**0.8
    pigment = np.exp(-depth * np.array([0.86, 1.10, 1.42])) * (1.0 - red * np.array([-0.15, 0.30, 0.62]))
    return np.asarray(pigment * (1.0 - grey) + grey * np.array([0.42, 0.41, 0.40]) + 0.003)


def iris_colour(melanin: float) -> Floats:
    """Return the iris's outer colour (3,): blue-grey through green and hazel to dark brown."""
    stops = np.array([[0.17, 0.27, 0.38], [0.15, 0.19, 0.12], [0.15, 0.095, 0.038], [0.045, 0.022, 0.011]])
    at = np.array([0.0, 0.33, 0.62, 1.0])
    return np.array([np.interp(melanin, at, stops[:, c]) for c in range(3)])


def blackbody(kelvin: float) -> Floats:
    """Return the colour (3,) of a Planckian radiator with unit luminance, for 1667..25000 K.

    Chromaticity by the cubic fit of Kim et al. (US patent 7,024,034, 2002), as CIE 1931 xy.
    """
    t = 1000.0 / kelvin
    if kelvin < 4000.0:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin < 2222.0:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin < 4000.0:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1.0 - x - y) / y])
    matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return np.asarray(np.maximum(matrix @ xyz, 0.02))


def to_srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encode linear light 0..1 by the sRGB curve."""
    return np.asarray(
        np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-8) ** (1 / 2.4) - 0.055),
        np.float32,
    )
