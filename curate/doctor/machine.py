"""What every verb needs, and what the extras bring: Python, packages, compiled kernels, a GPU, disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path

from packaging.requirements import Requirement

from facedata.curate.doctor.base import Check, tried

__all__ = ["extras", "facedata", "gpu", "numba", "python", "room", "video"]

_NAME = "facedata"
_BUNDLES = ("all", "dev")
"""Extras that are made of other ones, or that only its developers need."""
_LEAST_PYTHON = (3, 11)
_LEAST_ROOM = 1 << 30
_NVIDIA = Path("/dev/nvidiactl")


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Say which Python this is."""
    seen = f"{'.'.join(map(str, version))}, {sys.executable}"
    if version[:2] < _LEAST_PYTHON:
        return Check("python", "broken", seen, "make an environment with Python 3.11 or newer")
    return Check("python", "ok", seen)


def facedata(name: str = _NAME) -> Check:
    """Say which facedata is installed, and whether all that it always needs is there."""
    try:
        version, requirements = metadata.version(name), _requirements(name)
    except metadata.PackageNotFoundError:
        return Check("facedata", "broken", "it is not installed", "pip install facedata")
    absent, wrong = _compared([one for one in requirements if _applies(one, "")])
    if absent or wrong:
        seen = f"{version} lacks {', '.join([*absent, *wrong])}"
        return Check("facedata", "broken", seen, "pip install --upgrade facedata")
    return Check("facedata", "ok", version)


def extras(name: str = _NAME) -> list[Check]:
    """Say of each extra whether its packages are there, in versions that fit."""
    try:
        offered = metadata.metadata(name).get_all("Provides-Extra") or []
        requirements = _requirements(name)
    except metadata.PackageNotFoundError:
        return []
    return [_extra(extra, name, requirements) for extra in offered if extra not in _BUNDLES]


def numba() -> Check:
    """Say whether the kernels are compiled: without numba pixels take a thousand times longer."""
    answer = tried("import numba; print(numba.__version__)")
    if answer.failure is None:
        return Check("numba", "ok", answer.out)
    mend = "pip install --upgrade 'numba>=0.60', with a numpy that it supports"
    return Check("numba", "broken", answer.failure, mend)


def video() -> Check:
    """Say whether OpenCV reads videos by itself; no ffmpeg program is needed."""
    code = (
        "import cv2\n"
        "backends = cv2.videoio_registry.getStreamBackends()\n"
        "names = [cv2.videoio_registry.getBackendName(one) for one in backends]\n"
        "assert 'FFMPEG' in names, 'this OpenCV was built without FFMPEG'\n"
        "print(cv2.__version__)"
    )
    answer = tried(code)
    if answer.failure is None:
        return Check("video", "ok", f"OpenCV {answer.out} brings its own decoders")
    mend = "pip install --force-reinstall opencv-python-headless, and no other package with cv2 in it"
    return Check("video", "broken", answer.failure, mend)


def gpu(driver: Path = _NVIDIA) -> Check:
    """Say which GPU torch can use; without one, training and diffusion take long."""
    if util.find_spec("torch") is None:
        return Check("gpu", "missing", "torch is not installed", needed=False)
    code = (
        "import torch\n"
        "print(torch.__version__, torch.cuda.get_device_name(0) if torch.cuda.is_available() else\n"
        "      'Apple GPU' if torch.backends.mps.is_available() else '', sep='\\n')"
    )
    answer = tried(code)
    if answer.failure is not None:
        return Check("gpu", "broken", f"torch: {answer.failure}", "pip install --force-reinstall torch")
    version, _, device = answer.out.partition("\n")
    if device:
        return Check("gpu", "ok", f"{device}, torch {version}")
    if driver.exists():
        mend = "install a torch that is built for the driver's CUDA (pytorch.org/get-started)"
        return Check("gpu", "broken", f"torch {version} cannot use this NVIDIA GPU", mend, needed=False)
    return Check("gpu", "missing", f"torch {version} runs on the processor", needed=False)


def room(cache: Path, least: int = _LEAST_ROOM) -> Check:
    """Say whether pictures can be kept at `cache`, with at least so many bytes to spare."""
    folder = cache.absolute()
    while not folder.exists():
        folder = folder.parent
    mend = "set FACEDATA_CACHE to a folder with more room"
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return Check("disk", "broken", f"{folder} cannot be written to", mend)
    free = shutil.disk_usage(folder).free
    seen = f"{free / (1 << 30):.1f} GB free for {cache}"
    return Check("disk", "ok", seen) if free >= least else Check("disk", "broken", seen, mend)


def _extra(extra: str, name: str, requirements: Sequence[Requirement]) -> Check:
    absent, wrong = _compared(list(_of_extra(extra, name, requirements)))
    label, mend = f"extra {extra}", f"pip install --upgrade '{name}[{extra}]'"
    if wrong:
        return Check(label, "broken", f"has {', '.join(wrong)}", mend)
    if absent:
        return Check(label, "missing", f"without {', '.join(absent)}", mend, needed=False)
    return Check(label, "ok", "all there")


def _requirements(name: str) -> list[Requirement]:
    return [Requirement(text) for text in metadata.requires(name) or ()]


def _of_extra(extra: str, name: str, requirements: Sequence[Requirement]) -> Iterator[Requirement]:
    """Yield what the extra adds, with what the extras that it is made of add."""
    for one in requirements:
        if _applies(one, extra) and not _applies(one, ""):
            if one.name == name:
                for inner in one.extras:
                    yield from _of_extra(inner, name, requirements)
            else:
                yield one


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _compared(requirements: Sequence[Requirement]) -> tuple[list[str], list[str]]:
    """Return what is absent, and what is there in a version that does not fit."""
    absent, wrong = [], []
    for one in requirements:
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            absent.append(one.name)
            continue
        if not one.specifier.contains(version, prereleases=True):
            wrong.append(f"{one.name} {version}, not {one.specifier}")
    return absent, wrong
