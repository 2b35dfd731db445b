"""A face shown on a display and filmed again: liquid-crystal and organic light-emitting panels."""

from __future__ import annotations

import math
from typing import ClassVar, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from facedata.augment import display, glass
from facedata.augment.geometry import room_cells
from facedata.augment.operator import quantity
from facedata.augment.panel import PanelParameters
from facedata.augment.replay import Replay, Scene
from facedata.augment.textures import planckian

__all__ = ["LcdParameters", "OledParameters", "ReplayLcd", "ReplayOled", "ScreenParameters", "ScreenScene"]

Floats = NDArray[np.float64]
Light = NDArray[np.uint16]

_INCH: Final = 25.4
_WALLS: Final = 1.5
"""Light of the brightest part of a room over that of a white paper where the display stands."""


class ScreenParameters(PanelParameters):
    """A display with its front, its backlight and its case."""

    lattice: display.LatticeName = quantity(
        "layout of the subpixels",
        unit="name",
        draw={"choice": ["rgb-stripe", "rgb-stripe", "rgb-stripe", "bgr-stripe", "rgb-rows"]},
    )
    density: float = quantity(
        "display pixels per inch", unit="1/in", low=20, high=1000, draw={"uniform": [82, 165]}
    )
    luminance: float = quantity(
        "luminance of the display's white", unit="cd/m2", low=5, high=3000, draw={"uniform": [120, 400]}
    )
    pulse_frequency: float = quantity(
        "frequency of the pulses that dim the display",
        unit="Hz",
        low=30,
        high=20000,
        draw={"choice": [180.0, 240.0, 480.0, 1000.0]},
    )
    pulse_depth: float = quantity(
        "depth of those pulses: 0 is a steady light, 1 is dark between them",
        unit="1",
        low=0,
        high=1,
        draw={"choice": [0.0, 0.0, 0.0, 0.3, 1.0]},
    )
    pulse_duty: float = quantity(
        "share of their period that is lit", unit="1", low=0.05, high=1, draw={"uniform": [0.3, 0.95]}
    )
    pulse_phase: float = quantity(
        "phase of the pulses at the first row", unit="deg", low=0, high=360, draw={"uniform": [0.0, 360.0]}
    )
    bezel: float = quantity(
        "width of the case's frame around the screen",
        unit="mm",
        low=0,
        high=100,
        draw={"choice": [0.0, 2.0, 8.0, 18.0]},
    )
    bezel_albedo: float = quantity(
        "reflectance of that frame", unit="1", low=0, high=1, draw={"log_uniform": [0.02, 0.3]}
    )
    behind: Literal["room", "live"] = quantity(
        "what shows beside the device: a room, or the live person in the place of the picture",
        unit="name",
        draw="room",
    )
    surface: glass.SurfaceName = quantity(
        "front of the display", unit="name", draw={"choice": ["glass", "coated", "matte", "matte"]}
    )
    mirrored_luminance: float = quantity(
        "luminance of the brightest thing that the display mirrors",
        unit="cd/m2",
        low=0,
        high=20000,
        draw={"log_uniform": [30, 2000]},
    )
    mirrored_blur: float = quantity(
        "standard deviation of the camera's defocus on the mirrored room, of the shorter side",
        unit="%",
        low=0,
        high=20,
        draw={"log_uniform": [1.0, 6.0]},
    )
    temperature: float = quantity(
        "colour temperature of the display's white",
        unit="K",
        low=2000,
        high=12000,
        draw={"uniform": [6000, 9300]},
    )
    distance: float = quantity(
        "distance from the lens to the middle of the screen",
        unit="mm",
        low=50,
        high=10000,
        draw={"log_uniform": [200, 800]},
    )
    defocus: float = quantity(
        "standard deviation of the lens's point spread, px of the picture",
        unit="px",
        low=0,
        high=8,
        draw={"log_uniform": [0.1, 0.5]},
    )
    exposure_time: float = quantity(
        "time that each row is exposed", unit="s", low=1e-5, high=1, draw={"log_uniform": [1 / 250, 1 / 25]}
    )


class LcdParameters(ScreenParameters):
    """A liquid-crystal monitor, laptop or television."""


class OledParameters(ScreenParameters):
    """An organic light-emitting telephone or tablet: black is dark, pulses dim it, glass covers it."""

    lattice: display.LatticeName = quantity(
        "layout of the subpixels",
        unit="name",
        draw={"choice": ["pentile-diamond", "pentile-diamond", "pentile-diamond", "rgb-stripe"]},
    )
    density: float = quantity(
        "display pixels per inch", unit="1/in", low=20, high=1000, draw={"uniform": [300, 550]}
    )
    contrast_ratio: float = quantity(
        "luminance of the panel's white over that of its black, in the dark",
        unit="1",
        low=20,
        high=1e6,
        draw={"log_uniform": [1e5, 1e6]},
    )
    luminance: float = quantity(
        "luminance of the display's white", unit="cd/m2", low=5, high=3000, draw={"uniform": [150, 700]}
    )
    pulse_depth: float = quantity(
        "depth of those pulses: 0 is a steady light, 1 is dark between them",
        unit="1",
        low=0,
        high=1,
        draw={"choice": [0.0, 0.0, 0.3, 1.0]},
    )
    bezel: float = quantity(
        "width of the case's frame around the screen",
        unit="mm",
        low=0,
        high=100,
        draw={"choice": [1.5, 2.5, 4.0]},
    )
    surface: glass.SurfaceName = quantity(
        "front of the display", unit="name", draw={"choice": ["glass", "glass", "coated"]}
    )
    distance: float = quantity(
        "distance from the lens to the middle of the screen",
        unit="mm",
        low=50,
        high=10000,
        draw={"log_uniform": [140, 400]},
    )
    photosite: float = quantity(
        "pitch of the sensor's photosites; of binned ones together",
        unit="um",
        low=0.5,
        high=20,
        draw={"choice": [0.8, 1.0, 1.22, 1.4]},
    )


class ScreenScene(Scene[ScreenParameters]):
    """A display before a camera in a room."""

    @property
    def pitch(self) -> float:
        """Pitch of the display's pixels, mm."""
        return _INCH / self.parameters.density

    @property
    def lattice(self) -> str:
        """Name of the layout of the subpixels."""
        return self.parameters.lattice

    @property
    def scattered(self) -> float:
        """Luminance of a white paper in the display's place over that of its own white: E / (pi L_w)."""
        return self.parameters.illuminance / math.pi / self.parameters.luminance

    def pulses(self) -> Floats:
        """Return the rows' gain on pulses that all colours share."""
        p = self.parameters
        gain = self.flicker(p.pulse_frequency, p.pulse_depth, p.pulse_duty, p.pulse_phase)
        return np.repeat(gain[:, None], 3, axis=1)

    def received(self) -> Light:
        """Return the light that the display's front mirrors and scatters, coarse."""
        p = self.parameters
        return glass.reflected_cells(
            self.height,
            self.width,
            surface=p.surface,
            focal=self.frame.focal,
            normal=self.normal(),
            brightest=p.mirrored_luminance / p.luminance,
            scattered=self.scattered,
            kelvin=p.room_temperature,
            white=p.temperature,
            blur=p.mirrored_blur,
            seed=p.room_seed,
        )

    def case(self) -> tuple[Floats, float]:
        """Return the light of the case and the width of its frame in mm."""
        p = self.parameters
        lamp = planckian(p.room_temperature) / planckian(p.temperature)
        return np.asarray(lamp * p.bezel_albedo * self.scattered, np.float64), p.bezel

    def behind(self) -> Light | None:
        """Return the light of the room, coarse, or None where the live person is behind the display."""
        p = self.parameters
        if p.behind == "live":
            return None
        level = min(1.0, self.scattered * _WALLS)
        seed, lamps = p.room_seed ^ 1, p.room_temperature
        return room_cells(self.height, self.width, seed, kelvin=lamps, level=level)


S = TypeVar("S", bound=ScreenParameters)


class ReplayScreen(Replay[S]):
    """Film the picture from a display."""

    scene = ScreenScene

    def live_beside(self, parameters: S) -> bool:
        """Whether the live person is seen beside the device."""
        return parameters.behind == "live"


class ReplayLcd(ReplayScreen[LcdParameters]):
    """Film the picture from a liquid-crystal display.

    The panel's tone curve and black, its stripes through perspective, lens and Bayer filters (so that moire
    comes and goes with pitch, distance and focus), the room that its front mirrors by Fresnel's law and
    scatters, bands of a pulsed backlight under the rolling shutter, and the case where the frame shows it.
    """

    name = "replay-lcd"
    attack: ClassVar[str | None] = "replay/lcd"
    parameters = LcdParameters


class ReplayOled(ReplayScreen[OledParameters]):
    """Film the picture from an organic light-emitting display: other lattices, blacks and pulses."""

    name = "replay-oled"
    attack: ClassVar[str | None] = "replay/oled"
    parameters = OledParameters
