"""Names of what a pixel can show: materials, for shading, and regions, for truth."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["REGIONS", "Material", "Region"]


class Material(IntEnum):
    """What a triangle is made of."""

    NOTHING = 0
    SKIN = 1
    EAR = 2
    NECK = 3
    EYE_LEFT = 4
    EYE_RIGHT = 5
    RIM = 6
    CAVITY = 7
    TEETH = 8
    TONGUE = 9
    HAIR = 10
    CLOTH = 11
    FRAME = 12


class Region(IntEnum):
    """Values of the region mask. `left` is the image's left, as everywhere in this package."""

    BACKGROUND = 0
    SKIN = 1
    BROW_LEFT = 2
    BROW_RIGHT = 3
    EYE_LEFT = 4
    EYE_RIGHT = 5
    NOSE = 6
    UPPER_LIP = 7
    INNER_MOUTH = 8
    LOWER_LIP = 9
    HAIR = 10
    EAR = 11
    NECK = 12
    CLOTH = 13
    GLASSES = 14
    BEARD = 15


REGIONS: tuple[str, ...] = tuple(region.name.lower().replace("_", "-") for region in Region)
"""Region names by index. Eye is the opening between the lids; left and right are the image's."""
