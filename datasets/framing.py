"""What is taken of a file: which frames of a video, and which part of each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import PictureError, UsageError
from facedata.datasets.pictures import Encoding

__all__ = ["CROPS", "Framing", "View", "in_pixels"]

CROPS = ("none", "box", "detect")
_FACELESS = ("fail", "whole")


@dataclass(frozen=True, slots=True)
class View:
    """A picture as it is stored: its pixels, its fields, and what was cut (None: nothing)."""

    pixels: NDArray[np.uint8]
    values: dict[str, Any]
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class Framing:
    """Which frames are taken, and how.

    Every `stride`-th frame of a video, from its first on, or `frames` of them, spread evenly over its real
    length; both together spread over every `stride`-th. Where a dataset's lists name single frames, both
    choose among those.

    `crop` cuts pictures to a face: `box` by the box that the dataset gives, `detect` by the largest face that
    `detector` finds. `margin` is the context that is left on each side, as a share of the box's width or
    height; what would lie outside the picture is not made up, so a face at the edge keeps less. `faceless`
    says what becomes of a picture without a box or a face: `fail`, or `whole`, the uncut picture.

    `encoding` is that of frames and of cut pictures; a picture that is not cut keeps its bytes.
    """

    stride: int = 1
    frames: int | None = None
    crop: str = "none"
    margin: float = 0.3
    detector: str = "cascade"
    faceless: str = "fail"
    encoding: Encoding = field(default_factory=lambda: Encoding("png"))

    def __post_init__(self) -> None:
        if self.stride < 1 or (self.frames is not None and self.frames < 1):
            raise UsageError("--stride and --frames take numbers from 1 up")
        if self.crop not in CROPS:
            raise UsageError(f"--crop {self.crop!r} is not one of {', '.join(CROPS)}")
        if not 0 <= self.margin <= 10:
            raise UsageError(f"--margin {self.margin} is not a share of the box between 0 and 10")
        if self.faceless not in _FACELESS:
            raise UsageError(f"--faceless {self.faceless!r} is not one of {', '.join(_FACELESS)}")

    def settings(self) -> dict[str, Any]:
        """Return, for the record, what differs from taking all of everything."""
        chosen: dict[str, Any] = {}
        if self.stride > 1:
            chosen["stride"] = self.stride
        if self.frames is not None:
            chosen["frames"] = self.frames
        if self.crop != "none":
            chosen |= {"crop": self.crop, "margin": self.margin, "faceless": self.faceless}
        if self.crop == "detect":
            chosen["detector"] = _detector_name(self.detector)
        if self.encoding != Encoding("png"):
            chosen["encoding"] = self.encoding.to_json()
        return chosen

    @classmethod
    def stated(cls, settings: Mapping[str, Any], detector: str = "cascade") -> Framing:
        """Return the framing of a record's parameters, which `settings` gave; others are passed over.

        A record names a detector's file by its hash: `detector` says where the file is. Raises UsageError
        where it is another one.
        """
        names = ("stride", "frames", "crop", "margin", "faceless")
        known = {name: settings[name] for name in names if name in settings}
        if "encoding" in settings:
            known["encoding"] = Encoding(**settings["encoding"])
        framing = cls(**known, detector=detector)
        if (found := framing.settings().get("detector")) != settings.get("detector"):
            raise UsageError(
                f"faces were detected by {settings['detector']!r}, not by {found!r}; "
                "give that file with --detector"
            )
        return framing

    def pick(self, numbers: Sequence[int]) -> Sequence[int]:
        """Return the frames to take of those that there are, `numbers`, in order.

        >>> Framing(frames=3).pick(range(12))
        [2, 6, 10]
        """
        kept = numbers[:: self.stride]
        if self.frames is None or self.frames >= len(kept):
            return kept
        # The middles of equal parts: the first and the last frame are often black or shaken.
        return [kept[(2 * part + 1) * len(kept) // (2 * self.frames)] for part in range(self.frames)]

    def cut(self, pixels: NDArray[np.uint8], values: Mapping[str, Any], name: str) -> View:
        """Return the part of a picture that is stored, with `box` and `landmarks` moved along.

        Raises PictureError of kind `no-face` where there is nothing to crop by and `faceless` says so.
        """
        fields = dict(values)
        if self.crop == "none":
            return View(pixels, fields)
        box = fields.get("box")
        if self.crop == "detect":
            box = self._detected(pixels, fields)
        height, width = pixels.shape[:2]
        if box is not None:
            left, top, right, bottom = self._window(box, width, height)
            if right > left and bottom > top:
                _move(fields, left, top)
                by = self.crop if self.crop == "box" else f"{fields['attributes']['face_detector']} face"
                cut = (
                    f"cut {left},{top} {right - left}x{bottom - top} of {width}x{height} "
                    f"({by}, margin {self.margin:g})"
                )
                return View(np.ascontiguousarray(pixels[top:bottom, left:right]), fields, cut)
        what = "no box is given for it"
        if self.crop == "detect":
            what = f"{_detector_name(self.detector)} finds no face"
        if box is not None:
            what = f"its box {tuple(box)} lies outside the picture of {width} x {height}"
        if self.faceless == "fail":
            raise PictureError(
                "no-face", f"{name}: {what}; pass --faceless whole to keep such pictures uncut"
            )
        return View(pixels, fields, f"not cut: {what}")

    def _detected(self, pixels: NDArray[np.uint8], fields: dict[str, Any]) -> tuple[float, ...] | None:
        from facedata.datasets.faces import largest, open_detector

        detector = open_detector(self.detector)
        face = largest(detector.detect(pixels))
        if face is None:
            return None
        box = tuple(round(value, 2) for value in face.box)
        fields.setdefault("box", box)
        if face.landmarks is not None:
            fields.setdefault("landmarks", tuple((round(x, 2), round(y, 2)) for x, y in face.landmarks))
        found: dict[str, Any] = {"face_detector": detector.name}
        if face.score is not None:
            found["face_score"] = round(face.score, 4)
        fields["attributes"] = {**(fields.get("attributes") or {}), **found}
        return box

    def _window(self, box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of the box with its margin, in whole pixels inside the picture."""
        x, y, w, h = box
        left, top = round(x - self.margin * w), round(y - self.margin * h)
        right, bottom = round(x + (1 + self.margin) * w), round(y + (1 + self.margin) * h)
        return max(0, left), max(0, top), min(width, right), min(height, bottom)


def in_pixels(values: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    """Return fields as a Sample takes them: `box_in` applied to box and landmarks, lists made tuples."""
    fields = dict(values)
    across, down = fields.pop("box_in", (width, height))

    def scaled(x: float, y: float) -> tuple[float, float]:
        # Times before divided by: a whole number of pixels stays one.
        return (x, y) if (across, down) == (width, height) else (x * width / across, y * height / down)

    if (box := fields.get("box")) is not None:
        fields["box"] = (*scaled(*box[:2]), *scaled(*box[2:]))
    if (points := fields.get("landmarks")) is not None:
        fields["landmarks"] = tuple(scaled(x, y) for x, y in points)
    if (au := fields.get("au")) is not None:
        fields["au"] = {int(unit): level for unit, level in au.items()}
    if (coded := fields.get("au_domain")) is not None:
        fields["au_domain"] = tuple(coded)
    return fields


def _detector_name(detector: str) -> str:
    """Return what rows and records call a detector: never the path of its file."""
    from facedata.datasets.faces import open_detector

    return open_detector(detector).name


def _move(fields: dict[str, Any], left: int, top: int) -> None:
    if (box := fields.get("box")) is not None:
        fields["box"] = (box[0] - left, box[1] - top, *box[2:])
    if (points := fields.get("landmarks")) is not None:
        fields["landmarks"] = tuple((x - left, y - top) for x, y in points)
