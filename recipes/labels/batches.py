"""Batches of stills and clips with their labels: made on the CPU by threads, varied on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from facedata.datasets.dataset import Dataset
from facedata.datasets.words import generator_of
from facedata.recipes.batches import Look, as_tensor, drawn_look, moved, on_device, varied
from facedata.recipes.labels.config import LabelsConfig
from facedata.recipes.labels.items import Items
from facedata.recipes.labels.regions import chained, cut_of, moved_places, places_of
from facedata.recipes.labels.rows import Face, Faces
from facedata.recipes.labels.truth import Labels
from facedata.recipes.pictures import Shelf

__all__ = ["LabelBatch", "LabelBatches", "Read", "Reader", "Told"]


@dataclass(frozen=True, slots=True)
class Told:
    """The labels of n items as tensors; see `Labels`."""

    shares: Tensor
    present: Tensor
    coded: Tensor
    level: Tensor
    graded: Tensor
    affect: Tensor
    rated: Tensor

    @classmethod
    def of(cls, labels: Labels) -> Told:
        """Return labels as tensors that share their memory."""
        return cls(*(torch.from_numpy(getattr(labels, name)) for name in cls.__slots__))


@dataclass(frozen=True, slots=True)
class LabelBatch:
    """n items of p pictures.

    `pictures` (p, 3, s, s) in [0, 1]; `item` (p,) says whose each is and `time` (p,) its place in the clip;
    `places` (p, r, 2, 3) are where units show, `cuts` (p, 2, 3) the maps that cut the faces out. `person`
    (n,) numbers people, -1 where nobody is named.
    """

    pictures: Tensor
    item: Tensor
    time: Tensor
    places: Tensor
    cuts: Tensor
    told: Told
    person: Tensor
    samples: tuple[str, ...]
    look: Look
    """How the pictures are varied: frames of a clip alike, but for their noise."""


@dataclass(frozen=True, slots=True)
class Read:
    """Pictures of items as they are stored: see `LabelBatch`."""

    pictures: Tensor
    item: Tensor
    time: Tensor
    places: Tensor
    cuts: Tensor

    def cut(self, side: int) -> tuple[Tensor, Tensor]:
        """Return the faces cut out, (p, 3, side, side), and where units show there."""
        return moved(self.pictures, self.cuts, side), moved_places(self.places, self.cuts)


class Reader:
    """Pictures of faces by number, and where the faces and their regions are."""

    def __init__(
        self,
        dataset: Dataset,
        faces: Sequence[Face],
        config: LabelsConfig,
        regions: Sequence[int],
        memory: int,
    ) -> None:
        self._reach = config.faces.reach if config.faces.align else None
        self._marks, self._regions = [face.marks for face in faces], regions
        self._windows = [one.window(self._reach) for one in self._marks]
        # a window holds more than is cut out of it: kept as large as that, it would be cut out blurred
        side = config.network.side if self._reach is None else config.network.side * 3 // 2
        self._shelf = Shelf(dataset, [face.image for face in faces], side, memory, self._windows)

    def read(self, items: Sequence[Sequence[int]]) -> Read:
        """Return the pictures of items."""
        numbers = [number for item in items for number in item]
        found = [(self._marks[number], self._windows[number]) for number in numbers]
        reach, whole = self._reach, np.eye(2, 3, dtype=np.float32)
        cuts = [whole if reach is None else cut_of(*one, reach) for one in found]
        return Read(
            as_tensor(self._shelf.get(numbers)),
            torch.tensor([one for one, item in enumerate(items) for _ in item]),
            torch.tensor([time for item in items for time in range(len(item))]),
            torch.from_numpy(np.stack([places_of(*one, self._regions) for one in found])),
            torch.from_numpy(np.stack(cuts)),
        )


class LabelBatches:
    """Batch `number` of faces, as a function of the seed and the number."""

    def __init__(self, dataset: Dataset, faces: Faces, regions: Sequence[int], config: LabelsConfig) -> None:
        self._faces, self._config = faces, config
        self.items = Items(faces.faces, faces.labels, config, dataset.root.resolve().name)
        self._reader = Reader(dataset, faces.faces, config, regions, config.loop.memory)
        people = sorted({face.person for face in faces.faces if face.person is not None})
        self._people = {name: number for number, name in enumerate(people)}

    def at(self, number: int) -> LabelBatch:
        """Return batch `number`, on the CPU."""
        items, faces = self.items.at(number), self._faces.faces
        read = self._reader.read(items)
        draw = generator_of(self._config.loop.seed, "look", number)
        look = drawn_look(self._config.augment, draw, len(items))
        return LabelBatch(
            read.pictures,
            read.item,
            read.time,
            read.places,
            read.cuts,
            Told.of(self._faces.labels.of(items)),
            torch.tensor([self._people.get(faces[one[0]].person or "", -1) for one in items]),
            tuple(faces[one].sample_id for clip in items for one in clip),
            replace(
                look, maps=look.maps[read.item], gains=look.gains[read.item], noise=look.noise[read.item]
            ),
        )

    def place(self, batch: LabelBatch, device: torch.device) -> LabelBatch:
        """Return the batch on a device: faces cut out, moved and lit."""
        batch = on_device(batch, device)
        with torch.no_grad():
            maps = chained(batch.cuts, batch.look.maps)
            pictures = varied(batch.pictures, replace(batch.look, maps=maps), self._config.network.side)
            places = moved_places(batch.places, maps)
        return replace(batch, pictures=pictures, places=places)
