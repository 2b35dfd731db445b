"""Ink on paper: separation, dot gain, screens and the Yule-Nielsen-Neugebauer colour of what was printed.

With Demichel's weights and overprints that multiply (Beer-Lambert) the Neugebauer sum over 16 primaries
factorises into one factor for each ink,

    R^(1/n) = R_p^(1/n) prod_j (1 - a_j + a_j T_j^(1/n)),  so  R = R_p prod_j F_j,  F_j = (1 - a_j + ...)^n,

which four packed look-ups a pixel compute. `a` is the coverage after dot gain, a' = a + 4 g a (1 - a); T the
transmittance of a solid ink, there and back. A surface reflects a share of the light before it meets any ink:
it is what bounds the density of a solid, so it is set from D_max.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import ONE
from facedata.augment.operator import Image

__all__ = ["GREY_BALANCE", "INKS", "SOLID", "TILE", "Ink", "Sheet", "contone", "fibres", "separations"]

Floats = NDArray[np.float64]
Words64 = NDArray[np.int64]

SOLID: Final = 8192
"""Tone of a solid in the Q13 fixed point of ink tones."""
NODES: Final = 128
"""Steps of tone at which an ink's factors are tabulated; between two they are interpolated."""
TILE: Final = 256
"""Side of the tile of paper fibres in px."""

INKS: Final[Floats] = np.array(
    [[0.020, 0.354, 0.772], [0.798, 0.015, 0.216], [0.995, 0.851, 0.020], [0.012, 0.012, 0.012]]
)
"""Transmittance of the solids C, M, Y and K (rows) to linear red, green and blue light.

Of the colours of ISO 12647-2:2004/Amd 1 on coated paper (`press.CONDITIONS["fogra39-coated"]`), without the
surface reflection that a measured colour holds; what lies outside sRGB is clipped.
"""

GREY_BALANCE: Final = (0.0, 0.10, 0.10, 0.0)
"""How much less of M and Y than of C a balanced grey takes at the mid-tone (ISO 12647-2: 50/40/40)."""


class Ink(NamedTuple):
    """One ink at tabulated tones: packed factors and contrasts, and the step of the screen's table."""

    factors: Words64
    contrasts: Words64
    levels: Words64


@dataclass(frozen=True)
class Sheet:
    """A paper and how it takes ink.

    `paper` is the reflectance of the bare paper, 0-1, to linear R, G, B; `gain` the dot gain at 50 %, `n` the
    Yule-Nielsen factor (1 .. 2), `d_max` the density of the darkest print over the paper, `balance` the share
    of the grey balance that the driver applied, `black` the share of the common grey given to black ink.
    """

    paper: tuple[float, float, float]
    gain: float
    n: float
    d_max: float
    balance: float
    black: float

    @property
    def surface(self) -> float:
        """Share of the paper's reflectance that no ink hides, 10^-D_max."""
        return float(10**-self.d_max)

    def separate(self, rgb: Floats) -> Floats:
        """Return tones 0-1 of C, M, Y, K (N x 4) of sRGB values 0-1 (N x 3).

        Complements, as an uncalibrated path sends them; black replaces its share of the squared common grey,
        so that light skin stays free of black dots (as `press.separate` does it).
        """
        tones = 1 - rgb
        key = self.black * tones.min(axis=1) ** 2
        under = (tones - key[:, None]) / np.maximum(1 - key[:, None], 1e-9)
        return np.concatenate([under, key[:, None]], axis=1)

    def coverage(self, tones: Floats) -> Floats:
        """Return the coverage 0-1 on paper of tones 0-1 (N x 4): grey balance, then dot gain."""
        balanced = tones * (1 - 2 * self.balance * np.array(GREY_BALANCE) * (1 - tones))
        return np.clip(balanced + 4 * self.gain * balanced * (1 - balanced), 0.0, 1.0)

    def factors(self, coverage: Floats) -> Floats:
        """Return F, N x 4 inks x 3 channels, of coverage 0-1 (N x 4)."""
        a = coverage[:, :, None]
        return np.asarray((1 - a + a * INKS ** (1 / self.n)) ** self.n, np.float64)

    def reflectance(self, tones: Floats) -> Floats:
        """Return the reflectance 0-1 (N x 3) of tones 0-1 of C, M, Y, K (N x 4): the closed form."""
        body = self.factors(self.coverage(tones)).prod(axis=1)
        return np.array(self.paper) * (self.surface + (1 - self.surface) * body)

    def tables(self, levels: int) -> Ink:
        """Return the factors as the kernels take them; `levels` is the steps of tone of the screen's table.

        Packed words hold three lanes of 21 bits, R lowest, with Q15 values: `factors` 4 x 130 (one node more
        than is reached), `contrasts` 4 x 129, the drop of F from the paper between the dots to a dot:
        (F - T) / (1 - a), so that dots are solid and the mean over a cell is F. `levels` is 4 x 129.
        """
        tones = np.repeat(np.arange(NODES + 1)[:, None] / NODES, 4, axis=1)
        coverage = self.coverage(tones)
        factors = self.factors(coverage)
        drop = (factors - INKS) / np.maximum(1 - coverage, 1 / NODES)[:, :, None]
        packed = _packed(np.concatenate([factors, factors[-1:]]))
        steps = np.rint(coverage * levels).astype(np.int64).T
        return Ink(packed, _packed(np.clip(drop, 0, 1)), np.ascontiguousarray(steps))

    def separation_tables(self) -> tuple[Words64, Words64, Words64]:
        """Return by code the complement, and by the brightest channel's code black and 1 / (1 - black).

        int64 x 256 each: Q13, Q13, Q16.
        """
        tone = 1 - np.arange(256) / 255
        key = np.minimum(np.rint(self.black * tone**2 * SOLID), SOLID - 1)
        return (
            np.rint(tone * SOLID).astype(np.int64),
            key.astype(np.int64),
            np.rint(65536 * SOLID / (SOLID - key)).astype(np.int64),
        )

    def base(self) -> Words64:
        """Return Q15 reflectance, 2 x 3: of the surface, and of the body of the paper under no ink."""
        paper = np.array(self.paper)
        return np.rint(np.stack([paper * self.surface, paper * (1 - self.surface)]) * ONE).astype(np.int64)


def _packed(values: Floats) -> Words64:
    """Return nodes x 4 x 3 values 0-1 as 4 x nodes words of three lanes of 21 bits, Q15."""
    lanes = np.rint(values * (ONE - 1)).astype(np.int64)
    return np.ascontiguousarray((lanes[..., 0] | (lanes[..., 1] << 21) | (lanes[..., 2] << 42)).T)


@cache
def fibres() -> NDArray[np.int16]:
    """Return the tile of paper fibres: int16, 256 x 256, mean 0, standard deviation 1 in Q12, periodic.

    Its amplitude falls as 1 / f, so its variance is the same in every octave and one tile serves at every
    distance of the camera.
    """
    index = np.arange(TILE * TILE, dtype=np.uint64)
    # SplitMix64 (Steele et al. 2014): two uniform 16-bit halves summed four times are normal enough
    mixed = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    white = sum(((mixed >> np.uint64(16 * i)) & np.uint64(0xFFFF)).astype(np.float64) for i in range(4))
    wave = np.fft.fftfreq(TILE, 1 / TILE)
    frequency = np.hypot(wave[:, None], wave[None, :])
    frequency[0, 0] = np.inf
    tile = np.fft.ifft2(np.fft.fft2(np.reshape(white, (TILE, TILE))) / frequency).real
    return np.rint(np.clip(tile / tile.std(), -7, 7) * 4096).astype(np.int16)


@kernel
def separations(image: Image, complement: Words64, key: Words64, inverse: Words64) -> NDArray[np.uint16]:
    """Return Q13 tones of C, M, Y, K (height x width x 4) of a picture; tables as `separation_tables`."""
    height, width, _ = image.shape
    out = np.empty((height, width, 4), np.uint16)
    for y in range(height):
        for x in range(width):
            r, g, b = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            grey = np.uint64(max(r, g, b))
            black, over = key[grey], inverse[grey]
            out[y, x, 0] = ((complement[r] - black) * over + 32768) >> 16
            out[y, x, 1] = ((complement[g] - black) * over + 32768) >> 16
            out[y, x, 2] = ((complement[b] - black) * over + 32768) >> 16
            out[y, x, 3] = black
    return out


@kernel
def _factors(table: Words64, ink: int, tone: int) -> tuple[int, int, int]:
    """Return an ink's Q15 factors for red, green and blue at a Q13 tone, interpolated between two nodes."""
    node, part = tone >> 6, tone & 63
    word = table[ink, np.uint64(node)] * (64 - part) + table[ink, np.uint64(node + 1)] * part
    return (word >> 6) & 0x7FFF, (word >> 27) & 0x7FFF, (word >> 48) & 0x7FFF


@kernel
def _dot(
    table: Words64, contrasts: Words64, levels: Words64, screen: NDArray[np.int16], ink: int, tone: int, at: int
) -> tuple[int, int, int]:
    """Return an ink's factors where its screen lies `d` above its tone: F - d * contrast, within 0 .. 1."""
    red, green, blue = _factors(table, ink, tone)
    node = np.uint64((tone + 32) >> 6)
    d = np.int64(screen[np.uint64(levels[ink, node] + at)])
    word = contrasts[ink, node]
    red -= (d * (word & 0x7FFF)) >> 15
    green -= (d * ((word >> 21) & 0x7FFF)) >> 15
    blue -= (d * (word >> 42)) >> 15
    return min(max(red, 0), 32767), min(max(green, 0), 32767), min(max(blue, 0), 32767)


@kernel
def inks(
    tones: NDArray[np.uint16],
    place: NDArray[np.float32],
    table: Words64,
    base: Words64,
    band: NDArray[np.int16],
    across: tuple[float, float],
    fibre: NDArray[np.int16],
    origin: tuple[int, int],
    roughness: int,
    light: NDArray[np.uint16],
    lamp: Words64,
) -> NDArray[np.uint16]:
    """Return the light that leaves a sheet printed in continuous tone.

    uint16, height x width x 3; 32768 is a perfect diffuser in full light. `tones` is uint16 x 4 (Q13),
    `place` float32 x 2 where each pixel lies on the sheet, `table` and `base` as of `Sheet`, `band` int16 x
    1024 the Q15 relative error of tone along the sheet (at row `across[0] * v + across[1]`), `fibre` as
    `fibres()` from `origin` on, scaled by `roughness` (Q15); `light` uint16 x 2: irradiance and gloss, Q15,
    the gloss of colour `lamp` (Q15 x 3).
    """
    height, width, _ = tones.shape
    out = np.empty((height, width, 3), np.uint16)
    scale, shift = across
    down, right = origin
    for y in range(height):
        for x in range(width):
            error = np.int64(band[np.uint64(np.int64(place[y, x, 1] * scale + shift) & 1023)]) + 32768
            cyan = min((tones[y, x, 0] * error) >> 15, 8192)
            magenta = min((tones[y, x, 1] * error) >> 15, 8192)
            yellow = min((tones[y, x, 2] * error) >> 15, 8192)
            black = min((tones[y, x, 3] * error) >> 15, 8192)
            cr, cg, cb = _factors(table, 0, cyan)
            mr, mg, mb = _factors(table, 1, magenta)
            yr, yg, yb = _factors(table, 2, yellow)
            kr, kg, kb = _factors(table, 3, black)
            rough = 32768 + ((fibre[np.uint64((y + down) & 255), np.uint64((x + right) & 255)] * roughness) >> 12)
            shade = (np.int64(light[y, x, 0]) * rough) >> 15
            gloss = np.int64(light[y, x, 1])
            red = base[0, 0] + ((base[1, 0] * (((cr * mr) >> 15) * ((yr * kr) >> 15) >> 15)) >> 15)
            green = base[0, 1] + ((base[1, 1] * (((cg * mg) >> 15) * ((yg * kg) >> 15) >> 15)) >> 15)
            blue = base[0, 2] + ((base[1, 2] * (((cb * mb) >> 15) * ((yb * kb) >> 15) >> 15)) >> 15)
            out[y, x, 0] = min(((red * shade) >> 15) + ((gloss * lamp[0]) >> 15), 65535)
            out[y, x, 1] = min(((green * shade) >> 15) + ((gloss * lamp[1]) >> 15), 65535)
            out[y, x, 2] = min(((blue * shade) >> 15) + ((gloss * lamp[2]) >> 15), 65535)
    return out
