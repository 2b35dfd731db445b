"""Datasets on object storage, on a real S3 server on this machine."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_tasks import Invert
from s3_parts import BUCKET, SECRET, run, s3_server

from facedata.augment.run import augment
from facedata.datasets import engine as engine_module
from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset, is_dataset
from facedata.datasets.engine import Options
from facedata.datasets.engine import run as make
from facedata.datasets.errors import DatasetError, StorageError, TargetError, UsageError
from facedata.datasets.exports.run import export
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.remote import Remote, mirror_of, remote_of, shown, shown_in
from facedata.datasets.shard import do_shard
from facedata.datasets.storage import LAYOUTS
from facedata.datasets.validate import validate
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.filter import filter_rows

TARGET = f"s3://{BUCKET}/runs"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("mirror")) as found:
        yield found


@pytest.fixture
def place(server, request):
    """A place of the test's own."""
    return f"{TARGET}/{abs(hash(request.node.nodeid)):x}"


@pytest.fixture
def reference(faces, tmp_path):
    return make("test", Invert(), open_input(faces, Reading()), tmp_path / "reference", 0, Options()).record


def inverted(source, target, **options):
    return make("test", Invert(), open_input(Path(source), Reading()), Path(target), 0, Options(**options))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_written_there_is_the_dataset_that_is_written_here(server, faces, place, reference, layout):
    made = inverted(faces, place, layout=layout)
    assert made.record.version == reference.version
    assert shown(made.root) == place
    there = Dataset.open(place)
    assert there.version == reference.version
    for sample in there:
        assert content_hash(there.read(sample.image)) == sample.content_hash
        for layer in sample.layers:
            assert content_hash(there.read(layer.ref)) == layer.content_hash
    assert is_dataset(Path(place))
    beside = [name for name in server.names(TARGET) if name.startswith(".")]
    assert beside == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_of_every_file_are_those_of_a_disk(server, faces, tmp_path, place, layout):
    inverted(faces, place, layout=layout)
    inverted(faces, tmp_path / place.rpartition("/")[2], layout=layout)  # the card tells the name
    here = tmp_path / place.rpartition("/")[2]
    files = sorted(path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file())
    assert server.names(place) == files
    for name in files:
        assert (remote_of(place) / name).read() == (here / name).read_bytes()


def test_worker_processes_send_what_they_make(server, faces, place, reference):
    assert inverted(faces, place, engine="process", workers=2).record.version == reference.version


def test_a_folder_of_pictures_there_is_the_folder_here(server, faces, tmp_path, place, reference):
    server.upload(faces, f"{place}/input")
    made = inverted(f"{place}/input", f"{place}/output")
    assert made.record.version == reference.version
    assert [one for one in made.record.notes if "labels" in one] == [
        one for one in reference.notes if "labels" in one
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_versions_are_derived_from_there_and_to_there(server, faces, tmp_path, place, layout):
    inverted(faces, f"{place}/faces", layout=layout)
    inverted(faces, tmp_path / "whole", layout=layout)
    wanted = filter_rows(tmp_path / "whole", "label == 'live'", tmp_path / "live", Writing())
    for number, target in enumerate((f"{place}/live", str(tmp_path / "copy"))):
        other = Writing(layout=LAYOUTS[number])  # carried as it is, and packed anew
        assert filter_rows(Path(f"{place}/faces"), "label == 'live'", Path(target), other).record.version == (
            wanted.record.version
        )
    assert validate(tmp_path / "copy").findings == []


def test_an_export_is_written_there(server, faces, tmp_path, place):
    inverted(faces, f"{place}/faces")
    first = export(f"{place}/faces", Path(f"{place}/export"), "webdataset")
    before = server.names(f"{place}/export")
    assert "export.json" in before
    with pytest.raises(TargetError, match="already holds an export"):
        export(f"{place}/faces", Path(f"{place}/export"), "webdataset")
    inverted(faces, f"{place}/other")
    again = export(f"{place}/faces", Path(f"{place}/export"), "folder", overwrite=True)
    assert again.rows == first.rows
    assert not any(name.endswith(".tar") for name in server.names(f"{place}/export"))
    with pytest.raises(TargetError, match="which no export replaces"):
        export(f"{place}/faces", Path(f"{place}/other"), "folder")


def test_a_stopped_run_is_gone_on_with_by_another_machine(
    server, faces, tmp_path, place, reference, monkeypatch
):
    monkeypatch.setattr(engine_module, "_shard_size", lambda count: 1)
    seen = []

    def stop(done, total):
        if done >= 5:
            raise KeyboardInterrupt
        seen.append(done)

    with pytest.raises(KeyboardInterrupt):
        inverted(faces, place, progress=stop)
    assert not is_dataset(Path(place))
    parts = server.names(f"{place.rpartition('/')[0]}/.{place.rpartition('/')[2]}.partial")
    assert sum(name.endswith("/seal") for name in parts) >= 3

    monkeypatch.setenv("FACEDATA_REMOTE", str(tmp_path / "another"))
    with pytest.raises(TargetError, match="was begun before and not finished"):
        inverted(faces, place)
    begun = []
    made = inverted(faces, place, resume=True, progress=lambda done, total: begun.append(done))
    assert begun[0] >= 3  # what the other finished is not made again
    assert made.record.version == reference.version
    assert inverted(faces, place, resume=True).complete_before


def test_a_machine_that_has_none_of_the_folders_makes_parts_too(
    server, faces, tmp_path, place, reference, monkeypatch
):
    def elsewhere(specs, hands):
        for spec in specs:
            path = do_shard(dataclasses.replace(spec, parts=str(tmp_path / "not" / "here")))
            assert not Path(path).exists()
            yield path

    monkeypatch.setattr(engine_module, "run_shards", elsewhere)
    monkeypatch.setattr("facedata.datasets.shard.gettempdir", lambda: str(tmp_path / "scratch"))
    assert inverted(faces, place).record.version == reference.version
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_is_replaced_leaves_nothing(server, faces, tmp_path, place, reference):
    inverted(faces, place, layout="shards")
    with pytest.raises(TargetError, match=f"{place} already holds dataset"):
        inverted(faces, place)
    server.files.pipe_file(f"{place}/images/live/stray.jpg", b"left by somebody")
    made = inverted(faces, place, overwrite=True)
    assert made.record.version == reference.version
    assert not any(name.startswith("shards/") or "stray" in name for name in server.names(place))


def test_another_run_than_the_one_that_was_stopped_sweeps_up_after_it(
    server, faces, tmp_path, place, monkeypatch
):
    monkeypatch.setattr(engine_module, "_shard_size", lambda count: 1)

    def stop(done, total):
        if done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inverted(faces, place, layout="shards", progress=stop)
    made = inverted(faces, place, overwrite=True)
    assert not any(name.startswith("shards/") for name in server.names(place))
    assert Dataset.open(place).version == made.record.version


def test_a_place_with_other_things_is_left_alone(server, faces, place):
    server.files.pipe_file(f"{place}/thesis.tex", b"mine")
    with pytest.raises(TargetError, match="has other things in it"):
        inverted(faces, place, overwrite=True)
    assert server.names(place) == ["thesis.tex"]


def test_one_run_on_a_place(server, faces, place):
    lock = remote_of(place).parent / f".{place.rpartition('/')[2]}.lock"
    lock.write(b"process 7 on another-machine")
    with pytest.raises(TargetError, match="process 7 on another-machine is writing to s3://"):
        inverted(faces, place)
    assert lock.read() == b"process 7 on another-machine"
    # of a process of this machine that was killed: taken over
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock.write(f"process {dead.pid} on {os.uname().nodename}".encode())
    inverted(faces, place)
    assert not lock.exists()


def test_killed_and_gone_on_with_from_the_command_line(server, faces, place, reference):
    words = ["augment", str(faces), "-o", place, "--policy", "fas-aug", "--variants", "1", "--no-cache"]
    wanted = run([*words[:3], f"{place}-whole", *words[4:], "--json"], server)
    assert wanted.returncode == 0, wanted.stderr
    command = [sys.executable, "-c", "from facedata.cli.main import run; run()", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        ends = time.monotonic() + 60
        partial = remote_of(place).partial
        while not any(one.name.startswith("parts/") for one in partial.objects()):
            assert process.poll() is None, "over before it could be killed"
            assert time.monotonic() < ends
        process.send_signal(signal.SIGKILL)
    again = run([*words, "--resume", "--json"], server)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["version"] == json.loads(wanted.stdout)["version"]
    assert json.loads(again.stdout)["path"] == place


def test_a_dataset_that_is_written_anew_is_seen(server, faces, tmp_path, place):
    first = inverted(faces, place)
    assert Dataset.open(place).version == first.record.version
    other = augment(faces, Path(place), policy="fas-aug", options=Options(overwrite=True))
    assert Dataset.open(place).version == other.record.version != first.record.version


def test_damage_there_is_told(server, faces, place):
    inverted(faces, place)
    found = Dataset.open(place)
    first = next(iter(found))
    server.files.pipe_file(f"{place}/{first.image}", b"not a picture")
    server.files.rm(f"{place}/{[one.image for one in found][1]}")
    server.files.pipe_file(f"{place}/images/live/stray.jpg", b"?")
    assert sorted(finding.check for finding in validate(place).findings) == ["changed", "missing", "stray"]
    with pytest.raises(DatasetError, match=rf"^{place}/images/.* is missing"):
        found.read([one.image for one in found][1])


@pytest.mark.parametrize(
    ("there", "error", "words"),
    [
        (f"s3://{BUCKET}/nothing", DatasetError, "has no dataset.json"),
        ("s3://no-such-bucket/x", StorageError, "no such bucket"),
        (f"s3://{BUCKET}", UsageError, "give a folder in the bucket"),
        (f"s3://{BUCKET}/../x", UsageError, "give a folder in the bucket"),
        (f"s3://key:{SECRET}@{BUCKET}/x", UsageError, "credentials come from the environment"),
    ],
)
def test_places_that_cannot_be(server, there, error, words):
    with pytest.raises(error, match=words) as told:
        Dataset.open(there)
    assert SECRET not in str(told.value)


def test_no_answer_and_no_credentials_are_one_line(server, tmp_path, faces):
    for environment in (
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)},
    ):
        for words in (["info", f"{TARGET}/x"], ["augment", str(faces), "-o", f"{TARGET}/y"]):
            told = run(words, server, **environment)
            assert told.returncode == 1
            lines = [line for line in told.stderr.splitlines() if "━" not in line]
            assert len(lines) == 1
            assert lines[0].startswith("facedata: s3://")
            assert SECRET not in told.stderr


def test_verbs_that_write_to_disks_say_so(server, place):
    told = run(["train", "fas", place, "-o", f"{place}-model"], server)
    assert told.returncode == 2
    assert "written to a disk" in told.stderr
    assert server.names(f"{place}-model") == []


def test_output_in_the_input_is_refused(server, faces, place):
    inverted(faces, place)
    for target in (place, f"{place}/inner"):
        with pytest.raises(UsageError, match="one place, or lie in one another"):
            filter_rows(Path(place), "label == 'live'", Path(target), Writing())


def test_how_a_place_is_spelled():
    remote = Remote("s3", "bucket/data/faces")
    mirror = mirror_of(remote, "to")
    assert remote_of("s3://bucket/data/faces/") == remote_of(Path("s3://bucket/data/faces")) == remote
    assert remote_of(mirror) == remote
    assert remote_of(mirror / "images" / "a.jpg") == remote / "images/a.jpg"
    assert remote_of("/data/faces") is remote_of("faces") is None
    assert shown_in(f"{mirror}/x is gone; s3:/bucket/y too, see http://a/b") == (
        "s3://bucket/data/faces/x is gone; s3://bucket/y too, see http://a/b"
    )
