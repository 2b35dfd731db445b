"""Draw one face under each operator, at half and at full strength of the reference's range.

python examples/operators_plate.py docs/images/operators.jpg
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facedata.augment.operator import Operator
from facedata.augment.registry import OPERATORS, magnitude
from facedata.datasets.demo import demo_face
from facedata.datasets.words import Words

SIDE, GAP, CAPTION, COLUMNS = 256, 8, 22, 4


def at_strength(operator: Operator[Any], share: float) -> Any:
    """Return parameters drawn as usual, but for the strength: a share of the reference's range."""
    low, high = magnitude(operator)
    strength = low + share * (high - low)
    return operator.sample(Words.of(11, operator.name), {operator.strength: strength})


def plate(face: np.ndarray) -> Image.Image:
    """Return the plate: a clean row, then each operator, half strength left and full strength right."""
    cells: list[tuple[str, np.ndarray]] = []
    for operator in OPERATORS.values():
        for share in (0.5, 1.0):
            parameters = at_strength(operator, share)
            value = getattr(parameters, operator.strength)
            unit = operator.unit(operator.strength).replace("1", "")
            caption = f"{operator.name}, {operator.strength} {value:.2g} {unit}"
            cells.append((caption.strip(), operator.apply(face, parameters).image))
    rows = -(-len(cells) // COLUMNS)
    width = (COLUMNS + 1) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, rows * (SIDE + CAPTION + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row in range(rows):
        shown = [("clean", face), *cells[row * COLUMNS : (row + 1) * COLUMNS]]
        for column, (caption, image) in enumerate(shown):
            left, top = GAP + column * (SIDE + GAP), GAP + row * (SIDE + CAPTION + GAP)
            sheet.paste(Image.fromarray(image), (left, top))
            draw.text((left, top + SIDE + 3), caption, "black", font)
    return sheet


if __name__ == "__main__":
    plate(demo_face(person=3, picture=0, size=SIDE, seed=0).image).save(sys.argv[1], quality=88)
