"""What a map is: a picture, a pair of pictures or a clip, turned into numbers that say something of texture.

Every map exists twice, in NumPy for one input and in torch for a batch on any device, and both stay within
`bound` of each other on 8-bit input. Pictures are brought to 8-bit luma first, so what a map sees is what a
camera or a file delivers; in torch the rounding lets gradients pass as if it were not there.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Map", "check_clip", "check_picture"]

Takes = Literal["picture", "pair", "clip"]


@dataclass(frozen=True, slots=True)
class Map:
    """A map by name.

    - `takes`: `picture` (uint8 h x w x 3 RGB), `pair` (two of one size) or `clip` (uint8 t x h x w x 3).
    - `numpy` gives float32 with the channels first; `torch` names the twin, `module:function`, which takes
      n x 3 x h x w (a clip: n x t x 3 x h x w), floating, RGB in 0-1, and gives the same with n in front.
    - `channels` are their names, one empty name for a single one, and () where their number depends on the
      input.
    - `limits`: what no value exceeds (None: no such bound). `shown`: the window that a picture of the map
      shows as 0 to 255; what lies beyond is clipped.
    - `bound`: how far the twins may be apart, in the unit of the values.
    - `gradients`: whether the twin has any. `needs`: a module that the extra `maps` brings, or None.
    - `drawn`: draws the map for people, uint8 h x w or h x w x 3, where its values are no picture.
    """

    name: str
    summary: str
    unit: str
    source: str
    takes: Takes
    numpy: Callable[..., NDArray[np.float32]]
    torch: str
    channels: tuple[str, ...]
    limits: tuple[float | None, float | None]
    shown: tuple[float, float]
    bound: float
    gradients: bool = True
    needs: str | None = None
    drawn: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None

    def batched(self) -> Callable[..., Tensor]:
        """Return the torch twin; torch is imported here and not before."""
        module, _, function = self.torch.partition(":")
        found: Callable[..., Tensor] = getattr(importlib.import_module(module), function)
        return found

    def check_installed(self) -> None:
        """Raise UsageError where what the map is made with is not installed."""
        if self.needs is not None and importlib.util.find_spec(self.needs) is None:
            raise UsageError(f"{self.name} needs {self.needs}: pip install 'facedata[maps]'")

    def scaled(self, values: Any) -> Any:
        """Return values, an array or a tensor, with the window `shown` as 0-1, clipped: a network's input."""
        low, high = self.shown
        return ((values - low) / (high - low)).clip(0, 1)

    def layers(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        """Return the map of a picture as layers, uint8, by name: one, or one of each channel."""
        if self.takes != "picture":
            raise UsageError(f"{self.name} is made of a {self.takes}, not of a picture")
        if self.drawn is not None:
            return {self.name: self.drawn(pixels)}
        codes = np.round(255 * self.scaled(self.numpy(pixels))).astype(np.uint8)
        names = [f"{self.name}-{channel}" if channel else self.name for channel in self.channels]
        return dict(zip(names, codes, strict=True))

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of its layers."""
        if self.drawn is not None:
            return (self.name,)
        return tuple(f"{self.name}-{channel}" if channel else self.name for channel in self.channels)


def check_picture(pixels: NDArray[Any], name: str, least: int = 1) -> None:
    """Raise UsageError unless `pixels` are uint8 h x w x 3 with sides of at least `least` px."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UsageError(
            f"{name}: expected uint8 of shape (height, width, 3), got {pixels.dtype} of {pixels.shape}"
        )
    if min(pixels.shape[:2]) < least:
        raise UsageError(f"{name}: {pixels.shape[1]} x {pixels.shape[0]} px is less than {least} px")


def check_clip(clip: NDArray[Any], name: str, least: int = 2) -> None:
    """Raise UsageError unless `clip` is uint8 t x h x w x 3 with at least `least` frames."""
    if clip.dtype != np.uint8 or clip.ndim != 4 or clip.shape[3] != 3:
        raise UsageError(
            f"{name}: expected uint8 of shape (frames, height, width, 3), got {clip.dtype} of {clip.shape}"
        )
    if len(clip) < least:
        raise UsageError(f"{name}: {len(clip)} frames are too few, give {least} or more")
