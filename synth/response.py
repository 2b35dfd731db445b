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
from facedata.synth.matching import MATCHED, matched
from facedata.synth.pairs import find_pairs
from facedata.synth.pictures import QUALITIES, Shelf, as_pixels, as_tensor, seen_quality
from facedata.synth.pipeline import TEMPERATURE, Guidance

__all__ = ["Response", "quality_response"]


@dataclass(frozen=True, slots=True)
class Response:
    """Values asked for, the mean of those measured in what was made, and the slope of a line through them.

    `error` is the standard error of the slope over the pictures.
    """

    name: str
    asked: tuple[float, ...]
    made: tuple[float, ...]
    slope: float
    error: float


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
    match: bool = False,
) -> Response:
    """Make the same `count` pictures at several values of one quality, all else as their styles have it.

    `name` is blur or noise, in the units of `QUALITIES`; `spread` gives the values in deviations of the
    training targets. A slope of 1 is obedience, 0 a network that does not listen. With `match`, filters do
    what is asked once the network has made its pictures. Raises ValueError where pixels do not show the
    quality.
    """
    if name not in MATCHED:
        raise ValueError(f"quality {name!r} is not one of {', '.join(MATCHED)}")
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
    made, scale = [], model.scale
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
        pixels = list(as_pixels(pictures))
        if match:
            grains = [torch.randn(pixels[0].shape[:2], generator=one).numpy() for one in generators]
            wanted = {name: float(scale.mean[column] + value * scale.deviation[column])}
            pixels = [matched(one, grain, **wanted).pixels for one, grain in zip(pixels, grains, strict=True)]
        made.append([float(seen_quality(one)[column]) for one in pixels])
    asked = tuple(scale.mean[column] + value * scale.deviation[column] for value in spread)
    slopes = np.polyfit(asked, np.array(made), 1)[0]  # of each picture: their mean is that of the means
    error = slopes.std(ddof=1) / np.sqrt(len(slopes)) if len(slopes) > 1 else float("nan")
    return Response(name, asked, tuple(np.mean(made, axis=1).tolist()), float(slopes.mean()), float(error))
