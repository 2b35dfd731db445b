"""The operators on a machine that has no numba: the same pixels, slowly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from facedata.augment.interpreted import interpreted
from facedata.augment.registry import OPERATORS
from facedata.datasets.words import Words

# all that is drawn or filtered is to be seen on a small picture: dots, folds, flare, glass, several tiles
SEEN = {"print_width": 6.0, "medium_width": 25.0, "fill": 0.75, "flare_strength": 0.2, "defocus": 0.6}
SEEN |= {"tilt": 12.0, "distance": 150.0, "misregistration": 0.1, "side_light": 0.5, "flicker_depth": 0.2}
SIZES = ((24, 28), (41, 33))


def rendered():
    """Every operator on two small pictures, by name and size."""
    found = {}
    for name, operator in OPERATORS.items():
        for height, width in SIZES:
            noise = np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)
            image = cv2.GaussianBlur(noise, (0, 0), 1.2)
            given = {key: value for key, value in SEEN.items() if key in operator.draws()}
            parameters = operator.sample(Words.of(height, name), given)
            found[f"{name}-{height}"] = operator.apply(image, parameters).image
    return found


BARE = """
import sys
sys.modules["numba"] = None
sys.path.insert(0, sys.argv[2])
import numpy as np
import test_without_numba
from facedata.augment.kernels import COMPILED
from facedata.augment.registry import warm
assert not COMPILED
warm()
np.savez(sys.argv[1], **test_without_numba.rendered())
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """What a Python without numba makes, and what it says."""
    place = tmp_path_factory.mktemp("bare") / "made.npz"
    command = [sys.executable, "-W", "error", "-c", BARE, str(place), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return dict(np.load(place)), done.stderr


def test_the_pixels_are_those_of_the_compiled_kernels(bare):
    made, _ = bare
    expected = rendered()
    assert made.keys() == expected.keys()
    for name, image in expected.items():
        assert np.array_equal(made[name], image), name


def test_one_line_says_that_it_is_slow(bare):
    _, said = bare
    assert said.count("\n") == 1
    assert "numba cannot be imported" in said
    assert "install numba" in said


def test_casts_narrow_and_elements_do_not_overflow():
    """What the compiler does of small types, by hand: 64 bits in between, as many as asked for in the end."""

    def kernel(small, out):
        total = small[0] + small[1]  # 500, not 244
        out[0] = np.uint8(total)
        out[1] = np.int32(total << 40)
        out[2] = np.uint32(-total)
        out[3] = np.int16(40000)
        return total

    out = np.zeros(4, np.int64)
    assert interpreted(kernel)(np.array([250, 250], np.uint8), out) == 500
    assert out.tolist() == [500 - 256, 0, 2**32 - 500, 40000 - 65536]


def test_what_comes_back_is_a_plain_array():
    def kernel(height):
        made = np.zeros((height, 2), np.uint16)
        made[:, 1] = 70
        return made, made[0]

    whole, row = interpreted(kernel)(np.int64(3))
    assert type(whole) is type(row) is np.ndarray
    assert whole.dtype == np.uint16
    assert whole.sum() == 210
