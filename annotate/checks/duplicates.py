"""Texts that say nearly the same: found in one pass, with an index on disk.

Two texts are compared by the Jaccard index of their sets of three-word shingles (Broder 1997). Candidates
come from min-wise hashes in bands: 20 bands of 3. Two texts that share 60 % of their shingles
meet in a band with a probability of 0.992. Each candidate is then compared exactly.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEAR", "Seen", "shingles", "similarity"]

_WORD = re.compile(r"[a-z0-9']+")
_BANDS, _ROWS = 20, 3
NEAR = 0.6
"""One word in twenty changed leaves about 0.75; two texts about the same labels rarely share 0.4."""
_LENGTH = 3  # words of a shingle
_WEIGHTS: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_RANDOM = np.random.Generator(np.random.PCG64(64))  # constants of the hash family, the same in every run
_FACTORS: Final = _RANDOM.integers(1, 2**63, _BANDS * _ROWS, np.uint64) * np.uint64(2) + np.uint64(1)
_OFFSETS: Final = _RANDOM.integers(0, 2**63, _BANDS * _ROWS, np.uint64)


def shingles(text: str) -> NDArray[np.uint64]:
    """Return the hashes of a text's three-word shingles, sorted, each once; shape (n,), n >= 1."""
    words = _WORD.findall(text.lower())
    words += [""] * (_LENGTH - len(words))
    # Two 32-bit sums a word: of the word and of it twice, so that few words share a hash.
    hashes = np.array(
        [zlib.crc32(word.encode()) | zlib.adler32(word.encode()) << 32 for word in words], np.uint64
    )
    mixed = hashes * _WEIGHTS[0]
    count = len(words) - _LENGTH + 1
    sums = np.zeros(count, np.uint64)
    for place in range(_LENGTH):
        turned = mixed[place : place + count] ^ (mixed[place : place + count] >> np.uint64(29))
        sums += turned * _WEIGHTS[place]
    return np.unique(sums)


def similarity(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> float:
    """Return the Jaccard index of two sets of shingles, 0-1.

    >>> similarity(shingles("the lips are parted"), shingles("the lips are parted"))
    1.0
    """
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)


class Seen:
    """The texts seen so far, in a scratch file that is gone with the object.

    Each text is compared with the first of every bucket it falls into: one look-up a band, however many
    texts are alike.
    """

    def __init__(self, threshold: float = NEAR) -> None:
        self.threshold = threshold
        self._connection = sqlite3.connect("", isolation_level=None)  # a private file, not memory
        self._connection.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE buckets (key BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID;"
            "CREATE TABLE texts (number INTEGER PRIMARY KEY, name TEXT, shingles BLOB);"
        )

    def nearest(self, name: str, text: str) -> tuple[str, float] | None:
        """Return an earlier text's (name, similarity) where it is near; the text is remembered as `name`."""
        found = shingles(text)
        keys = _keys(found)
        marks = ", ".join("?" * len(keys))
        query = f"SELECT DISTINCT number FROM buckets WHERE key IN ({marks}) ORDER BY number"  # noqa: S608
        best: tuple[str, float] | None = None
        for (number,) in self._connection.execute(query, keys).fetchall():
            row = self._connection.execute("SELECT name, shingles FROM texts WHERE number = ?", (number,))
            other, blob = row.fetchone()
            near = similarity(found, np.frombuffer(blob, np.uint64))
            if near >= self.threshold and (best is None or near > best[1]):
                best = other, near
        cursor = self._connection.execute(
            "INSERT INTO texts (name, shingles) VALUES (?, ?)", (name, found.tobytes())
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO buckets VALUES (?, ?)", [(key, cursor.lastrowid) for key in keys]
        )
        return best

    def close(self) -> None:
        """Let go of the scratch file."""
        self._connection.close()


def _keys(found: NDArray[np.uint64]) -> list[bytes]:
    hashed = ((found[None, :] * _FACTORS[:, None] + _OFFSETS[:, None]) >> np.uint64(32)).min(axis=1)
    bands = hashed.astype(np.uint32).reshape(_BANDS, _ROWS)
    return [bytes([band]) + rows.tobytes() for band, rows in enumerate(bands)]
