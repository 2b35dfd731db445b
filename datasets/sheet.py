"""preview.png: what was made, beside what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from facedata.datasets.errors import FacedataError
from facedata.datasets.items import printable
from facedata.datasets.pictures import read_picture
from facedata.datasets.sample import SCHEMA, Sample
from facedata.datasets.storage import read_reference

__all__ = ["SHEET_NAME", "steps_of", "write_sheet"]

SHEET_NAME = "preview.png"
_LOOKED_AT = 5000  # ids are hashes, so the first rows are a fair sample of all
_UNSEEN = ("landmarks", "au", "au_domain", "attributes")  # columns that are large and not shown
_COLUMNS, _FAMILIES, _OPERATORS = 8, 6, 16
_TILE, _GAP, _CAPTION, _HEADING = 168, 8, 32, 44
_PAPER, _INK, _GREY = (255, 255, 255), (24, 24, 27), (113, 113, 122)
_CHIPS = {"live": (22, 128, 61), "spoof": (185, 28, 28), None: (113, 113, 122)}


@dataclass(frozen=True, slots=True)
class _Tile:
    sample: Sample
    caption: str
    detail: bool = False


def steps_of(sample: Sample) -> list[dict[str, Any]]:
    """Return the operator steps that made a sample, each with `operator`, `version` and `parameters`."""
    steps = (sample.parameters or {}).get("steps", [])
    return [step for step in steps if isinstance(step, dict) and "operator" in step]


def write_sheet(root: Path) -> None:
    """Write the contact sheet of the rows and pictures under `root`.

    First whole families, a parent and its variants in a row; then each operator once, by the sample where it
    is strongest and least mixed with others, with a detail of the same place at full resolution.
    """
    samples = {sample.sample_id: sample for sample in islice(_rows(root), _LOOKED_AT)}
    families = _families(samples.values())
    parents = [samples[parent] for parent in families if parent in samples][:_FAMILIES]
    sections: list[tuple[str, list[list[_Tile]]]] = []
    if parents:
        rows = [[_tile(p), *map(_tile, families[p.sample_id][: _COLUMNS - 1])] for p in parents]
        sections.append(("Parents (left) and what was made from them", rows))
    else:
        shown = [_tile(sample) for sample in islice(samples.values(), _COLUMNS * _FAMILIES)]
        sections.append(("Samples", _in_rows(shown, _COLUMNS)))
    if exhibits := _exhibits(samples):
        pairs = [tile for clean, made, name in exhibits for tile in _exhibit(clean, made, name)]
        title = "Each operator at its strongest here: parent, result, and a detail of both at 1:1"
        sections.append((title, _in_rows(pairs, _COLUMNS)))
    # OpenCV's default settings write a PNG four times as fast as Pillow's.
    sheet = cv2.cvtColor(np.asarray(_draw(root, sections)), cv2.COLOR_RGB2BGR)
    (root / SHEET_NAME).write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


def _rows(root: Path) -> Iterator[Sample]:
    with pq.ParquetFile(root / "samples.parquet", pre_buffer=False) as file:  # else all of it is read
        unseen = dict.fromkeys(_UNSEEN)
        for batch in file.iter_batches(512, columns=[name for name in SCHEMA.names if name not in _UNSEEN]):
            yield from (Sample.from_row({**row, **unseen}) for row in batch.to_pylist())


def _families(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.parent_id is not None:
            families.setdefault(sample.parent_id, []).append(sample)
    for members in families.values():
        members.sort(key=lambda sample: (sample.variant or 0, sample.sample_id))
    return dict(sorted(families.items()))


def _exhibits(samples: dict[str, Sample]) -> list[tuple[Sample, Sample, str]]:
    best: dict[str, tuple[tuple[float, ...], Sample]] = {}
    for sample in samples.values():
        steps = steps_of(sample)
        for number, step in enumerate(steps):
            # Strong and little disturbed by the other steps: a level is a policy's step of strength.
            others = sum(float(s.get("level") or 0) for s in steps) - float(step.get("level") or 0)
            rank = (float(step.get("level") or 0) - others / 2, float(number), -len(steps))
            acts = step["operator"] in (sample.operator or "").split("+")
            if (
                acts
                and sample.parent_id in samples
                and rank > best.get(step["operator"], ((-1e9,), sample))[0]
            ):
                best[step["operator"]] = (rank, sample)
    return [
        (samples[made.parent_id or ""], made, name)
        for name, (_, made) in islice(sorted(best.items()), _OPERATORS)
    ]


def _tile(sample: Sample) -> _Tile:
    if sample.parent_id is not None:
        return _Tile(sample, (sample.operator or "made").replace("+", " + "))
    source = sample.source.file if sample.source and sample.source.file else sample.sample_id[:12]
    return _Tile(sample, printable(Path(source).stem).replace("__", " "))


def _exhibit(clean: Sample, made: Sample, name: str) -> list[_Tile]:
    return [
        _Tile(clean, name),
        _Tile(made, (made.operator or "").replace("+", " + ")),
        _Tile(clean, "1:1", detail=True),
        _Tile(made, "1:1", detail=True),
    ]


def _in_rows(tiles: list[_Tile], columns: int) -> list[list[_Tile]]:
    return [tiles[start : start + columns] for start in range(0, len(tiles), columns)]


def _draw(root: Path, sections: list[tuple[str, list[list[_Tile]]]]) -> Image.Image:
    columns = max(len(row) for _, rows in sections for row in rows)
    width = columns * (_TILE + _GAP) + _GAP
    height = sum(_HEADING + len(rows) * (_TILE + _CAPTION + _GAP) for _, rows in sections) + _GAP
    sheet = Image.new("RGB", (max(width, 480), height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    heading, small = ImageFont.load_default(18), ImageFont.load_default(11)
    top = 0
    for title, rows in sections:
        draw.text((_GAP, top + 14), title, _INK, heading)
        top += _HEADING
        for row in rows:
            for column, tile in enumerate(row):
                left = _GAP + column * (_TILE + _GAP)
                sheet.paste(_thumbnail(root, tile), (left, top))
                _caption(draw, tile, left, top + _TILE + 3, small)
            top += _TILE + _CAPTION + _GAP
    return sheet


def _caption(draw: ImageDraw.ImageDraw, tile: _Tile, left: int, top: int, font: Any) -> None:
    text = tile.caption
    while draw.textlength(text, font) > _TILE and len(text) > 4:
        text = text[:-4] + "..."
    draw.text((left, top), text, _INK if not tile.detail else _GREY, font)
    if not tile.detail:
        status = tile.sample.label or "unlabelled"
        if tile.sample.attack:
            status += f"  {tile.sample.attack}"
        draw.text((left, top + 14), status, _CHIPS.get(tile.sample.label, _GREY), font)


def _thumbnail(root: Path, tile: _Tile) -> Image.Image:
    try:
        data = read_reference(root, tile.sample.image)
        picture = Image.fromarray(read_picture(data, tile.sample.sample_id, max_pixels=2**40).pixels)
    except FacedataError:
        return Image.new("RGB", (_TILE, _TILE), _GREY)
    if tile.detail:
        return _detail(picture, tile.sample)
    picture.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (_TILE, _TILE), _PAPER)
    square.paste(picture, ((_TILE - picture.width) // 2, (_TILE - picture.height) // 2))
    return square


def _detail(picture: Image.Image, sample: Sample) -> Image.Image:
    """Return a window at full resolution over the face's eyes, or over the middle where no box is known."""
    x, y = picture.width / 2, picture.height * 0.45
    if sample.box:
        x, y = sample.box[0] + sample.box[2] / 2, sample.box[1] + sample.box[3] * 0.4
    side = min(_TILE, picture.width, picture.height)
    left = int(min(max(x - side / 2, 0), picture.width - side))
    top = int(min(max(y - side / 2, 0), picture.height - side))
    window = picture.crop((left, top, left + side, top + side))
    return window.resize((_TILE, _TILE), Image.Resampling.NEAREST)
