"""`python -m tests.fuzz TARGET`: real files, changed a little; `all` for every target.

With atheris installed the changes are guided by the lines of facedata that they reach; without it they are
drawn blindly. An input that shows something that must not be is kept; the last lines say where, and how to
run it again.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from .child import build, keep
from .targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent.parent
_HANGS = 40.0  # seconds on one input
_RUNS = re.compile(r"Done (\d+) runs")
_STATUS = re.compile(r"^#(\d+)\s.*? cov: (\d+) ft: (\d+)", re.MULTILINE)


@dataclass
class Told:
    """What a target came to: inputs tried, edges reached (0: not known), and the findings' files."""

    runs: int = 0
    edges: int = 0
    findings: tuple[Path, ...] = ()


def main() -> int:
    """Run the targets; the exit code is 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="+", metavar="TARGET", choices=[*TARGETS, "all"], help="or all")
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (0)")
    parser.add_argument("--replay", type=Path, help="run this one input, and nothing else")
    parser.add_argument(
        "--keep", type=Path, default=ROOT / "out" / "fuzz", help="folder of findings (out/fuzz)"
    )
    parser.add_argument("--write", type=Path, help="the page to put the table into: docs/reliability.md")
    given = parser.parse_args()
    if given.replay:
        return replay(given.targets[0], given.replay)
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("atheris is not installed: inputs are drawn blindly (pip install atheris)\n")
    given.keep.mkdir(parents=True, exist_ok=True)
    told = {}
    for name in TARGETS if "all" in given.targets else given.targets:
        began = time.monotonic()
        told[name] = fuzz(name, given.seconds, given.seed, given.keep)
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {name}: {told[name].runs} runs\n")
    page = table(told)
    sys.stdout.write(page)
    for name, one in told.items():
        for path in one.findings:
            what = json.loads(path.with_name(f"{path.name}.json").read_text())
            last = str(what["detail"]).strip().splitlines()[-1:]
            sys.stdout.write(
                f"{what['key']}: {' '.join(last)}\n    python -m tests.fuzz {name} --replay {path}\n"
            )
    if given.write:
        put(given.write, page)
    return int(any(one.findings for one in told.values()))


def fuzz(name: str, seconds: float, seed: int, keep_in: Path) -> Told:
    """Run one target in processes of its own, a new one where one died; return what came of it."""
    told, ends = Told(), time.monotonic() + seconds
    before = set(keep_in.iterdir())
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        round_ = 0
        while (left := ends - time.monotonic()) > 1 or not round_:
            work = Path(folder) / str(round_)
            work.mkdir()
            died = _round(name, work, max(left, 1), seed + round_)
            text = (work / "log").read_text(errors="replace")
            statuses = _STATUS.findall(text)
            told.runs += int(
                _RUNS.findall(text)[-1] if _RUNS.search(text) else statuses[-1][0] if statuses else 0
            )
            told.edges = max([told.edges, *(int(cov) for _, cov, _ in statuses)])
            for path in sorted((work / "findings").glob("*.json")):
                what = json.loads(path.read_text())
                keep(keep_in, name, path.with_suffix("").read_bytes(), what["key"], what["detail"])
            if died:
                if not (work / "current").exists():
                    raise RuntimeError(f"{name} did not begin: {text[-3000:]}")
                keep(keep_in, name, (work / "current").read_bytes(), f"{died} {_where(text)}", text[-6000:])
            round_ += 1
    told.findings = tuple(path for path in sorted(set(keep_in.iterdir()) - before) if path.suffix != ".json")
    return told


def _round(name: str, work: Path, seconds: float, seed: int) -> str:
    """Return what the process died of, "" where it came to its end."""
    quiet = {
        "OMP_NUM_THREADS": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    with (work / "log").open("wb") as log:
        command = [sys.executable, "-m", "tests.fuzz.child", name, str(work), str(seconds), str(seed)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **quiet, "TMPDIR": str(work)}
        )
    current = work / "current"
    while (code := process.poll()) is None:
        time.sleep(0.1)
        if current.exists() and time.time() - current.stat().st_mtime > _HANGS:
            process.kill()
            process.wait()
            return "hang"
    return "" if code == 0 else f"exit {code}"


def _where(text: str) -> str:
    found = re.findall(r'File ".*?facedata/(\S+)", line (\d+)', text)
    return ":".join(found[0]) if found else ""


def replay(name: str, path: Path) -> int:
    """Run one input with nothing caught."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        bench = build(name, Path(folder))
        if (finding := bench.watch.run(bench.target.run, path.read_bytes())) is None:
            sys.stdout.write("nothing of note\n")
            return 0
        sys.stdout.write(f"{finding.detail}\n{finding.key}\n")
        return 1


def table(told: dict[str, Told]) -> str:
    """Return the table as Markdown."""
    lines = ["| Target | inputs | edges reached | findings |", "|---|---:|---:|---:|"]
    for name, one in told.items():
        lines.append(f"| {name} | {one.runs} | {one.edges or '-'} | {len(one.findings)} |")
    return "\n".join(lines) + "\n"


def put(page: Path, text: str) -> None:
    """Put the table between the page's two marks; rows of targets that it does not have stay as they are."""
    start, end = "<!-- fuzz: begin -->\n", "<!-- fuzz: end -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    old, _, after = rest.partition(end)
    rows = {line.split(" | ")[0]: line for part in (old, text) for line in part.splitlines(keepends=True)[2:]}
    known = [rows[f"| {name}"] for name in TARGETS if f"| {name}" in rows]
    head = text.splitlines(keepends=True)[:2]
    page.write_text(before + start + "".join([*head, *known]) + end + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
