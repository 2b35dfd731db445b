"""The ray engine on a real cluster: the same version as serial, whatever dies meanwhile."""

from __future__ import annotations

import pytest
from engine_tasks import Invert
from ray_parts import ray_cluster

from facedata.datasets.engine import Options, run
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.validate import validate


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster(2) as found, pytest.MonkeyPatch.context() as patched:
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
            patched.setenv(name, found.environment[name])
        import ray  # it looks at the token when it is imported

        ray.init(found.address, log_to_driver=False, logging_level="ERROR")
        yield found
        ray.shutdown()


def make(faces, target, task=None, **options):
    source = open_input(faces, Reading())
    return run("test", task or Invert(), source, target, 0, Options(**options))


@pytest.fixture
def reference(faces, tmp_path):
    return make(faces, tmp_path / "reference", engine="serial").record.version


@pytest.mark.parametrize("layout", ["files", "shards"])
def test_version_is_that_of_serial(cluster, faces, tmp_path, reference, layout):
    result = make(faces, tmp_path / "out", engine="ray", layout=layout)
    assert result.record.version == reference
    assert result.record.counts.rows == 12 * 3
    assert validate(tmp_path / "out").findings == []


def test_a_worker_killed_loses_nothing(cluster, faces, tmp_path, reference):
    trap = tmp_path / "trap"
    trap.touch()
    result = make(faces, tmp_path / "out", Invert(kill_once=str(trap)), engine="ray")
    assert not trap.exists()
    assert result.record.failures == []
    assert result.record.version == reference
