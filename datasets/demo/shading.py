"""Light on skin, eyes, teeth, hair and cloth, per pixel, in linear light."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from facedata.datasets.demo import head as h
from facedata.datasets.demo.sculpt import lid_edge, lip_edge, smooth

__all__ = ["shade"]

# Numba takes module constants as literals.
_EYE_X, _EYE_HALF, _TILT, _CREASE, _NOSE_Y, _NOSE_W = (
    h.EYE_X,
    h.EYE_HALF,
    h.TILT,
    h.CREASE,
    h.NOSE_Y,
    h.NOSE_W,
)
_MOUTH_Y, _MOUTH_X, _LIP_UP, _LIP_LOW = h.MOUTH_Y, h.MOUTH_X, h.LIP_UP, h.LIP_LOW


@njit(cache=True)  # type: ignore[untyped-decorator]
def tile(table: Any, x: float, y: float) -> float:
    """Return the noise table's value at (x, y) cells, bilinear, tiling."""
    fx, fy = math.floor(x), math.floor(y)
    i, j = int(fx) & 255, int(fy) & 255
    u, w = x - fx, y - fy
    i1, j1 = (i + 1) & 255, (j + 1) & 255
    top = table[j, i] + u * (table[j, i1] - table[j, i])
    low = table[j1, i] + u * (table[j1, i1] - table[j1, i])
    return top + w * (low - top)


@njit(cache=True)  # type: ignore[untyped-decorator]
def gloss(ndh: float, roughness: float) -> float:
    """Return Beckmann's distribution over its value at normal incidence's scale (Cook and Torrance 1982)."""
    c2 = ndh * ndh
    m2 = roughness * roughness
    if ndh <= 0.0 or 1.0 - c2 > 6.0 * m2 * c2:
        return 0.0
    return math.exp((c2 - 1.0) / (m2 * c2)) / (math.pi * m2 * c2 * c2)


@njit(cache=True)  # type: ignore[untyped-decorator]
def lit(shadow: Any, x: float, y: float, z: float, bias: float, reach: float) -> float:
    """Return the share of the key light that arrives at shadow-map pixel (x, y), depth z, over a soft window."""
    total = 0.0
    for j in range(-2, 3):
        for i in range(-2, 3):
            if (i + j) & 1:  # every other of a 5 x 5 window
                continue
            px, py = x + i * reach, y + j * reach
            ix, iy = int(px), int(py)
            if ix < 0 or iy < 0 or ix >= shadow.shape[1] or iy >= shadow.shape[0]:
                total += 1.0
                continue
            gap = (z - bias - shadow[iy, ix]) / 3.0
            total += 1.0 if gap <= 0.0 else (0.0 if gap >= 1.0 else 1.0 - gap)
    return total / 13.0


# Places in the numbers passed to `shade`.
(KEY_X, KEY_Y, KEY_Z, KEY_R, KEY_G, KEY_B, FILL_X, FILL_Y, FILL_Z, FILL_R, FILL_G, FILL_B, AMB_R, AMB_G, AMB_B, RIM,
 SOFT, SKIN_R, SKIN_G, SKIN_B, LIP_R, LIP_G, LIP_B, BLOTCH, FRECKLE, OIL, IRIS_R, IRIS_G, IRIS_B, IRIS_SIZE, PUPIL,
 GAZE_X, GAZE_Y, HAIR_R, HAIR_G, HAIR_B, CLOTH_R, CLOTH_G, CLOTH_B, WEAVE, FRAME_R, FRAME_G, FRAME_B, SHADOW_R,
 SHADOW_G, SHADOW_B, SHADOW_K, LIPSTICK, MELANIN, BEARD_R, BEARD_G, BEARD_B) = range(52)  # fmt: skip


@njit(cache=True)  # type: ignore[untyped-decorator]
def shade(
    hit: Any, weight: Any, faces: Any, material: Any, points: Any, normals: Any, canon: Any, attributes: Any,
    light_space: Any, shadow: Any, eye: Any, toward: Any, noise: Any, lids: Any, v: Any, q: Any, image: Any, region: Any,
) -> None:  # fmt: skip
    """Fill `image` (h, w, 3) with linear light and `region` (h, w) with regions where a triangle was hit.

    `points` and `normals` (n, 3) are in camera space, `attributes` (n, 6) are openness to the sky, redness, oil,
    beard, brow and blush; `light_space` (n, 3) shadow-map pixels and depth; `eye` the camera's position, `toward`
    (3, 3) the head's turn; `noise` (layers, 256, 256); `v` the anatomy's vector and `q` the numbers above.
    """
    height, width = hit.shape
    mouth_y, mouth_x, lip_up, lip_low = v[_MOUTH_Y], v[_MOUTH_X], v[_LIP_UP], v[_LIP_LOW]
    eye_x, eye_half, tilt = v[_EYE_X], v[_EYE_HALF], v[_TILT]
    rgb = [0.0, 0.0, 0.0]
    for py in range(height):
        for px in range(width):
            f = hit[py, px]
            if f < 0:
                continue
            m = material[f]
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            a, b = weight[py, px, 0], weight[py, px, 1]
            c = 1.0 - a - b
            cx = a * canon[i, 0] + b * canon[j, 0] + c * canon[k, 0]
            cy = a * canon[i, 1] + b * canon[j, 1] + c * canon[k, 1]
            nx = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
            ny = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
            nz = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
            x = a * points[i, 0] + b * points[j, 0] + c * points[k, 0]
            y = a * points[i, 1] + b * points[j, 1] + c * points[k, 1]
            z = a * points[i, 2] + b * points[j, 2] + c * points[k, 2]
            sky = a * attributes[i, 0] + b * attributes[j, 0] + c * attributes[k, 0]
            red = a * attributes[i, 1] + b * attributes[j, 1] + c * attributes[k, 1]
            oil = a * attributes[i, 2] + b * attributes[j, 2] + c * attributes[k, 2]
            beard = a * attributes[i, 3] + b * attributes[j, 3] + c * attributes[k, 3]
            brow = a * attributes[i, 4] + b * attributes[j, 4] + c * attributes[k, 4]
            lx = a * light_space[i, 0] + b * light_space[j, 0] + c * light_space[k, 0]
            ly = a * light_space[i, 1] + b * light_space[j, 1] + c * light_space[k, 1]
            lz = a * light_space[i, 2] + b * light_space[j, 2] + c * light_space[k, 2]
            what = 1
            # Colour (ar, ag, ab), gloss strength and roughness, how far light wraps under the skin.
            ar, ag, ab = q[SKIN_R], q[SKIN_G], q[SKIN_B]
            strength, rough, wrap = 0.5 * oil, 0.42, 1.0
            glow = 0.0
            if m <= 3:
                if m == 2:
                    what, red, strength = 11, red + 0.9, 0.35
                elif m == 3:
                    what = 12
                fine = tile(noise[0], cx * 1.9 + 31.0, cy * 1.9)
                mid = tile(noise[1], cx * 0.9, cy * 0.9 + 57.0)
                blotch = tile(noise[2], cx * 0.55 + 11.0, cy * 0.55)
                spot = tile(noise[3], cx * 1.1 + 5.0, cy * 1.1 + 91.0)
                lip = 0.0
                if m == 1:
                    dm = cy - mouth_y
                    if abs(cx) < mouth_x and -lip_low * 1.2 < dm < lip_up * 1.3:
                        up, low = lip_edge(cx, mouth_x, lip_up, lip_low)
                        edge = up - dm if dm >= 0.0 else dm - low
                        if edge > 0.0:
                            what = 7 if dm >= 0.0 else 9
                        # The lips' line is a crevice, deepest at the corners.
                        u = cx / mouth_x
                        crevice = math.exp(-((dm / (0.7 + 0.6 * u * u)) ** 2))
                        sky *= 1.0 - (0.70 + 0.2 * u * u) * crevice
                        lip = smooth(-0.5, 0.6, edge + 0.12 * fine)
                    elif brow > 0.5:
                        what = 2 if cx < 0.0 else 3
                    elif (
                        cy < 6.0
                        and cy > v[_NOSE_Y] - 2.0
                        and abs(cx)
                        < 0.5 * v[_NOSE_W] + 0.5 * v[_NOSE_W] * smooth(-4.0, v[_NOSE_Y] + 12.0, cy)
                    ):
                        what = 6
                    if beard > 0.55 and lip <= 0.0 and what in (1, 6):
                        what = 15
                red += 0.15 * q[BLOTCH] * blotch + 0.05 * mid
                pigment = 0.022 * fine + 0.022 * mid + 0.018 * q[BLOTCH] * blotch
                if m == 1:
                    # Freckles lie over nose and cheeks; anyone has a mole or two.
                    over = (
                        spot
                        - 2.75
                        + 1.75
                        * q[FRECKLE]
                        * math.exp(-(((cy + 20.0) / 34.0) ** 2))
                        * smooth(58.0, 44.0, abs(cx))
                        - 2.0 * smooth(50.0, 60.0, abs(cx))
                    )
                    if over > 0.0:
                        pigment += min(0.22, 0.30 * over) * (1.0 - lip)
                ar *= math.exp(-0.9 * pigment - 0.04 * red)
                ag *= math.exp(-1.1 * pigment - 0.30 * red)
                ab *= math.exp(-1.25 * pigment - 0.24 * red)
                if lip > 0.0:
                    streak = 1.0 + 0.045 * tile(noise[0], cx * 2.6, cy * 0.35) + 0.02 * fine
                    ar += lip * (q[LIP_R] * streak - ar)
                    ag += lip * (q[LIP_G] * streak - ag)
                    ab += lip * (q[LIP_B] * streak - ab)
                    strength = strength * (1.0 - lip) + lip * (0.55 + 0.5 * q[LIPSTICK])
                    rough = 0.42 - 0.10 * lip
                if m == 1:
                    # Nostrils are holes; the corners of the mouth and its line are deep.
                    nd = ((abs(cx) - 0.47 * v[_NOSE_W]) / 3.4) ** 2 + ((cy - v[_NOSE_Y] - 2.4) / 2.0) ** 2
                    if nd < 2.0:
                        hole = math.exp(-nd * nd * 1.2)
                        sky *= 1.0 - 0.93 * hole
                        strength *= 1.0 - hole
                    if q[SHADOW_K] > 0.0:
                        e = 0 if cx < 0.0 else 1
                        u = (abs(cx) - eye_x) / (eye_half * 1.25)
                        if u * u < 1.0 and -4.0 < cy < 16.0:
                            kk = q[SHADOW_K] * (1.0 - u * u) * smooth(15.0, 6.0, cy) * smooth(-1.0, 3.0, cy)
                            ar += kk * (q[SHADOW_R] - ar)
                            ag += kk * (q[SHADOW_G] - ag)
                            ab += kk * (q[SHADOW_B] - ab)
                    # The fold over the upper lid, and the lashes' roots at its edge.
                    u = (abs(cx) - eye_x) / (eye_half * 1.06)
                    if u * u < 1.0 and -3.0 < cy < 18.0:
                        e = 0 if cx < 0.0 else 1
                        up, low = lid_edge(min(1.0, max(-1.0, u)), lids[e, 0], lids[e, 1], eye_half, tilt)
                        t = cy - up - v[_CREASE] * (1.0 - 0.3 * u * u)
                        fold = math.exp(-((t / 0.75) ** 2)) * (1.0 - u * u) ** 0.5
                        sky *= 1.0 - 0.60 * fold
                        root = (
                            smooth(1.5, 0.1, cy - up)
                            * smooth(-0.8, 0.2, cy - up)
                            * (1.0 - 0.6 * max(0.0, -u))
                        )
                        ar *= 1.0 - 0.72 * root
                        ag *= 1.0 - 0.75 * root
                        ab *= 1.0 - 0.75 * root
                    # Roots of brows and beard tint the skin between the hairs.
                    tint = min(0.86, 0.75 * beard + 0.66 * brow * (0.8 + 0.25 * mid))
                    ar += tint * (q[BEARD_R] - ar)
                    ag += tint * (q[BEARD_G] - ag)
                    ab += tint * (q[BEARD_B] - ab)
                    strength *= 1.0 - 0.7 * tint
                strength *= 1.0 + 0.35 * fine
                # Pores: the table's slope tips the normal.
                slope = 0.055
                nx += slope * (tile(noise[0], cx * 1.9 + 31.6, cy * 1.9) - fine)
                ny += slope * (tile(noise[0], cx * 1.9 + 31.0, cy * 1.9 + 0.6) - fine)
            elif m <= 5:
                what = m
                gx = cx - q[GAZE_X]
                gy = cy - q[GAZE_Y] - 0.4
                d = math.sqrt(gx * gx + gy * gy)
                e = 0 if m == 4 else 1
                sign = -1.0 if m == 4 else 1.0
                u = max(-1.0, min(1.0, sign * cx / eye_half))
                up, low = lid_edge(u, lids[e, 0], lids[e, 1], eye_half, tilt)
                size = q[IRIS_SIZE]
                vein = tile(noise[1], cx * 2.2, cy * 2.2 + 7.0)
                corner = smooth(0.55, 1.0, abs(u))
                ar = 0.47 - 0.04 * corner
                ag = (0.435 - 0.03 * max(0.0, vein)) * (1.0 - 0.30 * corner)
                ab = (0.41 - 0.03 * max(0.0, vein)) * (1.0 - 0.34 * corner)
                if u < -0.86:  # caruncle
                    kk = smooth(-0.86, -0.93, u)
                    ar += kk * (0.8 * q[LIP_R] + 0.16 - ar)
                    ag += kk * (0.8 * q[LIP_G] + 0.05 - ag)
                    ab += kk * (0.8 * q[LIP_B] + 0.05 - ab)
                iris = smooth(size + 0.35, size - 0.25, d)
                if iris > 0.0:
                    angle = math.atan2(gy, gx)
                    fibre = tile(noise[0], angle * 13.0 + 3.0, d * 0.5)
                    coarse = tile(noise[1], angle * 5.0, d * 0.8)
                    ring = 1.0 - 0.62 * smooth(size - 1.5, size, d)
                    inner = smooth(size * 0.72, size * 0.36, d)
                    tone = 0.72 * ring * (1.0 + 0.28 * fibre + 0.2 * coarse) * (1.0 + 0.2 * inner)
                    # Light entering the cornea gathers on the iris's far side.
                    tone *= 1.0 - 0.35 * (gx * q[KEY_X] + gy * q[KEY_Y]) / size
                    pupil = smooth(q[PUPIL] + 0.3, q[PUPIL] - 0.2, d)
                    ir = q[IRIS_R] * (1.0 + 0.5 * inner) * tone * (1.0 - pupil) + 0.004
                    ig = q[IRIS_G] * (1.0 + 0.22 * inner) * tone * (1.0 - pupil) + 0.004
                    ib = q[IRIS_B] * tone * (1.0 - pupil) + 0.004
                    ar += iris * (ir - ar)
                    ag += iris * (ig - ag)
                    ab += iris * (ib - ab)
                # The lids shade the ball, the upper one most, and lashes with it.
                under = smooth(-0.6, 4.6, up - cy)
                over = smooth(-0.3, 2.2, cy - low)
                sky = (0.22 + 0.78 * under) * (0.62 + 0.38 * over) * (1.0 - 0.35 * corner)
                strength, rough, wrap = 0.0, 0.3, 0.35
            elif m == 6:
                ar, ag, ab = 0.55 * ar + 0.12, 0.42 * ag + 0.05, 0.42 * ab + 0.05
                strength, rough, sky = 0.9, 0.3, 0.55
                what = 4 if cx < 0.0 else 5
                if cy > 0.0:
                    sky = 0.25
            elif m <= 9:
                what = 8
                depth = smooth(24.0, 6.0, abs(cx)) if m == 8 else 1.0
                if m == 7:
                    ar, ag, ab, strength, sky = 0.10, 0.02, 0.018, 0.0, 0.12
                elif m == 8:
                    arch = abs(cx)
                    tooth = 8.2 if cy >= 0.0 else 5.6
                    which = arch / tooth if arch < tooth else 1.0 + (arch - tooth) / 6.6
                    part = abs(which - math.floor(which) - 0.5) * 2.0
                    gap = smooth(0.80, 1.0, part)
                    up = abs(cy)
                    scallop = 8.2 - 1.6 * part * part
                    gum = smooth(scallop - 0.4, scallop + 0.4, up)
                    bright = (0.60 - 0.26 * gap) * depth
                    ar = bright + gum * (0.32 - bright)
                    ag = bright * 0.93 + gum * (0.11 - bright * 0.93)
                    ab = bright * 0.80 + gum * (0.11 - bright * 0.80)
                    strength, rough, sky = 0.7, 0.22, (0.50 if cy >= 0 else 0.36) * (0.35 + 0.65 * depth)
                else:
                    ar, ag, ab = 0.34, 0.105, 0.10
                    strength, rough, sky = 0.5, 0.35, 0.30
            elif m == 10:
                what = 10
                tone = 0.55 + 0.16 * tile(noise[0], cx, cy)
                ar, ag, ab = tone * q[HAIR_R], tone * q[HAIR_G], tone * q[HAIR_B]
                strength, wrap = 0.0, 0.3
            elif m == 11:
                what = 13
                knit = 0.5 + 0.5 * math.sin(cx * 2.4) * math.sin(cy * 2.4 + 1.6 * math.sin(cx * 1.2))
                wave = tile(noise[2], cx * 0.12, cy * 0.12)
                tone = 0.86 + 0.14 * knit * q[WEAVE] + 0.05 * tile(noise[0], cx * 1.3, cy * 1.3)
                ar, ag, ab = q[CLOTH_R] * tone, q[CLOTH_G] * tone, q[CLOTH_B] * tone
                nx += 0.10 * wave
                ny += 0.10 * tile(noise[2], cx * 0.12 + 40.0, cy * 0.12)
                strength, rough, wrap = 0.08, 0.6, 0.2
            else:
                what = 14
                ar, ag, ab = q[FRAME_R], q[FRAME_G], q[FRAME_B]
                strength, rough, wrap, sky = 1.4, 0.25, 0.0, 0.9
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
            nx, ny, nz = nx / length, ny / length, nz / length
            vx, vy, vz = -x + eye[0], -y + eye[1], -z + eye[2]
            length = math.sqrt(vx * vx + vy * vy + vz * vz)
            vx, vy, vz = vx / length, vy / length, vz / length
            ndv = nx * vx + ny * vy + nz * vz
            if ndv < 0.0 and (m == 6 or m == 12 or m == 10):  # thin things have two sides
                nx, ny, nz, ndv = -nx, -ny, -nz, -ndv
            ndv = max(0.02, ndv)
            ndl = nx * q[KEY_X] + ny * q[KEY_Y] + nz * q[KEY_Z]
            direct = (
                lit(shadow, lx, ly, lz, 2.5 + 3.0 * max(0.0, 1.0 - ndl), 0.6 + 1.5 * q[SOFT])
                if m not in (4, 5, 7, 8, 9)
                else 0.35 + 0.65 * sky
            )
            # Wrapped diffuse, redder round the terminator and the shadow's edge, where light leaks through skin.
            soft = 0.10 + 0.16 * q[SOFT]
            wr, wg, wb = soft + 0.20 * wrap, soft + 0.06 * wrap, soft + 0.02 * wrap
            kr = max(0.0, (ndl + wr) / (1.0 + wr)) * (direct + 0.55 * wrap * (math.sqrt(direct) - direct))
            kg = max(0.0, (ndl + wg) / (1.0 + wg)) * (direct + 0.12 * wrap * (math.sqrt(direct) - direct))
            kb = max(0.0, (ndl + wb) / (1.0 + wb)) * direct
            fdl = max(0.0, (nx * q[FILL_X] + ny * q[FILL_Y] + nz * q[FILL_Z] + 0.45) / 1.45) * (
                0.35 + 0.65 * sky
            )
            up = 0.76 + 0.24 * ny
            # Light between the folds of skin takes on the skin's colour: openness tends to 1 where it is bright.
            root = math.sqrt(sky)
            or_, og, ob = sky + 0.9 * ar * wrap * (root - sky), sky + 0.5 * ag * wrap * (root - sky), sky
            rgb[0] = ar * (q[KEY_R] * kr * (0.55 + 0.45 * or_) + q[FILL_R] * fdl + q[AMB_R] * up * or_)
            rgb[1] = ag * (q[KEY_G] * kg * (0.55 + 0.45 * og) + q[FILL_G] * fdl + q[AMB_G] * up * og)
            rgb[2] = ab * (q[KEY_B] * kb * (0.55 + 0.45 * ob) + q[FILL_B] * fdl + q[AMB_B] * up * ob)
            # Gloss of the key and the fill: Beckmann with Schlick's Fresnel term, skin's reflectance 0.028.
            if strength > 0.0:
                for lamp in range(2):
                    o = 0 if lamp == 0 else 6
                    hx, hy, hz = q[o] + vx, q[o + 1] + vy, q[o + 2] + vz
                    length = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
                    ndh = (nx * hx + ny * hy + nz * hz) / length
                    hdv = (vx * hx + vy * hy + vz * hz) / length
                    dl = max(0.0, nx * q[o] + ny * q[o + 1] + nz * q[o + 2])
                    g = 1.0 - max(0.0, hdv)
                    fresnel = 0.028 + 0.972 * g * g * g * g * g
                    wide = rough + 0.12 * q[SOFT]
                    s = (
                        strength
                        * fresnel
                        * (0.75 * gloss(ndh, wide) + 0.35 * gloss(ndh, 0.55 * wide))
                        * dl
                        / (dl + 0.35 * ndv + 0.1)
                    )
                    s *= direct if lamp == 0 else 0.6 * sky
                    rgb[0] += 2.2 * s * q[o + 3]
                    rgb[1] += 2.2 * s * q[o + 4]
                    rgb[2] += 2.2 * s * q[o + 5]
            if m in (1, 2, 3, 11):
                edge = (1.0 - ndv) ** 4 * sky
                rim = (
                    q[RIM]
                    * smooth(0.0, -0.5, nz - 0.62)
                    * max(0.0, 0.4 * ny + 0.5 + 0.3 * abs(nx))
                    * (1.0 - ndv) ** 2
                )
                lift = 0.06 * edge
                rgb[0] += lift * q[AMB_R] + 0.5 * rim * (0.3 + ar)
                rgb[1] += lift * q[AMB_G] + 0.5 * rim * (0.3 + ag)
                rgb[2] += lift * q[AMB_B] + 0.5 * rim * (0.3 + ab)
            elif m <= 5:
                # The cornea mirrors the key and a dim window.
                gx, gy = cx - q[GAZE_X], cy - q[GAZE_Y]
                if gx * gx + gy * gy < (q[IRIS_SIZE] + 0.8) ** 2:
                    sx, sy = gx - 3.4 * q[KEY_X], gy - 3.4 * q[KEY_Y]
                    w = 0.75 + 0.5 * q[SOFT]
                    spot = smooth(
                        w + 0.35, w - 0.25, max(abs(sx), abs(sy)) * 0.5 + 0.5 * math.sqrt(sx * sx + sy * sy)
                    )
                    sx, sy = gx - 3.2 * q[FILL_X], gy - 3.2 * q[FILL_Y]
                    pale = 0.10 * smooth(1.6, 0.6, math.sqrt(sx * sx + sy * sy))
                    sheen = 0.012 * smooth(-1.0, 3.5, gy)
                    gate = smooth(0.1, 1.4, up_gap(cy, cx, m, eye_half, lids, tilt))
                    rgb[0] += gate * (spot * 0.95 * q[KEY_R] + pale * q[FILL_R] + sheen)
                    rgb[1] += gate * (spot * 0.95 * q[KEY_G] + pale * q[FILL_G] + sheen)
                    rgb[2] += gate * (spot * 0.95 * q[KEY_B] + pale * q[FILL_B] + sheen)
            image[py, px, 0] = rgb[0]
            image[py, px, 1] = rgb[1]
            image[py, px, 2] = rgb[2]
            region[py, px] = what


@njit(cache=True)  # type: ignore[untyped-decorator]
def up_gap(cy: float, cx: float, m: int, half: float, lids: Any, tilt: float) -> float:
    """Return how far under the upper lid's edge a point of an eyeball lies, millimetres."""
    e = 0 if m == 4 else 1
    sign = -1.0 if m == 4 else 1.0
    u = max(-1.0, min(1.0, sign * cx / half))
    return lid_edge(u, lids[e, 0], lids[e, 1], half, tilt)[0] - cy  # type: ignore[no-any-return]
