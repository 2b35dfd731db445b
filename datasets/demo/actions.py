"""Action units as displacements of skin, after the muscles that cause them.

Numbers, names and the scale 0..5 (absent, then A to E) are those of the Facial Action Coding System (Ekman,
Friesen and Hager, *FACS, the manual*, 2002). Each unit is a list of pushes in millimetres at intensity 5; a
push grows in proportion to the intensity, so every effect is monotone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo import head as h
from facedata.datasets.demo.head import Anatomy, mirrored_bumps, mirrored_grooves

__all__ = ["AUS", "EXPRESSIONS", "Pose", "act"]

Floats = NDArray[np.float64]

AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 20, 23, 25, 26, 43)
"""The action units that can be rendered: a unit not among them is not coded, which is not the same as
absent."""

EXPRESSIONS: dict[str, dict[int, float]] = {
    "neutral": {},
    "happiness": {6: 3.5, 12: 4.0, 25: 2.0},
    "sadness": {1: 4.0, 4: 2.5, 15: 4.0, 17: 2.0},
    "surprise": {1: 4.5, 2: 4.5, 5: 3.0, 25: 3.0, 26: 4.0},
    "fear": {1: 4.0, 2: 2.5, 4: 2.5, 5: 4.0, 7: 1.5, 20: 3.5, 25: 2.5, 26: 2.0},
    "anger": {4: 4.5, 5: 2.0, 7: 3.0, 10: 1.0, 17: 2.0, 23: 3.5},
    "disgust": {4: 1.5, 9: 4.5, 10: 3.0, 15: 1.5, 17: 2.5, 25: 1.0},
}
"""Typical intensities of the basic expressions, after EMFACS (Friesen and Ekman 1983) and the compound-face
cores of Du, Tao and Martinez (PNAS 111, 2014)."""


@dataclass(frozen=True)
class Pose:
    """An expression in the kernel's terms; see `sculpt.sculpt`."""

    bumps: Floats
    grooves: Floats
    lids: Floats  # (2, 2): upper and lower opening, image-left eye first
    jaw: float  # radians


def _tables(a: Anatomy) -> tuple[dict[int, list[tuple[float, ...]]], dict[int, list[tuple[float, ...]]]]:
    """Return the pushes (x, y, rx, ry, dx, dy, dz) and furrows of each unit on this head."""
    v = a.vector
    eye, brow, nose, mouth, chin = v[h.EYE_X], v[h.BROW_Y], v[h.NOSE_Y], v[h.MOUTH_Y], v[h.CHIN_Y]
    corner, wing = v[h.MOUTH_X], v[h.NOSE_W]
    outer = eye + v[h.EYE_HALF]
    push: dict[int, list[tuple[float, ...]]] = {
        1: [(11.0, brow + 4.0, 26.0, 26.0, -1.0, 8.0, 0.5), (9.0, brow + 26.0, 24.0, 26.0, 0.0, 3.0, 0.0)],
        2: [
            (eye + 11.0, brow + 4.0, 26.0, 26.0, 0.5, 8.5, 0.0),
            (eye + 10.0, brow + 28.0, 24.0, 26.0, 0.0, 3.0, 0.0),
        ],
        4: [
            (15.0, brow, 26.0, 22.0, -5.0, -6.5, 1.2),
            (eye + 10.0, brow, 22.0, 18.0, -2.0, -2.0, 0.0),
            (0.0, brow - 2.0, 13.0, 16.0, 0.0, -3.0, 2.0),
        ],
        6: [
            (eye + 5.0, -23.0, 32.0, 22.0, 0.0, 6.0, 4.5),
            (outer + 4.0, -3.0, 16.0, 18.0, -2.0, 1.0, 1.0),
            (outer + 2.0, brow - 3.0, 18.0, 14.0, 0.0, -2.0, 0.5),
        ],
        7: [(eye, -8.0, 22.0, 9.0, 0.0, 1.0, 0.9)],
        9: [
            (wing * 0.85, nose + 7.0, 18.0, 20.0, 0.5, 5.5, 1.5),
            (10.0, -8.0, 14.0, 26.0, 0.0, 3.0, 2.0),
            (12.0, brow - 1.0, 22.0, 20.0, -2.5, -4.0, 1.0),
            (wing + 7.0, nose + 4.0, 15.0, 22.0, 0.0, 3.0, 2.5),
            (0.0, mouth + 8.0, 30.0, 16.0, 0.0, 2.0, 0.8),
        ],
        10: [
            (wing + 5.0, nose - 3.0, 20.0, 22.0, 0.5, 4.0, 2.2),
            (wing * 0.8, nose + 6.0, 14.0, 14.0, 0.8, 1.6, 0.0),
        ],
        12: [
            (corner, mouth, 26.0, 22.0, 9.0, 9.0, -6.0),
            (eye + 9.0, -32.0, 32.0, 26.0, 1.5, 5.0, 6.0),
            (wing + 1.0, nose + 5.0, 13.0, 14.0, 2.2, 0.8, -0.5),
            (corner + 18.0, mouth + 4.0, 20.0, 26.0, 3.5, 0.0, 1.0),
        ],
        15: [
            (corner, mouth - 1.0, 22.0, 18.0, 1.0, -8.0, -1.5),
            (corner + 3.0, mouth - 14.0, 14.0, 14.0, 0.0, -2.5, 2.6),
            (0.0, mouth - 18.0, 22.0, 12.0, 0.0, 0.0, 0.8),
        ],
        17: [
            (0.0, chin + 15.0, 30.0, 26.0, 0.0, 7.0, 3.0),
            (0.0, mouth - 3.0, 26.0, 20.0, 0.0, 3.2, 2.8),
            (corner, mouth - 2.0, 13.0, 12.0, 0.0, -1.5, 0.0),
        ],
        20: [
            (corner, mouth, 28.0, 22.0, 8.5, -1.5, -5.0),
            (corner + 8.0, mouth - 16.0, 22.0, 22.0, 3.5, -2.0, 0.0),
            (0.0, mouth, 30.0, 16.0, 0.0, 0.0, -2.5),
        ],
        23: [(corner, mouth, 20.0, 14.0, -4.5, 0.0, 0.5), (0.0, mouth, 30.0, 13.0, 0.0, 0.0, -1.8)],
        25: [],
        26: [(corner, mouth, 18.0, 16.0, -2.0, 0.0, 0.0)],
    }  # fmt: skip
    furrow: dict[int, list[tuple[float, ...]]] = {
        1: [(0.0, brow + y, 0.0, -0.004, 26.0, 1.5, 0.95) for y in (16.0, 24.0, 32.0)],
        2: [(eye + 6.0, brow + y, 6.0, -0.008, 24.0, 1.5, 0.85) for y in (17.0, 25.0, 33.0)],
        4: [(4.5, brow + 4.0, 82.0, 0.01, 13.0, 1.5, 1.7), (0.0, brow - 11.0, 0.0, -0.01, 9.0, 1.4, 0.9)],
        6: [(outer + 10.0, y, t, 0.0, 12.0, 1.2, 1.0) for y, t in ((4.0, 24.0), (-1.0, 4.0), (-6.0, -18.0))]
        + [(eye - 1.0, -14.0, -8.0, 0.012, 17.0, 2.0, 1.2)],
        7: [(eye - 1.0, -10.0, -8.0, 0.012, 14.0, 1.4, 0.6)],
        9: [(7.0, y, 42.0, 0.0, 9.0, 1.3, 1.3) for y in (4.0, -3.0, -10.0)]
        + [(wing + 7.0, nose, -52.0, -0.015, 18.0, 2.2, 1.9)],
        10: [(wing + 8.0, nose - 3.0, -54.0, -0.02, 20.0, 2.4, 1.9)],
        12: [(wing + 10.5, nose - 5.0, -54.0, -0.022, 25.0, 2.6, 2.3)],
        15: [(corner + 5.0, mouth - 9.0, -70.0, 0.02, 11.0, 1.8, 1.4)],
        17: [(0.0, mouth - 17.0, 0.0, -0.02, 16.0, 2.2, 1.6)]
        + [(x, chin + y, 90.0, 0.0, 5.0, 1.6, 0.8) for x, y in ((4.0, 16.0), (9.0, 14.0), (6.0, 9.0))],
        20: [(corner + 8.0, mouth, -86.0, 0.02, 14.0, 2.0, 1.3)],
        23: [(x, mouth + y, 88.0, 0.0, 5.0, 1.0, 0.5) for x in (3.0, 8.0, 13.0) for y in (9.0, -11.0)],
    }
    return push, furrow


def _lip_tables(a: Anatomy) -> dict[int, list[tuple[float, list[tuple[float, ...]]]]]:
    """Return the pushes that move one lip only: (side, pushes). They end at the corners of the mouth."""
    v = a.vector
    m, r = v[h.MOUTH_Y], v[h.MOUTH_X]
    up, low = v[h.LIP_UP], v[h.LIP_LOW]
    return {
        9: [(1.0, [(0.0, m, r, 16.0, 0.0, 1.2, 0.4)])],
        10: [(1.0, [(0.0, m + 2.0, r, 20.0, 0.0, 4.0, 1.2), (9.0, m + 4.0, 14.0, 16.0, 0.0, 2.4, 0.8)])],
        12: [
            (1.0, [(0.0, m + up, r, 12.0, 0.0, -1.0, -1.0)]),
            (-1.0, [(0.0, m - low, r, 14.0, 0.0, 0.8, -1.0)]),
        ],
        17: [(-1.0, [(0.0, m - 3.0, r, 14.0, 0.0, 0.0, 1.5)])],
        23: [
            (1.0, [(0.0, m + up, r + 4.0, 0.95 * up, 0.0, -0.6 * up, -1.4)]),
            (-1.0, [(0.0, m - low, r + 4.0, 0.95 * low, 0.0, 0.6 * low, -1.4)]),
        ],
        25: [(1.0, [(0.0, m, r, 18.0, 0.0, 2.2, 0.6)]), (-1.0, [(0.0, m, r, 22.0, 0.0, -5.2, 0.4)])],
        26: [(-1.0, [(0.0, m, r, 14.0, 0.0, -1.5, 0.0)])],
    }


def act(a: Anatomy, units: Mapping[int, float], asymmetry: tuple[float, float, float, float]) -> Pose:
    """Return the pushes, furrows, lids and jaw of `units` (AU number -> 0..5) on the head `a`.

    `asymmetry` tilts brow, eye, nose and mouth a little, so that no face is its own mirror image.
    """
    push, furrow = _tables(a)
    lips = _lip_tables(a)
    v = a.vector
    rows, lines = [a.bumps], [a.grooves]
    for unit, intensity in units.items():
        share = intensity / 5.0
        if share <= 0.0:
            continue
        blocks = [(0.0, push.get(unit, [])), *lips.get(unit, [])]
        for side, pushes in blocks:
            block = mirrored_bumps(pushes, side)
            block[:, 4:7] *= share
            rows.append(block)
        line = mirrored_grooves(furrow.get(unit, []))
        line[:, 7] *= share
        lines.append(line)
    brow, eye, nose, mouth = asymmetry
    rows.append(
        np.array([
            (v[h.EYE_X], v[h.BROW_Y] + 3.0, 26.0, 22.0, 0.0, 0.9 * brow, 0.0, 0.0),
            (0.0, v[h.NOSE_Y] + 10.0, 26.0, 30.0, 0.6 * nose, 0.0, 0.0, 0.0),
            (v[h.MOUTH_X], v[h.MOUTH_Y], 26.0, 22.0, 0.0, 0.7 * mouth, 0.0, 0.0),
            (45.0, -30.0, 30.0, 40.0, 0.5 * mouth, 0.0, 0.5 * eye, 0.0),
        ])
    )  # fmt: skip
    return Pose(
        np.ascontiguousarray(np.concatenate(rows)),
        np.ascontiguousarray(np.concatenate(lines)),
        _lids(v, units, eye),
        np.radians(14.0) * units.get(26, 0.0) / 5.0,
    )


def _lids(v: Floats, units: Mapping[int, float], asymmetry: float) -> Floats:
    """Return both eyes' openings over and under the line between the corners, millimetres."""
    up, low = v[h.LID_UP], v[h.LID_LOW]
    raise_, squint, cheek, shut = (units.get(unit, 0.0) / 5.0 for unit in (5, 7, 6, 43))
    top = up + 3.0 * raise_ - 0.20 * up * squint - 0.06 * up * cheek
    bottom = low * (1.0 - 0.50 * squint - 0.34 * cheek + 0.28 * squint * cheek) + 0.5 * raise_
    # Closing: the upper lid travels to the lower one, which barely rises (Evinger et al., IOVS 32, 1991).
    bottom *= 1.0 - 0.15 * shut
    top = top * (1.0 - shut) - bottom * shut
    tilt = 0.025 * asymmetry
    return np.array([[top * (1.0 - tilt), bottom], [top * (1.0 + tilt), bottom]])
