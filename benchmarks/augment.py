"""How fast augmentation is: every operation, the policy and the whole command, as ratios to a JPEG floor.

    python benchmarks/augment.py [--size 256] [--faces DIR] [--reference DIR] [--files 2000] [--rounds 15]

The floor is JPEG decode + encode (quality 90) of one picture, taken in the same run. `--reference` takes a
checkout of FAS-Aug's authors' code (arXiv 2409.03501) and times its operations beside ours.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from harness import Row, interleave, table
from PIL import Image

from facedata.augment.policy import load_policy
from facedata.augment.registry import OPERATORS
from facedata.augment.run import augment
from facedata.augment.task import Augment
from facedata.datasets.demo import demo_face
from facedata.datasets.engine import Options
from facedata.datasets.pictures import SUFFIXES, Encoding, read_picture
from facedata.datasets.words import Words

FLOOR = "JPEG decode + encode q90"
LONG = ("policy", "chain")
POLICY = "fas-aug"  # of the whole command: cheap operations make the driver's share look its worst
REFERENCE_NAMES = {
    "color-diversity": "Color_Diversity",
    "color-distortion": "Color_Distortion",
    "reflection": "Reflection",
    "bn-halftone": "BN_Halftone",
    "moire-pattern": "Moire_Pattern",
    "sfc-halftone": "SFC_Halftone",
    "hand-trembling": "Hand_Trembling",
    "low-resolution": "Low_Resolution",
}
REFERENCE_CHAINS = {
    # what of its operations comes nearest to an instrument: colour, texture, mirrored light, camera
    "print-inkjet": ("Color_Distortion", "BN_Halftone", "Reflection", "Low_Resolution"),
    "print-laser": ("Color_Distortion", "SFC_Halftone", "Reflection", "Hand_Trembling"),
    "replay-lcd": ("Color_Diversity", "Moire_Pattern", "Reflection", "Low_Resolution"),
}


def pictures(folder: Path | None, size: int, count: int = 16) -> list[np.ndarray]:
    """Return square uint8 RGB pictures: of a folder, or rendered."""
    if folder is None:
        return [demo_face(person, 0, size).image for person in range(count)]
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:count]
    whole = [read_picture(path.read_bytes(), path.name).pixels for path in found]
    return [cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in whole]


def jpeg_floor(encoded: list[bytes]) -> Callable[[], object]:
    """Return a call that decodes and encodes the next picture."""
    turn = itertools.cycle([np.frombuffer(data, np.uint8) for data in encoded])

    def call() -> object:
        image = cv2.imdecode(next(turn), cv2.IMREAD_COLOR)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])

    return call


def our_operation(name: str, images: list[np.ndarray]) -> Callable[[], object]:
    """Return a call that draws parameters and applies the operation to the next picture."""
    operator = OPERATORS[name]
    turn, numbers = itertools.cycle(images), itertools.count()

    def call() -> object:
        return operator.apply(next(turn), operator.sample(Words.of(0, name, next(numbers))))

    return call


def our_policy(encoded: list[bytes], name: str = "fas-aug") -> Callable[[], object]:
    """Return a call that takes the next picture from its bytes through a policy's steps to bytes again."""
    turn, numbers = itertools.cycle(encoded), itertools.count()
    policy = load_policy(name)

    def call() -> object:
        image = read_picture(next(turn), "bench").pixels
        _, steps = policy.draw(0, f"{next(numbers):032x}", next(numbers))
        for step in steps:
            if step.shows(*image.shape[1::-1]):
                image = step.operator.apply(image, step.parameters).image
        return Encoding("jpeg", 90).encode(image)

    return call


def our_instrument(encoded: list[bytes], name: str) -> Callable[[], object]:
    """Return a call that takes the next picture from its bytes through one instrument to bytes again."""
    turn, numbers = itertools.cycle(encoded), itertools.count()
    operator = OPERATORS[name]

    def call() -> object:
        image = read_picture(next(turn), "bench").pixels
        parameters = operator.sample(Words.of(0, name, next(numbers)))
        return Encoding("jpeg", 90).encode(operator.apply(image, parameters).image)

    return call


class Reference:
    """The authors' code in a folder that the user brings; its modules are imported from there."""

    def __init__(self, folder: Path) -> None:
        self.home = Path.cwd()
        sys.path.insert(0, str(folder))
        # It imports one name of torchvision and of torch that its operations never call.
        for name in ("torch", "torchvision", "torchvision.transforms", "torchvision.transforms.transforms"):
            sys.modules.setdefault(name, types.ModuleType(name))
        sys.modules["torchvision.transforms.transforms"].Compose = object  # type: ignore[attr-defined]
        os.chdir(folder)  # its paths are relative
        from data.FAS_Augmentations import FAS_Augmentations  # type: ignore[import-not-found]

        switches = types.SimpleNamespace(SAVE=False)
        config = types.SimpleNamespace(TRAIN=types.SimpleNamespace(AUG=switches), OUTPUT_DIR="")
        self.code = FAS_Augmentations(config)

    def operation(self, name: str, images: list[np.ndarray]) -> Callable[[], object]:
        """Return a call that applies the authors' operation at a drawn level to the next picture."""
        turn, numbers = itertools.cycle([Image.fromarray(image) for image in images]), itertools.count()

        def call() -> object:
            level = Words.of(0, "level", next(numbers)).integer(1, 9)
            return self.code.apply_augment(next(turn), REFERENCE_NAMES[name], level / 9, 0)

        return call

    def policy(self, encoded: list[bytes]) -> Callable[[], object]:
        """Return a call that does with the authors' code what `our_policy` does with ours."""
        names = list(REFERENCE_NAMES.values())
        return self._whole(
            encoded, lambda words: [(words.choice(names), words.integer(0, 9)) for _ in range(2)]
        )

    def chain(self, encoded: list[bytes], names: tuple[str, ...]) -> Callable[[], object]:
        """Return a call that applies these operations one after the other, each at a drawn level."""
        return self._whole(encoded, lambda words: [(name, words.integer(1, 9)) for name in names])

    def _whole(
        self, encoded: list[bytes], drawn: Callable[[Words], list[tuple[str, int]]]
    ) -> Callable[[], object]:
        """Return a call that takes the next picture from its bytes through drawn operations to bytes."""
        turn, numbers = itertools.cycle(encoded), itertools.count()

        def call() -> object:
            bgr = cv2.imdecode(np.frombuffer(next(turn), np.uint8), cv2.IMREAD_COLOR)
            image = Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            for name, level in drawn(Words.of(0, "policy", next(numbers))):
                image, _ = self.code.apply_augment(image, name, level / 9, 0)
            bgr = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
            return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])

        return call


def kernels(images: list[np.ndarray], reference: Reference | None, rounds: int) -> list[Row]:
    """Time the operations and the policy, ours and the reference's, in turn."""
    encoded = [Encoding("jpeg", 90).encode(image) for image in images]
    subjects: dict[str, Callable[[], object]] = {FLOOR: jpeg_floor(encoded)}
    for name in REFERENCE_NAMES:
        subjects[name] = our_operation(name, images)
        if reference:
            subjects[f"{name}, reference"] = reference.operation(name, images)
    subjects["policy of two, decode to encode"] = our_policy(encoded * 7)
    for name in (name for name in OPERATORS if name not in REFERENCE_NAMES):
        subjects[f"chain {name}, decode to encode"] = our_instrument(encoded, name)
    subjects["policy mixed, decode to encode"] = our_policy(encoded * 7, "mixed")
    if reference:
        subjects["policy of two, decode to encode, reference"] = reference.policy(encoded * 7)
        for name, operations in REFERENCE_CHAINS.items():
            subjects[f"chain {name}, decode to encode, reference"] = reference.chain(encoded, operations)
    # A policy's cost varies from draw to draw tenfold, so that it takes many calls to say anything.
    long = {name: call for name, call in subjects.items() if name.startswith(LONG) or name == FLOOR}
    short = {name: call for name, call in subjects.items() if not name.startswith(LONG)}
    rows = interleave(short, FLOOR, rounds=rounds, least=0.030)
    return rows + interleave(long, FLOOR, rounds=rounds, least=0.800)[1:]


def factors(rows: list[Row]) -> str:
    """Return how many times as long the reference takes for each row of ours that has one beside it."""
    ratios = {row.name: row.ratio for row in rows}
    pairs = [(name, ratios.get(f"{name}, reference"), ratio) for name, ratio in ratios.items()]
    lines = [f"| {name} | {theirs / ours:.1f} |" for name, theirs, ours in pairs if theirs]
    return "\n".join(["| reference over ours | x |", "|---|---:|", *lines])


def bare_loop(source: Path, target: Path, variants: int) -> None:
    """Do what the command does to the pictures and nothing else: no rows, no hashes, no record."""
    task = Augment(load_policy(POLICY), variants, 0)
    target.mkdir()
    for number, item in enumerate(sorted(source.iterdir())):
        data = item.read_bytes()
        pixels = read_picture(data, item.name).pixels
        (target / item.name).write_bytes(data)
        for variant in range(variants):
            image = pixels
            _, steps = task.policy.draw(0, f"{number:032x}", variant)
            for step in steps:
                if step.shows(*pixels.shape[1::-1]):
                    image = step.operator.apply(image, step.parameters).image
            (target / f"{number}-{variant}.jpg").write_bytes(task.encoding.encode(image))


class Watch(threading.Thread):
    """The largest resident memory of this process's children while the block runs, in MB."""

    def __enter__(self) -> Watch:
        import psutil

        self.peak = 0.0
        self.process = psutil.Process()
        self.stopped = threading.Event()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.join()

    def run(self) -> None:
        """Look twenty times a second."""
        import psutil

        while not self.stopped.wait(0.05):
            for child in self.process.children(recursive=True):
                try:
                    self.peak = max(self.peak, child.memory_info().rss / 1e6)
                except psutil.Error:
                    continue


def command(images: list[np.ndarray], files: int, variants: int, rounds: int) -> None:
    """Time the whole command against a bare loop, and two workers against one."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "faces")
        source.mkdir()
        for number in range(files):
            data = Encoding("jpeg", 90).encode(np.roll(images[number % len(images)], number, axis=1))
            (source / f"{number:06d}.jpg").write_bytes(data)
        names = itertools.count()
        target = lambda: Path(folder, f"out-{next(names)}")  # noqa: E731
        options = Options(engine="serial")

        def once(clock: Callable[[], float], call: Callable[[], object]) -> float:
            began = clock()
            call()
            return clock() - began

        overheads, speedups, walls, peak = [], [], [], 0.0
        for _ in range(rounds):
            bare = once(time.process_time, lambda: bare_loop(source, target(), variants))
            whole = once(
                time.process_time,
                lambda: augment(source, target(), policy=POLICY, variants=variants, options=options),
            )
            overheads.append(whole / bare - 1)
            times = []
            for workers in (1, 2):
                with Watch() as watch:
                    process = replace(options, engine="process", workers=workers)
                    call = partial(
                        augment, source, target(), policy=POLICY, variants=variants, options=process
                    )
                    times.append(once(time.perf_counter, call))
                peak = max(peak, watch.peak)
            speedups.append(times[0] / times[1])
            walls.append(files * variants / times[1])
    print(f"\n| whole command, {files} files x {variants} variants | median | all rounds |\n|---|---:|---|")
    rows = {
        "driver overhead over a bare loop (CPU)": (overheads, ".1%"),
        "two workers over one (wall), x": (speedups, ".2f"),
        "samples a second, two workers": (walls, ".0f"),
    }
    for name, (values, form) in rows.items():
        every = ", ".join(format(value, form) for value in values)
        print(f"| {name} | {format(statistics.median(values), form)} | {every} |")
    print(f"| largest worker, resident | {peak:.0f} MB | |")


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256, help="side of the pictures in pixels")
    parser.add_argument("--faces", type=Path, help="folder of pictures in place of rendered ones")
    parser.add_argument("--reference", type=Path, help="checkout of the authors' code")
    parser.add_argument(
        "--files", type=int, default=2000, help="inputs of the whole command; 0 leaves it out"
    )
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    images = pictures(arguments.faces and arguments.faces.resolve(), arguments.size)
    if arguments.files:
        command(images, arguments.files, arguments.variants, rounds=3)
    reference = Reference(arguments.reference.resolve()) if arguments.reference else None
    rows = kernels(images, reference, arguments.rounds)
    print("\n" + table(rows, f"{arguments.size} x {arguments.size}, one core"))
    if reference:
        print("\n" + factors(rows))


if __name__ == "__main__":
    main()
