"""One target at work, in a process that may be lost: `python -m tests.fuzz.child TARGET WORK SECONDS`.

Whatever the process dies of, the input that it had is in `WORK/current`. A finding is kept and the work goes
on; one that shows what an earlier one showed is kept where it is shorter.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

__all__ = ["Bench", "build"]

MOST_MEMORY = 3 << 30
"""Beyond what the process holds before the first input."""


class Bench:
    """A target in a folder of its own, watched; `seeds` have been run once, so that what is lazy is there."""

    def __init__(self, name: str, work: Path) -> None:
        from .mutate import mutated
        from .targets import TARGETS
        from .watch import Watch

        tree, outside = work / "tree" / "in", work / "tree" / "outside"
        for folder in (tree, outside, work / "scratch"):
            folder.mkdir(parents=True)
        tempfile.tempdir = str(work / "scratch")
        (outside / "secret.jpg").write_bytes(b"what nobody may read")
        self.target = TARGETS[name](tree)
        self.name, self._mutated = name, mutated
        for seed in self.target.seeds:
            _silently(lambda seed=seed: self.target.run(seed))
        self.watch = Watch(tree, work / "scratch", None if self.target.reads_anywhere else outside)
        self.longest = max(4096, 3 * max(map(len, self.target.seeds)))

    def mutate(self, data: bytes, number: int) -> bytes:
        """Return an input made of another one."""
        draws = random.Random(number)
        found = self._mutated(draws, data, self.target.form, self.target.seeds)
        if draws.random() < 0.02:
            found = self._mutated(draws, draws.choice(self.target.seeds), self.target.form, self.target.seeds)
        return found[: 4 * self.longest]


def build(name: str, work: Path) -> Bench:
    """Return the bench of a target."""
    return Bench(name, work)


def _silently(call: Callable[[], object]) -> None:
    from facedata.datasets.errors import FacedataError

    try:
        call()
    except FacedataError:
        return


def main(name: str, work: Path, seconds: float, seed: int) -> None:
    """Run the target until the time is over."""
    warnings.simplefilter("ignore")
    try:
        import atheris
    except ImportError:
        bench = build(name, work)
    else:
        with atheris.instrument_imports(include=["facedata"]):
            bench = build(name, work)
    from .watch import limit_memory

    limit_memory(MOST_MEMORY)
    kept = work / "findings"
    kept.mkdir(exist_ok=True)
    current = (work / "current").open("wb", buffering=0)

    def one(data: bytes) -> None:
        current.seek(0)
        current.truncate()
        current.write(data)
        if (finding := bench.watch.run(bench.target.run, data)) is not None:
            keep(kept, name, data, finding.key, finding.detail)

    corpus = work / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(bench.target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    if "atheris" in sys.modules:
        _guided(bench, one, corpus, seconds, seed)
    else:
        _plain(bench, one, seconds, seed)


def _plain(bench: Bench, one: Callable[[bytes], None], seconds: float, seed: int) -> None:
    began, runs = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        one(bench.mutate(bench.target.seeds[runs % len(bench.target.seeds)], seed * 10**9 + runs))
        runs += 1
    sys.stderr.write(f"Done {runs} runs in {time.monotonic() - began:.0f} second(s)\n")


def _guided(bench: Bench, one: Callable[[bytes], None], corpus: Path, seconds: float, seed: int) -> None:
    import atheris

    def mutator(data: bytes, longest: int, number: int) -> bytes:
        if number % 4 == 0:
            return bytes(atheris.Mutate(data, longest))
        return bench.mutate(data, number)[:longest]

    limits = [f"-max_total_time={max(1, int(seconds))}", f"-max_len={4 * bench.longest}", "-timeout=3600"]
    limits += [
        "-rss_limit_mb=0",
        "-malloc_limit_mb=0",
        f"-seed={seed + 1}",
        "-len_control=0",
        "-handle_int=0",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *limits], one, custom_mutator=mutator)
    atheris.Fuzz()


def keep(folder: Path, name: str, data: bytes, key: str, detail: str) -> None:
    """Keep an input that shows something, and what it shows."""
    stem = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    if stem.exists() and stem.stat().st_size <= len(data):
        return
    stem.write_bytes(data)
    stem.with_name(f"{stem.name}.json").write_text(json.dumps({"key": key, "detail": detail}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
