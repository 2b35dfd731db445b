"""Hair: a shell over the skull that gives it body, and strands that give it hair's look.

Brows, lashes and beard are in `facial_hair`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from facedata.datasets.demo.head import anatomy, section
from facedata.datasets.demo.identity import Identity
from facedata.datasets.demo.materials import Material
from facedata.datasets.demo.mesh import Part, grid_faces
from facedata.datasets.demo.noise import gaussian, hash_words, uniform

__all__ = ["scalp_hair", "shade_strands", "shell"]

Floats = NDArray[np.float64]

# Elevations and azimuths of the scalp's table of radii, seen from a point inside the skull.
CENTRE_Y, CENTRE_Z = 22.0, -4.0
ELEVATIONS, AZIMUTHS = 49, 97
_LOW = -70.0


@dataclass(frozen=True)
class Style:
    """Body of the hair (mm), length of strands (mm), number, and how they lie."""

    body: float
    length: float
    strands: int
    steps: int
    curl: float
    lay: int  # 0 forward and down, 1 swept aside, 2 curls, 3 falling from a parting, 4 pulled back
    hang: float  # how low the hair falls, y in mm


_STYLES = {
    "buzz": Style(1.4, 6.0, 7000, 3, 0.0, 0, 0.0),
    "short": Style(9.0, 34.0, 5200, 7, 0.6, 0, 0.0),
    "swept": Style(12.0, 74.0, 4600, 10, 0.8, 1, 0.0),
    "curly": Style(20.0, 46.0, 3800, 14, 5.0, 2, 0.0),
    "bob": Style(9.0, 210.0, 3200, 18, 1.0, 3, -95.0),
    "long": Style(8.0, 340.0, 3200, 22, 1.6, 3, -210.0),
    "tied": Style(4.0, 120.0, 3200, 14, 0.4, 4, 0.0),
}


def hairline(p: Identity, azimuth: Floats) -> Floats:
    """Return the height over which hair grows at azimuths (radians, 0 in front), millimetres."""
    front = 0.585 * p.cranium_height + 13.0 * p.hairline
    recede = 9.0 * p.hairline
    side = 4.0 if p.robustness < 0.5 else -6.0
    at = [0.0, 10.0, 24.0, 38.0, 50.0, 59.0, 66.0, 76.0, 82.0, 112.0, 119.0, 130.0, 180.0]
    y = [
        front - 1,
        front,
        front + 2 + recede,
        front - 2 + recede,
        46.0 + recede,
        30.0,
        14.0,
        side,
        18.0,
        20.0,
        2.0,
        -28.0,
        -44.0,
    ]
    return np.asarray(np.interp(np.degrees(np.abs(azimuth)), at, y))


@lru_cache(maxsize=8)
def _scalp(p: Identity) -> Floats:
    """Return the skull's radius (ELEVATIONS, AZIMUTHS) from the inner centre, by bisection, millimetres."""
    a = anatomy(p)
    e = np.radians(np.linspace(_LOW, 90.0, ELEVATIONS))[:, None]
    t = np.linspace(-np.pi, np.pi, AZIMUTHS)[None, :]
    dx, dy, dz = np.cos(e) * np.sin(t), np.sin(e) + 0 * t, np.cos(e) * np.cos(t)
    low, high = np.zeros(dx.shape), np.full(dx.shape, 180.0)
    for _ in range(16):
        r = (low + high) / 2
        y = CENTRE_Y + r * dy
        w, d, centre, n = section(a, y.ravel())
        w, d, centre, n = (part.reshape(r.shape) for part in (w, d, centre, n))
        level = (np.abs(r * dx) / np.maximum(w, 1e-3)) ** n + (
            np.abs(CENTRE_Z + r * dz - centre) / np.maximum(d, 1e-3)
        ) ** n
        out = (level > 1.0) | (y > a.top) | (y < a.bottom)
        low, high = np.where(out, low, r), np.where(out, r, high)
    return np.asarray((low + high) / 2)


@lru_cache(maxsize=8)
def shell(p: Identity) -> list[Part]:
    """Return the hair's body: a surface over the scalp, sunk under the skin where no hair grows."""
    if p.hair_style == "bald":
        return []
    style = _STYLES[p.hair_style]
    radius = _scalp(p)
    e = np.radians(np.linspace(_LOW, 90.0, ELEVATIONS))[:, None] + np.zeros((1, AZIMUTHS))
    t = np.linspace(-np.pi, np.pi, AZIMUTHS)[None, :] + np.zeros((ELEVATIONS, 1))
    y = CENTRE_Y + radius * np.sin(e)
    grown = np.clip(
        (y - hairline(p, t) - (2.0 if p.hair_style in ("buzz", "tied") else 0.5)) / 14.0, 0.0, 1.0
    )
    body = style.body * (0.8 + 0.4 * p.hair_length)
    lump = 1.0 + 0.10 * np.sin(3 * t + p.seed % 7) * np.sin(4 * e + p.seed % 5)
    if p.hair_style in ("short", "swept"):
        lump = lump * (0.45 + 0.75 * np.clip((y - 20.0) / 70.0, 0.0, 1.0))
    thick = np.where(grown > 0, 0.25 * body * lump * np.sqrt(grown) + 0.25 * body * lump * grown - 0.5, -4.0)
    r = radius + thick
    points = np.stack([
        r * np.cos(e) * np.sin(t), CENTRE_Y + r * np.sin(e), CENTRE_Z + r * np.cos(e) * np.cos(t)
    ], axis=-1)  # fmt: skip
    across = style.lay in (1, 3)
    part = _part(points, np.stack([t * (6.0 if across else 45.0), e * (50.0 if across else 6.0)], axis=-1))
    bare = (grown <= 0).ravel()[part.faces].all(axis=1)
    parts = [Part(part.points, np.ascontiguousarray(part.faces[~bare]), part.material, part.canon)]
    if style.lay == 3:
        tt, s = np.meshgrid(np.linspace(np.radians(84), np.radians(276), 41), np.linspace(1.0, 0.0, 14))
        top, low = 26.0, style.hang * (0.85 + 0.3 * p.hair_length)
        yy = low + (top - low) * (1 - s)
        swell = 1.0 + 0.06 * np.sin(np.pi * np.minimum(s * 1.2, 1.0)) - 0.04 * s
        x = (
            (p.cranium_width / 2 + 0.55 * body)
            * swell
            * np.sin(tt)
            * (0.93 + 0.07 * np.minimum(1.0, 4.0 * s))
        )
        z = -14.0 + (84.0 - 26.0 * s) * swell * np.cos(tt)
        parts.append(
            _part(
                np.stack([x, yy, z], axis=-1)[::-1, ::-1], np.stack([tt * 45.0, 4.0 * s], axis=-1), both=True
            )
        )
    return parts


def _part(points: Floats, canon: Floats, both: bool = False) -> Part:
    faces = grid_faces(*points.shape[:2])
    if both:
        faces = np.concatenate([faces, faces[:, ::-1]])
    return Part(points.reshape(-1, 3), np.ascontiguousarray(faces), Material.HAIR, canon.reshape(-1, 2), both)


@njit(cache=True)
def _grow(  # noqa: C901 -- one branch a style
    roots: Any, draws: Any, radius: Any, lay: int, body: float, length: Any, curl: float, part_x: float,
    half: float, steps: int, hang: float,
) -> Any:  # fmt: skip
    """Return strands (n, steps + 1, 3) that start at `roots` and follow the lay over the scalp, then hang."""
    n = roots.shape[0]
    out = np.empty((n, steps + 1, 3))
    rows, columns = radius.shape
    for i in range(n):
        x, y, z = roots[i, 0], roots[i, 1], roots[i, 2]
        step = length[i] / steps
        layer = 0.35 + 0.75 * draws[i, 0]
        phase = draws[i, 1] * 6.2832
        wx, wy, wz = draws[i, 2] - 0.5, draws[i, 3] - 0.5, draws[i, 4] - 0.5
        away = 1.0 if x > part_x else -1.0
        vx = vy = vz = 0.0
        for s in range(steps + 1):
            t = s / steps
            if s > 0:
                flank = min(1.0, abs(x) / half)
                if lay == 0:
                    cx, cy, cz = 0.35 * away * (1 - flank), -0.25 - 0.9 * flank, 0.85 - 1.1 * flank
                elif lay == 1:
                    cx = -0.9 * (1.0 if part_x > 0.0 else -1.0) * (1.0 - flank) + 0.25 * away * (1.0 - flank)
                    cy = 0.35 * (1.0 - flank) - 0.75 * flank
                    cz = -0.55
                elif lay == 2:
                    cx, cy, cz = 0.5 * x / half, 0.1, 0.1
                elif lay == 3:
                    cx, cy, cz = away * (1.15 - 0.7 * flank), -0.35 - 0.7 * flank, -0.30
                else:
                    cx, cy, cz = -0.012 * x, 0.006 * (46.0 - y), -1.0
                hanging = lay == 3 and y < 34.0
                if hanging:
                    cx, cy, cz = 0.02 * wx, -1.0, -0.10 + 0.1 * wz
                noise = 0.28 if lay != 2 else 0.9
                cx += noise * wx
                cy += noise * wy
                cz += noise * wz
                k = math.sqrt(cx * cx + cy * cy + cz * cz) + 1e-9
                vx, vy, vz = 0.35 * vx + 0.65 * cx / k, 0.35 * vy + 0.65 * cy / k, 0.35 * vz + 0.65 * cz / k
                x += step * vx
                y += step * vy
                z += step * vz
                if curl > 0.0:
                    turn = phase + s * (0.5 if lay != 2 else 1.25)
                    amount = curl * (0.25 + t) * (0.5 if lay != 2 else 1.0)
                    x += amount * math.cos(turn)
                    z += amount * 0.7 * math.sin(turn)
                    if lay == 2:
                        y += amount * 0.8 * math.sin(turn + 1.0)
                if hanging:
                    # Behind the cheek, before the shoulder, and not through the neck.
                    sign = 1.0 if x > 0.0 else -1.0
                    floor_x = (
                        half + body * (0.1 + 0.75 * layer) - 3.0 - 0.10 * max(0.0, -y - 20.0) * (1.0 - layer)
                    )
                    if z > -60.0 and abs(x) < floor_x:
                        x += 0.6 * (sign * floor_x - x)
                    z = min(z, 34.0 - 10.0 * (1.0 - layer))
                    if y < hang + 16.0 * (draws[i, 2] - 0.5):  # cut off
                        x, y, z = out[i, s - 1, 0], out[i, s - 1, 1] - 0.3, out[i, s - 1, 2]
                else:
                    ex, ey, ez = x, y - CENTRE_Y, z - CENTRE_Z
                    d = math.sqrt(ex * ex + ey * ey + ez * ez) + 1e-9
                    fe = (math.degrees(math.asin(ey / d)) - _LOW) / (90.0 - _LOW) * (rows - 1)
                    fa = (math.atan2(ex, ez) + math.pi) / (2 * math.pi) * (columns - 1)
                    r0, c0 = min(rows - 2, max(0, int(fe))), min(columns - 2, max(0, int(fa)))
                    u, w = fe - r0, fa - c0
                    base = (radius[r0, c0] * (1 - u) + radius[r0 + 1, c0] * u) * (1 - w) + (
                        radius[r0, c0 + 1] * (1 - u) + radius[r0 + 1, c0 + 1] * u
                    ) * w
                    rise = min(1.0, 0.12 + 2.2 * t)
                    if lay == 0 or lay == 1:
                        rise *= 0.45 + 0.75 * min(1.0, max(0.0, (y - 20.0) / 70.0))
                    target = base + 0.3 + body * layer * rise
                    k = target / d
                    if lay == 2:
                        k = max(k, 1.0) if d > base + 0.5 else k
                        k = min(k, (base + 1.5 * body) / d) if d > base + 1.5 * body else k
                    x, y, z = ex * k, CENTRE_Y + ey * k, CENTRE_Z + ez * k
            out[i, s, 0] = x
            out[i, s, 1] = y
            out[i, s, 2] = z
    return out


@lru_cache(maxsize=8)
def scalp_hair(p: Identity) -> tuple[Floats, Floats]:
    """Return the scalp's strands (n, s, 3) in the head's millimetres and their tones (n,) about 1."""
    if p.hair_style == "bald":
        return np.zeros((0, 2, 3)), np.zeros(0)
    style = _STYLES[p.hair_style]
    radius = _scalp(p)
    count = style.strands * 2
    e = np.arcsin(-0.35 + 1.35 * uniform(p.seed, 1, count))
    t = (2 * uniform(p.seed, 2, count) - 1) * np.pi
    fe = (np.degrees(e) - _LOW) / (90 - _LOW) * (ELEVATIONS - 1)
    fa = (t + np.pi) / (2 * np.pi) * (AZIMUTHS - 1)
    r = radius[
        np.clip(np.rint(fe).astype(int), 0, ELEVATIONS - 1), np.clip(np.rint(fa).astype(int), 0, AZIMUTHS - 1)
    ]
    y = CENTRE_Y + r * np.sin(e)
    over = y - hairline(p, t) + 2.5 * gaussian(p.seed, 3, (count,))
    keep = np.nonzero((over > 0) & (uniform(p.seed, 4, count) < 0.25 + over / 9.0))[0][: style.strands]
    r, e, t = r[keep], e[keep], t[keep]
    roots = np.stack([r * np.cos(e) * np.sin(t), y[keep], CENTRE_Z + r * np.cos(e) * np.cos(t)], axis=1)
    clump = hash_words(p.seed, 5, 401)
    place_ = ((t * 9).astype(int) * 31 + (e * 14).astype(int) * 7) % 401
    shared = np.stack([(clump[(place_ + k) % 401] % 1024) / 1024.0 for k in range(5)], axis=1)
    own = np.stack([uniform(p.seed, 10 + k, count)[keep] for k in range(5)], axis=1)
    draws = 0.55 * own + 0.45 * shared
    draws[:, 0] = own[:, 0]
    length = style.length * (0.75 + 0.5 * p.hair_length) * (0.75 + 0.5 * own[:, 4])
    if style.lay == 0 and style.body > 2:
        length = length * np.clip(0.35 + (roots[:, 1] - 10.0) / 90.0, 0.3, 1.0)
    curl = style.curl * (0.5 + draws[:, 3].mean())
    half = p.cranium_width / 2
    body = style.body * (0.8 + 0.4 * p.hair_length)
    grown = _grow(
        np.ascontiguousarray(roots), np.ascontiguousarray(draws), radius, style.lay, body, length, curl,
        p.parting * half * 0.6, half, style.steps, style.hang * (0.85 + 0.3 * p.hair_length),
    )  # fmt: skip
    tone = 0.72 + 0.56 * (0.5 * own[:, 1] + 0.5 * shared[:, 2])
    return np.asarray(grown), tone * (0.55 + 0.6 * own[:, 0])


@njit(cache=True)
def shade_strands(
    points: Any, tone: Any, colour: Any, key: Any, key_colour: Any, fill: Any, fill_colour: Any, ambient: Any,
    eye_z: float, gloss: float,
) -> Any:  # fmt: skip
    """Return linear light (n, s, 3) of strands in camera space (Kajiya and Kay, SIGGRAPH 1989).

    Along the strand light falls as the sine of the angle to it; two highlights, the first of the light's own
    colour, the second of the hair's (Marschner et al., SIGGRAPH 2003, in outline).
    """
    n, steps = points.shape[0], points.shape[1]
    out = np.empty((n, steps, 3))
    for i in range(n):
        for s in range(steps):
            a, b = max(0, s - 1), min(steps - 1, s + 1)
            tx, ty, tz = (
                points[i, b, 0] - points[i, a, 0],
                points[i, b, 1] - points[i, a, 1],
                points[i, b, 2] - points[i, a, 2],
            )
            k = math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
            tx, ty, tz = tx / k, ty / k, tz / k
            x, y, z = points[i, s, 0], points[i, s, 1], points[i, s, 2]
            r = math.sqrt(x * x + (y - 10.0) ** 2 + (z + 10.0) ** 2) + 1e-9
            # The hair's mass shades itself: its outward side sees the light.
            face = (x * key[0] + (y - 10.0) * key[1] + (z + 10.0) * key[2]) / r
            gate = min(1.0, max(0.06, 0.5 + 0.75 * face))
            face_fill = (x * fill[0] + (y - 10.0) * fill[1] + (z + 10.0) * fill[2]) / r
            gate_fill = min(1.0, max(0.1, 0.5 + 0.6 * face_fill))
            dot = tx * key[0] + ty * key[1] + tz * key[2]
            diffuse = math.sqrt(max(0.0, 1.0 - dot * dot))
            vx, vy, vz = -x, -y, eye_z - z
            k = math.sqrt(vx * vx + vy * vy + vz * vz)
            hx, hy, hz = key[0] + vx / k, key[1] + vy / k, key[2] + vz / k
            k = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
            th = (tx * hx + ty * hy + tz * hz) / k
            first = max(0.0, 1.0 - (th - 0.10) ** 2) ** 40
            second = max(0.0, 1.0 - (th + 0.16) ** 2) ** 14
            dot = tx * fill[0] + ty * fill[1] + tz * fill[2]
            diffuse_fill = math.sqrt(max(0.0, 1.0 - dot * dot))
            up = 0.65 + 0.35 * y / (abs(y) + 60.0)
            root = 0.72 + 0.28 * s / (steps - 1.0)
            for c in range(3):
                body = (
                    colour[c]
                    * tone[i]
                    * root
                    * (
                        key_colour[c] * gate * (0.62 * diffuse + 0.9 * gloss * second)
                        + fill_colour[c] * gate_fill * 0.6 * diffuse_fill
                        + ambient[c] * up
                    )
                )
                out[i, s, c] = body + 0.045 * gloss * tone[i] * root * gate * key_colour[c] * first
    return out
