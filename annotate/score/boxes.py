"""How well answered boxes cover the true ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facedata.annotate.score.facts import Box

__all__ = ["CONFIDENCES", "average_precision", "iou_matrix", "match"]

CONFIDENCES = 101
"""Confidences are ranked in steps of 0.01."""


def iou_matrix(first: Sequence[Box], second: Sequence[Box]) -> NDArray[np.float64]:
    """Return the intersection over union of each two boxes, (first, second), 0-1.

    >>> iou_matrix([(0, 0, 10, 10)], [(5, 0, 10, 10)]).round(4).tolist()
    [[0.3333]]
    """
    a = np.asarray(first, np.float64).reshape(-1, 1, 4)
    b = np.asarray(second, np.float64).reshape(1, -1, 4)
    a_size, b_size = np.maximum(a[..., 2:], 0), np.maximum(b[..., 2:], 0)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a_size, b[..., :2] + b_size)
    shared = np.maximum(high - low, 0).prod(-1)
    union = a_size.prod(-1) + b_size.prod(-1) - shared
    overlap: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def match(truth: Sequence[Box], answer: Sequence[Box]) -> tuple[float, NDArray[np.float64]]:
    """Return (IoU of the picture, the IoU of each answered box with the true box it was given).

    Boxes are paired one to one so that the sum of their IoU is largest. The picture's IoU is that sum over
    the larger number of boxes: a box too many or too few costs as much as one that misses.
    """
    from scipy.optimize import linear_sum_assignment

    overlaps = iou_matrix(truth, answer)
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    of_answer = np.zeros(len(answer))
    of_answer[columns] = overlaps[rows, columns]
    return float(of_answer.sum() / max(len(truth), len(answer), 1)), of_answer


def average_precision(
    hits: NDArray[np.float64], misses: NDArray[np.float64], true: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return average precision, (...), from hits and misses by confidence, (..., levels), lowest first.

    The sum over levels, from the highest, of precision times the gain in recall, not interpolated. Answers of
    one confidence come together: where none states any, this is precision times recall.
    """
    found = np.cumsum(hits[..., ::-1], axis=-1)
    answered = found + np.cumsum(misses[..., ::-1], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(answered > 0, found / answered, 0.0)
        gain = hits[..., ::-1] / true[..., None]
    return np.where(true > 0, (precision * gain).sum(-1), np.nan)
