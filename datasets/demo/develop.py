"""From linear light to the picture's bytes: lens, exposure, tone curve, sensor noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo.colour import blackbody, to_srgb
from facedata.datasets.demo.noise import gaussian
from facedata.datasets.demo.shot import Shot

__all__ = ["develop"]

Floats32 = NDArray[np.float32]


def develop(linear: Floats32, shot: Shot) -> NDArray[np.uint8]:
    """Return the sRGB picture uint8 (size, size, 3) of `linear` light (size, size, 3)."""
    size = linear.shape[0]
    white = blackbody(shot.white_kelvin)
    image = linear * np.asarray(2.0**shot.exposure / white, np.float32)
    # A little light scatters in every lens.
    veil = cv2.GaussianBlur(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), (0, 0), 4.0)
    image = 0.96 * image + 0.04 * cv2.resize(veil, (size, size), interpolation=cv2.INTER_LINEAR)
    sigma = shot.softness * size
    if sigma > 0.25:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
    # Photon noise grows with the root of the light; the sensor's own does not.
    # The grain is a share of the picture, so the deviation halves when four pixels become one.
    grain = gaussian(shot.seed, 7, (size, size, 3)) * 0.7 + gaussian(shot.seed, 8, (size, size, 1)) * 0.7
    strength = shot.noise * size / 256.0
    image = image + grain * np.float32(strength) * np.sqrt(np.maximum(image, 0.0) * 0.35 + 0.01)
    return np.asarray(np.rint(255.0 * to_srgb(tone(np.maximum(image, 0.0), shot.contrast))), np.uint8)


def tone(x: Floats32, contrast: float) -> Floats32:
    """Return the film's answer 0..1 to linear light: straight in the middle, a soft shoulder, a short toe."""
    x = np.asarray(0.18 * (np.maximum(x, 1e-6) / 0.18) ** contrast, np.float32)
    shoulder = 0.42
    over = np.maximum(x - shoulder, 0.0)
    span = 1.0 - shoulder
    return np.asarray(
        (np.minimum(x, shoulder) + span * (1.0 - np.exp(-over / span))).clip(0.0, 1.0), np.float32
    )
