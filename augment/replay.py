"""A picture on a lit panel, filmed: what displays and projectors have in common.

panel -> (projector's lens, wall) -> pose -> room's light on it -> lens -> rolling shutter -> Bayer mosaic
-> the shared camera
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.augment import display, screen
from facedata.augment.camera import photograph_mosaic, row_gains, to_light
from facedata.augment.geometry import View, view_of
from facedata.augment.kernels import faded, prepared
from facedata.augment.light import CODED, LINEAR, ONE, srgb_encode
from facedata.augment.operator import Applied, Image, Operator
from facedata.augment.operators.capture import mixed
from facedata.augment.optics import mirrored, point_spread, soften
from facedata.augment.panel import PanelParameters
from facedata.augment.sensor import flicker_gain
from facedata.datasets.words import Words

__all__ = ["SHARP", "Replay", "Scene", "soft"]

Floats = NDArray[np.float64]
Light = NDArray[np.uint16]

SHARP: Final = 0.1
"""A defocus, px of the picture, that changes no code."""
_AIRY: Final = 0.42 * 0.55
"""Deviation of an Airy disc over the f-number, in um of green light (0.55 um)."""
_SAME: Final = 0.02
"""Relative change of the lattice's scale over which one tile serves."""
_TILES: Final = 32
_PLACES: Final = np.array([(0.5, 0.5), *((x / 8, y / 8) for y in range(9) for x in range(9))])
"""Places at which the lattice's scale is looked at, of the frame: its middle, then a grid."""
_FAINT: Final = 0.01
"""Contrast of a lattice, where it is seen largest, below which one tile serves the whole frame."""
_CRISP: Final = 0.6
"""Contrast from which on a tile has twice as many cells: its slopes are as steep."""


P = TypeVar("P", bound=PanelParameters)


@dataclass(frozen=True)
class Scene(Generic[P]):
    """What follows from the parameters for a picture of `width` x `height` px, by kind of panel."""

    parameters: P
    width: int
    height: int

    @property
    def pitch(self) -> float:
        """Pitch p_d of the panel's pixels where they are seen, mm."""
        raise NotImplementedError

    @property
    def lattice(self) -> str:
        """Name of the layout of the subpixels."""
        raise NotImplementedError

    @property
    def panel_sigma(self) -> float:
        """Deviation of the blur before the camera, display px."""
        return 0.0

    def pulses(self) -> Floats:
        """Return what the shutter's rows make of the panel's pulses: mean 1, rows x 3."""
        return np.ones((self.rows, 3))

    def received(self) -> Light:
        """Return the light that the panel itself adds from the room, coarse: uint16 x 3, to be enlarged."""
        raise NotImplementedError

    def case(self) -> tuple[Floats, float]:
        """Return the light of the panel's frame (RGB, 1 is white), and the frame's width in mm."""
        raise NotImplementedError

    def behind(self) -> Light | None:
        """Return the light beside the device, coarse as that of `received`; None: the live person's."""
        raise NotImplementedError

    def keystone(self) -> Floats:
        """Return the homography from px of the parent to px of the flat picture that the camera sees."""
        return np.eye(3)

    @property
    def oversample(self) -> int:
        """Photosites a px; a Bayer cell has two rows and columns, so a line of px has two photosites each."""
        return self.parameters.oversample if min(self.width, self.height) > 1 else 2

    @property
    def rows(self) -> int:
        """Rows of the sensor."""
        return self.height * self.oversample

    @property
    def magnification(self) -> float:
        """Photosites per display px, k = f p_d / (Z p_s), at the middle and seen straight on."""
        p = self.parameters
        return p.focal_length * self.pitch / (p.distance * p.photosite * 1e-3)

    @property
    def medium_width(self) -> float:
        """Width of the shown picture, mm: what the sensor sees at that distance, times `fill`."""
        p = self.parameters
        return p.fill * self.oversample * self.width * self.pitch / self.magnification

    @property
    def blur(self) -> float:
        """Deviation of the lens's point spread in photosites, by defocus and diffraction.

        A Gaussian of .42 lambda N is the closest to an Airy disc.
        """
        p = self.parameters
        return float(np.hypot(p.defocus * self.oversample, _AIRY * p.f_number / p.photosite))

    @property
    def per_pixel(self) -> float:
        """Display px that a px of the parent takes."""
        return self.medium_width / self.pitch / self.width

    @cached_property
    def flat(self) -> View:
        """The view of the plane at the picture's size, without keystone."""
        return view_of(self.parameters, self.medium_width, self.width, self.height)

    @cached_property
    def frame(self) -> View:
        """The view of the picture on the plane, at the picture's size."""
        flat = self.flat
        whole = flat.homography @ self.keystone()
        return View(whole / whole[2, 2], flat.distortion, flat.width, flat.height, flat.focal)

    @cached_property
    def sensor(self) -> View:
        """The view at the sensor's size: px of the picture parted, about their middles."""
        s, flat = self.oversample, self.frame
        parted = np.array([[s, 0, (s - 1) / 2], [0, s, (s - 1) / 2], [0, 0, 1]])
        return View(
            parted @ flat.homography, flat.distortion, s * self.width, s * self.height, s * flat.focal
        )

    @cached_property
    def backward(self) -> Floats:
        """The homography from px of the filmed picture, distortion removed, to px of the parent."""
        return self.frame.backward

    @cached_property
    def sensor_backward(self) -> Floats:
        """The same from photosites."""
        return self.sensor.backward

    def normal(self) -> Floats:
        """Return the plane's normal in the camera's axes (right, down, forward)."""
        # a ray r meets the plane at a depth whose inverse is n . r: the third row of the homography's inverse
        flat = self.flat
        x, y = flat.centre
        lens = np.array([[flat.focal, 0, x], [0, flat.focal, y], [0, 0, 1]])
        normal = flat.backward[2] @ lens
        return np.asarray(normal / np.linalg.norm(normal), np.float64)

    def lattice_map(self) -> Floats:
        """Return the homography (3 x 3) from sensor px to periods of the lattice."""
        words = Words.of(self.parameters.lattice_seed, "lattice")
        share = self.per_pixel / display.LATTICES[self.lattice].period
        start = [words.unit() + 0.5 * share, words.unit() + 0.5 * share]
        scale = np.array([[share, 0, start[0]], [0, share, start[1]], [0, 0, 1]])
        return np.asarray(scale @ self.sensor_backward, np.float64)

    def jacobian(self) -> Floats:
        """Return d(display px) / d(sensor px), 2 x 2, at the middle of the frame."""
        return np.asarray(self.jacobians(np.array([self.sensor.centre]))[0], np.float64)

    def jacobians(self, places: Floats) -> Floats:
        """Return d(display px) / d(sensor px), N x 2 x 2, at places (N x 2) of the sensor."""
        return self._local(places)[1]

    def _local(self, places: Floats) -> tuple[Floats, Floats]:
        """Return how small the lattice is seen at places, over the middle's, and the derivatives there."""
        view = self.sensor
        curve = view.distortion / (min(view.width, view.height) / 2) ** 2
        return screen.local(places, view.centre, curve, self.sensor_backward, self.per_pixel)

    def resolved(self, jacobian: Floats) -> display.Resolved:
        """Return the lattice as lens and photosites leave it where the map has those derivatives."""
        p = self.parameters
        return display.resolve(
            self.lattice, p.aperture_width, p.aperture_height, jacobian, self.blur, self.panel_sigma
        )

    def tiles(self) -> tuple[Light, float, float]:
        """Return the lattice's tiles for `screen.mosaic`, the smallest scale and the step between tiles."""
        view = self.sensor
        places = _PLACES * (view.width - 1, view.height - 1)
        scales, jacobians = self._local(places)
        scales = scales[1:].clip(0.1, 10)
        near, far = float(scales.min()), float(scales.max())
        largest = self.resolved(jacobians[1 + int(scales.argmin())])
        contrast = float(largest.contrast().max())
        cells = display.CELLS * (2 if contrast > _CRISP else 1)
        count = min(_TILES, 1 + int((far / near - 1) / _SAME)) if contrast > _FAINT else 1
        if count == 1:
            return self.resolved(jacobians[0]).tile(cells)[None], near, 1.0
        step = (far - near) / count
        middles = near + (np.arange(count) + 0.5) * step
        nearest = np.argsort(np.abs(scales - middles[:, None]), axis=1, kind="stable")[:, :4]
        return self.resolved(jacobians[1:][nearest].mean(axis=1)).tile(cells), near, step

    def boxes(self, rim: float) -> tuple[Floats, Floats, Floats]:
        """Return picture, screen and device: left, top, right, bottom, corner radius in px of the parent.

        `rim` is the width of the device's frame in mm.
        """
        p, w, h = self.parameters, self.width, self.height
        x, y = (w - 1) / 2 + p.screen_x * w / 100, (h - 1) / 2 + p.screen_y * h / 100
        half_x, half_y = p.screen_width * w / 200, p.screen_height * h / 200
        wide = rim / self.pitch / self.per_pixel
        picture = np.array([-0.5, -0.5, w - 0.5, h - 0.5, 0])
        lit = np.array([x - half_x, y - half_y, x + half_x, y + half_y, 0])
        device = lit + np.array([-wide, -wide, wide, wide, min(wide, half_x, half_y)])
        return picture, lit, device

    def covers_frame(self, box: Floats) -> bool:
        """Whether a box on the plane covers the whole frame."""
        view = self.frame
        return bool(screen.inside(self.backward, view.distortion, view.height, view.width, box))

    def cover(self, box: Floats) -> NDArray[np.uint8]:
        """Return how much of each px of the frame a box on the plane covers, 255 is all."""
        if self.covers_frame(box):
            return np.full((self.height, self.width), 255, np.uint8)
        return screen.cover(self.backward, self.frame.distortion, self.height, self.width, box)

    def lights(self, image: Image) -> tuple[Light, Light, NDArray[np.uint8]]:
        """Return the panel's light and all other light, through the lens, and the screen's mask."""
        p, width, height = self.parameters, self.width, self.height
        emission = display.emission(p.gamma, p.contrast_ratio)
        shown = screen.to_display_grid(image, width * self.per_pixel, height * self.per_pixel)
        across, down = shown.shape[1] / width, shown.shape[0] / height
        grid = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
        pixels, backward = screen.packed(shown), self.backward
        emitted = screen.project(
            pixels, shown.shape[0], shown.shape[1], grid @ backward, p.distortion, height, width, emission
        )
        added = self._enlarged(self.received())
        mask = np.full((height, width), 255, np.uint8)
        picture, lit, _ = self.boxes(0.0)
        sigma = float(
            np.hypot(self.blur / self.oversample, self.panel_sigma * self.magnification / self.oversample)
        )
        if not (self.covers_frame(picture) and self.covers_frame(lit)):
            frame, rim = self.case()
            coarse = self.behind()
            behind = to_light(image) if coarse is None else self._enlarged(coarse)
            covers = [self.cover(box) for box in self.boxes(rim)]
            level = np.rint(np.clip(frame, 0, 1.99) * ONE).astype(np.int64)
            screen.compose(emitted, added, behind, covers[0], covers[1], covers[2], int(emission[0]), level)
            mask = np.where(covers[1] >= 128, 255, 0).astype(np.uint8)
            added = soft(added, self.blur / self.oversample)
        return soft(emitted, sigma), added, mask

    def _enlarged(self, coarse: Light) -> Light:
        """Return coarse light at the picture's size."""
        size = self.width, self.height
        return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.uint16)

    def mosaic(self, emitted: Light, added: Light) -> Light:
        """Return what the photosites collect of the panel's light and of other light."""
        p = self.parameters
        gain = np.rint(self.pulses() * ONE).astype(np.int64)
        tiles, nearest, step = self.tiles()
        return screen.mosaic(
            emitted,
            added,
            self.oversample,
            self.lattice_map(),
            p.distortion,
            tiles,
            nearest,
            step,
            gain,
            row_gains(p, self.rows) if p.flicker_depth else np.full(self.rows, ONE, np.int64),
        )

    def flicker(self, frequency: float, depth: float, duty: float, phase: float) -> Floats:
        """Return the gain of each row under pulses of the panel; see `sensor.flicker_gain`."""
        p = self.parameters
        if depth == 0:
            return np.ones(self.rows)
        return flicker_gain(
            self.rows,
            frequency=frequency,
            depth=depth,
            duty=duty,
            phase=phase,
            exposure_time=p.exposure_time,
            readout=p.row_time * 1e-6 * p.frame_rows,
        )


class Replay(Operator[P]):
    """Show the picture on a panel and film it; a subclass names the kind of panel by its `scene`."""

    strength: ClassVar[str] = "strength"
    version: ClassVar[int] = 2
    scene: ClassVar[type[Scene[Any]]]

    def apply(self, image: Image, parameters: P) -> Applied:
        """Return the filmed picture, uint8 height x width x 3, and the mask of the lit screen."""
        image = prepared(image)
        if parameters.strength == 0:
            return faded(image)
        scene = self._scene(image, parameters)
        emitted, added, mask = scene.lights(image)
        return Applied(self._filmed(image, scene, emitted, added), mask)

    def explain(self, image: Image, parameters: P) -> Applied:
        """Return the same, with the layers `reflection` and `lattice` and the scene's derived quantities.

        `reflection` is all light that is not the panel's, as an sRGB picture; `lattice` the mosaic that a
        white panel leaves, demosaiced, 80 its mean. In `facts`, `aliases` tells each band that the sensor
        records at the middle of the frame: channel, harmonic of the lattice's period, wave-vector in cycles
        per photosite and per px of the picture, amplitude before demosaicing.
        """
        image = prepared(image)
        if parameters.strength == 0:
            return faded(image)
        scene = self._scene(image, parameters)
        emitted, added, mask = scene.lights(image)
        size = scene.width, scene.height
        flat = np.full_like(emitted, 80 * 128)
        bare = scene.mosaic(flat, np.zeros_like(added))
        field = cv2.cvtColor(bare, cv2.COLOR_BayerRGGB2RGB) if min(bare.shape) > 1 else flat
        field = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
        layers = {
            "reflection": np.rint(srgb_encode(added / ONE) * 255).astype(np.uint8),
            "lattice": np.clip((field + 64) // 128, 0, 255).astype(np.uint8),
        }
        return Applied(self._filmed(image, scene, emitted, added), mask, layers, self._facts(scene))

    def map_points(self, points: Floats, parameters: P, width: int, height: int) -> Floats:
        """Return where points of the parent, N x 2 (x, y) px, are on the filmed picture."""
        if parameters.strength == 0:
            return points
        return self.scene(parameters, width, height).frame.to_sensor(points)

    def _scene(self, image: Image, parameters: P) -> Scene[Any]:
        return self.scene(parameters, image.shape[1], image.shape[0])

    @staticmethod
    def _filmed(image: Image, scene: Scene[Any], emitted: Light, added: Light) -> Image:
        p = scene.parameters
        # the room's flicker is in the mosaic already, apart from the panel's
        steady = p.model_copy(update={"flicker_depth": 0.0})
        taken = photograph_mosaic(scene.mosaic(emitted, added), steady, (scene.width, scene.height))
        share = round(p.strength * ONE)
        return taken if share == ONE else mixed(image, taken, share, LINEAR, CODED)

    @staticmethod
    def _facts(scene: Scene[Any]) -> dict[str, Any]:
        jacobian, oversample = scene.jacobian(), scene.oversample
        seen = scene.resolved(jacobian)
        return {
            "homography": scene.frame.homography.tolist(),
            "distortion": scene.frame.distortion,
            "sensor_px_per_display_px": scene.magnification,
            "picture_width_mm": scene.medium_width,
            "jacobian": jacobian.tolist(),
            "lattice_contrast": seen.contrast().tolist(),
            "aliases": [
                {
                    "channel": "RGB"[alias.channel],
                    "order": list(alias.order),
                    "cycles_per_photosite": list(alias.wave),
                    "cycles_per_px": [oversample * f for f in alias.wave],
                    "amplitude": alias.amplitude,
                }
                for alias in display.aliases(seen, jacobian)[:24]
            ],
        }


def soft(light: Light, sigma: float) -> Light:
    """Return the light through a lens whose point spread has a deviation of `sigma` px."""
    if sigma < SHARP:
        return light
    taps = point_spread(sigma)
    reach = len(taps) // 2
    return soften(light, taps, mirrored(light.shape[0], reach), mirrored(light.shape[1], reach))
