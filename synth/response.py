"""Does a picture get the quality that is asked for? A network may well ignore a number that it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from facedata.datasets.dataset import Dataset
from facedata.datasets.words import Words, generator_of
from facedata.synth.conditions import Conditions
from facedata.synth.config import Pairing
from facedata.synth.load import Model
from facedata.synth.pairs import find_pairs
from facedata.synth.pictures import QUALITIES, Shelf, as_pixels, as_tensor, quality_vector
from facedata.synth.pipeline import TEMPERATURE, Guidance

__all__ = ["Response", "quality_response"]

_PIXELS = ("blur", "noise")  # of QUALITIES, those that pixels without a file show


@dataclass(frozen=True, slots=True)
class Response:
    """Values asked for, the mean of those measured in what was made, and the slope of a line through them."""

    name: str
    asked: tuple[float, ...]
    made: tuple[float, ...]
    slope: float


def quality_response(
    model: Model,
    dataset: Dataset,
    name: str = "blur",
    *,
    count: int = 8,
    steps: int = 20,
    seed: int = 0,
    guidance: Guidance | None = None,
    spread: Sequence[float] = (-1.5, -0.5, 0.5, 1.5),
) -> Response:
    """Make the same `count` pictures at several values of one quality, all else as their styles have it.

    `name` is blur or noise, in the units of `QUALITIES`; `spread` gives the values in deviations of the
    training targets. A slope of 1 is obedience, 0 a network that does not listen. Raises ValueError where
    pixels do not show the quality.
    """
    if name not in _PIXELS:
        raise ValueError(f"quality {name!r} is not one of {', '.join(_PIXELS)}")
    column = QUALITIES.index(name)
    pairs = find_pairs(dataset, Pairing(**model.card["config"]["pairs"]))
    shelf = Shelf(dataset, [face.image for face in pairs.faces], model.resolution)
    words = Words.of(seed, "response")
    chosen = sorted(pairs.pairs, key=lambda pair: words.named(str(pair.target)).word())[:count]
    styles = [pairs.style_of(pair, words.named(f"style {pair.target}")) for pair in chosen]
    yes = torch.ones(len(chosen), dtype=torch.bool)
    given = Conditions(
        as_tensor(shelf.pictures([pair.content for pair in chosen])),
        as_tensor(shelf.pictures(styles)),
        torch.tensor([model.kinds.index(pairs.kind_of(pair)) for pair in chosen]),
        model.scale(shelf.qualities(styles)),
        *(yes,) * 4,
    )
    made = []
    for value in spread:
        quality = given.quality.clone()
        quality[:, column] = value
        generators = [generator_of(seed, "response", number) for number in range(len(chosen))]
        pictures = model.pipeline(
            replace(given, quality=quality),
            generators,
            steps=steps,
            guidance=guidance or Guidance(),
            temperature=TEMPERATURE,
        )
        pixels = as_pixels(pictures)
        made.append(float(np.mean([quality_vector(one, b"", model.resolution)[column] for one in pixels])))
    scale = model.scale
    asked = tuple(scale.mean[column] + value * scale.deviation[column] for value in spread)
    return Response(name, asked, tuple(made), float(np.polyfit(asked, made, 1)[0]))
