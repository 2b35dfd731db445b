"""Slow NumPy twins of the print's kernels, written from their description: they must agree bit for bit."""

import numpy as np

F = np.float32


def separations(image, complement, key, inverse):
    grey = image.max(-1)
    black, over = key[grey], inverse[grey]
    inks = ((complement[image] - black[..., None]) * over[..., None] + 32768) >> 16
    return np.concatenate([inks, black[..., None]], -1).astype(np.uint16)


def shade_and_gloss(fibre, origin, light):
    height, width = light.shape[1:]
    rows, columns = (np.arange(height) + origin[0]) % 256, (np.arange(width) + origin[1]) % 256
    return light[0] * (F(1) + F(origin[2]) * fibre[np.ix_(rows, columns)]), light[1]


def contone(image, place, ink, band, across, fibre, origin, light, lamp):
    (key, _), curves, slopes, power, paper = ink
    row = np.floor(place[1] * F(across[0]) + F(across[1])).astype(np.int32) & 255
    error, grey = band[row], F(1) - image.max(-1).astype(F) * F(1 / 255)
    black = key[0] * (grey * grey)
    scale = F(1) / (F(1) - black) * error
    tones = [
        np.minimum(np.maximum(F(1) - image[..., i].astype(F) * F(1 / 255) - black, F(0)) * scale, F(1))
        for i in range(3)
    ]
    tones.append(np.minimum(black * error, F(1)))
    roots = [[F(1) - slopes[j, i] * covered(t, curves, j) for j, t in enumerate(tones)] for i in range(3)]
    shade, gloss = shade_and_gloss(fibre, origin, light)
    out = np.empty(image.shape, np.uint16)
    for i, (c, m, y, k) in enumerate(roots):
        step = ((c * m) * (y * k) * F(4095) + F(0.5)).astype(np.int32)
        total = (paper[i, 0] + paper[i, 1] * power[step]) * shade + gloss * lamp[i]
        out[..., i] = np.minimum(total, F(65535)).astype(np.int32)
    return out


def covered(tone, curves, ink):
    if ink in (1, 2):
        tone = tone * (curves[ink, 0] + curves[ink, 1] * tone)
    return tone + curves[4, 0] * tone * (F(1) - tone)


def screened(
    tones,
    place,
    factors,
    contrasts,
    levels,
    screen,
    side,
    phases,
    base,
    band,
    across,
    fibre,
    origin,
    light,
    lamp,
):
    u, v = (place[i].astype(np.float64) for i in (0, 1))
    error = band[np.floor(v * across[0] + across[1]).astype(np.int64) & 255]
    found = []
    for ink in range(4):
        tone = np.minimum((tones[..., ink] * error).astype(np.int64), 8192)
        column = (u * phases[ink, 0] + v * phases[ink, 1] + phases[ink, 2]).astype(np.int64) % side
        row = (u * phases[ink, 3] + v * phases[ink, 4] + phases[ink, 5]).astype(np.int64) % side
        node, part, near = tone >> 6, tone & 63, (tone + 32) >> 6
        d = screen[levels[ink, near] + row * side + column].astype(np.int64)
        lanes = []
        for shift in (0, 21, 42):
            low, high, drop = (
                (words >> shift) & 0x1FFFFF
                for words in (factors[ink, node], factors[ink, node + 1], contrasts[ink, near])
            )
            lanes.append(np.clip(((low * (64 - part) + high * part) >> 6) - ((d * drop) >> 15), 0, 32767))
        found.append(np.stack(lanes, -1))
    printed = np.full_like(found[0], 32768)
    for factor in found:
        printed = (printed * factor) >> 15
    shade, gloss = shade_and_gloss(fibre, origin, light)
    total = (base[0] + ((base[1] * printed) >> 15)).astype(F) * shade[..., None] + gloss[..., None] * lamp
    return np.minimum(total, F(65535)).astype(np.uint16)


def within(place, limb, box, inverse):
    u, v = place
    depth = np.minimum(
        np.minimum(u - box[0], box[2] - u) * inverse[0], np.minimum(v - box[1], box[3] - v) * inverse[1]
    )
    if limb.size:
        depth = np.minimum(depth, limb)
    return np.clip(depth * F(255) + F(128), F(0), F(255)).astype(np.uint8)


def layered(sheet, behind, cover, shade, depth, edge, core):
    part = cover.astype(np.int64)
    rim = np.where(part > 0, (part * (255 - part) * edge) // 16256, 0)
    padded = np.pad(cover, 1, mode="edge").astype(float)
    out_x, out_y = padded[1:-1, :-2] - padded[1:-1, 2:], padded[:-2, 1:-1] - padded[2:, 1:-1]
    facing = (out_x * core[2] + out_y * core[3]) / np.maximum(np.sqrt(out_x * out_x + out_y * out_y), 1e-9)
    white = (core[0] + core[1] * np.maximum(facing, 0)).astype(np.int64)
    lit = 65536 - ((shade.astype(np.int64) * depth * 257) >> 8)
    back = (behind.astype(np.int64) * lit[..., None]) >> 16
    whole = (part + (part >> 7))[..., None]
    total = (sheet.astype(np.int64) * whole + back * (256 - whole) + 128) >> 8
    mixed = (total * (1024 - rim)[..., None] + (white * rim)[..., None]) >> 10
    return np.where(cover[..., None] == 255, sheet, mixed).astype(np.uint16)
