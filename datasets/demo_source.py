"""The rendered demo faces as a source: live pictures of which everything is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facedata.datasets.canonical import content_hash, identifier
from facedata.datasets.demo import demo_face
from facedata.datasets.items import Item, Loaded
from facedata.datasets.lineage import Origin
from facedata.datasets.pictures import Encoding, encode_layer
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample, Source, ingested_id
from facedata.datasets.sources import by_prefix

__all__ = ["DemoItem", "DemoSource"]

_LICENCE = "Apache-2.0 (rendered by facedata)"


@dataclass(frozen=True, slots=True)
class DemoItem:
    """Picture number `picture` of person number `person`."""

    person: int
    picture: int
    size: int
    seed: int

    @property
    def key(self) -> str:
        """A hash of the place."""
        return identifier("place", self.place)

    @property
    def place(self) -> str:
        """The numbers of person and picture."""
        return f"person-{self.person:03d}-{self.picture:02d}"

    def stamp(self) -> str:
        """Return size and seed: they decide the picture."""
        return f"{self.size} {self.seed}"

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the rendered picture. The label is live: it stands for a face before the camera."""
        del max_pixels
        face = demo_face(self.person, self.picture, self.size, self.seed)
        data = Encoding("jpeg", 95).encode(face.image)
        layer = encode_layer(face.regions)
        sha256 = content_hash(data)
        sample = Sample(
            sample_id=ingested_id(sha256, self.place),
            image="",
            content_hash=sha256,
            width=self.size,
            height=self.size,
            label="live",
            subject=f"person-{self.person:03d}",
            domain=face.shot.domain,
            box=tuple(round(value, 2) for value in face.box),
            landmarks=tuple((round(float(x), 2), round(float(y), 2)) for x, y in face.landmarks),
            # units drawn at random are no expression
            expression=None if face.shot.expression == "random" else face.shot.expression,
            au={unit: level for unit, level in face.au.items() if level > 0},
            au_domain=face.au_domain,
            attributes={
                "pose": dict(zip(("yaw", "pitch", "roll"), face.pose, strict=True)),
                **face.parameters(),
            },
            source=Source(dataset="facedata-demo", file=self.place, sha256=sha256, licence=_LICENCE),
        )
        yield Loaded(sample, data, "jpg", lambda: face.image, {"regions": layer})


@dataclass(frozen=True)
class DemoSource:
    """`pictures` of each of `identities` persons."""

    identities: int
    pictures: int
    size: int
    seed: int
    notes: Sequence[str] = ()
    failures: Sequence[Failure] = ()
    parents: Sequence[Origin] = ()

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self.identities * self.pictures

    def shards(self, size: int) -> Iterator[tuple[str, Sequence[Item]]]:
        """Yield (prefix, items) by the prefix of the keys."""
        everyone = [
            DemoItem(person, picture, self.size, self.seed)
            for person in range(self.identities)
            for picture in range(self.pictures)
        ]
        return by_prefix(everyone, size)
