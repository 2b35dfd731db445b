"""Where a dataset is written until it is whole: `.NAME.partial` beside the target.

    .NAME.partial/plan        which parts this run consists of
    .NAME.partial/parts/      finished shards, and shards in the making under hidden names
    .NAME.partial/dataset/    the dataset being put together; renamed to the target as the last act

A run that was stopped at any point leaves either this folder, which a later run goes on from, or the whole
dataset: never half of one under the target's name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from facedata.datasets.canonical import canonical_json
from facedata.datasets.dataset import is_dataset
from facedata.datasets.errors import TargetError
from facedata.datasets.lock import Held, hold
from facedata.datasets.record import RECORD_NAME, Record, read_record, write_text
from facedata.datasets.remote import Remote
from facedata.datasets.storage import PICTURE_FOLDERS

__all__ = ["Workplace", "occupied", "unfinished"]


class Workplace:
    """The target and the folder beside it; `remote` is the place that the target stands for, if it does."""

    remote: Remote | None = None

    def __init__(self, target: Path) -> None:
        self.target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link
        self.work = self.target.with_name(f".{self.target.name}.partial")
        self.parts = self.work / "parts"
        self.tree = self.work / "dataset"
        self._plan = self.work / "plan"
        self.spool = self.target.with_name(f".{self.target.name}.spool")
        """For a verb's scratch file; what is found there is left by a run that was killed."""
        self._holding = False
        self._lock = self.target.with_name(f".{self.target.name}.lock")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the target for this object; raise TargetError, naming the holder, where another has it."""
        if self._holding:  # by this very object: a verb that holds its target calls one that would
            yield
            return
        with _readable_errors(self.target.parent), contextlib.ExitStack() as stack:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(hold(self._lock))
            except Held as lock:
                raise TargetError(
                    f"{lock.holder} is writing to {self.target} already; wait for it, or choose another -o"
                ) from None
            self._holding = True
            try:
                yield
            finally:
                self._holding = False

    def names(self) -> set[str]:
        """Return what stands in the target; nothing where there is no such folder."""
        return {child.name for child in self.target.iterdir()} if self.target.is_dir() else set()

    def check(self, *, resume: bool, overwrite: bool, same: Callable[[Record], bool]) -> Record | None:
        """Return the record of a finished target that is `same`; raise TargetError where it is occupied."""
        if self.target.is_symlink() and not self.target.exists():
            raise TargetError(f"{self.target} is a link to nothing; remove it or choose another -o")
        if self.target.exists():
            record = self._check_target(resume=resume, overwrite=overwrite, same=same)
            if record is not None:
                shutil.rmtree(self.work, ignore_errors=True)
                return record
        if self.work.exists() and not resume:
            if not overwrite:
                raise unfinished(self.target)
            shutil.rmtree(self.work)
        self.parts.mkdir(parents=True, exist_ok=True)
        return None

    def _check_target(
        self, *, resume: bool, overwrite: bool, same: Callable[[Record], bool]
    ) -> Record | None:
        if not self.target.is_dir():
            raise TargetError(f"{self.target} is a file; choose another -o")
        if not is_dataset(self.target):
            if any(self.target.iterdir()):
                raise TargetError(
                    f"{self.target} is a folder with other things in it; choose another -o or empty it"
                )
            return None
        if overwrite:
            return None
        record = read_record(self.target)
        if resume and same(record):
            return record
        raise occupied(self.target, record)

    def prepare(self, expected: Iterable[str]) -> None:
        """Keep the finished parts that are among `expected`, and their pictures; remove everything else.

        Texts that were put into the tree go too: they are few, they are written again from the parts, and one
        may be half written.
        """
        names = set(expected)
        plan = canonical_json(sorted(names))
        if not self._plan.is_file() or self._plan.read_bytes() != plan.encode():
            shutil.rmtree(self.tree, ignore_errors=True)  # pictures in place may be of parts that are no more
            write_text(self._plan, plan)
        for child in self.parts.iterdir():
            if child.name not in names:
                _remove(child)
        self.tree.mkdir(exist_ok=True)
        for child in self.tree.iterdir():
            if child.name not in PICTURE_FOLDERS:
                _remove(child)

    def begun(self) -> bool:
        """Whether a dataset was begun here and not finished."""
        return self._plan.exists()

    def discard(self) -> None:
        """Drop what was begun: there is nothing in it to go on with."""
        shutil.rmtree(self.work, ignore_errors=True)

    def begin(self, last: str = RECORD_NAME) -> None:
        """Make the target ready for parts that are written before the dataset is whole."""

    def land(self, name: str) -> None:
        """Have a part that was finished elsewhere under its name in `parts`."""

    def publish(self, last: str = RECORD_NAME) -> None:
        """Rename the finished folder to the target; what stood there goes once the new one stands.

        `last` is the file that makes it what it is: where there is no renaming, it is written last.
        """
        old = self.work / "old"
        if self.target.exists():
            shutil.rmtree(old, ignore_errors=True)
            self.target.rename(old)
        self.tree.rename(self.target)
        shutil.rmtree(self.work)


def occupied(target: object, record: Record) -> TargetError:
    """Return the error of a target that holds another dataset."""
    return TargetError(
        f"{target} already holds dataset {record.version}; choose another -o, or replace it with --overwrite"
    )


def unfinished(target: object) -> TargetError:
    """Return the error of a target at which an earlier run was stopped."""
    return TargetError(
        f"{target} was begun before and not finished; go on with --resume, or start again with --overwrite"
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextlib.contextmanager
def _readable_errors(folder: Path) -> Iterator[None]:
    """Say in one line what keeps the target from being written."""
    try:
        yield
    except OSError as error:
        mend = "free some space and go on with --resume"
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            mend = "check the rights of the folder, or choose another -o"
        raise TargetError(
            f"cannot write to {error.filename or folder}: {error.strerror or error}; {mend}"
        ) from None
