"""Files of many frames: videos, and whatever else a dataset packs its pictures into.

Frames are read in one pass, in order, uint8 RGB. How a file says how many frames it has is not relied on: it
is an estimate in some containers and wrong in cut files.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import PictureError
from facedata.datasets.pictures import SUFFIXES

__all__ = ["VIDEO_SUFFIXES", "FrameFile", "Video", "opener_of"]

VIDEO_SUFFIXES = frozenset([".avi", ".mp4", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"])
"""File name endings that are taken for videos."""

_SLACK = 0.02
"""Share of its frames by which a whole video's own count may be off: some containers estimate it."""

# FFmpeg reads by content, not by name: a playlist that calls itself .avi could make it open other files. Both
# are read when FFmpeg is used first. Its complaints about damage become ours, which name the file.
os.environ.setdefault(
    "OPENCV_FFMPEG_CAPTURE_OPTIONS",
    "format_whitelist;avi,mov,matroska,mpeg,mpegts,asf|protocol_whitelist;file",
)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class FrameFile(Protocol):
    """An open file of frames.

    `apart` says that its frames are pictures with nothing in common but the file: each is known by a hash of
    its own pixels, so that they may part, and one that changes leaves the others' ids alone.
    """

    apart: bool

    def numbers(self) -> Sequence[int]:
        """Return the 0-based numbers of the frames that are really there; may take a pass over the file."""
        ...

    def read(
        self, wanted: Callable[[int], bool], last: int | None
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (number, uint8 height x width x 3 RGB) of the wanted frames, in order, up to number `last`.

        Raises PictureError where the file breaks off; the frames before it were yielded.
        """
        ...


Opener = Callable[[Path, str, int], FrameFile]
"""(path, name for messages, largest number of pixels a frame may have) to an open file, or PictureError."""


class Video:
    """A video, read with OpenCV's FFmpeg: 8-bit RGB whatever the depth of its samples, turned upright."""

    apart = False

    def __init__(self, path: Path, name: str, max_pixels: int) -> None:
        self.path = path
        self.name = name
        self.max_pixels = max_pixels

    def numbers(self) -> Sequence[int]:
        """Count the frames by decoding them: nothing else is sure."""
        capture = self._open()
        count = 0
        while capture.grab():
            count += 1
        return range(count)

    def read(
        self, wanted: Callable[[int], bool], last: int | None
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the wanted frames; see FrameFile."""
        capture = self._open()
        stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        number = 0
        while (last is None or number <= last) and capture.grab():
            if wanted(number):
                done, frame = capture.retrieve()
                if not done:
                    raise PictureError(
                        "damaged", f"{self.name}: frame {number} cannot be decoded; get a whole copy"
                    )
                yield number, np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
            number += 1
        if number == 0 and last != -1:
            raise PictureError(
                "damaged", f"{self.name}: the video holds no frame that can be read; get a whole copy"
            )
        if (last is None or number <= last) and stated - number > max(1, _SLACK * stated):
            raise PictureError(
                "ends-early",
                f"{self.name}: the video ends after {number} of the {stated} frames that it states; "
                "get a whole copy",
            )

    def _open(self) -> cv2.VideoCapture:
        logging = cv2.utils.logging
        level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        finally:
            logging.setLogLevel(level)
        if not capture.isOpened():
            raise PictureError(
                "not-a-video", f"{self.name}: the video cannot be opened (damaged, or no format that is read)"
            )
        width, height = (
            int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width * height > self.max_pixels:
            raise PictureError(
                "too-large",
                f"{self.name}: frames of {width} x {height} are over the limit of {self.max_pixels / 1e6:g} "
                "megapixels; raise --max-pixels",
            )
        return capture


def opener_of(path: str, opener: str | None) -> Opener | None:
    """Return what opens the file of that name: Video, or the reader's own opener; None for a picture."""
    suffix = Path(path).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return Video
    if opener is None or suffix in SUFFIXES:
        return None
    module, _, name = opener.partition(":")
    found: Opener = getattr(importlib.import_module(module), name)
    return found
