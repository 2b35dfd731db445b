"""Reading and writing one picture, whatever people feed in.

`read_picture` gives upright 8-bit RGB pixels and the bytes to store. Bytes that every trainer reads the
same way (8-bit RGB or grey JPEG, PNG or WebP, upright, one frame, no alpha) are kept as they came; anything
else is stored as PNG of the pixels, and `conversion` says what was done.
"""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from facedata.datasets.errors import PictureError, UsageError

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "SUFFIXES",
    "Encoding",
    "Picture",
    "eight_bits",
    "encode_layer",
    "middle_square",
    "picture_size",
    "read_picture",
    "suffix_of",
]

DEFAULT_MAX_PIXELS = 64_000_000
"""Largest picture read by default: a 64-megapixel phone frame, 192 MB once decoded."""

# An allow-list: Pillow also opens formats that run other programs (EPS) or stand for other files.
_ALLOWED = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000")
_KEPT_FORMATS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp"}
_ORIENTATION_TAG = 0x0112

_FILE_TYPES = "jpg jpeg jpe jfif png webp bmp tif tiff gif ppm pgm pbm pnm avif heic heif jp2"
SUFFIXES = frozenset(f".{name}" for name in _FILE_TYPES.split())
"""File name endings that are taken for pictures in a folder."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: `pixels` uint8 height x width x 3 RGB, upright; `data` the bytes to store."""

    pixels: NDArray[np.uint8]
    data: bytes
    suffix: str
    conversion: str | None = None


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures that are made are written: `jpeg` (4:2:0, quality 1-100) or `png` (lossless)."""

    format: str = "jpeg"
    quality: int = 95

    def __post_init__(self) -> None:
        if self.format not in ("jpeg", "png"):
            raise UsageError(f"format {self.format!r} is not jpeg or png")
        if not 1 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality} is not in 1-100")

    @property
    def suffix(self) -> str:
        """File name ending, without the dot."""
        return "jpg" if self.format == "jpeg" else "png"

    def to_json(self) -> dict[str, str | int]:
        """Return what a row records of the encoding."""
        return {"format": "jpeg", "quality": self.quality} if self.format == "jpeg" else {"format": "png"}

    def encode(self, pixels: NDArray[np.uint8]) -> bytes:
        """Return the encoded bytes of uint8 RGB `pixels`."""
        options = [cv2.IMWRITE_JPEG_QUALITY, self.quality] if self.format == "jpeg" else []
        return _encode("." + self.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)


def encode_layer(layer: NDArray[np.uint8]) -> bytes:
    """Return a truth layer, uint8 height x width or height x width x 3 (RGB), as PNG bytes."""
    return _encode(".png", layer if layer.ndim == 2 else cv2.cvtColor(layer, cv2.COLOR_RGB2BGR), [])


def _encode(suffix: str, array: NDArray[Any], options: list[int]) -> bytes:
    done, buffer = cv2.imencode(suffix, array, options)
    if not done:
        raise PictureError("not-encoded", f"a {array.shape} picture could not be encoded as {suffix[1:]}")
    return buffer.tobytes()


@functools.cache
def _formats() -> tuple[str, ...]:
    """Return the allowed formats that this build of Pillow can read (some leave AVIF out)."""
    Image.init()
    return tuple(name for name in _ALLOWED if name in Image.OPEN)


def picture_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) of encoded bytes from their header alone."""
    with Image.open(io.BytesIO(data), formats=_formats()) as image:
        return image.size


def read_picture(data: bytes, name: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Decode `data`; `name` is used in messages only.

    Raises PictureError of kind `empty`, `not-a-picture`, `unsupported`, `too-large`, `truncated` or
    `damaged`.
    """
    if not data:
        raise PictureError("empty", f"{name}: the file is empty (0 bytes); replace or remove it")
    with _pillow_errors(name, data), Image.open(io.BytesIO(data), formats=_formats()) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise PictureError(
                "too-large",
                f"{name}: {width} x {height} is {width * height / 1e6:.1f} megapixels, over the limit of "
                f"{max_pixels / 1e6:g}; shrink it or raise --max-pixels",
            )
        changes = _changes(image, data)
        if not changes and image.format == "JPEG" and data.rstrip(b"\0").endswith(b"\xff\xd9"):
            # OpenCV decodes twice as fast as Pillow and gives the same pixels, but fills a truncated
            # JPEG with grey instead of failing: hence the end-of-image marker above.
            fast = cv2.imdecode(
                np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
            )
            if fast is not None and fast.shape[:2] == (height, width):
                pixels = cv2.cvtColor(fast, cv2.COLOR_BGR2RGB)
                return Picture(np.asarray(pixels, np.uint8), data, "jpg")
        pixels = _upright_rgb(image, name)
        if not changes and image.format in _KEPT_FORMATS:
            return Picture(pixels, data, _KEPT_FORMATS[image.format])
    return Picture(pixels, Encoding("png").encode(pixels), "png", ", ".join(changes) or "to png")


def eight_bits(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Return 8- or 16-bit values as 8-bit ones, 65535 as 255; raise PictureError on any other type."""
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype == np.uint16:  # 65535 / 257 = 255: exact at both ends
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    raise PictureError("unsupported", f"{name}: {array.dtype} values have no stated range; save 8 or 16 bit")


def _changes(image: Image.Image, data: bytes) -> list[str]:
    """Say what storing the picture as plain 8-bit upright RGB changes; empty where nothing does."""
    changes = []
    if image.format not in _KEPT_FORMATS:
        changes.append(f"{str(image.format).lower()} to png")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # an MPO is a JPEG with further views behind it
        changes.append(f"first of {frames} frames")
    if (orientation := image.getexif().get(_ORIENTATION_TAG, 1)) not in (0, 1):
        changes.append(f"exif rotation {orientation}")
    if image.format == "PNG" and data[24:25] == b"\x10":  # IHDR: bit depth
        changes.append("16 bit to 8")
    elif image.mode.startswith(("I", "F")):
        changes.append(f"mode {image.mode} to 8 bit")
    if image.mode in ("CMYK", "LAB", "HSV", "1"):
        changes.append(f"{image.mode.lower()} to rgb")
    if image.mode in ("P", "PA"):
        changes.append("palette to rgb")
    if image.has_transparency_data:
        changes.append("alpha over white")
    return changes


def _upright_rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    image.load()
    if image.mode.startswith("F"):
        raise PictureError("unsupported", f"{name}: float pixels have no stated range; save 8 or 16 bit")
    upright = ImageOps.exif_transpose(image) or image
    if upright.mode.startswith("I"):
        deep = np.asarray(upright).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise PictureError("unsupported", f"{name}: 32-bit pixels outside 0-65535; save 8 or 16 bit")
        grey = eight_bits(deep.astype(np.uint16), name)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, rgba)
    return np.array(upright.convert("RGB"), np.uint8)


@contextlib.contextmanager
def _pillow_errors(name: str, data: bytes) -> Iterator[None]:
    """Turn what Pillow raises on damaged input into PictureError, and keep its warnings off the screen."""
    pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # our own limit, from the header
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but readable metadata
            yield
    except UnidentifiedImageError:
        if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
            raise PictureError(
                "unsupported", f"{name}: HEIC is not read; convert it to JPEG or PNG"
            ) from None
        raise PictureError(
            "not-a-picture", f"{name}: the content is no picture format that facedata reads"
        ) from None
    except MemoryError:
        raise
    except PictureError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise anything on bytes that are made up
        kind = "truncated" if "truncated" in str(error).lower() else "damaged"
        raise PictureError(kind, f"{name}: the picture is {kind} ({error}); get a whole copy") from None
    finally:
        Image.MAX_IMAGE_PIXELS = pillow_limit


def suffix_of(data: bytes) -> str:
    """Return the file name ending of stored bytes, which are JPEG, PNG or WebP: `jpg`, `png` or `webp`."""
    if data.startswith(b"\x89PNG"):
        return "png"
    return "webp" if data[8:12] == b"WEBP" else "jpg"


def middle_square(
    pixels: NDArray[np.uint8], side: int, *, enlarge: int = cv2.INTER_CUBIC
) -> NDArray[np.uint8]:
    """Return the middle square of a picture, uint8 height x width (x 3), at `side` px.

    It is made smaller by areas, and larger by OpenCV's interpolation `enlarge`.
    """
    height, width = pixels.shape[:2]
    least = min(height, width)
    return square_window(pixels, (width - least) // 2, (height - least) // 2, least, side, enlarge=enlarge)


def square_window(
    pixels: NDArray[np.uint8], left: int, top: int, size: int, side: int, *, enlarge: int = cv2.INTER_CUBIC
) -> NDArray[np.uint8]:
    """Return a square of `size` px of a picture, uint8 height x width (x 3), at `side` px.

    Where it reaches beyond the picture, the picture's edges go on. Resized as `middle_square` is.
    """
    height, width = pixels.shape[:2]
    inside = pixels[max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)]
    beyond = (max(0, -top), max(0, top + size - height), max(0, -left), max(0, left + size - width))
    if any(beyond):
        inside = np.asarray(cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE), np.uint8)
    how = cv2.INTER_AREA if size > side else enlarge
    return np.ascontiguousarray(cv2.resize(inside, (side, side), interpolation=how), np.uint8)
