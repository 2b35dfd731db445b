"""Noise from integer hashes: the same number for the same place, on every machine and in any order."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["gaussian", "hash_words", "tables", "uniform"]

Floats32 = NDArray[np.float32]


def hash_words(seed: int, stream: int, count: int) -> NDArray[np.uint32]:
    """Return `count` 32-bit words of (seed, stream, index), uniform: MurmurHash3's finaliser, twice."""
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1)
        x ^= np.uint32((seed * 0x85EBCA77 + stream * 0xC2B2AE3D + 0x27D4EB2F) & 0xFFFFFFFF)
        for _ in range(2):
            x ^= x >> np.uint32(16)
            x *= np.uint32(0x85EBCA6B)
            x ^= x >> np.uint32(13)
            x *= np.uint32(0xC2B2AE35)
            x ^= x >> np.uint32(16)
    return x


def gaussian(seed: int, stream: int, shape: tuple[int, ...]) -> Floats32:
    """Return nearly normal noise: the sum of four uniform bytes of a word, mean 0, deviation 1."""
    words = hash_words(seed, stream, int(np.prod(shape)))
    total = (words & 0xFF) + ((words >> 8) & 0xFF) + ((words >> 16) & 0xFF) + (words >> 24)
    noise = (total.astype(np.float32) - np.float32(510.0)) / np.float32(147.8)
    return np.asarray(noise.reshape(shape), np.float32)


def uniform(seed: int, stream: int, count: int) -> NDArray[np.float64]:
    """Return numbers uniform over [0, 1)."""
    return hash_words(seed, stream, count).astype(np.float64) / 2.0**32


@lru_cache(maxsize=8)
def tables(seed: int) -> Floats32:
    """Return noise tables (4, 256, 256) that tile, mean 0, deviation 1: fine, middle, broad and spots."""
    out = np.empty((4, 256, 256), np.float32)
    for layer, scales in enumerate(((0.8,), (2.2, 5.0), (7.0, 14.0), (1.6,))):
        total = np.zeros((256, 256), np.float32)
        for n, sigma in enumerate(scales):
            white = gaussian(seed, 16 * layer + n, (256, 256))
            pad = 64
            wide = np.pad(white, pad, mode="wrap")
            soft = cv2.GaussianBlur(wide, (0, 0), sigma)[pad:-pad, pad:-pad]
            total += soft / soft.std()
        out[layer] = (total - total.mean()) / total.std()
    return out
