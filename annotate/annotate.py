"""`facedata annotate TASK DATASET -o DATASET`, as a function."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facedata.annotate.on_ray import ask_on_ray
from facedata.annotate.providers.base import Provider
from facedata.annotate.run import Asking, Tally, ask_all, settings
from facedata.annotate.spool import Spool
from facedata.annotate.tasks import Task
from facedata.annotate.write import check_target, write_annotated
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, Result, engine_at_hand
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.remote_place import workplace

__all__ = ["Annotated", "annotate"]

_COLLECTED = (50_000, 20, 100)
"""Objects between two looks for cycles. Records and samples come by the million and have none, and Python's
700 would take an eighth of the CPU for finding nothing."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """What a run came to; `result` is the dataset that was written."""

    tally: Tally
    result: Result


def annotate(
    source: Path | str,
    tasks: Sequence[Task],
    target: Path,
    provider: Provider,
    asking: Asking | None = None,
    options: Options | None = None,
) -> Annotated:
    """Ask `tasks` of every sample of the dataset at `source` and write the records as the dataset `target`.

    Raises SourceError where not one question was answered; answers that came are in the journal all the same.
    """
    asking, options = asking or Asking(), options or Options()
    dataset = Dataset.open(source)
    place = workplace(target)
    if options.engine == "ray" and provider.name != "rules":
        raise UsageError(
            f"--engine ray is for rules: the journal of what {provider.name} answers is one process's, which "
            "keeps a server busy by itself; leave it out, and raise --concurrency"
        )
    # From the first question on the target is held: nobody pays twice for it.
    with engine_at_hand(options), place.held(), _rare_collections():
        check_target(dataset, target, options)
        spool = Spool(place.spool)
        try:
            if options.engine == "ray":
                tally = ask_on_ray(dataset, tasks, provider, asking, spool, options.workers, place)
            else:
                tally = ask_all(dataset, tasks, provider, asking, spool)
            if not tally.by_status:
                raise SourceError(_nothing_answered(tally))
            told = settings(tasks, provider, asking)
            result = write_annotated(dataset, spool, target, told, asking.seed, options, tally, place)
        finally:
            spool.close()
            place.spool.unlink(missing_ok=True)
    return Annotated(tally, result)


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECTED)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _nothing_answered(tally: Tally) -> str:
    first = tally.problems[0]
    more = f" (and {tally.unanswered - 1} more)" if tally.unanswered > 1 else ""
    return f"nothing was answered: sample {first.sample_id}, task {first.task}: {first.detail}{more}"
