"""The faults. Each takes a bench, a verb and draws, and gives what a round came to."""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from .damages import damaged_input, damaged_journal, damaged_part
from .harness import Bench, Outcome
from .verbs import VERBS, Verb

Fault = Callable[[Bench, Verb, random.Random], Outcome]
_BACK = -20 * 365.25 * 86400.0  # seconds: before the inputs were made


def _signalled(name: str, signals: list[signal.Signals]) -> Fault:
    def fault(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
        place, whole = bench.round(), bench.whole(verb)
        moment = draws.uniform(0, 1.05) * whole.seconds
        outcome = Outcome(verb.name, name, f"at {moment:.3f} s")
        pid = bench.start(bench.order(verb, place))
        for number, one in enumerate(signals):
            time.sleep(moment if number == 0 else draws.uniform(0, 0.3) * whole.seconds)
            os.kill(pid, one)  # a process that ended is not reaped yet, so its id is its own
        code = bench.wait(pid)["code"]
        outcome.struck = code != 0
        if code not in (0, 130, *(-one for one in signals)):
            outcome.problems.append(f"exit {code} after {signals[0].name}")
        bench.struck(outcome, place, code)
        bench.go_on(outcome, place)
        return outcome

    return fault


def killed_at_an_operation(bench: Bench, verb: Verb, draws: random.Random, at: int | None = None) -> Outcome:
    """`kill -9` right before the n-th change of the file tree."""
    place = bench.round()
    at = at or draws.randint(1, bench.operations(verb))
    outcome = Outcome(verb.name, "kill -9 at a file operation", f"number {at}")
    code = bench.run(bench.order(verb, place, trap={"root": str(place), "kill_at": at}))["code"]
    outcome.struck = code != 0
    bench.struck(outcome, place, code)
    bench.go_on(outcome, place)
    return outcome


def failed_at_an_operation(bench: Bench, verb: Verb, draws: random.Random, at: int | None = None) -> Outcome:
    """The n-th change of the file tree fails: no space, no rights, a device that is no more."""
    place = bench.round()
    at = at or draws.randint(1, bench.operations(verb))
    number = draws.choice([errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE])
    outcome = Outcome(verb.name, "a file operation fails", f"number {at}, {errno.errorcode[number]}")
    trap = {"root": str(place), "fail_at": at, "errno": number}
    code = bench.run(bench.order(verb, place, trap=trap))["code"]
    bench.struck(outcome, place, code)
    bench.go_on(outcome, place)
    return outcome


def worker_crashes(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """A worker process gets a segmentation fault at a random moment; the run itself has to cope."""
    place, whole = bench.round(), bench.whole(verb)
    outcome = Outcome(verb.name, "a worker's segmentation fault", struck=False)
    pid = bench.start(bench.order(verb, place))
    end = time.monotonic() + draws.uniform(0.2, 1.0) * whole.seconds
    while time.monotonic() < end or not outcome.struck:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.005)
        if time.monotonic() < end:
            continue
        workers = [one for child in psutil.Process(pid).children() for one in child.children()]
        if workers:
            draws.choice(workers).send_signal(signal.SIGSEGV)
            outcome.struck = True
    code = bench.wait(pid)["code"]
    bench.struck(outcome, place, code)
    if code != 0:
        outcome.problems.append(f"exit {code}: {(place / 'stderr').read_text()[-300:]}")
    bench.go_on(outcome, place)
    return outcome


def out_of_memory(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """An address space that ends somewhere between nothing and what the run needs."""
    place = bench.round()
    if draws.random() < 0.5 or verb.early:  # a database's driver has threads that die of less
        at = draws.randint(1, bench.operations(verb))
        outcome = Outcome(verb.name, "memory limit", f"MemoryError at file operation {at}")
        trap = {"root": str(place), "fail_at": at}
        code = bench.run(bench.order(verb, place, trap=trap))["code"]
        outcome.struck = code != 0
        bench.struck(outcome, place, code)
        bench.go_on(outcome, place)
        return outcome
    memory = int(10 ** draws.uniform(6, 7.5))
    outcome = Outcome(verb.name, "memory limit", f"{memory / 1e6:.1f} MB more")
    code = bench.run(bench.order(verb, place, memory=memory))["code"]
    outcome.struck = code != 0
    if code is not None and code < 0 and -code not in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
        outcome.problems.append(f"exit {code}")
    bench.struck(outcome, place, code)
    bench.go_on(outcome, place)
    return outcome


def disk_full(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """A tmpfs that is too small, then one that is not; a limit on file sizes where nothing can be mounted."""
    place, whole = bench.round(), bench.whole(verb)
    size = int(4096 * draws.randint(4, 60))
    outcome = Outcome(verb.name, "disk full", f"tmpfs of {size >> 10} KiB")
    at = bench.round()  # as deep as others: a model may say where its base is as seen from it
    logs = {"out": str(place / "stdout"), "err": str(place / "stderr")}
    begun, on = bench.order(verb, at), bench.order(verb, at, *verb.go_on)
    steps = [
        {"do": "mount", "at": str(at), "options": f"size={size}"},
        {"do": "run", "run": {**begun, "out": logs["out"], "err": str(place / "first")}},
        {"do": "look", "at": str(at / "out"), "makes": verb.makes},
        {"do": "remount", "at": str(at), "options": "size=64m"},
        {"do": "run", "run": {**on, **logs}},
        {"do": "look", "at": str(at / "out"), "makes": verb.makes},
    ]
    results = bench.forge.ask(do="room", steps=steps)
    if isinstance(results, dict):
        return _file_limit(bench, verb, draws, place)
    _, first, between, _, second, after = results
    (place / "first").rename(place / "stderr") if first["code"] != 0 and second is None else None
    outcome.struck = first["code"] != 0
    text = (place / "first").read_text()
    if re.search(r"Traceback|internal error", text) or (outcome.struck and "facedata: " not in text):
        outcome.problems.append(f"exit {first['code']} on the full disk: {text[-1500:]}")
    if half := bench.half(between, verb):
        outcome.problems.append(half)
    bench.compare(outcome, place, second["code"], after, whole)
    return outcome


def _file_limit(bench: Bench, verb: Verb, draws: random.Random, place: Path) -> Outcome:
    size = int(10 ** draws.uniform(3.5, 5))  # what a run says on standard error is a file too
    outcome = Outcome(verb.name, "disk full", f"stand-in: files end at {size} bytes")
    code = bench.run(bench.order(verb, place, file_bytes=size))["code"]
    outcome.struck = code != 0
    bench.struck(outcome, place, code)
    bench.go_on(outcome, place)
    return outcome


def file_too_large(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """No file may be longer than so many bytes (RLIMIT_FSIZE), as under some quotas."""
    return _renamed(_file_limit(bench, verb, draws, bench.round()), "file size limit")


def _renamed(outcome: Outcome, fault: str) -> Outcome:
    outcome.fault = fault
    return outcome


def read_only(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """The target's file system is mounted read-only; then it is not."""
    place, whole = bench.round(), bench.whole(verb)
    outcome = Outcome(verb.name, "read-only target")
    at = bench.round()  # as deep as others: a model may say where its base is as seen from it
    begun, on = bench.order(verb, at), bench.order(verb, at, *verb.go_on)
    steps = [
        {"do": "mount", "at": str(at), "options": "size=64m"},
        {"do": "remount", "at": str(at), "options": "ro"},
        {"do": "run", "run": {**begun, "out": str(place / "stdout"), "err": str(place / "first")}},
        {"do": "listing", "at": str(at)},
        {"do": "remount", "at": str(at), "options": "rw"},
        {"do": "run", "run": {**on, "out": str(place / "stdout"), "err": str(place / "stderr")}},
        {"do": "look", "at": str(at / "out"), "makes": verb.makes},
    ]
    results = bench.forge.ask(do="room", steps=steps)
    if isinstance(results, dict):  # nothing can be mounted: every change fails instead
        trap = {"root": str(place), "share": 1.0, "errno": errno.EROFS}
        outcome.detail = "stand-in: every change of files fails"
        code = bench.run(bench.order(verb, place, trap=trap))["code"]
        bench.struck(outcome, place, code)
        bench.go_on(outcome, place)
        return outcome
    _, _, first, listing, _, second, after = results
    text = (place / "first").read_text()
    if first["code"] != 1 or "facedata: " not in text or re.search(r"Traceback|internal error", text):
        outcome.problems.append(f"exit {first['code']} on a read-only disk: {text[-1500:]}")
    if listing:
        outcome.problems.append(f"a read-only disk holds {listing}")
    bench.compare(outcome, place, second["code"], after, whole)
    return outcome


def flaky_storage(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """Each operation on a file of the target takes up to 3 ms longer, and one in a hundred fails with EIO."""
    place = bench.round()
    return _flaky(bench, verb, draws, "slow and flaky storage", place, place)


def flaky_source(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """One in a hundred openings of an input's file fails with EIO."""
    return _flaky(bench, verb, draws, "slow and flaky source", bench.world, bench.round())


def _flaky(bench: Bench, verb: Verb, draws: random.Random, fault: str, root: Path, place: Path) -> Outcome:
    """Try until a run comes through while operations below `root` are slow and fail."""
    outcome = Outcome(verb.name, fault, "")
    trap = {"root": str(root), "share": 0.01, "errno": errno.EIO, "slow": 0.003, "reads": True}
    for attempt in range(40):
        more = verb.go_on if attempt else ()
        seed = draws.randrange(1 << 30)
        code = bench.run(bench.order(verb, place, *more, trap={**trap, "seed": seed}))["code"]
        bench.struck(outcome, place, code)
        if code == 0 or outcome.problems:
            break
    outcome.detail = f"{attempt + 1} attempts"
    bench.go_on(outcome, place)
    return outcome


def clock_set_back(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """Killed at a random moment; gone on with by a process whose clock is twenty years behind."""
    place, whole = bench.round(), bench.whole(verb)
    moment = draws.uniform(0, 1.0) * whole.seconds
    outcome = Outcome(verb.name, "clock set back", f"killed at {moment:.3f} s")
    pid = bench.start(bench.order(verb, place))
    time.sleep(moment)
    os.kill(pid, signal.SIGKILL)
    bench.struck(outcome, place, bench.wait(pid)["code"])
    bench.go_on(outcome, place, clock=_BACK)
    return outcome


def two_runs(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """A second run on the target of the first, begun at a random moment."""
    place, whole = bench.round(), bench.whole(verb)
    outcome = Outcome(verb.name, "two runs on one target")
    first = bench.start(bench.order(verb, place))
    time.sleep(draws.uniform(0, 0.9) * whole.seconds)
    order = bench.order(verb, place, *verb.go_on) | {"err": str(place / "second"), "out": str(place / "out2")}
    second = bench.start(order)
    one, other = bench.wait(first)["code"], bench.wait(second)["code"]
    text, mine = (place / "second").read_text(), (place / "stderr").read_text()
    outcome.struck = "is writing to" in text + mine
    for who, code, said, against in (("second", other, text, first), ("first", one, mine, second)):
        if code == 0 or (code == 1 and ("holds" in said or "already" in said)):
            continue
        if code != 1 or not re.search(rf"process {against}\b.* is writing to", said):
            outcome.problems.append(f"the {who} run: exit {code}: {said[-600:]}")
    if one != 0 and other != 0:
        outcome.problems.append("neither run came to an end")
    bench.struck(outcome, place, 0)
    bench.go_on(outcome, place)
    return outcome


_ANY = tuple(VERBS)
_READING = tuple(name for name, verb in VERBS.items() if verb.reads)
_RESUMING = tuple(name for name, verb in VERBS.items() if "--resume" in verb.go_on)

FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "kill -9": (_signalled("kill -9", [signal.SIGKILL]), _ANY),
    "kill -9 at a file operation": (killed_at_an_operation, _ANY),
    "SIGTERM": (_signalled("SIGTERM", [signal.SIGTERM]), _ANY),
    "SIGINT twice": (_signalled("SIGINT twice", [signal.SIGINT, signal.SIGINT]), _ANY),
    "a worker's segmentation fault": (
        worker_crashes,
        tuple(name for name, verb in VERBS.items() if verb.workers),
    ),
    "memory limit": (out_of_memory, _ANY),
    "disk full": (disk_full, _ANY),
    "file size limit": (file_too_large, _ANY),
    "read-only target": (read_only, _ANY),
    "a file operation fails": (failed_at_an_operation, _ANY),
    "slow and flaky storage": (flaky_storage, _ANY),
    "slow and flaky source": (flaky_source, _ANY),
    "clock set back": (clock_set_back, _ANY),
    "two runs on one target": (two_runs, _ANY),
    "damaged input": (damaged_input, _READING),
    "damaged part of a stopped run": (damaged_part, _RESUMING),
    "damaged journal": (damaged_journal, tuple(name for name, verb in VERBS.items() if verb.journal)),
}
"""Each fault with the verbs that it can meet."""
