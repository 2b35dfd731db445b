"""Each effect of a medium or a camera grows with its parameter, and is absent at the neutral value."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from camera_twins import FLAWLESS
from test_operators import picture

from facedata.augment.camera import to_light
from facedata.augment.registry import OPERATORS
from facedata.datasets.words import Words

SIDE = 112
PLAIN = {
    **FLAWLESS,
    **{name: 0.0 for name in ("side_light", "tilt", "pan", "roll", "offset_x", "offset_y", "distortion")},
    **{name: 0.0 for name in ("banding", "fibre", "misregistration", "margin", "gloss", "wear", "thickness")},
    **{name: 0.0 for name in ("illuminance", "mirrored_luminance", "pulse_depth", "bezel", "throw_blur")},
    **{"keystone_x": 0.0, "keystone_y": 0.0, "part": "whole", "fill": 0.8, "temperature": 6500.0},
    **{"printer": "inkjet", "drop": 20.0, "medium_width": 200.0, "density": 200.0, "ambient": 0.6},
    **{"contrast_ratio": 1e6, "screen_width": 100.0, "engine": "lcd", "bezel_albedo": 0.3, "exposure": -0.5},
}
"""No flaw at all, and a medium that does not fill the frame."""

GROWING = {
    # neutral value first, then ever more of it
    "capture": {
        "defocus": (0.0, 0.4, 0.8, 2.0, 5.0),
        "glare": (0.0, 1.0, 5.0, 20.0),
        "field_angle": (0.0, 10.0, 25.0, 45.0),
        "flare_strength": (0.0, 0.1, 0.4, 1.5),
        "flicker_depth": (0.0, 0.05, 0.2, 0.8),
        "shot_noise": (0.0, 1e-4, 1e-3, 1e-2),
        "read_noise": (0.0, 1e-5, 1e-4, 1e-3),
        "sharpening": (0.0, 0.3, 1.0, 3.0),
        "balance_error": (0.0, 2.0, 6.0, 15.0),
        "tint": (0.0, 2.0, 8.0, 20.0),
        "saturation": (1.0, 0.9, 0.6, 0.2),
        "contrast": (1.0, 1.1, 1.4, 2.0),
        "exposure": (0.0, -0.3, -1.0, -3.0),
        "side_light": (0.0, 0.2, 1.0, 3.0),
    },
    "print-laser": {
        "gain": (0.0, 0.05, 0.15, 0.25),
        "banding": (0.0, 1.0, 4.0, 15.0),
        "fibre": (0.0, 0.5, 2.0, 8.0),
        "gloss": (0.0, 0.05, 0.3, 1.5),
        "misregistration": (0.0, 0.2, 0.5, 1.0),
        "margin": (0.0, 2.0, 5.0, 12.0),
        "thickness": (0.0, 0.3, 0.8, 1.8),
        "tilt": (0.0, 5.0, 15.0, 40.0),
        "warmth": (0.0, 4.0, 12.0, 35.0),
    },
    "print-inkjet": {"gain": (0.0, 0.05, 0.15, 0.25), "banding": (0.0, 1.0, 4.0, 15.0)},
    "paper-curved": {"radius": (5000.0, 1000.0, 300.0, 120.0)},
    "paper-folded": {"fold_angle": (0.0, 8.0, 20.0, 50.0), "wear": (0.0, 0.2, 0.5, 1.0)},
    "paper-cut": {"gap": (0.0, 3.0, 10.0, 30.0), "hole": (0.1, 0.3, 0.6, 0.9)},
    "replay-lcd": {
        "illuminance": (0.0, 300.0, 2000.0, 15000.0),
        "mirrored_luminance": (0.0, 300.0, 2000.0, 15000.0),
        "pulse_depth": (0.0, 0.2, 0.5, 1.0),
        "contrast_ratio": (1e6, 500.0, 100.0, 20.0),
        "gamma": (2.2, 2.4, 2.7, 3.0),
        "defocus": (0.0, 0.5, 1.5, 4.0),
    },
    "replay-oled": {"mirrored_luminance": (0.0, 300.0, 2000.0, 15000.0), "pan": (0.0, 5.0, 15.0, 40.0)},
    "replay-projector": {
        "throw_blur": (0.0, 0.2, 0.4, 0.9),
        "keystone_x": (0.0, 3.0, 10.0, 25.0),
        "illuminance": (0.0, 50.0, 300.0, 2000.0),
    },
    "mask-resin": {
        "chroma": (1.0, 0.8, 0.4, 0.0),
        "detail": (1.0, 0.7, 0.3, 0.0),
        "relit": (0.0, 0.3, 0.7, 1.0),
        "gloss": (0.0, 0.2, 0.8, 3.0),
        "rim": (0.0, 2.0, 6.0, 15.0),
    },
    "mask-silicone": {"gloss": (0.0, 0.2, 0.8, 3.0), "detail": (1.0, 0.7, 0.3, 0.0)},
}
SEEN_BY = {
    # what lets an effect be seen
    "flicker_depth": {"exposure_time": 0.001, "frame_rows": 1000, "row_time": 20.0},
    "pulse_depth": {"pulse_frequency": 240.0, "exposure_time": 0.001, "frame_rows": 1000, "row_time": 20.0},
    "gloss": {"lamp_angle": 10.0, "gloss_exponent": 10.0},
    "wear": {"fold_angle": 40.0},
    "hole": {"cut": "both"},
    "banding": {"banding_period": 90.0},
    "misregistration": {"medium_width": 40.0},
}


def rendered(name, image, seed, **fixed):
    operator = OPERATORS[name]
    given = {key: value for key, value in {**PLAIN, **fixed}.items() if key in operator.draws()}
    return operator.apply(image, operator.sample(Words.of(seed, name), given)).image


CASES = [(name, parameter) for name, table in GROWING.items() for parameter in table]


@pytest.mark.parametrize(("name", "parameter"), CASES, ids=["-".join(case) for case in CASES])
def test_the_effect_grows_with_the_parameter(name, parameter):
    """Mean distance, in light, from the picture with the neutral value."""
    image = cv2.GaussianBlur(picture(SIDE, SIDE), (0, 0), 0.8)
    shown = SEEN_BY.get(parameter, {})
    made = [
        to_light(rendered(name, image, 3, **shown, **{parameter: value})).astype(float)
        for value in GROWING[name][parameter]
    ]
    distances = [np.abs(light - made[0]).mean() / 32768 for light in made]
    assert all(b > 1.05 * a for a, b in pairwise(distances)), distances
    assert distances[-1] > 0.001


FLAWS = sorted(GROWING["capture"].keys() - {"exposure"})


@pytest.mark.parametrize("seed", [0, 1])
def test_a_camera_without_any_flaw_is_no_more_than_its_codes(seed):
    """All strengths at their neutral values together: the parent, to the steps of mosaic and tone."""
    image = np.full((SIDE, SIDE, 3), (180, 140, 110), np.uint8)
    neutral = {name: GROWING["capture"][name][0] for name in FLAWS}
    out = rendered("capture", image, seed, **{**neutral, "exposure": 0.0})
    assert np.abs(out.astype(int) - image).max() <= 1
