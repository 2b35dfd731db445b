"""`facedata maps`: a dataset with maps of its pictures as layers, as a new version of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.compute as pc

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, Result, run
from facedata.datasets.errors import PictureError, UsageError
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.items import Loaded
from facedata.datasets.over import OverItem, OverSource
from facedata.datasets.pictures import encode_layer
from facedata.datasets.record import Failure
from facedata.datasets.sources import DatasetSource
from facedata.datasets.task import Ingest
from facedata.recipes.maps.base import Map
from facedata.recipes.maps.catalogue import MAPS, find_map

__all__ = ["LAYER_MAPS", "write_maps"]

LAYER_MAPS = tuple(one.name for one in MAPS.values() if one.takes == "picture")
"""Names of the maps that a single picture has."""

_MENDS = {
    "pair": "the rows that `facedata synth despoof` makes have it as their layer `residual`",
    "clip": "call it on the frames of a clip, see docs/maps.md",
}


def write_maps(dataset: Path, target: Path, names: Sequence[str], options: Options | None = None) -> Result:
    """Write the rows of `dataset` with maps of their pictures as layers into the dataset `target`.

    Rows keep their ids, pictures and layers. A map is a layer of its name, 8 bits of its window `shown`; one
    with several channels is a layer of each, such as `srm-5x5`. Instruction records are not carried
    along, and the notes of the record say how many.

    Raises UsageError where a map is unknown, is not made of a single picture, is there already, or needs a
    library that is not installed.
    """
    maps = [find_map(name) for name in dict.fromkeys(names)]
    if not maps:
        raise UsageError(f"no map is named; there are {', '.join(LAYER_MAPS)}")
    for one in maps:
        if one.takes in _MENDS:
            raise UsageError(f"{one.name} is made of a {one.takes}, not of a picture: {_MENDS[one.takes]}")
        one.check_installed()
    refuse_overlap(dataset, target)
    opened = Dataset.open(dataset)
    _check_free(opened, maps)
    settings = {"maps": [one.name for one in maps]}
    task = Ingest(settings, preload=("facedata.recipes.maps.catalogue",))
    records = sum(sum(counts.values()) for counts in opened.record.counts.instructions.values())
    notes = [f"left behind: {records} instruction records"] if records else []
    kinds = tuple(one.name for one in maps)
    source = OverSource(DatasetSource(opened), lambda item: _MapsItem(item, kinds), notes)
    return run("maps", task, source, target, None, options or Options())


def _check_free(dataset: Dataset, maps: Sequence[Map]) -> None:
    wanted = {layer for one in maps for layer in one.layer_names()}
    for table in dataset.tables(["layers"]):
        known = pc.unique(pc.struct_field(pc.list_flatten(table["layers"]), "name")).to_pylist()
        if taken := sorted(wanted & set(known)):
            raise UsageError(f"{dataset.root} has a layer {taken[0]!r} already; leave that map out")


@dataclass(frozen=True, slots=True)
class _MapsItem(OverItem):
    """A sample, and the names of its maps: names cross to a worker, functions are found there."""

    names: tuple[str, ...]

    def load(self, max_pixels: int) -> Iterator[Loaded | Failure]:
        """Yield the sample with its maps."""
        for loaded in self.item.load(max_pixels):
            yield loaded if isinstance(loaded, Failure) else self._mapped(loaded)

    def _mapped(self, loaded: Loaded) -> Loaded:
        pixels = loaded.pixels()
        made: dict[str, bytes] = {}
        for name in self.names:
            try:
                layers = MAPS[name].layers(pixels)
            except UsageError as error:  # of this picture: smaller than a patch or a block
                raise PictureError("no-map", f"{self.place}: {error}") from None
            made |= {layer: encode_layer(values) for layer, values in layers.items()}
        return replace(loaded, layers={**loaded.layers, **made})
