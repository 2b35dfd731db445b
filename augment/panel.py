"""What displays and projectors have in common, as parameters: a lit lattice before a camera in a room."""

from __future__ import annotations

from facedata.augment.camera import CameraParameters
from facedata.augment.geometry import AimParameters
from facedata.augment.operator import quantity

__all__ = ["PanelParameters"]


class PanelParameters(CameraParameters, AimParameters):
    """A lit panel, its pose, the room and the camera; the medium of the pose is the whole parent picture."""

    strength: float = quantity(
        "share of the recaptured picture in a mixture with the clean one, in linear light",
        unit="1",
        low=0,
        high=1,
        draw=1.0,
    )
    aperture_width: float = quantity(
        "width of the lit part of a stripe of three, in pixel pitches",
        unit="1",
        low=0.05,
        high=0.333,
        draw={"uniform": [0.25, 0.32]},
    )
    aperture_height: float = quantity(
        "height of the lit part of a subpixel, in pixel pitches",
        unit="1",
        low=0.1,
        high=1,
        draw={"uniform": [0.8, 0.95]},
    )
    gamma: float = quantity(
        "exponent of the panel's tone curve", unit="1", low=1, high=3, draw={"uniform": [2.0, 2.4]}
    )
    contrast_ratio: float = quantity(
        "luminance of the panel's white over that of its black, in the dark",
        unit="1",
        low=20,
        high=1e6,
        draw={"log_uniform": [700, 3000]},
    )
    focal_length: float = quantity(
        "focal length of the camera's lens", unit="mm", low=1, high=100, draw={"uniform": [3.8, 5.6]}
    )
    photosite: float = quantity(
        "pitch of the sensor's photosites; of binned ones together",
        unit="um",
        low=0.5,
        high=20,
        draw={"choice": [1.4, 1.4, 2.0, 2.8]},
    )
    f_number: float = quantity(
        "f-number of the lens, which diffraction blurs by",
        unit="1",
        low=0.7,
        high=32,
        draw={"uniform": [1.6, 2.4]},
    )
    oversample: int = quantity(
        "photosites a px of the picture along each axis",
        unit="1",
        low=1,
        high=2,
        draw={"choice": [1, 2, 2, 2]},
    )
    lattice_seed: int = quantity(
        "place of the panel's lattice under the sensor's",
        unit="1",
        low=0,
        high=2**31 - 1,
        draw={"integer": [0, 2**31 - 1]},
    )
    screen_width: float = quantity(
        "width of the lit screen over that of the shown picture (below 100: it shows a part of it)",
        unit="%",
        low=1,
        high=1000,
        draw={"choice": [100.0, 100.0, 130.0, 180.0]},
    )
    screen_height: float = quantity(
        "height of the lit screen over that of the shown picture (below 100: it shows a part of it)",
        unit="%",
        low=1,
        high=1000,
        draw=100.0,
    )
    screen_x: float = quantity(
        "place of the screen's middle right of the picture's, of its width",
        unit="%",
        low=-100,
        high=100,
        draw=0.0,
    )
    screen_y: float = quantity(
        "place of the screen's middle below the picture's, of its height",
        unit="%",
        low=-100,
        high=100,
        draw=0.0,
    )
    illuminance: float = quantity(
        "light of the room on the panel",
        unit="lx",
        low=0,
        high=20000,
        draw={"log_uniform": [50, 600]},
    )
    fill: float = quantity(
        "width of the shown picture over that of the filmed one, were it seen straight on",
        unit="1",
        low=0.05,
        high=5,
        draw={"uniform": [0.92, 1.4]},
    )
    room_temperature: float = quantity(
        "colour temperature of the room's lamps",
        unit="K",
        low=1700,
        high=20000,
        draw={"uniform": [2700, 6500]},
    )
    room_seed: int = quantity(
        "number of the procedural room", unit="1", low=0, high=2**31 - 1, draw={"integer": [0, 2**31 - 1]}
    )
