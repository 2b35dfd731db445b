"""A sheet of what the network makes as it learns: live faces down, attacks across."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from facedata.datasets.whole import whole
from facedata.datasets.words import Words, generator_of
from facedata.synth.conditions import Conditions
from facedata.synth.config import TrainConfig
from facedata.synth.pairs import Pairs
from facedata.synth.pictures import Scale, Shelf, as_pixels, as_tensor, coarse
from facedata.synth.pipeline import TEMPERATURE, SpoofDiffusionPipeline

__all__ = ["Grid"]

_ROWS, _COLUMNS, _GAP = 3, 8, 2


class Grid:
    """The same faces, styles and noise each time, so that sheets compare.

    The first row shows the styles, the first column the live faces.
    """

    def __init__(self, pairs: Pairs, shelf: Shelf, scale: Scale, config: TrainConfig) -> None:
        words = Words.of(config.seed, "grid")
        contents = list(dict.fromkeys(pair.content for pair in pairs.pairs))
        self.contents = _some(contents, _ROWS, words.named("content"))
        shown = [number for number, kind in enumerate(pairs.kinds) if kind in pairs.styles]
        kinds = _some(shown, _COLUMNS, words.named("kind"))
        people = {pairs.faces[number].subject for number in self.contents}
        self.kinds, self.styles = kinds, []
        for kind in kinds:
            choice = pairs.styles[pairs.kinds[kind]]
            others = [n for n in choice if pairs.faces[n].subject not in people] or list(choice)
            self.styles.append(words.named(f"style {kind}").choice(others))
        self.coarse = config.task == "despoof"
        self.shelf, self.scale, self.seed = shelf, scale, config.seed

    def write(self, pipeline: SpoofDiffusionPipeline, path: Path) -> None:
        """Sample the sheet and write it as PNG."""
        side = self.shelf.side
        styles, contents = self.shelf.pictures(self.styles), self.shelf.pictures(self.contents)
        rows = [[np.full((side, side, 3), 255, np.uint8), *styles]]
        for number, content in enumerate(contents):
            count = len(styles)
            yes = torch.ones(count, dtype=torch.bool)
            faces = as_tensor(np.repeat(content[None], count, axis=0))
            conditions = Conditions(
                coarse(faces) if self.coarse else faces,
                as_tensor(styles),
                torch.tensor(self.kinds),
                self.scale(self.shelf.qualities(self.styles)),
                *((yes, ~yes, yes, ~yes) if self.coarse else (yes,) * 4),
            )
            generators = [generator_of(self.seed, "grid", number, place) for place in range(count)]
            made = pipeline(conditions, generators, temperature=TEMPERATURE)
            rows.append([content, *as_pixels(made)])
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as hidden:  # and not imwrite, which says nothing of a disk that is full
            hidden.write_bytes(cv2.imencode(".png", _sheet(rows)[:, :, ::-1])[1].tobytes())


def _some(numbers: Sequence[int], count: int, words: Words) -> list[int]:
    order = sorted(numbers, key=lambda number: words.named(str(number)).word())
    return sorted(order[:count])


def _sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    side = rows[0][0].shape[0]
    sheet = np.full((len(rows) * (side + _GAP) - _GAP, len(rows[0]) * (side + _GAP) - _GAP, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, one in enumerate(row):
            sheet[y * (side + _GAP) : y * (side + _GAP) + side, x * (side + _GAP) :][:, :side] = one
    return sheet
