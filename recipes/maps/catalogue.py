"""All maps, by name."""

from __future__ import annotations

from typing import Final

from facedata.datasets.errors import UsageError
from facedata.recipes.maps import clips, difference, filters, patterns, spectrum
from facedata.recipes.maps.base import Map

__all__ = ["MAPS", "find_map"]

_TWINS = "facedata.recipes.maps.torch"

_ALL: Final = (
    Map(
        name="grey",
        summary="luma",
        unit="codes",
        source="ITU-R BT.601",
        takes="picture",
        numpy=filters.grey,
        torch=f"{_TWINS}.filters:grey",
        channels=("",),
        limits=(0, 255),
        shown=(0, 255),
        bound=0,
    ),
    Map(
        name="laplacian",
        summary="second differences to four neighbours",
        unit="codes",
        source="",
        takes="picture",
        numpy=filters.laplacian,
        torch=f"{_TWINS}.filters:laplacian",
        channels=("",),
        limits=(-1020, 1020),
        shown=(-64, 64),
        bound=0,
    ),
    Map(
        name="srm",
        summary="noise left by three high-pass filters",
        unit="codes",
        source="Fridrich and Kodovsky 2012; arXiv 1805.04953",
        takes="picture",
        numpy=filters.srm,
        torch=f"{_TWINS}.filters:srm",
        channels=filters.SRM_NAMES,
        limits=(-1020, 1020),
        shown=(-4, 4),
        bound=1e-4,
    ),
    Map(
        name="lbp",
        summary="local binary patterns",
        unit="pattern",
        source="Ojala et al. 1996, 2002",
        takes="picture",
        numpy=patterns.lbp,
        torch=f"{_TWINS}.patterns:lbp",
        channels=("",),
        limits=(0, 255),
        shown=(0, 255),
        bound=0,
        gradients=False,
    ),
    Map(
        name="hog",
        summary="histograms of oriented gradients, 2 x 2 cells of 9 orientations",
        unit="share of a block",
        source="Dalal and Triggs 2005",
        takes="picture",
        numpy=patterns.hog,
        torch=f"{_TWINS}.patterns:hog",
        channels=tuple(
            f"{row}{column}-{orientation}"
            for row in range(patterns.BLOCK)
            for column in range(patterns.BLOCK)
            for orientation in range(patterns.ORIENTATIONS)
        ),
        limits=(0, 1),
        shown=(0, 1),
        bound=1e-4,
        needs="skimage",
        drawn=patterns.hog_drawn,
    ),
    Map(
        name="fft",
        summary="ln(1 + amplitude) of the spectrum",
        unit="ln codes",
        source="",
        takes="picture",
        numpy=spectrum.fft,
        torch=f"{_TWINS}.spectrum:fft",
        channels=("",),
        limits=(0, None),
        shown=(0, 7),
        bound=1e-3,
    ),
    Map(
        name="richest-patch",
        summary="the 32 x 32 px with the most texture",
        unit="codes",
        source="arXiv 2311.12397",
        takes="picture",
        numpy=patterns.richest_patch,
        torch=f"{_TWINS}.patterns:richest_patch",
        channels=("red", "green", "blue"),
        limits=(0, 255),
        shown=(0, 255),
        bound=1e-4,
        drawn=patterns.richest_drawn,
    ),
    Map(
        name="difference",
        summary="what a reconstruction changed",
        unit="codes",
        source="after arXiv 2401.09006",
        takes="pair",
        numpy=difference.difference,
        torch=f"{_TWINS}.difference:difference",
        channels=("",),
        limits=(0, 255),
        shown=(0, 255),
        bound=0,
    ),
    Map(
        name="st-map",
        summary="colours of 5 x 5 blocks over time",
        unit="share of a block's range",
        source="arXiv 1910.11515",
        takes="clip",
        numpy=clips.st_map,
        torch=f"{_TWINS}.clips:st_map",
        channels=("red", "green", "blue"),
        limits=(0, 1),
        shown=(0, 1),
        bound=1e-6,
    ),
    Map(
        name="temporal-difference",
        summary="normalised differences of neighbouring frames",
        unit="share of the sum",
        source="arXiv 1805.07888",
        takes="clip",
        numpy=clips.temporal_difference,
        torch=f"{_TWINS}.clips:temporal_difference",
        channels=(),
        limits=(-1, 1),
        shown=(-0.05, 0.05),
        bound=1e-5,
    ),
)

MAPS: Final[dict[str, Map]] = {one.name: one for one in _ALL}
"""Every map by its name."""


def find_map(name: str) -> Map:
    """Return the map of that name, or raise UsageError."""
    if name not in MAPS:
        raise UsageError(f"there is no map {name!r}; there are {', '.join(MAPS)}")
    return MAPS[name]
