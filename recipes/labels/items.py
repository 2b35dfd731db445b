"""What the network reads as one: a still, or some frames of a clip, in an exact ratio.

A batch holds `clips.each_batch` clips and, for the rest, stills: their ratio is exact, in every batch. That
pictures and videos are learned from together is the idea of UniLearn (arXiv 2409.06154) and of S2D (doi
10.1109/TAFFC.2024.3453443); their networks and their pre-training are not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from facedata.datasets.errors import SourceError
from facedata.datasets.words import generator_of
from facedata.recipes.labels.config import LabelsConfig
from facedata.recipes.labels.rows import Face
from facedata.recipes.labels.truth import Labels
from facedata.recipes.order import Order

__all__ = ["Items", "clips_of", "windows"]


def clips_of(faces: Sequence[Face]) -> list[list[int]]:
    """Return the clips among faces: the numbers of two frames or more of one file, in the file's order."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, face in enumerate(faces):
        if face.clip is not None:
            found[face.clip].append(number)
    clips = [found[name] for name in sorted(found) if len(found[name]) > 1]
    return [sorted(clip, key=lambda number: (faces[number].frame, number)) for clip in clips]


def windows(faces: Sequence[Face], config: LabelsConfig) -> list[list[int]]:
    """Return what is read to answer for each face: itself, or the frames round it where clips are learned."""
    read = [[number] for number in range(len(faces))]
    if not config.clips.each_batch:
        return read
    count, stride = config.clips.frames, config.clips.stride
    for clip in clips_of(faces):
        for place, number in enumerate(clip):
            places = range(place - count // 2 * stride, place + (count + 1) // 2 * stride, stride)
            read[number] = [clip[one] for one in places if 0 <= one < len(clip)]
    return read


class Items:
    """The items of batch `number`, as a function of the seed and the number: lists of faces' numbers.

    Stills are the faces that are frames of no clip; where all are, each frame is a still too.
    """

    def __init__(self, faces: Sequence[Face], labels: Labels, config: LabelsConfig, name: str) -> None:
        self._told, self._seed = config.clips, config.loop.seed
        self._counts = (config.loop.batch - self._told.each_batch, self._told.each_batch)
        self._clips = clips_of(faces) if self._told.each_batch else []
        if self._told.each_batch and not self._clips:
            raise SourceError(
                f"{name}: no two rows to train on are frames of one clip; set clips.each_batch: 0, or ingest "
                "videos (facedata ingest --frames)"
            )
        inside = {number for clip in self._clips for number in clip}
        self._stills = [number for number in range(len(faces)) if number not in inside] or list(
            range(len(faces))
        )
        cell = _cells(faces, labels, config.rows.balance)
        self._orders = (
            Order([cell[number] for number in self._stills], self._seed),
            Order([cell[clip[0]] for clip in self._clips], self._seed) if self._clips else None,
        )

    def at(self, number: int) -> list[list[int]]:
        """Return the items of batch `number`: the stills, then the clips."""
        stills, clips = self._counts
        still, clip = self._orders
        chosen = [[self._stills[one]] for one in still.between(number * stills, (number + 1) * stills)]
        if clip is not None:
            draw = generator_of(self._seed, "window", number)
            for one in clip.between(number * clips, (number + 1) * clips):
                chosen.append(self._window(self._clips[one], draw))
        return chosen

    def _window(self, clip: Sequence[int], draw: torch.Generator) -> list[int]:
        span = (self._told.frames - 1) * self._told.stride
        first = int(torch.randint(max(1, len(clip) - span), (), generator=draw))
        return list(clip[first : first + span + 1 : self._told.stride])


def _cells(faces: Sequence[Face], labels: Labels, balance: str) -> list[str]:
    if balance == "domain":
        return [face.domain or "" for face in faces]
    if balance == "expression" and labels.shares.shape[1]:
        known = labels.shares.sum(1) > 0
        best = labels.shares.argmax(1)
        return [str(one) if there else "" for one, there in zip(best, known, strict=True)]
    return [""] * len(faces)
