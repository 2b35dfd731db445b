"""How the pixel kernels are compiled, and the form in which pictures reach them."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from facedata.augment.interpreted import interpreted
from facedata.augment.operator import Applied, Image, check_image

_njit: Any = None
try:
    from numba import njit as _njit
except ImportError as error:
    if multiprocessing.parent_process() is None:  # once, and not again by each worker
        logging.getLogger(__name__).warning(
            "numba cannot be imported (%s): pixels are made by Python alone, a thousand times slower; "
            "install numba>=0.60 to compile their kernels",
            error,
        )

__all__ = ["COMPILED", "faded", "kernel", "prepared"]

COMPILED: Final = _njit is not None
"""Whether kernels are compiled: numba is there."""

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile `function` at its first call, one thread, cached on disk, without holding the GIL.

    Kernels compute in integers wherever pixels are made, so that their output is the same on every machine:
    no `fastmath`, no `parallel`. Computed indices are cast to unsigned: each signed one costs a test
    for a negative value, which Python counts from the end.

    Without numba the function runs as it is (`interpreted`): slowly, but all the same.
    """
    if not COMPILED:
        return cast(F, interpreted(function))
    return cast(F, _njit(cache=True, nogil=True)(function))


def prepared(image: NDArray[Any]) -> Image:
    """Return `image` (uint8, height x width x 3) checked, C-contiguous and of a writeable array.

    A read-only or strided array would be another type to the compiler, and cost a compilation each; a copy
    costs microseconds. Kernels never write to it.
    """
    ready = np.ascontiguousarray(check_image(image))
    return ready if ready.flags.writeable else ready.copy()


def faded(image: Image) -> Applied:
    """Return a copy of the picture with an empty mask: the medium is too weak or too fine to show anywhere.

    Whoever turns labels can tell by the mask that such a picture must keep its own.
    """
    return Applied(image.copy(), np.zeros(image.shape[:2], np.uint8))
