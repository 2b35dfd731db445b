"""Dots of an inkjet print: a frequency-modulated (blue-noise) screen, seen close by."""

from __future__ import annotations

from functools import cache
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from facedata.augment.bluenoise import MASK_SIDE, blue_noise
from facedata.augment.kernels import faded, kernel, prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, Parameters, quantity
from facedata.datasets.words import Words

__all__ = ["BlueNoiseHalftone", "BlueNoiseHalftoneParameters"]

_SHIFTS: Final = ((37, 85), (91, 23), (64, 107), (0, 0))
"""Rows and columns by which the masks of C, M, Y and K are shifted, so that the inks do not coincide."""
INK: Final = 4135
"""Light of 65535 that solid ink reflects: density 1.2, a plain paper's (1.0-1.5)."""
CURVE: Final = np.array([8628, 27828, 1860, 1825], np.uint16)
"""uint16 x 4: the tone of a code, Q15, is x (x (8628 x + 27828) - 1860) - 1825, where x is the code of 255.

The tone is the share of paper that the code's light needs, (light - INK) / (65535 - INK), and 0 for the codes
below 72, which are darker than ink. A cubic is within 0.0002 of it, a tenth of a code, and unlike a table it
is computed for many pixels at once. 0 and 1 are exact.
"""
_PARTS: Final = 4
"""Steps in which the part of a dot that a pixel sees is rounded, along each axis."""
_STATES: Final = _PARTS**2 + 1


class BlueNoiseHalftoneParameters(Parameters):
    """Size of the dots on paper, how close the camera is, and how much of the dots it resolves."""

    strength: float = quantity(
        "share of the ink's contrast that survives the optics of the capture",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.01, 0.4]},
    )
    dot: float = quantity(
        "pitch of the dots on paper", unit="um", low=10, high=500, draw={"uniform": [85, 170]}
    )
    print_width: float = quantity(
        "length of print that the shorter side of the picture shows",
        unit="mm",
        low=5,
        high=1000,
        draw={"uniform": [15, 35]},
    )
    black: float = quantity(
        "share of the common grey of the inks that is printed in black",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.2, 0.8]},
    )
    pattern_seed: int = quantity(
        "place of the mask on the paper", unit="1", low=0, high=2**31 - 1, draw={"integer": [0, 2**31 - 1]}
    )


class BlueNoiseHalftone(Operator[BlueNoiseHalftoneParameters]):
    """Threshold each ink's tone by a void-and-cluster mask and mix the dots with the picture in linear light.

    Each of C, M, Y and K either is at a place or is not. Inks block their own channel down to 6 % of the
    light (density 1.2), so a channel is lit where neither its ink nor black is, and tones darker than the ink
    are solid. The dots' mean is the picture's linear light: tone is kept at every strength. A dot covers `dot
    / print_width` of the shorter side and runs into its neighbours over four fifths of its pitch, or a pixel;
    dots smaller than a pixel lose contrast in proportion, as their average over the pixel does.
    """

    name = "bn-halftone"
    version = 2
    attack: ClassVar[str | None] = "print/inkjet"
    strength: ClassVar[str] = "strength"
    parameters = BlueNoiseHalftoneParameters

    def apply(self, image: Image, parameters: BlueNoiseHalftoneParameters) -> Applied:
        """Return the picture, uint8 height x width x 3, as a print in dots."""
        image = prepared(image)
        height, width, _ = image.shape
        pitch = parameters.dot / 1000 / parameters.print_width * min(height, width)
        share = round(parameters.strength * min(pitch, 1.0) * ONE)
        if share == 0:
            return faded(image)
        words = Words.of(parameters.pattern_seed, "mask")
        rows = cells(height, *scales(pitch), words.integer(0, MASK_SIDE - 1))
        columns = cells(width, *scales(pitch), words.integer(0, MASK_SIDE - 1))
        shown = shades(share, LINEAR, CODED)
        return Applied(dots(image, _packed(), rows, columns, CURVE, round(parameters.black * ONE), shown))


@cache
def _packed() -> NDArray[np.uint64]:
    """Return the four shifted masks in one word: 16-bit lanes of C, M, Y and K from the lowest.

    Ranks are multiples of 4, so that they span 16 bits. uint64, 128 x 129: the last column repeats the first,
    so that every cell has one to its right.
    """
    ranks = blue_noise().astype(np.uint64) * 4
    lanes = [np.roll(ranks, shift, axis=(0, 1)) << np.uint64(16 * i) for i, shift in enumerate(_SHIFTS)]
    return np.pad(sum(lanes[1:], lanes[0]), ((0, 0), (0, 1)), mode="wrap")


def scales(pitch: float) -> tuple[int, int]:
    """Return the cells of the mask per px, Q32, and the parts by which a dot's edge rises per cell, Q16.

    `pitch` is px per cell, taken as 1 where smaller. Between two cells' centres the parts rise from 0 to 4
    over four fifths of the way, or over a pixel where that is more: drops of ink are round and run.
    """
    step = max(1.0, pitch)
    return round(2**32 / step), round(_PARTS / max(1 / step, 0.8) * 2**16)


@kernel
def cells(length: int, step: int, slope: int, start: int) -> NDArray[np.int64]:
    """Return for each of `length` px its cell, and the parts of 4 of the px that the cell after it fills.

    int64, 2 x length; cells wrap at the mask's side. `step` and `slope` come from `scales`.
    """
    out = np.empty((2, length), np.int64)
    for i in range(length):
        place = ((2 * i + 1) * step >> 1) - (1 << 31)  # of the px's middle, from the first cell's, Q32
        beyond = ((place & 0xFFFFFFFF) - (1 << 31)) >> 16  # half way to the next cell's, Q16
        out[0, i] = ((place >> 32) + start) & (MASK_SIDE - 1)
        out[1, i] = min(max((beyond * slope + (5 << 31)) >> 32, 0), _PARTS)
    return out


@kernel
def shades(share: int, linear: NDArray[np.uint16], coded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the code seen, uint8, at index `parts * 256 + code`, where 0-16 parts of a px are bare paper.

    `share` is the strength in Q15. Codes darker than ink are printed solid as they are.
    """
    out = np.empty(_STATES * 256, np.uint8)
    for code in range(256):
        light = np.int64(linear[code])
        ink = min(light, np.int64(INK))
        for parts in range(_STATES):
            printed = ink + (parts * (65535 - ink) >> 4)
            seen = (light * (ONE - share) + printed * share + 16384) >> 17
            out[parts * 256 + code] = coded[np.uint64(seen)]
    return out


# The rows below are planar, all of R (cyan), then G (magenta), then B (yellow), 16 bits a sample, and every
# loop but the two with a table or a word in it is one that the compiler runs over 8 to 32 samples at once.
# Every sum is cast back to 16 bits, as it would otherwise be widened to 64 and lose that.


@kernel
def _read(codes: NDArray[np.uint16], source: NDArray[np.uint8]) -> None:
    """Set `codes` to those of an RGB row, times 257: Q16."""
    width = codes.size // 3
    red, green, blue = codes[:width], codes[width : 2 * width], codes[2 * width :]
    for x in range(width):
        red[x] = np.uint16(source[3 * x]) * 257
        green[x] = np.uint16(source[3 * x + 1]) * 257
        blue[x] = np.uint16(source[3 * x + 2]) * 257


@kernel
def _tones(
    tones: NDArray[np.uint16],
    states: NDArray[np.uint16],
    codes: NDArray[np.uint16],
    curve: NDArray[np.uint16],
) -> None:
    """Set `tones` to the share of paper, Q15, and `states` to the code with no part lit."""
    cubic, square, line, ink = curve[0], curve[1], curve[2], curve[3]
    for i in range(codes.size):
        code = codes[i]
        tone = np.uint16(np.uint16((np.uint32(code) * np.uint32(cubic)) >> 16) + square)
        tone = np.uint16((np.uint32(tone) * np.uint32(code)) >> 16)
        tone = np.uint16(max(tone, line) - line)
        tone = np.uint16((np.uint32(tone) * np.uint32(code)) >> 16)
        tones[i] = max(tone, ink) - ink
        states[i] = code & 255


@kernel
def _free(free: NDArray[np.uint16], tones: NDArray[np.uint16], black: int) -> None:
    """Set `free` to the share of paper that black leaves, Q15, three times."""
    width = free.size // 3
    red, green, blue = tones[:width], tones[width : 2 * width], tones[2 * width :]
    first, second, third = free[:width], free[width : 2 * width], free[2 * width :]
    for x in range(width):
        grey = 32768 - np.int32(max(red[x], green[x], blue[x]))
        first[x] = np.uint16(32768 - (grey * np.int32(black) >> 15))
    for x in range(width):
        second[x] = third[x] = first[x]


@kernel
def _lay(
    ranks: NDArray[np.uint16],
    blacks: NDArray[np.uint16],
    words: NDArray[np.uint64],
    row: NDArray[np.uint64],
    columns: NDArray[np.int64],
    side: int,
) -> None:
    """Set `ranks` (16 bits) and three times `blacks` (Q15) to those of each px's cell, or the next on side 1.

    `row` is one of the packed masks, `words` room for a row.
    """
    width = columns.size
    for x in range(width):
        words[x] = row[np.uint64(columns[x] + side)]
    cyan, magenta, yellow = ranks[:width], ranks[width : 2 * width], ranks[2 * width :]
    for x in range(width):
        cyan[x] = np.uint16(words[x])
        magenta[x] = np.uint16(words[x] >> np.uint64(16))
        yellow[x] = np.uint16(words[x] >> np.uint64(32))
    first, second, third = blacks[:width], blacks[width : 2 * width], blacks[2 * width :]
    for x in range(width):
        first[x] = second[x] = third[x] = np.uint16(words[x] >> np.uint64(49))


@kernel
def _single(
    states: NDArray[np.uint16],
    ranks: NDArray[np.uint16],
    blacks: NDArray[np.uint16],
    tones: NDArray[np.uint16],
    free: NDArray[np.uint16],
    whole: np.uint16,
) -> None:
    """Add `whole`, in 256ths of a part, to the states whose cell neither its ink nor black covers."""
    for i in range(states.size):
        rank = np.uint16((np.uint32(ranks[i]) * np.uint32(free[i])) >> 16)  # of the paper left free
        states[i] += whole if (rank < tones[i]) & (blacks[i] < free[i]) else np.uint16(0)


@kernel
def _double(
    states: NDArray[np.uint16],
    ranks: tuple[NDArray[np.uint16], NDArray[np.uint16]],
    blacks: tuple[NDArray[np.uint16], NDArray[np.uint16]],
    across: NDArray[np.uint16],
    tones: NDArray[np.uint16],
    free: NDArray[np.uint16],
    whole: np.uint16,
) -> None:
    """Do what `_single` does with two cells; `across` is the share, of 4, of the one to the right."""
    left, right = ranks
    left_black, right_black = blacks
    for i in range(states.size):
        rank = np.uint16((np.uint32(left[i]) * np.uint32(free[i])) >> 16)
        other = np.uint16(np.uint16(across[i] * whole) >> 2)
        first = np.uint16(whole - other) if (rank < tones[i]) & (left_black[i] < free[i]) else np.uint16(0)
        rank = np.uint16((np.uint32(right[i]) * np.uint32(free[i])) >> 16)
        second = other if (rank < tones[i]) & (right_black[i] < free[i]) else np.uint16(0)
        states[i] += np.uint16(first + second)


@kernel
def _show(target: NDArray[np.uint8], states: NDArray[np.uint16], shown: NDArray[np.uint8]) -> None:
    """Set an RGB row to the codes seen."""
    width = states.size // 3
    red, green, blue = states[:width], states[width : 2 * width], states[2 * width :]
    for x in range(width):
        target[3 * x] = shown[np.uint64(red[x])]
        target[3 * x + 1] = shown[np.uint64(green[x])]
        target[3 * x + 2] = shown[np.uint64(blue[x])]


@kernel
def dots(
    image: Image,
    packed: NDArray[np.uint64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    curve: NDArray[np.uint16],
    black: int,
    shown: NDArray[np.uint8],
) -> Image:
    """Return the picture in dots; `black` is Q15, `shown` comes from `shades`."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    span = 3 * width
    source, target = image.reshape(height, span), out.reshape(height, span)
    codes, tones = np.empty(span, np.uint16), np.empty(span, np.uint16)
    states, free = np.empty(span, np.uint16), np.empty(span, np.uint16)
    # of the row of cells above the px's middle and of the one below, in turn; left and right
    ranks, blacks = np.empty((2, 2, span), np.uint16), np.empty((2, 2, span), np.uint16)
    words, held = np.empty(width, np.uint64), np.full(2, -1)
    across = np.empty(span, np.uint16)
    for x in range(span):
        across[x] = columns[1, x % width]
    alone = across.max() == 0
    for y in range(height):
        _read(codes, source[y])
        _tones(tones, states, codes, curve)
        _free(free, tones, black)
        for below in range(2):
            part = rows[1, y] if below else 4 - rows[1, y]
            if part == 0:
                continue
            cell = (rows[0, y] + below) & (MASK_SIDE - 1)
            turn = cell & 1
            if held[turn] != cell:
                held[turn] = cell
                for side in range(1 if alone else 2):
                    _lay(ranks[turn, side], blacks[turn, side], words, packed[cell], columns[0], side)
            whole = np.uint16(part * 1024)
            if alone:
                _single(states, ranks[turn, 0], blacks[turn, 0], tones, free, whole)
            else:
                pairs = (ranks[turn, 0], ranks[turn, 1]), (blacks[turn, 0], blacks[turn, 1])
                _double(states, pairs[0], pairs[1], across, tones, free, whole)
        _show(target[y], states, shown)
    return out
