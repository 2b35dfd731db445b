"""A flat print held before a camera: inkjet or laser, on photo or plain paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from facedata.augment.camera import photograph, to_light
from facedata.augment.draws import Draw
from facedata.augment.edges import inside, layered, shadow
from facedata.augment.geometry import View, room, view
from facedata.augment.kernels import prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, quantity
from facedata.augment.operators.capture import mixed
from facedata.augment.printing import Halftone, PrintParameters, lamp_of, print_light, stock_draws
from facedata.augment.surface import Seen, flat, look
from facedata.datasets.words import Words

__all__ = ["InkjetPrint", "InkjetPrintParameters", "LaserPrint", "LaserPrintParameters"]

Part = Literal["whole", "upper", "lower", "left", "right"]


class PhotoPrintParameters(PrintParameters):
    """A flat sheet, how much of the face it covers, and what is behind it."""

    part: Part = quantity(
        "part of the face that the print covers; the rest stays live",
        unit="name",
        draw={"choice": ["whole", "whole", "whole", "whole", "whole", "whole", "upper", "lower", "left", "right"]},
    )
    part_share: float = quantity(
        "share of the face's height or width under a print that covers a part",
        unit="1",
        low=0.05,
        high=0.95,
        draw={"uniform": [0.4, 0.65]},
    )
    margin: float = quantity(
        "white border that the printer left round the picture",
        unit="mm",
        low=0,
        high=100,
        draw={"choice": [0.0, 3.0, 6.0, 15.0]},
    )
    gap: float = quantity(
        "distance from the sheet to what is behind it, where that is the live face",
        unit="mm",
        low=0,
        high=200,
        draw={"uniform": [5.0, 40.0]},
    )
    room_level: float = quantity(
        "radiance of the brightest part of the room behind over that of diffuse white",
        unit="1",
        low=0,
        high=2,
        draw={"uniform": [0.1, 0.6]},
    )


class InkjetPrintParameters(PhotoPrintParameters):
    """An inkjet print: drops in a blue-noise screen."""

    drop: float = quantity("pitch of the ink drops", unit="um", low=10, high=200, draw={"uniform": [20, 40]})


class LaserPrintParameters(PhotoPrintParameters):
    """A laser or offset print: four screens at their angles."""

    ruling: float = quantity(
        "screen ruling, lines an inch", unit="lpi", low=30, high=400, draw={"uniform": [85, 175]}
    )
    screen_error: float = quantity(
        "most by which a screen is turned from its angle", unit="deg", low=0, high=15, draw={"uniform": [0, 2]}
    )
    misregistration: float = quantity(
        "most by which an ink is displaced from black", unit="mm", low=0, high=1, draw={"uniform": [0, 0.1]}
    )


P = TypeVar("P", bound=PhotoPrintParameters)


class _PhotoPrint(Operator[P]):
    """Print, hold before a camera, photograph."""

    strength: ClassVar[str] = "strength"

    def halftone(self, parameters: P) -> Halftone:
        """Return how the ink is laid down."""
        raise NotImplementedError

    def sample(self, words: Words, given: Mapping[str, Draw] | None = None) -> P:
        """Draw the stock, then what it decides, then the rest."""
        return super().sample(words, stock_draws(given or {}, words, self.draws()["stock"]))

    def apply(self, image: Image, parameters: P) -> Applied:
        """Return the photograph of the print, uint8 height x width x 3."""
        image = prepared(image)
        height, width, _ = image.shape
        if parameters.strength == 0:
            return Applied(image.copy(), np.zeros((height, width), np.uint8))
        sight = view(parameters, width, height)
        light, cover = self.scene(image, sight, parameters)
        taken = photograph(light, parameters, (width, height), field_angle=sight.field_angle)
        share = round(parameters.strength * ONE)
        if share != ONE:
            taken = mixed(image, taken, share, LINEAR, CODED)
        return Applied(taken, cover)

    def scene(
        self, image: Image, sight: View, parameters: P
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint8] | None]:
        """Return the light at the sensor, and what the sheet covers of it (None: all)."""
        height, width, _ = image.shape
        scale = parameters.medium_width / width
        seen = look(sight, scale, (width, height), flat(), lamp_of(parameters))
        light = print_light(image, seen, sight, scale, parameters, self.halftone(parameters))
        steps = np.linalg.norm(sight.jacobian(np.array([sight.centre]))[0], axis=1)
        cover = inside(seen, sheet_box(parameters, width, height, scale), (steps[0], steps[1]))
        if cover is None:
            return light, None
        if parameters.part == "whole":
            level, kelvin = parameters.room_level, parameters.temperature
            behind = room(sight.height, sight.width, parameters.paper_seed, kelvin=6500, level=level)
            return layered(light, behind, cover, np.zeros_like(cover), 0), cover
        behind = to_light(image)
        return layered(light, behind, cover, cast(cover, parameters, scale * steps.max()), shade(parameters)), cover

    def map_points(
        self, points: NDArray[np.float64], parameters: P, width: int, height: int
    ) -> NDArray[np.float64]:
        """Return where points of the parent, N x 2 px, lie on the photograph of the print."""
        if parameters.strength == 0:
            return points
        return view(parameters, width, height).to_sensor(points)


def sheet_box(
    parameters: PhotoPrintParameters, width: int, height: int, scale: float
) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the sheet in px of the parent."""
    margin = parameters.margin / scale
    share = parameters.part_share
    left, top, right, bottom = -0.5 - margin, -0.5 - margin, width - 0.5 + margin, height - 0.5 + margin
    if parameters.part == "upper":
        bottom = height * share - 0.5
    elif parameters.part == "lower":
        top = height * (1 - share) - 0.5
    elif parameters.part == "left":
        right = width * share - 0.5
    elif parameters.part == "right":
        left = width * (1 - share) - 0.5
    return left, top, right, bottom


def cast(cover: NDArray[np.uint8], parameters: PhotoPrintParameters, millimetre: float) -> NDArray[np.uint8]:
    """Return the shadow on what lies `gap` behind; `millimetre` is mm a px of the sensor."""
    off, turn = np.radians(parameters.lamp_angle), np.radians(parameters.lamp_azimuth)
    far = parameters.gap * np.tan(off) / millimetre
    # a lamp some 200 mm wide, or a window: the penumbra grows with the gap
    sigma = max(0.6, parameters.gap * 100 / parameters.lamp_distance / millimetre)
    return shadow(cover, (-far * np.cos(turn), far * np.sin(turn)), sigma)


def shade(parameters: PhotoPrintParameters) -> int:
    """Return how much of the light (of 256) a full shadow takes: all but the ambient share."""
    return round(256 * (1 - parameters.ambient))


class InkjetPrint(_PhotoPrint[InkjetPrintParameters]):
    """Print with an inkjet on photo or plain paper, and photograph the sheet."""

    name = "print-inkjet"
    attack: ClassVar[str | None] = "print/inkjet"
    parameters = InkjetPrintParameters

    def halftone(self, parameters: InkjetPrintParameters) -> Halftone:
        """Return drops."""
        return Halftone(drop=parameters.drop)


class LaserPrint(_PhotoPrint[LaserPrintParameters]):
    """Print with a laser printer or a press, and photograph the sheet."""

    name = "print-laser"
    attack: ClassVar[str | None] = "print/laser"
    parameters = LaserPrintParameters

    def halftone(self, parameters: LaserPrintParameters) -> Halftone:
        """Return four screens."""
        return Halftone(
            ruling=parameters.ruling, error=parameters.screen_error, misregistration=parameters.misregistration
        )
