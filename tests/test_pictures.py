"""Reading pictures: whatever people feed in gives pixels or one clear line."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from conftest import jpeg, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facedata.datasets.errors import PictureError, UsageError
from facedata.datasets.pictures import Encoding, encode_layer, picture_size, read_picture

RGB = Image.fromarray(picture(1))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rotated(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(RGB, "JPEG", exif=exif, quality=95)


GREY_16 = np.linspace(0, 65535, 40 * 48).reshape(40, 48).astype(np.uint16)
RGB_16 = np.dstack([GREY_16, GREY_16[::-1], GREY_16 // 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_plain_pictures_keep_their_bytes(kind, mode):
    if (kind, mode) == ("WEBP", "L"):
        mode = "RGB"  # the format has no grey
    data = saved(RGB.convert(mode), kind)
    found = read_picture(data, "a")
    assert found.data is data
    assert found.conversion is None
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(found.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("data", "conversion"),
    [
        (rotated(3), "exif rotation 3"),
        (saved(RGB.convert("CMYK"), "JPEG"), "cmyk to rgb"),
        (saved(RGB.convert("P"), "PNG"), "palette to rgb"),
        (saved(RGB.convert("RGBA"), "PNG"), "alpha over white"),
        (saved(RGB.convert("LA"), "PNG"), "alpha over white"),
        (saved(RGB.convert("1"), "PNG"), "1 to rgb"),
        (saved(RGB, "TIFF"), "tiff to png"),
        (saved(RGB, "BMP"), "bmp to png"),
        (saved(RGB, "GIF"), "gif to png, palette to rgb"),
        (saved(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(9)]), "first of 2 frames"),
        (cv2.imencode(".png", GREY_16)[1].tobytes(), "16 bit to 8"),
        (cv2.imencode(".png", RGB_16)[1].tobytes(), "16 bit to 8"),
        (cv2.imencode(".tiff", GREY_16)[1].tobytes(), "tiff to png, mode I;16 to 8 bit"),
    ],
)
def test_other_pictures_become_png_of_the_same_pixels(data, conversion):
    found = read_picture(data, "a")
    assert found.conversion == conversion
    assert found.suffix == "png"
    assert np.array_equal(read_picture(found.data, "b").pixels, found.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]
    upright = np.rot90(np.asarray(RGB), turns)
    if orientation in (2, 4):
        upright = upright[:, ::-1]
    if orientation in (5, 7):
        upright = upright[::-1]
    error = np.abs(read_picture(rotated(orientation), "a").pixels.astype(int) - upright)
    assert error.mean() < 3  # JPEG's own error


def test_sixteen_bits_scale_exactly_at_both_ends():
    pixels = read_picture(cv2.imencode(".png", GREY_16)[1].tobytes(), "a").pixels
    assert (pixels[0, 0, 0], pixels[-1, -1, 0]) == (0, 255)
    assert np.abs(pixels[:, :, 0] - GREY_16 / 257).max() <= 0.5


def test_transparent_pixels_turn_white():
    rgba = RGB.convert("RGBA")
    rgba.putalpha(0)
    assert read_picture(saved(rgba, "PNG"), "a").pixels.min() == 255


def bomb() -> bytes:
    """A valid PNG header of 20000 x 20000 with next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


PNG = saved(RGB, "PNG")
BAD = {
    "empty": (b"", "empty", "0 bytes"),
    "text": (b"Dear sir or madam", "not-a-picture", "no picture format"),
    "truncated jpeg": (jpeg(1)[:-200], "truncated", "get a whole copy"),
    "truncated jpeg with a marker": (jpeg(1)[:300] + b"\xff\xd9", "damaged|truncated", "get a whole copy"),
    "truncated png": (PNG[: len(PNG) // 2], "truncated", "get a whole copy"),
    "png with a wrong checksum": (PNG[:60] + b"zz" + PNG[62:], "damaged", "get a whole copy"),
    "heic": (b"\0\0\0\x18ftypheic" + b"\0" * 60, "unsupported", "convert it to JPEG or PNG"),
    "bomb": (bomb(), "too-large", "400.0 megapixels.*--max-pixels"),
    "float": (saved(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "unsupported", "8 or 16 bit"),
    "postscript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "not-a-picture",
        "no picture format",
    ),
}


@pytest.mark.parametrize(("data", "kind", "words"), BAD.values(), ids=BAD.keys())
def test_bad_pictures_name_the_file_and_the_mend(data, kind, words):
    with pytest.raises(PictureError, match=words) as caught:
        read_picture(data, "casia/a.jpg")
    assert caught.value.kind in kind.split("|")
    assert str(caught.value).startswith("casia/a.jpg: ")
    assert "\n" not in str(caught.value)


def test_limit_can_be_set():
    data = jpeg(1, width=100, height=50)
    assert read_picture(data, "a", max_pixels=5000).pixels.shape == (50, 100, 3)
    with pytest.raises(PictureError, match="--max-pixels"):
        read_picture(data, "a", max_pixels=4999)
    assert Image.MAX_IMAGE_PIXELS  # Pillow's own limit is as it was


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([jpeg(1), PNG, saved(RGB, "WEBP"), saved(RGB, "TIFF"), rotated(6)]), st.data())
def test_damage_gives_a_picture_or_a_picture_error(data, draw):
    """Flip, cut or repeat bytes anywhere: nothing but PictureError may come out."""
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 6))):
        place = draw.draw(st.integers(0, len(damaged) - 1))
        damaged[place : place + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=4))
        if not damaged:
            break
    with contextlib.suppress(PictureError):
        found = read_picture(bytes(damaged), "a", max_pixels=10_000_000)
        assert found.pixels.dtype == np.uint8
        assert found.pixels.ndim == 3


def test_encoding_round_trip_and_errors():
    assert np.array_equal(read_picture(Encoding("png").encode(picture(2)), "a").pixels, picture(2))
    coarse, fine = (Encoding("jpeg", q).encode(picture(2)) for q in (10, 95))
    assert len(coarse) < len(fine)
    assert picture_size(fine) == (48, 40)
    assert read_picture(encode_layer(picture(1)[:, :, 0]), "m").pixels.shape == (40, 48, 3)
    with pytest.raises(UsageError, match="1-100"):
        Encoding("jpeg", 0)
    with pytest.raises(UsageError, match="jpeg or png"):
        Encoding("gif")
