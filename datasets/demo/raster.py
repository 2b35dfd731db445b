"""A z-buffer for triangles, for shadows and for strands, in numba.

Nothing here is parallel and nothing is fast-math: the same numbers give the same bytes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from facedata.datasets.demo.sculpt import lid_edge

__all__ = ["rasterise", "shadow_depth", "strands"]

Floats32 = NDArray[np.float32]


@njit(cache=True)
def in_eye(x: float, y: float, lids: Any, eye_x: float, half: float, tilt: float) -> bool:
    """Return whether the canonical point (x, y) lies in the opening between the lids."""
    u = (abs(x) - eye_x) / half
    if u * u >= 1.0:
        return False
    e = 0 if x < 0.0 else 1
    up, low = lid_edge(u, lids[e, 0], lids[e, 1], half, tilt)
    return bool(low < y < up)


@njit(cache=True)
def rasterise(  # noqa: C901 -- a triangle is drawn pixel by pixel
    screen: Any, faces: Any, material: Any, canon: Any, lids: Any, eye: Any, depth: Any, hit: Any, weight: Any
) -> None:
    """Draw triangles nearest first, by depth.

    `screen` (n, 3) is pixel x, pixel y and depth (small is near); `faces` (m, 3), counter-clockwise seen
    from outside in y-up space; `material` (m,), of which material 1 (skin) is cut away between the lids:
    `canon` (n, 2), `lids` (2, 2) and `eye` (x, half-width, tilt). Fills `depth` (h, w), `hit` (h, w) with
    the triangle's index and `weight` (h, w, 2) with its first two barycentric weights.
    """
    height, width = depth.shape
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = screen[i, 0], screen[i, 1]
        x1, y1 = screen[j, 0], screen[j, 1]
        x2, y2 = screen[k, 0], screen[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-9:  # seen from behind (pixel y goes down)
            continue
        left = max(0, math.ceil(min(x0, x1, x2) - 0.5))
        right = min(width - 1, math.floor(max(x0, x1, x2) - 0.5))
        top = max(0, math.ceil(min(y0, y1, y2) - 0.5))
        bottom = min(height - 1, math.floor(max(y0, y1, y2) - 0.5))
        if left > right or top > bottom:
            continue
        z0, z1, z2 = screen[i, 2], screen[j, 2], screen[k, 2]
        inverse = 1.0 / area
        cut = False
        if material[f] == 1:
            ax, ay = abs(canon[i, 0]), canon[i, 1]
            cut = abs(ax - eye[0]) < eye[1] + 4.0 and abs(ay) < 16.0
        for py in range(top, bottom + 1):
            sy = py + 0.5
            for px in range(left, right + 1):
                sx = px + 0.5
                a = ((x1 - sx) * (y2 - sy) - (x2 - sx) * (y1 - sy)) * inverse
                b = ((x2 - sx) * (y0 - sy) - (x0 - sx) * (y2 - sy)) * inverse
                c = 1.0 - a - b
                if a < 0.0 or b < 0.0 or c < 0.0:
                    continue
                z = a * z0 + b * z1 + c * z2
                if z >= depth[py, px]:
                    continue
                if cut:
                    cx = a * canon[i, 0] + b * canon[j, 0] + c * canon[k, 0]
                    cy = a * canon[i, 1] + b * canon[j, 1] + c * canon[k, 1]
                    if in_eye(cx, cy, lids, eye[0], eye[1], eye[2]):
                        continue
                depth[py, px] = z
                hit[py, px] = f
                weight[py, px, 0] = a
                weight[py, px, 1] = b


@njit(cache=True)
def shadow_depth(light: Any, faces: Any, casts: Any, depth: Any) -> None:
    """Draw the depth seen from the light: `light` (n, 3) pixel x, pixel y, distance; `casts` (m,) 0 or 1."""
    height, width = depth.shape
    for f in range(faces.shape[0]):
        if casts[f] == 0:
            continue
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = light[i, 0], light[i, 1]
        x1, y1 = light[j, 0], light[j, 1]
        x2, y2 = light[k, 0], light[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-9:
            continue
        left = max(0, math.ceil(min(x0, x1, x2) - 0.5))
        right = min(width - 1, math.floor(max(x0, x1, x2) - 0.5))
        top = max(0, math.ceil(min(y0, y1, y2) - 0.5))
        bottom = min(height - 1, math.floor(max(y0, y1, y2) - 0.5))
        inverse = 1.0 / area
        for py in range(top, bottom + 1):
            sy = py + 0.5
            for px in range(left, right + 1):
                sx = px + 0.5
                a = ((x1 - sx) * (y2 - sy) - (x2 - sx) * (y1 - sy)) * inverse
                b = ((x2 - sx) * (y0 - sy) - (x0 - sx) * (y2 - sy)) * inverse
                c = 1.0 - a - b
                if a < 0.0 or b < 0.0 or c < 0.0:
                    continue
                z = a * light[i, 2] + b * light[j, 2] + c * light[k, 2]
                if z < depth[py, px]:
                    depth[py, px] = z


@njit(cache=True)
def strands(  # noqa: C901 -- a line is drawn pixel by pixel
    points: Any,
    colour: Any,
    thickness: Any,
    alpha: Any,
    code: int,
    bias: float,
    depth: Any,
    image: Any,
    region: Any,
) -> None:
    """Draw polylines over what is drawn.

    `points` (n, s, 3) are screen x, y and depth; `colour` (n, s, 3) linear light; `thickness` (n,) pixels;
    `alpha` (n,) coverage 0..1. A strand hides behind what is nearer by more than `bias`. Where coverage is
    half or more the region becomes `code` (0: leave the region).
    """
    height, width = depth.shape
    for n in range(points.shape[0]):
        last = points.shape[1] - 1
        for s in range(last):
            x0, y0, z0 = points[n, s, 0], points[n, s, 1], points[n, s, 2]
            x1, y1, z1 = points[n, s + 1, 0], points[n, s + 1, 1], points[n, s + 1, 2]
            dx, dy = x1 - x0, y1 - y0
            steps = int(max(abs(dx), abs(dy))) + 1
            if steps > 400:
                continue
            flat = abs(dx) >= abs(dy)
            # A steep line is as wide along x as a flat one along y.
            length = math.sqrt(dx * dx + dy * dy) + 1e-9
            reach = 0.5 * thickness[n] * length / (max(abs(dx), abs(dy)) + 1e-9)
            taper = 1.0 if s < last - 2 else 0.75
            for t in range(steps):
                q = (t + 0.5) / steps
                x, y, z = x0 + q * dx, y0 + q * dy, z0 + q * (z1 - z0)
                centre = y if flat else x
                along = math.floor(x) if flat else math.floor(y)
                if along < 0 or along >= (width if flat else height):
                    continue
                r = reach * taper
                for c in range(math.floor(centre - r), math.floor(centre + r) + 1):
                    if c < 0 or c >= (height if flat else width):
                        continue
                    cover = min(c + 1.0, centre + r) - max(float(c), centre - r)
                    if cover <= 0.02:
                        continue
                    cover = min(1.0, cover) * alpha[n]
                    py, px = (c, along) if flat else (along, c)
                    if z - bias > depth[py, px]:
                        continue
                    for ch in range(3):
                        value = colour[n, s, ch] + q * (colour[n, s + 1, ch] - colour[n, s, ch])
                        image[py, px, ch] += cover * (value - image[py, px, ch])
                    if cover >= 0.5:
                        if code > 0:
                            region[py, px] = code
                        if z < depth[py, px] and alpha[n] > 0.9:
                            depth[py, px] = z
