"""A flat print held before a camera: inkjet or laser, on photo or plain paper."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeVar

from facedata.augment.operator import quantity
from facedata.augment.printing import Halftone
from facedata.augment.recapture import Box, SheetParameters, SheetPhoto

__all__ = ["InkjetPrint", "InkjetPrintParameters", "LaserPrint", "LaserPrintParameters"]

Part = Literal["whole", "upper", "lower", "left", "right"]


class PhotoPrintParameters(SheetParameters):
    """A flat sheet, and how much of the face it covers."""

    part: Part = quantity(
        "part of the face that the print covers; the rest stays live",
        unit="name",
        draw={"choice": ["whole"] * 16 + ["upper", "lower", "left", "right"]},
    )
    part_share: float = quantity(
        "share of the face's height or width under a print that covers a part",
        unit="1",
        low=0.05,
        high=0.95,
        draw={"uniform": [0.4, 0.65]},
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
        "most by which a screen is turned from its angle",
        unit="deg",
        low=0,
        high=15,
        draw={"uniform": [0, 2]},
    )
    misregistration: float = quantity(
        "most by which an ink is displaced from black", unit="mm", low=0, high=1, draw={"uniform": [0, 0.1]}
    )


P = TypeVar("P", bound=PhotoPrintParameters)


class _PhotoPrint(SheetPhoto[P]):
    """A flat sheet that covers the face or a part of it."""

    def live_beside(self, parameters: P) -> bool:
        """Whether the live face shows beside the sheet."""
        return parameters.part != "whole"

    def box(self, parameters: P, width: int, height: int) -> Box:
        """Return the edges of the sheet, one of them across the face where it covers a part."""
        left, top, right, bottom = super().box(parameters, width, height)
        share = parameters.part_share
        if parameters.part == "upper":
            bottom = height * share - 0.5
        elif parameters.part == "lower":
            top = height * (1 - share) - 0.5
        elif parameters.part == "left":
            right = width * share - 0.5
        elif parameters.part == "right":
            left = width * (1 - share) - 0.5
        return left, top, right, bottom


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
            ruling=parameters.ruling,
            error=parameters.screen_error,
            misregistration=parameters.misregistration,
        )
