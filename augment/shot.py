"""What a camera and one shot of it are made of: the parameters that `camera.photograph` takes."""

from __future__ import annotations

from facedata.augment.operator import Parameters, quantity

__all__ = ["CameraParameters"]


class CameraParameters(Parameters):
    """One camera and one shot; px are px of the picture."""

    temperature: float = quantity(
        "colour temperature of the light whose white the light is relative to",
        unit="K",
        low=2000,
        high=12000,
        draw={"uniform": [2700, 7500]},
    )
    balance_error: float = quantity(
        "error of the camera's estimate of that temperature",
        unit="%",
        low=-15,
        high=15,
        draw={"uniform": [-10.0, 10.0]},
    )
    tint: float = quantity(
        "excess of green after white balance (below 0: magenta)",
        unit="%",
        low=-20,
        high=20,
        draw={"uniform": [-3.0, 3.0]},
    )
    exposure: float = quantity(
        "exposure against the one that brings diffuse white to output white",
        unit="EV",
        low=-3,
        high=3,
        draw={"uniform": [-0.4, 0.25]},
    )
    defocus: float = quantity(
        "standard deviation of the lens's point spread, px of the picture",
        unit="px",
        low=0,
        high=8,
        draw={"log_uniform": [0.25, 1.2]},
    )
    field_angle: float = quantity(
        "angle off the axis of the picture's corner, which cos^4 vignetting darkens",
        unit="deg",
        low=0,
        high=60,
        draw={"uniform": [3.0, 25.0]},
    )
    glare: float = quantity(
        "share of the light that the lens scatters evenly over the frame (veiling glare, ISO 9358)",
        unit="%",
        low=0,
        high=30,
        draw={"uniform": [0.5, 3.0]},
    )
    flare_strength: float = quantity(
        "radiance of the flare's brightest place over diffuse white",
        unit="1",
        low=0,
        high=2,
        draw={"choice": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3]},
    )
    flare_x: float = quantity(
        "place of the flare's source right of the picture's middle, of the shorter side",
        unit="%",
        low=-200,
        high=200,
        draw={"uniform": [-70.0, 70.0]},
    )
    flare_y: float = quantity(
        "place of the flare's source below the picture's middle, of the shorter side",
        unit="%",
        low=-200,
        high=200,
        draw={"uniform": [-80.0, 10.0]},
    )
    flare_seed: int = quantity(
        "number of the lens whose aperture and surfaces make the flare",
        unit="1",
        low=0,
        high=2**31 - 1,
        draw={"integer": [0, 2**31 - 1]},
    )
    flicker_depth: float = quantity(
        "amplitude of the light's flicker over its mean",
        unit="1",
        low=0,
        high=1,
        draw={"choice": [0.0, 0.0, 0.05, 0.1, 0.2]},
    )
    flicker_frequency: float = quantity(
        "frequency of the flicker: twice the mains, or that of the pulses that dim a light",
        unit="Hz",
        low=10,
        high=5000,
        draw={"choice": [100.0, 120.0]},
    )
    flicker_duty: float = quantity(
        "duty cycle of a pulsed light; 0 is a lamp whose light swings as a sine",
        unit="1",
        low=0,
        high=1,
        draw=0.0,
    )
    flicker_phase: float = quantity(
        "phase of the flicker at the first row", unit="deg", low=0, high=360, draw={"uniform": [0.0, 360.0]}
    )
    exposure_time: float = quantity(
        "time that each row is exposed", unit="s", low=1e-5, high=1, draw={"log_uniform": [0.001, 1 / 30]}
    )
    row_time: float = quantity(
        "time between the starts of two rows of the sensor",
        unit="us",
        low=0,
        high=200,
        draw={"uniform": [8.0, 30.0]},
    )
    frame_rows: int = quantity(
        "rows of the camera's sensor that the picture's height spans",
        unit="1",
        low=1,
        high=12000,
        draw={"integer": [500, 2000]},
    )
    shot_noise: float = quantity(
        "noise variance per signal, both in units of full scale: variance = shot_noise * x + read_noise",
        unit="1",
        low=0,
        high=0.02,
        draw={"log_uniform": [1e-4, 1.5e-3]},
    )
    read_noise: float = quantity(
        "noise variance in the dark, in units of full scale squared",
        unit="1",
        low=0,
        high=0.001,
        draw={"log_uniform": [1e-6, 5e-5]},
    )
    bits: int = quantity(
        "resolution of the sensor's converter", unit="bit", low=8, high=14, draw={"choice": [10, 12]}
    )
    saturation: float = quantity(
        "distance of colours from grey against that of the light",
        unit="1",
        low=0,
        high=2,
        draw={"uniform": [0.9, 1.2]},
    )
    contrast: float = quantity(
        "exponent of the tone curve about mid-grey (0.18)",
        unit="1",
        low=0.5,
        high=2,
        draw={"uniform": [0.95, 1.15]},
    )
    shoulder: float = quantity(
        "roll-off of highlights: 0 clips at white, 1 bends from 0.6 of white to the sensor's full scale",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.2, 1.0]},
    )
    noise_reduction: float = quantity(
        "coring of fine detail: of luma as deviations of mid-grey's noise, of chroma three times as many",
        unit="1",
        low=0,
        high=1,
        draw={"uniform": [0.3, 1.0]},
    )
    sharpening: float = quantity(
        "share of the detail under 3 px that is added", unit="1", low=0, high=4, draw={"uniform": [0.0, 1.0]}
    )
    jpeg_first: int = quantity(
        "quality of the camera's JPEG (libjpeg scale, 4:2:0); 0 is none",
        unit="1",
        low=0,
        high=100,
        draw={"integer": [60, 95]},
    )
    jpeg_second: int = quantity(
        "quality of a second JPEG, as messengers and platforms make; 0 is none",
        unit="1",
        low=0,
        high=100,
        draw={"choice": [0, 0, 0, 0, 60, 80]},
    )
    noise_seed: int = quantity(
        "number of the noise pattern", unit="1", low=0, high=2**31 - 1, draw={"integer": [0, 2**31 - 1]}
    )
