"""Printing conditions: what four inks on a paper look like, by the Yule-Nielsen-Neugebauer equations.

A condition gives CIELAB (D50, 2 degree observer) of the paper, the four solids and the chromatic overprints,
and the tone value increase at the mid-tone. The figures are the aim values of the standard named beside each,
rounded to whole units. Those of FOGRA39 were compared with public transcriptions of ISO 12647-2:2004/Amd 1;
the others are written down from memory of the standards and characterisation data, good to about 3 units of
colour difference: enough for a picture, not for a proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facedata.augment.colour import PROFILES, lab_to_xyz
from facedata.augment.light import srgb_encode

__all__ = ["CONDITIONS", "Condition", "ConditionName", "render", "separate"]

Floats = NDArray[np.float64]
Lab = tuple[float, float, float]

_PRINCIPAL: Final = (0, 1, 2, 1)
"""Which of X, Y, Z an ink absorbs most (cyan X, magenta Y, yellow Z, black Y): tone value is read there."""


@dataclass(frozen=True)
class Condition:
    """A printing condition: CIELAB of paper, solids and overprints, dot gain, black generation.

    `gain` is the tone value increase at 50 % (0-1) of cyan, magenta and yellow, `gain_black` that of black,
    both as a densitometer reads it (Murray-Davies, so with the optical part). `n` is the Yule-Nielsen factor:
    1 where the paper spreads no light, 2 where it spreads it fully. `black` is the share of the common grey
    of cyan, magenta and yellow that black replaces (grey component replacement).
    """

    paper: Lab
    cyan: Lab
    magenta: Lab
    yellow: Lab
    black_ink: Lab
    red: Lab
    green: Lab
    blue: Lab
    three: Lab
    gain: float
    gain_black: float
    n: float
    black: float

    def primaries(self) -> Floats:
        """Return XYZ (D50, absolute) of the 16 primaries: bit 0 is cyan, 1 magenta, 2 yellow, 3 black.

        Overprints with black are not tabulated: black is taken as a filter over what lies under it, its
        transmittance being that over bare paper (Beer-Lambert).
        """
        labs = (self.paper, self.cyan, self.magenta, self.blue, self.yellow, self.green, self.red, self.three)
        chromatic = lab_to_xyz(np.array(labs, dtype=np.float64))
        filtered = lab_to_xyz(np.array(self.black_ink, dtype=np.float64)) / chromatic[0]
        return np.concatenate([chromatic, chromatic * filtered])

    def coverage(self, ink: int, tone: Floats) -> Floats:
        """Return the effective ink coverage 0-1 of tone values 0-1 of ink 0-3 (cyan, magenta, yellow, black).

        The tone value increase is stated for Murray-Davies; the Yule-Nielsen mixture already darkens the
        mid-tones. So the coverage is the one at which the mixture reflects what the increase asks for.
        """
        gain = self.gain_black if ink == 3 else self.gain
        grown = tone + 4 * gain * tone * (1 - tone)
        channel = _PRINCIPAL[ink]
        primaries = self.primaries()
        paper, solid = primaries[0, channel], primaries[1 << ink, channel]
        reflected = (paper * (1 - grown) + solid * grown) ** (1 / self.n)
        effective: Floats = (paper ** (1 / self.n) - reflected) / (
            paper ** (1 / self.n) - solid ** (1 / self.n)
        )
        return effective

    def xyz(self, inks: Floats) -> Floats:
        """Return XYZ (D50, absolute: paper is not white) of tone values 0-1, N x 4 as C, M, Y, K.

        Demichel's weights over the Neugebauer primaries, mixed as R^(1/n) (Yule and Nielsen 1951).
        """
        weights = np.ones((len(inks), 1))
        for ink in range(4):
            area = self.coverage(ink, inks[:, ink])[:, None]
            weights = np.concatenate([weights * (1 - area), weights * area], axis=1)
        mixed: Floats = (weights @ self.primaries() ** (1 / self.n)) ** self.n
        return mixed


def separate(rgb: Floats, black: float) -> Floats:
    """Return C, M, Y, K 0-1 (N x 4) of sRGB values 0-1 (N x 3): complements, some of the grey as black.

    The separation knows nothing of inks, which is what an uncalibrated print path does. Black enters with the
    square of the common grey, so that light skin stays free of black dots.
    """
    inks = 1 - rgb
    grey = inks.min(axis=1)
    key = black * grey**2
    under = (inks - key[:, None]) / np.maximum(1 - key[:, None], 1e-9)
    return np.concatenate([under, key[:, None]], axis=1)


def render(condition: Condition, rgb: Floats) -> Floats:
    """Return sRGB values 0-1 of the printed sRGB values 0-1 (N x 3), as seen under D50 by an adapted eye.

    Absolute, not relative, colorimetry: the paper's own colour and lightness show, as they do in a capture.
    Ink colours outside sRGB are clipped.
    """
    xyz = condition.xyz(separate(rgb, condition.black))
    return srgb_encode(np.asarray(np.linalg.solve(PROFILES["srgb"].to_pcs(), xyz.T).T, np.float64))


ConditionName = Literal[
    "fogra39-coated",
    "fogra51-coated",
    "fogra47-uncoated",
    "swop-tr001-web",
    "gracol-crpc6",
    "japan-color-2001",
    "iso-12647-3-newsprint",
]

CONDITIONS: Final[dict[str, Condition]] = {
    # ISO 12647-2:2004/Amd 1:2007, paper types 1 and 2, self backing; curves A (13 %) and B (16 %)
    "fogra39-coated": Condition(
        *((95, 0, -2), (55, -37, -50), (48, 74, -3), (89, -5, 93), (16, 0, 0)),
        *((47, 68, 48), (50, -65, 27), (24, 22, -46), (23, 0, 0)),
        *(0.13, 0.16, 1.7, 0.5),
    ),
    # ISO 12647-2:2013, print substrate 1 with brighteners (PSO Coated v3), curve A for all inks (16 %)
    "fogra51-coated": Condition(
        *((95, 1.5, -6), (56, -36, -51), (48, 75, -4), (89, -4, 93), (16, 0, 0)),
        *((48, 68, 47), (50, -65, 26), (25, 20, -46), (23, 0, -1)),
        *(0.16, 0.16, 1.7, 0.5),
    ),
    # ISO 12647-2:2004/Amd 1:2007, paper type 4 (uncoated white); curves C (20 %) and D (22 %)
    "fogra47-uncoated": Condition(
        *((95, 0, -2), (60, -26, -44), (56, 61, -1), (89, -4, 78), (31, 1, 1)),
        *((54, 55, 26), (54, -44, 14), (38, 8, -31), (33, 0, 0)),
        *(0.20, 0.22, 2.0, 0.4),
    ),
    # ANSI CGATS TR 001-1995 (SWOP, publication web offset on number 5 paper), gain 20 %
    "swop-tr001-web": Condition(
        *((89, 0, 4), (57, -37, -40), (48, 68, -4), (84, -6, 84), (19, 1, 1)),
        *((48, 64, 44), (51, -60, 26), (26, 18, -41), (23, 1, 1)),
        *(0.20, 0.22, 1.8, 0.6),
    ),
    # ANSI CGATS 21-2, reference printing condition 6 (GRACoL 2013, coated number 1)
    "gracol-crpc6": Condition(
        *((95, 1, -4), (56, -37, -50), (48, 75, -4), (89, -4, 93), (16, 0, 0)),
        *((47, 68, 48), (50, -66, 25), (25, 20, -46), (23, 0, 0)),
        *(0.17, 0.19, 1.7, 0.3),
    ),
    # Japan Color 2001 for sheet-fed offset, coated art paper
    "japan-color-2001": Condition(
        *((93, 0, -3), (54, -37, -50), (46, 75, -5), (88, -7, 92), (13, 1, 1)),
        *((47, 69, 49), (49, -72, 26), (21, 23, -47), (21, 1, 1)),
        *(0.15, 0.16, 1.7, 0.4),
    ),
    # ISO 12647-3:2005, coldset on newsprint, gain 26 %
    "iso-12647-3-newsprint": Condition(
        *((82, 0, 3), (57, -23, -27), (54, 44, -2), (78, -3, 58), (36, 1, 4)),
        *((52, 41, 25), (53, -34, 17), (41, 7, -22), (40, 0, 1)),
        *(0.26, 0.26, 2.0, 0.7),
    ),
}
"""The seven conditions by name."""

if set(CONDITIONS) != set(get_args(ConditionName)):
    raise RuntimeError("ConditionName and CONDITIONS differ")
