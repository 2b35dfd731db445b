"""Light on surfaces, per pixel, in linear light."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from facedata.datasets.demo import surfaces as s
from facedata.datasets.demo.sculpt import smooth
from facedata.datasets.demo.surfaces import eyeball, mouth_inside, skin, thing

__all__ = ["shade"]

_KEY, _KEY_COLOUR, _FILL, _FILL_COLOUR, _AMB = s.KEY_X, s.KEY_R, s.FILL_X, s.FILL_R, s.AMB_R
_RIM, _SOFT, _SKIN, _GAZE, _IRIS_SIZE = s.RIM, s.SOFT, s.SKIN_R, s.GAZE_X, s.IRIS_SIZE


@njit(cache=True)
def gloss(ndh: float, roughness: float) -> float:
    """Return Beckmann's distribution of facets (Cook and Torrance, ACM Trans. Graph. 1, 1982)."""
    c2 = ndh * ndh
    m2 = roughness * roughness
    if ndh <= 0.0 or 1.0 - c2 > 6.0 * m2 * c2:
        return 0.0
    return math.exp((c2 - 1.0) / (m2 * c2)) / (math.pi * m2 * c2 * c2)


@njit(cache=True)
def lit(shadow: Any, x: float, y: float, z: float, bias: float, reach: float) -> float:
    """Return the share of the key light that arrives at shadow-map pixel (x, y), depth z, softened."""
    total = 0.0
    for j in range(-1, 2):
        for i in range(-1, 2):
            ix, iy = int(x + i * reach), int(y + j * reach)
            if ix < 0 or iy < 0 or ix >= shadow.shape[1] or iy >= shadow.shape[0]:
                total += 1.0
                continue
            total += min(1.0, max(0.0, 1.0 - (z - bias - shadow[iy, ix]) / 3.0))
    return total / 9.0


@njit(cache=True)
def _shine(n: Any, view: Any, q: Any, at: int, strength: float, rough: float, ndv: float) -> float:
    """Return the gloss of the lamp at `at` in `q`: two Beckmann lobes, Schlick's Fresnel term.

    The reflectance at normal incidence, 0.028, is that of an index of refraction of 1.4 (skin's oil and
    cornea).
    """
    hx, hy, hz = q[at] + view[0], q[at + 1] + view[1], q[at + 2] + view[2]
    length = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
    ndh = (n[0] * hx + n[1] * hy + n[2] * hz) / length
    g = 1.0 - max(0.0, (view[0] * hx + view[1] * hy + view[2] * hz) / length)
    ndl = max(0.0, n[0] * q[at] + n[1] * q[at + 1] + n[2] * q[at + 2])
    fresnel = 0.028 + 0.972 * g * g * g * g * g
    wide = rough + 0.12 * q[_SOFT]
    lobes = 0.75 * gloss(ndh, wide) + 0.35 * gloss(ndh, 0.55 * wide)
    return 2.2 * strength * fresnel * lobes * ndl / (ndl + 0.35 * ndv + 0.1)  # type: ignore[no-any-return]


@njit(cache=True)
def _diffuse(
    channel: int, albedo: float, ndl: float, direct: float, fill: float, sky: float, leak: float,
    bounce: float, reach: float, up: float, q: Any,
) -> float:  # fmt: skip
    """Return the diffuse light of one channel.

    Light wraps round skin's terminator by `reach` and leaks into shadows' edges, and between folds of bright
    skin it is not lost but bounces.
    """
    key = max(0.0, (ndl + reach) / (1.0 + reach)) * (direct + leak)
    free = sky + bounce * albedo
    light = q[_KEY_COLOUR + channel] * key * (0.55 + 0.45 * free)
    return albedo * (light + q[_FILL_COLOUR + channel] * fill + q[_AMB + channel] * up * free)  # type: ignore[no-any-return]


@njit(cache=True)
def _cornea(x: float, y: float, gap: float, q: Any) -> tuple[float, float, float]:
    """Return how much the cornea mirrors of the key, of the fill and of the brightness above."""
    gx, gy = x - q[_GAZE], y - q[_GAZE + 1]
    if gx * gx + gy * gy >= (q[_IRIS_SIZE] + 0.8) ** 2:
        return 0.0, 0.0, 0.0
    sx, sy = gx - 3.4 * q[_KEY], gy - 3.4 * q[_KEY + 1]
    size = 0.75 + 0.5 * q[_SOFT]
    spot = smooth(size + 0.35, size - 0.25, 0.5 * max(abs(sx), abs(sy)) + 0.5 * math.sqrt(sx * sx + sy * sy))
    sx, sy = gx - 3.2 * q[_FILL], gy - 3.2 * q[_FILL + 1]
    pale = 0.10 * smooth(1.6, 0.6, math.sqrt(sx * sx + sy * sy))
    sheen = 0.012 * smooth(-1.0, 3.5, gy)
    gate = smooth(0.1, 1.4, gap)
    return 0.95 * gate * spot, gate * pale, gate * sheen


@njit(cache=True)
def _blend(table: Any, i: int, j: int, k: int, a: float, b: float, column: int) -> float:
    """Return a vertex table's column between three vertices."""
    return a * table[i, column] + b * table[j, column] + (1.0 - a - b) * table[k, column]  # type: ignore[no-any-return]


@njit(cache=True)
def shade(  # noqa: C901 -- one branch a material
    hit: Any, weight: Any, faces: Any, material: Any, points: Any, normals: Any, canon: Any, attributes: Any,
    light_space: Any, shadow: Any, eye_z: float, noise: Any, lids: Any, v: Any, q: Any, image: Any,
    region: Any,
) -> None:  # fmt: skip
    """Fill `image` (h, w, 3) with linear light and `region` (h, w) with regions where a triangle was hit.

    `points` and `normals` (n, 3) are in camera space, the camera at (0, 0, `eye_z`); `attributes` (n, 5) are
    openness to the sky, redness, oil, beard and brow; `light_space` (n, 3) shadow-map pixels and depth;
    `noise` (4, 256, 256); `v` the anatomy's vector and `q` the numbers `surfaces` names.
    """
    for py in range(hit.shape[0]):
        for px in range(hit.shape[1]):
            f = hit[py, px]
            if f < 0:
                continue
            m = material[f]
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            a, b = weight[py, px, 0], weight[py, px, 1]
            cx, cy = _blend(canon, i, j, k, a, b, 0), _blend(canon, i, j, k, a, b, 1)
            nx, ny = _blend(normals, i, j, k, a, b, 0), _blend(normals, i, j, k, a, b, 1)
            nz = _blend(normals, i, j, k, a, b, 2)
            sky = _blend(attributes, i, j, k, a, b, 0)
            wrap, gap, tip_x, tip_y = 1.0, 0.0, 0.0, 0.0
            if m <= 3:
                red, oil = _blend(attributes, i, j, k, a, b, 1), _blend(attributes, i, j, k, a, b, 2)
                beard, brow = _blend(attributes, i, j, k, a, b, 3), _blend(attributes, i, j, k, a, b, 4)
                what, ar, ag, ab, strength, rough, sky, tip_x, tip_y = skin(
                    m, cx, cy, sky, red, oil, beard, brow, noise, lids, v, q
                )
            elif m <= 5:
                ar, ag, ab, sky, gap = eyeball(m, cx, cy, noise, lids, v, q)
                what, strength, rough, wrap = int(m), 0.0, 0.3, 0.35
            elif m == 6:  # the lids' wet rims
                ar, ag, ab = 0.55 * q[_SKIN] + 0.12, 0.42 * q[_SKIN + 1] + 0.05, 0.42 * q[_SKIN + 2] + 0.05
                what, strength, rough, sky = (4 if cx < 0.0 else 5), 0.9, 0.3, (0.25 if cy > 0.0 else 0.55)
            elif m <= 9:
                ar, ag, ab, strength, rough, sky = mouth_inside(m, cx, cy)
                what = 8
            else:
                what, ar, ag, ab, strength, rough, tip_x, tip_y = thing(m, cx, cy, noise, q)
                wrap = 0.2
            nx, ny = nx + tip_x, ny + tip_y
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
            x, y = _blend(points, i, j, k, a, b, 0), _blend(points, i, j, k, a, b, 1)
            z = eye_z - _blend(points, i, j, k, a, b, 2)
            far = math.sqrt(x * x + y * y + z * z)
            view = (-x / far, -y / far, z / far)
            ndv = (nx * view[0] + ny * view[1] + nz * view[2]) / length
            if ndv < 0.0 and (m == 6 or m == 12 or m == 10):  # thin things have two sides
                length, ndv = -length, -ndv
            n = (nx / length, ny / length, nz / length)
            ndv = max(0.02, ndv)
            ndl = n[0] * q[_KEY] + n[1] * q[_KEY + 1] + n[2] * q[_KEY + 2]
            if 4 <= m <= 9 and m != 6:  # too narrow for the shadow map
                direct = 0.35 + 0.65 * sky
            elif ndl < -0.5:  # farther round than light wraps
                direct = 0.0
            else:
                direct = lit(
                    shadow, _blend(light_space, i, j, k, a, b, 0), _blend(light_space, i, j, k, a, b, 1),
                    _blend(light_space, i, j, k, a, b, 2), 2.5 + 3.0 * max(0.0, 1.0 - ndl),
                    1.0 + 2.4 * q[_SOFT],
                )  # fmt: skip
            # Red light scatters furthest in skin (Jensen et al., SIGGRAPH 2001).
            filled = n[0] * q[_FILL] + n[1] * q[_FILL + 1] + n[2] * q[_FILL + 2]
            filled = max(0.0, (filled + 0.45) / 1.45) * (0.35 + 0.65 * sky)
            leak, bounce = wrap * (math.sqrt(direct) - direct), wrap * (math.sqrt(sky) - sky)
            up, soft = 0.76 + 0.24 * n[1], 0.10 + 0.16 * q[_SOFT]
            r = _diffuse(
                0, ar, ndl, direct, filled, sky, 0.55 * leak, 0.9 * bounce, soft + 0.20 * wrap, up, q
            )
            g = _diffuse(
                1, ag, ndl, direct, filled, sky, 0.12 * leak, 0.5 * bounce, soft + 0.06 * wrap, up, q
            )
            b = _diffuse(2, ab, ndl, direct, filled, sky, 0.0, 0.0, soft + 0.02 * wrap, up, q)
            if strength > 0.0:
                key = direct * _shine(n, view, q, _KEY, strength, rough, ndv)
                fill = 0.6 * sky * _shine(n, view, q, _FILL, strength, rough, ndv)
                r += key * q[_KEY_COLOUR] + fill * q[_FILL_COLOUR]
                g += key * q[_KEY_COLOUR + 1] + fill * q[_FILL_COLOUR + 1]
                b += key * q[_KEY_COLOUR + 2] + fill * q[_FILL_COLOUR + 2]
            if m <= 3 or m == 11:
                # A lamp behind, and the down on skin that catches it.
                back = (
                    smooth(0.62, 0.12, n[2]) * max(0.0, 0.4 * n[1] + 0.5 + 0.3 * abs(n[0])) * (1.0 - ndv) ** 2
                )
                edge = 0.06 * (1.0 - ndv) ** 4 * sky
                back *= 0.5 * q[_RIM]
                r += edge * q[_AMB] + back * (0.3 + ar)
                g += edge * q[_AMB + 1] + back * (0.3 + ag)
                b += edge * q[_AMB + 2] + back * (0.3 + ab)
            elif m <= 5:
                spot, pale, sheen = _cornea(cx, cy, gap, q)
                r += spot * q[_KEY_COLOUR] + pale * q[_FILL_COLOUR] + sheen
                g += spot * q[_KEY_COLOUR + 1] + pale * q[_FILL_COLOUR + 1] + sheen
                b += spot * q[_KEY_COLOUR + 2] + pale * q[_FILL_COLOUR + 2] + sheen
            image[py, px, 0], image[py, px, 1], image[py, px, 2] = r, g, b
            region[py, px] = what
