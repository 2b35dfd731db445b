"""The pixel kernels without their compiler: for machines that have no numba, a thousand times slower.

A kernel is the same function, with NumPy's scalars out of its way. The compiler computes integers in 64 bits
and narrows them where the kernel says so, as `np.int32(...)`; NumPy keeps an element's eight or sixteen bits
and would overflow. Here, elements of arrays are Python's integers, and such casts narrow them.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["interpreted"]


class _Cells(NDArray[Any]):
    """An array whose single elements are Python's own integers and floats; float32 keeps its precision."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, np.integer | np.float64 | np.bool_):
            return found.item()
        return found


class _Cast:
    """An integer type as the compiler takes it: called, it narrows a number to its bits."""

    def __init__(self, kind: type[np.integer[Any]]) -> None:
        self.dtype = np.dtype(kind)
        bits = self.dtype.itemsize * 8
        self._mask, self._sign = (1 << bits) - 1, 1 << (bits - 1) if self.dtype.kind == "i" else 0

    def __call__(self, value: Any) -> int:
        return ((int(value) & self._mask) ^ self._sign) - self._sign


class _Numpy:
    """NumPy, with integer types that cast and new arrays that hand out Python's numbers."""

    def __init__(self) -> None:
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
            setattr(self, name, _Cast(getattr(np, name)))
        for name in ("empty", "zeros", "full", "ones"):
            setattr(self, name, _making(getattr(np, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _making(make: Callable[..., NDArray[Any]]) -> Callable[..., _Cells]:
    def made(*arguments: Any) -> _Cells:
        return make(*(a.dtype if isinstance(a, _Cast) else a for a in arguments)).view(_Cells)

    return made


_NUMPY: Final = _Numpy()


def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, a kernel of arrays and numbers, so that it runs without the compiler.

    Integer results are the compiler's, bit for bit, where no sum or product leaves 64 bits; sums of float32
    and whole numbers may round otherwise.
    """

    @functools.wraps(function)
    def run(*arguments: Any) -> Any:
        return _plain(_inner(function)(*map(_cells, arguments)))

    run.interpreted = function  # type: ignore[attr-defined]
    return run


@functools.cache
def _inner(function: Any) -> Callable[..., Any]:
    """Return the function among names that suit it: `np`, and the kernels that it calls without wrapping."""
    names = {"__builtins__": __builtins__}
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if value is np:
            value = _NUMPY
        elif hasattr(value, "interpreted"):
            value = _inner(value.interpreted)
        if value is not None:
            names[name] = value
    return types.FunctionType(function.__code__, names, function.__name__)


def _cells(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.view(_Cells)
    if isinstance(value, tuple):
        return tuple(_cells(part) for part in value)
    return value.item() if isinstance(value, np.integer | np.float64 | np.bool_) else value


def _plain(value: Any) -> Any:
    if isinstance(value, _Cells):
        return value.view(np.ndarray)
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return value
