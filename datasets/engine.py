"""`run`: from a source and a task to a dataset on disk.

The work lies in `.NAME.partial` beside the target until it is whole, and is then renamed. What is finished
there is kept: a run that was stopped goes on with `resume`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

from facedata.datasets.assemble import Assembled, assemble
from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.card import write_card
from facedata.datasets.dataset import is_dataset
from facedata.datasets.errors import FacedataError, SourceError, TargetError
from facedata.datasets.items import Item
from facedata.datasets.pictures import DEFAULT_MAX_PIXELS
from facedata.datasets.pool import run_shards
from facedata.datasets.record import (
    RECORD_NAME,
    Failure,
    Parent,
    Record,
    library_versions,
    read_record,
    write_text,
)
from facedata.datasets.shard import ShardSpec
from facedata.datasets.sheet import write_sheet
from facedata.datasets.task import Task

__all__ = ["ItemSource", "Options", "Result", "run"]

_PARTS = "parts"
_PLAN = "plan"
_ENOUGH = 200  # samples: below, starting workers takes longer than the work
Progress = Callable[[int, int], None]


class ItemSource(Protocol):
    """Input pictures, and what the record says of them."""

    @property
    def count(self) -> int:
        """Number of pictures."""
        ...

    @property
    def parents(self) -> Sequence[Parent]:
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
    """How to run: nothing here changes what is made, except `layout`, which changes where bytes lie.

    `engine` is `serial`, `process`, or `auto`, which takes processes where there is enough work for them.
    """

    layout: str = "files"
    engine: str = "auto"
    workers: int = 1
    resume: bool = False
    overwrite: bool = False
    cache: Path | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS
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
    could be made of the source. Single pictures that fail are in the result, and in the record.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link that is the target
    if (done := _occupied(target, verb, task, seed, options)) is not None:
        return Result(done, target, complete_before=True)
    work = target.with_name(f".{target.name}.partial")
    if options.cache is not None and not _writable(options.cache):
        options = replace(options, cache=None)
    with _target_errors(work), _locked(work):
        return _Run(verb, task, source, target, work, seed, options).make()


class _Run:
    def __init__(
        self,
        verb: str,
        task: Task,
        source: ItemSource,
        target: Path,
        work: Path,
        seed: int | None,
        options: Options,
    ) -> None:
        self.verb = verb
        self.task = task
        self.source = source
        self.target = target
        self.work = work
        self.seed = seed
        self.options = options
        self.settings = identifier(verb, task.settings(), seed, library_versions())

    def make(self) -> Result:
        parts = self.work / _PARTS
        expected = dict(self._plan())
        self._clean(parts, expected)
        total, done = self.source.count, sum(expected[name] for name in expected if (parts / name).is_dir())
        self._report(done, total)
        missing = self._specs(parts, lambda name: not (parts / name).is_dir())
        options = self.options
        try:
            for path in run_shards(missing, self._engine(total), options.workers, self.task.preload):
                done += expected[Path(path).name]
                self._report(done, total)
        except BrokenProcessPool:
            raise FacedataError(
                "workers keep dying and no single picture is to blame (too little memory?); "
                "go on with --resume and fewer --workers"
            ) from None
        return self._finish([parts / name for name in expected])

    def _engine(self, pictures: int) -> str:
        if self.options.engine != "auto":
            return self.options.engine
        enough = pictures * (1 + self.task.variants) >= _ENOUGH
        return "process" if enough and self.options.workers > 1 else "serial"

    def _report(self, done: int, total: int) -> None:
        if self.options.progress:
            self.options.progress(done, total)

    def _specs(self, parts: Path, wanted: Callable[[str], bool]) -> Iterator[ShardSpec]:
        cache = None if self.options.cache is None else str(self.options.cache)
        for prefix, items in self.source.shards(_shard_size(self.source.count)):
            # The name covers inputs, parameters and library versions: a finished part with this name is what
            # this run would make, whatever happened in between.
            stamps = identifier([(item.key, item.stamp()) for item in items], self.settings)
            name = f"{prefix}-{stamps[:16]}"
            if wanted(name):
                yield ShardSpec(
                    name,
                    tuple(items),
                    self.task,
                    str(parts),
                    self.options.layout,
                    cache,
                    self.options.max_pixels,
                )

    def _plan(self) -> Iterator[tuple[str, int]]:
        for spec in self._specs(self.work / _PARTS, lambda _: True):
            yield spec.name, len(spec.items)

    def _clean(self, parts: Path, expected: Iterable[str]) -> None:
        """Remove what an earlier run left here that is no part of this one."""
        expected = set(expected)
        plan = canonical_json([self.options.layout, *sorted(expected)])
        plan_file = self.work / _PLAN
        if not plan_file.is_file() or plan_file.read_text("utf-8") != plan:
            # Another input or another layout: pictures that were moved into place already may be stale.
            for child in self.work.iterdir():
                if child.is_dir() and child.name != _PARTS:
                    shutil.rmtree(child)
            if not plan_file.is_file() or not plan_file.read_text("utf-8").startswith(
                f'["{self.options.layout}"'
            ):
                shutil.rmtree(parts, ignore_errors=True)
            _forget(self.work / RECORD_NAME)
            write_text(plan_file, plan)
        parts.mkdir(exist_ok=True)
        for child in parts.iterdir():
            if child.name not in expected:
                shutil.rmtree(child)

    def _finish(self, parts: list[Path]) -> Result:
        assembled = assemble(parts, self.work)
        assembled.failures = [*self.source.failures, *assembled.failures]
        if assembled.counts.rows == 0:
            shutil.rmtree(self.work)
            raise SourceError(_nothing_made(assembled.failures, assembled.left_out))
        record = self._record(assembled)
        write_sheet(self.work)
        write_card(self.work, record, self.target.name)
        write_text(self.work / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
        shutil.rmtree(self.work / _PARTS)
        _forget(self.work / _PLAN)
        _replace(self.work, self.target)
        return Result(
            record,
            self.target,
            assembled.made,
            assembled.cached,
            assembled.left_out,
        )

    def _record(self, assembled: Assembled) -> Record:
        notes = list(self.source.notes)
        if assembled.left_out:
            notes.append(f"{assembled.left_out} planned samples were left out, as --label-effect asks")
        return Record(
            version=assembled.version,
            verb=self.verb,
            parents=list(self.source.parents),
            parameters=self.task.settings(),
            seed=self.seed,
            layout=self.options.layout,  # type: ignore[arg-type]  # checked when the writer was opened
            libraries=library_versions(),
            counts=assembled.counts,
            notes=notes,
            failures=assembled.failures,
        )


def _shard_size(count: int) -> int:
    """Return how many pictures go into one shard: small sets still keep several workers busy."""
    return min(256, max(8, count // 64))


def _occupied(target: Path, verb: str, task: Task, seed: int | None, options: Options) -> Record | None:
    """Return the record of a target that this run finished before; raise when it is something else."""
    if not target.exists() and not target.is_symlink():
        work = target.with_name(f".{target.name}.partial")
        if work.exists() and not (options.resume or options.overwrite):
            raise TargetError(
                f"{target.name} was begun before and not finished ({work}); "
                "go on with --resume, or start again with --overwrite"
            )
        if work.exists() and options.overwrite and not options.resume:
            shutil.rmtree(work)
        return None
    if not target.is_dir():
        raise TargetError(f"{target} is a file; choose another -o")
    if not is_dataset(target):
        if any(target.iterdir()):
            raise TargetError(f"{target} is a folder with other things in it; choose another -o or empty it")
        return None
    if options.overwrite:
        return None
    record = read_record(target)
    same = record.verb == verb and record.seed == seed and record.layout == options.layout
    same = same and canonical_json(record.parameters) == canonical_json(task.settings())
    if options.resume and same:
        return record
    raise TargetError(
        f"{target} already holds dataset {record.version}; choose another -o, or replace it with --overwrite"
    )


def _replace(work: Path, target: Path) -> None:
    """Put the finished work in the target's place; a dataset that stood there goes once it stands."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists() and any(target.iterdir()):
        target.rename(old)
    work.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _writable(cache: Path) -> bool:
    """Whether the cache can be used: it saves work, so a folder that cannot be written is gone without."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache, os.W_OK)


def _forget(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _nothing_made(failures: Sequence[Failure], left_out: int) -> str:
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        return f"nothing could be made: {failures[0].reason}{more}"
    if left_out:
        return f"nothing was made: --label-effect drop left out all {left_out} samples; use flip or keep"
    return "nothing was made: the input holds no picture"


@contextlib.contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Hold the work folder for this process alone; the lock goes with the process, however it ends."""
    work.mkdir(parents=True, exist_ok=True)
    with _lock_file(work).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetError(
                f"{_holder(file)} is writing to {work.name} already; wait for it, or choose another -o"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        try:
            yield
        finally:
            _forget(_lock_file(work))


def _lock_file(work: Path) -> Path:
    return work.with_name(f"{work.name}.lock")


def _holder(file: IO[Any]) -> str:
    file.seek(0)
    return str(file.read()) or "another run"


@contextlib.contextmanager
def _target_errors(work: Path) -> Iterator[None]:
    """Say in one line what keeps the target from being written."""
    try:
        yield
    except OSError as error:
        mend = "free some space and go on with --resume"
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            mend = "check the rights of the folder, or choose another -o"
        raise TargetError(
            f"cannot write to {error.filename or work.parent}: {error.strerror or error}; {mend}"
        ) from None
