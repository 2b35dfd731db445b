"""The words that tasks share, as data: YAML files in the folder `knowledge` beside this module.

action_units  what is seen of each unit             expressions  adjectives and nouns
attacks       species, classes, families, operators  cues         signs of a medium, each with a condition
live          signs of a live face, and of the camera  attributes   what a row's attributes look like
implied       what a species alone implies             degrees      words for intensities
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from importlib.resources import files
from typing import Any

import yaml

__all__ = ["clauses", "knowledge", "signs", "species"]


@functools.cache
def knowledge(name: str) -> dict[Any, Any]:
    """Return the table `name`; do not change it."""
    path = files("facedata.annotate").joinpath("knowledge", f"{name}.yaml")
    table: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return table


def clauses(au: int, shown: Collection[int] = ()) -> list[str]:
    """Return what may be said to be seen of a unit that shows with others; nothing of an unknown one.

    >>> clauses(4, [1, 4])[0]
    'the brows are drawn together'
    """
    look = knowledge("action_units").get(au, {})
    beside = look.get("beside", {"units": ()})
    found: list[str] = (beside if any(one in beside["units"] for one in shown) else look).get("seen", [])
    return found


@functools.cache
def signs() -> dict[str, dict[str, Any]]:
    """Return all signs by name: of media, a live face, the camera, a species; each has `seen` and `why`."""
    live = knowledge("live")
    return {**knowledge("cues"), **live["signs"], **live["camera"], **knowledge("implied")}


@functools.cache
def species(attack: str) -> dict[str, str]:
    """Return what is known of an attack species, by its longest known prefix (`known`); else nothing.

    >>> species("replay/lcd/phone")["class"]
    'replay'
    """
    table = knowledge("attacks")["species"]
    parts = attack.split("/")
    for length in range(len(parts), 0, -1):
        if (found := table.get("/".join(parts[:length]))) is not None:
            return {**found, "known": "/".join(parts[:length])}
    return {}
