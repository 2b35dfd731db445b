"""The picture that JPEG leaves: that of the codec itself, to the bit."""

import cv2
import numpy as np
import pytest

from facedata.augment.jpeg import recompressed

QUALITIES = (1, 10, 49, 50, 75, 88, 95, 100)
# blocks and groups of blocks that fill up and that do not, odd sides, chroma that is repeated and enlarged
SIZES = ((256, 256), (97, 131), (33, 290), (300, 17), (16, 16), (5, 5), (1, 9), (64, 6), (9, 4), (7, 1))


def by_the_codec(image, quality):
    """Return the RGB picture written as JPEG and read again."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    coded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)[1]
    return cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def pictures(height, width):
    """Return a smooth picture, noise, and noise of black and white alone, at which every sum is largest."""
    random = np.random.default_rng(height * 1000 + width)
    coarse = random.integers(0, 256, (height // 5 + 2, width // 5 + 2, 3), np.uint8)
    yield cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    yield random.integers(0, 256, (height, width, 3), np.uint8)
    yield random.choice(np.array([0, 255], np.uint8), (height, width, 3))


@pytest.mark.parametrize("size", SIZES)
def test_every_bit_is_that_of_the_codec(size):
    for image in pictures(*size):
        planes = np.ascontiguousarray(np.moveaxis(image, 2, 0))
        before = planes.copy()
        for quality in QUALITIES:
            found = np.moveaxis(recompressed(planes, quality), 0, 2)
            assert np.array_equal(found, by_the_codec(image, quality)), quality
        assert np.array_equal(planes, before)


def test_planes_need_not_lie_together():
    image = next(pictures(40, 50))
    planes = np.pad(np.moveaxis(image, 2, 0), ((0, 0), (2, 2), (2, 2)))[:, 2:-2, 2:-2]
    assert np.array_equal(np.moveaxis(recompressed(planes, 80), 0, 2), by_the_codec(image, 80))
