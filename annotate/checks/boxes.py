"""Checks of boxes: inside the picture, and where the attack medium really shows.

Setting `field`, the place of boxes in the response (default `boxes`; each [x, y, width, height] in pixels, or
`format: xyxy` for corners).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facedata.annotate.checks.base import Answer, values_at

__all__ = ["area_of", "boxes_inside", "boxes_match", "iou"]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; pixels."""

_SLACK = 1.0  # px: a box may be rounded outwards
_LEAST = 0.5  # IoU, as detection benchmarks ask for


def boxes_inside(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find boxes that are empty or reach out of the picture by more than a pixel."""
    picture = answer.evidence.get("picture")
    found = list(_boxes(answer.response, settings))
    if not picture or not found:
        return None
    width, height = picture["width"], picture["height"]
    for left, top, right, bottom in found:
        if not (left < right and top < bottom and math.isfinite(right - left + bottom - top)):
            return f"a box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) is empty"
        if min(left, top) < -_SLACK or right > width + _SLACK or bottom > height + _SLACK:
            return f"a box reaches to ({right:g}, {bottom:g}) of {width} x {height} px"
    return ""


def boxes_match(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find boxes whose union does not cover the true region: IoU below `iou` (default 0.5).

    Unions are compared, since one box round two parts, or two boxes for one, are no error.
    """
    known = answer.evidence.get("region", {}).get("boxes")
    found = list(_boxes(answer.response, settings))
    if not known and answer.evidence.get("label", {}).get("value") == "live":
        return "marks a region of a live face" if found else ""
    if not known or not _has_place(answer.response, settings):
        return None
    value = iou(found, [(x, y, x + w, y + h) for x, y, w, h in known])
    least = settings.get("iou", _LEAST)
    return "" if value >= least else f"the boxes cover the region with IoU {value:.2f}, below {least:g}"


def _has_place(response: Any, settings: Mapping[str, Any]) -> bool:
    return next(values_at(response, settings.get("field", "boxes")), None) is not None


def _boxes(response: Any, settings: Mapping[str, Any]) -> Iterator[Box]:
    corners = settings.get("format", "xywh") == "xyxy"
    for value in values_at(response, settings.get("field", "boxes")):
        flat = [value] if value and not isinstance(value[0], list) else value or []
        for a, b, c, d in flat:
            yield (a, b, c, d) if corners else (a, b, a + c, b + d)


def iou(first: Sequence[Box], second: Sequence[Box]) -> float:
    """Return the intersection over the union of two unions of boxes, 0-1.

    >>> iou([(0, 0, 2, 2)], [(0, 0, 1, 2), (1, 0, 2, 2)])
    1.0
    """
    both = area_of([*first, *second])
    return (area_of(first) + area_of(second) - both) / both if both else 0.0


def area_of(boxes: Sequence[Box]) -> float:
    """Return the area of a union of boxes, by the cells that their edges cut the plane into."""
    boxes = [box for box in boxes if box[2] > box[0] and box[3] > box[1]]
    columns = sorted({edge for box in boxes for edge in (box[0], box[2])})
    total = 0.0
    for left, right in itertools.pairwise(columns):
        spans = sorted((box[1], box[3]) for box in boxes if box[0] <= left and box[2] >= right)
        reached = -math.inf
        for top, bottom in spans:
            total += (right - left) * max(0.0, bottom - max(top, reached))
            reached = max(reached, bottom)
    return total
