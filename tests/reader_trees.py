"""Trees of exactly the shapes that datasets have on disk, with pictures and videos of our own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from conftest import picture

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.framing import Framing
from facedata.datasets.ingest import ingest_reader
from facedata.datasets.inputs import Reading

SIDE = 32


def frame(number: int, side: int = SIDE) -> np.ndarray:
    """Frame `number` of a video, RGB: its mean says which one it is."""
    return np.full((side, side, 3), 8 * number, np.uint8)


def video(path: Path, frames: int = 4, *, side: int = SIDE, codec: str = "FFV1") -> Path:
    """Write a small video, by default without loss; FFV1 goes into containers of every name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # FFmpeg takes the container from the name, and MOV knows no FFV1: a container is read by its content.
    written = path.with_suffix(".avi") if codec == "FFV1" else path
    writer = cv2.VideoWriter(str(written), cv2.VideoWriter.fourcc(*codec), 25, (side, side))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(frame(number, side)[:, :, ::-1])
    writer.release()
    return written.rename(path)


def image(path: Path, number: int = 0, width: int = SIDE, height: int = SIDE) -> Path:
    """Write a small picture in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(path.suffix, picture(number, width, height)[:, :, ::-1])[1]
    path.write_bytes(data.tobytes())
    return path


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    """Write a text file, its newlines as they are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def read(name: str, root: Path, target: Path, *, framing: Framing | None = None, **choices: str):
    """Ingest `root` with a reader; return the samples by (file, frame), and the record."""
    result = ingest_reader(
        name, root, target, Reading(), Options(overwrite=True), choices=choices, framing=framing
    )
    samples = {(one.source.file, one.source.frame): one for one in Dataset.open(target)}
    return samples, result.record


def stated(sample) -> dict:
    """What a reader said of a sample: its fields that are not null, without what the engine adds."""
    added = {"sample_id", "image", "content_hash", "width", "height", "layers", "source"}
    fields = {name: getattr(sample, name) for name in sample.__slots__ if name not in added}
    return {name: value for name, value in fields.items() if value is not None}
