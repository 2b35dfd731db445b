"""The engine: one version whatever the way, nothing lost whatever happens."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import weakref
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from conftest import jpeg
from engine_tasks import Invert, crash_after, wait_for

from facedata.datasets import engine as engine_module
from facedata.datasets import pool as pool_module
from facedata.datasets import storage
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import SourceError, TargetError, UsageError
from facedata.datasets.inputs import Reading, open_input, refuse_overlap
from facedata.datasets.pool import done_first, interrupts, worker_pool
from facedata.datasets.validate import validate
from facedata.datasets.workplace import Workplace


def make(faces, target, task=None, **options):
    source = open_input(faces, Reading())
    return run("test", task or Invert(), source, target, 0, Options(**options))


@pytest.fixture
def reference(faces, tmp_path):
    return make(faces, tmp_path / "reference", engine="serial").record.version


@pytest.mark.parametrize("layout", ["files", "shards"])
@pytest.mark.parametrize(("engine", "workers"), [("serial", 1), ("process", 1), ("process", 2), ("auto", 2)])
def test_version_does_not_depend_on_engine_workers_or_layout(
    faces, tmp_path, reference, engine, workers, layout
):
    result = make(faces, tmp_path / "out", engine=engine, workers=workers, layout=layout)
    assert result.record.version == reference
    assert result.record.counts.rows == 12 * 3
    assert validate(tmp_path / "out").findings == []


@pytest.mark.parametrize("size", [1, 3, 100])
def test_version_does_not_depend_on_shard_size(faces, tmp_path, reference, size, monkeypatch):
    monkeypatch.setattr(engine_module, "_shard_size", lambda count: size)
    assert make(faces, tmp_path / "out").record.version == reference


@pytest.mark.parametrize("limit", [1, 5000])
def test_version_does_not_depend_on_how_bytes_are_packed(faces, tmp_path, reference, limit, monkeypatch):
    monkeypatch.setattr(storage, "SHARD_BYTES", limit)
    monkeypatch.setattr(storage, "_GROUP_BYTES", limit // 3)
    assert make(faces, tmp_path / "out", layout="shards").record.version == reference
    assert len(list((tmp_path / "out" / "shards").iterdir())) > 1
    assert validate(tmp_path / "out").findings == []


def test_version_does_not_depend_on_listing_order_or_place(faces, tmp_path, reference, monkeypatch):
    moved = tmp_path / "elsewhere" / "other name"
    shutil.copytree(faces, moved)
    walk = os.walk

    def shuffled(*args, **kwargs):
        for folder, names, files in walk(*args, **kwargs):
            random.Random(5).shuffle(names)
            random.Random(6).shuffle(files)
            yield folder, names, files

    monkeypatch.setattr(os, "walk", shuffled)
    assert make(moved, tmp_path / "out").record.version == reference


def test_dataset_folder_is_the_same_byte_for_byte(faces, tmp_path):
    trees = []
    for name in ("one", "two"):
        make(faces, tmp_path / name / "set", engine="process", workers=2, layout="shards")
        root = tmp_path / name / "set"
        files = (path for path in root.rglob("*") if path.is_file())
        trees.append({path.relative_to(root): path.read_bytes() for path in files})
    assert trees[0] == trees[1]


def test_version_depends_on_pixels_labels_and_places(faces, tmp_path, reference):
    (faces / "live" / "ada 0.jpg").write_bytes(jpeg(99))
    changed = make(faces, tmp_path / "a").record.version
    (faces / "live" / "ada 1.jpg").rename(faces / "spoof" / "ada 1.jpg")
    moved = make(faces, tmp_path / "b").record.version
    assert len({reference, changed, moved}) == 3


def test_one_more_picture_makes_only_its_own_variants(faces, tmp_path):
    cache = tmp_path / "cache"
    first = make(faces, tmp_path / "out", cache=cache)
    assert (first.made, first.cached) == (24, 0)
    (faces / "live" / "new.jpg").write_bytes(jpeg(77))
    second = make(faces, tmp_path / "out", cache=cache, overwrite=True)
    assert (second.made, second.cached) == (2, 24)
    assert second.record.version == make(faces, tmp_path / "fresh").record.version


def test_damaged_cache_entry_is_made_again(faces, tmp_path):
    cache = tmp_path / "cache"
    first = make(faces, tmp_path / "out", cache=cache)
    entry = next(path for path in sorted(cache.rglob("*")) if path.is_file())
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    second = make(faces, tmp_path / "again", cache=cache)
    assert (second.made, second.cached) == (1, 23)
    assert second.record.version == first.record.version


def test_cache_that_cannot_be_written_is_gone_without(faces, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert make(faces, tmp_path / "out", cache=tmp_path / "cache").made == 24


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_resume_after_a_stop_makes_only_the_rest(faces, tmp_path, reference, layout, monkeypatch):
    monkeypatch.setattr(engine_module, "_shard_size", lambda count: 1)
    seen = []

    def stop_half_way(done, total):
        seen.append(done)
        if done >= total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(faces, tmp_path / "out", progress=stop_half_way, layout=layout)
    assert not (tmp_path / "out").exists()
    with pytest.raises(TargetError, match="--resume"):
        make(faces, tmp_path / "out", layout=layout)
    again = []
    result = make(
        faces, tmp_path / "out", resume=True, layout=layout, progress=lambda done, _: again.append(done)
    )
    assert again[0] == seen[-1] >= 6
    assert result.record.version == reference
    assert validate(tmp_path / "out").findings == []


def test_resume_does_not_use_parts_of_changed_inputs(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module, "_shard_size", lambda count: 1)

    def stop_at_the_end(done, total):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(faces, tmp_path / "out", progress=stop_at_the_end)
    for path in (faces / "live").iterdir():
        path.write_bytes(jpeg(50 + len(path.name)))
    result = make(faces, tmp_path / "out", resume=True)
    assert result.record.version == make(faces, tmp_path / "fresh").record.version
    assert validate(tmp_path / "out").findings == []


@pytest.mark.parametrize(
    "moment", ["assemble", "write_sheet", "write_card", "publish", "rename", "published"]
)
def test_resume_after_a_stop_while_assembling(faces, tmp_path, reference, moment, monkeypatch):
    """Stopped after the rows are written, before and after the last rename, ... : no state is a dead end."""

    def stop(*args, **kwargs):
        if moment in ("assemble", "published"):
            original(*args, **kwargs)
        if moment == "rename" and args[0] != tmp_path / ".out.partial":
            return original(*args, **kwargs)
        raise KeyboardInterrupt

    owner, name = {
        "publish": (Workplace, "publish"),
        "rename": (shutil, "rmtree"),  # of the work folder, once the dataset is in place
        "published": (Workplace, "publish"),
    }.get(moment, (engine_module, moment))
    original = getattr(owner, name)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, stop)
        with pytest.raises(KeyboardInterrupt):
            make(faces, tmp_path / "out")
    assert (tmp_path / "out").exists() == (moment in ("rename", "published"))
    assert make(faces, tmp_path / "out", resume=True).record.version == reference
    assert validate(tmp_path / "out").findings == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_resume_of_a_complete_dataset_leaves_it(faces, tmp_path):
    first = make(faces, tmp_path / "out")
    stamp = (tmp_path / "out" / "dataset.json").stat().st_mtime_ns
    second = make(faces, tmp_path / "out", resume=True)
    assert second.complete_before
    assert second.record == first.record
    assert (tmp_path / "out" / "dataset.json").stat().st_mtime_ns == stamp


def test_a_picture_that_kills_its_worker_is_quarantined(faces, tmp_path):
    task = Invert(crash_on="ada 3")
    result = make(faces, tmp_path / "out", task, engine="process", workers=2)
    (failure,) = result.record.failures
    assert (failure.place, failure.kind) == ("live/ada 3.jpg", "killed-worker")
    assert result.record.counts.rows == 11 * 3


def test_two_killers_in_one_shard_are_both_found(faces, tmp_path):
    result = make(faces, tmp_path / "out", Invert(crash_on="günther"), engine="process", workers=2)
    assert [failure.kind for failure in result.record.failures] == ["killed-worker"] * 3
    assert result.record.counts.rows == 9 * 3


def test_a_picture_that_hangs_is_quarantined(faces, tmp_path):
    """Hung in a C library that keeps the interpreter: no signal and no thread of Python would get through."""
    task = Invert(hang_on="ada 4")
    started = time.monotonic()
    result = make(faces, tmp_path / "out", task, engine="process", workers=2, timeout=1.0)
    assert time.monotonic() - started < 30
    (failure,) = result.record.failures
    assert failure.place == "live/ada 4.jpg"
    assert "not done within 1 s" in failure.reason
    assert "--timeout" in failure.reason
    assert result.record.counts.rows == 11 * 3
    assert validate(tmp_path / "out").findings == []


def test_slow_pictures_within_the_limit_are_made(faces, tmp_path, reference):
    """The limit is one picture's, not a shard's: twelve pictures take longer than it."""
    task = Invert(slow=0.15)
    result = make(faces, tmp_path / "out", task, engine="process", workers=1, timeout=1.5)
    assert result.record.failures == []
    assert result.record.version == reference


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), float("inf")])
def test_a_limit_is_a_number_of_seconds(faces, tmp_path, timeout):
    with pytest.raises(UsageError, match=r"timeout .* is not a number of seconds"):
        make(faces, tmp_path / "out", timeout=timeout)


def test_a_worker_killed_from_outside_loses_nothing(faces, tmp_path, reference):
    trap = tmp_path / "trap"
    trap.touch()
    result = make(faces, tmp_path / "out", Invert(kill_once=str(trap)), engine="process", workers=2)
    assert not trap.exists()
    assert result.record.failures == []
    assert result.record.version == reference


def test_workers_have_the_environment_of_now(monkeypatch):
    for value in ("before", "after"):  # forkserver, started by the first, keeps what it was started with
        monkeypatch.setenv("FACEDATA_TOLD", value)
        pool = worker_pool(1, ())
        assert pool.submit(os.getenv, "FACEDATA_TOLD").result() == value
        pool.shutdown()


def test_a_worker_that_the_executor_does_not_know_of_yet_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    begun, known = tmp_path / "begun", tmp_path / "known"
    pool = worker_pool(2, ())

    class Late(dict):
        """The second worker is noted once the first has told all that it has to tell."""

        def __setitem__(self, pid, process):
            if len(self) == 1:
                wait_for(begun)
                first.result()
                time.sleep(0.3)  # the executor's thread has gone back to wait for what it knows
            super().__setitem__(pid, process)

    pool._processes = Late()
    monkeypatch.setattr(pool_module, "_SILENCE", 0.5)
    try:
        first = pool.submit(wait_for, begun)
        second = pool.submit(crash_after, begun, known)
        known.touch()
        assert wait([second], 2).done == set()  # where this fails, Python has mended it
        with pytest.raises(BrokenProcessPool):
            done_first(pool, [second]).pop().result()
    finally:
        pool.shutdown()


def test_an_operator_that_fails_on_one_picture_costs_that_sample(faces, tmp_path):
    result = make(faces, tmp_path / "out", Invert(raise_on="ada 2"))
    (failure,) = result.record.failures
    assert failure.kind == "internal"
    assert "ZeroDivisionError" in failure.reason
    assert failure.place == "live/ada 2.jpg variant 1"
    assert result.record.counts.rows == 35


def test_full_disk_ends_in_one_line_and_resumes(faces, tmp_path, reference, monkeypatch):
    writes = []
    put = storage.FilesWriter.put

    def full(self, data, name):
        writes.append(name)
        if len(writes) > 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        return put(self, data, name)

    with monkeypatch.context() as patched:
        patched.setattr(storage.FilesWriter, "put", full)
        with pytest.raises(TargetError, match=r"No space left.*free some space.*--resume"):
            make(faces, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert make(faces, tmp_path / "out", resume=True).record.version == reference


def test_occupied_targets_are_refused_and_left_alone(faces, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    with pytest.raises(TargetError, match="with other things in it"):
        make(faces, other, overwrite=True)
    assert (other / "thesis.txt").read_text() == "precious"
    with pytest.raises(TargetError, match="is a file"):
        make(faces, other / "thesis.txt")
    make(faces, tmp_path / "out")
    with pytest.raises(TargetError, match=r"already holds dataset .*--overwrite"):
        make(faces, tmp_path / "out", Invert(variants=3))
    with pytest.raises(TargetError, match="already holds dataset"):
        make(faces, tmp_path / "out", Invert(variants=3), resume=True)
    replaced = make(faces, tmp_path / "out", Invert(variants=3), overwrite=True)
    assert Dataset.open(tmp_path / "out").version == replaced.record.version


def test_two_runs_on_one_target(faces, tmp_path):
    messages = []

    def second_run(done, total):
        if not messages:
            try:
                make(faces, tmp_path / "out", resume=True)
            except TargetError as error:
                messages.append(str(error))

    make(faces, tmp_path / "out", progress=second_run)
    assert re.search(rf"^process {os.getpid()} on \S+ is writing to .* already; wait", messages[0])


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("faces", "faces/out", "lies in the input"),
        ("faces", "faces", "is the input"),
        ("faces/live", "faces", "lies in the output"),
    ],
)
def test_overlapping_paths_are_refused(faces, source, target, words):
    with pytest.raises(UsageError, match=words):
        refuse_overlap(faces.parent / source, faces.parent / target)


def test_nothing_made_leaves_nothing_behind(tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "broken.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match=r"nothing could be made: broken.jpg: the file is empty"):
        make(tmp_path / "faces", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces"]


def test_dataset_as_input_keeps_rows_and_lineage(faces, tmp_path):
    first = make(faces, tmp_path / "first", Invert(variants=0))
    result = make(tmp_path / "first", tmp_path / "second")
    (parent,) = result.record.parents
    assert (parent.name, parent.version) == ("first", first.record.version)
    direct = make(faces, tmp_path / "direct")
    assert result.record.version == direct.record.version


def test_a_damaged_picture_of_a_dataset_is_not_used(faces, tmp_path):
    make(faces, tmp_path / "first", Invert(variants=0))
    victim = next(path for path in (tmp_path / "first" / "images").rglob("*") if path.is_file())
    victim.write_bytes(jpeg(1234))
    result = make(tmp_path / "first", tmp_path / "second")
    (failure,) = result.record.failures
    assert failure.kind == "changed"
    assert result.record.counts.rows == 11 * 3


def test_record_holds_nothing_of_machine_or_time(faces, tmp_path):
    make(faces, tmp_path / "out")
    text = (tmp_path / "out" / "dataset.json").read_text()
    assert str(tmp_path) not in text
    assert set(json.loads(text)) == {
        *("schema_version", "version", "verb", "parents", "ancestors", "parameters", "seed", "layout"),
        *("libraries", "counts", "notes", "failures"),
    }
    assert Path(tmp_path / "out" / "preview.png").stat().st_size > 1000


def test_a_script_without_a_main_guard_is_told_what_to_do(faces, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from facedata.augment.run import augment\n"
        "from facedata.datasets.engine import Options\n"
        f"augment(Path({str(faces)!r}), Path('out'), options=Options(engine='process', workers=2))\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "put the call under if __name__ == '__main__'" in done.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_drops_stops_the_run():
    """In a weak reference's callback KeyboardInterrupt is reported and lost; the engine notes it."""

    class Thing:
        pass

    with interrupts() as stopped:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
        del thing
        assert reference() is None
        assert stopped()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
