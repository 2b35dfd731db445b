"""`facedata rebuild` of an annotated dataset: its records made again from recorded answers. Nobody is asked.

`rules` write their answers anew. `replay` takes them from the file that it is given again, and what a server
or a model answered is taken from the journal of that time: an answer that is not there is not paid for a
second time, but named.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facedata.annotate.annotate import annotate
from facedata.annotate.answering import Unanswered, answer_job
from facedata.annotate.ask import Asker, Limits
from facedata.annotate.compare import compare
from facedata.annotate.jobs import Jobs
from facedata.annotate.providers.base import Outcome, Provider, Request, Sampling
from facedata.annotate.providers.replay import Replay
from facedata.annotate.providers.rules import Rules
from facedata.annotate.run import Asking, Tally, settings
from facedata.annotate.spool import Spool
from facedata.annotate.store import REUSED, Store, read_outcome
from facedata.annotate.swap import Swap, with_swaps
from facedata.annotate.tasks import Task
from facedata.annotate.write import check_target, write_annotated
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.errors import DatasetError, UsageError
from facedata.datasets.instructions import Usage, read_records, record_id
from facedata.datasets.remote_place import workplace

__all__ = ["rebuild"]


def rebuild(made: Dataset, source: Path, target: Path, answers: Path, options: Options) -> None:
    """Make the annotated dataset `made` again as `target`, from `source`, which it was made from.

    `answers` is the journal of that run, or what it replayed; rules need none. Raises UsageError where an
    answer that a record rests on is not there, naming it, and DatasetError where the record lacks the tasks.
    """
    told = made.record.parameters
    try:
        tasks = [Task.model_validate(one) for one in told["tasks"]]
        asking = Asking(
            seed=made.record.seed or 0,
            draws=told["draws"],
            sampling=Sampling(**told["sampling"]),
            repair=told["repair"],
            swap=Swap(**told["swap"]),
        )
        name = told["provider"]["provider"]
    except (KeyError, TypeError, ValidationError) as error:
        raise DatasetError(
            f"{made.root}: its record does not tell how it was annotated ({type(error).__name__}); an older "
            "facedata wrote it, or somebody changed it: annotate its source again"
        ) from None
    if name == "rules":
        annotate(source, tasks, target, Rules(), asking, options)
        return
    if not answers.is_file():
        raise UsageError(
            f"its answers came from {name}, and {answers} with the recorded ones is not here; give the "
            "journal of that run, or what it replayed, with --answers"
        )
    dataset = Dataset.open(source)
    check_target(dataset, target, options)
    known = _Known.of(made, dataset)
    place = workplace(target)
    with place.held():
        spool = Spool(place.spool)
        try:
            provider: Provider = Replay(answers) if name == "replay" else _Recorded(told["provider"])
            tally = asyncio.run(_make(dataset, tasks, provider, asking, answers, known, spool))
            what = settings(tasks, provider, asking)
            write_annotated(dataset, spool, target, what, asking.seed, options, tally, place)
        finally:
            spool.close()
            place.spool.unlink(missing_ok=True)


async def _make(
    dataset: Dataset,
    tasks: list[Task],
    provider: Provider,
    asking: Asking,
    answers: Path,
    known: _Known,
    spool: Spool,
) -> Tally:
    jobs, tally = Jobs(dataset, tasks, asking.seed, asking.sampling, asking.draws), Tally()
    lacking, held = dict(known.records), list[str]()
    with Store(None) if provider.name == "replay" else _Journal(answers, known) as store:
        nobody = None if provider.name == "replay" else lambda key, _: held.append(key)
        asker = Asker(provider, store, Limits(), held=nobody)
        for job, swapped in with_swaps(jobs, asking.swap):
            first = job.request.key(provider)
            # Where the first answer is the record's, what a second try came to plays no part.
            kept = record_id(job.sample.sample_id, job.task.name, job.task.version, first) in known.records
            repair = asking.repair and not kept
            result = await answer_job(job, asker, repair=repair, swapped=swapped)
            if isinstance(result, Unanswered):
                tally.unanswered += 1
            elif lacking.pop(result.record_id, None):  # else it was answered after the dataset was made
                tally.by_status[result.status] += 1
                spool.add([result])
    if lacking and (held or tally.unanswered):
        sample, task = lacking[min(lacking)]
        raise UsageError(
            f"{answers} does not hold the answers that {len(lacking)} of {len(known.records)} records rest "
            f"on; the first is of sample {sample}, task {task}. Give the journal that holds them with "
            "--answers, or annotate again, which asks and pays for what is missing"
        )
    tally.passed_over = jobs.passed_over
    compare(spool, tasks)
    return tally


@dataclass(frozen=True, slots=True)
class _Known:
    """The records to make again: (sample, task) by id, and the ids of the responses to each request."""

    records: dict[str, tuple[str, str]]
    responses: dict[str, set[str | None]]

    @classmethod
    def of(cls, made: Dataset, source: Dataset) -> _Known:
        carried = {record.record_id: record.record_hash() for record in read_records(source.root)}
        records, responses = {}, defaultdict(set)
        for record in read_records(made.root):
            before = carried.get(record.record_id)
            if before is None or before != record.record_hash():
                records[record.record_id] = (record.sample_id, record.task)
                responses[record.provenance.request].add(record.provenance.response_id)
        return cls(records, responses)


class _Journal(Store):
    """A journal that is only read; of several answers to one request, the one that the dataset rests on."""

    def __init__(self, path: Path, known: _Known) -> None:
        self.path = path
        self._known = known
        try:
            self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            self._connection.execute("SELECT key, status, outcome FROM journal LIMIT 1")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is no journal of answers ({error}); give one with --answers") from None

    def get(self, key: str) -> Outcome | None:
        """Return the recorded answer to the request `key`, or None."""
        if self._connection is None:
            return None
        asked = "SELECT status, outcome FROM journal WHERE key = ? ORDER BY number DESC"
        try:
            rows = self._connection.execute(asked, (key,))
            found = [read_outcome(text) for status, text in rows if status in REUSED]
        except (sqlite3.Error, ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(f"{self.path} is damaged ({error}); give another one with --answers") from None
        wanted = self._known.responses.get(key, ())
        return next((one for one in found if one.response_id in wanted), found[0] if found else None)


class _Recorded:
    """Stands for the provider that was asked: what it was told is part of every request's key."""

    price = None

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self.name: str = told["provider"]
        self.model: str = told["model"]

    def settings(self) -> dict[str, Any]:
        """Return what the dataset's record says of it."""
        return self._told

    def extra_key(self, request: Request) -> Any:
        """Return nothing, as for every provider that looks at texts and pictures alone."""
        del request

    def estimate(self, request: Request) -> Usage:
        """Return nothing: nothing is sent."""
        del request
        return Usage()

    async def answer(self, request: Request) -> Outcome:
        """Return that there is none; the journal is asked before."""
        del request
        return Outcome(status="error", detail="nobody is asked")

    async def close(self) -> None:
        """Nothing is held."""
