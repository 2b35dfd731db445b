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

from facedata.augment.light import ONE

__all__ = ["GREY_BALANCE", "INKS", "SOLID", "TILE", "Arithmetic", "Ink", "Sheet", "fibres"]

Floats = NDArray[np.float64]
Words64 = NDArray[np.int64]
Row = NDArray[np.float32]

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

_LOGARITHMS: Final = np.log(np.maximum(np.arange(4096), 1e-99) / 4095)
"""Of the steps of R^(1/n), the first next to nothing: a power is then an exponential, a third of the time."""

GREY_BALANCE: Final = (0.0, 0.2, 0.2, 0.0)
"""Share by which M and Y stay below C in a balanced mid-grey (ISO 12647-2: C 50 %, M and Y 40 %)."""


class Ink(NamedTuple):
    """One ink at tabulated tones: packed factors and contrasts, and the step of the screen's table."""

    factors: Words64
    contrasts: Words64
    levels: Words64


class Arithmetic(NamedTuple):
    """One sheet as `contone` takes it, float32.

    `key` holds black and 1 / (1 - black) by the brightest channel's code (256 each), `curves` (5 x 2) the
    grey balance t (c0 + c1 t) of each ink and 4 g, `slopes` (4 x 3) 1 - T^(1/n), `power` (4096) R^(1/n) in
    steps of 1/4095 to the power of n, and `paper` (3 x 2) the light of the surface and of the body.
    """

    key: tuple[Row, Row]
    curves: Row
    slopes: Row
    power: Row
    paper: Row


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
        """Share of the paper's reflectance that no ink hides.

        It brings the darkest print, solid C, M and Y with their share of black, to D_max in green light;
        nothing where the inks themselves let more than that through.
        """
        black = self.black + 4 * self.gain * self.black * (1 - self.black)
        cyan, magenta, yellow, key = (float(ink[1]) for ink in INKS)
        body = cyan * magenta * yellow * (1 - black + black * key ** (1 / self.n)) ** self.n
        return float(max(10**-self.d_max - body, 0.0) / (1 - body))

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
        whole: Floats = np.array(self.paper) * (self.surface + (1 - self.surface) * body)
        return whole

    def tables(self, levels: int, side: int) -> Ink:
        """Return the factors as `screened` takes them, for a screen of `levels` tones and `side` places.

        Packed words hold three lanes of 21 bits, R lowest, with Q15 values: `factors` 4 x 130 (one node more
        than is reached), `contrasts` 4 x 129, the drop of F from the paper between the dots to a dot, (F - T)
        / (1 - a), so that dots are solid and the mean over a cell is F; `levels` (4 x 129) is where the
        screen's table for that coverage begins.
        """
        tones = np.repeat(np.arange(NODES + 1)[:, None] / NODES, 4, axis=1)
        coverage = self.coverage(tones)
        factors = self.factors(coverage)
        drop = (factors - INKS) / np.maximum(1 - coverage, 1 / NODES)[:, :, None]
        packed = _packed(np.concatenate([factors, factors[-1:]]))
        steps = np.rint(coverage * levels).astype(np.int64).T * side**2
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

    def arithmetic(self) -> Arithmetic:
        """Return what `contone` needs."""
        tone = 1 - np.arange(256) / 255
        key = np.minimum(self.black * tone**2, 1 - 1 / SOLID)
        lower = 2 * self.balance * np.array(GREY_BALANCE)
        curves = np.array([*zip(1 - lower, lower, strict=True), (4 * self.gain, 0.0)])
        slopes = 1 - INKS ** (1 / self.n)
        power = np.exp(self.n * _LOGARITHMS)
        paper = np.array(self.paper)[:, None] * [self.surface, 1 - self.surface] * ONE
        single = (array.astype(np.float32) for array in (key, 1 / (1 - key), curves, slopes, power, paper))
        black, over, *rest = single
        return Arithmetic((black, over), *rest)

    def base(self) -> Words64:
        """Return Q15 reflectance, 2 x 3: of the surface, and of the body of the paper under no ink."""
        paper = np.array(self.paper)
        return np.rint(np.stack([paper * self.surface, paper * (1 - self.surface)]) * ONE).astype(np.int64)


def _packed(values: Floats) -> Words64:
    """Return nodes x 4 x 3 values 0-1 as 4 x nodes words of three lanes of 21 bits, Q15."""
    lanes = np.rint(values * (ONE - 1)).astype(np.int64)
    return np.ascontiguousarray((lanes[..., 0] | (lanes[..., 1] << 21) | (lanes[..., 2] << 42)).T)


@cache
def fibres() -> NDArray[np.float32]:
    """Return the tile of paper fibres: float32, 256 x 256, mean 0, standard deviation 1, periodic.

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
    return np.asarray(tile / tile.std(), np.float32)
