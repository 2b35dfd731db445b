"""What the verbs print: progress on standard error, results on standard output."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from facedata.datasets.remote import shown, shown_in

if TYPE_CHECKING:
    from pathlib import Path

    from facedata.datasets.engine import Result
    from facedata.datasets.record import Failure, Record
    from facedata.datasets.versions.derive import Derived

_MOST_FAILURES = 20
_REFUSED = "gate-"
"""What the kinds of failures that are refusals of a gate begin with."""
PARTLY = 3
"""Exit code of a run that left some samples out."""
DIFFERENT = 4
"""Exit code of `diff` and `rebuild` where two versions are not the same."""
FAILED_AUDIT = 4
"""Exit code of `audit` where a dataset does not pass what `--fail-on` names."""


@contextmanager
def progress(verb: str) -> Iterator[Callable[..., None]]:
    """Show a bar with rate and time left on standard error, where that is a terminal.

    What it yields takes how much is done and of how much; what else it is told, such as losses, it leaves.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    console = Console(stderr=True)
    bar = Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        number = bar.add_task(verb, total=None)
        yield lambda done, total, *_: bar.update(number, completed=done, total=total)


def as_json(value: Any) -> None:
    """Print one JSON object on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def counted(table: Mapping[str, int]) -> str:
    """Return `live 24, spoof 78`."""
    return ", ".join(f"{name} {number}" for name, number in table.items()) or "none"


def summary(record: Record, root: Path) -> dict[str, Any]:
    """Return what `--json` says of a dataset."""
    return {
        "path": shown(root),
        "version": record.version,
        "rows": record.counts.rows,
        **{name: table for name, table in record.counts.model_dump().items() if name.startswith("by_")},
        "subjects": record.counts.subjects,
        "instructions": record.counts.instructions,
        "parents": [parent.model_dump() for parent in record.parents],
        "verb": record.verb,
        "seed": record.seed,
        "layout": record.layout,
        "notes": record.notes,
        "failures": [failure.model_dump() for failure in record.failures],
    }


def finish(result: Result, started: float, *, json_wanted: bool) -> None:
    """Report a run and leave with its exit code: 0, or 3 where some samples could not be made."""
    record = result.record
    if json_wanted:
        counts = {"made": result.made, "cached": result.cached, "left_out": result.left_out}
        as_json({**summary(record, result.root), **counts})
    else:
        _tell(result, time.monotonic() - started)
    failures(record)
    if faults(record):
        raise typer.Exit(PARTLY)


def faults(record: Record) -> list[Failure]:
    """Return the failures of a run that are faults: what a gate refuses is what the gate is for."""
    return [failure for failure in record.failures if not failure.kind.startswith(_REFUSED)]


def derived(result: Derived, *, json_wanted: bool, told: Callable[[dict[str, Any]], str]) -> None:
    """Report a version made of rows there are; `told` puts what the verb counted into a line."""
    record = result.record
    if json_wanted:
        as_json({**summary(record, result.root), **result.details})
    else:
        done = f"{shown(result.root)} is complete already" if result.complete_before else told(result.details)
        typer.echo(done)
        _tell_dataset(record, result.root)
    failures(record)
    if record.failures:
        raise typer.Exit(PARTLY)


def _tell(result: Result, seconds: float) -> None:
    record, root = result.record, result.root
    if result.complete_before:
        typer.echo(f"{shown(root)} is complete already")
    else:
        made = result.made + result.cached
        originals = record.counts.rows - made
        parts = [f"made {made} variants ({result.cached} from the cache)"] if made else []
        parts += [f"kept {originals} originals"] if originals else []
        typer.echo(f"{' and '.join(parts)} in {seconds:.1f} s")
    _tell_dataset(record, root)


def _tell_dataset(record: Record, root: Path) -> None:
    typer.echo(f"version  {record.version}")
    typer.echo(f"rows     {record.counts.rows}")
    typer.echo(f"labels   {counted(record.counts.by_label)}")
    if record.counts.by_attack:
        typer.echo(f"attacks  {counted(record.counts.by_attack)}")
    for note in record.notes:
        typer.echo(f"note     {note}")
    typer.echo(f"dataset  {shown(root)}")
    if refused := Counter(one.kind for one in record.failures if one.kind.startswith(_REFUSED)):
        typer.echo(
            f"refused  {counted({kind.removeprefix(_REFUSED): n for kind, n in sorted(refused.items())})}"
        )
    typer.echo(f"sheet    {shown(root / 'preview.png')}")


def stopped(words: str) -> None:
    """Say that Ctrl-C was met; from here on another one ends the process at once, without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    typer.echo(f"facedata: stopped{words}", err=True)


def failures(record: Record) -> None:
    """Name on standard error what was not made, the first few one by one."""
    for failure in record.failures[:_MOST_FAILURES]:
        typer.echo(f"not made: {shown_in(failure.reason)}", err=True)
    if (more := len(record.failures) - _MOST_FAILURES) > 0:
        typer.echo(f"not made: {more} more; all are in dataset.json", err=True)
    if record.failures:
        sys.stderr.flush()
