"""Random choices from hash words, never from a global generator.

A choice is keyed by what it is for (seed, sample, variant, stage, parameter), so it depends neither on the
worker, nor on the order of a listing, nor on how many other choices were drawn before it. The words come from
BLAKE2b and the map from word to float is our own, so parameters are the same on every machine, which NumPy
does not promise of its streams.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from hashlib import blake2b
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeVar

__all__ = [
    "Words",
    "choice_of",
    "generator_of",
    "integer_of",
    "log_uniform_of",
    "normal_of",
    "uniform_of",
]

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_BLOCK = 8  # words per digest: BLAKE2b gives 64 bytes at once
_WORDS = struct.Struct("<8Q")
_FIRST = bytes(8)
_STANDARD_NORMAL = NormalDist()


def uniform_of(word: int, low: float, high: float) -> float:
    """Return the float over [low, high) that a word stands for: one of 2**53 even steps."""
    return low + (high - low) * ((word >> 11) * 2.0**-53)


def log_uniform_of(word: int, low: float, high: float) -> float:
    """Return the float over [low, high) that a word stands for where logarithms are uniform."""
    return low * math.exp((word >> 11) * 2.0**-53 * math.log(high / low))


def normal_of(word: int, mean: float, deviation: float) -> float:
    """Return the normal deviate that a word stands for, by the inverse of the distribution function."""
    return mean + deviation * _STANDARD_NORMAL.inv_cdf((word >> 11) * 2.0**-53 + 2.0**-54)


def integer_of(word: int, low: int, high: int) -> int:
    """Return the integer over low .. high, both included, that a word stands for."""
    return low + (word * (high - low + 1) >> 64)


def choice_of(word: int, *options: T) -> T:
    """Return the one of `options` that a word stands for."""
    return options[word * len(options) >> 64]


class Words:
    """A stream of 64-bit words that is a pure function of its keys.

    >>> a = Words.of(7, "sample", 0)
    >>> b = Words.of(7, "sample", 0)
    >>> a.uniform(0, 1) == b.uniform(0, 1)
    True
    >>> Words.of(7, "sample", 0).named("strength").integer(1, 6) in range(1, 7)
    True
    """

    __slots__ = ("_buffer", "_key", "_next")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._buffer: tuple[int, ...] = ()
        self._next = 0

    @classmethod
    def of(cls, *keys: int | str) -> Words:
        """Return the stream keyed by `keys`; integers and strings of the same spelling are different keys."""
        digest = blake2b(digest_size=32)
        for key in keys:
            text = f"{'i' if isinstance(key, int) else 's'}{key}".encode()
            digest.update(len(text).to_bytes(4, "little") + text)  # lengths keep ("ab", "c") off ("a", "bc")
        return cls(digest.digest())

    def named(self, name: str) -> Words:
        """Return the substream `name`; it does not depend on what was drawn from this one."""
        return Words(blake2b(name.encode(), key=self._key, digest_size=32).digest())

    def first(self, name: str) -> int:
        """Return `named(name).word()`, the only word that most substreams are asked for."""
        key = blake2b(name.encode(), key=self._key, digest_size=32).digest()
        return int.from_bytes(blake2b(_FIRST, key=key, digest_size=64).digest()[:8], "little")

    def word(self) -> int:
        """Return the next word, uniform over 0 .. 2**64 - 1."""
        place = self._next % _BLOCK
        if place == 0:
            counter = (self._next // _BLOCK).to_bytes(8, "little")
            block = blake2b(counter, key=self._key, digest_size=64).digest()
            self._buffer = _WORDS.unpack(block)
        self._next += 1
        return self._buffer[place]

    def unit(self) -> float:
        """Return a float uniform over [0, 1), a multiple of 2**-53."""
        return (self.word() >> 11) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """Return a float uniform over [low, high)."""
        return uniform_of(self.word(), low, high)

    def log_uniform(self, low: float, high: float) -> float:
        """Return a float whose logarithm is uniform over [log low, log high); both must be positive."""
        return log_uniform_of(self.word(), low, high)

    def normal(self, mean: float, deviation: float) -> float:
        """Return a normal deviate, by the inverse of its distribution function."""
        return normal_of(self.word(), mean, deviation)

    def integer(self, low: int, high: int) -> int:
        """Return an integer uniform over low .. high, both included."""
        return integer_of(self.word(), low, high)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.unit() < probability

    def choice(self, options: Sequence[T]) -> T:
        """Return one of `options`, each as likely as the others."""
        return options[self.integer(0, len(options) - 1)]


def generator_of(*keys: int | str) -> torch.Generator:
    """Return a generator of torch on the CPU that is seeded by what it is for."""
    import torch

    return torch.Generator().manual_seed(Words.of(*keys).word() >> 1)
