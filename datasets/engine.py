"""`run`: from a source and a task to a dataset on disk.

The work is cut into shards by the samples' keys; what is finished is kept, so a run that was stopped goes on
with `resume`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from facedata.datasets.assemble import Assembled, assemble
from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.card import write_card
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.items import Item
from facedata.datasets.lineage import Origin, ancestry
from facedata.datasets.parts import remove_damaged
from facedata.datasets.pictures import DEFAULT_MAX_PIXELS
from facedata.datasets.pool import Hands, run_shards
from facedata.datasets.record import (
    RECORD_NAME,
    Failure,
    Record,
    library_versions,
    write_text,
)
from facedata.datasets.remote_place import workplace
from facedata.datasets.shard import ShardSpec
from facedata.datasets.sheet import write_sheet
from facedata.datasets.storage import LAYOUTS
from facedata.datasets.task import Task
from facedata.datasets.workplace import Workplace

__all__ = ["ItemSource", "Options", "Result", "engine_at_hand", "run"]

_ENOUGH = 200  # samples: below, starting workers takes longer than the work
Progress = Callable[[int, int], None]


class ItemSource(Protocol):
    """Input pictures, and what the record says of them."""

    @property
    def count(self) -> int:
        """Number of pictures."""
        ...

    @property
    def parents(self) -> Sequence[Origin]:
        """Datasets that the pictures come from."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What was found out about the source: the label convention, files passed over."""
        ...

    @property
    def failures(self) -> Sequence[Failure]:
        """Inputs that could not even be listed."""
        ...

    def shards(self, size: int) -> Iterator[tuple[str, Sequence[Item]]]:
        """Yield (prefix, items) groups of about `size`, by the prefix of the items' keys."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: nothing here changes what is made, but two of them.

    `layout` changes where bytes lie, and over `max_pixels` a picture is a failure.

    `engine` is `serial`, `process`, `ray` on the cluster at `address`, or `auto`, which takes processes where
    there is enough work for them. `workers` of 0 is every processor of a Ray cluster.
    `timeout` is how many seconds one picture, with all that is made of it, may take in a worker process
    before it is quarantined; 0 is no limit, and the serial engine has none.
    """

    layout: str = "files"
    engine: str = "auto"
    workers: int = 1
    resume: bool = False
    overwrite: bool = False
    cache: Path | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
    timeout: float = 600.0
    address: str | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to: `made` and `cached` count the samples made and those found in the cache."""

    record: Record
    root: Path
    made: int = 0
    cached: int = 0
    left_out: int = 0
    complete_before: bool = False


def run(
    verb: str, task: Task, source: ItemSource, target: Path, seed: int | None, options: Options
) -> Result:
    """Make the dataset `target` from `source`, or go on making it.

    Raises TargetError when the target is occupied, in use or cannot be written, and SourceError when nothing
    could be made of the source. Single pictures that fail are in the result's record.
    """

    def same(record: Record) -> bool:
        made = [record.verb, record.seed, record.layout, record.parameters]
        wanted = [verb, seed, options.layout, _parameters(task, options)]
        parents = [parent.version for parent in record.parents]
        given = [origin.record.version for origin in source.parents]
        return canonical_json([made, parents]) == canonical_json([wanted, given])

    if options.layout not in LAYOUTS:
        raise UsageError(f"layout {options.layout!r} is not one of {', '.join(LAYOUTS)}")
    if options.cache is not None and not _writable(options.cache):
        options = replace(options, cache=None)
    place = workplace(target)
    with engine_at_hand(options), place.held():
        done = place.check(resume=options.resume, overwrite=options.overwrite, same=same)
        if done is not None:
            return Result(done, place.target, complete_before=True)
        return _Run(verb, task, source, place, seed, options).make()


def engine_at_hand(options: Options) -> AbstractContextManager[None]:
    """Be connected where that is needed, before anything is begun: no cluster, no output."""
    if options.engine != "ray":
        if options.address is not None:
            raise UsageError(f"--address {options.address} is for --engine ray; add that, or leave it out")
        return nullcontext()
    from facedata.datasets.connection import connected

    return connected(options.address, options.workers)


@dataclass(frozen=True, slots=True)
class _Run:
    verb: str
    task: Task
    source: ItemSource
    place: Workplace
    seed: int | None
    options: Options

    def make(self) -> Result:
        parts, expected = self.place.parts, dict(self._planned())
        self.place.prepare(expected)
        tree = self.place.tree if self.place.remote is None else None
        remove_damaged([parts / name for name in expected if (parts / name).is_dir()], tree)
        done = sum(number for name, number in expected.items() if (parts / name).is_dir())
        total = self.source.count
        self._report(done, total)
        # The names of the first look are kept: another one would cost as much, and might find another file.
        named = zip(expected, self._groups(), strict=True)
        missing = (self._spec(name, items) for name, (_, items) in named if not (parts / name).is_dir())
        options = self.options
        hands = Hands(self._engine(), options.workers, self.task.preload, options.timeout)
        self.place.begin()
        for path in run_shards(missing, hands):
            self.place.land(Path(path).name)
            done += expected[Path(path).name]
            self._report(done, total)
        return self._finish([parts / name for name in expected])

    def _engine(self) -> str:
        if self.options.engine != "auto":
            return self.options.engine
        enough = self.source.count * (1 + self.task.variants) >= _ENOUGH
        return "process" if enough and self.options.workers > 1 else "serial"

    def _report(self, done: int, total: int) -> None:
        if self.options.progress:
            self.options.progress(done, total)

    def _groups(self) -> Iterator[tuple[str, Sequence[Item]]]:
        return self.source.shards(_shard_size(self.source.count))

    def _planned(self) -> Iterator[tuple[str, int]]:
        """Yield the name of each part and how many items it is of."""
        options = self.options
        settings = identifier(
            *(self.verb, self.task.settings(), self.seed),
            *(library_versions(), options.layout, options.max_pixels),
        )
        for prefix, items in self._groups():
            # The name covers inputs, parameters and library versions: a finished part with this name is what
            # this run would make, whatever happened in between.
            stamps = identifier([(item.key, item.stamp()) for item in items], settings)
            yield f"{prefix}-{stamps[:16]}", len(items)

    def _spec(self, name: str, items: Sequence[Item]) -> ShardSpec:
        options = self.options
        cache = None if options.cache is None else os.path.abspath(options.cache)  # noqa: PTH100 - other machines
        return ShardSpec(
            name=name,
            items=tuple(items),
            task=self.task,
            parts=str(self.place.parts),
            layout=options.layout,
            cache=cache,
            max_pixels=options.max_pixels,
            remote=self.place.remote,
        )

    def _finish(self, parts: list[Path]) -> Result:
        place, tree = self.place, self.place.tree
        assembled = assemble(parts, tree)
        assembled.failures = [*self.source.failures, *assembled.failures]
        if assembled.counts.rows == 0:
            place.discard()
            raise SourceError(_nothing_made(assembled.failures, assembled.left_out))
        record = self._record(assembled)
        write_sheet(tree)
        write_card(tree, record, place.target.name)
        write_text(tree / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
        place.publish()
        return Result(record, place.target, assembled.made, assembled.cached, assembled.left_out)

    def _record(self, assembled: Assembled) -> Record:
        notes = list(self.source.notes)
        if assembled.left_out:
            notes.append(f"{assembled.left_out} planned samples were left out, as --label-effect asks")
        parents, ancestors = ancestry(self.source.parents)
        return Record(
            version=assembled.version,
            verb=self.verb,
            parents=parents,
            ancestors=ancestors,
            parameters=_parameters(self.task, self.options),
            seed=self.seed,
            layout=self.options.layout,  # type: ignore[arg-type]  # checked when the writer was opened
            libraries=library_versions(),
            counts=assembled.counts,
            notes=notes,
            failures=assembled.failures,
        )


def _parameters(task: Task, options: Options) -> dict[str, Any]:
    """Return all that the rows depend on: the task's settings, and the pixel limit where one was given."""
    limit = {"max_pixels": options.max_pixels} if options.max_pixels != DEFAULT_MAX_PIXELS else {}
    return {**task.settings(), **limit}


def _shard_size(count: int) -> int:
    """Return how many pictures go into one shard: small sets still keep several workers busy."""
    return min(256, max(8, count // 64))


def _writable(cache: Path) -> bool:
    """Whether the cache can be used: it saves work, so a folder that cannot be written is gone without."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache, os.W_OK)


def _nothing_made(failures: Sequence[Failure], left_out: int) -> str:
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        return f"nothing could be made: {failures[0].reason}{more}"
    if left_out:
        return f"nothing was made: --label-effect drop left out all {left_out} samples; use flip or keep"
    return "nothing was made: the input holds no picture"
