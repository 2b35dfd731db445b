"""Slow NumPy twins of the camera's kernels, written from their description, and a camera without flaws."""

import numpy as np

from facedata.augment.camera import CameraParameters
from facedata.augment.light import LINEAR

FLAWLESS = {
    "temperature": 6500.0,
    "balance_error": 0.0,
    "tint": 0.0,
    "exposure": 0.0,
    "defocus": 0.0,
    "field_angle": 0.0,
    "glare": 0.0,
    "flare_strength": 0.0,
    "flare_x": 30.0,
    "flare_y": -20.0,
    "flare_seed": 3,
    "flicker_depth": 0.0,
    "flicker_frequency": 100.0,
    "flicker_duty": 0.0,
    "flicker_phase": 0.0,
    "exposure_time": 0.001,
    "row_time": 20.0,
    "frame_rows": 2000,
    "shot_noise": 0.0,
    "read_noise": 0.0,
    "bits": 14,
    "saturation": 1.0,
    "contrast": 1.0,
    "shoulder": 0.0,
    "noise_reduction": 0.0,
    "sharpening": 0.0,
    "jpeg_first": 0,
    "jpeg_second": 0,
    "noise_seed": 1,
}


def camera(**changes):
    """A camera that adds nothing of its own, but for `changes`."""
    return CameraParameters(**{**FLAWLESS, **changes})


def flat(level, height=64, width=64):
    """Even light of `level` x diffuse white."""
    return np.full((height, width, 3), round(level * 32768), np.uint16)


def sites(light):
    out = np.empty(light.shape[:2], np.uint16)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        out[row::2, column::2] = light[row::2, column::2, channel]
    return out


def focus(light, weights):
    """Two one-dimensional sums, each rounded to 16 bits, over light mirrored with the edge repeated."""
    reach = len(weights) // 2
    total = light.astype(np.int64)
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (reach, reach)
        wide, count = np.pad(total, pad, mode="symmetric"), total.shape[axis]
        taps = [np.take(wide, range(k, k + count), axis) * int(w) for k, w in enumerate(weights)]
        total = (sum(taps) + 16384) >> 15
    return sites(total.astype(np.uint16))


def shade(mosaic, corner, across, down):
    height, width = mosaic.shape
    y, x = np.mgrid[:height, :width]
    colour = (y & 1) + (x & 1)
    gain = (corner[colour] + x * across[colour] + y * down[colour]) >> 16
    return np.minimum((mosaic.astype(np.int64) * gain + 16384) >> 15, 65535)


def hash_words(count, key):
    word = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) ^ np.uint32(key)
    word = (word ^ (word >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    word = (word ^ (word >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return word ^ (word >> np.uint32(16))


def enlarge(flare, height, width):
    def places(count, cells):
        middle = ((2 * np.arange(count) + 1) * cells * 128) // count - 128
        middle = np.clip(middle, 0, (cells - 1) * 256)
        cell = np.minimum(middle >> 8, cells - 2)
        return cell, middle - (cell << 8)

    row, low = places(height, flare.shape[0])
    column, right = places(width, flare.shape[1])
    coarse, low, right = flare.astype(np.int64), low[:, None, None], right[None, :, None]
    rows = coarse[row] * (256 - low) + coarse[row + 1] * low
    return (rows[:, column] * (256 - right) + rows[:, column + 1] * right + 32768) >> 16


def expose(mosaic, row_gain, response, lens, down, across, veil, flare, noise, normal, key, bits):
    """In single floats, operation by operation."""
    height, width = mosaic.shape
    y, x = np.mgrid[:height, :width]
    site, one = 2 * (y & 1) + (x & 1), np.float32(1)
    distance = (one + lens[1] * down)[:, None] + lens[1] * across
    added = veil[site]
    if flare.size > 3:
        added = added + sites(enlarge(flare, height, width)).astype(np.float32)
    gain = (response[(y & 1) + (x & 1)] * row_gain[:, None] / 32768).astype(np.float32)
    light = mosaic.astype(np.float32) * (lens[0] / (distance * distance)) + added
    signal = np.minimum(light * gain, one)
    half = (width + 1) // 2
    words = np.repeat(hash_words(height * half, key).reshape(height, half), 2, axis=1)[:, :width]
    place = np.where(x & 1, words >> np.uint32(20), words & np.uint32(4095))
    deviate = normal[place].astype(np.float32) / np.float32(2048)
    value = signal + deviate * np.sqrt(noise[0] * signal + noise[1])
    black, top = 1 << (bits - 4), (1 << bits) - 1
    steps = np.clip(value * np.float32(top - black) + np.float32(black + 0.5), 0, top)
    return np.pad(np.floor(steps), 2, mode="reflect").astype(np.uint16)


def weighted(frame, kernel):
    side = len(kernel)
    height, width = frame.shape[0] - side + 1, frame.shape[1] - side + 1
    return sum(kernel[i][j] * frame[i : i + height, j : j + width] for i in range(side) for j in range(side))


def balanced(raw, black, gains):
    """The demosaiced light (int64, height x width x 3) of a raw frame with its border, 65535 is full."""
    y, x = np.mgrid[: raw.shape[0], : raw.shape[1]]
    frame = np.minimum(((raw.astype(np.int64) - black) * gains[(y & 1) + (x & 1)]) >> 11, 65535)
    return bilinear(frame, 0) >> 2


def bilinear(raw, black):
    """Four times the demosaiced signal (int64, height x width x 3) of a raw frame with its border."""
    frame = raw[1:-1, 1:-1].astype(np.int64) - black
    y, x = np.mgrid[-1 : frame.shape[0] - 1, -1 : frame.shape[1] - 1]
    kernels = (((1, 2, 1), (2, 4, 2), (1, 2, 1)), ((0, 1, 0), (1, 4, 1), (0, 1, 0)))
    taken = [np.where((y & 1) + (x & 1) == channel, frame, 0) for channel in range(3)]
    return np.stack([weighted(taken[channel], kernels[channel % 2]) for channel in range(3)], axis=-1)


def finish(light, saturation, tone):
    """Codes (3 planes with a border) of 16-bit light."""
    colour = np.minimum(light, 65535)
    grey = (colour @ np.array([6966, 23436, 2366]) >> 15)[..., None]
    colour = np.clip(grey + (((colour - grey) * saturation) >> 12), 0, 65535)
    return np.pad(np.moveaxis(tone[colour >> 4], 2, 0), ((0, 0), (2, 2), (2, 2)), mode="edge")


def demosaic(raw, black, gains, saturation, tone):
    return finish(balanced(raw, black, gains), saturation, tone)


def bin_quads(raw, black, gains, saturation, tone):
    light = bilinear(raw, black)
    cells = sum(light[i::2, j::2] for i in (0, 1) for j in (0, 1))
    return finish(((cells >> 2) * (gains >> 2)) >> 11, saturation, tone)


def refine(planes, amount, luma_core, chroma_core):
    codes = planes.astype(np.int64)
    inner = codes[:, 2:-2, 2:-2]

    def detail(weights):
        reach = len(weights) // 2
        height, width = inner.shape[1:]
        total = np.zeros_like(inner)
        for i, down in enumerate(weights):
            for j, right in enumerate(weights):
                top, left = 2 + i - reach, 2 + j - reach
                total += down * right * codes[:, top : top + height, left : left + width]
        return sum(weights) ** 2 * inner - total

    def luma(rows):
        return (77 * rows[0] + 150 * rows[1] + 29 * rows[2] + 128) >> 8

    fine, coarse = luma(detail((1, 2, 1))), detail((1, 2, 2, 2, 1))
    chroma = coarse - luma(coarse)
    shaped = (np.sign(fine) * np.maximum(np.abs(fine) - luma_core, 0) * (256 + amount) + 128) >> 8
    removed = np.clip(chroma, -4 * chroma_core, 4 * chroma_core)
    return np.clip(inner + ((4 * (shaped - fine) - removed + 32) >> 6), 0, 255)


def mixed(image, other, share):
    light = LINEAR.astype(np.int64)
    return (light[image] * (32768 - share) + light[other] * share + 16384) >> 17


def glow(x, y, shape, spikes, lamp):
    core, thin, share, reach = shape
    x, y = x[None, :], y[:, None]
    squared = x * x + y * y
    star = np.zeros_like(squared)
    for sine, cosine in spikes:
        off = x * sine - y * cosine
        star = star + thin / (off * off + thin)
    light = core / (squared + core) + star * share / (np.float32(1) + squared * reach)
    return light[..., None] * lamp


def ghosts(field, x, y, images, sides, cells):
    field = field.copy()
    for cx, cy, size, *tint in images:
        dy, dx = (y[:, None] - cy) / size, (x[None, :] - cx) / size
        far = np.full((len(y), len(x)), -1, np.float32)
        for cosine, sine in sides:
            far = np.maximum(far, dx * cosine + dy * sine)
        edge = size * np.float32(cells)
        disc = np.clip((np.float32(1) - far) * edge + np.float32(0.5), np.float32(0), np.float32(1))
        light = disc * (np.float32(0.6) + np.float32(0.4) * np.maximum(far, np.float32(0)))
        light = np.where((np.abs(dx) > np.float32(1.6)) | (np.abs(dy) > np.float32(1.6)), 0, light)
        field += light[..., None] * np.array(tint, np.float32)
    return field
