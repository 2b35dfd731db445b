"""The ray engine on a real cluster: the same version as serial, whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_tasks import Invert, InvertBatches
from ray_parts import ray_cluster
from s3_parts import BUCKET, s3_server
from synth_parts import make_attacks, tiny

from facedata.annotate import on_ray
from facedata.datasets import connection
from facedata.datasets import engine as engine_module
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import FacedataError, SourceError, TargetError, UsageError
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.validate import validate


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Object storage; what nodes keep of it lies elsewhere than what the command keeps."""
    with s3_server(tmp_path_factory.mktemp("nodes")) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(server):
    # The token is looked at when Ray is imported, so this has to be the first in its process.
    with ray_cluster(2, gpus=1) as found, pytest.MonkeyPatch.context() as patched:
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
            patched.setenv(name, found.environment[name])
        connection.load_ray().init(found.address, log_to_driver=False, logging_level="ERROR")
        yield found
        connection.load_ray().shutdown()


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(engine_module, "_shard_size", lambda count: 1)


def make(faces, target, task=None, **options):
    workers = options.pop("workers", 0 if options["engine"] == "ray" else 1)
    source = open_input(Path(faces), Reading())
    return run("test", task or Invert(), source, target, 0, Options(workers=workers, **options))


@pytest.fixture
def reference(faces, tmp_path):
    return make(faces, tmp_path / "reference", engine="serial").record.version


def eventually(holds, seconds=20.0):
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(("layout", "workers"), [("files", 0), ("shards", 1)])
def test_version_is_that_of_serial(cluster, faces, tmp_path, reference, layout, workers):
    result = make(faces, tmp_path / "out", engine="ray", layout=layout, workers=workers)
    assert result.record.version == reference
    assert result.record.counts.rows == 12 * 3
    assert validate(tmp_path / "out").findings == []


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_object_storage_is_all_that_nodes_share(
    cluster, server, faces, tmp_path, reference, small_shards, monkeypatch, layout
):
    monkeypatch.setenv("FACEDATA_REMOTE", str(tmp_path / "mirror"))
    place = f"s3://{BUCKET}/{layout}"
    server.upload(faces, f"{place}/faces")
    nodes = Path(server.environment["FACEDATA_REMOTE"])
    result = make(f"{place}/faces", Path(f"{place}/out"), engine="ray", layout=layout)
    assert result.record.version == reference
    again = make(f"{place}/out", Path(f"{place}/again"), engine="ray", layout=layout)
    serial = make(f"{place}/out", tmp_path / "serial", engine="serial", layout=layout)
    assert again.record.version == serial.record.version
    assert validate(f"{place}/again").findings == []
    assert not list(nodes.rglob("*.parquet"))  # rows came through Ray, and pictures were read where they lie


def test_paths_are_those_of_the_folder_the_run_was_started_in(
    cluster, faces, tmp_path, reference, monkeypatch
):
    monkeypatch.chdir(faces.parent)
    relative = faces.relative_to(faces.parent)
    result = make(relative, tmp_path / "out", engine="ray", cache=tmp_path.relative_to(tmp_path) / "cache")
    assert result.record.version == reference
    assert any((faces.parent / "cache").iterdir())


def test_a_worker_killed_in_mid_run_loses_nothing(cluster, faces, tmp_path, reference, small_shards, capfd):
    killed = []

    def kill(done, total):
        if 0 < done < total and not killed:
            assert eventually(lambda: cluster.working("_make"))
            killed.append(cluster.working("_make")[0])
            killed[0].kill()

    result = make(faces, tmp_path / "out", Invert(slow=0.1), engine="ray", progress=kill)
    assert killed
    assert result.record.failures == []
    assert result.record.version == reference
    assert capfd.readouterr().out == "", "standard output is for results"


def test_a_picture_that_hangs_is_quarantined(cluster, faces, tmp_path):
    result = make(faces, tmp_path / "out", Invert(hang_on="ada 4"), engine="ray", timeout=0.7)
    (failure,) = result.record.failures
    assert (failure.place, failure.kind) == ("live/ada 4.jpg", "killed-worker")
    assert "not done within 0.7 s" in failure.reason
    assert result.record.counts.rows == 11 * 3


def test_a_target_that_nodes_do_not_see_is_refused(cluster, faces, tmp_path):
    with (
        seen_here_alone(tmp_path) as folder,
        pytest.raises(TargetError, match=r"node .* does not see /proc/self/fd/.*storage that all nodes"),
    ):
        make(faces, folder / "out", engine="ray")


def test_an_input_that_nodes_do_not_see_is_refused(cluster, faces, tmp_path):
    with (
        seen_here_alone(faces) as folder,
        pytest.raises(SourceError, match=r"node .* cannot read the input .*storage that all nodes"),
    ):
        make(folder, tmp_path / "out", engine="ray")


@contextlib.contextmanager
def seen_here_alone(folder):
    """Another path of a folder: under /proc/self/fd it is there for the process that has it open."""
    number = os.open(folder, os.O_RDONLY)
    try:
        yield Path(f"/proc/self/fd/{number}")
    finally:
        os.close(number)


RUN = """
import sys
from pathlib import Path
from engine_tasks import Invert, InvertBatches
from facedata.datasets import engine
from facedata.datasets.inputs import Reading, open_input

address, resume = sys.argv[1], "resume" in sys.argv
engine._shard_size = lambda count: 1
options = engine.Options(engine="ray", workers=0, address=address, resume=resume)
engine.run("test", Invert(slow=0.2), open_input(Path("faces"), Reading()), Path("out"), 0, options)
"""


def test_ctrl_c_and_a_kill_leave_what_is_finished_and_nothing_at_work(
    cluster, faces, tmp_path, reference, small_shards
):
    parts = tmp_path / ".out.partial" / "parts"

    def finished():
        return {one.name for one in parts.iterdir() if one.name[0] != "."} if parts.is_dir() else set()

    for number, more in ((signal.SIGKILL, ()), (signal.SIGINT, ("resume",))):
        before = finished()
        with subprocess.Popen(
            [sys.executable, "-c", RUN, cluster.address, *more],
            cwd=tmp_path,
            env=cluster.environment,
            stderr=subprocess.PIPE,
        ) as started:
            assert eventually(lambda: started.poll() is not None or finished() > before, 60)  # noqa: B023
            assert eventually(lambda: cluster.working("_make"), 5)
            started.send_signal(number)
            _, said = started.communicate(timeout=30)
        assert started.returncode == -number, said  # in the command, Ctrl-C is 130
        assert eventually(lambda: not cluster.working("_make"))
        assert finished() > before
    assert not (tmp_path / "out").exists()
    kept, done = len(finished()), []
    result = make(
        faces, tmp_path / "out", engine="ray", resume=True, progress=lambda number, total: done.append(number)
    )
    assert done[0] >= kept >= 2
    assert result.record.version == reference


def test_an_actor_killed_loses_nothing(cluster, faces, tmp_path, small_shards):
    """The head has a GPU in name, so one actor is asked for, and keeps it from shard to shard."""
    killed = []

    def kill(done, total):
        if 0 < done < total and not killed:
            assert eventually(lambda: cluster.working("_Worker"))
            killed.extend(cluster.working("_Worker"))
            killed[0].kill()

    task = InvertBatches(slow=0.1)
    result = make(faces, tmp_path / "out", task, engine="ray", progress=kill)
    assert len(killed) == 1
    assert result.record.failures == []
    assert result.record.version == make(faces, tmp_path / "serial", task, engine="serial").record.version


def test_a_network_makes_the_same_pictures_in_an_actor(cluster, tmp_path):
    from facedata.synth.sample import Sampling, sample
    from facedata.synth.train import train

    attacks = make_attacks(tmp_path, people=4)
    train(attacks, tmp_path / "model", tiny(steps=1))

    def made(engine):
        options, sampling = Options(engine=engine), Sampling(steps=2, device="auto")
        return sample(
            attacks, tmp_path / "model", attacks, tmp_path / engine, sampling=sampling, options=options
        )

    assert made("ray").record.version == made("serial").record.version


def test_rules_write_the_same_records(cluster, faces, tmp_path, monkeypatch):
    """Three draws of two tasks; one of them lacks what it needs on live faces."""
    from facedata.annotate.annotate import annotate
    from facedata.annotate.providers.rules import Rules
    from facedata.annotate.run import Asking
    from facedata.annotate.tasks import load_task

    monkeypatch.setattr(on_ray, "_SHARD", 4)
    make(faces, tmp_path / "made", engine="serial")
    tasks, found = [load_task("multiple-choice"), load_task("spoof-fine")], {}
    for engine in ("ray", "serial"):
        options = Options(engine=engine, workers=0)
        found[engine] = annotate(
            tmp_path / "made", tasks, tmp_path / engine, Rules(), Asking(seed=5, draws=3), options
        )
    ray, serial = found["ray"], found["serial"]
    assert ray.result.record.version == serial.result.record.version
    assert ray.result.record.notes == serial.result.record.notes
    assert (ray.tally.by_status, ray.tally.passed_over) == (serial.tally.by_status, serial.tally.passed_over)
    assert sum(ray.tally.by_status.values()) > 20
    assert not any(one.name.startswith(".") for one in tmp_path.iterdir())


def test_a_node_lost_in_mid_run_loses_nothing(cluster, faces, tmp_path, reference, small_shards):
    node = cluster.add(2)
    lost = []

    def lose(done, total):
        if done == 1 and not lost:
            lost.append(node)
            os.killpg(node.pid, signal.SIGKILL)  # the node with its workers, at once
            node.wait()

    result = make(faces, tmp_path / "out", Invert(slow=0.1), engine="ray", progress=lose)
    assert lost
    assert result.record.failures == []
    assert result.record.version == reference


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (None, "--engine ray needs an address"),
        ("ray://127.0.0.1:10001", "has to be on a machine of the cluster"),
        ("127.0.0.1:1", r"no Ray cluster at 127.0.0.1:1 \(.*refused"),
    ],
)
def test_without_a_cluster_nothing_is_begun(faces, tmp_path, monkeypatch, address, words):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(connection, "load_ray", _Nowhere)
    with pytest.raises(FacedataError, match=words):
        make(faces, tmp_path / "out", engine="ray", address=address)
    assert [one.name for one in tmp_path.iterdir()] == [faces.name]


class _Nowhere:
    """Ray before it is connected, whatever other tests have done with it."""

    @staticmethod
    def is_initialized():
        return False


def test_something_else_at_the_address_is_given_up_on(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "load_ray", _Nowhere)
    monkeypatch.setattr(connection, "_ANSWERED", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(FacedataError, match="does not answer as a Ray cluster within 2 s"):
            make(faces, tmp_path / "out", engine="ray", address=address)


def test_an_address_is_for_ray_alone(faces, tmp_path):
    with pytest.raises(UsageError, match="--address auto is for --engine ray"):
        make(faces, tmp_path / "out", engine="serial", address="auto")


def test_ray_that_is_not_installed_names_the_extra(faces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'facedata\[ray\]'"):
        make(faces, tmp_path / "out", engine="ray", address="local")


def test_an_answer_of_a_model_is_asked_for_by_one_process(tmp_path):
    from facedata.annotate.annotate import annotate

    class Paid:
        name = "openai"

    make_attacks(tmp_path, people=2)
    with pytest.raises(UsageError, match=r"--engine ray is for rules: .*journal.*raise --concurrency"):
        annotate(
            tmp_path / "attacks", [], tmp_path / "out", Paid(), None, Options(engine="ray", address="auto")
        )
