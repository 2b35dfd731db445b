"""The words that tasks share, as data: YAML files in the folder `knowledge` beside this module.

action_units  what is seen of each unit             expressions  adjectives and nouns
attacks       species, classes, families, operators  cues         signs of a medium, each with a condition
live          signs of a live face, and of the camera  attributes   what a row's attributes look like
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

import yaml

__all__ = ["knowledge", "signs", "species"]


@functools.cache
def knowledge(name: str) -> dict[Any, Any]:
    """Return the table `name`; do not change it."""
    path = files("facedata.annotate").joinpath("knowledge", f"{name}.yaml")
    table = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(table, dict), name
    return table


@functools.cache
def signs() -> dict[str, dict[str, Any]]:
    """Return all signs by name: of media, of a live face and of the camera; each has `seen` and `why`."""
    live = knowledge("live")
    return {**knowledge("cues"), **live["signs"], **live["camera"]}


@functools.cache
def species(attack: str) -> dict[str, str]:
    """Return what is known of an attack species, by its longest known prefix (`known`); nothing where none is.

    >>> species("replay/lcd/phone")["class"]
    'replay'
    """
    table = knowledge("attacks")["species"]
    parts = attack.split("/")
    for length in range(len(parts), 0, -1):
        if (found := table.get("/".join(parts[:length]))) is not None:
            return {**found, "known": "/".join(parts[:length])}
    return {}
