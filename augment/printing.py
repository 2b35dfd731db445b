"""A picture printed and lit: the parameters that prints share, and the light that leaves one."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.bluenoise import MASK_SIDE
from facedata.augment.camera import CameraParameters
from facedata.augment.draws import Draw, draw_value
from facedata.augment.geometry import PoseParameters
from facedata.augment.inking import contone, screened, separations
from facedata.augment.light import ONE
from facedata.augment.operator import Image, quantity
from facedata.augment.paper import SOLID, TILE, Sheet, fibres
from facedata.augment.screens import (
    ANGLES,
    CELL_LEVELS,
    CELL_SIDE,
    DROP_LEVELS,
    OCTAVE,
    cell_table,
    drop_table,
)
from facedata.augment.surface import Lamp, Seen
from facedata.datasets.words import Words

__all__ = [
    "CELL_STEPS",
    "DROP_STEPS",
    "STOCKS",
    "Halftone",
    "PrintParameters",
    "banding",
    "displacements",
    "lamp_of",
    "print_light",
    "screen_phases",
    "screen_step",
    "screen_waves",
    "sheet_of",
    "stock_draws",
]

STOCKS: Final[dict[str, dict[str, Draw]]] = {
    # resin-coated: smooth, dense, shiny
    "photo": {
        "d_max": {"uniform": [1.9, 2.4]},
        "whiteness": {"uniform": [0.85, 0.92]},
        "fibre": {"uniform": [0.1, 0.5]},
        "yule_nielsen": {"uniform": [1.0, 1.5]},
        "gloss": {"log_uniform": [0.08, 1.0]},
        "gloss_exponent": {"log_uniform": [60, 600]},
    },
    # office paper: ink sinks in, light spreads, fibres scatter
    "plain": {
        "d_max": {"uniform": [1.0, 1.5]},
        "whiteness": {"uniform": [0.80, 0.90]},
        "fibre": {"uniform": [0.5, 2.0]},
        "yule_nielsen": {"uniform": [1.5, 2.0]},
        "gloss": {"log_uniform": [0.01, 0.06]},
        "gloss_exponent": {"log_uniform": [3, 12]},
    },
}
"""What a paper stock decides: the default draws of these parameters, by stock."""

CELL_STEPS: Final = OCTAVE, 5 * OCTAVE
"""First and last of the tables of clustered dots that are used: from 2 px of the sensor a cell on."""
DROP_STEPS: Final = -13, 2 * OCTAVE
"""First and last of the tables of drops that are used: from 0.35 px of the sensor a drop on."""

_GEARS: Final = ((1, 1.0), (3, 0.7), (7, 0.5), (16, 0.3))
"""Harmonics of a laser printer's drum and their amplitudes."""

Stock = Literal["photo", "plain"]


class PrintParameters(CameraParameters, PoseParameters):
    """What printed the picture, on what, and the light it is looked at in; then its pose and the camera."""

    strength: float = quantity(
        "share of the recaptured picture, mixed with the parent in linear light",
        unit="1",
        low=0,
        high=1,
        draw=1.0,
    )
    stock: Stock = quantity("paper stock", unit="name", draw={"choice": ["photo", "plain"]})
    whiteness: float = quantity(
        "reflectance of the bare paper", unit="1", low=0.4, high=1, draw={"uniform": [0.8, 0.92]}
    )
    warmth: float = quantity(
        "excess of red over blue of the bare paper (below 0: brighteners)",
        unit="%",
        low=-20,
        high=40,
        draw={"normal": [-1.0, 3.0]},
    )
    d_max: float = quantity(
        "density of the darkest print over that of the paper",
        unit="D",
        low=0.5,
        high=3,
        draw={"uniform": [1.0, 2.4]},
    )
    gain: float = quantity(
        "dot gain at a tone of 50 %", unit="1", low=0, high=0.25, draw={"uniform": [0.05, 0.25]}
    )
    yule_nielsen: float = quantity(
        "Yule-Nielsen factor of the paper", unit="1", low=1, high=2, draw={"uniform": [1.0, 2.0]}
    )
    grey_balance: float = quantity(
        "share of the inks' grey balance that the driver applied",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.5, 1.0]},
    )
    black: float = quantity(
        "share of the common grey of the inks that is printed in black",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.3, 0.9]},
    )
    banding: float = quantity(
        "standard deviation of ink along the feed, relative",
        unit="%",
        low=0,
        high=20,
        draw={"log_uniform": [0.3, 3.0]},
    )
    banding_period: float = quantity(
        "longest period of the banding", unit="mm", low=0.2, high=100, draw={"log_uniform": [3, 22]}
    )
    fibre: float = quantity(
        "standard deviation of the paper's reflectance, relative",
        unit="%",
        low=0,
        high=10,
        draw={"uniform": [0.1, 2.0]},
    )
    gloss: float = quantity(
        "radiance in the middle of the lamp's highlight over that of diffuse white",
        unit="1",
        low=0,
        high=10,
        draw={"log_uniform": [0.01, 1.5]},
    )
    gloss_exponent: float = quantity(
        "exponent of the highlight's lobe, (n.h)^m",
        unit="1",
        low=1,
        high=5000,
        draw={"log_uniform": [3, 600]},
    )
    lamp_distance: float = quantity(
        "distance of the lamp from the sheet",
        unit="mm",
        low=100,
        high=20000,
        draw={"log_uniform": [400, 4000]},
    )
    lamp_angle: float = quantity(
        "angle of the lamp off the camera's axis, seen from the sheet",
        unit="deg",
        low=0,
        high=80,
        draw={"uniform": [8, 60]},
    )
    lamp_azimuth: float = quantity(
        "direction of the lamp round the camera's axis: 0 right, 90 above",
        unit="deg",
        low=-360,
        high=360,
        draw={"normal": [90.0, 60.0]},
    )
    ambient: float = quantity(
        "share of the light that comes evenly from everywhere",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.3, 0.85]},
    )
    paper_seed: int = quantity(
        "number of the sheet: fibres, screens, banding and room",
        unit="1",
        low=0,
        high=2**31 - 1,
        draw={"integer": [0, 2**31 - 1]},
    )


class Halftone(NamedTuple):
    """How ink is laid down: `drop` um of a blue-noise print, or else `ruling` lpi of four screens.

    `error` deg is how far the screens are turned from their angles, `misregistration` mm how far the inks lie
    from black; both are drawn for each ink up to this value.
    """

    drop: float = 0.0
    ruling: float = 0.0
    error: float = 0.0
    misregistration: float = 0.0


def stock_draws(given: Mapping[str, Draw], words: Words, default: Draw) -> dict[str, Draw]:
    """Return `given` with the draws that the stock decides; the stock is drawn as `Operator.sample` does."""
    stock = draw_value(given.get("stock", default), words, "stock")
    return {**STOCKS.get(str(stock), {}), **given}


def sheet_of(parameters: PrintParameters) -> Sheet:
    """Return the paper and how it takes ink."""
    lean = parameters.warmth / 200
    white = parameters.whiteness
    return Sheet(
        (min(white * (1 + lean), 1.0), white, min(white * (1 - lean), 1.0)),
        gain=parameters.gain,
        n=parameters.yule_nielsen,
        d_max=parameters.d_max,
        balance=parameters.grey_balance,
        black=parameters.black,
    )


def lamp_of(parameters: PrintParameters) -> Lamp:
    """Return the lamp."""
    return Lamp(
        parameters.lamp_distance,
        parameters.lamp_angle,
        parameters.lamp_azimuth,
        parameters.ambient,
        parameters.gloss,
        parameters.gloss_exponent,
    )


def print_light(
    image: Image, seen: Seen, step: float, scale: float, parameters: PrintParameters, halftone: Halftone
) -> NDArray[np.uint16]:
    """Return the light of the print of `image` at the sensor: uint16, height x width x 3, 32768 is white.

    `scale` is mm of the sheet a px of the picture, and `step` how many of these a px of the sensor spans at
    most. Beyond the picture the sheet is bare.
    """
    warped = _resampled(image, seen, step)
    sheet = sheet_of(parameters)
    words = Words.of(parameters.paper_seed, "sheet")
    origin = words.integer(0, TILE - 1), words.integer(0, TILE - 1), parameters.fibre / 100
    finest = scale * step  # mm of the sheet under a px of the sensor
    passes = parameters.banding_period / finest
    band = 1 + np.float32(parameters.banding / 100) * banding(
        parameters.paper_seed, bool(halftone.drop), passes
    )
    across = min(256 / passes * step, 512.0), float(words.integer(0, 255))
    lamp = np.full(3, ONE, np.float32)
    screen = screen_of(halftone, finest)
    shift = halftone.misregistration / finest
    if screen is None and shift < 0.25:
        # neither dots nor colour fringes would reach a quarter of a px
        plain = sheet.arithmetic()
        return contone(warped, seen.place, plain, band, across, fibres(), origin, seen.light, lamp)
    tones = separations(warped, *sheet.separation_tables())
    if shift >= 0.25:
        tones = misregistered(tones, shift, words)
    table, levels, side = screen or (np.empty(0, np.int16), CELL_LEVELS, CELL_SIDE)
    phases = screen_phases(halftone, scale, side, parameters.paper_seed)
    ink = sheet.tables(levels, side)
    return screened(
        tones,
        seen.place,
        ink.factors,
        ink.contrasts,
        ink.levels,
        table,
        side,
        phases,
        sheet.base(),
        band,
        across,
        fibres(),
        origin,
        seen.light,
        lamp,
    )


def _resampled(image: Image, seen: Seen, step: float) -> Image:
    """Return what each px of the sensor sees of the picture, white where the sheet goes on without one."""
    if step > 1.5:
        sigma = 0.35 * step
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    white = (255, 255, 255)
    (u, v), border = seen.place, cv2.BORDER_CONSTANT
    found = cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=border, borderValue=white)
    return np.asarray(found, np.uint8)


def banding(seed: int, swaths: bool, period: float) -> NDArray[np.float32]:
    """Return the error of ink along the feed over one period: float32 x 256, mean 0.

    An inkjet leaves a line between two passes of its head; a laser printer swings with its drum and gears.
    The standard deviation on paper is 1; `period` is in px of the sensor, which smooth what they cannot see.
    """
    words = Words.of(seed, "banding")
    waves = [0j] * 17
    if swaths:
        # a line of a tenth of the pass, and a slow swing
        start = words.unit()
        for k in range(1, 15):
            waves[k] = cmath.rect(math.exp(-((0.16 * k) ** 2)), 2 * math.pi * k * start)
        waves[1] += cmath.rect(words.uniform(0, 3), 2 * math.pi * words.unit())
    else:
        for k, amplitude in _GEARS:
            waves[k] = cmath.rect(amplitude, 2 * math.pi * words.unit())
    deviation = math.sqrt(sum(abs(wave) ** 2 for wave in waves) / 2)
    for k in range(1, 17):
        share = math.pi * k / period
        waves[k] *= math.sin(share) / share / deviation if 2 * k < period else 0
    return np.asarray(np.fft.irfft(waves, 256) * 128, np.float32)


def screen_of(halftone: Halftone, finest: float) -> tuple[NDArray[np.int16], int, int] | None:
    """Return (table, levels, side) of the screen as px of `finest` mm see it; None where it is not seen."""
    step = screen_step(halftone, finest)
    if step is None:
        return None
    if halftone.drop:
        return drop_table(step), DROP_LEVELS, MASK_SIDE
    return cell_table(step), CELL_LEVELS, CELL_SIDE


def screen_step(halftone: Halftone, finest: float) -> int | None:
    """Return which of the tables of `screens` px of `finest` mm see; None where they see no screen."""
    period = halftone.drop / 1000 / finest if halftone.drop else 25.4 / max(halftone.ruling, 1e-6) / finest
    if period < (0.35 if halftone.drop else 2.0):
        return None
    return min(math.floor(OCTAVE * math.log2(period)), (DROP_STEPS if halftone.drop else CELL_STEPS)[1])


def screen_phases(halftone: Halftone, scale: float, side: int, seed: int) -> NDArray[np.float64]:
    """Return the place in the cell (4 inks x 6) as linear forms of the place on the sheet in picture px."""
    words = Words.of(seed, "screens")
    found = np.empty((4, 6))
    for ink, angle in enumerate(ANGLES):
        origin = words.unit() * side + side * 2.0**24, words.unit() * side + side * 2.0**24
        if halftone.drop:
            turn, steps = 0.0, scale * 1000 / halftone.drop
        else:
            turn = math.radians(angle + halftone.error * words.uniform(-1, 1))
            steps = scale * halftone.ruling / 25.4 * side
        # y points down, angles turn counter-clockwise
        along, across = steps * math.cos(turn), steps * math.sin(turn)
        found[ink] = along, -across, origin[0], across, along, origin[1]
    return found


def screen_waves(halftone: Halftone, scale: float, seed: int) -> list[list[float]]:
    """Return the wave vectors (x, y) of the screens of C, M, Y, K in cycles a px of the picture.

    Those of a blue-noise print are one over the pitch of its drops.
    """
    return [[float(form[0]), float(form[1])] for form in screen_phases(halftone, scale, 1, seed)]


def displacements(shift: float, words: Words) -> list[tuple[float, float]]:
    """Return by how many px C, M and Y lie right of and below black, within `shift` px each."""
    found = []
    for _ in range(3):
        turn, far = 2 * math.pi * words.unit(), shift * math.sqrt(words.unit())
        found.append((far * math.cos(turn), far * math.sin(turn)))
    return found


def misregistered(tones: NDArray[np.uint16], shift: float, words: Words) -> NDArray[np.uint16]:
    """Return the tones with C, M and Y displaced by up to `shift` px each; black stays."""
    out = tones.copy()
    height, width, _ = tones.shape
    for ink, (right, down) in enumerate(displacements(shift, words)):
        matrix = np.array([[1, 0, right], [0, 1, down]])
        plane = np.ascontiguousarray(tones[:, :, ink])
        moved = cv2.warpAffine(plane, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        out[:, :, ink] = np.minimum(moved, SOLID)
    return out
