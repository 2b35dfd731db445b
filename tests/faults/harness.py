"""One round: a verb meets a fault, then goes on; what it came to is set against a run that met none."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotate_servers import Reply, Server, serving

from .look import looked
from .world import VERBS, Verb, answer, make_pictures, write_model, write_texts

ROOT = Path(__file__).resolve().parent.parent.parent
_WITHIN = 60.0  # seconds: a run takes less than two; one that takes this long hangs
_BARE = re.compile(r"Traceback|internal error|Exception ignored")


@dataclass
class Outcome:
    """What a round came to: `end` is `same` (bytes as untouched) or `refused` (in one clear line).

    `lost` counts rows that are neither there nor named; `problems` is what must not be.
    """

    verb: str
    fault: str
    detail: str = ""
    end: str = ""
    struck: bool = True
    lost: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Whole:
    """An untouched run: its bytes, its rows, how long it took and how much memory."""

    hash: str
    ids: frozenset[str]
    seconds: float
    peak: int


class Forge:
    """The other end of forge.py."""

    def __init__(self) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forge"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )

    def ask(self, **order: Any) -> Any:
        """Send an order and return the reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        ready, _, _ = select.select([self._process.stdout], [], [], 300)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError(f"the forge said nothing to {order}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()


class Bench:
    """Inputs, the forge, and untouched runs to compare with; each round has a folder of its own."""

    def __init__(self, folder: Path, forge: Forge, url: str, pictures: int = 24) -> None:
        self.folder, self.forge, self.url = folder, forge, url
        self.world = folder / "world"
        self._wholes: dict[str, Whole] = {}
        self._rounds = 0
        make_pictures(self.world / "faces", pictures)
        inputs = [
            ["ingest", "folder", "faces", "-o", "set"],
            ["ingest", "folder", "faces", "-o", "packed", "--layout", "shards"],
            ["ingest", "list", "faces/list.csv", "-o", "other"],
            ["augment", "set", "-o", "warm", "--policy", "fas-aug", "--variants", "1", "--no-cache"],
            ["export", "set", "-o", "warm-export", "--to", "huggingface"],
        ]
        forge.ask(do="warm", cwd=str(self.world), runs=inputs)
        write_texts(self.world)

    def round(self) -> Path:
        """Return a fresh folder."""
        self._rounds += 1
        place = self.folder / f"round-{self._rounds}"
        place.mkdir()
        return place

    def order(self, verb: Verb, place: Path, *more: str, **how: Any) -> dict[str, Any]:
        """Return the order for one run of a verb in the folder `place`."""
        world = Path(how.pop("world", self.world))
        argv = [one.replace("{URL}", self.url) for one in verb.arguments(world, *more)]
        out, err = str(place / "stdout"), str(place / "stderr")
        return {"argv": argv, "cwd": str(place), "out": out, "err": err, "env": dict(verb.env), **how}

    def start(self, order: dict[str, Any]) -> int:
        """Start a run and return its process id."""
        return int(self.forge.ask(do="start", run=order))

    def wait(self, pid: int, within: float = _WITHIN) -> dict[str, Any]:
        """Wait for a run to end; one that hangs is killed and told."""
        ended = self.forge.ask(do="wait", pid=pid, within=within)
        if ended is None:
            os.killpg(pid, signal.SIGKILL)
            self.forge.ask(do="wait", pid=pid, within=10)
            return {"code": None, "peak": 0}
        return dict(ended)

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Run to the end."""
        return self.wait(self.start(order))

    def whole(self, verb: Verb) -> Whole:
        """Return what an untouched run of the verb comes to."""
        if verb.name not in self._wholes:
            if verb.name.startswith("synth") and not (self.world / "model").exists():
                write_model(self.world)
                run = verb.arguments(self.world)[:-1]
                self.forge.ask(do="warm", cwd=str(self.world), runs=[[*run, "warm-synth"]])
            place = self.round()
            began = time.monotonic()
            ended = self.run(self.order(verb, place))
            took = time.monotonic() - began
            assert ended["code"] == 0, (verb.name, ended, (place / "stderr").read_text())
            found = looked(place / "out")
            assert found["beside"] == [], found["beside"]
            ids = frozenset(found["ids"] or ())
            self._wholes[verb.name] = Whole(found["hash"], ids, took, ended["peak"])
            shutil.rmtree(place)
        return self._wholes[verb.name]

    def struck(self, outcome: Outcome, place: Path, code: int | None) -> None:
        """Look at what a fault left: nothing at the target or the whole, and no bare trace."""
        self._words(outcome, place, code, "under the fault")
        found = looked(place / "out")
        if found["there"] and found["hash"] != self.whole(VERBS[outcome.verb]).hash:
            outcome.problems.append("a target that is not whole stands under its name")

    def go_on(self, outcome: Outcome, place: Path, **how: Any) -> None:
        """Go on after the fault, and compare."""
        verb = VERBS[outcome.verb]
        whole = self.whole(verb)
        ended = self.run(self.order(verb, place, *verb.go_on, **how))
        self._words(outcome, place, ended["code"], "going on")
        self.compare(outcome, place, ended["code"], looked(place / "out"), whole)
        if not outcome.problems:
            shutil.rmtree(place)

    def compare(
        self, outcome: Outcome, place: Path, code: int | None, found: dict[str, Any], whole: Whole
    ) -> None:
        """Set what stands at the target against the untouched run."""
        if code == 0 and found["there"] and found["hash"] == whole.hash:
            outcome.end = "same"
            if found["beside"]:
                outcome.problems.append(f"left behind: {found['beside']}")
            return
        text = (place / "stderr").read_text()
        if code in (1, 2) and "facedata: " in text:
            outcome.end = "refused"
            outcome.detail += " " + text.strip().splitlines()[-1]
            return
        missing = whole.ids - set(found.get("ids") or ())
        outcome.lost = len(missing)
        short = f"{outcome.lost} rows short"
        outcome.problems.append(f"exit {code}, not the untouched bytes, {short}: {text[-400:]}")

    def _words(self, outcome: Outcome, place: Path, code: int | None, when: str) -> None:
        if code is None:
            outcome.problems.append(f"hung {when}")
        text = (place / "stderr").read_text(errors="replace")
        if found := _BARE.search(text):
            outcome.problems.append(f"{found.group()} {when}: {text[max(0, found.start() - 100) :][:1500]}")
        elif code in (1, 2) and "facedata: " not in text and "Aborted" not in text:
            outcome.problems.append(f"exit {code} {when} without a word: {text[-300:]}")


class _Says(Server):
    def usual(self, method: str, path: str, body: Any) -> Reply:
        return Reply(answer(method, path, body))


@contextlib.contextmanager
def bench(folder: Path, pictures: int = 24) -> Iterator[Bench]:
    """Give a bench in `folder`."""
    forge = Forge()
    try:
        with serving(_Says()) as server:
            yield Bench(folder, forge, f"{server.url}/v1", pictures)
    finally:
        forge.close()
