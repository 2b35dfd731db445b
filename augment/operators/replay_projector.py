"""A face thrown on a wall by a projector and filmed again."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from facedata.augment.geometry import AimParameters, homography
from facedata.augment.light import ONE
from facedata.augment.operator import quantity
from facedata.augment.panel import PanelParameters
from facedata.augment.replay import Replay, Scene
from facedata.augment.textures import planckian

__all__ = ["ProjectorParameters", "ProjectorScene", "ReplayProjector"]

Floats = NDArray[np.float64]
Light = NDArray[np.uint16]

_ASPECT: Final = 16 / 9
_APART: Final = 120.0
"""Degrees of the colour wheel's turn between red, green and blue."""


class ProjectorParameters(PanelParameters):
    """A projector, its wall and the lamps that shine on it."""

    engine: Literal["lcd", "dlp"] = quantity(
        "three panels at once, or one mirror chip under a colour wheel",
        unit="name",
        draw={"choice": ["lcd", "dlp"]},
    )
    pitch: float = quantity(
        "pitch of the projector's pixels on the wall",
        unit="mm",
        low=0.05,
        high=20,
        draw={"uniform": [0.3, 1.5]},
    )
    columns: int = quantity(
        "pixels of the projector along a row (16 : 9), over which it spreads its light",
        unit="1",
        low=320,
        high=8192,
        draw={"choice": [1280, 1920]},
    )
    flux: float = quantity(
        "light of the projector (ANSI lumens, full white)",
        unit="lm",
        low=10,
        high=30000,
        draw={"log_uniform": [300, 3500]},
    )
    gain: float = quantity(
        "luminance of the wall to the projector's light over that of a perfect diffuser",
        unit="1",
        low=0.1,
        high=5,
        draw={"uniform": [0.6, 1.3]},
    )
    reflectance: float = quantity(
        "reflectance of the wall to the room's light",
        unit="1",
        low=0.05,
        high=1,
        draw={"uniform": [0.6, 0.9]},
    )
    throw_ratio: float = quantity(
        "distance of the projector over the width of its raster",
        unit="1",
        low=0.3,
        high=10,
        draw={"uniform": [1.1, 2.2]},
    )
    keystone_x: float = quantity(
        "turn of the projector's axis off the wall's normal, sideways",
        unit="deg",
        low=-40,
        high=40,
        draw={"normal": [0.0, 5.0]},
    )
    keystone_y: float = quantity(
        "turn of the projector's axis off the wall's normal, upwards",
        unit="deg",
        low=-40,
        high=40,
        draw={"normal": [0.0, 6.0]},
    )
    throw_blur: float = quantity(
        "standard deviation of the projector's point spread, in its pixels",
        unit="1",
        low=0,
        high=10,
        draw={"log_uniform": [0.15, 1.2]},
    )
    wheel_frequency: float = quantity(
        "turns of the colours of a colour wheel (its speed times its sets of segments)",
        unit="Hz",
        low=30,
        high=2000,
        draw={"choice": [120.0, 180.0, 240.0, 360.0]},
    )
    wheel_duty: float = quantity(
        "share of a turn that each colour is lit",
        unit="1",
        low=0.05,
        high=0.5,
        draw={"uniform": [0.22, 0.33]},
    )
    wheel_phase: float = quantity(
        "phase of the wheel at the first row", unit="deg", low=0, high=360, draw={"uniform": [0.0, 360.0]}
    )
    contrast_ratio: float = quantity(
        "luminance of the panel's white over that of its black, in the dark",
        unit="1",
        low=20,
        high=1e6,
        draw={"log_uniform": [400, 3000]},
    )
    temperature: float = quantity(
        "colour temperature of the projector's white",
        unit="K",
        low=2000,
        high=12000,
        draw={"uniform": [6000, 9000]},
    )
    distance: float = quantity(
        "distance from the lens to the middle of the shown picture",
        unit="mm",
        low=50,
        high=10000,
        draw={"log_uniform": [700, 2500]},
    )
    illuminance: float = quantity(
        "light of the room on the wall", unit="lx", low=0, high=20000, draw={"log_uniform": [3, 80]}
    )
    exposure_time: float = quantity(
        "time that each row is exposed", unit="s", low=1e-5, high=1, draw={"log_uniform": [1 / 250, 1 / 25]}
    )


class ProjectorScene(Scene[ProjectorParameters]):
    """A projected picture on a wall before a camera."""

    @property
    def pitch(self) -> float:
        """Pitch of the projector's pixels on the wall, mm."""
        return self.parameters.pitch

    @property
    def lattice(self) -> str:
        """All colours come out of one aperture."""
        return "grid"

    @property
    def panel_sigma(self) -> float:
        """Blur of the projector's lens, its px."""
        return self.parameters.throw_blur

    @property
    def ambient(self) -> float:
        """Luminance of the wall under the room's lamps over that of the projector's white.

        White is gain * flux / (pi * area), the lamps' part reflectance * E / pi.
        """
        p = self.parameters
        area = (p.columns * p.pitch * 1e-3) ** 2 / _ASPECT
        return p.reflectance * p.illuminance * area / (p.gain * p.flux)

    def keystone(self) -> Floats:
        """Return the homography from px on a square raster to px on the wall, the middle kept in place."""
        p = self.parameters
        if p.keystone_x == 0 and p.keystone_y == 0:
            return np.eye(3)
        # the projector is a camera of the wall whose rays go the other way
        aim = AimParameters.model_construct(
            tilt=p.keystone_y,
            pan=p.keystone_x,
            roll=0,
            distance=p.throw_ratio * p.columns * p.pitch,
            fill=1,
            offset_x=0,
            offset_y=0,
            distortion=0,
        )
        whole = np.linalg.inv(homography(aim, self.medium_width, self.width, self.height))
        return np.asarray(whole / whole[2, 2], np.float64)

    def pulses(self) -> Floats:
        """Return the rows' gain on each colour of a colour wheel."""
        p = self.parameters
        if p.engine == "lcd":
            return np.ones((self.rows, 3))
        phases = [p.wheel_phase - _APART * colour for colour in range(3)]
        lit = [self.flicker(p.wheel_frequency, 1.0, p.wheel_duty, phase) for phase in phases]
        return np.stack(lit, axis=1)

    def received(self) -> Light:
        """Return the lamps' light on the wall, which is even: uint16, 1 x 1 x 3."""
        p = self.parameters
        lamp = planckian(p.room_temperature) / planckian(p.temperature)
        level = np.clip(np.rint(lamp * self.ambient * ONE), 0, 65535)
        return np.asarray(level, np.uint16).reshape(1, 1, 3)

    def case(self) -> tuple[Floats, float]:
        """Return no frame."""
        return np.zeros(3), 0.0

    def behind(self) -> Light | None:
        """Return the light of the wall beside the raster."""
        return self.received()


class ReplayProjector(Replay[ProjectorParameters]):
    """Film the picture from a wall: keystone, the projector's blur and grid, the room's light.

    That light lifts the blacks, as it falls on wall and picture alike. A colour wheel shows one colour at a
    time, which a rolling shutter turns into bands of colour.
    """

    name = "replay-projector"
    attack: ClassVar[str | None] = "replay/projector"
    parameters = ProjectorParameters
    scene = ProjectorScene
