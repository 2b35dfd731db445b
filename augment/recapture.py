"""What all photographed sheets share: print, bend, hold before something, photograph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from facedata.augment.camera import photograph, to_light
from facedata.augment.draws import Draw
from facedata.augment.edges import Cover, inside, layered, outlined, shadow
from facedata.augment.geometry import View, room, view
from facedata.augment.kernels import prepared
from facedata.augment.light import CODED, LINEAR, ONE
from facedata.augment.operator import Applied, Image, Operator, quantity
from facedata.augment.operators.capture import mixed
from facedata.augment.printing import (
    Halftone,
    PrintParameters,
    lamp_of,
    print_light,
    screen_waves,
    stock_draws,
)
from facedata.augment.surface import Curve, Seen, flat, look, project, stretch
from facedata.datasets.words import Words

__all__ = ["SheetParameters", "SheetPhoto", "cast_shadow"]

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edges in px of the parent; its first px begins at -0.5."""


class SheetParameters(PrintParameters):
    """A printed sheet and what is behind it."""

    margin: float = quantity(
        "white border that the printer left round the picture",
        unit="mm",
        low=0,
        high=100,
        draw={"choice": [0.0, 0.0, 3.0, 6.0, 15.0]},
    )
    thickness: float = quantity(
        "thickness of the paper, whose core shows at its edges",
        unit="mm",
        low=0,
        high=3,
        draw={"uniform": [0.1, 0.3]},
    )
    gap: float = quantity(
        "distance from the sheet to the live face behind it",
        unit="mm",
        low=0,
        high=300,
        draw={"uniform": [5.0, 40.0]},
    )
    room_level: float = quantity(
        "radiance of the brightest part of the room behind over that of diffuse white",
        unit="1",
        low=0,
        high=2,
        draw={"uniform": [0.15, 0.9]},
    )


P = TypeVar("P", bound=SheetParameters)


class Scene(NamedTuple):
    """A sheet before the camera: its light at the sensor, what it covers (None: all), and how it is seen."""

    light: NDArray[np.uint16]
    cover: Cover | None
    seen: Seen


class SheetPhoto(Operator[P]):
    """Base of the operators that print the picture, hold the sheet before a camera and photograph it."""

    version: ClassVar[int] = 2
    strength: ClassVar[str] = "strength"
    nodes: ClassVar[int] = 32
    """Places along the shorter side at which rays are followed."""

    def halftone(self, parameters: P) -> Halftone:
        """Return how the ink is laid down."""
        raise NotImplementedError

    def curve(self, parameters: P, width: int, height: int) -> Curve:
        """Return how the sheet is bent."""
        del parameters, width, height
        return flat()

    def box(self, parameters: P, width: int, height: int) -> Box:
        """Return the edges of the sheet."""
        margin = parameters.margin * width / parameters.medium_width
        return -0.5 - margin, -0.5 - margin, width - 0.5 + margin, height - 0.5 + margin

    def outline(self, parameters: P, width: int, height: int) -> Cover | None:
        """Return what is left of the sheet after scissors, by px of the parent; None: all."""
        del parameters, width, height
        return None

    def inked(self, image: Image, parameters: P) -> Image:
        """Return the picture as it is on the sheet."""
        del parameters
        return image

    def sample(self, words: Words, given: Mapping[str, Draw] | None = None, shot: Words | None = None) -> P:
        """Draw the stock, then what it decides, then the rest."""
        return super().sample(words, stock_draws(given or {}, words, self.draws()["stock"]), shot)

    def apply(self, image: Image, parameters: P) -> Applied:
        """Return the photograph of the sheet, uint8 height x width x 3."""
        image = prepared(image)
        height, width, _ = image.shape
        if parameters.strength == 0:
            return Applied(image.copy(), np.zeros((height, width), np.uint8))
        sight = view(parameters, width, height)
        scene = self.scene(image, sight, parameters)
        return Applied(self._taken(image, scene, sight, parameters), scene.cover)

    def explain(self, image: Image, parameters: P) -> Applied:
        """Return what `apply` returns, with layers and facts.

        Layers are `coverage`, `gloss` (the light of the highlight, 255 = diffuse white) and `irradiance` (128
        = that of the sheet's middle). Facts are `homography` (parent px to picture px, before `distortion`
        k1, of the flat sheet), `millimetres_per_px` of the parent, and `screens`: wave vectors of the
        halftone of C, M, Y, K in cycles a px of the parent.
        """
        image = prepared(image)
        height, width, _ = image.shape
        if parameters.strength == 0:
            return self.apply(image, parameters)
        sight = view(parameters, width, height)
        scene = self.scene(image, sight, parameters)
        cover = np.full((height, width), 255, np.uint8) if scene.cover is None else scene.cover
        shade, gloss = (scene.seen.light[i] * (cover / 255) for i in (0, 1))
        scale = parameters.medium_width / width
        facts: dict[str, Any] = {
            "homography": sight.homography.tolist(),
            "distortion": sight.distortion,
            "millimetres_per_px": scale,
            "screens": screen_waves(self.halftone(parameters), scale, parameters.paper_seed),
        }
        layers = {
            "coverage": cover,
            "gloss": np.rint(np.clip(gloss, 0, 1) * 255).astype(np.uint8),
            "irradiance": np.rint(np.clip(shade * 128, 0, 255)).astype(np.uint8),
        }
        return Applied(self._taken(image, scene, sight, parameters), scene.cover, layers, facts)

    def scene(self, image: Image, sight: View, parameters: P) -> Scene:
        """Return the light at the sensor and what the sheet covers of it."""
        height, width, _ = image.shape
        scale = parameters.medium_width / width
        curve = self.curve(parameters, width, height)
        seen = look(sight, scale, (width, height), curve, lamp_of(parameters), self.nodes)
        spans = stretch(sight)
        step = float(np.hypot(*spans).max())
        ink = self.halftone(parameters)
        light = print_light(self.inked(image, parameters), seen, step, scale, parameters, ink)
        across = np.hypot(*spans.T)
        cover = inside(seen, self.box(parameters, width, height), (float(across[0]), float(across[1])))
        outline = self.outline(parameters, width, height)
        if outline is not None:
            scissors = outlined(outline, seen)
            cover = scissors if cover is None else np.minimum(cover, scissors)
        if cover is None:
            return Scene(light, None, seen)
        millimetre = scale * step
        edge = min(parameters.thickness / millimetre, 1.0)
        lamp = lamp_of(parameters)
        white = parameters.whiteness * ONE
        towards = lamp.place() / lamp.distance
        core = white * lamp.ambient, white * (1 - lamp.ambient), float(towards[0]), float(towards[1])
        if self.live_beside(parameters):
            behind, dark = to_light(image), cast(cover, parameters, millimetre)
            depth = round(256 * (1 - parameters.ambient))
        else:
            behind = room(sight.height, sight.width, parameters.paper_seed, level=parameters.room_level)
            dark, depth = cover, 0
        layered(light, behind, cover, dark, depth, round(edge * 1024), core)
        return Scene(light, cover, seen)

    def map_points(
        self, points: NDArray[np.float64], parameters: P, width: int, height: int
    ) -> NDArray[np.float64]:
        """Return where points of the parent, N x 2 px, lie on the photograph of the sheet."""
        if parameters.strength == 0:
            return points
        sight = view(parameters, width, height)
        scale = parameters.medium_width / width
        return project(sight, scale, (width, height), self.curve(parameters, width, height), points)

    def _taken(self, image: Image, scene: Scene, sight: View, parameters: P) -> Image:
        height, width, _ = image.shape
        taken = photograph(scene.light, parameters, (width, height), field_angle=sight.field_angle)
        share = round(parameters.strength * ONE)
        return taken if share == ONE else mixed(image, taken, share, LINEAR, CODED)


def cast(cover: Cover, parameters: SheetParameters, millimetre: float) -> Cover:
    """Return the shadow on what lies `gap` behind the sheet; `millimetre` is mm a px of the sensor."""
    return shadow(cover, *cast_shadow(parameters, millimetre))


def cast_shadow(parameters: SheetParameters, millimetre: float) -> tuple[tuple[float, float], float]:
    """Return the displacement (right, down) of the shadow of `cast` and the deviation of its edge, px."""
    off, turn = np.radians(parameters.lamp_angle), np.radians(parameters.lamp_azimuth)
    far = float(parameters.gap * np.tan(off) / millimetre)
    # a lamp or window of some 200 mm: its penumbra grows with the gap
    sigma = max(0.6, parameters.gap * 200 / parameters.lamp_distance / millimetre / 2)
    return (-far * float(np.cos(turn)), far * float(np.sin(turn))), sigma
