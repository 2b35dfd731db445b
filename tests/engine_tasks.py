"""Tasks for the engine's tests, in a module of their own so that worker processes can import them."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from facedata.datasets.canonical import identifier
from facedata.datasets.pictures import Encoding
from facedata.datasets.sample import derived_id
from facedata.datasets.task import Planned, Rendered


@dataclass(frozen=True)
class Invert:
    """Inverts each picture `variants` times; misbehaves on the places that it is told to."""

    variants: int = 2
    crash_on: str = ""
    raise_on: str = ""
    slow: float = 0.0
    hang_on: str = ""
    """Places on which a C function holds the interpreter for a minute."""
    kill_once: str = ""
    """A file: the first worker that finds it removes it and kills itself."""
    keeps_originals: bool = True
    cacheable: bool = True
    preload: tuple[str, ...] = ()
    encoding: Encoding = field(default_factory=lambda: Encoding("png"))

    def settings(self):
        return {"variants": self.variants}

    def plan(self, parent):
        planned = []
        for variant in range(self.variants):
            parameters = {"steps": [], "add": variant}
            sample = parent.replace(
                sample_id=derived_id(parent.sample_id, "invert", parameters, 0, variant),
                content_hash="",
                parent_id=parent.sample_id,
                operator="invert",
                parameters=parameters,
                variant=variant,
                seed=0,
            )
            planned.append(Planned(sample, partial(identifier, parameters), (parent.source.file, variant)))
        return planned

    def render(self, planned, pixels):
        place, variant = planned.recipe
        if self.crash_on and self.crash_on in place:
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.raise_on and self.raise_on in place and variant == 1:
            raise ZeroDivisionError("a bug in the operator")
        if self.kill_once and Path(self.kill_once).exists():
            Path(self.kill_once).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.hang_on and self.hang_on in place:
            ctypes.PyDLL(None).sleep(60)  # PyDLL keeps the GIL: no thread and no signal handler runs
        time.sleep(self.slow)
        return Rendered(255 - pixels // (variant + 1))


@dataclass(frozen=True)
class InvertBatches(Invert):
    """The same, several pictures at once, as a network does."""

    batch: int = 2
    gpu: bool = True

    def render_batch(self, planned, pixels):
        return [self.render(one, own) for one, own in zip(planned, pixels, strict=True)]


def wait_for(file):
    """End when there is such a file."""
    while not Path(file).exists():
        time.sleep(0.01)


def crash_after(begun, file):
    """Say that it began; crash when there is such a file."""
    Path(begun).touch()
    wait_for(file)
    os.kill(os.getpid(), signal.SIGSEGV)
