"""Faces as the network sees them: square, of one size, with their quality measured there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch's own documentation uses
from numpy.typing import NDArray
from torch import Tensor

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError
from facedata.datasets.pictures import Picture, middle_square, read_picture
from facedata.datasets.quality import blur_and_noise, look_of
from facedata.synth.alignment import laid_onto
from facedata.synth.pairs import Pair

__all__ = [
    "COARSE",
    "QUALITIES",
    "Scale",
    "Shelf",
    "as_pixels",
    "as_tensor",
    "coarse",
    "fitted",
    "log_codes",
    "quality_vector",
    "seen_quality",
]

QUALITIES = ("blur", "noise", "compression", "resolution")
"""Blur effect 0-1, log10 of the noise's deviation in codes, JPEG quality 1-100, log2 of the shorter side."""

COARSE = 8
"""Side of the copy that tells a network of live faces who is shown, px."""


def fitted(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the middle square of a picture, uint8 RGB, at `side` px: one rule for content, target and style.

    A live face and what was made of it have the same frame, so they stay on top of each other.
    """
    return middle_square(pixels, side)


def log_codes(value: float) -> float:
    """Return log10 of a number of codes, of which less than a twentieth cannot be told; 0 of NaN."""
    return 0.0 if np.isnan(value) else float(np.log10(max(value, 0.05)))


def quality_vector(small: NDArray[np.uint8], data: bytes, side: int) -> NDArray[np.float32]:
    """Return QUALITIES of a picture: `small` as the network sees it, its file, and its shorter side in px.

    Blur and noise are those that the network can show, compression and resolution those of the file.
    """
    look = look_of(small, data)
    blur = 0.5 if np.isnan(look.blur) else look.blur
    compression = 100.0 if np.isnan(look.jpeg_quality) else look.jpeg_quality
    return np.array([blur, log_codes(look.noise), compression, np.log2(side)], np.float32)


def seen_quality(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return blur and log10 noise: the qualities that pixels of one size show, whatever their file."""
    blur, noise = blur_and_noise(pixels)
    return np.array([0.5 if np.isnan(blur) else blur, log_codes(noise)])


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Return n x 3 x h x w float32 in [-1, 1] of n x h x w x 3 uint8."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pixels(pictures: Tensor) -> NDArray[np.uint8]:
    """Return n x h x w x 3 uint8 of n x 3 x h x w float in [0, 1], as pipelines give them."""
    return pictures.mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def coarse(pictures: Tensor, side: int = COARSE) -> Tensor:
    """Return n x 3 x h x w pictures in [-1, 1] that went through `side` px: no texture is left."""
    small = F.interpolate(pictures, (side, side), mode="area")
    return F.interpolate(small, pictures.shape[2:], mode="bicubic", align_corners=False).clamp(-1, 1)


class Scale:
    """What makes quality values of unit spread: mean and deviation over the training targets."""

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.mean, self.deviation = tuple(mean), tuple(deviation)

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Scale:
        """Return the scale of n x q values; a value that never differs is left as it is."""
        deviation = values.std(axis=0)
        return cls(values.mean(axis=0).tolist(), np.where(deviation > 1e-6, deviation, 1.0).tolist())

    def __call__(self, values: NDArray[np.float32]) -> Tensor:
        """Return n x q standardised values."""
        return (torch.from_numpy(values) - torch.tensor(self.mean)) / torch.tensor(self.deviation)


class Shelf:
    """Pictures of a dataset at one size, with their qualities, each decoded once and kept.

    With `most`, the newest so many are kept.
    """

    def __init__(self, dataset: Dataset, images: Sequence[str], side: int, most: int | None = None) -> None:
        self.dataset, self.images, self.side, self.most = dataset, images, side, most
        self._known: dict[int, tuple[NDArray[np.uint8], NDArray[np.float32]]] = {}
        self._laid: dict[tuple[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}

    def get(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return picture `number` and its quality; raise SourceError where it cannot be read."""
        if number not in self._known:
            picture = self._read(number)
            small = fitted(picture.pixels, self.side)
            if len(self._known) == self.most:
                del self._known[next(iter(self._known))]
            self._known[number] = small, quality_vector(small, picture.data, min(picture.pixels.shape[:2]))
        return self._known[number]

    def laid(self, pair: Pair, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return a pair's content as it lies in its target of `size`, and how much it covers (0-255)."""
        if pair.fit is None:
            return self.get(pair.content)[0], np.full((self.side, self.side), 255, np.uint8)
        key = pair.content, pair.target
        if key not in self._laid:
            self._laid[key] = laid_onto(self._read(pair.content).pixels, pair.fit, size, self.side)
        return self._laid[key]

    def beside(self, pair: Pair, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return a pair's content as it lies in its target of `size`, and the target where it does not reach.

        So a pair is what a network makes, which leaves a face where it is: judged beside it, nothing differs
        but what the attack did.
        """
        laid, cover = self.laid(pair, size)
        return np.where(cover[..., None] > 127, laid, self.get(pair.target)[0])

    def _read(self, number: int) -> Picture:
        reference = self.images[number]
        try:
            return read_picture(self.dataset.read(reference), reference)
        except SourceError as error:
            raise SourceError(f"{error}; run facedata validate {self.dataset.root}") from None

    def pictures(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Return n x side x side x 3 pixels."""
        return np.stack([self.get(number)[0] for number in numbers])

    def qualities(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Return n x q values, not standardised."""
        return np.stack([self.get(number)[1] for number in numbers])
