"""Draw one face under each scene, beside the clean parent.

Usage: python examples/scenes_plate.py docs/images/scenes.jpg [PICTURE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facedata.augment.landmarks import Face, known_face
from facedata.augment.policy import Step, load_policy
from facedata.datasets.demo import demo_face
from facedata.datasets.pictures import read_picture

SCENES = (
    "capture",
    "print-office",
    "print-photo",
    "replay-phone",
    "replay-monitor",
    "replay-projector",
    "paper-mask",
    "partial",
)
SIDE, GAP, CAPTION, EACH = 288, 8, 22, 3


def draws(scene: str, known: Face | None) -> list[tuple[str, list[Step]]]:
    """Return the first draws of a scene that render its medium; for `capture`, of the camera."""
    policy = load_policy(scene)
    found: list[tuple[str, list[Step]]] = []
    variant = 0
    while len(found) < EACH:
        _, steps = policy.draw(5, "plate", variant, known)
        species = steps[-1].operator.species(steps[-1].parameters)
        if species or scene == "capture":
            found.append((species or "live", steps))
        variant += 1
    return found


def plate(face: np.ndarray, known: Face | None) -> Image.Image:
    """Return the plate: a row a scene, the clean parent at its left."""
    width = (EACH + 1) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, len(SCENES) * (SIDE + CAPTION + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, scene in enumerate(SCENES):
        cells = [("clean parent", face)]
        for species, steps in draws(scene, known):
            image = face
            for step in steps:
                image = step.operator.apply(image, step.parameters).image
            cells.append((f"{scene}: {species}", image))
        for column, (caption, image) in enumerate(cells):
            left, top = GAP + column * (SIDE + GAP), GAP + row * (SIDE + CAPTION + GAP)
            sheet.paste(Image.fromarray(image), (left, top))
            draw.text((left, top + SIDE + 3), caption, "black", font)
    return sheet


if __name__ == "__main__":
    if len(sys.argv) > 2:
        whole = read_picture(Path(sys.argv[2]).read_bytes(), sys.argv[2]).pixels
        parent, where = cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_AREA), None
    else:
        demo = demo_face(person=3, picture=0, size=SIDE, seed=0)
        parent, where = demo.image, known_face(demo.landmarks, demo.box, SIDE, SIDE)
    plate(parent, where).save(sys.argv[1], quality=88)
