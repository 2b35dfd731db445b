"""Fixtures that several test files share."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

# Before OpenMP is loaded: on cores that several processes share, threads that spin while they wait stand in
# each other's way for minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import cv2
import numpy as np
import pytest
from hypothesis import settings

# A noisy machine must not fail a property; CI draws the same examples each time.
settings.register_profile("facedata", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("facedata")

# A shell's background jobs ignore Ctrl-C, and so does what they start; the tests of Ctrl-C send real ones.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
REAL_FACES = ROOT.parent / "shared" / "real-faces"
_ALLOWED_SKIP = re.compile(r"no GPU")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Turn a skip into a failure where FACEDATA_NO_SKIPS is set: CI must not pass by leaving tests out."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("FACEDATA_NO_SKIPS") and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not _ALLOWED_SKIP.search(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI, which counts as failed: {reason}"


@pytest.fixture
def real_faces() -> Path:
    """The folder of real photographs that the developers keep beside the project."""
    if not REAL_FACES.is_dir():
        pytest.skip("the folder of real photographs (../shared/real-faces) is absent")
    return REAL_FACES


def picture(number: int = 0, width: int = 48, height: int = 40) -> np.ndarray:
    """A small RGB picture with structure; each number another one."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (3 + number % 5) + c) + np.cos(y / (4 + number % 3) - c * number) for c in range(3)]
    return np.clip(128 + 60 * np.stack(waves, axis=2), 0, 255).astype(np.uint8)


def jpeg(number: int = 0, **size: int) -> bytes:
    """The picture as JPEG bytes."""
    return cv2.imencode(".jpg", picture(number, **size)[:, :, ::-1])[1].tobytes()


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder of twelve small pictures, live and spoof, with awkward names."""
    root = tmp_path / "faces"
    names = [f"live/ada {n}.jpg" for n in range(5)] + [f"live/günther-{n}.jpg" for n in range(3)]
    names += [f"spoof/print/p{n}.jpg" for n in range(4)]
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    return root


@pytest.fixture(scope="session")
def fifty(tmp_path_factory: pytest.TempPathFactory):
    """A process with FiftyOne that is connected to a MongoDB of its own: see curate_parts.py."""
    from curate_parts import Fifty
    from mongo_parts import mongod

    with mongod(tmp_path_factory.mktemp("mongo")) as uri:
        process = Fifty(uri)
        yield process
        process.close()
