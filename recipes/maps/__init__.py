"""Maps of texture, frequency, change and pulse, as inputs of a network or as evidence for people."""

from facedata.recipes.maps.base import Map
from facedata.recipes.maps.catalogue import MAPS, find_map

__all__ = ["MAPS", "Map", "find_map"]
