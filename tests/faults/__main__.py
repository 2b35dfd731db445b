"""`python -m tests.faults`: every verb that writes under every fault, at length, and the table of it."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from .faults import FAULTS
from .harness import Outcome, bench
from .verbs import VERBS

_HEAD = 2  # lines of a table before its rows


def main() -> int:
    """Run the rounds; the exit code is 0 where no row was lost and nothing else was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    told = "rounds of each fault, verb by verb, and one of each verb at least (15)"
    parser.add_argument("--rounds", type=int, default=15, help=told)
    parser.add_argument("--kills", type=int, help="rounds of kill -9, where they are to be others")
    one = {"action": "append", "default": []}
    parser.add_argument("--fault", **one, choices=list(FAULTS), help="only this one; may be repeated")
    parser.add_argument("--verb", **one, choices=list(VERBS), help="only this one; may be repeated")
    parser.add_argument("--without", **one, choices=list(VERBS), help="not this verb; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and damages (0)")
    parser.add_argument("--write", type=Path, help="the page to put the table into: docs/reliability.md")
    given = parser.parse_args()
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as tools:
        for name, (fault, verbs) in FAULTS.items():
            if given.fault and name not in given.fault:
                continue
            chosen = [one for one in verbs if one in (given.verb or verbs) and one not in given.without]
            rounds = given.kills if given.kills and name == "kill -9" else given.rounds
            for number in range(max(rounds, len(chosen)) if chosen else 0):
                verb = chosen[number % len(chosen)]
                draws = random.Random(f"{given.seed} {name} {verb} {number}")
                outcome = fault(tools, VERBS[verb], draws)
                outcomes.append(outcome)
                for problem in outcome.problems:
                    sys.stderr.write(f"{name} | {verb} | {number}: {outcome.detail}\n    {problem}\n")
            sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {name}\n")
            if given.write:
                put(given.write, table(outcomes))
    sys.stdout.write(table(outcomes))
    return 1 if any(one.problems or one.lost for one in outcomes) else 0


def table(outcomes: list[Outcome]) -> str:
    """Return the table of faults as Markdown."""
    lines = [
        "| Fault | verbs | rounds | struck | same bytes | refused | rows lost | other findings |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    by_fault: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        by_fault[one.fault].append(one)
    for fault, found in by_fault.items():
        ends = Counter(one.end for one in found)
        cells = [
            *(fault, len({one.verb for one in found}), len(found), sum(one.struck for one in found)),
            *(ends["same"], ends["refused"], sum(one.lost for one in found)),
            sum(bool(one.problems) for one in found),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def put(page: Path, text: str) -> None:
    """Put a table between the page's two marks; rows of faults that it does not have stay as they are."""
    start, end = "<!-- table: begin -->\n", "<!-- table: end -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    old, _, after = rest.partition(end)
    rows = {**_rows(old), **_rows(text)}
    order = [name for name in FAULTS if name in rows] + [name for name in rows if name not in FAULTS]
    head = text.splitlines(keepends=True)[:_HEAD]
    page.write_text(before + start + "".join([*head, *(rows[name] for name in order)]) + end + after, "utf-8")


def _rows(text: str) -> dict[str, str]:
    """Return the rows of a table by their first cells."""
    return {line.split(" | ")[0].strip("| "): line for line in text.splitlines(keepends=True)[_HEAD:]}


if __name__ == "__main__":
    sys.exit(main())
