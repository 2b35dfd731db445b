"""Printed paper that is rolled, folded, or cut open over a live face, in true perspective."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment.edges import Cover
from facedata.augment.facial import EYES, MOUTH, FaceParameters, Part, contour, fill, layout, piece
from facedata.augment.landmarks import Face
from facedata.augment.operator import Image, quantity
from facedata.augment.printing import Halftone
from facedata.augment.recapture import SheetParameters, SheetPhoto
from facedata.augment.surface import Curve, cylinder, folds
from facedata.datasets.words import Words

__all__ = [
    "CurvedPaper",
    "CurvedPaperParameters",
    "CutPaper",
    "CutPaperParameters",
    "FoldedPaper",
    "FoldedPaperParameters",
    "crease_lines",
    "speckle",
]

Printer = Literal["inkjet", "laser"]


class ShapedParameters(SheetParameters):
    """A sheet from either printer."""

    printer: Printer = quantity("what printed it", unit="name", draw={"choice": ["inkjet", "laser"]})
    ruling: float = quantity(
        "screen ruling of a laser print, lines an inch",
        unit="lpi",
        low=30,
        high=400,
        draw={"uniform": [85, 175]},
    )
    drop: float = quantity(
        "pitch of the ink drops of an inkjet print", unit="um", low=10, high=200, draw={"uniform": [20, 40]}
    )
    medium_width: float = quantity(
        "width on the sheet of the whole parent picture",
        unit="mm",
        low=10,
        high=5000,
        draw={"uniform": [130, 240]},
    )
    fill: float = quantity(
        "width of the flat sheet on the picture over the picture's width, were it seen straight on",
        unit="1",
        low=0.2,
        high=3,
        draw={"uniform": [0.85, 1.1]},
    )


P = TypeVar("P", bound=ShapedParameters)


class _ShapedPaper(SheetPhoto[P]):
    def halftone(self, parameters: P) -> Halftone:
        """Return drops or screens."""
        if parameters.printer == "inkjet":
            return Halftone(drop=parameters.drop)
        return Halftone(ruling=parameters.ruling, error=2.0)


class CurvedPaperParameters(ShapedParameters):
    """A cylinder."""

    radius: float = quantity(
        "radius of the cylinder that the sheet is rolled to",
        unit="mm",
        low=20,
        high=5000,
        draw={"log_uniform": [60, 400]},
    )
    bend: Literal["out", "in"] = quantity(
        "whether the middle of the sheet bulges to the camera or away from it",
        unit="name",
        draw={"choice": ["out", "out", "in"]},
    )
    axis: float = quantity(
        "direction of the cylinder's axis on the sheet: 0 is across the face, 90 along it",
        unit="deg",
        low=-360,
        high=360,
        draw={"normal": [90.0, 35.0]},
    )


class CurvedPaper(_ShapedPaper[CurvedPaperParameters]):
    """Roll the print to a cylinder, as a mask or round a head, and photograph it."""

    name = "paper-curved"
    attack: ClassVar[str | None] = "paper/curved"
    nodes: ClassVar[int] = 64
    parameters = CurvedPaperParameters

    def curve(self, parameters: CurvedPaperParameters, width: int, height: int) -> Curve:
        """Return the cylinder."""
        sign = 1 if parameters.bend == "out" else -1
        return cylinder(sign * parameters.radius, parameters.axis, _reach(parameters, width, height))


class FoldedPaperParameters(ShapedParameters):
    """Parallel folds."""

    folds: int = quantity("number of parallel folds", unit="1", low=1, high=8, draw={"integer": [1, 4]})
    fold_angle: float = quantity(
        "most by which the sheet turns at a fold", unit="deg", low=0, high=70, draw={"uniform": [12, 45]}
    )
    crease: float = quantity(
        "width of a crease, over which the sheet turns",
        unit="mm",
        low=0.2,
        high=50,
        draw={"log_uniform": [1.0, 6.0]},
    )
    wear: float = quantity(
        "share of the ink that has flaked off the middle of a crease",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.1, 0.7]},
    )
    axis: float = quantity(
        "direction of the folds on the sheet: 0 is across the face, 90 along it",
        unit="deg",
        low=-360,
        high=360,
        draw={"choice": [-4.0, 0.0, 2.0, 86.0, 90.0, 93.0, 40.0]},
    )


class FoldedPaper(_ShapedPaper[FoldedPaperParameters]):
    """Fold the print and open it again, and photograph it."""

    name = "paper-folded"
    attack: ClassVar[str | None] = "paper/folded"
    nodes: ClassVar[int] = 128
    parameters = FoldedPaperParameters

    def curve(self, parameters: FoldedPaperParameters, width: int, height: int) -> Curve:
        """Return the folded section: evenly spaced folds, more or less, that turn one way and the other."""
        reach = _reach(parameters, width, height)
        places, angles = crease_lines(parameters, height * parameters.medium_width / width)
        return folds(places, angles, parameters.crease, parameters.axis, reach)

    def inked(self, image: Image, parameters: FoldedPaperParameters) -> Image:
        """Return the picture with the ink off the creases: a ragged white line, 0.4 mm wide or a px."""
        if parameters.wear == 0:
            return image
        height, width, _ = image.shape
        scale = parameters.medium_width / width
        places, angles = crease_lines(parameters, height * scale)
        turn = math.radians(parameters.axis)
        x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) * scale
        y = (np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2) * scale
        t = y * math.cos(turn) - x * math.sin(turn)
        wide = max(0.2, scale / 2)
        worn = np.zeros((height, width), np.float32)
        for place, angle in zip(places, angles, strict=True):
            depth = min(abs(angle) / 20, 1.0) * parameters.wear
            worn = np.maximum(worn, depth * np.exp(-(((t - place) / wide) ** 2)))
        ragged = cv2.resize(speckle(parameters.paper_seed), (width, height), interpolation=cv2.INTER_LINEAR)
        worn *= ragged
        return np.asarray(np.rint(image + (255 - image.astype(np.float32)) * worn[..., None]), np.uint8)


class CutPaperParameters(ShapedParameters, FaceParameters):
    """What of the face is cut out, and how the sheet lies over it."""

    cut: Literal["eyes", "mouth", "both", "none"] = quantity(
        "what is cut out", unit="name", draw={"choice": ["eyes", "eyes", "both", "mouth"]}
    )
    covers: Literal[Part, "sheet"] = quantity(
        "what is left of the sheet: all of it, or a piece cut round the face or a part of it",
        unit="name",
        draw={"choice": ["sheet", "face"]},
    )
    hole: float = quantity(
        "width of an eye's hole, of the distance between the pupils",
        unit="1",
        low=0.1,
        high=0.95,
        draw={"uniform": [0.55, 0.8]},
    )
    radius: float = quantity(
        "radius of the cylinder that the sheet is bent to over the face",
        unit="mm",
        low=20,
        high=5000,
        draw={"log_uniform": [90, 800]},
    )
    medium_width: float = quantity(
        "width on the sheet of the whole parent picture",
        unit="mm",
        low=10,
        high=5000,
        draw={"uniform": [150, 220]},
    )
    distance: float = quantity(
        "distance from the lens to the middle of the sheet",
        unit="mm",
        low=50,
        high=10000,
        draw={"log_uniform": [250, 800]},
    )
    fill: float = quantity(
        "width of the flat sheet on the picture over the picture's width, were it seen straight on",
        unit="1",
        low=0.2,
        high=3,
        draw={"uniform": [1.0, 1.06]},
    )


class CutPaper(_ShapedPaper[CutPaperParameters]):
    """Hold the print before the live face, with holes through which its eyes or mouth show.

    The live face is the parent's, where it stood; the sheet is nearer to the camera, so it hides it with
    parallax and shades the rims of the holes. Without a hole, a piece that covers a part of the face is a
    partial attack.
    """

    name = "paper-cut"
    attack: ClassVar[str | None] = "paper/cut"
    version: ClassVar[int] = 2
    nodes: ClassVar[int] = 64
    parameters = CutPaperParameters

    def placed(self, face: Face) -> dict[str, float]:
        """Return the places of the face's eyes and mouth."""
        return layout(face)

    def curve(self, parameters: CutPaperParameters, width: int, height: int) -> Curve:
        """Return a cylinder along the face."""
        return cylinder(parameters.radius, 90.0 + parameters.face_roll, _reach(parameters, width, height))

    def live_beside(self, parameters: CutPaperParameters) -> bool:
        """Behind a cut sheet is always the live face."""
        return True

    def outline(self, parameters: CutPaperParameters, width: int, height: int) -> Cover:
        """Return the sheet, or what scissors left of it, less its holes."""
        cover = np.zeros((height, width), np.uint8)
        if parameters.covers == "sheet":
            cover[:] = 255
        else:
            words = Words.of(parameters.paper_seed, "face")
            fill(cover, piece(parameters, parameters.covers, words, width, height), 255)
        for polygon in holes(parameters, width, height):
            fill(cover, polygon, 0)
        return cover


def holes(parameters: CutPaperParameters, width: int, height: int) -> list[NDArray[np.float64]]:
    """Return the outlines of the holes, N x 2 px of the parent each."""
    words = Words.of(parameters.paper_seed, "scissors")
    found = []
    if parameters.cut in ("eyes", "both"):
        reach = parameters.hole / 2, parameters.hole * 0.3
        found += [contour(parameters, eye, reach, words, width, height) for eye in EYES]
    if parameters.cut in ("mouth", "both"):
        mouth = parameters.mouth_shift, parameters.mouth_drop
        found.append(contour(parameters, mouth, MOUTH, words, width, height))
    return found


def _reach(parameters: ShapedParameters, width: int, height: int) -> float:
    """Return half the diagonal of the sheet in mm."""
    scale = parameters.medium_width / width
    return math.hypot(width, height) / 2 * scale + 2 * parameters.margin


def crease_lines(parameters: FoldedPaperParameters, tall: float) -> tuple[list[float], list[float]]:
    """Return places (mm from the middle) and angles (deg) of the folds of a sheet `tall` mm high."""
    words = Words.of(parameters.paper_seed, "folds")
    turn = math.radians(parameters.axis)
    span = tall * abs(math.cos(turn)) + parameters.medium_width * abs(math.sin(turn))
    count = parameters.folds
    places, angles = [], []
    sign = words.choice((-1.0, 1.0))
    for number in range(count):
        places.append(span * ((number + 1) / (count + 1) - 0.5 + words.uniform(-0.12, 0.12) / count))
        angles.append(sign * parameters.fold_angle * words.uniform(0.5, 1.0))
        sign = -sign
    return places, angles


def speckle(seed: int) -> NDArray[np.float32]:
    """Return a coarse field 0 .. 1 by which worn ink is ragged."""
    words = Words.of(seed, "wear")
    values = [words.unit() for _ in range(24 * 24)]
    return np.reshape(np.array(values, np.float32), (24, 24)) * 0.8 + 0.2
