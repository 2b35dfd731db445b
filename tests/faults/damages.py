"""The faults that damage what a run reads: its input, what a stopped run left, the file of paid answers."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

from .harness import Bench, Outcome
from .look import looked
from .verbs import Verb


def damaged_input(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """A picture file or shard of the input is cut, overwritten, changed in one byte, emptied or gone."""
    place, whole = bench.round(), bench.whole(verb)
    world = place / "world"
    world.mkdir()
    for name in verb.needs:
        one = bench.world / name
        shutil.copytree(one, world / name) if one.is_dir() else shutil.copy(one, world)
    files = sorted(
        path
        for folder in ("images", "shards")
        for path in (world / verb.reads / folder).rglob("*")
        if path.is_file()
    )
    victim = draws.choice(files)
    kept = victim.read_bytes()
    done = damage(victim, draws)
    kind = "shard" if victim.suffix == ".parquet" else "picture"
    outcome = Outcome(verb.name, f"damaged {kind} of the input", done)
    code = bench.run(bench.order(verb, place, world=str(world)))["code"]
    text = (place / "stderr").read_text()
    found = looked(place / "out", verb.makes)
    bench._words(outcome, place, code, "on a damaged input")
    if code == 3:  # made without the rows that are named
        missing = whole.ids - set(found["ids"] or ())
        if whole.ids and not missing:
            outcome.problems.append("exit 3, and no row is missing")
        named = text.count("not made: ")
        if named == 0:
            outcome.problems.append(f"{len(missing)} rows are missing and none is named")
    elif code == 0 and found["hash"] != whole.hash and whole.ids - set(found["ids"] or ()):
        outcome.problems.append("exit 0 without all rows")
        outcome.lost = len(whole.ids - set(found["ids"] or ()))
    outcome.struck = code != 0
    victim.write_bytes(kept)
    if found["there"]:  # what was made of the damaged input is replaced
        code = bench.run(bench.order(verb, place, "--overwrite", world=str(world)))["code"]
        bench.compare(outcome, place, code, looked(place / "out", verb.makes), whole)
    else:
        bench.go_on(outcome, place, world=str(world))
    return outcome


def damaged_part(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """Killed at a random file operation; then a file of what is finished so far is damaged."""
    outcome = Outcome(verb.name, "damaged part of a stopped run")
    place = bench.round()
    count = bench.operations(verb)
    at = draws.randint(count // 3, count)
    bench.run(bench.order(verb, place, trap={"root": str(place), "kill_at": at}))
    partial = place / "out" / "states" if verb.makes == "model" else place / ".out.partial"
    files = sorted(path for path in partial.rglob("*") if path.is_file()) if partial.exists() else []
    outcome.struck = bool(files)
    if files:
        victim = draws.choice(files)
        outcome.detail = f"{victim.relative_to(partial)}: {damage(victim, draws)}"
        _follow(bench, verb, place, outcome)
    bench.go_on(outcome, place)
    return outcome


def _follow(bench: Bench, verb: Verb, place: Path, outcome: Outcome) -> None:
    """Do what a refusal to go on from a damaged state says: remove it, as often as that is said."""
    if verb.makes != "model":
        return
    while True:
        code = bench.run(bench.order(verb, place, *verb.go_on))["code"]
        bench.struck(outcome, place, code)
        text = (place / "stderr").read_text()
        named = re.search(r"facedata: (\S+) cannot be read .*; remove it to go on", text)
        if code == 0 or outcome.problems or not named:
            return
        outcome.detail += ", refused"
        path = place / named[1]
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def damaged_journal(bench: Bench, verb: Verb, draws: random.Random) -> Outcome:
    """The file of answers that were paid for is damaged after a run that was killed."""
    place, whole = bench.round(), bench.whole(verb)
    outcome = Outcome(verb.name, "damaged journal")
    pid = bench.start(bench.order(verb, place))
    time.sleep(draws.uniform(0.5, 1.1) * whole.seconds)
    os.kill(pid, signal.SIGKILL)
    bench.wait(pid)
    shutil.rmtree(place / "out", ignore_errors=True)
    victims = [path for path in (place / "answers.sqlite", place / "answers.sqlite-wal") if path.exists()]
    outcome.struck = bool(victims)
    if victims:
        victim = draws.choice(victims)
        outcome.detail = f"{victim.name}: {damage(victim, draws)}"
    code = bench.run(bench.order(verb, place, *verb.go_on))["code"]
    bench._words(outcome, place, code, "with a damaged journal")
    if code == 1 and not outcome.problems:  # the line says to move it away
        if "move it away" not in (place / "stderr").read_text():
            outcome.problems.append(f"no mend is named: {(place / 'stderr').read_text()[-300:]}")
        for path in place.glob("answers.sqlite*"):
            path.unlink()
    bench.go_on(outcome, place)
    return outcome


def damage(path: Path, draws: random.Random) -> str:
    """Damage a file and say how."""
    data = path.read_bytes()
    how = draws.choice(["cut", "emptied", "overwritten", "one byte changed", "removed", "zeros"])
    if how == "removed":
        path.unlink()
        return how
    at = draws.randrange(max(1, len(data)))
    made = {
        "cut": data[:at],
        "emptied": b"",
        "overwritten": draws.randbytes(len(data) or 8),
        "one byte changed": data[:at] + bytes([(data[at] if data else 0) ^ 0x55]) + data[at + 1 :],
        "zeros": bytes(len(data) or 8),
    }[how]
    path.write_bytes(made)
    return f"{how} at {at}" if how in ("cut", "one byte changed") else how
