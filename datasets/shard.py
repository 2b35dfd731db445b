"""One shard of work: some items in, one finished folder out.

`do_shard` is a pure function of its specification that every engine calls, in this process, in a worker or on
another machine, so all of them give the same bytes. It works in a folder of its own and renames it when it is
whole: what stands under a part's name is finished.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facedata.datasets.cache import Cache, cache_key
from facedata.datasets.canonical import content_hash
from facedata.datasets.errors import OUT_OF_MEMORY, FacedataError, PictureError, StorageError, TargetError
from facedata.datasets.items import Item, Loaded, printable
from facedata.datasets.pictures import encode_layer, picture_size
from facedata.datasets.record import Failure, write_text
from facedata.datasets.remote import Remote
from facedata.datasets.sample import SCHEMA, Layer, Sample, hash_row
from facedata.datasets.seal import SEAL_NAME, seal
from facedata.datasets.storage import PICTURE_FOLDERS, Writer, open_writer, slug
from facedata.datasets.task import BatchTask, Planned, Rendered, Task

__all__ = ["PART_FILES", "PART_NAME", "PART_ROWS", "PART_SCHEMA", "ShardSpec", "do_shard", "file_stem"]

PART_NAME = "part.json"
PART_ROWS = "rows.parquet"
PART_FILES = (PART_NAME, PART_ROWS)
PART_SCHEMA = SCHEMA.append(pa.field("row_hash", pa.string()))
_FULL = {errno.ENOSPC, errno.EDQUOT}
_TARGET_ERRORS = _FULL | {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """Everything that `do_shard` needs, picklable; pixels stay on disk."""

    name: str
    items: tuple[Item, ...]
    task: Task
    parts: str
    layout: str
    cache: str | None
    max_pixels: int
    remote: Remote | None = None
    """The place on object storage that the pictures go to, and the part's tables beside it."""
    quarantined: Mapping[str, str] = field(default_factory=dict)
    """Places whose picture killed a worker, with the reason."""
    limit: float = 0.0
    """Seconds after which this process ends itself where one picture, with all that is made of it, takes
    longer; 0 is no limit. For workers only: whoever hands out shards retries what is lost."""

    def fill(self, work: Path) -> None:
        """Make the samples and write them into the folder `work`; a shard of other things makes those."""
        _Part(self, work).make()


def do_shard(spec: ShardSpec) -> str:
    """Make the shard and return the path of its finished folder.

    A picture that cannot be read, or an operator that fails on it, becomes a failure of the part; a target
    that cannot be written ends the run with TargetError.
    """
    final = Path(spec.parts, spec.name)
    # What is sent away may be made anywhere: another machine has no such folder.
    here = spec.parts if spec.remote is None or os.path.isdir(spec.parts) else gettempdir()  # noqa: PTH112
    # Not by the process id: processes of two machines may have the same.
    work = Path(here, f".{spec.name}.{uuid.uuid4().hex}")
    try:
        work.mkdir(parents=True)
        spec.fill(work)
        if spec.remote is not None:
            _send(work, spec.remote, spec.name)
            if here != spec.parts:
                shutil.rmtree(work)
                return str(final)
        try:
            work.rename(final)
        except OSError:
            if not final.is_dir():
                raise
            shutil.rmtree(work)  # an earlier run's worker that outlived it was first: same bytes
    except OSError as error:
        if error.errno in _TARGET_ERRORS:
            mend = "free some space" if error.errno in _FULL else "check its rights"
            raise TargetError(
                f"cannot write to {error.filename or work}: {error.strerror}; {mend} and go on with --resume"
            ) from None
        raise
    return str(final)


def _send(work: Path, remote: Remote, name: str) -> None:
    """Send the pictures of a part to their place, where they go from here; then its tables, the seal last."""
    for kind in PICTURE_FOLDERS:
        files = sorted(
            path.relative_to(work).as_posix() for path in (work / kind).rglob("*") if path.is_file()
        )
        remote.send(work, files)
        shutil.rmtree(work / kind, ignore_errors=True)
    part = remote.partial / "parts" / name
    part.send(work, PART_FILES)
    part.send(work, [SEAL_NAME])


class _Part:
    """The state of one shard in the making."""

    def __init__(self, spec: ShardSpec, work: Path) -> None:
        self.spec = spec
        self.work = work
        self.cache = None if spec.cache is None else Cache(Path(spec.cache))
        self.writer: Writer = open_writer(spec.layout, work)
        self.rows: list[Sample] = []
        self.failures: list[Failure] = []
        self.made = self.cached = self.left_out = 0
        self.waiting: list[tuple[str, Planned, NDArray[np.uint8]]] = []

    def make(self) -> None:
        """Make every item's samples, then write the rows and the part's summary."""
        for item in self.spec.items:
            if reason := self.spec.quarantined.get(item.place):
                self._fail(item.place, "killed-worker", reason)
                continue
            try:
                with _watched(self.spec.limit) as again:
                    for loaded in self._load(item):
                        self._make_item(item, loaded)
                        again()  # each frame of a video has the time that a picture has
            except MemoryError:
                # What fits into memory is the machine's affair: on another one the row would be there.
                raise FacedataError(f"{printable(item.place)}: {OUT_OF_MEMORY}") from None
        self._make_waiting(everything=True)
        references = self.writer.close()
        samples = [_resolved(sample, references) for sample in self.rows]
        rows = [sample.to_row() for sample in samples]
        for row in rows:
            row["row_hash"] = hash_row(row)
        rows.sort(key=lambda row: row["sample_id"])
        pq.write_table(pa.Table.from_pylist(rows, schema=PART_SCHEMA), self.work / PART_ROWS)
        summary = {
            "items": len(self.spec.items),
            "made": self.made,
            "cached": self.cached,
            "left_out": self.left_out,
            "failures": [failure.model_dump() for failure in self.failures],
        }
        write_text(self.work / PART_NAME, json.dumps(summary), flush=False)
        seal(self.work, PART_FILES)

    def _load(self, item: Item) -> Iterator[Loaded]:
        """Yield what can be had of an item; the rest becomes failures."""
        try:
            for loaded in item.load(self.spec.max_pixels):
                if isinstance(loaded, Failure):
                    self.failures.append(loaded)
                else:
                    yield loaded
        except PictureError as error:
            self._fail(item.place, error.kind, str(error))
        except (OSError, MemoryError, StorageError):
            raise
        except Exception as error:  # noqa: BLE001 - one odd picture must not end a run over a million
            _raise_for_memory(error)
            self._fail(item.place, "internal", f"{printable(item.place)}: {error!r}; please report it")

    def _make_item(self, item: Item, loaded: Loaded) -> None:
        task = self.spec.task
        if task.keeps_originals:
            self._store(loaded.sample, loaded.data, loaded.suffix, loaded.layers)
        planned = task.plan(loaded.sample)
        self.left_out += max(task.variants - len(planned), 0)
        if isinstance(task, BatchTask):
            for plan in planned:
                with self._quarantined(item.place, plan):
                    self.waiting.append((item.place, plan, loaded.pixels()))
            self._make_waiting()
            return
        for plan in planned:
            with self._quarantined(item.place, plan):
                self._make_one(loaded, plan)

    def _make_waiting(self, everything: bool = False) -> None:
        """Make the samples that wait, in whole batches; the rest too at the shard's end."""
        task = self.spec.task
        while isinstance(task, BatchTask) and len(self.waiting) >= (1 if everything else task.batch):
            batch, self.waiting = self.waiting[: task.batch], self.waiting[task.batch :]
            try:
                made = task.render_batch([plan for _, plan, _ in batch], [pixels for *_, pixels in batch])
            except (OSError, MemoryError, FacedataError):
                raise
            except Exception as error:  # noqa: BLE001 - a batch fails as a whole: its rows name what to report
                made = [FacedataError(f"{error!r}; please report it")] * len(batch)
            for (place, plan, _), found in zip(batch, made, strict=True):
                with self._quarantined(place, plan):
                    if isinstance(found, FacedataError):
                        raise found
                    self._store_made(plan, found)

    @contextmanager
    def _quarantined(self, place: str, plan: Planned) -> Iterator[None]:
        """Turn what fails in the body into a failure of the part."""
        where = f"{place} variant {plan.sample.variant}"
        try:
            yield
        except (OSError, MemoryError, StorageError):
            raise
        except PictureError as error:
            self._fail(where, error.kind, str(error))
        except FacedataError as error:
            self._fail(where, "not-made", str(error))
        except Exception as error:  # noqa: BLE001 - see above; the row names what to report
            _raise_for_memory(error)
            reason = f"{printable(where)}: {plan.sample.operator}: {error!r}; please report it"
            self._fail(where, "internal", reason)

    def _make_one(self, loaded: Loaded, plan: Planned) -> None:
        task = self.spec.task
        cache = self.cache if task.cacheable else None
        data = cache.get(cache_key(loaded.sample, plan)) if cache else None
        if data is not None:
            width, height = picture_size(data)
            self._store(plan.sample, data, task.encoding.suffix, {}, width=width, height=height)
            self.cached += 1
            return
        rendered = task.render(plan, loaded.pixels())
        data = self._store_made(plan, rendered)
        if cache:
            cache.put(cache_key(loaded.sample, plan), data)

    def _store_made(self, plan: Planned, rendered: Rendered) -> bytes:
        """Store a picture that was made, with its layers, and return its bytes."""
        encoding = self.spec.task.encoding
        data = encoding.encode(rendered.pixels)
        height, width = rendered.pixels.shape[:2]
        layers = {name: encode_layer(layer) for name, layer in rendered.layers.items()}
        known: dict[str, Any] = {"width": width, "height": height}
        if rendered.attributes:
            known["attributes"] = {**(plan.sample.attributes or {}), **rendered.attributes}
        self._store(plan.sample, data, encoding.suffix, layers, **known)
        self.made += 1
        return data

    def _store(
        self, sample: Sample, data: bytes, suffix: str, layers: Mapping[str, bytes], **known: Any
    ) -> None:
        if not sample.content_hash:
            known["content_hash"] = content_hash(data)
        stem = file_stem(sample)
        reference = self.writer.put(data, f"images/{sample.label or 'unlabelled'}/{stem}.{suffix}")
        kept = [
            Layer(
                name=name,
                ref=self.writer.put(layer, f"layers/{slug(name)}/{stem}.png"),
                content_hash=content_hash(layer),
            )
            for name, layer in sorted(layers.items())
        ]
        self.rows.append(sample.replace(image=reference, layers=tuple(kept), **known))

    def _fail(self, place: str, kind: str, reason: str) -> None:
        self.failures.append(Failure(place=place, kind=kind, reason=reason))


def _raise_for_memory(error: Exception) -> None:
    """Raise MemoryError for what OpenCV raises in its place."""
    if isinstance(error, cv2.error) and getattr(error, "code", 0) == cv2.Error.StsNoMem:
        raise MemoryError from None


@contextmanager
def _watched(limit: float) -> Iterator[Callable[[], None]]:
    """End this process where the body takes longer than `limit` seconds, even if it hangs in a library.

    The function that it gives starts the time anew.

    The watchdog is a thread of C that needs no GIL; a signal's handler would wait for the library to return.
    """
    if limit <= 0:
        yield lambda: None
        return
    with Path(os.devnull).open("w") as nowhere:

        def start() -> None:
            faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)

        start()
        try:
            yield start
        finally:
            faulthandler.cancel_dump_traceback_later()


def file_stem(sample: Sample) -> str:
    """Return a readable, unique file name stem: the source's name, what was done, and the sample's id."""
    source = sample.source.file if sample.source and sample.source.file else "picture"
    words = [slug(source.rpartition("/")[2].rpartition(".")[0] or source)]
    if sample.source and sample.source.frame is not None:
        words.append(f"f{sample.source.frame:05d}")
    if sample.parent_id is not None:
        words += [f"v{sample.variant}", slug(sample.operator or "made", 60)]
    return "-".join([*words, sample.sample_id[:12]])


def _resolved(sample: Sample, references: Mapping[str, str]) -> Sample:
    """Put final references in place of the writer's tickets."""
    if not references:
        return sample
    changes: dict[str, Any] = {"image": references[sample.image]}
    if sample.layers:
        changes["layers"] = tuple(
            Layer(name=layer.name, ref=references[layer.ref], content_hash=layer.content_hash)
            for layer in sample.layers
        )
    return sample.replace(**changes)
