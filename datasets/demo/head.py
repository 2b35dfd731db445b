"""The neutral head: a lofted skull and the table of reliefs that make it one person's face.

Coordinates are millimetres: x to the image's right, y up from the line through the pupils, z out of the face
towards the camera from the axis between the ears. The skull is a stack of horizontal superellipses whose
width, front and back are smooth functions of y; every relief on it (brow ridge, cheek, chin, fold) is a row
of a table, so that one kernel (`sculpt.sculpt`) makes skull, expression, landmarks and hair roots alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo.identity import Identity

__all__ = ["Anatomy", "anatomy", "section", "surface_z"]

Floats = NDArray[np.float64]

# Places in `Anatomy.vector`, the numbers the kernel reads.
(EYE_X, EYE_Z, EYE_HALF, EYE_RX, EYE_R, TILT, LID_UP, LID_LOW, CREASE, NOSE_Y, NOSE_W, NOSE_H, BRIDGE, HUMP,
 UPTURN, MOUTH_Y, MOUTH_X, LIP_UP, LIP_LOW, CHIN_Y, BROW_Y, BROW_ARCH, BROW_T) = range(23)  # fmt: skip
TABLE = 768


@dataclass(frozen=True)
class Anatomy:
    """A neutral head, ready for the kernel.

    `profile` (TABLE, 4) holds half-width squared, front z, back z and exponent at equal steps of y from
    `bottom` to `top` (the square is linear in y at the poles, so a table of it has no corner there);
    `vector` the scalars named above; `bumps` (n, 8) and `grooves` (n, 8) the reliefs, as `sculpt.sculpt`
    documents them.
    """

    profile: Floats
    bottom: float
    top: float
    vector: Floats
    bumps: Floats
    grooves: Floats


def _monotone(x: Floats, y: Floats, at: Floats) -> Floats:
    """Interpolate by monotone cubics (Fritsch and Carlson, SIAM J. Numer. Anal. 17, 1980)."""
    step = np.diff(x)
    slope = np.diff(y) / step
    tangent = np.empty_like(y)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    left, right = slope[:-1], slope[1:]
    weight = (step[:-1] + 2 * step[1:], 2 * step[:-1] + step[1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = (weight[0] + weight[1]) / (weight[0] / left + weight[1] / right)
    tangent[1:-1] = np.where(left * right > 0, harmonic, 0.0)
    i = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    h = step[i]
    t = (at - x[i]) / h
    return np.asarray(
        (1 + 2 * t) * (1 - t) ** 2 * y[i]
        + t * (1 - t) ** 2 * h * tangent[i]
        + t * t * (3 - 2 * t) * y[i + 1]
        + t * t * (t - 1) * h * tangent[i + 1]
    )


def _profile(p: Identity, mouth: float, chin: float) -> tuple[Floats, float, float]:
    c, f = p.cranium_width / 2, p.face_width / 2
    j = f * p.jaw_width
    k = f * p.chin_width
    top, bottom = p.cranium_height + 2.0, chin - 2.0
    forward = p.chin_projection
    low = chin - mouth  # negative: the height of the lower face
    # y, half-width, front, back, superellipse exponent
    rows = np.array([
        (bottom, 0.0, 78.0 + forward, 70.0 + forward, 2.0),
        (bottom + 1.2, 0.32 * k, 87.0 + forward, 60.0, 2.0),
        (bottom + 5.0, 0.66 * k, 93.0 + forward, 49.0, 2.05),
        (mouth + 0.72 * low, 0.36 * k + 0.38 * j, 95.0 + 0.8 * forward, 36.0, 2.1),
        (mouth + 0.40 * low, 0.16 * k + 0.73 * j, 95.0 + 0.3 * forward, 20.0, 2.15),
        (mouth, j, 96.0, 2.0, 2.25),
        (0.72 * mouth, 0.42 * f + 0.58 * j + 0.4, 95.5, -14.0, 2.25),
        (0.42 * mouth, 0.84 * f + 0.16 * j + 0.3, 94.0, -40.0, 2.25),
        (-8.0, f, 94.0, -80.0, 2.3),
        (10.0, 0.82 * f + 0.17 * c, 97.0, -90.0, 2.35),
        (32.0, 0.34 * f + 0.62 * c, 98.5, -95.0, 2.35),
        (0.5 * p.cranium_height, c, 95.5, -97.0, 2.3),
        (0.7 * p.cranium_height, 0.91 * c, 87.0, -94.0, 2.2),
        (0.85 * p.cranium_height, 0.74 * c, 73.0, -84.0, 2.1),
        (0.95 * p.cranium_height, 0.49 * c, 52.0, -66.0, 2.0),
        (top - 1.4, 0.27 * c, 26.0, -38.0, 2.0),
        (top, 0.0, -4.0, -8.0, 2.0),
    ])  # fmt: skip
    y = np.linspace(bottom, top, TABLE)
    columns = [_monotone(rows[:, 0], values, y) for values in (rows[:, 1] ** 2, *rows[:, 2:].T)]
    return np.ascontiguousarray(np.stack(columns, axis=1)), bottom, top


def _reliefs(
    p: Identity, eye: float, brow: float, nose: float, mouth: float, chin: float
) -> tuple[Floats, Floats]:
    r, a, full, bone = p.robustness, p.age, p.fullness, p.cheekbone
    w = p.nose_width / 2
    # Bumps: x, y, reach in x, reach in y, then the push in x (outward), y and z at the centre. x > 0 is
    # mirrored.
    bumps = [
        (eye - 1.0, 1.0, 26.0, 21.0, 0.0, 0.0, -7.0 + 0.5 * p.eye_depth),  # orbit
        (eye * 0.53, 5.0, 13.0, 17.0, 0.0, 0.0, -7.5),  # inner corner of the orbit, beside the nose
        (eye + 1.0, brow - 1.0, 32.0, 12.0, 0.0, 0.0, 2.2 + 3.2 * r),  # ridge
        (0.0, brow - 2.0, 17.0, 15.0, 0.0, 0.0, 1.0 + 2.2 * r),  # glabella
        (22.0, 58.0, 36.0, 30.0, 0.0, 0.0, 2.0 - 1.5 * r),  # frontal eminence
        (64.0, 30.0, 26.0, 30.0, -1.6, 0.0, -2.0),  # temple
        (eye + 17.0, -15.0, 28.0, 20.0, 1.0 + 2.0 * bone, 0.0, 1.5 + 4.5 * bone),  # cheekbone
        (eye + 6.0, -31.0, 32.0, 26.0, 0.0, -1.0 * a, 2.5 + 3.5 * full),  # cheek
        (eye + 16.0, -58.0, 30.0, 30.0, -2.0 + 3.5 * full - a, 0.0, -3.0 + 5.0 * full - 1.5 * a),  # hollow
        (36.0, chin + 14.0, 26.0, 26.0, 1.0 * full + 2.0 * a, 0.0, 1.5 * a),  # jowl
        (0.0, mouth + 1.0, 40.0, 28.0, 0.0, 0.0, 8.5),  # dental arch
        (0.0, mouth - 1.4 * p.lower_lip - 6.0, 26.0, 9.0, 0.0, 0.0, -5.0),  # mentolabial fold
        (0.0, chin + 13.0, 24.0, 18.0, 0.0, 0.0, 5.5 + 1.5 * r),  # chin
        (8.5 + 3 * r, chin + 10.0, 13.0, 13.0, 0.0, 0.0, 1.5 * r),
        (eye - 9.0, -14.0, 17.0, 8.0, 0.0, 0.0, -1.2 - 1.0 * a),  # trough under the eye
        (p.mouth_width / 2 + 4.0, mouth - 1.0, 9.0, 9.0, 0.0, 0.0, -2.0),  # corner of the mouth
        (0.0, mouth + p.upper_lip + 5.0, 4.5, 13.0, 0.0, 0.0, -1.5),  # philtrum and its two columns
        (5.5, mouth + p.upper_lip + 4.0, 4.5, 12.0, 0.0, 0.0, 0.8),
        (w + 5.0, nose + 5.0, 8.0, 12.0, 0.0, 0.0, -2.0),  # groove round the wing
    ]  # fmt: skip
    # Grooves: x, y, direction in degrees (outward and up), bend per mm, half-length, half-width, depth.
    g = 0.25 + 1.0 * a
    grooves = [
        (w + 9.0, nose - 5.0, -56.0, -0.012, 21.0, 3.2, 1.1 * g),  # nasolabial
        (p.mouth_width / 2 + 6.0, mouth - 11.0, -72.0, 0.0, 12.0, 3.0, 0.9 * a),  # marionette
        (eye - 8.0, -13.0, -26.0, 0.018, 15.0, 2.4, 0.55 * g),  # under the eye
        (0.0, brow + 20.0, 0.0, -0.002, 34.0, 1.6, 0.55 * a),
        (0.0, brow + 31.0, 0.0, -0.003, 38.0, 1.6, 0.5 * a),
        (eye + p.eye_width / 2 + 8.0, 3.0, 22.0, 0.0, 9.0, 1.1, 0.55 * a),
        (eye + p.eye_width / 2 + 8.0, -4.0, -18.0, 0.0, 9.0, 1.1, 0.55 * a),
        (5.0, brow + 3.0, 82.0, 0.0, 9.0, 1.4, 0.5 * a),
    ]  # fmt: skip
    return mirrored_bumps(bumps), mirrored_grooves(grooves)


def mirrored_bumps(rows: Sequence[tuple[float, ...]], side: float = 0.0) -> Floats:
    """Return rows (x, y, rx, ry, dx, dy, dz, side) for both halves of the face; x = 0 needs one."""
    out = []
    for x, y, rx, ry, dx, dy, dz in rows:
        out.append((x, y, rx, ry, dx, dy, dz, side))
        if x > 0:
            out.append((-x, y, rx, ry, -dx, dy, dz, side))
    return np.array(out, dtype=np.float64).reshape(-1, 8)


def mirrored_grooves(rows: Sequence[tuple[float, ...]]) -> Floats:
    """Return rows (x, y, cos, sin, bend, half-length, half-width, depth) for both halves of the face."""
    out = []
    for x, y, direction, bend, length, width, depth in rows:
        c, s = np.cos(np.radians(direction)), np.sin(np.radians(direction))
        out.append((x, y, c, s, bend, length, width, depth))
        if x > 0:
            out.append((-x, y, c, -s, bend, length, width, depth))
    return np.array(out, dtype=np.float64).reshape(-1, 8)


@lru_cache(maxsize=16)
def anatomy(p: Identity) -> Anatomy:
    """Return the neutral head of `p`."""
    nose = -p.nose_length
    mouth = nose - p.philtrum
    chin = -p.face_length
    eye = p.eye_spacing / 2
    profile, bottom, top = _profile(p, mouth, chin)
    bumps, grooves = _reliefs(p, eye, p.brow_height, nose, mouth, chin)
    vector = np.zeros(23)
    vector[[EYE_X, EYE_Z, EYE_HALF, EYE_RX, EYE_R]] = (
        eye,
        72.0 + p.eye_depth,
        p.eye_width / 2,
        p.eye_width / 2 + 1.2,
        12.4,
    )
    vector[[TILT, LID_UP, LID_LOW]] = (
        np.tan(np.radians(p.eye_tilt)),
        0.455 * p.eye_opening,
        0.47 * p.eye_opening,
    )
    vector[[CREASE, NOSE_Y, NOSE_W, NOSE_H]] = p.lid_crease, nose, p.nose_width / 2, p.nose_projection
    vector[[BRIDGE, HUMP, UPTURN]] = p.nose_bridge, p.nose_hump, p.nose_upturn
    vector[[MOUTH_Y, MOUTH_X, LIP_UP, LIP_LOW]] = mouth, p.mouth_width / 2, p.upper_lip, p.lower_lip
    vector[[CHIN_Y, BROW_Y, BROW_ARCH, BROW_T]] = chin, p.brow_height, p.brow_arch, p.brow_thickness
    return Anatomy(profile, bottom, top, vector, bumps, grooves)


def section(a: Anatomy, y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return half-width, half-depth, centre z and exponent of the horizontal sections at heights `y`."""
    grid = np.linspace(a.bottom, a.top, TABLE)
    square, front, back, n = (np.interp(y, grid, a.profile[:, i]) for i in range(4))
    return np.sqrt(np.maximum(square, 0.0)), (front - back) / 2, (front + back) / 2, n


def surface_z(a: Anatomy, x: Floats, y: Floats) -> Floats:
    """Return the front z of the unsculpted skull at (x, y), millimetres; beyond its edge, the edge's."""
    w, d, centre, n = section(a, y)
    inside = np.maximum(1.0 - np.minimum(np.abs(x) / np.maximum(w, 1e-6), 1.0) ** n, 0.0)
    return np.asarray(centre + d * inside ** (1.0 / n))
