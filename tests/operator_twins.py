"""Slow NumPy twins of the integer kernels, written from their description: they must agree bit for bit."""

import numpy as np

from facedata.augment.light import CODED, LINEAR

LIGHT = LINEAR.astype(np.int64)


def mix(image, light, share):
    return CODED[(LIGHT[image] * (32768 - share) + light * share + 16384) >> 17]


def convert(image, decode, matrix, shown, share):
    source = decode.astype(np.int64)[image]
    moved = np.clip((source @ matrix.T + 16384) >> 15, 0, 65535)
    return mix(image, shown.astype(np.int64)[moved], share)


def apply_lut(image, table, node, fraction, stepped, share):
    steps = np.array([33 * 33, 33, 1])
    parts = fraction[image]
    order = np.argsort(-parts, axis=-1, kind="stable")
    sorted_parts = np.take_along_axis(parts, order, -1)
    place = (node[image] * steps).sum(-1)
    lanes = np.stack([(table >> shift) & 0x1FFFFF for shift in (0, 21, 42)], -1)
    total = lanes[place] * (256 - sorted_parts[..., :1])
    for i in range(3):
        place = place + steps[order[..., i]]
        lower = sorted_parts[..., i + 1 : i + 2] if i < 2 else 0
        total = total + lanes[place] * (sorted_parts[..., i : i + 1] - lower)
    return mix(image, stepped.astype(np.int64)[(total + 128) >> 8], share)


def add_light(image, light, share):
    total = LIGHT[image] + ((light.astype(np.int64) * share + 16384) >> 15)
    return CODED[np.minimum(total, 65535) >> 2]


def modulate(image, field, gain):
    factor = np.stack([gain[c][field[..., c]] for c in range(3)], -1)
    return CODED[np.minimum((LIGHT[image] * factor) >> 16, 65535) >> 2]


def spread(light, rows, columns, weights):
    """`light` is height x width x 3; offsets count from 0."""
    height, width = light.shape[0] - rows.max(), light.shape[1] - columns.max()
    total = np.full((height, width, 3), 16384, np.int64)
    for row, column, weight in zip(rows, columns, weights, strict=True):
        total += light[row : row + height, column : column + width].astype(np.int64) * weight
    return total


def cells(length, pitch, start):
    """For each px its cell of 128, and the quarters that the cell after it fills."""
    step = max(1.0, pitch)
    scale, slope = round(2**32 / step), round(4 / max(1 / step, 0.8) * 65536)
    place = (2 * np.arange(length) + 1) * scale // 2 - 2**31
    beyond = (place % 2**32 - 2**31) // 65536
    parts = np.clip((beyond * slope + 2**33 + 2**31) // 2**32, 0, 4)
    return np.stack([(place // 2**32 + start) % 128, parts])


def shades(share, solid):
    """The code seen by lit parts 0-16 and code, 17 x 256."""
    ink = np.minimum(LIGHT, solid)
    printed = ink + np.arange(17)[:, None] * (65535 - ink) // 16
    return CODED[(LIGHT * (32768 - share) + printed * share + 16384) >> 17]


def tone(codes, curve):
    cubic, square, line, ink = curve.astype(np.int64)
    code = codes.astype(np.int64) * 257
    found = np.maximum((((code * cubic >> 16) + square) * code >> 16) - line, 0)
    return np.maximum((found * code >> 16) - ink, 0)


def dots(image, mask, shifts, rows, columns, curve, black, shown):
    """`mask` holds ranks, `shifts` how far it is rolled for C, M, Y and K."""
    side = len(mask)
    chance = tone(image, curve)
    free = 32768 - ((32768 - chance.max(-1)) * black >> 15)
    parts = np.zeros(image.shape, np.int64)
    for down in (0, 1):
        for right in (0, 1):
            tall = rows[1] if down else 4 - rows[1]
            wide = columns[1] if right else 4 - columns[1]
            place = np.ix_((rows[0] + down) % side, (columns[0] + right) % side)
            ranks = [np.roll(mask, shift, (0, 1))[place] for shift in shifts]
            for channel in range(3):
                bare = (ranks[3] * 2 < free) & (ranks[channel] * free >> 14 < chance[..., channel])
                parts[..., channel] += bare * tall[:, None] * wide[None, :]
    return shown.reshape(17, 256)[parts, image]


def screens(image, table, starts, steps, chance, base, reciprocal, black, reach):
    width = image.shape[1]
    cells = table.astype(np.int64).reshape(65, 32, 32)
    lane = 2**30 - 1
    across = np.arange(width)[None, :, None]
    u = ((starts >> 31)[:, None, :] + across * (steps >> 31)) & lane
    v = ((starts & lane)[:, None, :] + across * (steps & lane)) & lane

    def bare(tone, ink):
        return 65535 - tone - 2 * cells[(tone + 512) >> 10, v[..., ink] >> 25, u[..., ink] >> 25]

    part = chance[image]
    step = ((65535 - part.max(-1)) * black) >> 23
    paper = bare(step << 8, 0) * reach
    out = np.empty_like(image)
    for channel in range(3):
        tone = 65535 - ((part[..., channel] * reciprocal[step]) >> 16)
        light = base[image[..., channel]] + ((paper * bare(tone, channel + 1)) >> 16)
        out[..., channel] = CODED[np.clip(light >> 17, 0, 16383)]
    return out


def sample(rows, columns, transform, start, distortion, half, across, down):
    ends = np.arange(0, columns + 16, 16)
    x = ends - (columns - 1) / 2
    y = (np.arange(rows) - (rows - 1) / 2)[:, None]
    bend = 1 + distortion * (x * x + y * y) / (half * half)
    x, y = x * bend, y * bend
    depth = 65536 * 256 / np.maximum(transform[2, 0] * x + transform[2, 1] * y + transform[2, 2], 12.8)
    phases = [
        np.trunc((transform[k, 0] * x + transform[k, 1] * y) * depth + start[k] * 65536).astype(np.int64)
        for k in (0, 1)
    ]
    j = np.arange(columns)
    u, v = (p[:, j // 16] + (j % 16) * ((p[:, j // 16 + 1] - p[:, j // 16]) >> 4) for p in phases)
    i = np.arange(rows)[:, None]
    stripe = (u >> 16) + 85 * (1 - (i & 1) - (j & 1))
    light = (across[stripe & 255] * down[(v >> 16) & 255] * 80 + (1 << 23)) >> 24
    return np.minimum(light, 255).astype(np.uint8)


class Torus:
    """Dots on a torus and the energy that they spread."""

    def __init__(self, side, weights):
        reach = len(weights) // 2
        self.side, self.spread = side, np.zeros((side, side), np.int64)
        for (i, j), weight in np.ndenumerate(weights):
            self.spread[(i - reach) % side, (j - reach) % side] += weight
        self.taken, self.energy = np.zeros(side * side, bool), np.zeros(side * side, np.int64)

    def toggle(self, place, on):
        self.taken[place] = on
        self.energy += (1 if on else -1) * np.roll(self.spread, divmod(place, self.side), (0, 1)).ravel()
        return place

    def cluster(self):
        return int(np.argmax(np.where(self.taken, self.energy, -(2**62))))

    def void(self):
        return int(np.argmin(np.where(self.taken, 2**62, self.energy)))


def void_and_cluster(side, weights):
    count, torus, state = side * side, Torus(side, weights), 1
    while torus.taken.sum() < count // 10:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        place = (state >> 16) % side * side + (state >> 8) % side
        if not torus.taken[place]:
            torus.toggle(place, True)
    while torus.toggle(torus.cluster(), False) != torus.toggle(torus.void(), True):
        pass
    ranks = np.zeros(count, np.int64)
    kept, kept_energy = torus.taken.copy(), torus.energy.copy()
    for rank in range(count // 10 - 1, -1, -1):
        ranks[torus.toggle(torus.cluster(), False)] = rank
    torus.taken, torus.energy = kept, kept_energy
    for rank in range(count // 10, count):
        ranks[torus.toggle(torus.void(), True)] = rank
    return ranks.reshape(side, side)
