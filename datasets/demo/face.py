"""A demo face with its truth, and the numbered series of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo.actions import AUS, EXPRESSIONS
from facedata.datasets.demo.identity import Identity, draw_identity
from facedata.datasets.demo.rendering import photograph
from facedata.datasets.demo.shot import DOMAINS, Shot, draw_shot
from facedata.datasets.demo.truth import box, landmarks
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

__all__ = ["DemoFace", "demo_face", "demo_faces", "face_name", "render"]

SMALLEST, LARGEST = 64, 1024


@dataclass(frozen=True, eq=False)
class DemoFace:
    """A rendered picture and everything that is true of it.

    image: uint8 (size, size, 3), RGB, sRGB. landmarks: float32 (68, 2), pixels, iBUG's order. box: (x, y,
    width, height), pixels, hairline to chin. regions: uint8 (size, size), values of `REGIONS`. Left is the
    image's left.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    box: tuple[float, float, float, float]
    regions: NDArray[np.uint8]
    shot: Shot
    identity: Identity

    @property
    def au(self) -> dict[int, float]:
        """Action unit -> intensity 0..5 as rendered, for every unit of `AUS`; 0 is absent."""
        return self.shot.au

    @property
    def au_domain(self) -> tuple[int, ...]:
        """The units that were coded at all."""
        return AUS

    @property
    def pose(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll in degrees; positive: to the image's right, up, clockwise."""
        return self.shot.yaw, self.shot.pitch, self.shot.roll

    def parameters(self) -> dict[str, Any]:
        """Return every drawn parameter as a JSON-ready dict."""
        return {"identity": self.identity.parameters(), "shot": self.shot.parameters()}


def render(identity: Identity, shot: Shot, size: int = 256) -> DemoFace:
    """Return the picture of `identity` in `shot`, `size` pixels square (64..1024).

    The same arguments give the same bytes; the framing does not depend on the size.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"size {size} is not within {SMALLEST}..{LARGEST} pixels")
    taken = photograph(identity, shot, size)
    points = landmarks(taken.scene, taken.camera)
    return DemoFace(
        taken.image, points, box(taken.scene, taken.camera, identity, points), taken.regions, shot, identity
    )


def _spec(person: int, picture: int, seed: int) -> tuple[Identity, Shot]:
    """Draw one picture of the series.

    Every person goes through all domains in turn, from a different one on: a model that learns the setting
    instead of the face can then be caught within each person, and a split by subject leaves every domain in
    every part. Expressions go round in eights (the seven of the table and one of random units).
    """
    if person < 0 or picture < 0:
        raise UsageError(f"person {person}, picture {picture}: both count from 0")
    names = (*EXPRESSIONS, "random")
    domain = DOMAINS[(person + picture) % len(DOMAINS)]
    expression = names[(picture + 3 * person) % len(names)]
    identity = draw_identity(Words.of(seed, "demo", "person", person))
    shot = draw_shot(Words.of(seed, "demo", "picture", person, picture), domain, expression)
    return identity, shot


def demo_face(person: int, picture: int, size: int = 256, seed: int = 0) -> DemoFace:
    """Return picture `picture` of person `person` (both from 0) of the series `seed`."""
    return render(*_spec(person, picture, seed), size)


def face_name(person: int, picture: int, face: DemoFace) -> str:
    """Return the face's name, such as "person-003/02-happiness-studio"."""
    return f"person-{person:03d}/{picture:02d}-{face.shot.expression}-{face.shot.domain}"


def demo_faces(
    identities: int, pictures: int, size: int = 256, seed: int = 0
) -> Iterator[tuple[str, DemoFace]]:
    """Yield (name, face) of `pictures` pictures of each of `identities` people, person by person.

    A picture depends on its two numbers, the size and the seed alone, not on how many were asked for.
    """
    for person in range(identities):
        for picture in range(pictures):
            face = demo_face(person, picture, size, seed)
            yield face_name(person, picture, face), face
