"""Tiny ONNX networks with the outputs of face detectors, written by hand: they "find" red, nothing else."""

from __future__ import annotations

import math

import numpy as np

CELL = 8
"""Side in pixels of a cell of `yunet`'s finest grid."""


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def _field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, array: np.ndarray) -> bytes:
    kind = 7 if array.dtype == np.int64 else 1
    dims = b"".join(_field(1, size) for size in array.shape)
    return dims + _field(2, kind) + _field(8, name) + _field(9, array.tobytes())


def _ints(name: str, values: tuple[int, ...]) -> bytes:
    return _field(1, name) + b"".join(_field(8, value) for value in values) + _field(20, 7)


def _node(kind: str, inputs: list[str], output: str, *attributes: bytes) -> bytes:
    named = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(3, output)
    return named + _field(4, kind) + b"".join(_field(5, one) for one in attributes)


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def _model(nodes: list[bytes], constants: list[bytes], shape: tuple[int, ...], outputs: list[str]) -> bytes:
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "twin")
    graph += b"".join(_field(5, constant) for constant in constants) + _field(11, _value("input", shape))
    graph += b"".join(_field(12, _value(name, (1, 1, 1))) for name in outputs)
    return _field(1, 7) + _field(8, _field(2, 11)) + _field(7, graph)


def quadrants(size: int = 8) -> bytes:
    """`scores` and `boxes` of the quadrants of a size x size input; a quadrant's score is its mean red."""
    half = size // 2
    weight = np.zeros((1, 3, half, half), np.float32)
    weight[0, 0] = 1 / half**2
    corners = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [0, 1, 1, 2], [1, 1, 2, 2]], np.float32)[None] / 2
    constants = [
        _tensor("weight", weight),
        _tensor("column", np.array([1, 4, 1], np.int64)),
        _tensor("nothing", np.zeros((1, 4, 4), np.float32)),
        _tensor("corners", corners),
        _tensor("four", np.ones((1, 1, 4), np.float32)),
    ]
    sides, steps = _ints("kernel_shape", (half, half)), _ints("strides", (half, half))
    nodes = [
        _node("Conv", ["input", "weight"], "mean", sides, steps),
        _node("Reshape", ["mean", "column"], "red"),
        _node("Concat", ["red", "red"], "scores", _field(1, "axis") + _field(3, 2) + _field(20, 2)),
        _node("Concat", ["red"] * 4, "wide", _field(1, "axis") + _field(3, 2) + _field(20, 2)),
        _node("Mul", ["wide", "nothing"], "zero"),
        _node("Add", ["zero", "corners"], "boxes"),
    ]
    return _model(nodes, constants, (1, 3, size, size), ["scores", "boxes"])


def yunet() -> bytes:
    """YuNet's twelve outputs: a red cell of the finest grid is a face twice as wide as the cell.

    The input is BGR of 0-255. The box has twice the cell side; it and all landmarks are at the cell middle.
    """
    nodes, constants, outputs = [], [], []
    for stride in (8, 16, 32):
        score = np.zeros((1, 3, stride, stride), np.float32)
        if stride == CELL:
            score[0, 2] = 1 / (255 * stride**2)
        planes = {
            "cls": (score, [0.0]),
            "obj": (score, [0.0]),
            "bbox": (np.zeros((4, 3, stride, stride), np.float32), [0.5, 0.5, math.log(2), math.log(2)]),
            "kps": (np.zeros((10, 3, stride, stride), np.float32), [0.5] * 10),
        }
        for kind, (weight, bias) in planes.items():
            name = f"{kind}_{stride}"
            constants += [
                _tensor(f"{name}_w", weight),
                _tensor(f"{name}_b", np.array(bias, np.float32)),
                _tensor(f"{name}_s", np.array([1, -1, len(bias)], np.int64)),
            ]
            sides, steps = _ints("kernel_shape", (stride, stride)), _ints("strides", (stride, stride))
            nodes += [
                _node("Conv", ["input", f"{name}_w", f"{name}_b"], f"{name}_c", sides, steps),
                _node("Transpose", [f"{name}_c"], f"{name}_t", _ints("perm", (0, 2, 3, 1))),
                _node("Reshape", [f"{name}_t", f"{name}_s"], name),
            ]
            outputs.append(name)
    return _model(nodes, constants, (1, 3, 32, 32), outputs)


def other() -> bytes:
    """A network of another convention: one output, `faces`."""
    weight = np.ones((1, 3, 1, 1), np.float32)
    return _model(
        [_node("Conv", ["input", "weight"], "faces")], [_tensor("weight", weight)], (1, 3, 8, 8), ["faces"]
    )
