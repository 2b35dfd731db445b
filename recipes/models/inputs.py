"""Maps of a picture as channels of a network's input."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from facedata.recipes.maps import MAPS, find_map

__all__ = ["channels_of", "map_of", "unfit"]


def channels_of(maps: Sequence[str]) -> int:
    """Return how many channels maps have together."""
    return sum(len(find_map(name).channels) for name in maps)


def map_of(name: str, pictures: Tensor) -> Tensor:
    """Return a map of n x 3 x h x w pictures in [0, 1], n x its channels x h x w, in [-1, 1].

    The window that a layer of the map shows becomes -1 to 1, and what lies beyond is clipped. A map of fewer
    places than the picture has, such as `hog`, is enlarged to it, each place as it is.
    """
    one = find_map(name)
    values = one.batched()(pictures)
    if values.shape[-2:] != pictures.shape[-2:]:
        values = functional.interpolate(values, pictures.shape[-2:], mode="nearest")
    scaled: Tensor = one.scaled(values)
    return (scaled * 2 - 1).to(pictures.dtype)


def unfit(maps: Sequence[str]) -> str | None:
    """Return why maps cannot be inputs beside a picture, None where they can."""
    pictures = [name for name, one in MAPS.items() if one.takes == "picture"]
    for name in maps:
        if name not in MAPS:
            return f"there is no map {name!r}; maps of a picture are {', '.join(pictures)}"
        if MAPS[name].takes != "picture":
            return f"{name} is made of a {MAPS[name].takes}; a network takes {', '.join(pictures)}"
    if len(set(maps)) < len(maps):
        return f"{', '.join(maps)} names a map twice"
    return None
