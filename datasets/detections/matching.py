"""Which row of a dataset a detector's line is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from facedata.datasets.detections.base import Detection
from facedata.datasets.sample import Sample

__all__ = ["Index"]


class Index:
    """Rows by the names that a detector may know their pictures by: of the source file, and in the dataset.

    Of rows whose files have the same name, the one is meant whose folders agree the furthest, from the name
    up. A picture that was made from another one is known by its name in the dataset alone: the source's name
    is its parent's.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._frames: dict[tuple[str, ...], dict[int | None, str]] = defaultdict(dict)
        self._stems: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self.count = 0
        for sample in samples:
            self.count += 1
            if "#" not in sample.image:
                self._add(sample.image, None, sample.sample_id)
            if sample.parent_id is None and sample.source is not None and sample.source.file is not None:
                self._add(sample.source.file, sample.source.frame, sample.sample_id)

    def _add(self, file: str, frame: int | None, sample_id: str) -> None:
        parts = _parts(str(PurePosixPath(file).with_suffix("")))
        self._frames[parts].setdefault(frame, sample_id)
        self._stems[parts[-1]].add(parts)

    def find(self, detection: Detection) -> str:
        """Return the id of the row; raise ValueError, for people, where there is none, or more than one."""
        wanted = _parts(detection.picture)
        candidates = self._stems.get(wanted[-1], set())
        if not candidates:
            raise ValueError(f"the dataset has no picture {wanted[-1]}")
        depths = {parts: _agree(parts, wanted) for parts in candidates}
        deepest = [parts for parts, depth in depths.items() if depth == max(depths.values())]
        if len(deepest) > 1:
            names = ", ".join(sorted("/".join(parts) for parts in deepest)[:3])
            raise ValueError(f"{detection.picture} may be {names}; lay the output out as the pictures are")
        frames = self._frames[deepest[0]]
        if detection.frame in frames:
            return frames[detection.frame]
        if detection.frame is None:
            raise ValueError(f"{detection.picture} is a video in the dataset, and the line names no frame")
        if set(frames) == {None}:
            if detection.frame == 0:  # a picture that was given to the tool as a video of one frame
                return frames[None]
            raise ValueError(f"{detection.picture} is one picture in the dataset, and has no frame to match")
        raise ValueError(f"the dataset has no frame {detection.frame} of {detection.picture}")


def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path.replace("\\", "/")).parts or ("",)


def _agree(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """Return how many parts agree, from the last one up."""
    pairs = zip(reversed(first), reversed(second), strict=False)
    depth = 0
    for one, other in pairs:
        if one != other:
            break
        depth += 1
    return depth
