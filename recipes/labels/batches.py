"""Batches of stills and clips with their labels: made on the CPU by threads, varied on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from facedata.datasets.dataset import Dataset
from facedata.datasets.words import generator_of
from facedata.recipes.batches import Look, as_tensor, drawn_look, on_device, varied
from facedata.recipes.labels.config import LabelsConfig
from facedata.recipes.labels.items import Items
from facedata.recipes.labels.regions import moved_places, places_of
from facedata.recipes.labels.rows import Face, Faces
from facedata.recipes.labels.truth import Labels
from facedata.recipes.pictures import Shelf

__all__ = ["LabelBatch", "LabelBatches", "Reader", "Told"]


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
    `places` (p, u, 2, 3) are where units show. `person` (n,) numbers people, -1 where nobody is named.
    """

    pictures: Tensor
    item: Tensor
    time: Tensor
    places: Tensor
    told: Told
    person: Tensor
    samples: tuple[str, ...]
    look: Look | None = None
    """How the pictures are varied: frames of a clip alike, but for their noise."""


class Reader:
    """Pictures, and places of units, of faces by number."""

    def __init__(
        self, dataset: Dataset, faces: Sequence[Face], units: Sequence[int], side: int, memory: int
    ) -> None:
        self._shelf = Shelf(dataset, [face.image for face in faces], side, memory)
        self._faces, self._units = faces, units

    def read(self, items: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the pictures of items, whose each is, its place there, and places of units."""
        numbers = [number for item in items for number in item]
        faces = [self._faces[number] for number in numbers]
        places = [places_of(face.landmarks, face.width, face.height, self._units) for face in faces]
        return (
            as_tensor(self._shelf.get(numbers)),
            torch.tensor([one for one, item in enumerate(items) for _ in item]),
            torch.tensor([time for item in items for time in range(len(item))]),
            torch.from_numpy(np.stack(places)),
        )


class LabelBatches:
    """Batch `number` of faces, as a function of the seed and the number."""

    def __init__(self, dataset: Dataset, faces: Faces, units: Sequence[int], config: LabelsConfig) -> None:
        self._faces, self._config = faces, config
        self.items = Items(faces.faces, faces.labels, config, dataset.root.resolve().name)
        self._reader = Reader(dataset, faces.faces, units, config.network.side, config.loop.memory)
        people = sorted({face.person for face in faces.faces if face.person is not None})
        self._people = {name: number for number, name in enumerate(people)}

    def at(self, number: int) -> LabelBatch:
        """Return batch `number`, on the CPU."""
        items, faces = self.items.at(number), self._faces.faces
        pictures, item, time, places = self._reader.read(items)
        draw = generator_of(self._config.loop.seed, "look", number)
        look = drawn_look(self._config.augment, draw, len(items))
        return LabelBatch(
            pictures,
            item,
            time,
            places,
            Told.of(self._faces.labels.of(items)),
            torch.tensor([self._people.get(faces[one[0]].person or "", -1) for one in items]),
            tuple(faces[one].sample_id for clip in items for one in clip),
            replace(look, maps=look.maps[item], gains=look.gains[item], noise=look.noise[item]),
        )

    def place(self, batch: LabelBatch, device: torch.device) -> LabelBatch:
        """Return the batch on a device, moved and lit."""
        batch = on_device(batch, device)
        if batch.look is None:
            return batch
        with torch.no_grad():
            pictures = varied(batch.pictures, batch.look)
            places = moved_places(batch.places, batch.look.maps)
        return replace(batch, pictures=pictures, places=places)
