"""What a picture's file is called, wherever one is written."""

from __future__ import annotations

from facedata.datasets.sample import Sample
from facedata.datasets.storage import slug

__all__ = ["stem_of", "suffix_of"]


def stem_of(sample: Sample) -> str:
    """Return a readable, unique file name stem: the source's name, what was done, and the sample's id.

    It holds ASCII letters, digits, `-` and `_` alone.
    """
    source = sample.source.file if sample.source and sample.source.file else "picture"
    words = [slug(source.rpartition("/")[2].rpartition(".")[0] or source)]
    if sample.parent_id is not None:
        words += [f"v{sample.variant}", slug(sample.operator or "made", 60)]
    return "-".join([*words, sample.sample_id[:12]])


def suffix_of(data: bytes) -> str:
    """Return the file name ending of stored bytes, which are JPEG, PNG or WebP: `jpg`, `png` or `webp`."""
    if data.startswith(b"\x89PNG"):
        return "png"
    return "webp" if data[8:12] == b"WEBP" else "jpg"
