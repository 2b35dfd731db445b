"""A three-dimensional mask, made from one picture. Experimental: the least faithful of the attacks."""

from __future__ import annotations

import math
from typing import ClassVar, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.camera import CameraParameters, photograph, to_light
from facedata.augment.edges import Cover, layered, shadow
from facedata.augment.facial import EYES, FACE, FaceParameters, Part, contour, fill, layout, piece
from facedata.augment.kernels import prepared
from facedata.augment.landmarks import Face
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, quantity
from facedata.augment.operators.capture import mixed
from facedata.augment.surface import Lamp
from facedata.datasets.words import Words

__all__ = [
    "BLURS",
    "LUMA",
    "MaskParameters",
    "ResinMask",
    "ResinMaskParameters",
    "SiliconeMask",
    "SiliconeMaskParameters",
    "blur_step",
    "mask_depth",
    "mask_lamp",
    "mask_shadow",
    "normals",
    "outline",
    "shading",
    "slopes",
    "spread",
]

Floats = NDArray[np.float32]

_GRID: Final = 96
"""Places along the shorter side at which the mask's shape is known."""
LUMA: Final = (0.2126, 0.7152, 0.0722)
"""Weights of linear red, green and blue in luminance (IEC 61966-2-1)."""
BLURS: Final = {
    "old": (0.25, 0.0),
    "smooth": (0.025, 0.6),
    "colour": (0.03, 0.6),
    "near": (1.5, 0.0),
    "level": (1.2, 0.0),
}
"""Standard deviations (distances between the pupils; px at least) of the blurs that tell paint from light.

They give the picture's shading, the skin without pores, its colour, the colour around, the light that stays.
"""
_DEPTH: Final = 0.95
"""Depth of the head's ellipsoid in distances between the pupils."""
_RELIEF: Final = (
    # place x, y; reach x, y; height: nose, tip of the nose, brows, chin, eyes, cheeks
    (0.0, 0.38, 0.13, 0.34, 0.16),
    (0.0, 0.64, 0.17, 0.14, 0.20),
    (-0.5, -0.30, 0.38, 0.12, 0.06),
    (0.5, -0.30, 0.38, 0.12, 0.06),
    (0.0, 1.62, 0.28, 0.18, 0.08),
    (-0.5, 0.0, 0.24, 0.14, -0.07),
    (0.5, 0.0, 0.24, 0.14, -0.07),
    (-0.62, 0.55, 0.28, 0.24, 0.05),
    (0.62, 0.55, 0.28, 0.24, 0.05),
    (0.0, 1.08, 0.32, 0.12, 0.05),
)


class MaskParameters(CameraParameters, FaceParameters):
    """The mask's surface, the lamp, and where the face is; then the camera."""

    strength: float = quantity(
        "share of the masked picture, mixed with the parent in linear light",
        unit="1",
        low=0,
        high=1,
        draw=1.0,
    )
    covers: Part = quantity(
        "part of the face that the mask covers; the rest stays live", unit="name", draw="face"
    )
    chroma: float = quantity(
        "what is left of the differences of colour over the skin",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.4, 0.8]},
    )
    detail: float = quantity(
        "what is left of pores, hair and wrinkles", unit="1", low=0, high=1, draw={"uniform": [0.2, 0.6]}
    )
    relit: float = quantity(
        "how far the light of the picture gives way to that of the lamp",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.7, 1.0]},
    )
    gloss: float = quantity(
        "radiance in the middle of the lamp's highlight over that of diffuse white",
        unit="1",
        low=0,
        high=10,
        draw={"log_uniform": [0.12, 0.6]},
    )
    gloss_exponent: float = quantity(
        "exponent of the highlight's lobe, (n.h)^m",
        unit="1",
        low=1,
        high=5000,
        draw={"log_uniform": [10, 100]},
    )
    lamp_angle: float = quantity(
        "angle of the lamp off the camera's axis", unit="deg", low=0, high=80, draw={"uniform": [10, 55]}
    )
    lamp_azimuth: float = quantity(
        "direction of the lamp round the camera's axis: 0 right, 90 above",
        unit="deg",
        low=-360,
        high=360,
        draw={"normal": [90.0, 50.0]},
    )
    ambient: float = quantity(
        "share of the light that comes evenly from everywhere",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.2, 0.6]},
    )
    rim: float = quantity(
        "thickness of the mask at the holes for the eyes",
        unit="mm",
        low=0,
        high=20,
        draw={"uniform": [1.5, 5.0]},
    )
    hole: float = quantity(
        "width of an eye's hole, of the distance between the pupils",
        unit="1",
        low=0.1,
        high=0.95,
        draw={"uniform": [0.42, 0.58]},
    )
    mask_seed: int = quantity(
        "number of the mask: the outlines of its holes",
        unit="1",
        low=0,
        high=2**31 - 1,
        draw={"integer": [0, 2**31 - 1]},
    )


class ResinMaskParameters(MaskParameters):
    """Printed or cast resin: hard and shiny."""

    gloss_exponent: float = quantity(
        "exponent of the highlight's lobe, (n.h)^m",
        unit="1",
        low=1,
        high=5000,
        draw={"log_uniform": [30, 100]},
    )


class SiliconeMaskParameters(MaskParameters):
    """Silicone: soft and dull."""

    gloss_exponent: float = quantity(
        "exponent of the highlight's lobe, (n.h)^m",
        unit="1",
        low=1,
        high=5000,
        draw={"log_uniform": [10, 30]},
    )
    gloss: float = quantity(
        "radiance in the middle of the lamp's highlight over that of diffuse white",
        unit="1",
        low=0,
        high=10,
        draw={"log_uniform": [0.05, 0.25]},
    )
    detail: float = quantity(
        "what is left of pores, hair and wrinkles", unit="1", low=0, high=1, draw={"uniform": [0.4, 0.75]}
    )


P = TypeVar("P", bound=MaskParameters)


class _Mask(Operator[P]):
    strength: ClassVar[str] = "strength"
    version: ClassVar[int] = 2

    def placed(self, face: Face) -> dict[str, float]:
        """Return the places of the face's eyes and mouth."""
        return layout(face)

    def live_beside(self, parameters: P) -> bool:
        """Whether the live person is seen beside the mask: always."""
        return True

    def apply(self, image: Image, parameters: P) -> Applied:
        """Return the photograph of the masked face, uint8 height x width x 3; the mask says where it is."""
        return self._made(image, parameters, explained=False)

    def explain(self, image: Image, parameters: P) -> Applied:
        """Return what `apply` returns, and layers `normals` (128 + 127 n), `irradiance` and `gloss`."""
        return self._made(image, parameters, explained=True)

    def _made(self, image: Image, parameters: P, *, explained: bool) -> Applied:
        image = prepared(image)
        height, width, _ = image.shape
        if parameters.strength == 0:
            return Applied(image.copy(), np.zeros((height, width), np.uint8))
        masked, cover = self.scene(image, parameters)
        taken = photograph(masked, parameters, (width, height))
        share = round(parameters.strength * ONE)
        if share != ONE:
            taken = mixed(image, taken, share, LINEAR, CODED)
        if not explained:
            return Applied(taken, cover)
        direction = normals(parameters, width, height)
        irradiance, gloss = shading(direction, parameters)
        layers = {
            "normals": np.rint(128 + 127 * direction).astype(np.uint8),
            "irradiance": np.rint(np.clip(irradiance * 128, 0, 255)).astype(np.uint8),
            "gloss": np.rint(np.clip(gloss, 0, 1) * cover).astype(np.uint8),
        }
        return Applied(taken, cover, layers)

    def scene(self, image: Image, parameters: P) -> tuple[NDArray[np.uint16], Cover]:
        """Return the light before the lens (uint16, 32768 is white) and what the mask covers."""
        height, width, _ = image.shape
        irradiance, gloss = shading(normals(parameters, width, height), parameters)
        live = to_light(image)
        masked = painted(live, irradiance, gloss, parameters)
        cover = outline(parameters, width, height)
        dark = shadow(cover, *mask_shadow(parameters, width))
        layered(masked, live, cover, dark, mask_depth(parameters), 0, (0.0, 0.0, 0.0, 0.0))
        return masked, cover


class ResinMask(_Mask[ResinMaskParameters]):
    """Experimental: the face as a painted resin mask, with live eyes."""

    name = "mask-resin"
    attack: ClassVar[str | None] = "mask/resin"
    parameters = ResinMaskParameters


class SiliconeMask(_Mask[SiliconeMaskParameters]):
    """Experimental: the face as a silicone mask, with live eyes."""

    name = "mask-silicone"
    attack: ClassVar[str | None] = "mask/silicone"
    parameters = SiliconeMaskParameters


def normals(face: FaceParameters, width: int, height: int) -> Floats:
    """Return the mask's normals, float32, height x width x 3 (x right, y down, z to the camera), length 1."""
    found = slopes(face, width, height)
    whole = np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.asarray(whole / np.linalg.norm(whole, axis=-1, keepdims=True), np.float32)


def slopes(face: FaceParameters, width: int, height: int) -> Floats:
    """Return normals of z = 1, not of length 1, on a grid over the picture: float32, rows x columns x 3.

    An ellipsoid round the face's oval with a nose, brows and a chin on it; past the oval, its rim.
    """
    short = min(width, height)
    columns, rows = (max(2, round(_GRID * n / short)) for n in (width, height))
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * width / columns - 0.5, (np.arange(rows) + 0.5) * height / rows - 0.5
    )
    turn, size = math.radians(face.face_roll), face.pupils(width)
    x = (x - face.eyes_x / 100 * width + 0.5) / size
    y = (y - face.eyes_y / 100 * height + 0.5) / size
    u = x * math.cos(turn) + y * math.sin(turn)
    v = y * math.cos(turn) - x * math.sin(turn)
    u, v = face.mean(u, v)
    p, q = (u - FACE[0] - face.face_shift) / FACE[2], (v - FACE[1]) / FACE[3]
    # the slope of the ellipsoid, held where it would turn away
    z = np.sqrt(np.maximum(1 - p * p - q * q, 0.08))
    du, dv = -_DEPTH * p / FACE[2] / z, -_DEPTH * q / FACE[3] / z
    for place_u, place_v, reach_u, reach_v, tall in _RELIEF:
        a, b = (u - place_u) / reach_u, (v - place_v) / reach_v
        bump = tall * np.exp(-(a * a + b * b))
        du -= 2 * a / reach_u * bump
        dv -= 2 * b / reach_v * bump
    found = np.stack(
        [
            -(du * math.cos(turn) - dv * math.sin(turn)),
            -(du * math.sin(turn) + dv * math.cos(turn)),
            np.ones_like(du),
        ],
        axis=-1,
    )
    return np.asarray(found, np.float32)


def shading(direction: Floats, parameters: MaskParameters) -> tuple[Floats, Floats]:
    """Return irradiance (1 = that of a surface that faces the camera) and highlight, float32, height x width.

    ambient + (1 - ambient) n.l / l_z, and k_s (n.h)^m (Blinn 1977); light and eye are far away.
    """
    lamp = mask_lamp(parameters).place()
    light = np.array([lamp[0], lamp[1], -lamp[2]], np.float32) / np.float32(np.linalg.norm(lamp))
    lit = np.maximum(direction @ light, 0)
    irradiance = parameters.ambient + (1 - parameters.ambient) * lit / light[2]
    half = light + np.array([0, 0, 1], np.float32)
    facet = np.maximum(direction @ (half / np.linalg.norm(half)), 0)
    gloss = np.where(lit > 0, parameters.gloss * facet**parameters.gloss_exponent, 0)
    return np.asarray(irradiance, np.float32), np.asarray(gloss, np.float32)


def outline(parameters: MaskParameters, width: int, height: int) -> Cover:
    """Return what the mask covers: the face's oval or a part of it, less the eyes' holes."""
    words = Words.of(parameters.mask_seed, "holes")
    cover = np.zeros((height, width), np.uint8)
    fill(cover, piece(parameters, parameters.covers, words, width, height), 255)
    for eye in EYES:
        reach = parameters.hole / 2, parameters.hole * 0.24
        fill(cover, contour(parameters, eye, reach, words, width, height), 0)
    return cover


def mask_lamp(parameters: MaskParameters) -> Lamp:
    """Return the lamp; its distance does not matter, for it is far away."""
    return Lamp(1.0, parameters.lamp_angle, parameters.lamp_azimuth, parameters.ambient, 0.0, 1.0)


def mask_shadow(parameters: MaskParameters, width: int) -> tuple[tuple[float, float], float]:
    """Return the displacement (right, down) of the rim's shadow on the eyes and its edge's deviation, px."""
    millimetre = 63.0 / parameters.pupils(width)
    lamp = mask_lamp(parameters).place()
    far = parameters.rim * math.tan(math.radians(parameters.lamp_angle)) / millimetre
    towards = lamp[:2] / max(float(np.hypot(*lamp[:2])), 1e-9)
    return (-far * float(towards[0]), -far * float(towards[1])), 0.7 * parameters.rim / millimetre


def mask_depth(parameters: MaskParameters) -> int:
    """Return how much of the light the rim's shadow takes, of 256: the lamp's, and some of the rest."""
    return round(256 * (0.35 + 0.65 * (1 - parameters.ambient)))


def painted(
    live: NDArray[np.uint16], irradiance: Floats, gloss: Floats, parameters: MaskParameters
) -> NDArray[np.uint16]:
    """Return the light of the mask that is painted like the face: uint16, height x width x 3.

    The light splits into shading, its low-pass over half the distance between the pupils, and paint. Paint
    loses detail and colour; the lamp shades all channels alike, for light does not spread under the paint,
    where skin blurs the red of its shading.
    """
    width = live.shape[1]
    pupil = parameters.pupils(width)
    light = live.astype(np.float32) / ONE
    luma = np.maximum(light @ np.array(LUMA, np.float32), 1e-3)
    old = _blurred(luma, spread("old", pupil))
    smooth = _blurred(luma, spread("smooth", pupil))
    paint = (smooth + (luma - smooth) * parameters.detail) / old
    colour = _blurred(np.asarray(light / luma[..., None], np.float32), spread("colour", pupil))
    near = _blurred(colour, spread("near", pupil))
    colour = near + (colour - near) * parameters.chroma
    colour = 1 + (colour - 1) * (0.5 + 0.5 * parameters.chroma)
    # the lamp's shading in place of the picture's, at the same mean light
    level = _blurred(luma, spread("level", pupil))
    shade = old ** (1 - parameters.relit) * (level * irradiance) ** parameters.relit
    total = (paint * shade)[..., None] * colour + gloss[..., None]
    return np.asarray(np.rint(np.clip(total, 0, 65535 / ONE) * ONE), np.uint16)


def spread(blur: str, pupil: float) -> float:
    """Return the standard deviation in px of one of `BLURS`; `pupil` px lie between the pupils."""
    share, least = BLURS[blur]
    return max(share * pupil, least)


def blur_step(sigma: float, height: int, width: int) -> int:
    """Return by how many px along each axis a field is reduced before a Gaussian of `sigma` px."""
    return int(max(1, min(sigma / 3, min(height, width) / 8)))


def _blurred(field: Floats, sigma: float) -> Floats:
    """Return the field under a Gaussian; a wide one is computed on fewer px."""
    height, width = field.shape[:2]
    step = blur_step(sigma, height, width)
    small: Floats = field
    if step > 1:
        reduced = cv2.resize(field, (width // step, height // step), interpolation=cv2.INTER_AREA)
        small = np.asarray(reduced, np.float32)
    soft = cv2.GaussianBlur(small, (0, 0), max(sigma / step, 0.3), borderType=cv2.BORDER_REPLICATE)
    if step > 1:
        soft = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft, np.float32)
