"""All operators, by name."""

from __future__ import annotations

import difflib
from typing import Any, Final

import numpy as np

from facedata.augment.camera import CameraParameters, photograph, to_light
from facedata.augment.kernels import COMPILED
from facedata.augment.operator import Operator
from facedata.augment.operators.bn_halftone import BlueNoiseHalftone
from facedata.augment.operators.capture import Capture
from facedata.augment.operators.color_distortion import ColorDistortion
from facedata.augment.operators.color_diversity import ColorDiversity
from facedata.augment.operators.hand_trembling import HandTrembling
from facedata.augment.operators.low_resolution import LowResolution
from facedata.augment.operators.mask_3d import ResinMask, SiliconeMask
from facedata.augment.operators.moire_pattern import MoirePattern
from facedata.augment.operators.paper_shape import CurvedPaper, CutPaper, FoldedPaper
from facedata.augment.operators.photo_print import InkjetPrint, LaserPrint
from facedata.augment.operators.reflection import Reflection
from facedata.augment.operators.replay_projector import ReplayProjector
from facedata.augment.operators.replay_screen import ReplayLcd, ReplayOled
from facedata.augment.operators.sfc_halftone import ClusteredHalftone
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

__all__ = ["OPERATORS", "find", "magnitude", "warm"]

_ALL: Final[tuple[Operator[Any], ...]] = (
    # the eight operations of FAS-Aug (arXiv 2409.03501)
    ColorDiversity(),
    ColorDistortion(),
    Reflection(),
    BlueNoiseHalftone(),
    MoirePattern(),
    ClusteredHalftone(),
    HandTrembling(),
    LowResolution(),
    # light, lens, sensor and processing of the camera that all instruments share
    Capture(),
    # the picture on a lit panel, filmed
    ReplayLcd(),
    ReplayOled(),
    ReplayProjector(),
    # prints before the camera
    InkjetPrint(),
    LaserPrint(),
    CurvedPaper(),
    FoldedPaper(),
    CutPaper(),
    # experimental
    ResinMask(),
    SiliconeMask(),
)

OPERATORS: Final[dict[str, Operator[Any]]] = {operator.name: operator for operator in _ALL}
"""One stateless instance of each operator, by name."""


def find(name: str) -> Operator[Any]:
    """Return the operator `name`, or raise UsageError naming the closest match."""
    if name in OPERATORS:
        return OPERATORS[name]
    close = difflib.get_close_matches(name.lower().replace("_", "-"), OPERATORS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(OPERATORS))}"
    raise UsageError(f"no operator {name!r}; {hint}")


def magnitude(operator: Operator[Any]) -> tuple[float, float]:
    """Return (low, high) of the default uniform draw of the strength parameter; of a constant, (neutral, it).

    A policy of ten levels (arXiv 2409.03501) sets it to low + level / 9 * (high - low), and takes the
    identity for level 0.
    """
    draw = operator.draws()[operator.strength]
    if isinstance(draw, int | float):
        return float(operator.neutral), float(draw)
    if not isinstance(draw, dict) or set(draw) != {"uniform"}:
        raise TypeError(f"{operator.name}: {operator.strength} has no uniform default, so it has no levels")
    low, high = draw["uniform"]
    return float(low), float(high)


def warm() -> None:
    """Run each operator once on a small picture, so that a worker compiles or loads every kernel."""
    if not COMPILED:
        return
    image = np.full((128, 128, 3), 128, np.uint8)
    # a print seen so close that no screen fades, a trace so long that it takes two passes, a camera out of
    # focus with a second light, half of whose picture is left
    extremes: dict[str, float | str] = {
        "print_width": 5.0,
        "length": 25.0,
        "defocus": 1.0,
        "side_light": 0.5,
        "flare_strength": 0.1,
    }
    # a screen that does not fill the frame
    extremes |= {"fill": 0.5}
    # a print so close that its screens show while an inkjet's drops do not, and that covers half the face
    extremes |= {"medium_width": 10.0, "ruling": 85.0, "drop": 20.0, "part": "upper"}
    for operator in _ALL:
        given = {name: value for name, value in extremes.items() if name in operator.draws()}
        if operator.draws()[operator.strength] == 1.0:
            given[operator.strength] = 0.5
        parameters = operator.sample(Words.of(0, operator.name), given)
        operator.apply(image, parameters)
        if isinstance(parameters, CameraParameters):
            # a doubled sensor, on which detail falls that has passed the lens
            photograph(to_light(image), parameters, (64, 64), focused=False)
