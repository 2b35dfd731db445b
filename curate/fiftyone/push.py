"""`facedata curate push`: a dataset as one of FiftyOne's, to look at and to edit.

What is pushed lies under a name of its own until it is whole, and the time of the push, which everything
else is measured by, is written last: a push that was killed shows nothing half, and the next one starts over.
All documents bear that one time; so whatever bears another was edited, whichever clock its editor had.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facedata import __version__
from facedata.curate.fiftyone.audited import NO_AUDIT, Audited, read_audit
from facedata.curate.fiftyone.collector import no_collector
from facedata.curate.fiftyone.connect import connect, readable_errors
from facedata.curate.fiftyone.documents import Bases, document, embedded, insert
from facedata.curate.fiftyone.fields import (
    FIRST_SEEN,
    POOL,
    Field,
    colours,
    declare,
    fields,
    groups,
    layer_field,
    mask_targets,
    schemas,
)
from facedata.curate.fiftyone.moved import re_rooted
from facedata.curate.fiftyone.pictures import PICTURES, Pictures
from facedata.curate.fiftyone.pull import pending
from facedata.curate.fiftyone.reading import BASE_COLUMNS
from facedata.curate.fiftyone.shown import shown
from facedata.curate.fiftyone.skeletons import skeleton
from facedata.curate.fiftyone.state import FORM, State, default_name, state_of
from facedata.curate.fiftyone.survey import Survey, parsed, survey
from facedata.curate.fiftyone.views import save_views
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError

__all__ = ["Pushed", "agreement", "push"]

_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push came to; `missing` are pictures that the App cannot show, with the reason.

    `already` says that all of it was there, and `re_rooted` of how many samples the pictures lay elsewhere.
    """

    name: str
    version: str
    rows: int
    views: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    already: bool = False
    re_rooted: int = 0


def push(
    source: Path,
    *,
    name: str | None = None,
    audit: Path | None = None,
    uri: str | None = None,
    overwrite: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Pushed:
    """Push the dataset at `source` into the FiftyOne dataset `name` (default: facedata-FOLDER).

    `audit` is a folder that `facedata audit -o` wrote: its fields, tags and views go along. Pictures inside
    shards are written to `cache`. Where the same was pushed before and nobody edited it, only the paths of
    pictures are brought up to date.

    Raises UsageError where edits would be lost that `source` does not hold, unless `overwrite`, and where
    `name` is a FiftyOne dataset of somebody else's; ServiceError where the database fails.
    """
    dataset = Dataset.open(source)
    audited = read_audit(audit, dataset.version) if audit is not None else NO_AUDIT
    name = name or default_name(dataset.root)
    cache = cache or PICTURES
    fo = connect(uri)
    with readable_errors(uri):
        if fo.dataset_exists(name) and not overwrite:
            before = _checked(state_of(fo, name), name, dataset)
            if before is not None and (before.version, before.audit) == (dataset.version, audited.sha256):
                moved = re_rooted(before, dataset, cache)
                views = before.dataset.list_saved_views()
                return Pushed(name, dataset.version, before.rows, views, already=True, re_rooted=moved)
        return _Push(fo, dataset, audited, name, cache, progress).run()


def _checked(before: State | None, name: str, dataset: Dataset) -> State | None:
    """Return what was pushed before, None where that did not end; raise where it must not be replaced."""
    if before is None:
        raise UsageError(
            f"FiftyOne has a dataset {name!r} that facedata did not push; choose another --name, or replace "
            "it with --overwrite"
        )
    if not before.whole:
        return None
    if lost := pending(before, dataset).lost:
        raise UsageError(
            f"{name} holds {lost} edits that {dataset.root.name} does not: pull them first (facedata curate "
            "pull), or give them up with --overwrite"
        )
    return before


@dataclass(slots=True)
class _Push:
    fo: Any
    dataset: Dataset
    audited: Audited
    name: str
    cache: Path
    progress: Callable[[int, int], None] | None

    def run(self) -> Pushed:
        seen = survey(self.dataset)
        wanted = fields(seen, self.audited.kinds)
        working = f"{self.name}.pushing"
        for left in (working, f"{self.name}.old"):
            if self.fo.dataset_exists(left):
                self.fo.delete_dataset(left)
        bases = Bases()
        bases.tidy()
        bases.index()
        made = self.fo.Dataset(working, persistent=True)
        key = secrets.token_hex(8)
        pictures = Pictures(self.dataset, self.cache)
        about = {
            "form": FORM,
            "base": key,
            "version": self.dataset.version,
            "root": str(self.dataset.root.resolve()),
            "cache": pictures.cache,
            "rows": seen.rows,
            "units": list(seen.units),
            "attributes": dict(seen.attributes),
            "layers": [_file_path(layer) for layer in seen.layers],
            "audit": self.audited.sha256,
            "facedata": __version__,
        }
        made.media_type = "image"
        made.info["facedata"] = about
        made.save()
        declare(self.fo, made, wanted)
        stamp = datetime.now(UTC)
        stamp = stamp.replace(
            microsecond=stamp.microsecond // 1000 * 1000, tzinfo=None
        )  # as MongoDB keeps it
        pictures.unpack()
        with no_collector():
            self._insert(made, seen, bases, key, pictures, stamp)
        made.reload()
        self._dress(made, seen, wanted)
        views = save_views(self.fo, made, seen, self.audited)
        made.info["facedata"] = {**about, "pushed_at": stamp}
        made.save()
        self._publish(made)
        return Pushed(self.name, self.dataset.version, seen.rows, views, pictures.missing)

    def _insert(
        self, made: Any, seen: Survey, bases: Bases, key: str, pictures: Pictures, stamp: datetime
    ) -> None:
        done = 0
        kinds = {layer: layer_field(layer) for layer in seen.layers}
        for number, table in enumerate(self.dataset.tables(most=_ROWS)):
            bases.add(key, number, table.select(list(BASE_COLUMNS)))
            family = seen.family.ids[done : done + table.num_rows].to_pylist()
            generations = seen.family.generations[done : done + table.num_rows].to_pylist()
            found = self.audited.of(table["sample_id"].combine_chunks())
            documents = []
            for row, first, generation, checks in zip(
                table.to_pylist(), family, generations, found, strict=True
            ):
                parsed(row)
                layers = {
                    kinds[layer["name"]][0]: (
                        kinds[layer["name"]][1],
                        pictures.file(layer["ref"], layer["content_hash"]),
                    )
                    for layer in row["layers"] or ()
                }
                more = self._more(row, seen, first, generation, checks)
                picture = pictures.file(row["image"], row["content_hash"])
                values = shown(row, seen.units, seen.attributes)
                documents.append(document(row, values, more, picture, layers))
            insert(made, documents, stamp)
            done += table.num_rows
            if self.progress:
                self.progress(done, seen.rows)

    def _more(
        self, row: dict[str, Any], seen: Survey, family: str, generation: int, checks: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what is shown and not edited."""
        source = row["source"] or {}
        more: dict[str, Any] = {
            "family_id": family,
            "generation": generation,
            "source": embedded({name: source.get(name) for name in ("dataset", "file", "frame", "licence")}),
            "version": self.dataset.version,
            "agreement": agreement(row["attributes"]),
            "tags": self.audited.tags.get(row["sample_id"], ()),
        }
        for name in ("parent_id", "operator", "parameters", "content_hash", "variant", "seed"):
            more[name] = row[name]
        if seen.units:
            more["au_ungraded"] = [one["au"] for one in row["au"] or () if one["intensity"] is None] or None
        if checks:
            more["audit"] = embedded(checks)
        if (review := seen.reviews.get(row["sample_id"])) is not None:
            failed, flagged = sorted(review.failed) or None, sorted(review.flagged) or None
            more["instructions"] = embedded(
                {"status": review.status, "records": review.records, "failed": failed, "flagged": flagged}
            )
        return more

    def _dress(self, made: Any, seen: Survey, wanted: list[Field]) -> None:
        """Say how the App shows the dataset."""
        config = made.app_config
        config.sidebar_groups = [
            self.fo.SidebarGroupDocument(name=group, paths=paths, expanded=open_)
            for group, paths, open_ in groups(wanted)
        ]
        if hasattr(config, "active_fields"):  # not in the oldest; masks over all pictures would hide them
            config.active_fields = self.fo.core.odm.dataset.ActiveFields(paths=list(FIRST_SEEN))
        config.color_scheme = self.fo.ColorScheme(
            color_by="value", color_pool=list(POOL), fields=colours(seen)
        )
        made.mask_targets = mask_targets(seen)
        if lines := skeleton(seen.points):
            known = self.fo.KeypointSkeleton(
                labels=list(lines.names), edges=[list(one) for one in lines.lines]
            )
            made.skeletons = {"landmarks": known}
        made.save()
        found = schemas(seen, wanted)
        made.set_label_schemas(found)
        made.activate_label_schemas(list(found))

    def _publish(self, made: Any) -> None:
        """Give the dataset its name; what had the name goes once it stands."""
        old = None
        if self.fo.dataset_exists(self.name):
            old = self.fo.load_dataset(self.name)
            old.name = f"{self.name}.old"
        made.name = self.name
        if old is not None:
            old.delete()


def _file_path(layer: str) -> str:
    """Return where a sample has the file of a layer."""
    name, kind = layer_field(layer)
    return f"{name}.{'mask_path' if kind == 'Segmentation' else 'map_path'}"


def agreement(attributes: dict[str, Any]) -> float | None:
    """Return the share of votes for the value that most chose, or the least probability after adjudication.

    >>> agreement({"votes": {"anger": 6, "fear": 4}, "adjudicated": {"au": {"12": 0.95}}})
    0.6
    """
    found = []
    votes = attributes.get("votes")
    if isinstance(votes, dict):
        numbers = [one for one in votes.values() if isinstance(one, (int, float))]
        if sum(numbers) > 0:
            found.append(max(numbers) / sum(numbers))
    adjudicated = attributes.get("adjudicated")
    if isinstance(adjudicated, dict):
        for one in adjudicated.values():
            found += one.values() if isinstance(one, dict) else [one]
    return min((float(one) for one in found if isinstance(one, (int, float))), default=None)
