"""Writing to object storage, where nothing can be renamed.

    s3://bucket/NAME/images/...          pictures, written by whoever made them
    s3://bucket/NAME/dataset.json        written last: before it, there is no dataset
    s3://bucket/.NAME.partial/plan       which parts the run consists of
    s3://bucket/.NAME.partial/parts/     the tables of finished parts: any machine may go on with the run
    s3://bucket/.NAME.partial/sent       files of what was being published may lie in NAME
    s3://bucket/.NAME.partial/sweep      pictures of another run may lie in NAME
    s3://bucket/.NAME.lock               who writes

Tables are put together in the target's mirror on this machine.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from facedata.datasets.dataset import SAMPLES_NAME, Dataset
from facedata.datasets.errors import TargetError
from facedata.datasets.record import RECORD_NAME, Record
from facedata.datasets.remote import Remote, mirror_of, remote_of
from facedata.datasets.seal import SEAL_NAME
from facedata.datasets.storage import PICTURE_FOLDERS, checked_name
from facedata.datasets.workplace import Workplace, occupied, unfinished

__all__ = ["RemoteWorkplace", "workplace"]

_SENT = 1000  # files handed over at once


def workplace(target: Path) -> Workplace:
    """Return the workplace of a target, which may be a folder or a place on object storage."""
    remote = remote_of(target)
    return Workplace(target) if remote is None else RemoteWorkplace(remote)


class RemoteWorkplace(Workplace):
    """A target on object storage."""

    remote: Remote

    def __init__(self, remote: Remote) -> None:
        super().__init__(mirror_of(remote, "to"))
        self.remote = remote
        self.tree = self.target  # what is not in the mirror is looked for at the place itself
        self._remote_parts = remote.partial / "parts"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the target for this object; raise TargetError, naming the holder, where another has it."""
        if self._holding:
            yield
            return
        with super().held(), self._locked():
            yield

    def names(self) -> set[str]:
        """Return what stands in the target, unless it is what a run that was stopped left there."""
        files, folders = self.remote.children()
        found = {one.name for one in files} | set(folders)
        left = self.begun() or (self.remote.partial / "sent").exists()
        return found if RECORD_NAME in found or not left else set()

    def check(self, *, resume: bool, overwrite: bool, same: Callable[[Record], bool]) -> Record | None:
        """Return the record of a finished target that is `same`; raise TargetError where it is occupied."""
        names, begun = self.names(), self.begun()
        if RECORD_NAME in names and not overwrite:
            record = Dataset.open(str(self.remote)).record
            if resume and same(record):
                self._clear()
                return record
            raise occupied(self.remote, record)
        if names and RECORD_NAME not in names:
            raise TargetError(f"{self.remote} has other things in it; choose another -o or remove them")
        if begun and not resume:
            if not overwrite:
                raise unfinished(self.remote)
            self._forget_parts()
        if not resume:
            shutil.rmtree(self.work, ignore_errors=True)
        self.parts.mkdir(parents=True, exist_ok=True)
        return None

    def prepare(self, expected: Iterable[str]) -> None:
        """Fetch the tables of those finished parts that are among `expected`; remove all others."""
        names = set(expected)
        super().prepare(names)
        plan, there = self.remote.partial / "plan", None
        with contextlib.suppress(FileNotFoundError):
            there = plan.read()
        ours = self._plan.read_bytes()
        if there != ours:
            # What is here is of a run that another machine has replaced since, or of no run.
            shutil.rmtree(self.parts)
            self.parts.mkdir()
            if there is not None:
                self._forget_parts()
            plan.write(ours)
            return
        found = groupby(self._remote_parts.objects(), key=lambda one: one.name.partition("/")[0])
        sealed = {
            part: files
            for part, group in found
            if SEAL_NAME in (files := [one.name.partition("/")[2] for one in group])
        }
        self._fetch(
            {
                part: files
                for part, files in sealed.items()
                if part in names and not (self.parts / part).is_dir()
            }
        )

    def begun(self) -> bool:
        """Whether a dataset was begun here, on any machine, and not finished."""
        return (self.remote.partial / "plan").exists()

    def discard(self) -> None:
        """Drop what was begun, unless a dataset was taken away for it, whose pictures are to be swept up."""
        if not (self.remote.partial / "sweep").exists():
            self._clear()

    def begin(self, last: str = RECORD_NAME) -> None:
        """Take the record of what is replaced away: its pictures are about to be."""
        if (self.remote / last).exists():
            (self.remote.partial / "sweep").write(b"")
            self.remote.remove([last])

    def land(self, name: str) -> None:
        """Fetch the tables of a part that was finished on another machine."""
        if not (self.parts / name).is_dir():
            files, _ = (self._remote_parts / name).children()
            self._fetch({name: [one.name for one in files]})

    def publish(self, last: str = RECORD_NAME) -> None:
        """Write what is in the tree, `last` as the last, and remove what belongs to no row of it."""
        self.begin(last)
        sent = self.remote.partial / "sent"
        if sent.exists():
            (self.remote.partial / "sweep").write(b"")
        sent.write(b"")
        names = sorted(
            path.relative_to(self.tree).as_posix() for path in self.tree.rglob("*") if path.is_file()
        )
        names.remove(last)
        # Pictures first: whoever looks at the tables finds them.
        names.sort(key=lambda name: name.partition("/")[0] not in PICTURE_FOLDERS)
        for start in range(0, len(names), _SENT):
            self.remote.send(self.tree, names[start : start + _SENT])
        if (self.remote.partial / "sweep").exists():
            known = {*names, last, *self._referenced()}
            self.remote.remove([one.name for one in self.remote.objects() if one.name not in known])
        self.remote.send(self.tree, [last])
        self._clear()

    def _referenced(self) -> Iterator[str]:
        """Yield the files that rows refer to."""
        if not (self.tree / SAMPLES_NAME).is_file():
            return
        with pq.ParquetFile(self.tree / SAMPLES_NAME, pre_buffer=False) as file:
            for batch in file.iter_batches(columns=["image", "layers"]):
                for row in batch.to_pylist():
                    yield row["image"].partition("#")[0]
                    yield from (layer["ref"].partition("#")[0] for layer in row["layers"] or ())

    def _fetch(self, parts: dict[str, list[str]]) -> None:
        """Fetch the tables of parts into `parts`, each under its name once it is whole."""
        work = self.parts / f".{uuid.uuid4().hex}"
        names = [checked_name(f"{part}/{file}") for part, files in parts.items() for file in files]
        self._remote_parts.fetch(names, work)
        for part in parts:
            (work / part).rename(self.parts / part)
        shutil.rmtree(work, ignore_errors=True)

    def _forget_parts(self) -> None:
        """Drop the parts of another run; its pictures go when this one is whole."""
        (self.remote.partial / "sweep").write(b"")
        self._remote_parts.remove_all()

    def _clear(self) -> None:
        # The plan first: without it, what is left over is nothing that could be gone on with.
        self.remote.partial.remove(["plan"])
        self.remote.partial.remove_all()
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.tree, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.remote.parent / f".{self.remote.name}.lock"
        mine = f"process {os.getpid()} on {platform.node() or 'a machine without a name'}"
        if not lock.create(mine.encode()):
            try:
                holder = lock.read().decode("utf-8", "replace")[:200]
            except FileNotFoundError:  # it went in between
                holder = ""
            if holder and not _gone(holder):
                raise TargetError(
                    f"{holder} is writing to {self.remote} already; wait for it, or choose another -o; if it "
                    f"is no more, remove {lock}"
                )
            lock.write(mine.encode())
        try:
            yield
        finally:
            lock.parent.remove([lock.name])


def _gone(holder: str) -> bool:
    """Whether the holder of a lock was a process of this machine that is no more."""
    found = re.fullmatch(r"process (\d{1,9}) on (.+)", holder)
    if not found or found[2] != platform.node():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return int(found[1]) == os.getpid()  # of a process before, in a container that numbers anew
