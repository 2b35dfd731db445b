"""What a batched operator is: drawn and packed on the CPU, applied to a batch wherever it lies.

`draw` gives each sample the parameters that a dataset's row would record, from the same hash words. `pack`
turns them into tensors whose first axis is the batch, with what the operator computes once per set of
parameters (taps, phases, small textures). `forward` is then one graph of tensor operations: it has no loop
over the batch, no branch on a value, and draws nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import update_wrapper
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedata.augment.draws import Draw
from facedata.augment.landmarks import Face
from facedata.augment.operator import Operator, Parameters
from facedata.augment.policy import check_draws, placed
from facedata.augment.registry import find
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

__all__ = ["BatchedOperator", "Packed", "Params", "Size", "check_batch", "frame_of", "with_faces"]

Params = dict[str, Tensor]
"""Packed parameters: the first axis of every tensor is the batch."""

Packed = dict[str, NDArray[Any] | np.float32 | np.int32]
"""Packed parameters of one sample, in NumPy: arrays of float32, int32 or uint8, and numbers."""

Size = int | tuple[int, int]
"""Height and width of the pictures in px, or the side of square ones."""


class BatchedOperator(nn.Module, ABC):
    """Base of the batched operators.

    `parameters` are distributions or values that take the place of the operator's default ones, by name.

    Call `module(image, params)` with `image` B x 3 x H x W, floating, sRGB-coded RGB in 0-1, on any device,
    and `params` of `sample` or `pack` on the same device. The result has the image's shape, dtype and device.
    All arithmetic is in float32, and the result is not rounded to 8 bits; float64 images lose precision.
    """

    name: ClassVar[str]
    """Name of the operator."""

    def __init_subclass__(cls) -> None:
        """Give each operator a `forward` of its own: torch.compile counts recompilations by code object.

        With one that all share, compiling nine operators would hit the limit of eight.
        """
        super().__init_subclass__()
        shared = BatchedOperator.forward
        own = FunctionType(shared.__code__.replace(), shared.__globals__, shared.__name__)
        cls.forward = update_wrapper(own, shared)  # type: ignore[method-assign]

    def __init__(self, parameters: Mapping[str, Draw] | None = None) -> None:
        super().__init__()
        self.operator: Operator[Any] = find(self.name)
        self.given = dict(parameters or {})
        check_draws(self.operator, self.given)

    def draw(
        self,
        sample_ids: Sequence[str],
        seed: int,
        variant: int = 0,
        stage: int = 0,
        faces: Sequence[Face | None] | None = None,
    ) -> list[Parameters]:
        """Return each sample's parameters: those of step `stage` of a policy's chain of this operator.

        `faces`, where they are known, decide where an attack that is cut to a face lies.
        """
        return [
            self.operator.sample(
                Words.of(seed, name, variant, stage, self.name), {**placed(self.operator, face), **self.given}
            )
            for name, face in with_faces(sample_ids, faces)
        ]

    def pack(self, parameters: Sequence[Any], size: Size, device: torch.device | str | None = None) -> Params:
        """Return the tensors that `forward` takes, for pictures of `size` px.

        `parameters` are of the operator's own model, as `draw` or `Operator.parse` returns them.
        """
        if not parameters:
            raise UsageError(f"{self.name}: there is nothing to pack; give one set of parameters per sample")
        height, width = frame_of(size)
        rows = [self.pack_one(one, height, width) for one in parameters]
        packed = {name: torch.from_numpy(_stacked([row[name] for row in rows])) for name in rows[0]}
        packed["shows"] = torch.tensor([self.operator.shows(one, width, height) for one in parameters])
        # no data, but a shape: what was packed for another size is noticed
        packed["frame"] = torch.empty(len(rows), height, width, 0)
        return {name: tensor.to(device) for name, tensor in packed.items()}

    def sample(
        self,
        sample_ids: Sequence[str],
        seed: int,
        variant: int = 0,
        *,
        size: Size,
        stage: int = 0,
        faces: Sequence[Face | None] | None = None,
        device: torch.device | str | None = None,
    ) -> Params:
        """Return packed parameters, drawn for each sample from hash words."""
        return self.pack(self.draw(sample_ids, seed, variant, stage, faces), size, device)

    def forward(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures after the operator; those on which it does not show come back as they are."""
        check_batch(image, params["frame"], self.name)
        light = image.to(torch.float32)
        made = torch.where(params["shows"][:, None, None, None], self.render(light, params), light)
        return made.to(image.dtype)

    @abstractmethod
    def pack_one(self, parameters: Any, height: int, width: int) -> Packed:
        """Return one sample's tensors; where shapes differ within a batch, they are filled up with zeros."""

    @abstractmethod
    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the pictures, float32, B x 3 x H x W, sRGB-coded, after the operator."""


def with_faces(
    sample_ids: Sequence[str], faces: Sequence[Face | None] | None
) -> Iterator[tuple[str, Face | None]]:
    """Yield each sample with its face, or raise UsageError where their numbers differ."""
    if faces is not None and len(faces) != len(sample_ids):
        raise UsageError(f"{len(faces)} faces for {len(sample_ids)} samples; give one, or None, for each")
    return zip(sample_ids, faces or [None] * len(sample_ids), strict=True)


def frame_of(size: Size) -> tuple[int, int]:
    """Return height and width of `size`, or raise UsageError."""
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise UsageError(f"size {size} px is not positive; give a side, or (height, width)")
    return height, width


def check_batch(image: Tensor, frame: Tensor, name: str) -> None:
    """Raise ValueError unless `image` is a batch of pictures of the number and size of `frame`."""
    batch, height, width, _ = frame.shape
    if image.ndim != 4 or not image.is_floating_point():
        came = f"{image.dtype} of shape {tuple(image.shape)}"
        raise ValueError(f"{name}: expected floating point of shape (batch, 3, height, width), got {came}")
    expected = (batch, 3, height, width)
    if tuple(image.shape) != expected:
        raise ValueError(
            f"{name}: the parameters were packed for shape {expected}, the image has {tuple(image.shape)}; "
            "pack them with its size"
        )
    if image.device != frame.device:
        raise ValueError(
            f"{name}: the image is on {image.device}, its parameters on {frame.device}; pack with device="
        )


def _stacked(values: list[Any]) -> NDArray[Any]:
    arrays = [np.asarray(value) for value in values]
    shape = tuple(np.max([array.shape for array in arrays], axis=0)) if arrays[0].ndim else ()
    out = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for number, array in enumerate(arrays):
        place: tuple[int | slice, ...] = (number, *(slice(length) for length in array.shape))
        out[place] = array
    return out
