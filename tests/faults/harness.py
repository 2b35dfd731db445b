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

from .inputs import provide
from .look import looked
from .verbs import VERBS, Verb
from .world import answer, make_pictures, write_texts

ROOT = Path(__file__).resolve().parent.parent.parent
_WITHIN = 60.0  # seconds: a run takes less than two; one that takes this long hangs
_FIRST = 280.0  # of an untouched run: in a fresh checkout it compiles
_QUIET = {"FIFTYONE_DO_NOT_TRACK": "1", "FIFTYONE_LOGGING_LEVEL": "ERROR"}
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
    files: dict[str, str]
    ids: frozenset[str]
    seconds: float
    peak: int


class Forge:
    """The other end of forge.py."""

    def __init__(self) -> None:
        # One thread each: on so little work more would only wait, and a process of several cannot be forked.
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

    def __init__(
        self, folder: Path, forge: Forge, url: str, services: contextlib.ExitStack, pictures: int = 24
    ) -> None:
        self.folder, self.forge, self.url, self._services = folder, forge, url, services
        self._uri: str | None = None
        self.world = folder / "world"
        self._wholes: dict[str, Whole] = {}
        self._operations: dict[str, int] = {}
        self._rounds = 0
        make_pictures(self.world / "faces", pictures)
        inputs = [
            ["ingest", "folder", "faces", "-o", "set"],
            ["ingest", "folder", "faces", "-o", "packed", "--layout", "shards"],
            ["ingest", "list", "faces/list.csv", "-o", "other"],
            ["augment", "set", "-o", "augmented", "--policy", "fas-aug", "--variants", "1", "--no-cache"],
            ["export", "set", "-o", "exported", "--to", "huggingface"],
        ]
        forge.ask(do="warm", cwd=str(self.world), runs=inputs)
        write_texts(self.world)

    def database(self) -> str:
        """Return the address of a MongoDB of this bench's own, which is started the first time."""
        from mongo_parts import mongod

        if self._uri is None:
            self._uri = self._services.enter_context(mongod(self.folder / "mongo"))
        return self._uri

    def make(self, *argv: str | Path, env: dict[str, str] | None = None) -> None:
        """Run a command that no fault meets, in the folder of the inputs."""
        order = {"argv": [str(one).replace("{URL}", self.url) for one in argv], "env": env or {}}
        logs = {name: str(self.folder / f"make-{name}") for name in ("out", "err")}
        ended = self.run({**order, **logs, "cwd": str(self.world)})
        assert ended["code"] == 0, (argv, ended, Path(logs["err"]).read_text())

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
        env = dict(verb.env)
        if "fiftyone" in verb.early:
            env |= {"FIFTYONE_DATABASE_URI": self.database(), "FIFTYONE_DATABASE_NAME": "tests", **_QUIET}
        logs = {"out": str(place / "stdout"), "err": str(place / "stderr")}
        told = {"early": verb.early, "well": verb.code, "env": env}
        return {"argv": argv, "cwd": str(place), **logs, **told, **how}

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
            for name in verb.needs:
                provide(self, name)
            first, second = self._untouched(verb, "imported"), self._untouched(verb)
            odd = {name for name, one in first.files.items() if second.files.get(name) != one}
            assert first.hash == second.hash, (verb.name, odd)
            self._wholes[verb.name] = second
        return self._wholes[verb.name]

    def _untouched(self, verb: Verb, imported: str = "") -> Whole:
        """Run a verb; with `imported`, have the forge import what the run did: later ones find it there.

        It is a child that does the work and the forge that only imports: what has run with torch is no more
        to be forked.
        """
        place = self.round()
        began = time.monotonic()
        modules = {"imported": str(place / imported)} if imported else {}
        ended = self.wait(self.start(self.order(verb, place, **modules)), _FIRST)
        took = time.monotonic() - began
        assert ended["code"] == 0, (verb.name, ended, (place / "stderr").read_text())
        if imported:
            self.forge.ask(do="import", names=(place / imported).read_text().split())
        found = looked(place / "out", verb.makes)
        assert found["there"], verb.name
        assert found["beside"] == [], found["beside"]
        shutil.rmtree(place)
        ids = frozenset(found["ids"] or ())
        return Whole(found["hash"], found["files"], ids, took, ended["peak"])

    def half(self, found: dict[str, Any], verb: Verb) -> str:
        """Return what is half there at a target after a fault, in words; nothing where all is well."""
        whole = self.whole(verb)
        if not found["there"] or found["hash"] == whole.hash:
            return ""
        if verb.makes == "tree":
            return "a target that is not whole stands under its name"
        odd = [
            name
            for name, one in found["files"].items()
            if whole.files.get(name) != one and (name == "." or not Path(name).name.startswith("."))
        ]
        return f"files that are not whole stand under their names: {odd}" if odd else ""

    def operations(self, verb: Verb) -> int:
        """Return how many changes of the file tree a verb makes."""
        if verb.name not in self._operations:
            self.whole(verb)  # which makes the inputs
            place = self.round()
            count = place / "count"
            self.run(self.order(verb, place, trap={"root": str(place), "count": str(count)}))
            self._operations[verb.name] = int(count.read_text())
            shutil.rmtree(place)
        return self._operations[verb.name]

    def struck(self, outcome: Outcome, place: Path, code: int | None) -> None:
        """Look at what a fault left: nothing at the target or the whole, and no bare trace."""
        self._words(outcome, place, code, "under the fault")
        verb = VERBS[outcome.verb]
        if half := self.half(looked(place / "out", verb.makes), verb):
            outcome.problems.append(half)

    def go_on(self, outcome: Outcome, place: Path, **how: Any) -> None:
        """Go on after the fault, and compare."""
        verb = VERBS[outcome.verb]
        whole = self.whole(verb)
        ended = self.run(self.order(verb, place, *verb.go_on, **how))
        self._words(outcome, place, ended["code"], "going on")
        self.compare(outcome, place, ended["code"], looked(place / "out", verb.makes), whole)
        if not outcome.problems:
            shutil.rmtree(place)

    def compare(
        self, outcome: Outcome, place: Path, code: int | None, found: dict[str, Any], whole: Whole
    ) -> None:
        """Set what stands at the target against the untouched run."""
        text = (place / "stderr").read_text()
        clear = code in (1, 2) and "facedata: " in text
        # What was done already may be told so; what stands there counts.
        if (code == 0 or clear) and found["there"] and found["hash"] == whole.hash:
            outcome.end = "same"
            if found["beside"]:
                outcome.problems.append(f"left behind: {found['beside']}")
            return
        if clear:
            outcome.end = "refused"
            outcome.detail += " " + text.strip().splitlines()[-1]
            return
        missing = whole.ids - set(found.get("ids") or ())
        outcome.lost = len(missing)
        every = {**whole.files, **found["files"]}
        odd = [name for name in every if whole.files.get(name) != found["files"].get(name)][:8]
        short = f"{outcome.lost} rows short, {odd}"
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
    with contextlib.ExitStack() as services:
        server = services.enter_context(serving(_Says()))
        forge = Forge()
        services.callback(forge.close)
        yield Bench(folder, forge, f"{server.url}/v1", services, pictures)
