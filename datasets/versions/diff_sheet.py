"""The picture of a diff: pairs of samples, before beside after."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError, TargetError
from facedata.datasets.items import printable
from facedata.datasets.pictures import read_picture
from facedata.datasets.sample import Sample
from facedata.datasets.storage import read_reference
from facedata.datasets.versions.diff import Diff
from facedata.datasets.whole import whole

__all__ = ["write_diff_sheet"]

_TILE, _GAP, _CAPTION, _HEADING = 148, 8, 46, 40
_PAIRS = 3  # in a row
_ROWS = 2  # of a section
_INK, _GREY, _PAPER, _NONE = (24, 24, 27), (113, 113, 122), (255, 255, 255), (244, 244, 245)
_TITLES = {
    "relabelled": "Relabelled: the same picture, other values",
    "rerendered": "Re-rendered: the same sample, other pixels",
    "redrawn": "Drawn anew: the same variant of the same parent",
    "replaced": "Replaced: the same place in the source",
    "removed": "Removed",
    "added": "Added",
}
_Pair = tuple[str | None, str | None]


def write_diff_sheet(before: Path, after: Path, found: Diff, target: Path) -> None:
    """Write a PNG of examples of each kind of change to `target`; TargetError where that cannot be."""
    sections = _sections(found)
    wanted = [{pair[side] for _, pairs in sections for pair in pairs if pair[side]} for side in (0, 1)]
    samples = [_samples(root, ids) for root, ids in zip((before, after), wanted, strict=True)]
    sheet = _draw(sections, samples, (before, after))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as hidden:
            sheet.save(hidden, "PNG")
    except OSError as error:
        raise TargetError(
            f"cannot write {target} ({error.strerror or error}); choose another place"
        ) from None


def _sections(found: Diff) -> list[tuple[str, list[_Pair]]]:
    sections: list[tuple[str, list[_Pair]]] = []
    for kind, change in found.changes.items():
        if change.samples:
            sections.append((f"{_TITLES[kind]} ({change.samples})", list(change.examples)))
    for kind, counts in (("removed", found.removed), ("added", found.added)):
        if counts:
            ids = found.examples[kind]
            pairs: list[_Pair] = [(sid, None) if kind == "removed" else (None, sid) for sid in ids]
            sections.append((f"{_TITLES[kind]} ({counts.total()})", pairs))
    return [(title, pairs[: _PAIRS * _ROWS]) for title, pairs in sections]


def _samples(root: Path, ids: set[str | None]) -> dict[str, Sample]:
    if not ids:
        return {}
    wanted = pa.array([one for one in ids if one is not None], pa.string())
    tables = Dataset.open(root).tables()
    found = (table.filter(pc.is_in(table["sample_id"], wanted)).to_pylist() for table in tables)
    return {row["sample_id"]: Sample.from_row(row) for rows in found for row in rows}


def _draw(
    sections: list[tuple[str, list[_Pair]]], samples: list[dict[str, Sample]], roots: tuple[Path, Path]
) -> Image.Image:
    width = _GAP + _PAIRS * (2 * _TILE + 3 * _GAP)
    heights = [_HEADING + -(-len(pairs) // _PAIRS) * (_TILE + _CAPTION) for _, pairs in sections]
    sheet = Image.new("RGB", (width, max(sum(heights) + _GAP, _HEADING + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    heading, small = ImageFont.load_default(17), ImageFont.load_default(11)
    if not sections:
        draw.text((_GAP, 12), "The two versions are the same", _INK, heading)
    top = 0
    for (title, pairs), height in zip(sections, heights, strict=True):
        draw.text((_GAP, top + 12), title, _INK, heading)
        for number, pair in enumerate(pairs):
            row, column = divmod(number, _PAIRS)
            y = top + _HEADING + row * (_TILE + _CAPTION)
            for side, sid in enumerate(pair):
                x = _GAP + column * (2 * _TILE + 3 * _GAP) + side * (_TILE + _GAP // 2)
                sample = samples[side].get(sid or "")
                sheet.paste(_tile(roots[side], sample), (x, y))
                for line, text in enumerate(_caption(sample, "before" if side == 0 else "after")):
                    draw.text(
                        (x, y + _TILE + 2 + 13 * line),
                        _cut(draw, text, small),
                        _INK if line else _GREY,
                        small,
                    )
        top += height
    return sheet


def _caption(sample: Sample | None, side: str) -> list[str]:
    if sample is None:
        return [side, "not there"]
    label = " ".join(filter(None, [sample.label or "unlabelled", sample.attack]))
    made = (sample.operator or "").replace("+", " + ") or (sample.source.file if sample.source else "") or ""
    return [f"{side}  {sample.sample_id[:12]}", label, printable(made)]


def _cut(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while draw.textlength(text, font) > _TILE and len(text) > 4:
        text = text[:-4] + "..."
    return text


def _tile(root: Path, sample: Sample | None) -> Image.Image:
    square = Image.new("RGB", (_TILE, _TILE), _NONE)
    if sample is None:
        return square
    try:
        data = read_reference(root, sample.image)
        picture = Image.fromarray(read_picture(data, sample.sample_id, max_pixels=2**40).pixels)
    except FacedataError:
        return square
    picture.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
    square.paste(picture, ((_TILE - picture.width) // 2, (_TILE - picture.height) // 2))
    return square
